#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The README keeps its word: each of its commands is run, in a copy of the tree, and each of its samples is compiled as it
# stands, and every host gets its answer from the guest.
#
# A block of code that bears a file's name (```cpp host.cpp) is saved under that name at the top of the copy.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(mktemp -d)
guest=
clean_up() {
    if [ -n "$guest" ]; then kill "$guest" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap clean_up EXIT
blocks=$work/blocks
mkdir "$blocks"

# Writes each block to a file: NUMBER.bash, or the name that it bears.
extract_blocks() {
    awk -v out="$blocks" '
        /^```/ && !inside {
            inside = 1; number++; language = substr($1, 4)
            name = NF > 1 ? $2 : sprintf("%02d.%s", number, language)
            if (name == ".." || name ~ /\// || language !~ /^(bash|c|cpp|go|text)$/) {
                print "README.md:" FNR ": a block of \"" language "\" that no test understands"; exit 1
            }
            file = out "/" name; printf "" > file; next
        }
        /^```/ { inside = 0; close(file); next }
        inside { print > file }
        END { if (inside) { print "README.md ends inside a block"; exit 1 } }' README.md
}

copy_tree() { # TO
    mkdir "$1"
    tar -c --exclude=./.git --exclude='./build*' . | tar -x -C "$1"
    find "$blocks" -type f \( -name '*.c' -o -name '*.cpp' -o -name '*.go' \) -exec cp {} "$1" \;
}

# Each block of commands starts in a fresh copy, as a reader would. What they install lands in a home of their own.
run_commands() {
    local block count=0
    GOENV=$(go env GOENV) GOPATH=$(go env GOPATH) GOCACHE=$(go env GOCACHE)
    export GOENV GOPATH GOCACHE HOME=$work/home SIMPLEIPC_BENCH_QUICK=1
    mkdir "$HOME"
    for block in "$blocks"/*.bash; do
        count=$((count + 1))
        echo "== commands $count"
        copy_tree "$work/tree$count"
        # The tests are running just now, and would run themselves without end.
        sed -i '/^\.\/run test$/d' "$block"
        (cd "$work/tree$count" && bash -euxo pipefail "$block")
    done
    [ "$count" -gt 0 ]
}

# A sample in C++ that is no whole program becomes one: its lines in main(), and a look at the answer after them.
complete() { # SAMPLE
    if grep -q 'main(' "$1"; then
        cat "$1"
    else
        grep '^#include' "$1"
        echo 'int main() {'
        grep -v '^#include' "$1"
        echo 'return std::string(resp.begin(), resp.end()) == "test" ? 0 : 1;'
        echo '}'
    fi
}

compile_samples() {
    local sample
    cmake -S . -B "$work/library" -DSIPC_BUILD_TESTS=OFF
    cmake --build "$work/library" --target simpleipc
    mkdir "$work/hosts" "$work/guest"
    local warnings=(-Wall -Wextra -Wpedantic -Werror -Iinclude)
    local link=("$work/library/libsimpleipc.a" -pthread -lrt)
    for sample in "$blocks"/*.c; do
        gcc -std=c11 "${warnings[@]}" "$sample" "${link[@]}" -o "$work/hosts/$(basename "$sample")"
    done
    for sample in "$blocks"/*.cpp; do
        complete "$sample" >"$work/complete.cpp"
        g++ -std=c++17 "${warnings[@]}" "$work/complete.cpp" "${link[@]}" -o "$work/hosts/$(basename "$sample")"
    done
    cp "$blocks/main.go" go/go.sum "$work/guest"
    printf 'module example.com/guest\n\ngo 1.18\n' >"$work/guest/go.mod"
    sed -n '/^require/,$p' go/go.mod >>"$work/guest/go.mod"
    local here=$PWD
    (
        cd "$work/guest"
        go mod edit -require github.com/xll-gen/shm/go@v0.0.0 -replace "github.com/xll-gen/shm/go=$here/go"
        CGO_ENABLED=0 go build -o guest .
    )
}

# Each host of the README calls the README's guest and is content with the answer; then the guest ends by itself.
run_pairs() {
    local host
    for host in "$work"/hosts/*; do
        echo "== $(basename "$host") calls main.go"
        timeout 30 "$work/guest/guest" &
        guest=$!
        timeout 30 "$host"
        wait "$guest"
        guest=
    done
}

extract_blocks
compile_samples
run_pairs
run_commands
