#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# pairs.sh FOLDER: the examples' hosts in C++ and their guests in Go as two Windows processes each, under wine. What the
# host says is compared, and both must end in order.
set -uo pipefail
folder=$1
passed=0
failed=0
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT

run() { # PROGRAM ARGUMENT...: what it says is kept in a file of its name
    timeout 60 wine "$folder/$1.exe" "${@:2}" >"$said/$1" 2>"$said/$1.errors"
    local status=$?
    sed -i 's/\r$//' "$said/$1"
    [ $status -eq 0 ] || echo "$1 ended with $status"
}

# The region that both are given is the example's name, if they take one; EXPECTED is all that the host says.
pair() { # EXAMPLE EXPECTED REGION-AND-ARGUMENT...
    local example=$1 expected=$2 ends
    shift 2
    ends=$(
        run "${example}_guest" "${@:1:1}" &
        run "${example}_host" "$@"
        wait
    )
    if [ -z "$ends" ] && [ "$(<"$said/${example}_host")" = "$expected" ]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "$example: $ends"
    head -n 30 "$said/${example}"_*
}

for _ in 1 2 3; do
    pair readme 'response: test'
done
pair numbers 'the mean of 1 to 5000 is 2500.5
the guest says: there are no numbers
not started, may be sent again: the guest does not handle this message id' "numbers-$$"
pair structs 'area 6, centre 1.33333 1
area 24, centre 2.66667 2
area 54, centre 4 3' "structs-$$"
pair later 'done after 100 ms
done after 400 ms
done after 700 ms
the deadline passed; the request may have been executed
the guest says: that is no job' "later-$$"
pair prices 'apple: 0.50
pear basket: 2.50
hamper: 12.50
hamper moon: nobody sells a moon' "prices-$$" apple 'pear basket' hamper 'hamper moon'
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
