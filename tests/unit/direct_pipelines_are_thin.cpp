// SPDX-License-Identifier: Apache-2.0
// Promise: the pipelines of the C++ host do what those of the C API do, own what they hold, and
// allocate nothing for a request.
#include "DirectGuest.h"

#include <atomic>
#include <cstring>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "left_behind.h"
#include "pair.h"

using namespace std::chrono_literals;

// Memory runs out where a test says so.
static std::atomic<bool> no_memory{false};

// The linker leads this file's operator new here (--wrap).
extern "C" void *REAL_NEW(std::size_t size, const std::nothrow_t &nothrow);
extern "C" void *WRAPPED_NEW(std::size_t size, const std::nothrow_t &nothrow);

extern "C" void *WRAPPED_NEW(std::size_t size, const std::nothrow_t &nothrow) {
    return no_memory ? nullptr : REAL_NEW(size, nothrow);
}

static_assert(!std::is_copy_constructible_v<shm::Pipeline>);
static_assert(!std::is_copy_assignable_v<shm::Pipeline>);
static_assert(std::is_nothrow_move_constructible_v<shm::Pipeline>);
static_assert(std::is_nothrow_move_assignable_v<shm::Pipeline>);

namespace {

constexpr uint32_t kSlots = 4;

const uint8_t *bytes(const char *text) {
    return reinterpret_cast<const uint8_t *>(text);
}

// A host, and the guest that answers it if there is a handler.
struct Served {
    std::string name = fresh_name();
    shm::DirectHost host;
    sipc_guest *guest = nullptr;

