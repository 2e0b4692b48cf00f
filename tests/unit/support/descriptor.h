// SPDX-License-Identifier: Apache-2.0
// What an event loop waits for, looked at for once.
#ifndef SIPC_TESTS_DESCRIPTOR_H
#define SIPC_TESTS_DESCRIPTOR_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Whether it is ready, or becomes so within that time.
#define WITHOUT_END (-1)
bool descriptor_is_ready(intptr_t descriptor, int milliseconds);

#ifdef __cplusplus
}
#endif

#endif
