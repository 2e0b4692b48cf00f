# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced. sources PATTERN...: the tree's files with such a name, each ended by a NUL byte.

sources() {
    local pattern names=()
    for pattern; do
        names+=(-o -name "$pattern")
    done
    find . \( -path ./.git -o -path './build*' \) -prune -o -type f \( "${names[@]:1}" \) -print0 | sort -z
}

# The folders that hold a Go module.
go_modules() {
    sources go.mod | xargs -0 -r -n 1 dirname
}
