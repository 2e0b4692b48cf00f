// SPDX-License-Identifier: Apache-2.0
// cmocka.h needs these before it.
#ifndef PROCESS_CMOCKA_INCLUDES_H
#define PROCESS_CMOCKA_INCLUDES_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#endif
