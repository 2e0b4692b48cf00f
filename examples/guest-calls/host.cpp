// SPDX-License-Identifier: Apache-2.0
// Knows prices, and has a guest that knows how to add them up:
//
//   host NAME ITEM...
//
// To answer, the guest asks this host for the price of each part; what has parts itself is asked of
// the guest again, and so on.
#include "DirectHost.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr uint32_t kPrice = MSG_ID_USER;     // guests ask it of an item
constexpr uint32_t kTotal = MSG_ID_USER + 1; // the host asks it of items, with a blank between them

constexpr struct {
    const char *item;
    double price;
} kPrices[] = {{"apple", 0.5}, {"pear", 0.75}, {"wine", 9}};

constexpr struct {
    const char *item, *parts;
} kComposed[] = {{"basket", "apple apple pear"}, {"hamper", "basket basket wine"}};

double Total(shm::DirectHost &host, const std::string &items) {
    std::vector<uint8_t> response;
    shm::Error error = host.Call(SIPC_ANY_SLOT, reinterpret_cast<const uint8_t *>(items.data()),
                                 static_cast<uint32_t>(items.size()), kTotal, response);
    if (error == SIPC_HANDLER_FAILED) throw std::runtime_error({response.begin(), response.end()});
    if (error) throw std::runtime_error(error.Text());
    double total = 0;
    if (response.size() == sizeof total) std::memcpy(&total, response.data(), sizeof total);
    return total;
}

double Price(shm::DirectHost &host, const std::string &item) {
    const auto is_it = [&](const auto &known) { return item == known.item; };
    const auto *composed = std::find_if(std::begin(kComposed), std::end(kComposed), is_it);
    if (composed != std::end(kComposed)) return Total(host, composed->parts);
    const auto *simple = std::find_if(std::begin(kPrices), std::end(kPrices), is_it);
    if (simple == std::end(kPrices)) throw std::runtime_error("nobody sells a " + item);
    return simple->price;
}

} // namespace

int main(int count, char **words) {
    // Each price in the making holds a slot in both directions: so deep may the parts be.
    shm::Options options;
    options.guest_slots = 4;
    shm::DirectHost host;
    shm::Error error = host.Create(count > 1 ? words[1] : "example", 4, 4096, options);
    if (!error) {
        shm::Dispatcher dispatcher;
        error = dispatcher.On(kPrice, [&](const sipc_request &request, sipc_response &response) {
            const double price =
                Price(host, {static_cast<const char *>(request.data), request.size});
            std::memcpy(response.data, &price, response.size = sizeof price);
            return SIPC_OK; // what is thrown is the guest's error
        });
        if (!error) error = host.Serve(dispatcher);
    }
    if (error) {
        std::fprintf(stderr, "%s\n", error.Text());
        return 1;
    }
    for (int i = 2; i < count; i++) {
        try {
            std::printf("%s: %.2f\n", words[i], Total(host, words[i]));
        } catch (const std::exception &exception) {
            std::printf("%s: %s\n", words[i], exception.what());
        }
    }
    return 0;
}
