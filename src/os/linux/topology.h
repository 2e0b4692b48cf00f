// SPDX-License-Identifier: Apache-2.0
// Which processors share a core and caches, from a folder as /sys/devices/system/cpu.
#ifndef SIPC_OS_LINUX_TOPOLOGY_H
#define SIPC_OS_LINUX_TOPOLOGY_H

#include "../../internal/os.h"

// Tells what the processors of these ids share. False if the folder does not say it of each.
bool sipc_topology_read(const char *folder, struct sipc_os_processor *processors, uint32_t count);

#endif
