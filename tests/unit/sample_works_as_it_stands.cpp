// SPDX-License-Identifier: Apache-2.0
// Promise: the lines that introduce the C++ host compile without a warning and run as they stand.
#include "DirectHost.h"

#include "left_behind.h"
#include "pair.h"
#include "private_shm.h"
#include "threads.h"

static std::vector<uint8_t> answer;

// clang-format off
static int sample() {
shm::DirectHost host;
if (!host.Init("MyIPC", 4)) { // 4 Worker Slots
    return -1;
}

std::vector<uint8_t> resp;
// Send 4 bytes to any available slot
// Note: This blocks until response is received.
host.Send((const uint8_t*)"test", 4, MSG_ID_NORMAL, resp);
answer = resp;
return 0;
}
// clang-format on

static void serve(void *context) {
    sipc_guest *guest = nullptr;
    sipc_guest_attach("MyIPC", nullptr, &guest);
    sipc_guest_start(guest, echo, nullptr);
    sipc_guest_wait(guest);
    sipc_guest_detach(guest);
    *static_cast<bool *>(context) = true;
}

static void the_sample_gets_its_answer(void **) {
    bool served = false;
    struct thread guest;
    thread_start(&guest, serve, &served);
    assert_int_equal(sample(), 0);
    thread_join(&guest);
    assert_true(served);
    assert_int_equal(answer.size(), 4);
    assert_memory_equal(answer.data(), "test", 4);
}

int main() {
    // The sample's name is everybody's: here it is ours alone.
    enter_private_shm("64m");
    const CMUnitTest tests[] = {PROMISE(the_sample_gets_its_answer)};
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
