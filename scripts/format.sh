#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
source scripts/packages.sh
source scripts/sources.sh
need clang-format golang-go
sources '*.c' '*.h' '*.cpp' | xargs -0 -r clang-format -i
sources '*.go' | xargs -0 -r gofmt -w
