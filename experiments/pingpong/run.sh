#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the bare ping-pong in C and Go and prints the table of every pairing:
#   run.sh [build folder] [host options, e.g. --rounds 100 --sizes 8,64]
# Without a build folder (or with '') it builds in a temporary one and removes it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-}
[ $# -gt 0 ] && shift
if [ -z "$build" ]; then
    build=$(mktemp -d)
    trap 'rm -rf "$build"' EXIT
fi
mkdir -p "$build"
build=$(cd "$build" && pwd)

quietly() {
    "$@" >"$build/build.log" 2>&1 || {
        cat "$build/build.log" >&2
        echo "run.sh: failed: $*" >&2
        exit 1
    }
}

quietly cmake -S "$here" -B "$build/c"
quietly cmake --build "$build/c"
hosts="$build/c/bare_host"
guests="$build/c/bare_guest"
if command -v go >/dev/null 2>&1; then
    cd "$here/go"
    CGO_ENABLED=0 quietly go build -o "$build/go/" ./cmd/barehost ./cmd/bareguest
    hosts="$hosts $build/go/barehost"
    guests="$guests $build/go/bareguest"
else
    echo "run.sh: no 'go' on this machine: the pairings with Go are missing below" >&2
fi

echo "C and C, many requests in flight"
"$build/c/bare_pipelined"
for host in $hosts; do
    for guest in $guests; do
        echo
        echo "host $(basename "$host"), guest $(basename "$guest")"
        "$host" --guest "$guest" "$@"
    done
done
