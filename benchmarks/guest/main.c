// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>

#include "guest.h"

int main(int count, char **values) {
    return guest_program(count, values, &guest_face_c, NULL);
}
