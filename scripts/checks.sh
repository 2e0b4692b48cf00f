# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced. Runs checks, counts what passed and failed, and tells how long each took.
#
#   check TITLE COMMAND...         one check
#   check_ctest TITLE COMMAND...   each test of CTest counts
#   check_go TITLE COMMAND...      each test of `go test -v` counts
#   check_tally TITLE COMMAND...   what it counted itself counts, if it ends with "N passed, M failed"
#
# They return whether all passed. The output is kept in a file, and shown if something failed. A test that
# was skipped has failed.

logs=build-run/logs
passed=0
failed=0
failures=()

# How many passed and how many failed, by the command's exit code or by what it wrote.
count_one() {
    if [ "$1" -eq 0 ]; then echo 1 0; else echo 0 1; fi
}

count_ctest() {
    awk '/tests passed, [0-9]+ tests? failed out of/ { bad = $4; all = $NF }
         /\((Skipped|Disabled|Not Run)\)$/ || /\[  SKIPPED \]/ { skipped++ }
         END { print all - bad, bad + skipped }' "$2"
}

count_go() {
    awk '/^--- PASS/ { good++ } /^--- (FAIL|SKIP)/ { bad++ } /^    +--- SKIP/ { bad++ } END { print good + 0, bad + 0 }' "$2"
}

count_tally() {
    awk '/^[0-9]+ passed, [0-9]+ failed$/ { good = $1; bad = $3 } END { print good + 0, bad + 0 }' "$2"
}

perform() {
    local counter=$1 title=$2 started=$SECONDS log status good bad
    shift 2
    log=$logs/$(printf '%s' "$title" | tr -cs '[:alnum:]' -).log
    mkdir -p "$logs"
    printf '  %-64s ' "$title"
    # A shell of its own: -e counts in there, and nothing that it changes stays.
    (
        set -e
        "$@"
    ) >"$log" 2>&1 </dev/null
    status=$?
    read -r good bad < <("$counter" "$status" "$log")
    # It failed and no test of it did, or no test ran at all.
    if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$good" -eq 0 ]; }; then bad=1; fi
    passed=$((passed + good))
    failed=$((failed + bad))
    if [ "$bad" -eq 0 ]; then
        printf 'ok      %3d s%s\n' $((SECONDS - started)) "$([ "$good" -eq 1 ] || echo "   $good tests")"
        return 0
    fi
    printf 'FAILED  %3d s   the end of %s:\n' $((SECONDS - started)) "$log"
    tail -n 300 "$log" | sed 's/^/    | /'
    failures+=("$title")
    return 1
}

check() { perform count_one "$@"; }
check_ctest() { perform count_ctest "$@"; }
check_go() { perform count_go "$@"; }
check_tally() { perform count_tally "$@"; }

# Prints the closing line and says whether all passed.
close_checks() {
    echo
    if [ "$failed" -gt 0 ]; then printf 'failed: %s\n' "${failures[@]}"; fi
    printf 'took %d min %d s\n' $((SECONDS / 60)) $((SECONDS % 60))
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
