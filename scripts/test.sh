#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ./run test: one function for each part. Without -e: after a failed check the others still run.
set -uo pipefail
source scripts/packages.sh
source scripts/sources.sh
source scripts/checks.sh
source scripts/windows.sh
source scripts/cmocka.sh
source scripts/arm64.sh
source scripts/refusals.sh

default_parts=(lint unit process go sanitize model docs)
all_parts=("${default_parts[@]}" windows arm64)
compilers=(gcc g++ make cmake golang-go ca-certificates libcmocka-dev libsqlite3-dev sqlite3 libflatbuffers-dev libuv1-dev flatbuffers-compiler pkg-config)
declare -A packages=(
    [lint]="clang-format clang-tidy clang cppcheck shellcheck ${compilers[*]}"
    [unit]="clang libclang-rt-14-dev ${compilers[*]}"
    [process]="clang libclang-rt-14-dev util-linux ${compilers[*]}"
    [go]="golang-go ca-certificates gcc libc6-dev"
    [sanitize]="clang libclang-rt-14-dev ${compilers[*]}"
    [model]="spin gcc libc6-dev"
    [docs]="doxygen ${compilers[*]}"
    [arm64]="gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user xz-utils ${compilers[*]}"
    [windows]="wine wine64 mingw-w64 xz-utils ${compilers[*]}"
)

# ---- C and C++ ----------------------------------------------------------------------------------

configure() { # SOURCE-FOLDER FOLDER CC CXX OPTION...
    cmake -S "$1" -B "$2" -DCMAKE_C_COMPILER="$3" -DCMAKE_CXX_COMPILER="$4" \
        -DSIPC_BUILD_TESTS=ON -DSIPC_WERROR=ON -DCMAKE_EXPORT_COMPILE_COMMANDS=ON "${@:5}"
}

configure_and_build() { # FOLDER CC CXX OPTION...
    configure . "$@"
    cmake --build "$1" -j "$(nproc)"
}

declare -A built=()

# Builds a configuration, once in a run, and says whether that went well.
build() { # FOLDER CC CXX OPTION...
    if [ -z "${built[$1]:-}" ]; then
        built[$1]=no
        check "build with $2 into $1" configure_and_build "$@" && built[$1]=yes
    fi
    [ "${built[$1]}" = yes ]
}

build_gcc() { build build-run/gcc gcc g++; }
build_clang() { build build-run/clang clang clang++ -DSIPC_BUILD_FUZZERS=ON; }

