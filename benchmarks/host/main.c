// SPDX-License-Identifier: Apache-2.0
// The host of the benchmark: starts a guest, measures, reports.
#include <stddef.h>

#include "program.h"

int main(int count, char **values) {
    return program_main(count, values, NULL);
}
