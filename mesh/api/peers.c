// Who is there: nodes, what they serve, the shapes of what they send, and how they end.
#include "api/state.h"
#include "core/be.h"
#include "core/mem.h"

static char *copy_text(mesh_bytes text) {
    char *copy = mem_alloc(text.len + 1);
    if (text.len > 0) memcpy(copy, text.data, text.len);
    return copy;
}

static api_peer *add_peer(warren *w, uint32_t handle, const mesh_peer_info *info) {
    api_peer *p = mem_alloc(sizeof *p);
    p->handle = handle;
    p->peer = (warren_peer){.id = info->node_id,
                            .name = copy_text(info->name),
                            .service = copy_text(info->service),
                            .host = copy_text(info->host),
                            .instance = info->instance,
                            .pid = info->pid};
    mesh_map_add(&w->peers, mesh_map_hash_u64(&w->peers, handle), p);
    return p;
}

static void free_peer(warren *w, api_peer *p) {
    (void)mesh_map_remove(&w->peers, mesh_map_hash_u64(&w->peers, p->handle), p);
    for (api_monitor *next; p->monitors; p->monitors = next) {
        next = p->monitors->next;
        free(p->monitors);
    }
    for (size_t i = 0; i < p->service_count; i++)
        free(p->services[i]);
    free(p->services);
    mesh_shapes_deinit(&p->shapes);
    free((char *)p->peer.name);
    free((char *)p->peer.service);
    free((char *)p->peer.host);
    free(p);
}

api_peer *api_peers_get(const warren *w, uint32_t handle) {
    uint64_t hash = mesh_map_hash_u64(&w->peers, handle);
    api_peer *p;
    for (size_t cursor = 0; (p = mesh_map_next(&w->peers, hash, &cursor));)
        if (p->handle == handle) return p;
    return NULL;
}

// An id comes again, as another peer with a higher handle, when its host was thought to be lost.
api_peer *api_peers_find(const warren *w, uint64_t id) {
    api_peer *p, *found = NULL;
    for (size_t cursor = 0; (p = mesh_map_each(&w->peers, &cursor));)
        if (p->peer.id == id && (!found || p->handle > found->handle)) found = p;
    return found;
}

uint64_t api_peers_id(const warren *w, uint32_t handle) {
    const api_peer *p = api_peers_get(w, handle);
    return p ? p->peer.id : 0;
}

void api_peers_add_self(warren *w) {
    const mesh_member_self *self = mesh_member_self_get(w->member);
    mesh_peer_info info = {.node_id = self->node_id,
                           .name = mesh_bytes_text(self->name),
                           .service = mesh_bytes_text(self->service),
                           .host = mesh_bytes_text(self->host),
                           .instance = self->instance,
                           .pid = (uint32_t)uv_os_getpid()};
    w->self = add_peer(w, MESH_PEER_SELF, &info);
    w->self->peer.is_self = true;
}

void api_peers_free(warren *w) {
    api_peer *p;
    for (size_t cursor = 0; (p = mesh_map_each(&w->peers, &cursor)); cursor = 0)
        free_peer(w, p);
    mesh_map_deinit(&w->peers);
}

// ---- what the mesh says

static void take_peer(warren *w, const mesh_output *out) {
    w->is_changed = true;
    api_peer *known = api_peers_get(w, out->peer);
    if (out->is_up && !known) (void)add_peer(w, out->peer, out->info);
    if (!out->is_up && known) free_peer(w, known);
}

static void take_service(warren *w, const mesh_output *out) {
    api_peer *p = api_peers_get(w, out->peer);
    if (!p) return;
    w->is_changed = true;
    if (out->is_up) {
        p->services =
            mem_grow(p->services, sizeof *p->services, p->service_count + 1, &p->service_cap);
        p->services[p->service_count++] = copy_text(out->name);
        return;
    }
    for (size_t i = 0; i < p->service_count; i++) {
        if (strlen(p->services[i]) != out->name.len ||
            memcmp(p->services[i], out->name.data, out->name.len) != 0)
            continue;
        free(p->services[i]);
        p->services[i] = p->services[--p->service_count];
        return;
    }
}

// On a new link they come again, the same.
static void take_shape(warren *w, const mesh_output *out) {
    api_peer *p = api_peers_get(w, out->peer);
    if (!p || out->payload.len < sizeof(uint16_t)) return;
    uint32_t id = load_be16(out->payload.data);
    bool is_known = id < p->shapes.count && p->shapes.bodies[id].len == out->payload.len &&
                    memcmp(p->shapes.bodies[id].data, out->payload.data, out->payload.len) == 0;
    if (!is_known && mesh_shapes_add(&p->shapes, out->payload) != 0) w->bad_payloads++;
}

static void take_down(warren *w, const mesh_output *out) {
    api_peer *p = api_peers_get(w, out->peer);
    if (!p) return;
    char *reason = copy_text(out->name);
    warren_down down = {p->peer.id, reason, out->exit_code, out->exit_signal};
    api_monitor *monitor = p->monitors;
    p->monitors = NULL;
    while (monitor) {
        api_monitor *next = monitor->next;
        monitor->on_down(w, &down, monitor->user);
        free(monitor);
        monitor = next;
    }
    free(reason);
}

void api_peers_take(warren *w, const mesh_output *out) {
    switch (out->kind) {
    case MESH_OUT_PEER: take_peer(w, out); break;
    case MESH_OUT_SERVICE: take_service(w, out); break;
    case MESH_OUT_SHAPE: take_shape(w, out); break;
    default: take_down(w, out); break;
    }
}

// ---- the face

const warren_peer *warren_self(const warren *w) {
    return &w->self->peer;
}

const warren_peer *warren_find_peer(const warren *w, uint64_t id) {
    const api_peer *p = api_peers_find(w, id);
    return p ? &p->peer : NULL;
}

void warren_each_peer(warren *w, warren_peer_cb on_peer, void *user) {
    api_peer *p;
    for (size_t cursor = 0; (p = mesh_map_each(&w->peers, &cursor));)
        on_peer(&p->peer, user);
}

void warren_each_instance(warren *w, const char *service, warren_instance_cb on_instance,
                          void *user) {
    api_peer *p;
    for (size_t cursor = 0; (p = mesh_map_each(&w->peers, &cursor));)
        for (size_t i = 0; i < p->service_count; i++)
            if (!service || strcmp(service, p->services[i]) == 0)
                on_instance(p->services[i], &p->peer, user);
}

int warren_monitor(warren *w, uint64_t id, warren_down_cb on_down, void *user) {
    api_peer *p = api_peers_find(w, id);
    if (!p || p == w->self) return WARREN_NOT_FOUND;
    if (w->is_closing) return WARREN_CLOSED;
    api_monitor *monitor = mem_alloc(sizeof *monitor);
    *monitor = (api_monitor){on_down, user, p->monitors};
    p->monitors = monitor;
    (void)mesh_node_monitor(mesh_member_node(w->member), p->handle);
    return WARREN_OK;
}
