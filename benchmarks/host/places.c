// SPDX-License-Identifier: Apache-2.0
#include "places.h"

#include "../common/system.h"

static struct places places;

const struct places *places_found(void) {
    if (places.count == 0) places.count = system_cpus(places.cpus, PLACES_MAX);
    return &places;
}

void places_limit(unsigned count) {
    if (places_found()->count > count) places.count = count;
}

static unsigned share(unsigned half, unsigned threads) {
    return threads < half ? threads : half;
}

bool places_pin_host(unsigned threads) {
    const struct places *found = places_found();
    if (found->count < 2) return true;
    return system_pin(found->cpus, share(found->count / 2, threads));
}

bool places_pin_guest(unsigned threads) {
    const struct places *found = places_found();
    if (found->count < 2) return true;
    unsigned half = found->count / 2;
    return system_pin(found->cpus + share(half, threads), share(found->count - half, threads));
}

bool places_unpin(void) {
    const struct places *found = places_found();
    return system_pin(found->cpus, found->count);
}
