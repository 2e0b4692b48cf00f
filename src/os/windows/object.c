// SPDX-License-Identifier: Apache-2.0
// The sections of a region (spec 14). The name is a small section that the host alone holds open,
// so that it is free as soon as the host's process has ended, though guests may still hold the
// region; it says which section that is.
#include "object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "security.h"

#define NAME_MAGIC UINT64_C(0x454D414E4C504D49) // "IMPLNAME"
// How long a name may say nothing. Its creator writes it at once, unless it is stopped or no host.
#define PATIENCE_NS UINT64_C(1000000000)
// Between two looks, so that many who wait for it do not keep its creator from its work.
#define LOOK_EVERY_NS UINT64_C(1000000)

// The content of the name's section.
struct name_page {
    uint64_t magic;
    uint64_t instance;
    sipc_word complete; // 1: the two before it are written
};

static void name_of_name(const char *object_name, char name[SIPC_KERNEL_NAME_SIZE]) {
    snprintf(name, SIPC_KERNEL_NAME_SIZE, "Local\\%s", object_name + 1); // without its slash
}

void sipc_os_kernel_name(const struct sipc_os_windows_object *object, const char *what,
                         char name[SIPC_KERNEL_NAME_SIZE]) {
    snprintf(name, SIPC_KERNEL_NAME_SIZE, "Local\\%s.%016llx.%s", object->name,
             (unsigned long long)object->instance, what);
}

static sipc_status failed(const char *what, const char *name) {
    return sipc_os_fail(SIPC_SYSTEM, GetLastError(), "%s of \"%s\"", what, name);
}

static struct sipc_os_windows_object *allocate_object(const char *object_name) {
    struct sipc_os_windows_object *made = calloc(1, sizeof *made);
    if (!made) return NULL;
    snprintf(made->name, sizeof made->name, "%s", object_name + 1);
    InitializeSRWLock(&made->lock);
    return made;
}

static void close_handle(HANDLE *handle) {
    if (*handle) CloseHandle(*handle);
    *handle = NULL;
}

static void free_object(struct sipc_os_windows_object *object) {
    sipc_os_unclaim_all(object);
    close_handle(&object->gate);
    close_handle(&object->section);
    close_handle(&object->name_section);
    free(object);
}

static sipc_status make_gate(struct sipc_os_windows_object *object) {
    char name[SIPC_KERNEL_NAME_SIZE];
    sipc_os_kernel_name(object, "gate", name);
    SECURITY_ATTRIBUTES own;
    sipc_status status = sipc_os_security_own(&own);
    if (status) return status;
    object->gate = CreateMutexA(&own, FALSE, name);
    if (!object->gate) status = failed("CreateMutex", name);
    sipc_os_security_free(&own);
    return status;
}

// ---- Creating ----------------------------------------------------------------------------------

static sipc_status claim_at_once(struct sipc_os_object *object, uint32_t claim) {
    bool won = false;
    sipc_status status = sipc_os_claim(object, claim, &won);
    if (!status && !won)
        status = sipc_fail(SIPC_EXISTS, "another process has claim %u of this region", claim);
    return status;
}

// Whoever reads the name finds a region whose host lives.
static sipc_status write_name(struct sipc_os_windows_object *made) {
    struct sipc_os_object object = {.handle = (intptr_t)made};
    sipc_status status = sipc_os_random(&made->instance);
    if (!status) status = make_gate(made);
    if (!status) status = claim_at_once(&object, SIPC_CLAIM_NAME);
    if (!status) status = claim_at_once(&object, SIPC_CLAIM_HOST);
    if (status) return status;
    struct name_page *page = MapViewOfFile(made->name_section, FILE_MAP_WRITE, 0, 0, sizeof *page);
    if (!page) return failed("MapViewOfFile", made->name);
    sipc_store_plain(page->magic, NAME_MAGIC);
    sipc_store_plain(page->instance, made->instance);
    // Release: who sees it sees the two before it.
    sipc_store_release(&page->complete, 1);
    UnmapViewOfFile(page);
    return SIPC_OK;
}

static sipc_status create_name(struct sipc_os_windows_object *made, const char *name) {
    SECURITY_ATTRIBUTES own;
    sipc_status status = sipc_os_security_own(&own);
    if (status) return status;
    made->name_section = CreateFileMappingA(INVALID_HANDLE_VALUE, &own, PAGE_READWRITE, 0,
                                            sizeof(struct name_page), name);
    DWORD error = GetLastError();
    sipc_os_security_free(&own);
    if (made->name_section && error != ERROR_ALREADY_EXISTS) return SIPC_OK;
    if (made->name_section || error == ERROR_ALREADY_EXISTS || error == ERROR_INVALID_HANDLE)
        return sipc_fail(SIPC_EXISTS, "the object \"%s\" exists", name);
    if (error == ERROR_ACCESS_DENIED)
        return sipc_fail(SIPC_EXISTS, "the object \"%s\" is another user's; choose another name",
                         name);
    return sipc_os_fail(SIPC_SYSTEM, error, "CreateFileMapping of \"%s\"", name);
}

