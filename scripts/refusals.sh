# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by test.sh. Systems that are refused, each with an error that says why.

refuses_32_bits_in_c() {
    local said out=build-run/32-bit
    rm -rf "$out"
    # Without a library for it, which few machines have: nothing is linked.
    ! said=$(cmake -S . -B "$out" -DCMAKE_C_FLAGS=-m32 -DCMAKE_CXX_FLAGS=-m32 \
        -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY 2>&1)
    echo "$said"
    grep -q 'needs a 64-bit target, since .*; this compiler makes 32-bit code' <<<"$said"
}

refuses_32_bits_in_go() {
    local said
    ! said=$(in_module go env GOOS=linux GOARCH=386 CGO_ENABLED=0 go build . 2>&1)
    echo "$said"
    grep -q 'undefined: SimpleIPC_needs_a_64_bit_little_endian_system' <<<"$said"
}

test_refusals() {
    check "a 32-bit build is refused, C" refuses_32_bits_in_c
    check "a 32-bit build is refused, Go" refuses_32_bits_in_go
}
