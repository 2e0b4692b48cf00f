#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# promises.sh FOLDER: some of tests/process with its hosts in C and C++ and its guest in Go as Windows processes, under
# wine: exchanges, failures, timeouts, and processes that are killed. A test that waits for a line in vain fails.
set -uo pipefail
folder=$1
passed=0
failed=0
work=$(mktemp -d)
any=4294967295 # slots
stamped=$((0x10000000 + 16))
patience=30 # s
declare -A to=() from=() process=()

end_all() {
    local name
    for name in "${!process[@]}"; do kill -KILL "${process[$name]}" 2>/dev/null; done
    wait
}
trap 'end_all; rm -rf "$work"' EXIT

start() { # NAME PROGRAM ARGUMENT...
    local name=$1 writes reads
    mkfifo "$work/in" "$work/out"
    wine "$folder/$2.exe" "${@:3}" <"$work/in" >"$work/out" 2>>"$work/errors" &
    process[$name]=$!
    exec {writes}>"$work/in" {reads}<"$work/out"
    rm "$work/in" "$work/out"
    to[$name]=$writes from[$name]=$reads
}

say() { echo "$2" >&"${to[$1]}"; } # NAME LINE

# The next line, which begins so; it is left in heard.
expect() { # NAME BEGINNING
    heard=
    IFS= read -r -t "$patience" -u "${from[$1]}" heard || heard="nothing more"
    heard=${heard%$'\r'}
    [[ $heard == "$2"* ]] || complain "$1 said \"$heard\" instead of \"$2\""
}

ask() { # NAME BEGINNING LINE
    say "$1" "$3"
    expect "$1" "$2"
}

complain() {
    good=no
    echo "$1"
}

# Ends its input and waits for its end in order.
finish() { # NAME
    local writes=${to[$1]} reads=${from[$1]}
    exec {writes}>&-
    wait "${process[$1]}" || complain "$1 ended with $?"
    exec {reads}<&-
    unset "process[$1]"
}

murder() { # NAME
    local writes=${to[$1]} reads=${from[$1]}
    kill -KILL "${process[$1]}"
    wait "${process[$1]}" 2>/dev/null
    exec {writes}>&- {reads}<&-
    unset "process[$1]"
}

start_host() { # NAME
    start "$1" "process_host_$language"
    expect "$1" ready
}

start_guest() { # NAME ARGUMENT...
    start "$1" process_guest_go "$region" "${@:2}"
    expect "$1" 'attached 4'
    expect "$1" ready
}

start_pair() { # ARGUMENT...
    start_host host
    ask host SIPC_OK "open $region 4 131072 0 0"
    start_guest guest "$@"
}

end_pair() {
    ask host SIPC_OK close
    finish host
    expect guest ended
    finish guest
}

serves_all() { ask host "ok answered=400 not_started=0 maybe_executed=0 wrong=0" "traffic callers=4 calls=100"; }

# ---- The promises -------------------------------------------------------------------------------

messages_are_unchanged() {
    local way
    start_pair
    ask host 'ok wrong=0' 'sizes 0 300 1'
    ask host 'ok wrong=0' 'sizes 4094 4098 1'
    ask host 'ok wrong=0' 'sizes 65535 65536 1'
    for way in any own session in-place; do
        ask host 'ok answered=800 not_started=0 maybe_executed=0 wrong=0' \
            "traffic callers=8 calls=100 way=$way request=0..9000 response=0..9000"
    done
    end_pair
}

failures_are_told() {
    start_pair
    ask host SIPC_HANDLER_FAILED "plain $any 129 16 0" # an error
    ask host SIPC_HANDLER_FAILED "plain $any 130 16 0" # a panic
    ask host SIPC_HANDLER_FAILED "plain $any 131 16 0" # Goexit
    ask host SIPC_RESPONSE_TOO_LARGE "plain $any 132 16 0"
    ask host SIPC_UNKNOWN_MESSAGE "plain $any 133 16 0"
    serves_all
    end_pair
}

timeouts_tell_the_fate() {
    start_pair
    ask host 'SIPC_TIMEOUT_MAYBE_EXECUTED fate=1' "stamped $any $stamped 16 500000 1500000"
    say guest stop
    expect guest ended
    finish guest
    ask host 'SIPC_TIMEOUT fate=0' "stamped $any $stamped 16 100000 0"
    start_guest guest
    serves_all
    end_pair
}

a_killed_guest_is_missed() {
    start_pair
    say host "stamped $any 134 16 0 60000000"
    expect guest handling
    murder guest
    expect host 'SIPC_PEER_DIED_MAYBE_EXECUTED fate=1'
    start_guest guest
    serves_all
    end_pair
}

a_guest_killed_under_load_harms_nobody() {
    start_pair
    ask host ok 'begin callers=4 timeout=200000'
    sleep 0.3
    murder guest
    start_guest guest
    sleep 0.3
    ask host ok end
    [[ $heard == *' wrong=0 '* ]] || complain "$heard"
    serves_all
    end_pair
}

a_killed_host_is_missed() {
    start_pair --again
    murder host
    expect guest 'ended SIPC_PEER_DIED'
    start_host host
    ask host SIPC_OK "open $region 4 131072 0 0"
    expect guest 'attached 4'
    expect guest ready
    serves_all
    say guest stop # before the host closes: it would wait for another
    expect guest ended
    finish guest
    ask host SIPC_OK close
    finish host
}

a_name_has_one_host() {
    start_pair
    start_host other
    ask other SIPC_EXISTS "open $region 4 131072 0 0"
    finish other
    serves_all
    end_pair
}

for language in c cpp; do
    for promise in messages_are_unchanged failures_are_told timeouts_tell_the_fate a_killed_guest_is_missed \
        a_guest_killed_under_load_harms_nobody a_killed_host_is_missed a_name_has_one_host; do
        region=$promise-$language-$$
        good=yes
        : >"$work/errors"
        "$promise"
        if [ $good = yes ]; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "$promise, host in $language"
            tail -n 20 "$work/errors"
            end_all
            to=() from=() process=()
        fi
    done
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
