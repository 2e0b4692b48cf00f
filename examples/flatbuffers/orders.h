// SPDX-License-Identifier: Apache-2.0
// What host and guest have in common: each takes orders, and places those that it reads from its
// standard input.
#pragma once

#include <functional>

#include "DirectFlatBuffers.h"

constexpr uint32_t kOrder = MSG_ID_USER;

// Answers an order with its receipt. It is read and written where it stands.
shm::Answer TakeOrder(const shm::RequestView &request, shm::ResponseBuffer &&buffer);

// Places each line's order, "NAME PRICE COUNT" again and again, and prints the receipt.
// Returns what main returns.
int PlaceOrders(const std::function<shm::Error(shm::Slot &)> &acquire);
