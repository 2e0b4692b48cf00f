#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds what is missing of the benchmark and runs it: round trips between two processes, through the
# library and by the bare limit of the machine in turn, their latency and their throughput.
set -euo pipefail

usage() {
    cat <<'END'
usage: benchmarks/run.sh [--quick | --full | --demo] [--out DIR]
  (nothing)   ratios to the bare limit, then latency and throughput of 1, 4 and 8 threads: about 2 minutes
  --quick     the same with little of each: to see that it works; also with SIMPLEIPC_BENCH_QUICK=1
  --full      more sizes, more threads, pinned and not pinned, more of each: about 15 minutes
  --demo      three seconds of a C++ host and a Go guest, the bare limit beside them
  --out DIR   writes the results of each part into DIR as JSON
END
}

refuse() {
    echo "run.sh: $1" >&2
    usage >&2
    exit 2
}

fail() {
    echo "run.sh: $1" >&2
    exit 1
}

level=default
[ "${SIMPLEIPC_BENCH_QUICK:-}" = 1 ] && level=quick
out=
while [ $# -gt 0 ]; do
    case "$1" in
    --quick | --full | --demo) level=${1#--} ;;
    --out)
        [ $# -gt 1 ] || refuse "--out needs a folder"
        out=$2
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) refuse "'$1' is not an option" ;;
    esac
    shift
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# ---- Building ------------------------------------------------------------------------------------

# build/ is where the README puts the benchmark; if it is not there, that place is left to the user.
build=$root/build
if ! grep -qsxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root/benchmarks" "$build/CMakeCache.txt"; then
    build=$root/build-benchmarks
fi

quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        fail "failed: $*"
    fi
    rm -f "$log"
}

for tool in cmake make go; do
    command -v "$tool" >/dev/null || fail "$tool is missing; ./run demo installs what is needed"
done
mkdir -p "$build"
[ -f "$build/CMakeCache.txt" ] || echo "building in $build"
(cd "$build" && quietly cmake "$root/benchmarks" && quietly make -j "$(nproc)")
(cd "$root/benchmarks/go" && quietly go build)
host=$build/simpleipc-bench-host
c_guest=$build/simpleipc-bench-guest
go_guest=$root/benchmarks/go/simpleipc-bench-go

# ---- Parts ---------------------------------------------------------------------------------------

[ -z "$out" ] || mkdir -p "$out"

# part NAME TITLE ARGUMENTS...: one run of the host.
part() {
    local name=$1 title=$2
    shift 2
    local json=()
    [ -z "$out" ] || json=(--json "$out/$name.json")
    printf '\n%s\n' "$title"
    "$host" "$@" "${json[@]}"
}

cpus=$(nproc)
alone=
if [ "$cpus" -lt 2 ]; then
    alone=1
    echo "This process may use one processor only. Host and guest share it, so that the figures are those"
    echo "of a change between two threads, and there is no bare limit to compare them with."
fi

if [ "$level" = demo ]; then
    if [ -n "$alone" ]; then
        part demo "C++ host, Go guest, 64 bytes" \
            latency --guest "$go_guest" --callers send --sizes 64 --seconds 3
    else
        part demo "C++ host (DirectHost::Send), Go guest, 64 bytes there and back; L is the bare limit" \
            demo --guest "$go_guest" --callers send --sizes 64 --seconds 3
    fi
    exit 0
fi

case "$level" in
quick)
    rounds=30 seconds=0.2 threads=1,4,8 load_sizes=64
    sizes=8,64,1024,65536
    ;;
default)
    rounds=200 seconds=2 threads=1,4,8 load_sizes=64
    sizes=8,32,64,128,1024,65536,1048576
    ;;
full)
    rounds=1000 seconds=5 threads=1,2,4,8,16 load_sizes=8,64,1024
    sizes=8,16,32,48,64,128,256,512,1024,4096,16384,65536,262144,1048576
    ;;
esac

# measure GUEST NAME TITLE CALLERS: all parts of one guest.
measure() {
    local guest=$1 name=$2 pair=$3 callers=$4
    if [ -z "$alone" ]; then
        part "ratio-$name" "Ratio to the bare limit L, in turn with it: $pair" \
            ratio --guest "$guest" --callers "$callers" --sizes "$sizes" --rounds "$rounds"
    fi
    part "latency-$name" "Latency: $pair" latency --guest "$guest" \
        --callers "$callers" --sizes "$load_sizes" --threads "$threads" --seconds "$seconds"
    part "throughput-$name" "Throughput: $pair" throughput --guest "$guest" \
        --callers "$callers" --sizes "$load_sizes" --threads "$threads" --seconds "$seconds"
    if [ "$level" = full ]; then
        part "throughput-$name-unpinned" "Throughput, not pinned: $pair" throughput --no-pin \
            --guest "$guest" --callers "$callers" --sizes 64 --threads "$threads" --seconds "$seconds"
    fi
}

measure "$c_guest" c "C guest" session,any,send
measure "$go_guest" go "Go guest" send,session
