// SPDX-License-Identifier: Apache-2.0
// Promise: the C++ face of event loops does for pipelines, guests and hosts what the C API does.
#include "DirectEventLoop.h"

#include <cstring>

#include "descriptor.h"
#include "left_behind.h"
#include "pair.h"

namespace {

sipc_status answer(const sipc_request &request, sipc_response &response) {
    return echo(nullptr, &request, &response);
}

bool ready(intptr_t descriptor, int milliseconds = 0) {
    return descriptor_is_ready(descriptor, milliseconds);
}

void a_pipeline_and_a_guest_wait_in_loops(void **state) {
    (void)state;
    const std::string name = fresh_name();
    shm::DirectHost host;
    assert_true(host.Init(name, 2, 256));
    shm::DirectGuest guest;
    assert_false(static_cast<bool>(guest.Attach(name, shm::GuestOptions())));
    shm::Pipeline pipeline;
    assert_false(static_cast<bool>(pipeline.Open(host, 2)));
    intptr_t completions = -1;
    intptr_t requests = -1;
    assert_false(static_cast<bool>(shm::GetDescriptor(pipeline, completions)));
    assert_false(static_cast<bool>(shm::GetDescriptor(guest, requests)));
    assert_false(static_cast<bool>(shm::Arm(guest)));
    assert_false(ready(requests));
    const uint8_t word[] = {1, 2, 3};
    assert_false(static_cast<bool>(pipeline.Submit(word, sizeof word, 0, 7)));
    assert_false(static_cast<bool>(shm::Arm(pipeline)));
    assert_false(ready(completions));
    assert_true(ready(requests, WITHOUT_END));
    assert_false(static_cast<bool>(guest.Poll(answer)));
    assert_true(ready(completions, WITHOUT_END));
    unsigned told = 0;
    const auto hear = [&](const shm::Completion &completion) {
        told += completion.tag == 7 && !completion.error && completion.response.size == sizeof word;
    };
    assert_false(static_cast<bool>(pipeline.Reap(hear, 0, shm::Timeout::zero())));
    assert_int_equal(told, 1);
    assert_false(ready(completions));
    assert_false(ready(requests));
}

void a_host_waits_in_a_loop(void **state) {
    (void)state;
    const std::string name = fresh_name();
    shm::Options options;
    options.guest_slots = 1;
    shm::DirectHost host;
    assert_false(static_cast<bool>(host.Create(name, 1, 256, options)));
    intptr_t calls = -1;
    assert_false(static_cast<bool>(shm::GetDescriptor(host, calls)));
    assert_false(static_cast<bool>(shm::Arm(host)));
    assert_false(ready(calls));
    shm::GuestOptions calling;
    calling.calls_only = 1;
    shm::DirectGuest guest;
    assert_false(static_cast<bool>(guest.Attach(name, calling)));
    shm::Pipeline pipeline;
    assert_false(static_cast<bool>(pipeline.Open(guest, 1)));
    assert_false(static_cast<bool>(pipeline.Submit(nullptr, 0, 0, 0)));
    assert_true(ready(calls, WITHOUT_END));
    uint32_t served = 0;
    assert_false(static_cast<bool>(host.Poll(answer, &served)));
    assert_int_equal(served, 1);
    assert_false(ready(calls));
}

void errors_are_those_of_the_c_api(void **state) {
    (void)state;
    intptr_t descriptor = -1;
    assert_int_equal(shm::GetDescriptor(shm::Pipeline(), descriptor).Status(),
                     SIPC_INVALID_ARGUMENT);
    assert_int_equal(shm::Arm(shm::Pipeline()).Status(), SIPC_INVALID_ARGUMENT);
    assert_int_equal(shm::GetDescriptor(shm::DirectGuest(), descriptor).Status(),
                     SIPC_INVALID_ARGUMENT);
    assert_int_equal(shm::GetDescriptor(shm::DirectHost(), descriptor).Status(),
                     SIPC_INVALID_ARGUMENT);
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        PROMISE(a_pipeline_and_a_guest_wait_in_loops),
        PROMISE(a_host_waits_in_a_loop),
        PROMISE(errors_are_those_of_the_c_api),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
