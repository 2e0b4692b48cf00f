// SPDX-License-Identifier: Apache-2.0
// What a process holds of the system, to be the same after as before.
#ifndef PROCESS_RESOURCES_H
#define PROCESS_RESOURCES_H

#ifdef __cplusplus
extern "C" {
#endif

struct resources {
    unsigned descriptors;
    unsigned threads;
};

// To be called before the first look: what comes with a process's first thread shall not count.
void resources_settle(void);
struct resources resources_now(void);
// Ends the process with a text if it holds more than before. A thread that was joined is counted
// until the kernel has taken it away, so this waits for that.
void resources_expect(const struct resources *before);

#ifdef __cplusplus
}
#endif

#endif
