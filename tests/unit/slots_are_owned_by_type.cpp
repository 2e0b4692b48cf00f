// SPDX-License-Identifier: Apache-2.0
// Promise: what was sent or released cannot be written or read any more: it does not compile, or is
// empty (DirectInPlace.h).
#include "DirectInPlace.h"

#include <atomic>
#include <cstring>
#include <functional>
#include <string>
#include <type_traits>

#include "DirectGuest.h"
#include "left_behind.h"
#include "pair.h"

// NOLINTBEGIN(bugprone-use-after-move): what is left then is what is tested
namespace {

struct Point {
    int64_t x, y;
    uint32_t colour;
};

// ---- What does not compile ---------------------------------------------------------------------

template <class T, class = void> struct CanSendNamed : std::false_type {};
template <class T>
struct CanSendNamed<
    T, std::void_t<decltype(std::declval<T &>().Send(0u, 0u, std::declval<shm::ResponseView &>()))>>
    : std::true_type {};
template <class T, class = void> struct CanAnswerNamed : std::false_type {};
template <class T>
struct CanAnswerNamed<T, std::void_t<decltype(std::declval<T &>().Send(0u))>> : std::true_type {};
template <class T, class = void> struct CanReuseNamed : std::false_type {};
template <class T>
struct CanReuseNamed<T, std::void_t<decltype(std::declval<T &>().Reuse())>> : std::true_type {};

static_assert(!CanSendNamed<shm::RequestBuffer>::value, "sending shows in the source");
static_assert(!CanAnswerNamed<shm::ResponseBuffer>::value, "answering shows in the source");
static_assert(!CanReuseNamed<shm::ResponseView>::value, "reusing shows in the source");
static_assert(!std::is_copy_constructible_v<shm::RequestBuffer>);
static_assert(!std::is_copy_assignable_v<shm::RequestBuffer>);
static_assert(std::is_nothrow_move_constructible_v<shm::RequestBuffer>);
static_assert(!std::is_copy_constructible_v<shm::ResponseView>);
static_assert(!std::is_copy_assignable_v<shm::ResponseView>);
static_assert(std::is_nothrow_move_constructible_v<shm::ResponseView>);
// What ends with its handler cannot be taken out of it.
static_assert(!std::is_move_constructible_v<shm::ResponseBuffer>);
static_assert(!std::is_move_constructible_v<shm::RequestView>);
static_assert(!std::is_default_constructible_v<shm::Answer>, "an answer is what was sent");
// Nothing of a response's bytes can be written.
static_assert(std::is_same_v<decltype(std::declval<shm::ResponseView>().Data()), const uint8_t *>);
static_assert(
    std::is_same_v<decltype(std::declval<shm::ResponseView>().As<Point>()), const Point *>);
static_assert(std::is_same_v<decltype(std::declval<shm::RequestView &>().Data()), const uint8_t *>);

// ---- What is empty -----------------------------------------------------------------------------

// A host of one slot and a guest, in this process.
struct Pair {
    std::string name = fresh_name();
    shm::DirectHost host;
    shm::DirectGuest guest;

    explicit Pair(shm::InPlaceHandler handler, uint32_t capacity = 200) {
        assert_true(host.Init(name, 1, 2 * capacity));
        assert_true(guest.Connect(name));
        assert_false(static_cast<bool>(guest.Start(shm::InPlace(std::move(handler)))));
    }
    Pair(const Pair &) = delete;
    Pair &operator=(const Pair &) = delete;

