// SPDX-License-Identifier: Apache-2.0
// The one function of this system library that Go's runtime needs, for a wine that has no such
// library.
#include <windows.h>

#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE to, SIZE_T size);

BOOL WINAPI ProcessPrng(PBYTE to, SIZE_T size) {
    const SIZE_T most_at_once = 1u << 30;
    while (size > 0) {
        SIZE_T now = size < most_at_once ? size : most_at_once;
        if (!RtlGenRandom(to, (ULONG)now)) return FALSE;
        to += now;
        size -= now;
    }
    return TRUE;
}
