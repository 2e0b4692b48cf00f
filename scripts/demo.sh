#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the library and the README's pair, shows one answer, then measures.
set -euo pipefail
source scripts/packages.sh
need ca-certificates gcc g++ make cmake golang-go

out=$PWD/build-run/demo
guest=

# A guest ends with its host; this is for a host that never came up.
end_guest() {
    if [ -n "$guest" ]; then kill "$guest" 2>/dev/null || true; fi
}
trap end_guest EXIT

echo "Building the library, a host in C++ and a guest in Go ..."
cmake -S . -B "$out" -DSIPC_BUILD_TESTS=OFF >/dev/null
cmake --build "$out" --target simpleipc -j "$(nproc)" >/dev/null
g++ -std=c++17 -O2 -Wall -Wextra -Wpedantic -Werror -Iinclude examples/readme/host.cpp \
    "$out/libsimpleipc.a" -pthread -lrt -o "$out/host"
(cd examples/readme/guest && go build -o "$out/guest" .)

echo "The guest in Go starts, and the host in C++ sends \"test\":"
timeout 60 "$out/guest" &
guest=$!
timeout 30 "$out/host" | sed 's/^/    /'
wait "$guest"
guest=

echo "Measuring round trips for three seconds ..."
benchmarks/run.sh --demo
