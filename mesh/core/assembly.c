#include "core/assembly.h"

#include "core/mem.h"

// From the second fragment on, room is made for so many times what has come: a message of 64 KiB is
// moved once, and pages that nothing was written to cost nothing.
enum { GROWTH = 8 };

static void enlist(mesh_assemblies *all, mesh_assembly *a) {
    a->newer = NULL;
    a->older = all->newest;
    if (all->newest)
        all->newest->newer = a;
    else
        all->oldest = a;
    all->newest = a;
}

static void delist(mesh_assemblies *all, mesh_assembly *a) {
    if (a->older)
        a->older->newer = a->newer;
    else
        all->oldest = a->newer;
    if (a->newer)
        a->newer->older = a->older;
    else
        all->newest = a->older;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static void drop(mesh_assemblies *all, mesh_assembly *a) {
    delist(all, a);
    all->bytes -= a->cap;
    a->is_dropped = true;
    a->cap = MESH_MESSAGE_HEAD_MAX;
    a->data = mem_resize(a->data, a->cap);
}

static size_t room(const mesh_assemblies *all) {
    size_t max = all->bytes_max != 0 ? all->bytes_max : MESH_ASSEMBLED_MAX;
    return max > all->bytes ? max - all->bytes : 0;
}

// Room for `need` bytes in all; false: there is none.
static bool grow(mesh_assemblies *all, mesh_assembly *a, uint64_t now_ms, size_t need) {
    while (need - a->cap > room(all)) {
        mesh_assembly *oldest = all->oldest;
        if (oldest == a || now_ms < oldest->moved_at_ms + MESH_ASSEMBLY_STALE_MS) return false;
        drop(all, oldest);
    }
    size_t wanted = least(a->cap == 0 ? need : GROWTH * need, a->total);
    size_t more = least(wanted - a->cap, room(all));
    a->cap += more;
    all->bytes += more;
    a->data = mem_resize(a->data, a->cap);
    return true;
}

void mesh_assembly_begin(mesh_assemblies *all, mesh_assembly *a, uint64_t now_ms, uint8_t type,
                         uint32_t total) {
    *a = (mesh_assembly){.type = type, .total = total, .moved_at_ms = now_ms};
    enlist(all, a);
}

void mesh_assembly_add(mesh_assemblies *all, mesh_assembly *a, uint64_t now_ms, mesh_bytes body) {
    size_t need = a->len + body.len;
    CHECK(need <= a->total);
    if (!a->is_dropped && need > a->cap && !grow(all, a, now_ms, need)) drop(all, a);
    if (a->len < a->cap) memcpy(a->data + a->len, body.data, least(body.len, a->cap - a->len));
    a->len = (uint32_t)need;
    if (a->is_dropped) return;
    a->moved_at_ms = now_ms;
    delist(all, a);
    enlist(all, a);
}

mesh_bytes mesh_assembly_take(mesh_assemblies *all, mesh_assembly *a) {
    mesh_bytes whole = {a->data, a->is_dropped ? least(a->len, a->cap) : a->len};
    a->data = NULL;
    mesh_assembly_end(all, a);
    return whole;
}

void mesh_assembly_end(mesh_assemblies *all, mesh_assembly *a) {
    if (a->type == 0) return;
    if (!a->is_dropped) {
        delist(all, a);
        all->bytes -= a->cap;
    }
    free(a->data);
    *a = (mesh_assembly){0};
}
