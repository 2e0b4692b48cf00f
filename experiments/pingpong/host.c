// SPDX-License-Identifier: Apache-2.0
// The host of the bare ping-pong: creates the region, starts the guest or waits for one, measures
// every layout at every size, prints the table.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "measure.h"
#include "process.h"
#include "region_file.h"

enum { MAX_SIZES = 32, SILENCE_SECONDS = 10 };

struct options {
    char name[201];
    const char *guest; // program to start; NULL: somebody else starts the guest
    long host_processor;
    long guest_processor;
    long rounds;
    long wait_seconds;
    bool in_place;
    uint32_t sizes[MAX_SIZES];
    unsigned size_count;
};

// What bare_alive needs to tell a guest that is gone, or silent for too long, from a busy one.
struct guest_watch {
    pid_t process;
    bool child; // started by this process, and not collected yet
    const struct bare_end *end;
    uint32_t turn;
    uint32_t window;
    uint64_t silent_since; // 0: not silent
};

static const char usage_text[] =
    "usage: bare_host [--guest PROGRAM] [--name NAME] [--cpu N] [--guest-cpu N] [--rounds N]\n"
    "                 [--sizes BYTES,BYTES,...] [--wait SECONDS] [--in-place]\n"
    "  --guest PROGRAM  start this guest; without it, wait for one that attaches to NAME\n"
    "  --rounds N       windows of each layout and size (default 250)\n"
    "  --sizes LIST     0 to 1048576 bytes each\n"
    "  --wait SECONDS   how long to wait for the guest to attach (default 5)\n"
    "  --in-place       the guest's handler works on the region's buffers\n";

static bool refuse(const char *option, const char *value) {
    fprintf(stderr, "bare host: %s: bad value '%s'\n%s", option, value, usage_text);
    return false;
}

static bool parse_sizes(struct options *options, const char *list) {
    char text[32];
    options->size_count = 0;
    for (const char *from = list;; from++) {
        size_t length = strcspn(from, ",");
        long size;
        if (length >= sizeof text || options->size_count == MAX_SIZES) {
            return refuse("--sizes", list);
        }
        memcpy(text, from, length);
        text[length] = '\0';
        if (!parse_number(text, 0, BARE_MAX_SIZE, &size)) {
            return refuse("--sizes", list);
        }
        options->sizes[options->size_count++] = (uint32_t)size;
        from += length;
        if (*from == '\0') {
            return true;
        }
    }
}

static bool parse_option(struct options *options, const char *option, const char *value) {
    bool right;
    if (strcmp(option, "--guest") == 0) {
        options->guest = value;
        right = value[0] != '\0';
    } else if (strcmp(option, "--name") == 0) {
        right = region_name_is_valid(value);
        snprintf(options->name, sizeof options->name, "%s", right ? value : "");
    } else if (strcmp(option, "--cpu") == 0) {
        right = parse_number(value, 0, 4095, &options->host_processor);
    } else if (strcmp(option, "--guest-cpu") == 0) {
        right = parse_number(value, 0, 4095, &options->guest_processor);
    } else if (strcmp(option, "--rounds") == 0) {
        right = parse_number(value, 1, 1000000, &options->rounds);
    } else if (strcmp(option, "--wait") == 0) {
        right = parse_number(value, 1, 3600, &options->wait_seconds);
    } else if (strcmp(option, "--sizes") == 0) {
        return parse_sizes(options, value);
    } else {
        fprintf(stderr, "bare host: unknown option '%s'\n%s", option, usage_text);
        return false;
    }
    return right || refuse(option, value);
}

static bool parse_options(struct options *options, int count, char **values) {
    *options = (struct options){.host_processor = -1, .guest_processor = -1};
    options->rounds = 250;
    options->wait_seconds = 5;
    snprintf(options->name, sizeof options->name, "simpleipc-bare-%d", (int)getpid());
    parse_sizes(options, "8,16,32,64,128,256,1024,4096,16384,65536,262144,1048576");
    for (int i = 1; i < count; i++) {
        if (strcmp(values[i], "--in-place") == 0) {
            options->in_place = true;
        } else if (!parse_option(options, values[i], i + 1 < count ? values[i + 1] : "")) {
            return false;
        } else {
            i++;
        }
    }
    return true;
}

