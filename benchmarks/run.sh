#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds what is missing of the benchmark and runs it: round trips between two processes, through the
# library, by the bare limit of the machine and by other means of communication in turn; then tells it all
# as a table of goals and figures and as plots.
set -euo pipefail

usage() {
    cat <<'END'
usage: benchmarks/run.sh [--quick | --full | --demo | --gate] [--peers] [--only PART,...] [--out DIR]
  (nothing)   every part: about 10 minutes, 3 more where the peers are built for the first time
  --quick     little of each, without the peers: to see that it works; also with SIMPLEIPC_BENCH_QUICK=1
  --full      more sizes, depths and wait presets, more of each: about 15 minutes
  --gate      ratios to the bare limit only; fails if one exceeds its bound in gate/ratios.txt
  --demo      three seconds of a C++ host and a Go guest, the bare limit beside them
  --peers     the peers, too, with --quick; what they need is installed through apt-get and cargo
  --only      of ratio latency throughput pipelined streaming asleep pairs idle start peers
  --out DIR   where the results go: JSON of each part, results.md, plots; otherwise a new folder
              beside what was built
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
peers_asked=
parts=ratio,latency,throughput,pipelined,streaming,asleep,pairs,idle,start,peers
while [ $# -gt 0 ]; do
    case "$1" in
    --quick | --full | --demo | --gate) level=${1#--} ;;
    --peers) peers_asked=1 ;;
    --only | --out)
        [ $# -gt 1 ] || refuse "$1 needs a value"
        if [ "$1" = --out ]; then out=$2; else parts=$2; fi
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
[ "$level" != gate ] || parts=ratio
for part in ${parts//,/ }; do
    case $part in
    ratio | latency | throughput | pipelined | streaming | asleep | pairs | idle | start | peers) ;;
    *) refuse "'$part' is not a part" ;;
    esac
done

asked() { [[ ,$parts, == *,$1,* ]]; }
peers_wanted() {
    asked peers && { [ -n "$peers_asked" ] || [ "$level" = default ] || [ "$level" = full ]; }
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ -z "$out" ] || { mkdir -p "$out" && out=$(cd "$out" && pwd); }

# ---- Building ------------------------------------------------------------------------------------

# build/ is where the README puts the benchmark; if it is not there, that place is left to the user.
build=$root/build
if ! grep -qsxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root/benchmarks" "$build/CMakeCache.txt"; then
    build=${SIMPLEIPC_BENCH_BUILD:-$root/build-benchmarks}
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

# One by one: a package that is not to be had makes one peer absent, and no other.
install_for_peers() {
    local wanted
    for wanted in libzmq3-dev libnng-dev libboost-dev libiceoryx-posh-dev iceoryx libclang1-14; do
        (cd "$root" && source scripts/packages.sh && need "$wanted") ||
            echo "$wanted could not be installed"
    done
}

iceoryx2_absent=
build_iceoryx2() {
    local log=$build/iceoryx2.log
    if ! command -v cargo >/dev/null; then
        iceoryx2_absent="there is no cargo"
        return
    fi
    echo "building iceoryx2 from its crate ..."
    if ! (cd "$root/benchmarks/peers/iceoryx2" &&
        CARGO_TARGET_DIR=$build/iceoryx2 cargo build --release --locked) >"$log" 2>&1; then
        iceoryx2_absent="cargo could not build it: $(grep -m 1 '^error' "$log" | tr -d '";')"
    fi
}

for tool in cmake make go; do
    command -v "$tool" >/dev/null || fail "$tool is missing; ./run demo installs what is needed"
done
mkdir -p "$build"
[ -f "$build/CMakeCache.txt" ] || echo "building in $build"
options=()
if peers_wanted; then
    install_for_peers
    build_iceoryx2
    options+=(-DBENCH_PEERS=ON "-DICEORYX2_ABSENT=$iceoryx2_absent"
        "-DICEORYX2_LIBRARY=$build/iceoryx2/release/libsimpleipc_peer_iceoryx2.a")
fi
(cd "$build" && quietly cmake "$root/benchmarks" "${options[@]}" && quietly make -j "$(nproc)")
(cd "$root/benchmarks/go" && quietly go build && quietly go build -o simpleipc-bench-go-streaming ./streaming)
host=$build/simpleipc-bench-host
c_guest=$build/simpleipc-bench-guest
cpp_guest=$build/simpleipc-bench-guest-cpp
go_guest=$root/benchmarks/go/simpleipc-bench-go

