// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "topology.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../posix/failure.h"

#define FOLDER "/sys/devices/system/cpu"
#define PATH_SIZE 512u
#define TEXT_SIZE 32u
// More caches of one processor than this are no processor that we know of.
#define MOST_CACHES 16u

// ---- The folder --------------------------------------------------------------------------------

// The beginning of a small file, as text. False if there is none or nothing in it.
static bool read_text(const char *folder, uint32_t processor, const char *file,
                      char text[TEXT_SIZE]) {
    char path[PATH_SIZE];
    int length = snprintf(path, sizeof path, "%s/cpu%u/%s", folder, processor, file);
    if (length < 0 || (size_t)length >= sizeof path) return false;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return false;
    ssize_t size = read(descriptor, text, TEXT_SIZE - 1);
    close(descriptor);
    if (size <= 0) return false;
    text[size] = '\0';
    return true;
}

// The first number of a list, as "0-3,8-11". Of a list that does not fit the beginning tells it,
// too.
static bool read_number(const char *folder, uint32_t processor, const char *file,
                        uint32_t *number) {
    char text[TEXT_SIZE];
    if (!read_text(folder, processor, file, text)) return false;
    if (text[0] < '0' || text[0] > '9') return false;
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (value > UINT16_MAX || strchr("\n,-", *end) == NULL) return false;
    *number = (uint32_t)value;
    return true;
}

// Processors that share something are a list, and the list's first names it. False if the file
// tells nothing sensible.
static bool read_cache(const char *folder, unsigned index, struct sipc_os_processor *processor) {
    char file[64], type[TEXT_SIZE];
    uint32_t level, name;
    snprintf(file, sizeof file, "cache/index%u/type", index);
    if (!read_text(folder, processor->id, file, type)) return false;
    snprintf(file, sizeof file, "cache/index%u/level", index);
    if (!read_number(folder, processor->id, file, &level)) return false;
    snprintf(file, sizeof file, "cache/index%u/shared_cpu_list", index);
    if (!read_number(folder, processor->id, file, &name)) return false;
    if (level < 1 || level > SIPC_OS_CACHE_LEVELS) return false;
    if (strncmp(type, "Instruction", strlen("Instruction")) != 0)
        processor->caches[level - 1] = name;
    return true;
}

static bool has_cache(const char *folder, uint32_t processor, unsigned index) {
    char file[64], text[TEXT_SIZE];
    snprintf(file, sizeof file, "cache/index%u/level", index);
    return read_text(folder, processor, file, text);
}

static bool read_processor(const char *folder, struct sipc_os_processor *processor) {
    unsigned caches = 0;
    for (unsigned level = 0; level < SIPC_OS_CACHE_LEVELS; level++)
        processor->caches[level] = SIPC_OS_NO_CACHE;
    if (!read_number(folder, processor->id, "topology/thread_siblings_list", &processor->core))
        return false;
    while (caches < MOST_CACHES && has_cache(folder, processor->id, caches))
        if (!read_cache(folder, caches++, processor)) return false;
    return caches > 0;
}

bool sipc_topology_read(const char *folder, struct sipc_os_processor *processors, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (!read_processor(folder, &processors[i])) return false;
    return true;
}

// ---- This thread -------------------------------------------------------------------------------

// Which also is how a control group's set of processors shows.
static bool allowed(cpu_set_t *set) {
    return sched_getaffinity(0, sizeof *set, set) == 0;
}

uint32_t sipc_os_processors(struct sipc_os_processor found[SIPC_OS_MOST_PROCESSORS]) {
    cpu_set_t set;
    uint32_t count = 0;
    if (!allowed(&set)) return 0;
    for (uint32_t id = 0; id < SIPC_OS_MOST_PROCESSORS && id < CPU_SETSIZE; id++)
        if (CPU_ISSET(id, &set)) found[count++].id = id;
    return sipc_topology_read(FOLDER, found, count) ? count : 0;
}

bool sipc_os_may_run_on(uint32_t processor) {
    cpu_set_t set;
    return processor < CPU_SETSIZE && allowed(&set) && CPU_ISSET(processor, &set);
}

sipc_status sipc_os_pin(uint32_t processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (processor < CPU_SETSIZE) CPU_SET(processor, &set);
    if (sched_setaffinity(0, sizeof set, &set) == 0) return SIPC_OK;
    return sipc_os_fail(SIPC_INVALID_ARGUMENT, errno, "a move to processor %u", processor);
}

void sipc_os_move(void) {
    cpu_set_t all, others;
    int here = sched_getcpu();
    if (here < 0 || !allowed(&all)) return;
    others = all;
    CPU_CLR((size_t)here, &others);
    if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) return;
    // Nobody is the worse off if it fails: the thread can be moved by whoever could before.
    (void)!sched_setaffinity(0, sizeof all, &all);
}
