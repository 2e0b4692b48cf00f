# SPDX-License-Identifier: Apache-2.0
# Linux on 64-bit ARM, built with Debian's cross compiler; its programs run under qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
# By its path: programs that start others name it to the system.
find_program(SIPC_QEMU_AARCH64 qemu-aarch64)
set(CMAKE_CROSSCOMPILING_EMULATOR ${SIPC_QEMU_AARCH64};-L;/usr/aarch64-linux-gnu)
# What go build is told.
set(GO_TARGET GOOS=linux GOARCH=arm64 CC=${CMAKE_C_COMPILER})
