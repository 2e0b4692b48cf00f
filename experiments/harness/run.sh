#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds an experiment beside this folder and prints its table: run.sh EXPERIMENT [build folder] [rounds] [pairs]
# Without a build folder (or with '') it builds in a temporary one and removes it.
set -eu
name=$1
folder=$(cd "$(dirname "$0")/../$name" && pwd)
build=${2:-}
if [ $# -gt 2 ]; then shift 2; else shift $#; fi
if [ -z "$build" ]; then
    build=$(mktemp -d)
    trap 'rm -rf "$build"' EXIT
fi
mkdir -p "$build"
{ cmake -S "$folder" -B "$build" && cmake --build "$build"; } >"$build/build.log" 2>&1 || {
    cat "$build/build.log" >&2
    echo "run.sh: the build of $name failed" >&2
    exit 1
}
"$build/$name" "$@"
