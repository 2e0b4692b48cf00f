// SPDX-License-Identifier: Apache-2.0
#include "orders.h"

#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "orders_generated.h"

namespace {

using orders::Item;
using orders::Order;
using orders::Receipt;

// Of the words "NAME PRICE COUNT NAME PRICE COUNT ...".
bool BuildOrder(flatbuffers::FlatBufferBuilder &builder, const std::string &line) {
    std::istringstream words(line);
    std::vector<flatbuffers::Offset<Item>> items;
    std::string name;
    double price;
    uint32_t count;
    while (words >> name) {
        if (!(words >> price >> count)) return false;
        items.push_back(orders::CreateItem(builder, builder.CreateString(name), price, count));
    }
    builder.Finish(orders::CreateOrder(builder, builder.CreateVector(items)));
    return true;
}

void PrintReceipt(const shm::ResponseView &response) {
    // Nothing of it is believed that was not checked.
    const auto *receipt = shm::FlatBufferIn<Receipt>(response);
    if (receipt)
        std::printf("%u items, %.2f in all, the dearest is %s\n", receipt->items(),
                    receipt->total(), receipt->dearest()->c_str());
    else
        std::printf("this is no receipt\n");
}

// False: there is nobody to take orders any more.
bool PlaceOrder(shm::Slot slot, const std::string &line) {
    shm::FlatBufferRequest request{shm::RequestBuffer(std::move(slot))};
    if (!BuildOrder(request.Builder(), line)) {
        std::printf("not an order: %s\n", line.c_str());
        return true;
    }
    shm::ResponseView response; // gives the slot back
    shm::Error error = std::move(request).Send(kOrder, response);
    if (!error)
        PrintReceipt(response);
    else if (error == SIPC_HANDLER_FAILED)
        std::printf("refused: %s\n", std::string(response.Text()).c_str());
    else
        std::printf("%s: %s\n", error.Name(), error.Text());
    return !error || error == SIPC_HANDLER_FAILED || error == SIPC_REQUEST_TOO_LARGE;
}

} // namespace

shm::Answer TakeOrder(const shm::RequestView &request, shm::ResponseBuffer &&buffer) {
    const auto *order = shm::FlatBufferIn<Order>(request);
    if (!order) return std::move(buffer).Fail("this is no order");
    if (order->items()->size() == 0) return std::move(buffer).Fail("an order of nothing");
    double total = 0;
    const Item *dearest = nullptr;
    for (const Item *item : *order->items()) {
        total += item->price() * item->count();
        if (!dearest || item->price() > dearest->price()) dearest = item;
    }
    shm::FlatBufferResponse response(std::move(buffer));
    auto &builder = response.Builder();
    const auto name = builder.CreateString(dearest->name());
    builder.Finish(orders::CreateReceipt(builder, order->items()->size(), total, name));
    return std::move(response).Send();
}

int PlaceOrders(const std::function<shm::Error(shm::Slot &)> &acquire) {
    std::string line;
    while (std::getline(std::cin, line)) {
        shm::Slot slot;
        if (shm::Error error = acquire(slot)) {
            std::fprintf(stderr, "%s\n", error.Text());
            return 1;
        }
        if (!PlaceOrder(std::move(slot), line)) return 1;
        std::fflush(stdout);
    }
    return 0;
}
