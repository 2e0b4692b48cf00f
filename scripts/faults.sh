#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
source scripts/packages.sh
if [ ! -x tests/faults/run.sh ]; then
    echo "There are no fault tests: tests/faults/run.sh is missing." >&2
    exit 1
fi
need ca-certificates clang libclang-rt-14-dev gcc g++ make cmake golang-go libcmocka-dev libsqlite3-dev libflatbuffers-dev libuv1-dev flatbuffers-compiler pkg-config sqlite3 util-linux
exec tests/faults/run.sh "$@"
