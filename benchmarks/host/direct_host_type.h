// SPDX-License-Identifier: Apache-2.0
// What a struct direct_host is, for the C++ parts of this program.
#ifndef BENCH_DIRECT_HOST_TYPE_H
#define BENCH_DIRECT_HOST_TYPE_H

#include "DirectHost.h"
#include "direct_host.h"

struct direct_host {
    shm::DirectHost host;
};

#endif
