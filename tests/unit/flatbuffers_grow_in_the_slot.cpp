// SPDX-License-Identifier: Apache-2.0
// Promise: a FlatBuffer is built at the end of its slot and read there, without a copy and without
// memory of its own; one that outgrows the slot is an error before anything is sent, and one that
// is unsound is not read (DirectFlatBuffers.h).
#include "DirectFlatBuffers.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "DirectGuest.h"
#include "left_behind.h"
#include "pair.h"

// What new asks for, counted.
static std::atomic<unsigned> allocations;
// NOLINTBEGIN(bugprone-reserved-identifier): the names that the linker gives
extern "C" {
void *__real__Znwm(size_t size);
void *__real__Znam(size_t size);
void *__wrap__Znwm(size_t size);
void *__wrap__Znam(size_t size);
void *__wrap__Znwm(size_t size) {
    allocations++;
    return __real__Znwm(size);
}
void *__wrap__Znam(size_t size) {
    allocations++;
    return __real__Znam(size);
}
}
// NOLINTEND(bugprone-reserved-identifier)

// NOLINTBEGIN(bugprone-use-after-move): what is left then is what is tested
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

// A table as flatc would make it: { name: string; values: [double]; }
struct Series : private flatbuffers::Table {
    enum { NAME = 4, VALUES = 6 };
    const flatbuffers::String *name() const {
        return GetPointer<const flatbuffers::String *>(NAME);
    }
    const flatbuffers::Vector<double> *values() const {
        return GetPointer<const flatbuffers::Vector<double> *>(VALUES);
    }
    bool Verify(flatbuffers::Verifier &verifier) const {
        return VerifyTableStart(verifier) && VerifyOffset(verifier, NAME) &&
               verifier.VerifyString(name()) && VerifyOffset(verifier, VALUES) &&
               verifier.VerifyVector(values()) && verifier.EndTable();
    }
};

constexpr const char *IDENTIFIER = "SERI";

void build(FlatBufferBuilder &builder, const char *name, uint32_t count) {
    double *values = nullptr;
    const auto vector = builder.CreateUninitializedVector(count, &values);
    for (uint32_t i = 0; i < count; i++) values[i] = i + 0.5;
    const auto text = builder.CreateString(name);
    const auto start = builder.StartTable();
    builder.AddOffset(Series::NAME, text);
    builder.AddOffset(Series::VALUES, Offset<flatbuffers::Vector<double>>(vector));
    builder.Finish(Offset<Series>(builder.EndTable(start)), IDENTIFIER);
}

bool is_series(const Series *series, const char *name, uint32_t count) {
    if (!series || series->name()->str() != name || series->values()->size() != count) return false;
    for (uint32_t i = 0; i < count; i++)
        if (series->values()->Get(i) != i + 0.5) return false;
    return true;
}

// Where the handler found the request, and what it answers.
struct {
    std::atomic<const uint8_t *> request;
    std::atomic<const uint8_t *> response;
    std::atomic<uint32_t> size;
    std::atomic<uint32_t> count; // of the response's values
    std::atomic<bool> sound;
} handler;

shm::Answer answer(const shm::RequestView &request, shm::ResponseBuffer &&buffer) {
    handler.request = request.Data();
    handler.size = request.Size();
    handler.response = buffer.Data();
    const auto *series = shm::FlatBufferIn<Series>(request, IDENTIFIER);
    handler.sound = series != nullptr;
    if (!series) return std::move(buffer).Fail("this is no series");
    shm::FlatBufferResponse response(std::move(buffer));
    build(response.Builder(), series->name()->c_str(), handler.count);
    return std::move(response).Send();
}

constexpr uint32_t CAPACITY = 1000; // the room is 1024
constexpr uint32_t ROOM = 1024;

struct Pair {
    std::string name = fresh_name();
    shm::DirectHost host;
    shm::DirectGuest guest;

