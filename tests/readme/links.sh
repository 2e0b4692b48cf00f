#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every link from one of our documents to a file of this tree leads somewhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source scripts/sources.sh

broken=0
while IFS= read -r -d '' document; do
    while read -r target; do
        target=${target%%#*}
        if [ -n "$target" ] && [ ! -e "$(dirname "$document")/$target" ]; then
            echo "$document links to \"$target\", which is not there"
            broken=1
        fi
    done < <(grep -oE '\]\([^)]+\)' "$document" | sed 's/^](//; s/)$//' | grep -vE '^[a-z]+:')
done < <(sources '*.md')
exit "$broken"