# ---- Parts ---------------------------------------------------------------------------------------

[ -n "$out" ] || out=$build/results/$(date -u +%Y-%m-%d-%H%M%S)-$level
mkdir -p "$out"

# measure NAME TITLE PROGRAM ARGUMENTS...: one run of a host.
measure() {
    local name=$1 title=$2
    shift 2
    printf '\n%s\n' "$title"
    "$@" --json "$out/$name.json"
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
        measure demo "C++ host, Go guest, 64 bytes" \
            "$host" latency --guest "$go_guest" --callers send --sizes 64 --seconds 3
    else
        measure demo "C++ host (DirectHost::Send), Go guest, 64 bytes there and back; L is the bare limit" \
            "$host" demo --guest "$go_guest" --callers send --sizes 64 --seconds 3
    fi
    exit 0
fi

case "$level" in
quick)
    rounds=30 seconds=0.2 threads=1,4,8 load_sizes=64 idle=1 starts=3
    sizes=8,64,1024,65536 pairs=4 runs=3 run_seconds=0.1
    depths=1,16 depths_each=4 rounds_each=10
    stream_mib=1,64 stream_rounds=3
    ;;
default)
    rounds=200 seconds=1.5 threads=1,2,4,8 load_sizes=64 idle=10 starts=50
    sizes=8,32,64,128,1024,65536,1048576 pairs=4,8,16 runs=20 run_seconds=0.5
    depths=1,2,4,8,16,32,64 depths_each=4,16 rounds_each=20
    stream_mib=1,64 stream_rounds=31
    ;;
gate)
    rounds=200 sizes=8,64,1024
    ;;
full)
    rounds=200 seconds=2 threads=1,2,4,8 load_sizes=8,64,1024 idle=10 starts=100
    sizes=8,16,32,48,64,128,256,512,1024,4096,16384,65536,262144,1048576
    pairs=4,8,16 runs=20 run_seconds=1
    depths=1,2,4,8,16,32,64 depths_each=2,4,8,16 rounds_each=50
    stream_mib=1,64,1024 stream_rounds=51
    ;;
esac
peer_sizes=8,64,1024,65536

# ratio GUEST NAME TITLE CALLERS
ratio() {
    local guest=$1 name=$2 pair=$3 callers=$4
    if ! asked ratio || [ -n "$alone" ]; then return 0; fi
    measure "ratio-$name" "Ratio to the bare limit L, in turn with it: $pair" \
        "$host" ratio --guest "$guest" --callers "$callers" --sizes "$sizes" --rounds "$rounds"
    [ "$level" = full ] || return 0
    measure "ratio-$name-unpinned" "Ratio to the bare limit L, not pinned: $pair" \
        "$host" ratio --no-pin --guest "$guest" --callers "$callers" --sizes 8,64,1024 \
        --rounds "$rounds"
}

# pipelined GUEST NAME TITLE
pipelined() {
    local guest=$1 name=$2 pair=$3
    if ! asked pipelined || [ -n "$alone" ]; then return 0; fi
    measure "pipelined-$name" "Pipelined, in turn with the bare pipelined limit: $pair" \
        "$host" pipelined --guest "$guest" --workers one --sizes 48 \
        --threads "$depths" --rounds "$rounds"
}

# pipelined_otherwise GUEST NAME TITLE: more workers, and other sizes.
pipelined_otherwise() {
    local guest=$1 name=$2 pair=$3
    if ! asked pipelined || [ -n "$alone" ]; then return 0; fi
    measure "pipelined-$name-each" "The same, a worker for each request in flight: $pair" \
        "$host" pipelined --guest "$guest" --callers pipeline,pipeline-singly --workers each \
        --sizes 48 --threads "$depths_each" --rounds "$rounds_each"
    [ "$level" = full ] || return 0
    measure "pipelined-$name-sizes" "The same, one worker, other sizes: $pair" \
        "$host" pipelined --guest "$guest" --callers pipeline --workers one --sizes 8,64,1024 \
        --threads "$depths" --rounds "$rounds"
}

