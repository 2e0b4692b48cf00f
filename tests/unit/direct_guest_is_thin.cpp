// SPDX-License-Identifier: Apache-2.0
// Promise: the C++ guest does what the C API does, owns what it holds, and makes answers of
// exceptions.
#include "DirectGuest.h"

#include <pthread.h>

#include <atomic>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <type_traits>

#include "left_behind.h"
#include "pair.h"
#include "threads.h"

static_assert(!std::is_copy_constructible_v<shm::DirectGuest>);
static_assert(!std::is_copy_assignable_v<shm::DirectGuest>);

namespace {

sipc_status echo_all(const sipc_request &request, sipc_response &response) {
    return echo(nullptr, &request, &response);
}

// A guest and the host that calls it.
struct Served {
    std::string name = fresh_name();
    shm::DirectHost host;
    shm::DirectGuest guest;

    explicit Served(shm::Handler handler, uint32_t slots = 2, uint32_t data_size = 1024) {
        assert_true(host.Init(name, slots, data_size));
        assert_true(guest.Connect(name));
        assert_false(static_cast<bool>(guest.Start(std::move(handler))));
    }
    Served(const Served &) = delete;
    Served &operator=(const Served &) = delete;

    // The answer to a request of that many bytes, as a text.
    std::string ask(uint32_t size, int expected_status) {
        const std::vector<uint8_t> request(size, 'q');
        std::vector<uint8_t> resp;
        int result = host.Send(request.data(), size, MSG_ID_NORMAL, resp);
        assert_int_equal(result < 0 ? result : 0, expected_status);
        return {resp.begin(), resp.end()};
    }
};

void assert_text(const std::string &text, const std::string &expected) {
    assert_string_equal(text.c_str(), expected.c_str());
}

// ---- Serving -----------------------------------------------------------------------------------

void workers_answer_with_a_handler_of_any_kind(void **) {
    auto owned = std::make_shared<std::string>("mine: ");
    {
        Served served([owned](const sipc_request &request, sipc_response &response) {
            response.size = static_cast<uint32_t>(owned->size()) + request.size;
            std::memcpy(response.data, owned->data(), owned->size());
            std::memcpy(static_cast<char *>(response.data) + owned->size(), request.data,
                        request.size);
            return SIPC_OK;
        });
        assert_int_equal(served.guest.Slots(), 2);
        assert_text(served.ask(3, SIPC_OK), "mine: qqq");
        assert_int_equal(owned.use_count(), 2);
    }
    assert_int_equal(owned.use_count(), 1);
}

void a_refused_handler_leaves_the_one_that_serves(void **) {
    Served served(echo_all);
    auto other = [](const sipc_request &, sipc_response &) { return SIPC_SYSTEM; };
    assert_true(served.guest.Start(other) == SIPC_BUSY);
    assert_true(served.guest.Start(nullptr) == SIPC_INVALID_ARGUMENT);
    assert_text(served.ask(2, SIPC_OK), "qq");
}

void stop_ends_the_wait(void **) {
    Served served(echo_all);
    std::thread stopper([&] { served.guest.Stop(); });
    assert_false(static_cast<bool>(served.guest.Wait()));
    stopper.join();
    assert_false(static_cast<bool>(served.guest.Detach()));
    assert_false(static_cast<bool>(served.guest.Detach()));
    assert_int_equal(served.guest.Slots(), 0);
}

void polling_answers_what_stands_ready(void **) {
    shm::DirectHost host;
    shm::DirectGuest guest;
    const std::string name = fresh_name();
    assert_true(host.Init(name, 1, 64));
    assert_true(guest.Connect(name));
    uint32_t served = 7;
    assert_false(static_cast<bool>(guest.Poll(echo_all, &served)));
    assert_int_equal(served, 0);
    assert_true(guest.Poll(nullptr) == SIPC_INVALID_ARGUMENT);
    int sent = 0;
    std::thread caller([&] {
        std::vector<uint8_t> resp;
        sent = host.Send(reinterpret_cast<const uint8_t *>("poll"), 4, MSG_ID_NORMAL, resp);
    });
    while (served == 0) assert_false(static_cast<bool>(guest.Poll(echo_all, &served)));
    caller.join();
    assert_int_equal(sent, 4);
}

void an_attachment_is_replaced_by_the_next(void **) {
    const std::string name = fresh_name();
    shm::DirectHost host;
    assert_true(host.Init(name, 2, 64));
    shm::DirectGuest guest;
    shm::GuestOptions options;
    options.workers = 1;
    options.attach_timeout_ns = 1;
    assert_false(static_cast<bool>(guest.Attach(name, options)));
    assert_false(static_cast<bool>(guest.Attach(name, options)));
    assert_int_equal(guest.Slots(), 1);
    // It holds one of the two now, not both.
    shm::DirectGuest other;
    assert_false(static_cast<bool>(other.Attach(name, shm::GuestOptions())));
    assert_int_equal(other.Slots(), 1);
}

void a_failure_is_an_error(void **) {
    shm::DirectGuest guest;
    assert_int_equal(guest.Slots(), 0);
    assert_null(guest.Handle());
    assert_false(guest.Connect("a/b"));
    assert_non_null(std::strstr(shm::DirectGuest::LastError(), "0x2f"));
    assert_false(guest.Connect(std::string("a\0b", 3)));
    shm::GuestOptions options;
    options.attach_timeout_ns = 1;
    assert_true(guest.Attach(fresh_name(), options) == SIPC_NO_HOST);
    assert_true(guest.Start(echo_all) == SIPC_INVALID_ARGUMENT);
    assert_true(guest.Wait() == SIPC_INVALID_ARGUMENT);
    assert_true(guest.Poll(echo_all) == SIPC_INVALID_ARGUMENT);
    guest.Stop();
    assert_false(static_cast<bool>(guest.Detach()));
}

// ---- Exceptions --------------------------------------------------------------------------------

sipc_status throw_by_size(const sipc_request &request, sipc_response &response) {
    std::memset(response.data, 'x', response.capacity);
    response.size = response.capacity + 1;
    switch (request.size) {
    case 1:
        throw std::runtime_error("it broke");
    case 2:
        throw 7;
    case 100:
        throw std::runtime_error(std::string(1000, 'e'));
    case 101:
        throw std::runtime_error(std::string(508, 'e') + "\u20ac\u20ac");
    default:
        return echo(nullptr, &request, &response);
    }
}

void an_exception_is_an_answer_with_its_text(void **) {
    Served served(throw_by_size);
    for (int i = 0; i < 100; i++) {
        assert_text(served.ask(1, SIPC_HANDLER_FAILED), "it broke");
        assert_text(served.ask(2, SIPC_HANDLER_FAILED),
                    "the handler threw what is not a std::exception");
        assert_text(served.ask(5, SIPC_OK), "qqqqq");
    }
}

void a_text_that_does_not_fit_says_so(void **) {
    Served served(throw_by_size);
    assert_text(served.ask(100, SIPC_HANDLER_FAILED), std::string(509, 'e') + "...");
    // Not in the middle of a character.
    assert_text(served.ask(101, SIPC_HANDLER_FAILED), std::string(508, 'e') + "...");
}

void without_room_for_a_text_there_is_none(void **) {
    Served served(throw_by_size, 1, 4);
    assert_text(served.ask(1, SIPC_HANDLER_FAILED), "");
    assert_text(served.ask(0, SIPC_OK), "");
}

// Counts the ends of its scope, however they come.
struct Ends {
    std::atomic<int> &count;
    explicit Ends(std::atomic<int> &counted) : count(counted) {}
    Ends(const Ends &) = delete;
    Ends &operator=(const Ends &) = delete;
    ~Ends() { count++; }
};

// Where the thread is unwound, that is done by an exception of the C++ library's own, which nobody
// may keep.
void a_handler_that_ends_its_thread_is_an_answer(void **) {
    std::atomic<int> ends{0};
    Served served([&ends](const sipc_request &request, sipc_response &response) {
        const Ends scope(ends);
        if (request.size == 1) pthread_exit(nullptr);
        return echo(nullptr, &request, &response);
    });
    for (int i = 0; i < 100; i++) {
        assert_text(served.ask(1, SIPC_HANDLER_FAILED), "the handler did not return");
        assert_text(served.ask(3, SIPC_OK), "qqq");
    }
    assert_false(static_cast<bool>(served.guest.Detach()));
    assert_int_equal(ends.load(), threads_are_unwound() ? 200 : 100);
}

// A plain C handler that calls code which throws: only a polling application can catch that.
sipc_status throw_plainly(void *, const sipc_request *, sipc_response *) {
    throw std::runtime_error("through C");
}

void an_exception_through_the_c_library_reaches_who_polls(void **) {
    shm::DirectHost host;
    const std::string name = fresh_name();
    assert_true(host.Init(name, 1, 64));
    sipc_guest *guest = attach_guest(name.c_str(), 0);
    int sent = 0;
    std::vector<uint8_t> resp;
    std::thread caller([&] { sent = host.Send(nullptr, 0, MSG_ID_NORMAL, resp); });
    std::string caught;
    while (caught.empty()) {
        try {
            sipc_guest_poll(guest, throw_plainly, nullptr, nullptr);
        } catch (const std::runtime_error &error) {
            caught = error.what();
        }
    }
    caller.join();
    assert_text(caught, "through C");
    assert_int_equal(sent, SIPC_HANDLER_FAILED);
    assert_text({resp.begin(), resp.end()}, "the handler did not return");
    // It is in no handler any more, and serves on.
    std::thread next([&] { sent = host.Send(nullptr, 0, MSG_ID_NORMAL, resp); });
    for (uint32_t served = 0; served == 0;) sipc_guest_poll(guest, nod, nullptr, &served);
    next.join();
    assert_int_equal(sent, 0);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
}

// ---- Dispatch ----------------------------------------------------------------------------------

struct Point {
    double x, y;
};

struct Length {
    double value;
};

template <class Answer> Answer ask_for(shm::DirectHost &host, uint32_t id, const Point &point) {
    std::vector<uint8_t> resp;
    int size = host.Send(reinterpret_cast<const uint8_t *>(&point), sizeof point, id, resp);
    assert_int_equal(size, sizeof(Answer));
    Answer answer;
    std::memcpy(&answer, resp.data(), sizeof answer);
    return answer;
}

void a_dispatcher_knows_the_handler_and_the_structs_of_each_message(void **) {
    shm::Dispatcher dispatcher;
    assert_false(static_cast<bool>(dispatcher.On<Point, Length>(
        130, [](const Point &point, Length &length) { length.value = point.x + point.y; })));
    assert_false(static_cast<bool>(dispatcher.On<Point, Point>(
        131, [](const Point &point, Point &mirrored) { mirrored.x = -point.x; })));
    assert_false(static_cast<bool>(dispatcher.On(MSG_ID_NORMAL, echo_all)));
    Served served(dispatcher);
    assert_true(ask_for<Length>(served.host, 130, {3, 4}).value == 7);
    assert_true(ask_for<Point>(served.host, 131, {3, 4}).x == -3);
    assert_text(served.ask(5, SIPC_OK), "qqqqq");
    std::vector<uint8_t> resp;
    assert_int_equal(served.host.Send(nullptr, 0, 132, resp), SIPC_UNKNOWN_MESSAGE);
    const uint8_t few[3] = {0};
    assert_int_equal(served.host.Send(few, sizeof few, 130, resp), SIPC_HANDLER_FAILED);
    assert_text({resp.begin(), resp.end()},
                "a request with the message id 130 has 3 bytes, but its struct 16");
}

void a_dispatcher_refuses_what_reaches_no_handler(void **) {
    shm::Dispatcher dispatcher;
    assert_true(dispatcher.On(127, echo_all) == SIPC_BAD_MESSAGE_ID);
    assert_true(dispatcher.On(130, nullptr) == SIPC_INVALID_ARGUMENT);
    // A slot that is too small for the response.
    assert_false(static_cast<bool>(
        dispatcher.On<char, Point>(130, [](const char &, Point &point) { point.x = 1; })));
    Served served(dispatcher, 1, 16);
    std::vector<uint8_t> resp;
    const uint8_t one = 1;
    assert_int_equal(served.host.Send(&one, 1, 130, resp), SIPC_RESPONSE_TOO_LARGE);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        PROMISE(a_dispatcher_knows_the_handler_and_the_structs_of_each_message),
        PROMISE(a_dispatcher_refuses_what_reaches_no_handler),
        PROMISE(workers_answer_with_a_handler_of_any_kind),
        PROMISE(a_refused_handler_leaves_the_one_that_serves),
        PROMISE(stop_ends_the_wait),
        PROMISE(polling_answers_what_stands_ready),
        PROMISE(an_attachment_is_replaced_by_the_next),
        PROMISE(a_failure_is_an_error),
        PROMISE(an_exception_is_an_answer_with_its_text),
        PROMISE(a_text_that_does_not_fit_says_so),
        PROMISE(without_room_for_a_text_there_is_none),
        PROMISE(a_handler_that_ends_its_thread_is_an_answer),
        PROMISE(an_exception_through_the_c_library_reaches_who_polls),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
