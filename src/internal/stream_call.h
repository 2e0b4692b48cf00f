// SPDX-License-Identifier: Apache-2.0
// Streams as their caller makes them (spec 13.2).
#ifndef SIPC_INTERNAL_STREAM_CALL_H
#define SIPC_INTERNAL_STREAM_CALL_H

#include <simpleipc/stream.h>

#include "calls.h"

// One stream, from its opening to its end, through these slots.
sipc_status sipc_calls_stream(struct sipc_calls *calls, sipc_stream_call *call);

#endif
