// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// func Spin(word *uint32, value uint32, polls uint32) (left uint32)
// On this processor every load acquires.
TEXT ·Spin(SB), NOSPLIT, $0-20
	MOVQ word+0(FP), AX
	MOVL value+8(FP), CX
	MOVL polls+12(FP), DX
poll:
	CMPL CX, (AX)
	JNE  done
	PAUSE
	DECL DX
	JNZ  poll
done:
	MOVL DX, left+16(FP)
	RET

// func Prefetch(address unsafe.Pointer, size uint32)
TEXT ·Prefetch(SB), NOSPLIT, $0-12
	MOVQ address+0(FP), AX
	MOVL size+8(FP), CX
line:
	PREFETCHT0 (AX)
	ADDQ $64, AX
	SUBL $64, CX
	JGT  line
	RET
