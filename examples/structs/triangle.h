/* SPDX-License-Identifier: Apache-2.0 */
/* The messages: types of fixed sizes and no pointers, the same in each process. guest/main.go has
 * them in Go. */
#ifndef TRIANGLE_H
#define TRIANGLE_H

#include <stdint.h>

struct point {
    double x, y;
};

struct triangle {
    struct point corners[3];
    int64_t number;
};

struct measures {
    double area;
    struct point centre;
    int64_t number;
};

#endif
