#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
source scripts/packages.sh
if [ ! -x tests/faults/run.sh ]; then
    echo "There are no fault tests: tests/faults/run.sh is missing." >&2
    exit 1
fi
need ca-certificates gcc g++ make cmake golang-go libcmocka-dev
exec tests/faults/run.sh "$@"
