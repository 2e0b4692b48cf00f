// SPDX-License-Identifier: Apache-2.0
// Promise: the C++ host does what the C API does, owns what it holds, and throws nothing.
#include "DirectHost.h"

#include <atomic>
#include <cstring>
#include <new>
#include <type_traits>

#include "left_behind.h"
#include "pair.h"

using namespace std::chrono_literals;

// Memory runs out where a test says so.
static std::atomic<bool> no_memory{false};

// The linker leads this file's operator new here (--wrap).
extern "C" void *REAL_NEW(std::size_t size);
extern "C" void *WRAPPED_NEW(std::size_t size);

extern "C" void *WRAPPED_NEW(std::size_t size) {
    if (no_memory) throw std::bad_alloc();
    return REAL_NEW(size);
}

static_assert(!std::is_copy_constructible_v<shm::DirectHost>);
static_assert(!std::is_copy_assignable_v<shm::DirectHost>);
static_assert(!std::is_copy_constructible_v<shm::Slot>);
static_assert(!std::is_copy_assignable_v<shm::Slot>);
static_assert(std::is_nothrow_move_constructible_v<shm::Slot>);
static_assert(std::is_nothrow_move_assignable_v<shm::Slot>);
static_assert(MSG_ID_NORMAL == 0 && MSG_ID_HEARTBEAT_REQ == 1 && MSG_ID_HEARTBEAT_RESP == 2 &&
              MSG_ID_SHUTDOWN == 3 && MSG_ID_USER == 128);

namespace {

const uint8_t *bytes(const char *text) {
    return reinterpret_cast<const uint8_t *>(text);
}

// A host and the guest that answers it.
struct Served {
    std::string name = fresh_name();
    shm::DirectHost host;
    sipc_guest *guest = nullptr;

