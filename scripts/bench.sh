#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
source scripts/packages.sh
need ca-certificates gcc g++ make cmake golang-go
exec benchmarks/run.sh "$@"
