#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# examples/sqlite-udf/README.md keeps its word: its commands run in a copy of the tree, in one shell, and print what the
# block of text after them shows. The comparison is shortened, and the region's name is this run's own.
set -euo pipefail
cd "$1"
readme=examples/sqlite-udf/README.md
command -v sqlite3 >/dev/null || { echo "sqlite3 is not installed (Debian: sqlite3)"; exit 1; }

work=$(mktemp -d)
clean_up() {
    if [ -s "$work/guest" ]; then kill "$(cat "$work/guest")" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap clean_up EXIT

# Writes block after block to NUMBER.bash or NUMBER.text, and all commands to one script.
awk -v out="$work" '
    /^```/ && !inside { inside = 1; file = sprintf("%s/%02d.%s", out, ++number, substr($1, 4)); printf "" > file; next }
    /^```/ { inside = 0; close(file); next }
    inside { print > file }' "$readme"
for block in "$work"/*.bash; do
    echo "exec >$block.output"
    cat "$block"
done | sed "s/\bearth\b/readme-$$/g; s/ readme-$$\$/& 100000/; s/readme-$$ &\$/& echo \$! >guest/" >"$work/script"
echo 'wait 2>/dev/null || true' >>"$work/script"

mkdir "$work/tree"
tar -c --exclude=./.git --exclude='./build*' . | tar -x -C "$work/tree"
sed -i "s|>guest\$|>$work/guest|" "$work/script"
# Without -e, as a reader's shell: some of the commands show errors.
(cd "$work/tree" && timeout 220 bash -u "$work/script")

compared=0
for expected in "$work"/*.text; do
    number=$(basename "$expected" .text)
    diff "$expected" "$(printf '%s/%02d.bash.output' "$work" $((10#$number - 1)))"
    compared=$((compared + 1))
done
[ "$compared" -ge 2 ]
# Of the last block, which measures, only the form is known.
outputs=("$work"/*.bash.output)
cat "${outputs[-1]}"
[ "$(grep -c 'Go guest' "${outputs[-1]}")" -eq 2 ]
