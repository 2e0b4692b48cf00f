// SPDX-License-Identifier: Apache-2.0
// Promise: in C++ a request that was taken is answered once by whoever holds it, also by nobody or
// by an exception; calls complete as futures and functions.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <DirectAsync.h>
#include <DirectPending.h>

#include "left_behind.h"

namespace {

using std::chrono::milliseconds;

enum { Threads = 3, Reverse = 128, Throw, ThrowAfter, Drop, Fail, TakeAndThrow, Keep };

void AssertOk(const shm::Error &error) {
    assert_int_equal(error.Status(), SIPC_OK);
}

// Requests, and threads that answer them.
class Desk {
public:
    explicit Desk(unsigned threads = Threads) {
        for (unsigned i = 0; i < threads; i++) threads_.emplace_back([this] { Work(); });
    }
    ~Desk() {
        {
            const std::lock_guard<std::mutex> guard(mutex_);
            ended_ = true;
        }
        changed_.notify_all();
        for (auto &thread : threads_) thread.join();
    }
    void Leave(shm::PendingResponse pending) {
        const std::lock_guard<std::mutex> guard(mutex_);
        left_.push_back(std::move(pending));
        changed_.notify_one();
    }
    shm::PendingResponse Take() {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return ended_ || !left_.empty(); });
        if (left_.empty()) return {};
        shm::PendingResponse last = std::move(left_.back());
        left_.pop_back();
        return last;
    }

