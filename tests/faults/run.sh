#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The fault matrix in its long form, one row after the other:
#
#   tests/faults/run.sh [ROW...]     rows by number or by the name of their program; all if none is named
#
# If all rows ran and held, their figures become docs/reliability-results.md; else they are printed. SIMPLEIPC_FAULTS=short
# runs the short form instead, whose figures are only printed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

build="build-run/faults"
programs=$build/tests/faults
results=$build/results.txt
published=docs/reliability-results.md
export SIMPLEIPC_FAULTS=${SIMPLEIPC_FAULTS:-long}
export SIMPLEIPC_FAULTS_RESULTS=$PWD/$results

# With everything beside the rows that they start.
build_rows() {
    cmake -S . -B "$build" -DSIPC_BUILD_TESTS=ON >"$build.log" &&
        cmake --build "$build" -j "$(nproc)" >>"$build.log"
}

# The number that a row tells of itself.
number_of() { # ROW
    sed -n 's/^ *row_begin("\([^"]*\)".*/\1/p' "tests/faults/$1.c" | head -n 1
}

by_number() { # ROW...
    local row
    for row; do printf '%s %s\n' "$(number_of "$row")" "$row"; done | sort -V | cut -d ' ' -f 2
}

chosen_rows() { # ROW-OR-NUMBER...
    local row wanted found
    for wanted; do
        found=no
        for row in "${all[@]}"; do
            if [ "$row" = "$wanted" ] || [ "$(number_of "$row")" = "$wanted" ]; then
                echo "$row"
                found=yes
            fi
        done
        if [ "$found" = no ]; then
            echo "There is no row \"$wanted\"; the rows are: ${all[*]}" >&2
            return 1
        fi
    done
}

describe_machine() {
    local model
    model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    echo "${model:-$(uname -m)}, $(nproc) cores, Linux $(uname -r), $(date -u +%Y-%m-%d)"
}

make_table() {
    echo "| row | test | result |"
    echo "|---|---|---|"
    sed 's/^row \(.*\)$/| \1 |/' "$results"
}

publish() {
    {
        echo "# Faults: what the long form measured"
        echo
        echo "Written by \`./run faults\`, which runs [tests/faults/](../tests/faults/) in the long form. A row that does not hold its"
        echo "limits fails, and then this page is not written. Times include what the machine's other load and its scheduler add."
        echo
        echo "Machine: $(describe_machine)."
        echo
        make_table
    } >"$published"
    echo "written: $published"
}

# ---- Which rows ---------------------------------------------------------------------------------

mkdir -p "$build"
echo "building in $build"
build_rows || { tail -n 40 "$build.log" && exit 1; }
mapfile -t all <"$programs/rows.txt"
mapfile -t all < <(by_number "${all[@]}")
rows=("${all[@]}")
if [ $# -gt 0 ]; then
    chosen=$(chosen_rows "$@")
    mapfile -t rows < <(awk '!seen[$0]++' <<<"$chosen")
fi

# ---- Running them -------------------------------------------------------------------------------

: >"$results"
failed=()
count=0
for row in "${rows[@]}"; do
    count=$((count + 1))
    started=$SECONDS
    echo "[$count/${#rows[@]}] row $(number_of "$row"): $row"
    if "$programs/$row" >"$build/$row.log" 2>&1; then
        grep '^row [0-9].*|' "$build/$row.log" || true
        echo "    held, $((SECONDS - started)) s"
    else
        failed+=("$row")
        tail -n 20 "$build/$row.log"
        echo "    FAILED, $((SECONDS - started)) s; its output: $build/$row.log"
    fi
done

if [ ${#failed[@]} -gt 0 ]; then
    echo
    make_table
    echo "failed: ${failed[*]}" >&2
    exit 1
fi
if [ $# -eq 0 ] && [ "$SIMPLEIPC_FAULTS" = long ]; then
    publish
else
    echo
    echo "Machine: $(describe_machine)."
    make_table
fi