# streaming GUEST NAME TITLE CALLER
streaming() {
    local guest=$1 name=$2 pair=$3 caller=$4
    if ! asked streaming || [ -n "$alone" ]; then return 0; fi
    measure "streaming-$name" "Streams, in turn with a pipeline of memcpy: $pair" \
        "$build/simpleipc-bench-streaming" --guest "$guest" --caller "$caller" \
        --mib "$stream_mib" --rounds "$stream_rounds"
    [ "$level" = full ] || return 0
    measure "streaming-$name-slots" "The same, other slots: $pair" \
        "$build/simpleipc-bench-streaming" --guest "$guest" --caller "$caller" \
        --mib 1,64 --slots 64,1024 --rounds "$stream_rounds"
    measure "streaming-$name-each" "The same, a worker for each slot: $pair" \
        "$build/simpleipc-bench-streaming" --guest "$guest" --caller "$caller" \
        --mib 1,64 --workers each --rounds "$stream_rounds"
}

# throughput_otherwise GUEST NAME TITLE CALLERS: not pinned, and by the other wait presets.
throughput_otherwise() {
    local guest=$1 name=$2 pair=$3 callers=$4 preset
    measure "throughput-$name-unpinned" "Throughput, not pinned: $pair" "$host" throughput \
        --no-pin --guest "$guest" --callers "$callers" --sizes 64 --threads "$threads" \
        --seconds "$seconds"
    [ "$level" = full ] || return 0
    for preset in latency power; do
        measure "throughput-$name-$preset" "Throughput, wait preset $preset: $pair" "$host" \
            throughput --wait "$preset" --guest "$guest" --callers "${callers%%,*}" --sizes 64 \
            --threads "$threads" --seconds "$seconds"
    done
}

# latency GUEST NAME TITLE CALLERS SIZES
latency() {
    local guest=$1 name=$2 pair=$3 callers=$4 sizes=$5
    asked latency || return 0
    measure "latency-$name" "Latency: $pair" "$host" latency --guest "$guest" \
        --callers "$callers" --sizes "$sizes" --threads "$threads" --seconds "$seconds"
}

# throughput GUEST NAME TITLE CALLERS SIZES
throughput() {
    local guest=$1 name=$2 pair=$3 callers=$4 sizes=$5
    asked throughput || return 0
    measure "throughput-$name" "Throughput: $pair" "$host" throughput --guest "$guest" \
        --callers "$callers" --sizes "$sizes" --threads "$threads" --seconds "$seconds"
}

# with_guest GUEST NAME TITLE CALLERS: the parts that are measured with each guest.
with_guest() {
    local guest=$1 name=$2 pair=$3 callers=$4
    ratio "$@"
    pipelined "$guest" "$name" "$pair"
    pipelined_otherwise "$guest" "$name" "$pair"
    latency "$@" "$load_sizes"
    throughput "$@" "$load_sizes"
    if asked throughput && [ "$level" != quick ]; then throughput_otherwise "$@"; fi
    if asked pairs; then
        measure "pairs-$name" "More pairs than processors: $pair" "$host" pairs --guest "$guest" \
            --callers "${callers%%,*}" --threads "$pairs" --rounds "$runs" --seconds "$run_seconds"
    fi
    if asked idle; then
        measure "idle-$name" "Idle: $pair" "$host" idle --guest "$guest" --threads 64 --seconds "$idle"
    fi
    if asked start; then
        measure "start-$name" "Create and attach: $pair" "$host" start --guest "$guest" \
            --threads 64 --sizes 4096 --rounds "$starts"
    fi
}

# The C++ guest is the C guest seen through DirectGuest: each kind of exchange, but only once.
with_cpp_guest() {
    [ "$level" != gate ] || return 0
    ratio "$cpp_guest" cpp "C++ guest" send,session
    pipelined "$cpp_guest" cpp "C++ guest"
    latency "$cpp_guest" cpp "C++ guest" send,session 64
    throughput "$cpp_guest" cpp "C++ guest" send,session 64
}

