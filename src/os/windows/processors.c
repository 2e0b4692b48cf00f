// SPDX-License-Identifier: Apache-2.0
// Processors of the group that this process runs in, at most 64; what they share.
#include <stdlib.h>

#include "../../internal/os.h"
#include "windows.h"

typedef SYSTEM_LOGICAL_PROCESSOR_INFORMATION processor_relation;

static bool allowed(DWORD_PTR *mask) {
    DWORD_PTR of_system;
    return GetProcessAffinityMask(GetCurrentProcess(), mask, &of_system) && *mask != 0;
}

// NULL: the system does not tell. The caller frees it.
static processor_relation *relations(uint32_t *count) {
    DWORD size = 0;
    GetLogicalProcessorInformation(NULL, &size);
    processor_relation *told = size ? malloc(size) : NULL;
    if (told && GetLogicalProcessorInformation(told, &size)) {
        *count = size / sizeof *told;
        return told;
    }
    free(told);
    return NULL;
}

static void note(struct sipc_os_processor *processor, const processor_relation *relation,
                 uint32_t index) {
    if (!(relation->ProcessorMask >> processor->id & 1)) return;
    if (relation->Relationship == RelationProcessorCore) processor->core = index;
    if (relation->Relationship != RelationCache || relation->Cache.Type == CacheInstruction) return;
    uint32_t level = relation->Cache.Level;
    if (level >= 1 && level <= SIPC_OS_CACHE_LEVELS) processor->caches[level - 1] = index;
}

uint32_t sipc_os_processors(struct sipc_os_processor found[SIPC_OS_MOST_PROCESSORS]) {
    DWORD_PTR mask;
    uint32_t relation_count = 0, count = 0;
    processor_relation *told = allowed(&mask) ? relations(&relation_count) : NULL;
    if (!told) return 0;
    for (uint32_t id = 0; id < sizeof mask * 8; id++) {
        if (!(mask >> id & 1)) continue;
        struct sipc_os_processor *processor = &found[count++];
        *processor = (struct sipc_os_processor){.id = id, .core = id};
        for (uint32_t i = 0; i < SIPC_OS_CACHE_LEVELS; i++) processor->caches[i] = SIPC_OS_NO_CACHE;
        for (uint32_t i = 0; i < relation_count; i++) note(processor, &told[i], i);
    }
    free(told);
    return count;
}

bool sipc_os_may_run_on(uint32_t processor) {
    DWORD_PTR mask;
    return allowed(&mask) && processor < sizeof mask * 8 && (mask >> processor & 1);
}

sipc_status sipc_os_pin(uint32_t processor) {
    if (sipc_os_may_run_on(processor) &&
        SetThreadAffinityMask(GetCurrentThread(), (DWORD_PTR)1 << processor))
        return SIPC_OK;
    return sipc_fail(SIPC_INVALID_ARGUMENT, "this thread may not run on processor %lu",
                     (unsigned long)processor);
}

// This system's scheduler moves a thread that waits behind others by itself.
void sipc_os_move(void) {}
