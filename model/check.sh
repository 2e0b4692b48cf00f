#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks the models with spin: that each property holds, that each state of interest is reached, and
# that each mutation is caught. Prints a line for each run and `N passed, M failed` at the end.
#
#   check.sh [word]    only the runs whose line contains the word
#
# JOBS (default 2) runs go side by side, each in at most 1800 MB.
# Flags and jobs are words, to be split: SC2086. So are the names of mutations: SC2013.
# shellcheck disable=SC2086,SC2013
set -u
set -f # the flags below are words, not file names
set -m # each run is a process group, to be ended as a whole

models=$(cd "$(dirname "$0")" && pwd)
long=no
if [ "${1:-}" = --long ]; then
    long=yes
    shift
fi
filter=${1:-}
jobs_at_once=${JOBS:-2}
# Of the processor's time, and of memory. States that are stored whole take less of the one and more
# of the other.
seconds=300 megabytes=2000 storage=
[ $long = no ] || seconds=3600 megabytes=6000 storage=-DCOLLAPSE

for tool in spin gcc; do
    if ! command -v "$tool" >/dev/null; then
        echo "check.sh needs $tool, which is not installed (Debian: apt install spin gcc)" >&2
        exit 2
    fi
done

build=$(mktemp -d) || exit 2
end() {
    local group
    for group in $(jobs -p); do kill -- "-$group" 2>/dev/null; done
    wait
    rm -rf "$build"
}
trap end EXIT
trap 'exit 130' INT TERM

# explore NUMBER MODEL EFFORT FLAGS: the verifier's output goes to NUMBER/found.
explore() {
    local number=$1 model=$2 effort=$3 flags=$4 end_states='' optimisation=-O1 table=24
    # A mutation is found among few states.
    [ "$effort" = little ] && optimisation=-O0 table=20
    mkdir "$build/$number" && cd "$build/$number" || return 1
    set +f
    cp "$models"/*.pml .
    set -f
    # A thread that waits for ever may be right in claim.pml; its watchdog says when.
    [ "$model" = claim ] && end_states=-E
    # Not by the clock: the machine may have other work.
    ulimit -t "$seconds"
    spin -a $flags "$model.pml" >built 2>&1 &&
        gcc "$optimisation" -w -DSAFETY $storage -DMEMLIM="$megabytes" -o pan pan.c >>built 2>&1 &&
        ./pan -w$table -m200000 $end_states >found 2>&1
}

# verdict NUMBER EXPECTED: prints what was found; fails unless that was expected.
verdict() {
    local found=$build/$1/found expected=$2 states error
    if ! grep -q 'errors: [0-9]' "$found" 2>/dev/null ||
        grep -Eq 'max search depth too small|out of memory|Search not completed$' "$found"; then
        grep -q 'errors: [1-9]' "$found" 2>/dev/null || {
            echo "not explored: $(tail -qn 1 "$build/$1/built" "$found" 2>/dev/null | tr '\n' ' ')"
            return 1
        }
    fi
    states=$(sed -n 's/^ *\([0-9e+.]*\) states, stored.*/\1/p' "$found")
    error=$(sed -n 's/^pan:[0-9]*: \(.*\) (at depth.*/\1/p' "$found" | head -n 1)
    case "$expected/$error" in
    none/) echo "$states states" ;;
    some/"assertion violated"* | some/"invalid end state"*) echo "$error" ;;
    some/) echo "nothing found in $states states" && return 1 ;;
    *) echo "$error" && return 1 ;;
    esac
}

# run NUMBER KIND MODEL FLAGS TEXT
run() {
    local number=$1 kind=$2 model=$3 flags=$4 text=$5 expected=some effort=little result=FAIL said
    [ "$kind" = holds ] && expected=none effort=full
    (explore "$number" "$model" "$effort" "$flags")
    said=$(verdict "$number" "$expected") && result=ok
    printf '%-4s  %-5s  %-7s  %s  [%s]\n' "$result" "$model" "$kind" "$text" "$said"
    [ "$result" = ok ] || echo "      flags: $flags"
    echo "$result" >"$build/$number.result"
    rm -rf "${build:?}/$number"
}