# guest_calls GUEST NAME TITLE CALLERS
guest_calls() {
    local guest=$1 name=$2 pair=$3 callers=$4
    if ! asked ratio || [ -n "$alone" ] || [ "$level" = gate ]; then return 0; fi
    measure "ratio-guest-calls-$name" "The guest calls the host, ratio to the bare limit L, in turn with it: $pair" \
        "$host" ratio --guest "$guest" --callers "$callers" --sizes 8,64,1024 --rounds "$rounds"
}

with_guest "$c_guest" c "C guest" session,any,send
with_guest "$go_guest" go "Go guest" send,session
with_cpp_guest
if asked start && [ "$level" != gate ]; then
    measure start-c-one "Create and attach, one worker for all slots: C guest" "$host" start \
        --guest "$c_guest" --threads 64 --sizes 4096 --rounds "$starts" --workers one
fi
guest_calls "$c_guest" c "C guest" guest-session,guest-any
guest_calls "$cpp_guest" cpp "C++ guest" guest-any
guest_calls "$go_guest" go "Go guest" guest-any
streaming "$build/simpleipc-bench-streaming-guest" c "C guest" c
streaming "$root/benchmarks/go/simpleipc-bench-go-streaming" go "C++ host, Go guest" cpp
if asked asleep; then
    measure asleep-c "Both sides asleep before each call: C guest" "$build/peers/peer-futex" asleep \
        --guest "$build/peers/peer-futex-guest" --callers session,any,send,peer --sizes 8,64,1024 \
        --rounds "$rounds"
fi

if [ "$level" = gate ]; then
    [ -z "$alone" ] || fail "there is no bare limit to compare with on one processor"
    printf '\n'
    (cd "$root/benchmarks/report" && go run . "$out" "$root/benchmarks/gate/ratios.txt")
    exit
fi

# ---- Peers ---------------------------------------------------------------------------------------

roudi=
end_roudi() {
    [ -n "$roudi" ] || return 0
    kill "$roudi" 2>/dev/null || true
    wait "$roudi" 2>/dev/null || true
    roudi=
}
trap end_roudi EXIT

# iceoryx's daemon, for as long as its peer is measured.
start_roudi() {
    local log=$build/iox-roudi.log tries
    command -v iox-roudi >/dev/null || return 1
    iox-roudi >"$log" 2>&1 &
    roudi=$!
    for ((tries = 0; tries < 100; tries++)); do
        grep -q 'RouDi is ready' "$log" && return 0
        kill -0 "$roudi" 2>/dev/null || break
        sleep 0.1
    done
    end_roudi
    return 1
}

absent() { # NAME REASON
    printf '\n%s is absent: %s\n' "$1" "$2"
    printf '%s: %s\n' "$1" "$2" >>"$out/peers-absent.txt"
}

measure_peer() { # NAME
    local name=$1 program=$build/peers/peer-$1
    if [ ! -x "$program" ] || [ -f "$build/peers/absent/$name" ]; then
        absent "$name" "$(cat "$build/peers/absent/$name" 2>/dev/null || echo "it was not built")"
        return
    fi
    if [ "$name" = iceoryx ] && ! start_roudi; then
        absent "$name" "its daemon iox-roudi could not be started"
        return
    fi
    if ! measure "peer-$name" "Beside us and the bare limit, in turn: $name" "$program" ratio \
        --guest "$program-guest" --callers session,peer --sizes "$peer_sizes" --rounds "$rounds" 2> \
        >(tee "$build/peer-error.log" >&2); then
        absent "$name" "it failed: $(grep -v '^ *$' "$build/peer-error.log" | tail -n 1)"
        rm -f "$out/peer-$name.json"
    else
        measure "peer-latency-$name" "Latency: $name" "$program" latency --guest "$program-guest" \
            --callers session,peer --sizes 64 --seconds "$seconds"
    fi
    end_roudi
}

if peers_wanted && [ -z "$alone" ]; then
    rm -f "$out/peers-absent.txt"
    for name in futex eventfd pipe unix_socket message_queue zeromq nng boost iceoryx iceoryx2; do
        measure_peer "$name"
    done
fi

# ---- The table and the plots ---------------------------------------------------------------------

command -v gnuplot >/dev/null || (cd "$root" && source scripts/packages.sh && need gnuplot-nox) ||
    echo "Without gnuplot there are no plots."
printf '\n'
(cd "$root/benchmarks/report" && go run . "$out")
printf '\nThe results are in %s\n' "$out"
