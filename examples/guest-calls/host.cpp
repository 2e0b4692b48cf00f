// SPDX-License-Identifier: Apache-2.0
// Knows prices, and has a guest that knows how to add them up:
//
//   host NAME ITEM...
//
// To answer, the guest asks this host for the price of each part; what has parts itself is asked of
// the guest again, and so on.
#include "DirectHost.h"

#include <cstdio>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr uint32_t kPrice = MSG_ID_USER;     // guests ask it of an item
constexpr uint32_t kTotal = MSG_ID_USER + 1; // the host asks it of items, with a blank between them

const std::map<std::string, double> prices = {{"apple", 0.5}, {"pear", 0.75}, {"wine", 9}};
const std::map<std::string, std::string> parts = {{"basket", "apple apple pear"},
                                                  {"hamper", "basket basket wine"}};

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
    auto composed = parts.find(item);
    if (composed != parts.end()) return Total(host, composed->second);
    auto found = prices.find(item);
    if (found == prices.end()) throw std::runtime_error("nobody sells a " + item);
    return found->second;
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
