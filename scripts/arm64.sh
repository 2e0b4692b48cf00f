# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by test.sh. Programs for 64-bit ARM, made by Debian's cross compiler and Go, and run under qemu-user. The tests
# that cannot run there, and why, stand in tests/not_under_qemu.txt.

arm64=build-run/arm64

configure_and_build_arm64() {
    # The headers of FlatBuffers are the same for every system, and the compiler must see none of the others beside them.
    mkdir -p "$arm64/include"
    ln -sfn /usr/include/flatbuffers "$arm64/include/flatbuffers"
    PKG_CONFIG_LIBDIR=$(cmocka_packages arm64) cmake -S . -B "$arm64/build" \
        -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/toolchains/aarch64-linux-gnu.cmake" -DSIPC_BUILD_TESTS=ON -DSIPC_WERROR=ON \
        -DFLATBUFFERS_INCLUDE_DIR="$PWD/$arm64/include"
    cmake --build "$arm64/build" -j "$(nproc)"
}

run_arm64_go_tests() {
    local program=$PWD/$arm64/go.test without wanted
    without=$(sed -n 's/^\(Test[^ ]*\) .*/\1/p' tests/not_under_qemu.txt)
    in_module go env GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go test -c -o "$program" .
    # As a list of those that run: not every go knows -skip.
    wanted=$(in_module go qemu-aarch64 "$program" -test.list '^Test' | grep -vxF "$without" | paste -sd '|')
    in_module go env RUN_PROGRAMS_BY="qemu-aarch64" qemu-aarch64 "$program" -test.v -test.count=1 -test.run "^($wanted)\$"
}

test_arm64() {
    check "cmocka for arm64" cmocka_for arm64 -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/toolchains/aarch64-linux-gnu.cmake" || return
    check_go "unit tests of Go under qemu" run_arm64_go_tests
    check "build for arm64 into $arm64/build" configure_and_build_arm64 || return
    check_ctest "unit tests under qemu" run_unit_tests "$arm64/build"
    check_ctest "process tests under qemu" run_process_tests "$arm64/build"
}
