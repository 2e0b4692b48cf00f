#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the Go code of ../orders.fbs. It is committed, since a Go module is built by go alone; a test compares it.
#
#   generate.sh [FOLDER]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
to=${1:-$here}
flatc --go -o "$to" "$here/../orders.fbs"
for file in "$to"/orders/*.go; do
    { echo "// SPDX-License-Identifier: Apache-2.0" && cat "$file"; } | gofmt >"$file.formatted"
    mv "$file.formatted" "$file"
done
