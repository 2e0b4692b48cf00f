// SPDX-License-Identifier: Apache-2.0
// Takes orders of its guests, and places those that it reads, one a line:
//
//   host NAME
//   tea 3.50 2 milk 1.20 1
#include <cstdio>

#include "orders.h"

int main(int count, char **words) {
    shm::DirectHost host;
    shm::Options options;
    options.guest_slots = 1;
    shm::Error error = host.Create(count > 1 ? words[1] : "example", 1, 8 * 1024, options);
    if (!error) error = host.Serve(shm::InPlace(TakeOrder));
    if (error) {
        std::fprintf(stderr, "%s\n", error.Text());
        return 1;
    }
    return PlaceOrders([&](shm::Slot &slot) { return host.Acquire(slot); });
}