sipc_status sipc_os_object_create(const char *object_name, uint32_t mode,
                                  struct sipc_os_object *object) {
    if (mode != 0600)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "a region of mode 0%o: this system's regions are their user's alone; "
                         "leave the mode at 0600",
                         mode);
    char name[SIPC_KERNEL_NAME_SIZE];
    name_of_name(object_name, name);
    struct sipc_os_windows_object *made = allocate_object(object_name);
    if (!made) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for a region");
    sipc_status status = create_name(made, name);
    if (!status) status = write_name(made);
    if (status)
        free_object(made);
    else
        object->handle = (intptr_t)made;
    return status;
}

sipc_status sipc_os_object_allocate(struct sipc_os_object *object, uint64_t size) {
    struct sipc_os_windows_object *own = sipc_os_windows_object(object);
    char name[SIPC_KERNEL_NAME_SIZE];
    sipc_os_kernel_name(own, "region", name);
    SECURITY_ATTRIBUTES attributes;
    sipc_status status = sipc_os_security_own(&attributes);
    if (status) return status;
    own->section =
        CreateFileMappingA(INVALID_HANDLE_VALUE, &attributes, PAGE_READWRITE | SEC_COMMIT,
                           (DWORD)(size >> 32), (DWORD)size, name);
    DWORD error = GetLastError();
    sipc_os_security_free(&attributes);
    if (own->section && error != ERROR_ALREADY_EXISTS) return SIPC_OK;
    if (own->section) {
        close_handle(&own->section);
        return sipc_fail(SIPC_FORBIDDEN, "somebody has made the object \"%s\" before", name);
    }
    if (error == ERROR_COMMITMENT_LIMIT || error == ERROR_NOT_ENOUGH_MEMORY ||
        error == ERROR_DISK_FULL || error == ERROR_NO_SYSTEM_RESOURCES)
        return sipc_fail(SIPC_NO_SPACE,
                         "there is no shared memory for a region of %llu bytes; free some, or use "
                         "fewer or smaller slots",
                         (unsigned long long)size);
    return sipc_os_fail(SIPC_SYSTEM, error, "CreateFileMapping of %llu bytes",
                        (unsigned long long)size);
}

// ---- Opening -----------------------------------------------------------------------------------

static sipc_status open_section(const char *name, HANDLE *section) {
    *section = OpenFileMappingA(FILE_MAP_READ | FILE_MAP_WRITE | READ_CONTROL, FALSE, name);
    if (*section) return SIPC_OK;
    DWORD error = GetLastError();
    if (error == ERROR_FILE_NOT_FOUND)
        return sipc_fail(SIPC_NO_HOST, "there is no object \"%s\"", name);
    if (error == ERROR_ACCESS_DENIED)
        return sipc_fail(SIPC_FORBIDDEN, "this user may not open the object \"%s\"", name);
    if (error == ERROR_INVALID_HANDLE)
        return sipc_fail(SIPC_NOT_A_REGION, "\"%s\" is not a section", name);
    return sipc_os_fail(SIPC_SYSTEM, error, "OpenFileMapping of \"%s\"", name);
}

// One look. SIPC_NO_HOST: its creator has not written it yet.
static sipc_status look_at_name(const struct name_page *page, const char *name,
                                uint64_t *instance) {
    // Acquire: what was written before it is seen after it.
    if (sipc_load_acquire(&page->complete) == 0)
        return sipc_fail(SIPC_NO_HOST, "the name \"%s\" says nothing yet", name);
    const volatile struct name_page *written = page;
    if (written->magic != NAME_MAGIC)
        return sipc_fail(SIPC_NOT_A_REGION, "\"%s\" is not the name of a region", name);
    *instance = written->instance;
    return SIPC_OK;
}

// How many bytes of memory a view has, in whole pages: the system does not tell it closer. A
// section may also be room without memory, whose maker is no host.
static bool memory_at(const void *at, uint64_t *size) {
    MEMORY_BASIC_INFORMATION told;
    if (!VirtualQuery(at, &told, sizeof told)) return false;
    *size = told.State == MEM_COMMIT ? told.RegionSize : 0;
    return true;
}