    Pair() {
        handler.count = 3;
        handler.sound = false;
        assert_true(host.Init(name, 1, 2 * CAPACITY));
        assert_true(guest.Connect(name));
        assert_false(static_cast<bool>(guest.Start(shm::InPlace(answer))));
    }
    Pair(const Pair &) = delete;
    Pair &operator=(const Pair &) = delete;

    shm::RequestBuffer Acquire() {
        shm::Slot slot;
        assert_false(static_cast<bool>(host.Acquire(slot)));
        return shm::RequestBuffer(std::move(slot));
    }
};

void no_byte_is_copied_and_nothing_allocated(void **) {
    Pair pair;
    shm::RequestBuffer buffer = pair.Acquire();
    const uint8_t *const end = buffer.End();
    const unsigned before = allocations;
    shm::FlatBufferRequest request(std::move(buffer));
    build(request.Builder(), "a", 100);
    const uint8_t *const message = request.Builder().GetBufferPointer();
    const uint32_t size = request.Builder().GetSize();
    assert_ptr_equal(message + size, end);
    shm::ResponseView response;
    assert_false(static_cast<bool>(std::move(request).Send(MSG_ID_USER, response)));
    assert_int_equal(allocations, before);
    // The guest has another mapping of the same memory: its request buffer ends a room behind its
    // response buffer's end.
    assert_true(handler.sound);
    assert_int_equal(handler.size, size);
    assert_ptr_equal(handler.request.load() + handler.size, handler.response.load() + 2 * ROOM);
    // The host's response buffer ends where its request buffer begins.
    assert_ptr_equal(response.Data() + response.Size(), end - ROOM);
    assert_true(is_series(shm::FlatBufferIn<Series>(response, IDENTIFIER), "a", 3));
}

void small_ones_stay_where_they_were_built(void **) {
    Pair pair;
    handler.count = 0;
    shm::RequestBuffer buffer = pair.Acquire();
    shm::FlatBufferRequest request(std::move(buffer));
    build(request.Builder(), "", 0);
    assert_true(request.Builder().GetSize() <= 48);
    shm::ResponseView response;
    assert_false(static_cast<bool>(std::move(request).Send(MSG_ID_NORMAL, response)));
    assert_ptr_equal(handler.request.load() + handler.size, handler.response.load() + 2 * ROOM);
    assert_true(is_series(shm::FlatBufferIn<Series>(response, IDENTIFIER), "", 0));
}

void every_size_that_fits_arrives(void **) {
    Pair pair;
    shm::RequestBuffer buffer = pair.Acquire();
    shm::ResponseView response;
    for (uint32_t count = 0;; count++) {
        shm::FlatBufferRequest request(std::move(buffer));
        build(request.Builder(), "some name", count);
        const uint32_t size = request.Builder().GetSize();
        handler.count = count;
        const shm::Error error = std::move(request).Send(MSG_ID_USER, response);
        if (size > CAPACITY) {
            assert_int_equal(error.Status(), SIPC_REQUEST_TOO_LARGE);
            assert_int_equal(error.Fate() == shm::Fate::NotStarted, true);
            break;
        }
        assert_false(static_cast<bool>(error));
        assert_true(is_series(shm::FlatBufferIn<Series>(response), "some name", count));
        buffer = std::move(response).Reuse();
    }
}

void a_response_that_outgrows_the_slot_is_told(void **) {
    Pair pair;
    handler.count = CAPACITY;
    shm::FlatBufferRequest request(pair.Acquire());
    build(request.Builder(), "a", 1);
    shm::ResponseView response;
    assert_int_equal(std::move(request).Send(MSG_ID_USER, response).Status(),
                     SIPC_RESPONSE_TOO_LARGE);
}

