#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the study and prints its table: run.sh [build folder] [rounds of each pair, 60] [pairs, 10]
exec "$(dirname "$0")/../harness/run.sh" waiting "$@"