static sipc_status read_name(const char *name, uint64_t *instance) {
    HANDLE section;
    sipc_status status = open_section(name, &section);
    if (status) return status;
    struct name_page *page = MapViewOfFile(section, FILE_MAP_READ, 0, 0, sizeof *page);
    uint64_t size = 0;
    if (page && memory_at(page, &size) && size >= sizeof *page) {
        const uint64_t until = sipc_os_now() + PATIENCE_NS;
        while ((status = look_at_name(page, name, instance)) == SIPC_NO_HOST &&
               sipc_os_now() < until)
            sipc_os_sleep(LOOK_EVERY_NS);
        if (status == SIPC_NO_HOST)
            status =
                sipc_fail(SIPC_NOT_A_REGION,
                          "\"%s\" says nothing: it is not the name of a region, or its host is "
                          "stopped",
                          name);
    } else {
        status = sipc_fail(SIPC_NOT_A_REGION, "\"%s\" is too small for the name of a region", name);
    }
    if (page) UnmapViewOfFile(page);
    CloseHandle(section);
    return status;
}

sipc_status sipc_os_object_open(const char *object_name, struct sipc_os_object *object) {
    char name[SIPC_KERNEL_NAME_SIZE];
    name_of_name(object_name, name);
    struct sipc_os_windows_object *made = allocate_object(object_name);
    if (!made) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for a region");
    sipc_status status = read_name(name, &made->instance);
    if (!status) status = make_gate(made);
    if (!status) {
        char region[SIPC_KERNEL_NAME_SIZE];
        sipc_os_kernel_name(made, "region", region);
        status = open_section(region, &made->section);
        if (status == SIPC_NO_HOST) status = SIPC_OK; // not complete: it has the size 0
    }
    if (status)
        free_object(made);
    else
        object->handle = (intptr_t)made;
    return status;
}

sipc_status sipc_os_object_open_to_read(const char *name, struct sipc_os_object *object) {
    return sipc_os_object_open(name, object);
}

void sipc_os_object_close(struct sipc_os_object *object) {
    free_object(sipc_os_windows_object(object));
}

// Nobody can take the name of a living host away.
bool sipc_os_object_is_named(const struct sipc_os_object *object) {
    return sipc_os_windows_object(object)->name_section != NULL;
}

bool sipc_os_object_remove_name(struct sipc_os_object *object, const char *name) {
    (void)name;
    close_handle(&sipc_os_windows_object(object)->name_section);
    return true;
}

// ---- Reading and mapping -----------------------------------------------------------------------

static sipc_status view(const struct sipc_os_object *object, DWORD access, uint64_t size,
                        void **at) {
    HANDLE section = sipc_os_windows_object(object)->section;
    *at = section ? MapViewOfFile(section, access, 0, 0, (SIZE_T)size) : NULL;
    if (*at) return SIPC_OK;
    DWORD error = section ? GetLastError() : ERROR_FILE_NOT_FOUND;
    return sipc_os_fail(error == ERROR_NOT_ENOUGH_MEMORY ? SIPC_OUT_OF_MEMORY : SIPC_SYSTEM, error,
                        "mapping %llu bytes", (unsigned long long)size);
}

sipc_status sipc_os_object_size(const struct sipc_os_object *object, uint64_t *size) {
    *size = 0;
    if (!sipc_os_windows_object(object)->section) return SIPC_OK;
    void *at;
    sipc_status status = view(object, FILE_MAP_READ, 0, &at);
    if (status) return status;
    if (!memory_at(at, size))
        status = sipc_os_fail(SIPC_SYSTEM, GetLastError(), "VirtualQuery of a region");
    UnmapViewOfFile(at);
    return status;
}

sipc_status sipc_os_object_is_mine(const struct sipc_os_object *object, bool *mine) {
    HANDLE section = sipc_os_windows_object(object)->section;
    *mine = true; // not complete yet
    return section ? sipc_os_security_is_mine(section, mine) : SIPC_OK;
}

// A section cannot shrink: a view of a part that is there stays readable.
sipc_status sipc_os_object_read(const struct sipc_os_object *object, void *to, size_t size) {
    return sipc_os_object_read_at(object, to, size, 0);
}

sipc_status sipc_os_object_read_at(const struct sipc_os_object *object, void *to, size_t size,
                                   uint64_t offset) {
    uint64_t there;
    sipc_status status = sipc_os_object_size(object, &there);
    if (!status && (there < offset || there - offset < size))
        status = sipc_fail(SIPC_BAD_GEOMETRY,
                           "the object has %llu bytes, fewer than %zu from offset %llu on",
                           (unsigned long long)there, size, (unsigned long long)offset);
    void *at;
    if (!status) status = view(object, FILE_MAP_READ, offset + size, &at);
    if (status) return status;
    memcpy(to, (const uint8_t *)at + offset, size);
    UnmapViewOfFile(at);
    return SIPC_OK;
}

sipc_status sipc_os_object_map(const struct sipc_os_object *object, uint64_t size, void **base,
                               const sipc_word **lost) {
    static const sipc_word never_lost;
    *lost = &never_lost;
    return view(object, FILE_MAP_READ | FILE_MAP_WRITE, size, base);
}

void sipc_os_unmap(void *base, uint64_t size) {
    (void)size;
    UnmapViewOfFile(base);
}
