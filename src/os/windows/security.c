// SPDX-License-Identifier: Apache-2.0
#include "security.h"

#include <aclapi.h>
#include <sddl.h>
#include <stdio.h>

// Room for a TOKEN_USER and the longest user id there is.
union user_buffer {
    TOKEN_USER user;
    unsigned char bytes[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
};

static sipc_status this_user(union user_buffer *buffer) {
    HANDLE token;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return sipc_os_fail(SIPC_SYSTEM, GetLastError(), "OpenProcessToken");
    DWORD size;
    BOOL told = GetTokenInformation(token, TokenUser, buffer, sizeof *buffer, &size);
    DWORD error = GetLastError();
    CloseHandle(token);
    return told ? SIPC_OK : sipc_os_fail(SIPC_SYSTEM, error, "GetTokenInformation");
}

sipc_status sipc_os_security_own(SECURITY_ATTRIBUTES *attributes) {
    union user_buffer buffer;
    sipc_status status = this_user(&buffer);
    if (status) return status;
    char *user;
    if (!ConvertSidToStringSidA(buffer.user.User.Sid, &user))
        return sipc_os_fail(SIPC_SYSTEM, GetLastError(), "ConvertSidToStringSid");
    // Owner: the user, also where the system would name a group. A list of its own: all for the
    // user.
    char text[512];
    snprintf(text, sizeof text, "O:%sD:P(A;;GA;;;%s)", user, user);
    LocalFree(user);
    *attributes = (SECURITY_ATTRIBUTES){.nLength = sizeof *attributes};
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorA(
            text, SDDL_REVISION_1, &attributes->lpSecurityDescriptor, NULL))
        return sipc_os_fail(SIPC_SYSTEM, GetLastError(), "making a security descriptor");
    return SIPC_OK;
}

void sipc_os_security_free(SECURITY_ATTRIBUTES *attributes) {
    LocalFree(attributes->lpSecurityDescriptor);
}

sipc_status sipc_os_security_is_mine(HANDLE object, bool *mine) {
    union user_buffer buffer;
    sipc_status status = this_user(&buffer);
    if (status) return status;
    PSID owner;
    PSECURITY_DESCRIPTOR descriptor;
    DWORD error = GetSecurityInfo(object, SE_KERNEL_OBJECT, OWNER_SECURITY_INFORMATION, &owner,
                                  NULL, NULL, NULL, &descriptor);
    if (error) return sipc_os_fail(SIPC_SYSTEM, error, "asking for the owner of a region");
    *mine = EqualSid(owner, buffer.user.User.Sid) != 0;
    LocalFree(descriptor);
    return SIPC_OK;
}
