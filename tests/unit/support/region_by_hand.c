// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "region_by_hand.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "left_behind.h"

struct sipc_exchange_header header_by_hand(uint32_t host_slots, uint32_t request_capacity,
                                           uint32_t response_capacity) {
    struct sipc_geometry made;
    assert_int_equal(sipc_geometry_make(host_slots, 0, request_capacity, response_capacity, &made),
                     SIPC_OK);
    return (struct sipc_exchange_header){.magic = SIPC_MAGIC,
                                         .version = SIPC_PROTOCOL_VERSION,
                                         .event_backend = SIPC_BACKEND_FUTEX,
                                         .host_slots = made.host_slots,
                                         .request_capacity = made.request_capacity,
                                         .response_capacity = made.response_capacity,
                                         .region_size = made.region_size,
                                         .slots_offset = SIPC_SLOTS_OFFSET,
                                         .slot_size = made.slot_size,
                                         .tail_offset = made.tail_offset};
}

void region_by_hand_make(struct region_by_hand *made, const char *name, const void *bytes,
                         size_t length, uint64_t size) {
    sipc_name_object(name, made->object);
    made->size = size;
    made->descriptor = shm_open(made->object, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(made->descriptor >= 0);
    assert_int_equal(ftruncate(made->descriptor, (off_t)size), 0);
    if (length) assert_int_equal(pwrite(made->descriptor, bytes, length, 0), length);
}

void region_by_hand_make_good(struct region_by_hand *made, const char *name, uint32_t host_slots) {
    struct sipc_exchange_header header = header_by_hand(host_slots, 64, 64);
    region_by_hand_make(made, name, &header, sizeof header, header.region_size);
}

void region_by_hand_claim(struct region_by_hand *made, uint32_t claim) {
    struct flock flock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = claim, .l_len = 1};
    assert_int_equal(fcntl(made->descriptor, F_OFD_SETLK, &flock), 0);
}

void *region_by_hand_map(const struct region_by_hand *made) {
    void *base = mmap(NULL, made->size, PROT_READ | PROT_WRITE, MAP_SHARED, made->descriptor, 0);
    assert_true(base != MAP_FAILED);
    return base;
}

void region_by_hand_free(struct region_by_hand *made) {
    struct stat status;
    assert_int_equal(fstat(made->descriptor, &status), 0);
    if (status.st_nlink > 0) shm_unlink(made->object);
    close(made->descriptor);
}