# What is a project of its own must compile as cleanly.
build_other_projects() { # CC CXX
    local project out
    for project in benchmarks experiments/*/; do
        [ -f "$project/CMakeLists.txt" ] || continue
        out=build-run/$1/$project
        configure "$project" "$out" "$1" "$2" -DCMAKE_C_FLAGS=-Werror -DCMAKE_CXX_FLAGS=-Werror
        cmake --build "$out" -j "$(nproc)"
    done
}

without_aslr=() # a prefix for what a sanitizer runs

run_ctest() { # FOLDER OPTION...
    "${without_aslr[@]}" ctest --test-dir "$1" --output-on-failure --no-tests=error "${@:2}"
    # A test of cmocka that skips itself has passed, for CTest.
    if grep -F '[  SKIPPED ]' "$1/Testing/Temporary/LastTest.log"; then return 1; fi
}

# Process tests have the machine to themselves: they hold deadlines.
run_process_tests() { run_ctest "$1" -L process -j 1 "${@:2}"; }
run_unit_tests() { run_ctest "$1" -LE process -j "$(nproc)" "${@:2}"; }

test_unit() {
    test_refusals
    build_gcc && check_ctest "unit tests, gcc" run_unit_tests build-run/gcc
    build_clang && check_ctest "unit tests and fuzzers, clang" run_unit_tests build-run/clang
    check "build benchmarks and experiments with gcc" build_other_projects gcc g++
    check "build benchmarks and experiments with clang" build_other_projects clang clang++
    # Counted instructions: they are the same on a busy machine.
    check_ctest "instructions of the hot path, gcc" run_ctest build-run/gcc/benchmarks -R '^hot_paths_stay_short$'
    check_ctest "instructions of the hot path, clang" run_ctest build-run/clang/benchmarks -R '^hot_paths_stay_short$'
}

test_process() {
    build_gcc && check_ctest "process tests, gcc" run_process_tests build-run/gcc
}

# The consumers of an installed tree link without sanitizers, and were tested so.
run_sanitized() { # NAME FOLDER
    check_ctest "unit tests, $1" run_unit_tests "$2" -E '^consumer$'
    check_ctest "process tests, $1" run_process_tests "$2" -E '^faults\.'
}

# Of the fault matrix those rows that want to see a sanitizer silent; the hostile ones bring one of their own.
run_sanitized_rows() { run_ctest "$1" -j 1 -R '^faults\.(starts_and_stops_are_quick|failing_calls_are_clean_errors|children_keep_nobody_alive)$'; }

test_sanitize() {
    # Sanitizers want fixed places in the address space, which some kernels' randomisation takes away.
    if setarch -R true 2>/dev/null; then without_aslr=(setarch -R); fi
    export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
    export UBSAN_OPTIONS=print_stacktrace=1
    build build-run/asan gcc g++ -DSIPC_SANITIZE=address,undefined -DCMAKE_BUILD_TYPE=Debug &&
        run_sanitized "ASan and UBSan" build-run/asan &&
        check_ctest "rows of the fault matrix, ASan and UBSan" run_sanitized_rows build-run/asan
    build build-run/tsan clang clang++ -DSIPC_SANITIZE=thread && run_sanitized "TSan" build-run/tsan
    without_aslr=()
}

# ---- Go -----------------------------------------------------------------------------------------

in_module() ( # FOLDER COMMAND...
    cd "$1"
    "${@:2}"
)

test_go() {
    local module
    check "go vet for arm64, ./go" in_module go env CGO_ENABLED=0 GOARCH=arm64 go vet ./...
    while read -r module; do
        check "go vet, $module" in_module "$module" go vet ./...
        check "go vet without cgo, $module" in_module "$module" env CGO_ENABLED=0 go vet ./...
        check "go build without cgo, $module" in_module "$module" env CGO_ENABLED=0 go build -o /dev/null ./...
        [ -n "$(find "$module" -name '*_test.go' -print -quit)" ] || continue
        # -p 1: one package at a time, since tests of processes hold deadlines.
        check_go "go test -race, $module" in_module "$module" go test -race -count=1 -p 1 -v ./...
        check_go "go test without cgo, $module" in_module "$module" env CGO_ENABLED=0 go test -count=1 -p 1 -v ./...
    done < <(go_modules)
}

# ---- What is read and not run -------------------------------------------------------------------

lint_format() { sources '*.c' '*.h' '*.cpp' | xargs -0 -r clang-format --dry-run -Werror; }

lint_gofmt() {
    local unformatted
    unformatted=$(sources '*.go' | xargs -0 -r gofmt -l)
    [ -z "$unformatted" ] || { echo "not as gofmt would have it:" && echo "$unformatted" && return 1; }
}

# The commands of a build, one for each file: the library's are compiled twice.
first_command_of_each_file() {
    awk 'BEGIN { RS = "\n},?\n"; print "[" }
         match($0, /"file": "[^"]*"/) && !seen[substr($0, RSTART, RLENGTH)]++ {
             sub(/^[^{]*/, ""); print (count++ ? "," : "") $0 "}"
         }
         END { print "]" }' "$1"
}

