// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// func StoreRelease(word *uint32, value uint32)
// On this processor a plain store is never seen before an earlier one.
TEXT ·StoreRelease(SB), NOSPLIT, $0-12
	MOVQ word+0(FP), AX
	MOVL value+8(FP), CX
	MOVL CX, (AX)
	RET
