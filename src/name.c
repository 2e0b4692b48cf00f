// SPDX-License-Identifier: Apache-2.0
#include "internal/name.h"

#include <stdio.h>
#include <string.h>

static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

sipc_status sipc_name_check(const char *name) {
    if (!name) return sipc_fail(SIPC_BAD_NAME, "the region's name is NULL; give 1 to 128 bytes");
    const char *end = memchr(name, 0, SIPC_MAX_NAME + 1);
    size_t length = end ? (size_t)(end - name) : SIPC_MAX_NAME + 1;
    if (length == 0)
        return sipc_fail(SIPC_BAD_NAME, "the region's name is empty; give 1 to 128 bytes");
    if (length > SIPC_MAX_NAME)
        return sipc_fail(SIPC_BAD_NAME,
                         "the region's name \"%.16s...\" has more than %u bytes; shorten it", name,
                         SIPC_MAX_NAME);
    if (name[0] == '.')
        return sipc_fail(SIPC_BAD_NAME,
                         "the region's name \"%s\" begins with a dot; begin it otherwise", name);
    size_t good = strspn(name, allowed);
    if (good != length)
        return sipc_fail(
            SIPC_BAD_NAME,
            "the region's name has the byte 0x%02x at position %zu; use A-Z a-z 0-9 . _ -",
            (unsigned)(unsigned char)name[good], good);
    return SIPC_OK;
}

void sipc_name_object(const char *name, char object[SIPC_OBJECT_NAME_SIZE]) {
    snprintf(object, SIPC_OBJECT_NAME_SIZE, "/simpleipc.%s", name);
}

sipc_status sipc_name_socket(const char *folder, const char *name,
                             char path[SIPC_SOCKET_PATH_SIZE]) {
    int length = snprintf(path, SIPC_SOCKET_PATH_SIZE, "%s/simpleipc.%s", folder, name);
    if (length >= 0 && length < (int)SIPC_SOCKET_PATH_SIZE) return SIPC_OK;
    return sipc_fail(SIPC_BAD_NAME,
                     "the socket of the name \"%.32s\" has a path of %d bytes, %zu of them the "
                     "folder's; at most %u will do: shorten the name or the folder",
                     name, length, strlen(folder), SIPC_MAX_SOCKET_PATH);
}