lint_tidy() { # SOURCE-FOLDER
    local out=build-run/lint/$1
    configure "$1" "$out/build" clang clang++ >/dev/null
    first_command_of_each_file "$out/build/compile_commands.json" >"$out/compile_commands.json"
    # One file a process, so that what is said of one file does not depend on another.
    if ! sed -n 's/^ *"file": "\(.*\)".*/\1/p' "$out/compile_commands.json" | grep -F "$PWD/${1#.}" |
        xargs -n 1 -P "$(nproc)" clang-tidy --quiet -p "$out" >"$out/findings.txt"; then
        cat "$out/findings.txt"
        echo "in short:"
        grep ' error: ' "$out/findings.txt" | sort -u
        return 1
    fi
}

# What version 2.10 does not see: that {} initialises the members of a base (uninitDerivedMemberVar), that a macro's
# rows fill a struct (unusedStructMember), that a callee writes through a pointer in a struct (uninitvar), that a
# function marked _Noreturn does not return (nullPointerRedundantCheck). NULL is a pointer in every C library here
# (varFuncNullUB). The C++ sample has a cast of C (cstyleCast).
lint_cppcheck() {
    cppcheck --quiet --error-exitcode=1 --enable=warning,style,performance,portability --inline-suppr \
        --std=c11 --std=c++17 --suppress=missingIncludeSystem --suppress=uninitDerivedMemberVar \
        --suppress=unusedStructMember --suppress=uninitvar --suppress=nullPointerRedundantCheck \
        --suppress=varFuncNullUB --suppress=cstyleCast \
        -j "$(nproc)" -I include -I src src include examples tests benchmarks
}

# SC2015: "A && B || C" is meant as it reads.
lint_shell() { sources '*.sh' run | xargs -0 shellcheck -x -e SC2015; }

# Each source names its licence in its first lines.
lint_licence() {
    local missing
    missing=$(sources '*.c' '*.h' '*.cpp' '*.go' '*.s' '*.sh' '*.pml' CMakeLists.txt '*.cmake' run |
        xargs -0 awk 'FNR == 1 { if (name && !found) print name; name = FILENAME; found = 0 }
            FNR <= 3 && /SPDX-License-Identifier: Apache-2.0/ { found = 1 }
            END { if (!found) print name }')
    [ -z "$missing" ] || { echo "without SPDX-License-Identifier:" && echo "$missing" && return 1; }
}

# What differs between systems stands in src/os/ alone.
lint_systems() {
    ! grep -rnE '^[[:space:]]*#[[:space:]]*(el)?if.*(_WIN32|__linux__|__APPLE__|__MINGW|_MSC_VER)' include src --exclude-dir=os
}

test_lint() {
    check "clang-format" lint_format
    check "gofmt" lint_gofmt
    check "licences" lint_licence
    check "no system's #if outside src/os" lint_systems
    check "shellcheck" lint_shell
    check "cppcheck" lint_cppcheck
    check "clang-tidy" lint_tidy .
    check "clang-tidy, benchmarks" lint_tidy benchmarks
}

test_windows() {
    use_wine
    if check "wine's folder" make_wine; then
        test_windows_c
        test_windows_go
    fi
    check "the end of wine's server" end_wine
}

test_model() { check_tally "model" model/check.sh; }

run_doxygen() {
    mkdir -p build-run/docs
    doxygen docs/Doxyfile
}

test_docs() {
    check "Doxygen" run_doxygen
    check "links between documents" tests/readme/links.sh
    check "README's commands and samples" tests/readme/run.sh
}

# ---- Which parts --------------------------------------------------------------------------------

parts=("$@")
[ $# -gt 0 ] || parts=("${default_parts[@]}")
wanted=()
for part in "${parts[@]}"; do
    if [ -z "${packages[$part]:-}" ]; then
        echo "usage: ./run test [PART...]; the parts are: ${all_parts[*]}" >&2
        exit 2
    fi
    read -ra these <<<"${packages[$part]}"
    wanted+=("${these[@]}")
done
mapfile -t wanted < <(printf '%s\n' "${wanted[@]}" | sort -u)
need "${wanted[@]}"
for part in "${parts[@]}"; do
    echo "$part"
    "test_$part"
done
close_checks
