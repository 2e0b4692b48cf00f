// SPDX-License-Identifier: Apache-2.0
#include "places.h"

#include "../common/system.h"

const struct places *places_found(void) {
    static struct places places;
    if (places.count == 0) places.count = system_cpus(places.cpus, PLACES_MAX);
    return &places;
}

static unsigned share(unsigned half, unsigned threads) {
    return threads < half ? threads : half;
}

bool places_pin_host(unsigned threads) {
    const struct places *places = places_found();
    if (places->count < 2) return true;
    return system_pin(places->cpus, share(places->count / 2, threads));
}

bool places_pin_guest(unsigned threads) {
    const struct places *places = places_found();
    if (places->count < 2) return true;
    unsigned half = places->count / 2;
    return system_pin(places->cpus + share(half, threads), share(places->count - half, threads));
}

bool places_unpin(void) {
    const struct places *places = places_found();
    return system_pin(places->cpus, places->count);
}
