// SPDX-License-Identifier: Apache-2.0
// A /dev/shm of this process's own, in a mount namespace of its own: nobody else sees its names,
// and nobody else's space runs out. Where the system has no /dev/shm this does nothing.
#ifndef SIPC_TESTS_PRIVATE_SHM_H
#define SIPC_TESTS_PRIVATE_SHM_H

#ifdef __cplusplus
extern "C" {
#endif

// Before the first thread is started. The size as mount(8) takes it: "64k". Ends the process with a
// message and a failure if the system does not let it.
void enter_private_shm(const char *size);

#ifdef __cplusplus
}
#endif

#endif
