// SPDX-License-Identifier: Apache-2.0
// Hosts that try for a name, with the chosen backend.
#ifndef SIPC_TESTS_HOSTS_H
#define SIPC_TESTS_HOSTS_H

#include "pair.h"

// One of two slots.
sipc_status try_host(const char *name, sipc_host **host);
// A guest answers it.
void assert_host_works(const char *name, sipc_host *host);
// Of 50 threads that try at once exactly one gets the name; the others learn that it exists.
void assert_one_of_many_becomes_host(const char *name);

#endif
