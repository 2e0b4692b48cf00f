// SPDX-License-Identifier: Apache-2.0
// Two POSIX message queues, one for each direction.
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <sys/stat.h>

#include "peer.h"

struct end {
    mqd_t in, out;
};

static void queue_name(char *text, size_t size, const struct peer_place *place, const char *what) {
    snprintf(text, size, "/%s.%s", place->name, what);
}

#define LIMIT "/proc/sys/fs/mqueue/msgsize_max"

static uint32_t largest(const char **why) {
    unsigned bytes = 8192; // as a system is set up
    FILE *file = fopen(LIMIT, "r");
    if (file && fscanf(file, "%u", &bytes) != 1) bytes = 8192;
    if (file) fclose(file);
    *why = "its limit is " LIMIT;
    return bytes;
}

static void create(const struct peer_place *place, const char *what) {
    char name[128];
    queue_name(name, sizeof name, place, what);
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = (long)place->capacity};
    mqd_t queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
    if (queue == (mqd_t)-1) peer_failed("mq_open", NULL);
    mq_close(queue);
}

static void prepare(const struct peer_place *place) {
    create(place, "request");
    create(place, "response");
}

static mqd_t open_queue(const struct peer_place *place, const char *what, int how) {
    char name[128];
    queue_name(name, sizeof name, place, what);
    mqd_t queue = mq_open(name, how);
    if (queue == (mqd_t)-1) peer_failed("mq_open", NULL);
    return queue;
}

static void *open_end(const struct peer_place *place, enum peer_role role) {
    static struct end end;
    bool calls = role == PEER_CALLER;
    end.in = open_queue(place, calls ? "response" : "request", O_RDONLY);
    end.out = open_queue(place, calls ? "request" : "response", O_WRONLY);
    return &end;
}

static void close_end(void *given) {
    const struct end *end = given;
    mq_close(end->in);
    mq_close(end->out);
}

static void send_message(void *given, const void *bytes, uint32_t size) {
    while (mq_send(((struct end *)given)->out, bytes, size, 0) != 0)
        if (errno != EINTR) peer_failed("mq_send", NULL);
}

// mq_receive() asks for room for the largest message, however small the next one is.
static uint32_t receive_message(void *given, void *bytes, uint32_t capacity) {
    ssize_t got;
    do got = mq_receive(((struct end *)given)->in, bytes, capacity, NULL);
    while (got < 0 && errno == EINTR);
    if (got < 0) peer_failed("mq_receive", NULL);
    return (uint32_t)got;
}

static void remove_queues(const struct peer_place *place) {
    char name[128];
    queue_name(name, sizeof name, place, "request");
    mq_unlink(name);
    queue_name(name, sizeof name, place, "response");
    mq_unlink(name);
}

const struct peer_transport peer_transport = {.name = "POSIX queue",
                                              .waiting = "sleeps",
                                              .largest = largest,
                                              .prepare = prepare,
                                              .open = open_end,
                                              .close = close_end,
                                              .send = send_message,
                                              .receive = receive_message,
                                              .remove = remove_queues};
