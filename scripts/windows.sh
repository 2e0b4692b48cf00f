# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by test.sh. Programs for Windows, made by mingw-w64 and Go, and run under wine.

windows=build-run/windows

# A wine of this tree's own: it touches nothing of the user's, his menus included, and its server ends with the tests.
use_wine() { export WINEPREFIX=$PWD/$windows/wine WINEDEBUG=-all WINEDLLOVERRIDES='winemenubuilder.exe=d;mscoree,mshtml='; }

# One server for all: each program would start one of its own, with all of the system's services.
make_wine() {
    mkdir -p "$windows"
    wineserver --persistent
    wineboot --init
    # Go from 1.22 on takes its random numbers from a library of the system's that wine 8 does not have.
    local system=$WINEPREFIX/drive_c/windows/system32
    [ -e "$system/bcryptprimitives.dll" ] ||
        x86_64-w64-mingw32-gcc -shared -O2 -o "$system/bcryptprimitives.dll" tests/windows/bcryptprimitives.c -ladvapi32
}

end_wine() {
    wineserver --kill || true # it has ended already
    wineserver --wait
}

# ---- C and C++ ----------------------------------------------------------------------------------

build_for_windows() {
    PKG_CONFIG_LIBDIR=$(cmocka_packages windows) configure_and_build "$windows/build" \
        x86_64-w64-mingw32-gcc-posix x86_64-w64-mingw32-g++-posix \
        -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/toolchains/mingw-w64.cmake"
}

test_windows_c() {
    check "cmocka for Windows" cmocka_for windows -DBUILD_SHARED_LIBS=OFF \
        -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/toolchains/mingw-w64.cmake" || return
    check "build with mingw-w64 into $windows/build" build_for_windows &&
        check_ctest "unit tests, wine" run_unit_tests "$windows/build"
}

# ---- Go -----------------------------------------------------------------------------------------

go_for_windows() { # FOLDER ARGUMENT...
    in_module "$1" env GOOS=windows GOARCH=amd64 CGO_ENABLED=0 go "${@:2}"
}

# Those of the benchmarks, the experiments and the fault matrix are Linux's.
windows_go_modules() { go_modules | grep -vE '^\./(benchmarks|experiments|tests/faults)/'; }

build_windows_library() {
    cmake -S . -B "$windows/library" -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/toolchains/mingw-w64.cmake" -DSIPC_WERROR=ON
    cmake --build "$windows/library" --target simpleipc -j "$(nproc)"
}

windows_host() { # TARGET SOURCE...
    x86_64-w64-mingw32-g++-posix -std=c++17 -O2 -Wall -Wextra -Werror -static -D__USE_MINGW_ANSI_STDIO=1 -Iinclude \
        -o "$windows/pairs/$1.exe" "${@:2}" "$windows/library/libsimpleipc.a" -ladvapi32 -lbcrypt -lsynchronization -lpthread
}

windows_go_guest() { go_for_windows "$2" build -o "$PWD/$windows/pairs/$1.exe" .; } # TARGET FOLDER

windows_process_host() { # LANGUAGE SOURCE
    local source objects=()
    for source in host_main host_c traffic message resources_windows; do
        [ "$source $1" != 'host_c cpp' ] || continue
        objects+=("$windows/pairs/$source.o")
        x86_64-w64-mingw32-gcc-posix -std=c11 -O2 -Wall -Wextra -Werror -D__USE_MINGW_ANSI_STDIO=1 -Iinclude \
            -c "tests/process/$source.c" -o "$windows/pairs/$source.o"
    done
    windows_host "process_host_$1" "${objects[@]}" "${@:2}"
}

build_windows_pairs() {
    build_windows_library
    mkdir -p "$windows/pairs"
    windows_process_host c
    windows_process_host cpp tests/process/host_cpp.cpp
    windows_go_guest process_guest_go tests/process/guest_go
    windows_host readme_host examples/readme/host.cpp
    windows_host numbers_host examples/cpp/host.cpp
    windows_host structs_host examples/structs/host.cpp
    windows_host later_host examples/later-answers/host.cpp
    windows_host prices_host examples/guest-calls/host.cpp
    windows_go_guest readme_guest examples/readme/guest
    windows_go_guest numbers_guest examples/go/guest
    windows_go_guest structs_guest examples/structs/guest
    windows_go_guest later_guest examples/later-answers/go
    windows_go_guest prices_guest examples/guest-calls/guest
}

run_windows_go_tests() {
    go_for_windows go test -c -o "$PWD/$windows/go.test.exe" .
    in_module go wine "$PWD/$windows/go.test.exe" -test.v -test.count=1
}

test_windows_go() {
    local module
    while read -r module; do
        check "go vet for Windows, $module" go_for_windows "$module" vet ./...
    done < <(windows_go_modules)
    check_go "unit tests of Go under wine" run_windows_go_tests
    check "build hosts in C and C++ and guests in Go for Windows" build_windows_pairs || return
    check_tally "examples with a guest in Go under wine" timeout 300 tests/windows/pairs.sh "$windows/pairs"
    check_tally "promises with a guest in Go under wine" timeout 600 tests/windows/promises.sh "$windows/pairs"
}
