# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced. need PACKAGE...: the Debian packages that a command uses; those that are missing get installed.

# Any go from 1.18 on will do, wherever it came from.
has_go() {
    local version
    version=$(go env GOVERSION 2>/dev/null) || return 1
    case $version in
    go1.[0-9] | go1.[0-9].* | go1.[0-9][a-z]* | go1.1[0-7] | go1.1[0-7][.a-z]*) return 1 ;;
    esac
}

is_present() {
    case $1 in
    golang-go) has_go ;;
    # Some machines are given their certificates otherwise, and the package would overwrite them.
    ca-certificates) [ -s /etc/ssl/certs/ca-certificates.crt ] ;;
    *) dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed ;;
    esac
}

# Whether apt's lists know all of these packages.
are_known() {
    local package
    for package; do
        LC_ALL=C apt-cache policy "$package" | grep -q '^  Candidate: [^(]' || return 1
    done
}

install_packages() {
    local as_root=() apt
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo)
        [ -t 0 ] || as_root+=(-n)
        if ! command -v sudo >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
            echo "Missing, and this user may not install packages; as root: apt-get install $*" >&2
            exit 1
        fi
    fi
    echo "Installing through apt-get${as_root[0]:+ by sudo}: $*"
    apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
        apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
    are_known "$@" || "${apt[@]}" update
    # Old lists name files that the mirror no longer has: they are fetched anew if need be.
    "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null ||
        { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null; }
}

need() {
    local package missing=()
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "Not a Debian system, so this is up to you: $*"
        return
    fi
    for package; do
        is_present "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    install_packages "${missing[@]}"
    for package in "${missing[@]}"; do
        if ! is_present "$package"; then
            echo "$package was installed and is still not usable; for golang-go: is an older go in PATH?" >&2
            exit 1
        fi
    done
}
