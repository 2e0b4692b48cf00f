// SPDX-License-Identifier: Apache-2.0
#include "internal/name.h"

#include <stdio.h>
#include <string.h>

static bool is_allowed(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

static sipc_status check(const char *whose, const char *name, size_t most) {
    if (!name)
        return sipc_fail(SIPC_BAD_NAME, "the %s's name is NULL; give 1 to %zu bytes", whose, most);
    size_t length = 0;
    while (length <= most && name[length]) length++;
    if (length == 0)
        return sipc_fail(SIPC_BAD_NAME, "the %s's name is empty; give 1 to %zu bytes", whose, most);
    if (length > most)
        return sipc_fail(SIPC_BAD_NAME,
                         "the %s's name \"%.16s...\" has more than %zu bytes; shorten it", whose,
                         name, most);
    if (name[0] == '.')
        return sipc_fail(SIPC_BAD_NAME,
                         "the %s's name \"%s\" begins with a dot; begin it otherwise", whose, name);
    size_t good = 0;
    while (good < length && is_allowed(name[good])) good++;
    if (good != length)
        return sipc_fail(SIPC_BAD_NAME,
                         "the %s's name has the byte 0x%02x at position %zu; use A-Z a-z 0-9 . _ -",
                         whose, (unsigned)(unsigned char)name[good], good);
    return SIPC_OK;
}

sipc_status sipc_name_check(const char *name) {
    return check("region", name, SIPC_MAX_NAME);
}

sipc_status sipc_name_of_guest(const char *name, uint8_t bytes[SIPC_MAX_GUEST_NAME]) {
    sipc_status status = check("guest", name, SIPC_MAX_GUEST_NAME);
    if (status) return status;
    memset(bytes, 0, SIPC_MAX_GUEST_NAME);
    for (size_t i = 0; name[i]; i++) bytes[i] = (uint8_t)name[i];
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
