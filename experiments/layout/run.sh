#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the layout study and runs it:
#   run.sh [build folder] [rounds, default 250] [runs, default 3]
# Without a build folder (or with '') it builds in a temporary one and removes it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-}
rounds=${2:-250}
runs=${3:-3}
if [ -z "$build" ]; then
    build=$(mktemp -d)
    trap 'rm -rf "$build"' EXIT
fi
mkdir -p "$build"
{ cmake -S "$here" -B "$build" && cmake --build "$build"; } >"$build/build.log" 2>&1 || {
    cat "$build/build.log" >&2
    exit 1
}
run=1
while [ "$run" -le "$runs" ]; do
    echo "run $run of $runs"
    "$build/layout_study" "$rounds"
    run=$((run + 1))
done
