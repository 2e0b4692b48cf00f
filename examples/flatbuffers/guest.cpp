// SPDX-License-Identifier: Apache-2.0
// Takes orders of its host, and places those that it reads, one a line:
//
//   guest NAME
//   tea 3.50 2 milk 1.20 1
#include <cstdio>

#include "DirectGuest.h"
#include "orders.h"

int main(int count, char **words) {
    shm::DirectGuest guest;
    shm::Error error = guest.Attach(count > 1 ? words[1] : "example", shm::GuestOptions());
    if (!error) error = guest.Start(shm::InPlace(TakeOrder));
    if (error) {
        std::fprintf(stderr, "%s\n", error.Text());
        return 1;
    }
    return PlaceOrders([&](shm::Slot &slot) { return guest.Acquire(slot); });
}
