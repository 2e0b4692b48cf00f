// SPDX-License-Identifier: Apache-2.0
#include "place.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_SIZE 64 // leaves room for a socket's name in the 107 bytes that its address holds

static char folder[FOLDER_SIZE];
static char kept_name[FOLDER_SIZE];

struct peer_place peer_place_of(struct bench_control *control, const char *name,
                                uint32_t capacity) {
    if (snprintf(kept_name, sizeof kept_name, "simpleipc.%s", name) >= (int)sizeof kept_name ||
        snprintf(folder, sizeof folder, "/tmp/simpleipc.%s", name) >= (int)sizeof folder)
        peer_failed("a name for the peer's folder", "it is too long");
    return (struct peer_place){.name = kept_name,
                               .folder = folder,
                               .shared = control->peer,
                               .shared_bytes = BENCH_PEER_BYTES,
                               .capacity = capacity};
}

unsigned char *peer_buffer(uint32_t size) {
    size_t rounded = ((size_t)size + 4095) / 4096 * 4096;
    unsigned char *memory = aligned_alloc(4096, rounded);
    if (!memory) peer_failed("a buffer", NULL);
    memset(memory, 0, rounded);
    return memory;
}

void peer_folder_make(void) {
    if (mkdir(folder, 0700) != 0) peer_failed(folder, NULL);
}

void peer_folder_remove(void) {
    char path[FOLDER_SIZE + 256];
    DIR *all = folder[0] ? opendir(folder) : NULL;
    if (!all) return;
    for (struct dirent *entry; (entry = readdir(all)) != NULL;) {
        snprintf(path, sizeof path, "%s/%.254s", folder, entry->d_name);
        unlink(path); // the two links to folders stay
    }
    closedir(all);
    rmdir(folder);
}
