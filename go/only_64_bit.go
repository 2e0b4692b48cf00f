// SPDX-License-Identifier: Apache-2.0

//go:build !(amd64 || arm64 || loong64 || mips64le || ppc64le || riscv64)

package shm

// A region may be larger than a 32-bit address space, and its numbers are little-endian. This name is known nowhere:
// the compiler says it, and nothing is built.
const _ = SimpleIPC_needs_a_64_bit_little_endian_system