    explicit Served(sipc_handler handler = echo) {
        assert_true(host.Init(name, kSlots, 1024));
        if (!handler) return;
        guest = attach_guest(name.c_str(), 0);
        assert_int_equal(sipc_guest_start(guest, handler, nullptr), SIPC_OK);
    }
    Served(const Served &) = delete;
    Served &operator=(const Served &) = delete;
    ~Served() { sipc_guest_detach(guest); }
};

shm::Pipeline open(const Served &served, uint32_t depth = kSlots) {
    shm::Pipeline pipeline;
    assert_false(static_cast<bool>(pipeline.Open(served.host, depth)));
    assert_true(static_cast<bool>(pipeline));
    return pipeline;
}

void submit(shm::Pipeline &pipeline, uint64_t tag, shm::Timeout timeout = shm::DefaultTimeout) {
    assert_int_equal(pipeline.Submit(bytes("abcd"), 4, MSG_ID_USER, tag, timeout).Status(),
                     SIPC_OK);
}

const auto nothing = [](const shm::Completion &) {};

void each_request_completes_once_with_its_response(void **) {
    Served served;
    shm::Pipeline pipeline = open(served);
    unsigned count = 0;
    uint64_t tags = 0;
    for (uint64_t tag = 1; tag <= kSlots; tag++) submit(pipeline, tag);
    assert_int_equal(pipeline.InFlight(), kSlots);
    assert_int_equal(pipeline.Submit(bytes("x"), 1, MSG_ID_USER, 9).Status(), SIPC_ALL_SLOTS_BUSY);
    while (pipeline.InFlight() > 0) {
        uint32_t reaped = 0;
        const shm::Error error = pipeline.Reap(
            [&](const shm::Completion &done) {
                assert_false(static_cast<bool>(done.error));
                assert_int_equal(done.messageId, MSG_ID_USER);
                assert_int_equal(done.response.size, 4);
                assert_memory_equal(done.response.data, "abcd", 4);
                tags += done.tag;
                count++;
            },
            1, shm::Forever, &reaped);
        assert_false(static_cast<bool>(error));
        assert_int_equal(reaped, 1);
    }
    assert_int_equal(count, kSlots);
    assert_int_equal(tags, 1 + 2 + 3 + 4);
}

void several_are_submitted_at_once(void **) {
    Served served;
    shm::Pipeline pipeline = open(served, 2);
    const shm::Submission asked[] = {{"one", 3, MSG_ID_NORMAL, 1},
                                     {"three", 5, MSG_ID_NORMAL, 3},
                                     {"none", 4, MSG_ID_NORMAL, 9}};
    uint32_t submitted = 0;
    assert_int_equal(pipeline.SubmitMany(asked, 3, submitted).Status(), SIPC_ALL_SLOTS_BUSY);
    assert_int_equal(submitted, 2);
    unsigned sum = 0;
    while (pipeline.InFlight() > 0)
        assert_false(static_cast<bool>(pipeline.Reap([&](const shm::Completion &done) {
            sum += static_cast<unsigned>(done.tag) * done.response.size;
        })));
    assert_int_equal(sum, 1 * 3 + 3 * 5);
}

void outcomes_are_taken_into_an_array(void **) {
    Served served;
    shm::Pipeline pipeline = open(served, 2);
    const shm::Submission asked[] = {{"one", 3, MSG_ID_NORMAL, 1}, {"three", 5, MSG_ID_NORMAL, 3}};
    uint32_t submitted = 0;
    assert_false(static_cast<bool>(pipeline.SubmitMany(asked, 2, submitted)));
    unsigned sum = 0;
    while (pipeline.InFlight() > 0) {
        shm::Outcome outcomes[2];
        uint32_t reaped = 0;
        assert_false(static_cast<bool>(pipeline.ReapInto(outcomes, 2, reaped)));
        for (uint32_t i = 0; i < reaped; i++)
            sum += static_cast<unsigned>(outcomes[i].tag) * outcomes[i].response_size;
    }
    assert_int_equal(sum, 1 * 3 + 3 * 5);
}

void requests_are_written_in_place(void **) {
    Served served;
    shm::Pipeline pipeline = open(served, 1);
    uint8_t *to = pipeline.Request();
    assert_non_null(to);
    std::memset(to, 7, 100);
    assert_int_equal(pipeline.Submit(to, 100, MSG_ID_NORMAL, 0).Status(), SIPC_OK);
    assert_null(pipeline.Request());
    assert_false(static_cast<bool>(pipeline.Reap([](const shm::Completion &done) {
        assert_int_equal(done.response.size, 100);
        assert_int_equal(done.response.data[99], 7);
    })));
}

void a_deadline_and_the_close_tell_the_fate(void **) {
    Served served(nullptr);
    shm::Pipeline pipeline = open(served);
    std::vector<sipc_status> told;
    auto note = [&](const shm::Completion &done) {
        assert_true(done.error.Fate() == shm::Fate::NotStarted);
        assert_null(done.response.data);
        told.push_back(done.error.Status());
    };
    submit(pipeline, 1, 1ms);
    submit(pipeline, 2, shm::Forever);
    assert_false(static_cast<bool>(pipeline.Reap(note)));
    assert_int_equal(told.size(), 1);
    assert_int_equal(told[0], SIPC_TIMEOUT);
    assert_false(static_cast<bool>(pipeline.Reap(note, 0, 0ns)));
    assert_int_equal(told.size(), 1);
    assert_false(static_cast<bool>(pipeline.Close(note)));
    assert_int_equal(told.size(), 2);
    assert_int_equal(told[1], SIPC_CLOSED);
    assert_false(static_cast<bool>(pipeline));
    assert_int_equal(pipeline.InFlight(), 0);
    assert_int_equal(pipeline.Submit(bytes("x"), 1, MSG_ID_NORMAL, 0).Status(),
                     SIPC_INVALID_ARGUMENT);
}

void a_moved_pipeline_takes_its_requests_along(void **) {
    Served served;
    shm::Pipeline first = open(served, 2);
    submit(first, 5);
    shm::Pipeline second(std::move(first));
    assert_false(static_cast<bool>(first)); // NOLINT(bugprone-use-after-move): it holds none
    submit(second, 6);
    shm::Pipeline third;
    third = std::move(second);
    uint64_t tags = 0;
    while (third.InFlight() > 0)
        assert_false(
            static_cast<bool>(third.Reap([&](const shm::Completion &done) { tags += done.tag; })));
    assert_int_equal(tags, 11);
}

void the_end_of_a_pipeline_gives_its_slots_back(void **) {
    Served served(nullptr);
    {
        shm::Pipeline pipeline = open(served);
        submit(pipeline, 1);
        shm::Pipeline other;
        assert_int_equal(other.Open(served.host, 1, 0, 1ms).Status(), SIPC_ALL_SLOTS_BUSY);
        assert_false(static_cast<bool>(other));
    }
    shm::Pipeline pipeline = open(served);
    pipeline = shm::Pipeline();
    pipeline = open(served);
    // All slots again: its own were given back first.
    assert_int_equal(pipeline.Open(served.host, kSlots).Status(), SIPC_OK);
}

void a_completion_may_submit_but_not_reap(void **) {
    Served served;
    shm::Pipeline pipeline = open(served, 2);
    unsigned count = 0;
    submit(pipeline, 1);
    while (pipeline.InFlight() > 0)
        assert_false(static_cast<bool>(pipeline.Reap([&](const shm::Completion &done) {
            count++;
            assert_int_equal(pipeline.Reap(nothing).Status(), SIPC_BUSY);
            assert_int_equal(pipeline.Close(nothing).Status(), SIPC_BUSY);
            if (done.tag < 5) submit(pipeline, done.tag + 1);
        })));
    assert_int_equal(count, 5);
}

void what_a_completion_throws_is_thrown_by_the_reap(void **) {
    Served served(nullptr);
    shm::Pipeline pipeline = open(served, 3);
    for (uint64_t tag = 1; tag <= 3; tag++) submit(pipeline, tag);
    unsigned count = 0;
    bool thrown = false;
    try {
        (void)pipeline.Close([&](const shm::Completion &) {
            count++;
            throw std::runtime_error("enough");
        });
    } catch (const std::runtime_error &) {
        thrown = true;
    }
    assert_true(thrown);
    assert_int_equal(count, 3);
    assert_false(static_cast<bool>(pipeline));
}

void no_memory_for_a_pipeline_is_a_status(void **) {
    Served served(nullptr);
    shm::Pipeline pipeline;
    no_memory = true;
    const shm::Error error = pipeline.Open(served.host, 1);
    no_memory = false;
    assert_int_equal(error.Status(), SIPC_OUT_OF_MEMORY);
    assert_false(static_cast<bool>(pipeline));
}

// A host that serves, and a guest with a pipeline of requests to it.
void a_guest_has_pipelines_too(void **) {
    const std::string name = fresh_name();
    shm::Options options;
    options.guest_slots = kSlots;
    shm::DirectHost host;
    assert_false(static_cast<bool>(host.Create(name, 1, 1024, options)));
    assert_false(static_cast<bool>(host.Serve([](const sipc_request &request, sipc_response &resp) {
        std::memcpy(resp.data, request.data, resp.size = request.size);
        return SIPC_OK;
    })));
    shm::GuestOptions calls;
    calls.calls_only = 1;
    calls.call_slots = kSlots;
    shm::DirectGuest guest;
    assert_false(static_cast<bool>(guest.Attach(name, calls)));
    shm::Pipeline pipeline;
    assert_int_equal(pipeline.Open(guest, kSlots + 1).Status(), SIPC_INVALID_ARGUMENT);
    assert_false(static_cast<bool>(pipeline));
    assert_false(static_cast<bool>(pipeline.Open(guest, kSlots)));
    for (uint64_t tag = 1; tag <= kSlots; tag++) submit(pipeline, tag);
    uint64_t tags = 0;
    while (pipeline.InFlight() > 0)
        assert_false(static_cast<bool>(pipeline.Reap([&](const shm::Completion &done) {
            assert_int_equal(done.error.Status(), SIPC_OK);
            assert_memory_equal(done.response.data, "abcd", 4);
            tags |= 1u << done.tag;
        })));
    assert_int_equal(tags, 0x1E);
    assert_int_equal(pipeline.Open(shm::DirectGuest(), 1).Status(), SIPC_INVALID_ARGUMENT);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        PROMISE(each_request_completes_once_with_its_response),
        PROMISE(several_are_submitted_at_once),
        PROMISE(outcomes_are_taken_into_an_array),
        PROMISE(requests_are_written_in_place),
        PROMISE(a_deadline_and_the_close_tell_the_fate),
        PROMISE(a_moved_pipeline_takes_its_requests_along),
        PROMISE(the_end_of_a_pipeline_gives_its_slots_back),
        PROMISE(a_completion_may_submit_but_not_reap),
        PROMISE(what_a_completion_throws_is_thrown_by_the_reap),
        PROMISE(no_memory_for_a_pipeline_is_a_status),
        PROMISE(a_guest_has_pipelines_too),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
