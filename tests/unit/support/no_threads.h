// SPDX-License-Identifier: Apache-2.0
// A system that has no thread left for the library. The linker leads the library's calls here
// (--wrap, of the call that the CMake file names).
#ifndef SIPC_TESTS_NO_THREADS_H
#define SIPC_TESTS_NO_THREADS_H

#include "internal/atomics.h"

// 1: there is none.
extern sipc_word no_threads;

#endif
