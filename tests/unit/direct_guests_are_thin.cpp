// SPDX-License-Identifier: Apache-2.0
// Promise: DirectGuests.h does what guests.h does, for hosts and guests in C++.
#include "left_behind.h"

#include <DirectGuest.h>
#include <DirectGuests.h>

#include <string>
#include <vector>

namespace {

// Answers with its own name.
void serve(shm::DirectGuest &guest, const std::string &region, const char *name) {
    shm::GuestOptions options;
    options.name = name;
    options.workers = 1;
    assert_false(static_cast<bool>(guest.Attach(region, options)));
    shm::Error error = guest.Start([name](const sipc_request &, sipc_response &response) {
        shm::detail::WriteText(response, name);
        return SIPC_OK;
    });
    assert_false(static_cast<bool>(error));
}

struct Pair {
    std::string region = fresh_name();
    shm::DirectHost host;
    shm::DirectGuest one, other;

    Pair() {
        assert_true(host.Init(region, 2, 128));
        serve(one, region, "one");
        serve(other, region, "other");
    }
};

void a_call_reaches_the_guest_that_it_names(void **) {
    Pair pair;
    std::vector<uint8_t> response;
    for (const char *name : {"one", "other"}) {
        assert_false(static_cast<bool>(
            shm::CallGuest(pair.host, name, nullptr, 0, 0, response, shm::Forever)));
        assert_true(std::string(response.begin(), response.end()) == name);
    }
    shm::Error error =
        shm::CallGuest(pair.host, "nobody", nullptr, 0, 0, response, std::chrono::milliseconds(1));
    assert_true(error == SIPC_NO_GUEST);
    assert_true(response.empty());
    const std::string cut("one\0", 4);
    assert_true(shm::CallGuest(pair.host, cut, nullptr, 0, 0, response) == SIPC_BAD_NAME);
}

void a_slot_and_a_pipeline_are_a_guests(void **) {
    Pair pair;
    shm::Slot slot;
    assert_false(static_cast<bool>(shm::AcquireGuest(pair.host, "other", slot, shm::Forever)));
    shm::Bytes bytes;
    assert_false(static_cast<bool>(slot.Call(0, 0, bytes, shm::Forever)));
    assert_int_equal(bytes.size, 5);
    shm::Pipeline pipeline;
    assert_false(static_cast<bool>(pipeline.OpenGuest(pair.host, "one", 1, shm::Forever)));
    assert_false(static_cast<bool>(pipeline.Submit(nullptr, 0, 0, 7, shm::Forever)));
    std::string told;
    shm::Error error = pipeline.Reap([&](const shm::Completion &completion) {
        const auto *text = reinterpret_cast<const char *>(completion.response.data);
        told.assign(text, completion.response.size);
    });
    assert_false(static_cast<bool>(error));
    assert_true(told == "one");
    assert_true(pipeline.OpenGuest(pair.host, "nobody", 1, std::chrono::milliseconds(1)) ==
                SIPC_NO_GUEST);
}

void it_is_told_who_serves(void **) {
    assert_true(shm::Guests(shm::DirectHost()).empty());
    Pair pair;
    std::vector<shm::GuestInfo> guests = shm::Guests(pair.host);
    assert_int_equal(guests.size(), 2);
    assert_true(guests[0].name == "one" && guests[1].name == "other");
    assert_true(guests[0].attended && guests[1].slot == 1 && guests[1].processId != 0);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        PROMISE(a_call_reaches_the_guest_that_it_names),
        PROMISE(a_slot_and_a_pipeline_are_a_guests),
        PROMISE(it_is_told_who_serves),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