private:
    void Work() {
        while (shm::PendingResponse pending = Take()) {
            const auto *data = static_cast<const char *>(pending.Request()->data);
            std::string text(data, pending.Request()->size);
            (void)pending.Respond(std::string(text.rbegin(), text.rend()));
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<shm::PendingResponse> left_;
    bool ended_ = false;
    std::vector<std::thread> threads_;
};

void Serve(Desk &desk, shm::PendingResponse &&pending) {
    switch (pending.Request()->message_id) {
    case Throw:
        throw std::runtime_error("thrown in time");
    case ThrowAfter:
        desk.Leave(std::move(pending));
        throw std::runtime_error("thrown too late");
    case Drop:
        return;
    case Fail:
        (void)pending.Fail("on purpose");
        return;
    default:
        desk.Leave(std::move(pending));
    }
}

shm::Handler ServeAll(Desk &desk) {
    shm::Handler later =
        shm::Later([&desk](shm::PendingResponse &&pending) { Serve(desk, std::move(pending)); });
    return [&desk, later](const sipc_request &request, sipc_response &response) -> sipc_status {
        if (request.message_id != TakeAndThrow) return later(request, response);
        shm::PendingResponse pending;
        (void)pending.Take(request);
        desk.Leave(std::move(pending));
        throw std::runtime_error("this stands nowhere");
    };
}

struct Pair {
    shm::DirectHost host;
    shm::DirectGuest guest;

    Pair(uint32_t slots, shm::Handler handler) {
        const std::string name = fresh_name();
        assert_true(host.Init(name, slots, 600));
        shm::GuestOptions options;
        options.slots_per_worker = slots; // one worker
        AssertOk(guest.Attach(name, options));
        AssertOk(guest.Start(std::move(handler)));
    }
};

std::string Ask(shm::DirectHost &host, uint32_t msgId, const std::string &text,
                sipc_status expected) {
    std::vector<uint8_t> response;
    const auto *bytes = reinterpret_cast<const uint8_t *>(text.data());
    const shm::Error error = host.Call(SIPC_ANY_SLOT, bytes, static_cast<uint32_t>(text.size()),
                                       msgId, response, std::chrono::seconds(20));
    assert_int_equal(error.Status(), expected);
    return {response.begin(), response.end()};
}

void an_answer_comes_from_whoever_holds_it(void **) {
    Desk desk;
    Pair pair(2, ServeAll(desk));
    const std::string large(250, 'x');
    for (int i = 0; i < 50; i++) {
        assert_string_equal(Ask(pair.host, Reverse, "abc", SIPC_OK).c_str(), "cba");
        assert_string_equal(Ask(pair.host, Reverse, large, SIPC_OK).c_str(), large.c_str());
        assert_string_equal(Ask(pair.host, Throw, "abc", SIPC_HANDLER_FAILED).c_str(),
                            "thrown in time");
        assert_string_equal(Ask(pair.host, ThrowAfter, "abc", SIPC_OK).c_str(), "cba");
        assert_string_equal(Ask(pair.host, TakeAndThrow, "abc", SIPC_OK).c_str(), "cba");
        assert_string_equal(Ask(pair.host, Drop, "abc", SIPC_HANDLER_FAILED).c_str(),
                            "the handler dropped its request");
        assert_string_equal(Ask(pair.host, Fail, "abc", SIPC_HANDLER_FAILED).c_str(), "on purpose");
    }
}

void who_holds_none_answers_nothing(void **) {
    shm::PendingResponse none, other;
    assert_false(static_cast<bool>(none));
    assert_null(none.Request());
    assert_null(none.Response());
    assert_int_equal(none.Capacity(), 0);
    assert_int_equal(none.Deadline(), 0);
    assert_true(none.IsCancelled());
    assert_true(none.Respond("x", 1) == SIPC_INVALID_ARGUMENT);
    assert_true(none.Fail("x") == SIPC_INVALID_ARGUMENT);
    assert_true(none.Take(sipc_request{}) == SIPC_INVALID_ARGUMENT);
    none = std::move(other);
}

void what_is_overwritten_is_dropped(void **) {
    Desk desk(0);
    Pair pair(2, ServeAll(desk));
    shm::AsyncCaller caller;
    AssertOk(caller.Open(pair.host, 2));
    auto first = caller.Send(nullptr, 0, Keep), second = caller.Send(nullptr, 0, Keep);
    shm::PendingResponse held = desk.Take();
    held = desk.Take();
    AssertOk(held.Respond("kept", 4));
    const sipc_status one = first.get().error.Status(), two = second.get().error.Status();
    assert_int_equal(one + two, SIPC_HANDLER_FAILED);
    assert_true(one == SIPC_OK || two == SIPC_OK);
}

void futures_hold_the_response_or_the_fate(void **) {
    Desk desk;
    Pair pair(2, ServeAll(desk));
    shm::AsyncCaller caller;
    AssertOk(caller.Open(pair.host, 2));
    assert_true(static_cast<bool>(caller));
    const auto *bytes = reinterpret_cast<const uint8_t *>("abc");
    shm::AsyncTimes patient;
    patient.patience = shm::Forever;
    std::vector<std::future<shm::AsyncResult>> results;
    results.reserve(200);
    for (int i = 0; i < 200; i++) results.push_back(caller.Send(bytes, 3, Reverse, patient));
    for (auto &result : results) {
        const shm::AsyncResult got = result.get();
        assert_int_equal(got.error.Status(), SIPC_OK);
        assert_int_equal(got.messageId, Reverse);
        assert_memory_equal(got.response.data(), "cba", 3);
    }
    assert_true(caller.Send(bytes, 3, 2).get().error == SIPC_BAD_MESSAGE_ID);
    const shm::AsyncResult failed = caller.Send(bytes, 3, Fail).get();
    assert_true(failed.error == SIPC_HANDLER_FAILED);
    assert_int_equal(failed.response.size(), 10);
    assert_int_equal(caller.OpenRequests(), 0);
    AssertOk(caller.Close());
    assert_false(static_cast<bool>(caller));
    assert_true(caller.Send(bytes, 3, Reverse).get().error == SIPC_INVALID_ARGUMENT);
}

void functions_hear_of_completions(void **) {
    Desk desk;
    Pair pair(1, ServeAll(desk));
    shm::AsyncCaller opened, caller;
    AssertOk(opened.Open(pair.host, 1));
    caller = std::move(opened);
    std::atomic<int> heard{0}, wrong{0};
    shm::AsyncTimes patient;
    patient.patience = shm::Forever;
    for (int i = 0; i < 100; i++) {
        const std::string text = std::to_string(i + 10);
        const auto *bytes = reinterpret_cast<const uint8_t *>(text.data());
        AssertOk(caller.Call(
            bytes, 2, Reverse,
            [&, text](const shm::Completion &completion) {
                const auto &response = completion.response;
                if (completion.error || response.size != 2 ||
                    response.data[0] != static_cast<uint8_t>(text[1]))
                    wrong++;
                heard++;
            },
            patient));
    }
    while (heard < 100) std::this_thread::yield();
    assert_int_equal(wrong.load(), 0);
    assert_true(caller.Call(nullptr, 0, 2, [&](const shm::Completion &) { wrong++; }) ==
                SIPC_BAD_MESSAGE_ID);
    AssertOk(caller.Close());
    assert_int_equal(wrong.load(), 0);
}

void what_is_open_when_it_ends_is_given_up(void **) {
    Desk desk(0);
    Pair pair(1, ServeAll(desk));
    std::future<shm::AsyncResult> result;
    shm::PendingResponse kept;
    {
        shm::AsyncCaller caller;
        AssertOk(caller.Open(pair.host, 1));
        result = caller.Send(nullptr, 0, Keep);
        kept = desk.Take();
        assert_false(kept.IsCancelled());
    }
    assert_true(kept.IsCancelled());
    assert_true(result.get().error == SIPC_CLOSED_MAYBE_EXECUTED);
    AssertOk(kept.Respond("late", 4));
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        PROMISE(an_answer_comes_from_whoever_holds_it),
        PROMISE(who_holds_none_answers_nothing),
        PROMISE(what_is_overwritten_is_dropped),
        PROMISE(futures_hold_the_response_or_the_fate),
        PROMISE(functions_hear_of_completions),
        PROMISE(what_is_open_when_it_ends_is_given_up),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