static bool choose_processors(struct options *options) {
    if (options->host_processor < 0) {
        options->host_processor = allowed_processor(0);
    }
    if (options->guest_processor < 0) {
        int second = allowed_processor(1);
        options->guest_processor =
            second == options->host_processor ? allowed_processor(0) : second;
    }
    if (options->guest_processor < 0 || options->guest_processor == options->host_processor) {
        fprintf(stderr, "bare host: host and guest spin and need a processor each\n");
        return false;
    }
    return pin_to_processor((int)options->host_processor);
}

static bool child_ended(struct guest_watch *watch) {
    int status;
    if (waitpid(watch->process, &status, WNOHANG) != watch->process) {
        return false;
    }
    watch->child = false;
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "bare host: the guest was ended by signal %d\n", WTERMSIG(status));
    } else {
        fprintf(stderr, "bare host: the guest ended with status %d\n", WEXITSTATUS(status));
    }
    return true;
}

static bool guest_alive(void *context) {
    struct guest_watch *watch = context;
    if (watch->child ? child_ended(watch) : kill(watch->process, 0) != 0 && errno == ESRCH) {
        return false;
    }
    uint64_t now = bare_now_ns();
    if (watch->silent_since == 0 || watch->turn != watch->end->turn ||
        watch->window != watch->end->window) {
        watch->turn = watch->end->turn;
        watch->window = watch->end->window;
        watch->silent_since = now;
    }
    if (now - watch->silent_since < SILENCE_SECONDS * 1000000000ull) {
        return true;
    }
    fprintf(stderr, "bare host: no answer from the guest for %d s\n", SILENCE_SECONDS);
    return false;
}

// A fifth of the rounds, but at least 20, where a window takes milliseconds.
static unsigned rounds_of(const struct options *options, uint32_t size) {
    unsigned rounds = (unsigned)options->rounds;
    unsigned fewer = rounds / 5 < 20 ? 20 : rounds / 5;
    return size > 65536 && fewer < rounds ? fewer : rounds;
}

static bool measure_all(struct bare_host *host, const struct options *options) {
    double ticks_per_ns = bare_ticks_per_ns();
    print_header();
    for (unsigned i = 0; i < options->size_count; i++) {
        static struct measurement measurement;
        memset(&measurement, 0, sizeof measurement);
        measurement.size = options->sizes[i];
        measurement.rounds = rounds_of(options, options->sizes[i]);
        measurement.in_place = options->in_place;
        bool done = measure(host, &measurement);
        if (done) {
            print_measurement(&measurement, ticks_per_ns);
        }
        free_measurement(&measurement);
        if (!done) {
            return false;
        }
    }
    return true;
}

static bool attach_guest(struct bare_host *host, const struct options *options,
                         struct guest_watch *watch) {
    if (options->guest != NULL) {
        watch->process = start_guest(options->guest, options->name, (int)options->guest_processor);
        watch->child = watch->process > 0;
        if (!watch->child) {
            return false;
        }
    }
    if (!bare_await_guest(host, (uint64_t)options->wait_seconds * 1000000000u)) {
        if (!watch->child || !child_ended(watch)) {
            fprintf(stderr, "bare host: no guest attached to '%s' within %ld s\n", options->name,
                    options->wait_seconds);
        }
        return false;
    }
    if (!watch->child) {
        watch->process = (pid_t)host->end.control->guest_pid;
    }
    return true;
}

int main(int count, char **values) {
    struct options options;
    if (!parse_options(&options, count, values)) {
        return 2;
    }
    if (!choose_processors(&options)) {
        return 1;
    }
    void *region = region_create(options.name, BARE_REGION_BYTES);
    if (region == NULL) {
        return 1;
    }
    struct bare_host host;
    struct guest_watch watch = {.end = &host.end};
    bare_host_init(&host, region, guest_alive, &watch);
    bool attached = attach_guest(&host, &options, &watch);
    region_remove(options.name); // both have it mapped: nothing stays behind, whatever happens
    bool done = attached && measure_all(&host, &options);
    if (done) {
        bare_quit(&host);
    }
    if (watch.child) {
        if (done) {
            waitpid(watch.process, NULL, 0);
        } else {
            end_child(watch.process);
        }
    }
    return done ? 0 : 1;
}
