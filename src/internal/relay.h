// SPDX-License-Identifier: Apache-2.0
// A thread that sleeps on a bell in place of another one, which waits in an event loop of the
// application's, and makes a descriptor readable when the sleep ends (docs/event-loops.md).
//
// The owner of the endpoint loads the bell, says in its slots where it sleeps, looks at them, and
// hands over what is left of spec 7.1: the sleep with the loaded value. So the relay reads nothing
// but the bell, and nothing that the owner does meanwhile is in its way. One that was handed a
// sleep ends it at the first ring since then, however long ago: what rang before the owner looked
// again is a needless turn of its loop.
#ifndef SIPC_INTERNAL_RELAY_H
#define SIPC_INTERNAL_RELAY_H

#include "wait.h"

struct sipc_relay;

// The waiter sleeps on a bell, and is nobody's who waits while the relay does. Starts no thread.
sipc_status sipc_relay_make(struct sipc_waiter *waiter, struct sipc_relay **relay);
// Ends its sleep and its thread. NULL does nothing.
void sipc_relay_free(struct sipc_relay *relay);
intptr_t sipc_relay_descriptor(const struct sipc_relay *relay);

// All of what follows by the owner, one thread at a time.

// Before the owner announces its sleep and looks: a ring after this ends the sleep.
void sipc_relay_begin(struct sipc_relay *relay);
// After a look that found nothing: sleeps until the bell rings, the waiter is interrupted, or the
// end. One that sleeps since an earlier begin sleeps on. SIPC_SYSTEM if there is no thread for it.
sipc_status sipc_relay_sleep(struct sipc_relay *relay, uint64_t end);
// After a look that found something.
void sipc_relay_signal(struct sipc_relay *relay);
// Nothing is left of what it was signalled for.
void sipc_relay_quieten(struct sipc_relay *relay);
// Ends its sleep, since the owner waits itself.
void sipc_relay_withdraw(struct sipc_relay *relay);

#endif