void a_builder_that_was_kept_writes_elsewhere(void **) {
    Pair pair;
    shm::RequestBuffer buffer = pair.Acquire();
    const uint8_t *const end = buffer.End();
    shm::FlatBufferRequest request(std::move(buffer));
    FlatBufferBuilder &kept = request.Builder();
    build(kept, "sent", 1);
    shm::ResponseView response;
    assert_false(static_cast<bool>(std::move(request).Send(MSG_ID_USER, response)));
    const std::vector<uint8_t> sent(end - ROOM, end);
    build(kept, "kept", 50);
    assert_memory_equal(sent.data(), end - ROOM, ROOM);
    assert_int_equal(std::move(request).Send(MSG_ID_USER, response).Status(),
                     SIPC_INVALID_ARGUMENT);
}

// ---- Unsound ones ------------------------------------------------------------------------------

struct Message {
    const uint8_t *data;
    uint32_t size;
    const uint8_t *Data() const { return data; }
    uint32_t Size() const { return size; }
};

void what_is_unsound_is_not_read(void **) {
    FlatBufferBuilder builder;
    build(builder, "name", 4);
    const uint32_t size = builder.GetSize();
    auto *bytes = static_cast<uint8_t *>(std::aligned_alloc(64, 1024));
    // Whatever byte is whatever, what is read stays within the message: ASan would tell.
    for (uint32_t at = 0; at < size; at++) {
        for (const int value : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
            std::memcpy(bytes, builder.GetBufferPointer(), size);
            bytes[at] = static_cast<uint8_t>(value);
            const auto *series = shm::FlatBufferIn<Series>(Message{bytes, size}, IDENTIFIER);
            if (series && series->name() && series->values()) is_series(series, "name", 4);
        }
    }
    std::memcpy(bytes, builder.GetBufferPointer(), size);
    assert_non_null(shm::FlatBufferIn<Series>(Message{bytes, size}, IDENTIFIER));
    assert_null(shm::FlatBufferIn<Series>(Message{bytes, size}, "TREE"));
    assert_null(shm::FlatBufferIn<Series>(Message{nullptr, 0}, IDENTIFIER));
    std::memmove(bytes + 1, bytes, size);
    assert_null(shm::FlatBufferIn<Series>(Message{bytes + 1, size}, IDENTIFIER));
    std::memmove(bytes, bytes + 1, size);
    for (uint32_t shorter = 0; shorter < size; shorter++)
        assert_null(shm::FlatBufferIn<Series>(Message{bytes, shorter}, IDENTIFIER));
    std::free(bytes);
}

void a_copy_does_not_change_with_its_message(void **) {
    FlatBufferBuilder builder;
    build(builder, "copied", 2);
    const Message message{builder.GetBufferPointer(), builder.GetSize()};
    const shm::FlatBufferCopy<Series> copy(message, IDENTIFIER);
    std::memset(builder.GetBufferPointer(), 0xFF, builder.GetSize());
    assert_true(is_series(copy.Get(), "copied", 2));
    const shm::FlatBufferCopy<Series> unsound(message, IDENTIFIER);
    assert_null(unsound.Get());
}

void an_unsound_request_is_an_error_of_its_handler(void **) {
    Pair pair;
    shm::RequestBuffer request = pair.Acquire();
    std::memset(request.End() - 64, 0xFF, 64);
    shm::ResponseView response;
    assert_int_equal(std::move(request).SendAtEnd(64, MSG_ID_USER, response).Status(),
                     SIPC_HANDLER_FAILED);
    assert_true(response.Text() == "this is no series");
}

} // namespace
// NOLINTEND(bugprone-use-after-move)

int main() {
    const struct CMUnitTest tests[] = {
        PROMISE(no_byte_is_copied_and_nothing_allocated),
        PROMISE(small_ones_stay_where_they_were_built),
        PROMISE(every_size_that_fits_arrives),
        PROMISE(a_response_that_outgrows_the_slot_is_told),
        PROMISE(a_builder_that_was_kept_writes_elsewhere),
        PROMISE(what_is_unsound_is_not_read),
        PROMISE(a_copy_does_not_change_with_its_message),
        PROMISE(an_unsound_request_is_an_error_of_its_handler),
    };
    return cmocka_run_group_tests_name("flatbuffers grow in the slot", tests, nullptr, nullptr);
}
