# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced. cmocka for what Debian has no package of: built from Debian's source package, statically.
#
#   cmocka_for TARGET OPTION...   builds it with these options of CMake, unless that was done before
#   cmocka_packages TARGET        the folder for PKG_CONFIG_LIBDIR, as an absolute path

cmocka=build-run/cmocka

cmocka_packages() { echo "$PWD/$cmocka/$1/lib/pkgconfig"; }

# The machine's own sources, asked for source packages, in lists of our own: nothing of the machine changes.
cmocka_apt() (
    local file state=$PWD/$cmocka/apt
    mkdir -p "$state/lists/partial" "$state/parts"
    touch "$state/sources.list"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        [ -s "$file" ] || continue
        case $file in
        *.list) sed -n 's/^deb /deb-src /p' "$file" >"$state/parts/${file##*/}" ;;
        *.sources) sed 's/^Types:.*/Types: deb-src/' "$file" >"$state/parts/${file##*/}" ;;
        esac
    done
    cd "$state" || return
    apt-get -qq -o Dir::Etc::SourceList="$state/sources.list" -o Dir::Etc::SourceParts="$state/parts" \
        -o Dir::State::Lists="$state/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"
)

fetch_cmocka() {
    [ ! -f "$cmocka/source/CMakeLists.txt" ] || return 0
    # Not every source of packages has the sources of its packages.
    cmocka_apt update || true
    cmocka_apt --download-only source cmocka
    mkdir -p "$cmocka/unpacked"
    tar -xf "$(echo "$cmocka"/apt/cmocka_*.orig.tar.*z)" -C "$cmocka/unpacked" --strip-components 1
    mv "$cmocka/unpacked" "$cmocka/source"
}

cmocka_for() {
    local target=$1 folder=$PWD/$cmocka/$1
    [ ! -f "$(cmocka_packages "$target")/cmocka.pc" ] || return 0
    fetch_cmocka
    cmake -S "$cmocka/source" -B "$folder/build" -DCMAKE_INSTALL_PREFIX="$folder" -DCMAKE_INSTALL_LIBDIR=lib \
        -DCMAKE_BUILD_TYPE=Release -DWITH_STATIC_LIB=ON -DUNIT_TESTING=OFF -DWITH_EXAMPLES=OFF "${@:2}"
    cmake --build "$folder/build" -j "$(nproc)"
    cmake --install "$folder/build"
    # The shared one would have to be found by whoever runs the tests.
    rm -f "$folder"/lib/*.so* "$folder"/bin/*.dll "$folder"/lib/*.dll.a
    sed -i 's/-lcmocka\b.*/-lcmocka-static/' "$folder/lib/pkgconfig/cmocka.pc"
}