count=0
start() {
    local line="$1 $2 $3 $4"
    [[ $line == *"$filter"* ]] || return 0
    while [ "$(jobs -pr | wc -l)" -ge "$jobs_at_once" ]; do wait -n; done
    count=$((count + 1))
    run "$count" "$1" "$2" "$3" "$4" &
}

mutations_run=' '
holds() { start holds "$1" "$3" "$2"; }
# An outcome that the model has to come to.
reaches() { start reaches slot "-DWITNESS=$1 $2" "$1"; }
# A mutation that has to be found.
caught() {
    mutations_run+="$1/MUTATE_$2 "
    if ! grep -q "MUTATE_$2\b" "$models/$1.pml"; then
        echo "FAIL  $1  there is no mutation $2"
        count=$((count + 1))
        echo FAIL >"$build/$count.result"
        return
    fi
    start caught "$1" "-DMUTATE_$2 $3" "$2"
}

# ---- Properties -------------------------------------------------------------------------------------

# The longest first, so that both processors are busy to the end.

kept_busy='-DTHREADS=3 -DSLOTS=3 -DPATIENT -DSTUCK -DLATE -DKEEPS'
limited='-DTHREADS=3 -DPATIENT -DSTUCK -DDEADLINES'

if [ $long = yes ]; then
    holds slot 'ARM, mixed messages, 2 calls, a guest dies' '-DSIZES=2 -DCALLS=2 -DDEATHS=1'
    holds slot 'ARM, mixed messages, 1 call, 2 guests and the host die' \
        '-DSIZES=2 -DCALLS=1 -DDEATHS=2 -DHOST_DIES'
    holds slot 'ARM, large messages, 3 calls, a guest dies' '-DSIZES=0 -DCALLS=3 -DDEATHS=1'
    holds sleep 'futex, 2 calls, two die' '-DCALLS=2 -DDEATHS=2'
    holds sleep 'futex, 2 calls, deadlines, a guest or the host dies' \
        '-DCALLS=2 -DDEADLINES -DDEATHS=1'
    holds sleep 'futex, 2 calls, deadlines, host and guest are stopped' '-DCALLS=2 -DDEADLINES -DSTOPS'
    holds claim '3 threads that may choose' '-DTHREADS=3 -DCHOOSY'
    holds claim '3 threads, the host is shut down' '-DTHREADS=3 -DCLOSES'
    holds claim '3 threads, 2 slots, nobody serves one of them' '-DTHREADS=3 -DUNSERVED=1'
    holds claim '3 threads, 1 slot freed late, a deadline' '-DTHREADS=3 -DPATIENT -DLATE -DDEADLINES'
    holds order '3 calls' '-DCALLS=3'
fi

holds claim '3 threads, 3 slots, one in use for ever, one freed late, one kept' "$kept_busy"
holds slot 'ARM, tiny messages, 2 calls, a guest dies' '-DSIZES=1 -DCALLS=2 -DDEATHS=1'
holds sleep 'futex, 2 calls, a guest or the host dies' '-DCALLS=2 -DDEATHS=1'
holds slot 'ARM, mixed messages, 1 call, a guest and the host die' \
    '-DSIZES=2 -DCALLS=1 -DDEATHS=1 -DHOST_DIES'
holds claim '3 threads, 2 slots, one in use for ever, a deadline' "$limited"
holds claim '3 threads, 2 slots' '-DTHREADS=3'
holds slot 'ARM, mixed messages, 1 call, 2 guests die' '-DSIZES=2 -DCALLS=1 -DDEATHS=2'
holds claim '3 threads, 2 slots, nobody serves one of them' '-DTHREADS=3 -DPATIENT -DUNSERVED=1'
holds claim '2 threads that may choose, 2 calls' '-DTHREADS=2 -DCHOOSY -DCALLS=2'
holds slot 'ARM, large messages, 2 calls, a guest dies' '-DSIZES=0 -DCALLS=2 -DDEATHS=1'
holds claim '3 threads, 2 slots that nobody serves' '-DTHREADS=3 -DPATIENT -DUNSERVED=2'
holds claim '3 threads, 1 slot that nobody serves' '-DTHREADS=3 -DSLOTS=1 -DUNSERVED=1'
holds sleep 'futex, host and guest are stopped' '-DCALLS=1 -DDEADLINES -DSTOPS'
holds sleep 'futex, deadlines, a guest or the host dies' '-DCALLS=1 -DDEADLINES -DDEATHS=1'
holds slot 'generations come round: stale words are passed over' \
    '-DPATIENT -DGENERATIONS=3 -DCALLS=4 -DDEATHS=0'
