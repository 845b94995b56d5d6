// What neighbours send, and the deltas of other hosts.
#include <sodium.h>

#include "cluster/replica_state.h"
#include "core/error.h"
#include "core/mem.h"

typedef Warren__Overlay__Overlay overlay;

bool mesh_replica_is_signed(mesh_replica *r, const mesh_head *head) {
    const uint8_t *key = r->options.key_of(head->host_id, r->options.user);
    if (key == NULL) return false;
    uint8_t text[MESH_HEAD_TEXT_LEN];
    mesh_head_text(head, text);
    if (r->options.verify != NULL)
        return r->options.verify(head->signature, (mesh_bytes){text, sizeof text}, key,
                                 r->options.user);
    return crypto_sign_verify_detached(head->signature, text, sizeof text, key) == 0;
}

static int apply_all(mesh_replica *r, mesh_replica_host *host, mesh_bytes bytes) {
    mesh_budget budget;
    mesh_budget_init(&budget, MESH_OVERLAY_BUDGET);
    Warren__Overlay__Ops *ops =
        warren__overlay__ops__unpack(&budget.allocator, bytes.len, bytes.data);
    if (ops == NULL) return MESH_EPROTO;
    int err = 0;
    mesh_op op;
    for (size_t i = 0; i < ops->n_op && err == 0; i++)
        err = mesh_ops_read(ops->op[i], &op) ? mesh_replica_apply(r, host, &op) : MESH_EPROTO;
    warren__overlay__ops__free_unpacked(ops, &budget.allocator);
    return err;
}

// True: the map is at head->version, as the host has it.
static bool advance(mesh_replica *r, mesh_replica_host *host, const mesh_head *head,
                    mesh_bytes ops) {
    uint8_t hash[MESH_HASH_LEN];
    bool is_good = apply_all(r, host, ops) == 0;
    if (is_good) {
        mesh_host_map_hash(host->map, hash);
        is_good = memcmp(hash, head->state_hash, MESH_HASH_LEN) == 0;
    }
    if (!is_good) {
        // The host signed what cannot be applied, or over another map than it says: no map of it
        // can be trusted until it is fetched as a whole.
        r->stats.bad_maps++;
        mesh_replica_lose(r, host, "unreachable");
        mesh_replica_set_version(r, host, head->version);
        return false;
    }
    host->head = *head;
    mesh_replica_set_version(r, host, head->version);
    return true;
}

static int on_delta(mesh_replica *r, const uint8_t from[MESH_ID_LEN],
                    const Warren__Overlay__Delta *delta, mesh_bytes message) {
    mesh_head head;
    if (mesh_head_read(delta->head, &head) != 0) return MESH_EPROTO;
    mesh_replica_host *host = mesh_replica_find(r, head.host_id);
    if (host == NULL || host == r->self || mesh_replica_is_gone(host)) return 0;
    if (head.generation != host->generation)
        return 0; // membership brings the new one, or it is old
    if (head.version <= host->version) {
        r->stats.duplicates++;
        return 0;
    }
    if (head.from != mesh_replica_has(host)) {
        mesh_replica_want(r, host, head.version, from);
        return 0;
    }
    mesh_bytes ops = {delta->ops.data, delta->ops.len};
    uint8_t hash[MESH_HASH_LEN];
    mesh_ops_hash(ops, hash);
    if (memcmp(hash, head.ops_hash, MESH_HASH_LEN) != 0 || !mesh_replica_is_signed(r, &head)) {
        r->stats.bad_signatures++;
        return MESH_EPROTO;
    }
    if (r->stats.bytes + ops.len > MESH_REPLICA_BYTES_MAX) return 0;
    if (!advance(r, host, &head, ops)) return 0;
    r->stats.deltas++;
    for (size_t i = 0; i < r->neighbour_count; i++) {
        if (memcmp(r->neighbours[i].id, from, MESH_ID_LEN) == 0) continue;
        mesh_replica_send_bytes(r, r->neighbours[i].id, message);
    }
    return 0;
}

static int dispatch(mesh_replica *r, const uint8_t from[MESH_ID_LEN], const overlay *message,
                    mesh_bytes bytes) {
    switch (message->kind_case) {
    case WARREN__OVERLAY__OVERLAY__KIND_DELTA: return on_delta(r, from, message->delta, bytes);
    case WARREN__OVERLAY__OVERLAY__KIND_PAGE: return mesh_replica_on_page(r, from, message->page);
    case WARREN__OVERLAY__OVERLAY__KIND_SUMMARY:
        return mesh_replica_on_summary(r, from, message->summary);
    case WARREN__OVERLAY__OVERLAY__KIND_HAVE: return mesh_replica_on_have(r, from, message->have);
    case WARREN__OVERLAY__OVERLAY__KIND_FETCH:
        return mesh_replica_on_fetch(r, from, message->fetch);
    default: return 0; // of a later minor
    }
}

int mesh_replica_receive(mesh_replica *r, uint64_t now_ms, const uint8_t neighbour[MESH_ID_LEN],
                         mesh_bytes bytes) {
    r->now_ms = now_ms;
    if (bytes.len > MESH_OVERLAY_LEN_MAX) return MESH_EPROTO;
    if (mesh_replica_neighbour_find(r, neighbour) == NULL) return 0; // its link has ended
    mesh_budget budget;
    mesh_budget_init(&budget, MESH_OVERLAY_BUDGET);
    overlay *message = warren__overlay__overlay__unpack(&budget.allocator, bytes.len, bytes.data);
    if (message == NULL) return MESH_EPROTO;
    int err = dispatch(r, neighbour, message, bytes);
    warren__overlay__overlay__free_unpacked(message, &budget.allocator);
    mesh_replica_say_now(r);
    mesh_replica_start_fetches(r);
    return err;
}
