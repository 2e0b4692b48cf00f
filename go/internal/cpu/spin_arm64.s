// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// func Spin(word *uint32, value uint32, polls uint32) (left uint32)
TEXT ·Spin(SB), NOSPLIT, $0-20
	MOVD  word+0(FP), R0
	MOVWU value+8(FP), R1
	MOVWU polls+12(FP), R2
poll:
	LDARW (R0), R3
	CMPW  R1, R3
	BNE   done
	YIELD
	SUBSW $1, R2, R2
	BNE   poll
done:
	MOVW R2, left+16(FP)
	RET

// func Prefetch(address unsafe.Pointer, size uint32)
TEXT ·Prefetch(SB), NOSPLIT, $0-12
	MOVD  address+0(FP), R0
	MOVWU size+8(FP), R1
line:
	PRFM  (R0), PLDL1KEEP
	ADD   $64, R0
	SUBSW $64, R1, R1
	BGT   line
	RET