holds slot 'x86, mixed messages, 1 call, a guest and the host die' \
    '-DSIZES=2 -DCALLS=1 -DDEATHS=1 -DHOST_DIES -DMACHINE_TSO'
holds claim '3 threads, 1 slot' '-DTHREADS=3 -DSLOTS=1'
holds slot 'ARM, mixed messages, 2 calls' '-DSIZES=2 -DCALLS=2 -DDEATHS=0'
holds sleep 'semaphores, 3 calls, deadlines' '-DCALLS=3 -DDEADLINES -DSEMAPHORE'
holds sleep 'semaphores, a guest or the host dies' '-DCALLS=1 -DDEATHS=1 -DSEMAPHORE'
holds sleep 'futex, ARM, 3 calls, deadlines' '-DCALLS=3 -DDEADLINES'
holds sleep 'futex, x86, 3 calls, deadlines' '-DCALLS=3 -DDEADLINES -DMACHINE_TSO'
holds sleep 'Windows events, a guest or the host dies' '-DCALLS=1 -DDEATHS=1 -DAUTO_RESET'
holds sleep 'semaphores, host and guest are stopped' '-DCALLS=1 -DSTOPS -DSEMAPHORE'
holds sleep 'Windows events, 3 calls, deadlines' '-DCALLS=3 -DDEADLINES -DAUTO_RESET'
holds order '1 call, both sleep' '-DCALLS=1 -DSLEEPS'
holds order '2 calls' '-DCALLS=2'
holds slot 'generations come round: the id tells if a stale word is believed' \
    '-DPATIENT -DGENERATIONS=2 -DCALLS=3 -DDEATHS=0 -DSTALE_WORDS'
holds claim '3 threads that may choose, one slot is kept' '-DTHREADS=3 -DCHOOSY -DKEPT -DPATIENT'
holds claim '2 threads, the host is shut down' '-DTHREADS=2 -DCHOOSY -DCLOSES'

# ---- The model gets there ---------------------------------------------------------------------------

for outcome in RESPONSE_TAKEN TINY_RESPONSE_TAKEN NOT_STARTED_BY_MARK NOT_STARTED_BY_RESPONDER \
    MAYBE_EXECUTED DEATH_TOLD_BY_SUCCESSOR FREED_BY_LATE_RESPONSE FREED_BY_DEATH; do
    reaches "$outcome" '-DSIZES=2 -DCALLS=1 -DDEATHS=1'
done

# ---- Mutations --------------------------------------------------------------------------------------

two='-DSIZES=2 -DCALLS=2 -DDEATHS=0'
large='-DSIZES=0 -DCALLS=2 -DDEATHS=0'
death='-DSIZES=0 -DCALLS=1 -DDEATHS=1'
caught slot NO_FENCE_CALLER "$two"
caught slot NO_FENCE_RESPONDER "$two"
caught slot CANCEL_RELAXED "$two -DMACHINE_TSO"
caught slot MARK_RELAXED "$two -DMACHINE_TSO"
caught slot NO_REREAD "$two"
caught slot MARK_LATE "$two"
caught slot FATE_READ_FIRST "$two"
caught slot REQUEST_RELAXED "$large"
caught slot RESPONSE_RELAXED "$two"
caught slot REQUEST_READ_EARLY "$large"
caught slot RESPONSE_READ_EARLY "$two"
caught slot ONE_LOOK_AT_TINY "$two"
caught slot GENERATION_KEPT "$two"
caught slot GENERATION_UNCHECKED "$two"
caught slot FREED_THOUGH_STARTED "$large"
caught slot NOT_EXECUTED_UNANSWERED "$two"
caught slot RACING_ID "$two"
caught slot STALE_WORD_BELIEVED '-DPATIENT -DGENERATIONS=3 -DCALLS=4 -DDEATHS=0'
caught slot ID_UNCHECKED '-DPATIENT -DGENERATIONS=2 -DCALLS=3 -DDEATHS=0 -DSTALE_WORDS'
caught slot TAKEOVER_UNCLAIMED "$death"
caught slot SUCCESSOR_SILENT "$death"
caught slot SUCCESSOR_WIPES_MARK "$death"
caught slot SUCCESSOR_LOSES_RESPONSE "$two"
caught slot LEAVING_LOSES_RESPONSE "$two"
caught slot CLAIM_NOT_LOOKED_AT "$death"
caught slot CLAIM_LOOKED_AT_FIRST "-DSIZES=0 -DCALLS=2 -DDEATHS=1"
caught slot CLAIM_LOOKED_AT_ON_NOTICE '-DSIZES=0 -DCALLS=1 -DDEATHS=2'