    explicit Served(sipc_handler handler = echo, uint32_t slots = 2, uint32_t data_size = 1024) {
        assert_true(host.Init(name, slots, data_size));
        guest = attach_guest(name.c_str(), 0);
        assert_int_equal(sipc_guest_start(guest, handler, nullptr), SIPC_OK);
    }
    Served(const Served &) = delete;
    Served &operator=(const Served &) = delete;
    ~Served() { sipc_guest_detach(guest); }
};

void assert_says(const char *part) {
    if (!std::strstr(shm::DirectHost::LastError(), part))
        fail_msg("\"%s\" does not say \"%s\"", shm::DirectHost::LastError(), part);
}

// ---- Sending -----------------------------------------------------------------------------------

void send_returns_the_size_of_the_response(void **) {
    Served served;
    std::vector<uint8_t> resp(100, 0xEE);
    assert_int_equal(served.host.Send(bytes("test"), 4, MSG_ID_NORMAL, resp), 4);
    assert_int_equal(resp.size(), 4);
    assert_memory_equal(resp.data(), "test", 4);
    const std::vector<uint8_t> large(512, 7);
    assert_int_equal(served.host.Send(large.data(), 512, MSG_ID_USER, resp), 512);
    assert_true(resp == large);
    assert_int_equal(served.host.Send(nullptr, 0, MSG_ID_NORMAL, resp), 0);
    assert_true(resp.empty());
}

void send_to_slot_uses_that_slot(void **) {
    auto slot_of = [](void *, const sipc_request *request, sipc_response *response) {
        std::memcpy(response->data, &request->slot, 4);
        response->size = 4;
        return SIPC_OK;
    };
    Served served(slot_of, 3);
    for (uint32_t slot = 0; slot < 3; slot++) {
        std::vector<uint8_t> resp;
        assert_int_equal(served.host.SendToSlot(slot, nullptr, 0, MSG_ID_NORMAL, resp), 4);
        assert_memory_equal(resp.data(), &slot, 4);
    }
}

void a_failure_is_the_negative_status(void **) {
    std::vector<uint8_t> resp(3);
    shm::DirectHost none;
    assert_int_equal(none.Send(bytes("x"), 1, MSG_ID_NORMAL, resp), SIPC_INVALID_ARGUMENT);
    assert_int_equal(none.SendToSlot(0, bytes("x"), 1, MSG_ID_NORMAL, resp), SIPC_INVALID_ARGUMENT);
    none.Shutdown();
    Served served;
    const std::vector<uint8_t> large(513);
    assert_int_equal(served.host.Send(large.data(), 513, MSG_ID_NORMAL, resp),
                     SIPC_REQUEST_TOO_LARGE);
    assert_int_equal(served.host.Send(nullptr, 4, MSG_ID_NORMAL, resp), SIPC_INVALID_ARGUMENT);
    assert_int_equal(served.host.Send(bytes("x"), 1, 5, resp), SIPC_BAD_MESSAGE_ID);
    assert_int_equal(served.host.SendToSlot(2, bytes("x"), 1, MSG_ID_NORMAL, resp),
                     SIPC_INVALID_ARGUMENT);
    // Which means any slot elsewhere.
    assert_int_equal(served.host.SendToSlot(SIPC_ANY_SLOT, bytes("x"), 1, MSG_ID_NORMAL, resp),
                     SIPC_INVALID_ARGUMENT);
    served.host.Shutdown();
    assert_int_equal(served.host.Send(bytes("x"), 1, MSG_ID_NORMAL, resp), SIPC_CLOSED);
    assert_true(resp.empty());
}

void heartbeat_and_shutdown_are_messages_like_others(void **) {
    Served served;
    std::vector<uint8_t> resp;
    assert_int_equal(served.host.Send(nullptr, 0, MSG_ID_HEARTBEAT_REQ, resp), 0);
    assert_int_equal(served.host.Send(nullptr, 0, MSG_ID_SHUTDOWN, resp), 0);
    assert_int_equal(sipc_guest_wait(served.guest), SIPC_OK);
}

void a_failing_handlers_text_is_in_the_response(void **) {
    auto fail = [](void *, const sipc_request *, sipc_response *response) {
        std::memcpy(response->data, "it broke", 8);
        response->size = 8;
        return SIPC_SYSTEM;
    };
    Served served(fail);
    std::vector<uint8_t> resp;
    assert_int_equal(served.host.Send(bytes("x"), 1, MSG_ID_NORMAL, resp), SIPC_HANDLER_FAILED);
    assert_int_equal(resp.size(), 8);
    assert_memory_equal(resp.data(), "it broke", 8);
}

void no_memory_for_the_response_is_a_status_and_not_an_exception(void **) {
    Served served;
    std::vector<uint8_t> resp;
    no_memory = true;
    int sent = served.host.Send(bytes("more than nothing"), 17, MSG_ID_NORMAL, resp);
    no_memory = false;
    assert_int_equal(sent, SIPC_RESPONSE_LOST);
    assert_int_equal(served.host.Send(bytes("again"), 5, MSG_ID_NORMAL, resp), 5);
}

// ---- Errors ------------------------------------------------------------------------------------

void an_error_knows_its_name_its_message_its_text_and_its_fate(void **) {
    shm::DirectHost host;
    shm::Error error = host.Create("a/b", 1, 64, shm::Options());
    assert_true(static_cast<bool>(error));
    assert_true(error == SIPC_BAD_NAME);
    assert_true(error != SIPC_OK);
    assert_int_equal(error.Status(), SIPC_BAD_NAME);
    assert_string_equal(error.Name(), "SIPC_BAD_NAME");
    assert_string_equal(error.Message(), sipc_status_message(SIPC_BAD_NAME));
    assert_non_null(std::strstr(error.Text(), "0x2f"));
    assert_true(error.Fate() == shm::Fate::NotStarted);
    assert_true(shm::Error(SIPC_TIMEOUT_MAYBE_EXECUTED).Fate() == shm::Fate::MaybeExecuted);
    assert_true(shm::Error(SIPC_HANDLER_FAILED).Fate() == shm::Fate::Answered);
    const shm::Error success;
    assert_false(static_cast<bool>(success));
    assert_true(success == SIPC_OK);
    assert_string_equal(success.Text(), "");
}

void a_timeout_is_a_duration(void **) {
    shm::DirectHost host;
    assert_true(host.Init(fresh_name(), 1, 64));
    std::vector<uint8_t> resp;
    const shm::Timeout passed[] = {1ns, 2ms, -1s, shm::Timeout::min()};
    for (shm::Timeout timeout : passed) {
        shm::Error error = host.Call(SIPC_ANY_SLOT, bytes("x"), 1, MSG_ID_NORMAL, resp, timeout);
        assert_true(error == SIPC_TIMEOUT);
        assert_true(error.Fate() == shm::Fate::NotStarted);
    }
}

void forever_and_the_default_are_timeouts_too(void **) {
    Served served;
    std::vector<uint8_t> resp;
    assert_false(
        static_cast<bool>(served.host.Call(0, bytes("x"), 1, MSG_ID_NORMAL, resp, shm::Forever)));
    assert_false(static_cast<bool>(
        served.host.Call(1, bytes("x"), 1, MSG_ID_NORMAL, resp, shm::DefaultTimeout)));
    assert_true(shm::detail::Nanoseconds(shm::Forever) == SIPC_FOREVER);
    assert_true(shm::detail::Nanoseconds(shm::DefaultTimeout) == SIPC_DEFAULT_TIMEOUT);
    assert_int_equal(shm::detail::Nanoseconds(3us), 3000);
}

// ---- Slots -------------------------------------------------------------------------------------

bool is_free(shm::DirectHost &host, uint32_t index) {
    shm::Slot slot;
    return !host.Acquire(slot, index, 1ns);
}

void a_slot_is_written_and_read_in_place(void **) {
    Served served;
    shm::Slot slot;
    assert_false(static_cast<bool>(slot));
    assert_false(static_cast<bool>(served.host.Acquire(slot)));
    assert_true(static_cast<bool>(slot));
    assert_int_equal(slot.Capacity(), 512);
    for (uint32_t size : {0u, 5u, 32u, 33u, 512u}) {
        std::memset(slot.Request(), static_cast<int>(size), size);
        shm::Bytes response;
        assert_false(static_cast<bool>(slot.Call(size, MSG_ID_USER + size, response)));
        assert_int_equal(response.size, size);
        assert_int_equal(slot.MessageId(), MSG_ID_USER + size);
        for (uint32_t i = 0; i < size; i++)
            assert_int_equal(response.data[i], static_cast<uint8_t>(size));
    }
    shm::Bytes response;
    assert_true(slot.Call(513, MSG_ID_NORMAL, response) == SIPC_REQUEST_TOO_LARGE);
    assert_false(static_cast<bool>(slot.Settle(1ns)));
}

void a_slot_is_released_by_its_end_and_by_nothing_else(void **) {
    Served served;
    {
        shm::Slot slot;
        assert_false(static_cast<bool>(served.host.Acquire(slot, 1)));
        assert_int_equal(slot.Index(), 1);
        assert_false(is_free(served.host, 1));
        shm::Slot moved(std::move(slot));
        assert_false(static_cast<bool>(slot)); // NOLINT(bugprone-use-after-move): it holds none
        assert_true(static_cast<bool>(moved));
        assert_false(is_free(served.host, 1));
        slot = std::move(moved);
        assert_true(static_cast<bool>(slot));
        assert_false(is_free(served.host, 1));
    }
    assert_true(is_free(served.host, 1));
    shm::Slot slot;
    assert_false(static_cast<bool>(served.host.Acquire(slot, 1)));
    slot.Release();
    assert_true(is_free(served.host, 1));
    slot.Release();
    assert_false(static_cast<bool>(slot));
}

void a_slot_that_gets_another_releases_its_own(void **) {
    Served served;
    shm::Slot first;
    shm::Slot second;
    assert_false(static_cast<bool>(served.host.Acquire(first, 0)));
    assert_false(static_cast<bool>(served.host.Acquire(second, 1)));
    first = std::move(second);
    assert_int_equal(first.Index(), 1);
    assert_true(is_free(served.host, 0));
    assert_false(is_free(served.host, 1));
    shm::Slot &same = first;
    first = std::move(same);
    assert_int_equal(first.Index(), 1);
    assert_false(is_free(served.host, 1));
}

void an_acquisition_that_fails_gives_no_slot(void **) {
    Served served;
    shm::Slot held;
    shm::Slot other;
    assert_false(static_cast<bool>(served.host.Acquire(held, 0)));
    assert_true(served.host.Acquire(other, 0, 1ns) == SIPC_ALL_SLOTS_BUSY);
    assert_false(static_cast<bool>(other));
    assert_true(served.host.Acquire(other, 7) == SIPC_INVALID_ARGUMENT);
    assert_says("7");
    shm::DirectHost none;
    assert_true(none.Acquire(other) == SIPC_INVALID_ARGUMENT);
    held.Release();
    served.host.Shutdown();
    assert_true(served.host.Acquire(other, 0) == SIPC_CLOSED);
}

// ---- Life --------------------------------------------------------------------------------------

void init_says_why_it_failed(void **) {
    shm::DirectHost host;
    assert_false(host.Init("", 1));
    assert_says("empty");
    assert_false(host.Init(fresh_name(), 0));
    assert_says("slots is 0");
    assert_null(host.Handle());
    Served served;
    assert_false(host.Init(served.name, 1));
    assert_says("alive");
}

void a_name_is_taken_as_a_whole(void **) {
    shm::DirectHost host;
    std::string name = fresh_name();
    assert_false(host.Init(name + std::string("\0", 1), 1, 64));
    assert_true(host.Create(std::string("\0x", 2), 1, 64, shm::Options()) == SIPC_BAD_NAME);
}

void the_default_data_size_is_a_mebibyte(void **) {
    shm::DirectHost host;
    assert_true(host.Init(fresh_name(), 1));
    assert_int_equal(sipc_host_request_capacity(host.Handle()), 512 * 1024);
    assert_int_equal(sipc_host_response_capacity(host.Handle()), 512 * 1024);
}

void options_reach_the_region(void **) {
    shm::DirectHost host;
    shm::Options options;
    options.backend = other_backend();
    options.request_capacity = 10;
    options.response_capacity = 20;
    options.wait.preset = SIPC_WAIT_POWER;
    assert_false(static_cast<bool>(host.Create(fresh_name(), 1, 0, options)));
    assert_int_equal(sipc_host_request_capacity(host.Handle()), 10);
    assert_int_equal(sipc_host_response_capacity(host.Handle()), 20);
    options.mode = 010000;
    assert_true(host.Create(fresh_name(), 1, 0, options) == SIPC_INVALID_ARGUMENT);
}

void the_destructor_gives_the_name_back(void **) {
    std::string name = fresh_name();
    for (int i = 0; i < 3; i++) {
        shm::DirectHost host;
        assert_true(host.Init(name, 1, 64));
    }
}

void a_host_that_was_shut_down_may_be_created_again(void **) {
    std::string name = fresh_name();
    shm::DirectHost host;
    assert_true(host.Init(name, 1, 64));
    host.Shutdown();
    host.Shutdown();
    assert_true(host.Init(name, 2, 64));
    assert_int_equal(sipc_host_slots(host.Handle()), 2);
    // And under another name while it lives; the first one's is free then.
    std::string other = fresh_name();
    assert_true(host.Init(other, 3, 64));
    shm::DirectHost second;
    assert_true(second.Init(name, 1, 64));
    // One that cannot be made leaves the living one alone.
    assert_false(host.Init(name, 1, 64));
    assert_int_equal(sipc_host_slots(host.Handle()), 3);
    assert_false(second.Init(other, 1, 64));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        PROMISE(send_returns_the_size_of_the_response),
        PROMISE(send_to_slot_uses_that_slot),
        PROMISE(a_failure_is_the_negative_status),
        PROMISE(heartbeat_and_shutdown_are_messages_like_others),
        PROMISE(a_failing_handlers_text_is_in_the_response),
        PROMISE(no_memory_for_the_response_is_a_status_and_not_an_exception),
        PROMISE(an_error_knows_its_name_its_message_its_text_and_its_fate),
        PROMISE(a_timeout_is_a_duration),
        PROMISE(forever_and_the_default_are_timeouts_too),
        PROMISE(a_slot_is_written_and_read_in_place),
        PROMISE(a_slot_is_released_by_its_end_and_by_nothing_else),
        PROMISE(a_slot_that_gets_another_releases_its_own),
        PROMISE(an_acquisition_that_fails_gives_no_slot),
        PROMISE(init_says_why_it_failed),
        PROMISE(a_name_is_taken_as_a_whole),
        PROMISE(the_default_data_size_is_a_mebibyte),
        PROMISE(options_reach_the_region),
        PROMISE(the_destructor_gives_the_name_back),
        PROMISE(a_host_that_was_shut_down_may_be_created_again),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