    shm::RequestBuffer Acquire() {
        shm::Slot slot;
        assert_false(static_cast<bool>(host.Acquire(slot)));
        return shm::RequestBuffer(std::move(slot));
    }
};

shm::Answer mirror(const shm::RequestView &request, shm::ResponseBuffer &&response) {
    uint8_t *to = response.End() - request.Size();
    for (uint32_t i = 0; i < request.Size(); i++) to[i] = request.Data()[request.Size() - 1 - i];
    return std::move(response).SendAtEnd(request.Size());
}

void what_was_sent_is_empty(void **) {
    Pair pair(mirror);
    shm::RequestBuffer request = pair.Acquire();
    uint8_t *const buffer = request.Data();
    assert_int_equal(request.Capacity(), 200);
    assert_ptr_equal(request.End(), buffer + 256);
    std::memcpy(buffer, "abc", 3);
    shm::ResponseView response;
    assert_false(static_cast<bool>(response));
    assert_false(static_cast<bool>(std::move(request).Send(3, MSG_ID_USER, response)));
    assert_false(static_cast<bool>(request));
    assert_null(request.Data());
    assert_null(request.End());
    assert_null(request.As<Point>());
    assert_int_equal(request.Capacity(), 0);
    assert_true(response.Text() == "cba");
    assert_int_equal(response.MessageId(), MSG_ID_USER);

    // A second time there is nothing to send; what the response held is released.
    const shm::Error again = std::move(request).Send(3, MSG_ID_USER, response);
    assert_int_equal(again.Status(), SIPC_INVALID_ARGUMENT);
    assert_null(response.Data());
}

void what_was_released_is_empty(void **) {
    Pair pair(mirror);
    shm::ResponseView response;
    shm::RequestBuffer request = pair.Acquire();
    std::memcpy(request.End() - 2, "ab", 2);
    assert_false(static_cast<bool>(std::move(request).SendAtEnd(2, MSG_ID_NORMAL, response)));
    shm::ResponseView moved(std::move(response));
    assert_null(response.Data());
    assert_int_equal(response.Size(), 0);
    assert_true(moved.Text() == "ba");
    // The slot, of which there is one, can be used again without being acquired.
    shm::RequestBuffer next = std::move(moved).Reuse();
    assert_null(moved.Data());
    assert_int_equal(moved.MessageId(), 0);
    next.Data()[0] = 'x';
    assert_false(static_cast<bool>(std::move(next).Send(1, MSG_ID_NORMAL, response)));
    assert_true(response.Text() == "x");
    response.Release();
    assert_null(response.Data());
    assert_int_equal(response.Size(), 0);
    pair.Acquire().Release(); // it was released: there is one slot
    pair.Acquire();
}

void a_call_that_fails_releases_its_slot(void **) {
    Pair pair([](const shm::RequestView &, shm::ResponseBuffer &&response) {
        return std::move(response).Fail("no");
    });
    shm::ResponseView response;
    assert_int_equal(pair.Acquire().Send(201, MSG_ID_NORMAL, response).Status(),
                     SIPC_REQUEST_TOO_LARGE);
    assert_int_equal(pair.Acquire().SendAtEnd(1, 5, response).Status(), SIPC_BAD_MESSAGE_ID);
    assert_null(response.Data());
    assert_int_equal(pair.Acquire().Send(1, MSG_ID_NORMAL, response).Status(), SIPC_HANDLER_FAILED);
    assert_true(response.Text() == "no");
}

// ---- The handler's side ------------------------------------------------------------------------

sipc_status ask(Pair &pair, std::string &text) {
    shm::ResponseView response;
    const sipc_status status = pair.Acquire().Send(0, MSG_ID_NORMAL, response).Status();
    text = response.Text();
    return status;
}

void a_response_is_sent_once(void **) {
    Pair pair([](const shm::RequestView &, shm::ResponseBuffer &&response) {
        std::memcpy(response.Data(), "first", 5);
        shm::Answer first = std::move(response).Send(5);
        assert_null(response.Data());
        assert_null(response.End());
        assert_null(response.As<Point>());
        assert_int_equal(response.Capacity(), 0);
        return first;
    });
    std::string text;
    assert_int_equal(ask(pair, text), SIPC_OK);
    assert_string_equal(text.c_str(), "first");
}

void a_second_answer_is_a_failure(void **) {
    Pair pair([](const shm::RequestView &, shm::ResponseBuffer &&response) {
        std::move(response).Send(0);
        std::move(response).Fail("not any more");
        return std::move(response).Send(200);
    });
    std::string text;
    assert_int_equal(ask(pair, text), SIPC_HANDLER_FAILED);
    assert_string_equal(text.c_str(), "");
}

void each_way_to_answer_reaches_the_caller(void **) {
    static std::atomic<int> way;
    Pair pair([](const shm::RequestView &, shm::ResponseBuffer &&response) -> shm::Answer {
        if (way == 0) return std::move(response).RefuseMessage();
        if (way == 1) return std::move(response).SendAtEnd(201);
        throw std::runtime_error("thrown");
    });
    std::string text;
    const sipc_status expected[] = {SIPC_UNKNOWN_MESSAGE, SIPC_RESPONSE_TOO_LARGE,
                                    SIPC_HANDLER_FAILED};
    for (way = 0; way < 3; way++) assert_int_equal(ask(pair, text), expected[way]);
    assert_string_equal(text.c_str(), "thrown");
    assert_false(static_cast<bool>(shm::InPlace(nullptr)));
}

// ---- Structs -----------------------------------------------------------------------------------

shm::Answer swap_coordinates(const shm::RequestView &request, shm::ResponseBuffer &&response) {
    const Point *point = request.As<Point>();
    if (!point) return std::move(response).Fail("no point");
    Point *swapped = response.As<Point>();
    assert_int_equal(swapped->colour, 0); // zeroed
    swapped->x = point->y;
    swapped->y = point->x;
    return std::move(response).Send(sizeof *swapped);
}

void a_struct_is_written_and_read_where_it_stands(void **) {
    Pair pair(swap_coordinates);
    shm::RequestBuffer request = pair.Acquire();
    auto *point = request.As<Point>();
    assert_ptr_equal(point, request.Data());
    point->x = 3;
    point->y = 4;
    shm::ResponseView response;
    assert_false(static_cast<bool>(std::move(request).Send(sizeof *point, MSG_ID_USER, response)));
    assert_int_equal(response.As<Point>()->x, 4);
    assert_int_equal(response.As<Point>()->y, 3);
    struct Larger {
        Point points[2];
    };
    assert_null(response.As<Larger>());
    response.Release(); // there is one slot
    assert_int_equal(pair.Acquire().Send(sizeof(Point) - 1, MSG_ID_USER, response).Status(),
                     SIPC_HANDLER_FAILED);
    assert_true(response.Text() == "no point");
    struct Huge {
        char bytes[201];
    };
    response.Release();
    assert_null(pair.Acquire().As<Huge>());
}

} // namespace
// NOLINTEND(bugprone-use-after-move)

int main() {
    const struct CMUnitTest tests[] = {
        PROMISE(what_was_sent_is_empty),
        PROMISE(what_was_released_is_empty),
        PROMISE(a_call_that_fails_releases_its_slot),
        PROMISE(a_response_is_sent_once),
        PROMISE(a_second_answer_is_a_failure),
        PROMISE(each_way_to_answer_reaches_the_caller),
        PROMISE(a_struct_is_written_and_read_where_it_stands),
    };
    return cmocka_run_group_tests_name("slots are owned by type", tests, nullptr, nullptr);
}