two='-DCALLS=2'
death='-DCALLS=1 -DDEATHS=1'
caught sleep NO_FENCE_PUBLISHER "$two"
caught sleep NO_FENCE_SLEEPER "$two"
caught sleep PUBLISH_RELAXED "$two -DMACHINE_TSO"
caught sleep WAITING_RELAXED "$two -DMACHINE_TSO"
caught sleep WAITING_NOT_SAID "$two"
caught sleep NO_RECHECK "$two"
caught sleep NO_RECHECK "$two -DSEMAPHORE"
caught sleep COMPARE_THEN_SLEEP "$two"
caught sleep WAKE_BEFORE_PUBLISH "$two"
caught sleep WAKE_BEFORE_PUBLISH "$two -DSEMAPHORE"
caught sleep TINY_WAKES_WITHOUT_CHANGE "$two"
caught sleep CANCEL_WAKES_NOBODY '-DCALLS=1 -DDEADLINES'
caught sleep ONE_LOOK_AT_TINY "$two"
caught sleep FLAG_UNREAD '-DCALLS=1 -DSTOPS'
caught sleep ROUSED_ONCE '-DCALLS=1 -DSTOPS'
caught sleep ROUSED_FOR_NOTHING "$death"
caught sleep NO_NOTICE "$death"
caught sleep SUCCESSOR_DOES_NOT_WAKE "$death"
caught sleep SUCCESSOR_KEEPS_WORD "$death"
caught sleep SUCCESSOR_KEEPS_WORD_OF_CANCELLED "$death -DDEADLINES"

for mutation in CLAIM_WITHOUT_EXCHANGE RELEASE_LOOKS_FIRST PARKER_LOOKS_FIRST WATCHER_LOOKS_FIRST \
    RELEASES_UNCOUNTED ABANDONED_GIVEN_BACK_SILENTLY WATCHERS_NOT_TOLD; do
    caught claim $mutation '-DTHREADS=3'
done
caught claim ONE_WORD_FOR_ALL '-DTHREADS=3 -DCHOOSY -DKEPT -DPATIENT'
caught claim CLOSED_SILENTLY '-DTHREADS=2 -DSLOTS=1 -DKEPT -DPATIENT -DCLOSES'
caught claim NOT_PASSED_ON "$kept_busy"
caught claim LATE_WITHOUT_A_LOOK "$limited"
caught claim SERVICE_WAITED_FOR '-DTHREADS=2 -DSLOTS=1 -DUNSERVED=1'

for mutation in REQUEST_RELAXED REQUEST_SEEN_RELAXED RESPONSE_RELAXED RESPONSE_SEEN_RELAXED \
    MARK_RELAXED NO_FENCE_MARK NO_REREAD CANCEL_RELAXED NO_FENCE_CANCEL; do
    caught order $mutation '-DCALLS=2'
done
for mutation in NO_FENCE_REQUEST NO_FENCE_RESPONSE NO_FENCE_SLEEPER; do
    caught order $mutation '-DCALLS=1 -DSLEEPS'
done

# ---- The sum ----------------------------------------------------------------------------------------

wait
for model in slot sleep claim order; do
    for mutation in $(grep -o 'MUTATE_[A-Z_]*' "$models/$model.pml" | sort -u); do
        [[ $mutations_run == *" $model/$mutation "* ]] && continue
        echo "FAIL  $model  nobody runs $mutation"
        count=$((count + 1))
        echo FAIL >"$build/$count.result"
    done
done

set +f
passed=$(cat "$build"/*.result 2>/dev/null | grep -c ok)
failed=$((count - passed))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
