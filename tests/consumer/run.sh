#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the library as a user would, moves the installed tree elsewhere, and builds a C and a C++ program on it in every
# way that is promised: pkg-config and find_package, static and shared. Then looks at what the shared library shows.
set -euo pipefail
source=$1 cmake=$2 cc=$3 cxx=$4
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# What one who builds here may have set is not what a user has.
unset CFLAGS CXXFLAGS LDFLAGS DESTDIR PKG_CONFIG_PATH LD_LIBRARY_PATH
export CC=$cc CXX=$cxx

echo "== install"
"$cmake" -S "$source" -B "$work/build" >"$work/log" || { cat "$work/log"; fail "configuring"; }
"$cmake" --build "$work/build" -j 2 >"$work/log" 2>&1 || { cat "$work/log"; fail "building"; }
"$cmake" --install "$work/build" --prefix "$work/first" >"$work/log" || { cat "$work/log"; fail "installing"; }
mv "$work/first" "$work/installed"
installed=$work/installed

find_one() { # NAME: the only file of this name that was installed
    local found
    mapfile -t found < <(find "$installed" -name "$1")
    [ ${#found[@]} -eq 1 ] || fail "${#found[@]} files named $1 were installed"
    echo "${found[0]}"
}

shared=$(find_one libsimpleipc.so)
archive=$(find_one libsimpleipc.a)
include=$(dirname "$(find_one DirectHost.h)")
mapfile -t c_headers < <(cd "$include" && printf '%s\n' simpleipc/*.h)
# Those of C++, without the one for who has FlatBuffers.
mapfile -t cpp_headers < <(cd "$include" && printf '%s\n' Direct*.h | grep -v DirectFlatBuffers.h)
find_one SimpleIPCConfig.cmake >/dev/null
PKG_CONFIG_PATH=$(dirname "$(find_one simpleipc.pc)")
LD_LIBRARY_PATH=$(dirname "$shared")
export PKG_CONFIG_PATH LD_LIBRARY_PATH

check_program() { # PROGRAM shared|static: runs it, and sees what it is linked with
    local needs=static answer
    # Not through a pipe: one that is closed early fails.
    [[ $(ldd "$1") == *libsimpleipc* ]] && needs=shared
    [ "$needs" = "$2" ] || fail "$1 is linked as a $needs one, not as a $2 one"
    answer=$("$1" "consumer-$$-$RANDOM") || fail "$1 does not run"
    case $answer in
    "hello from C"*) echo "$(basename "$1"): $answer" ;;
    *) fail "$1 says \"$answer\"" ;;
    esac
}

echo "== pkg-config"
strict=(-Wall -Wextra -Wpedantic -Werror)
read -ra headers <<<"$(pkg-config --cflags simpleipc)"
read -ra flags <<<"$(pkg-config --cflags --libs simpleipc)"
read -ra static_flags <<<"$(pkg-config --static --cflags --libs simpleipc)"
static_flags=("${static_flags[@]/#-lsimpleipc/$archive}")
"$cc" -std=c11 "${strict[@]}" "$here/project/consumer.c" "${flags[@]}" -o "$work/c_shared"
"$cxx" -std=c++17 "${strict[@]}" "$here/project/consumer.cpp" "${flags[@]}" -o "$work/cpp_shared"
"$cc" -std=c11 "${strict[@]}" "$here/project/consumer.c" "${static_flags[@]}" -o "$work/c_static"
"$cxx" -std=c++17 "${strict[@]}" "$here/project/consumer.cpp" "${static_flags[@]}" -o "$work/cpp_static"
for kind in shared static; do
    check_program "$work/c_$kind" $kind
    check_program "$work/cpp_$kind" $kind
done
expected=$("$work/c_shared" "consumer-$$" | sed 's/.*, //')
[ "$(pkg-config --modversion simpleipc)" = "$expected" ] || fail "pkg-config and the library differ in the version"

echo "== find_package"
"$cmake" -S "$here/project" -B "$work/consumer" -DCMAKE_PREFIX_PATH="$installed" >"$work/log" 2>&1 || { cat "$work/log"; fail "find_package"; }
grep -q "^SimpleIPC_DIR:PATH=$installed" "$work/consumer/CMakeCache.txt" || fail "another SimpleIPC was found"
"$cmake" --build "$work/consumer" >"$work/log" 2>&1 || { cat "$work/log"; fail "building by find_package"; }
for language in c cpp; do
    check_program "$work/consumer/${language}_simpleipc" static
    check_program "$work/consumer/${language}_simpleipc_shared" shared
done

echo "== headers"
for header in "${c_headers[@]}" "${cpp_headers[@]}"; do
    echo "#include <$header>" | "$cxx" -std=c++17 "${strict[@]}" -fsyntax-only "${headers[@]}" -x c++ -
done
for header in "${c_headers[@]}"; do
    for standard in c99 c11; do
        echo "#include <$header>" | "$cc" -std=$standard "${strict[@]}" -fsyntax-only "${headers[@]}" -x c -
    done
done

echo "== exported symbols"
nm -D --defined-only "$shared" | awk '{ print $NF }' | sed 's/@.*//' | sort >"$work/exported"
if grep -v '^sipc_' "$work/exported"; then fail "the shared library shows what is not its own"; fi
# And all that the headers declare.
printf '#include <%s>\n' "${c_headers[@]}" | "$cc" -DSIPC_API=SIPC_EXPORTED -E -P "${headers[@]}" -x c - |
    tr '\n' ' ' | grep -o 'SIPC_EXPORTED[^(]*(' | grep -o 'sipc_[a-z0-9_]*(' | tr -d '(' | sort >"$work/declared"
[ -s "$work/declared" ] || fail "no declarations were found in the header"
diff "$work/declared" "$work/exported" || fail "the headers' functions (<) are not those that the library shows (>)"
echo "$(wc -l <"$work/exported") functions"
