#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Go code that is committed is what the FlatBuffers compiler makes of the schema.
set -euo pipefail
guest=$1/examples/flatbuffers/guest
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
"$guest/generate.sh" "$made"
if ! diff -r "$made/orders" "$guest/orders"; then
    echo "examples/flatbuffers/guest/orders is not what generate.sh makes; run it" >&2
    exit 1
fi
