// Links between agents: bytes in order, until they break.
#include "core/error.h"
#include "registry_world.h"

enum { LATENCY_MS_MAX = 40, DIAL_MS_MAX = 200, DIAL_TIMEOUT_MS = 3000 };

static void clear(link *l) {
    while (l->first != NULL) {
        message *m = l->first;
        l->first = m->next;
        free(m->bytes);
        free(m);
    }
    l->last = &l->first;
}

void network_deinit(world *w) {
    for (int a = 0; a < HOSTS_MAX; a++)
        for (int b = 0; b < HOSTS_MAX; b++)
            clear(&w->links[a][b]);
    for (uint32_t i = 0; i < w->stash_count; i++)
        free(w->stash[i].bytes);
}

static void tell_end(world *w, int at, int of) {
    link *l = &w->links[at][of];
    if (!l->is_told) return;
    l->is_told = false;
    host *h = &w->hosts[at];
    if (h->replica == NULL) return;
    mesh_replica_neighbour_down(h->replica, w->hosts[of].id);
    if (has_bug(w, REGISTRY_BUG_UNLINKED_FORGOTTEN)) return;
    mesh_overlay_unlinked(h->overlay, w->now_ms, w->hosts[of].id);
}

void network_break(world *w, int a, int b, uint32_t notice_ms_max) {
    if (!w->links[a][b].is_up) return;
    const int ends[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        link *l = &w->links[ends[i]][ends[1 - i]];
        clear(l);
        l->is_up = false;
        l->told_at_ms = w->now_ms + pick(w, notice_ms_max + 1);
    }
    w->result.breaks++;
}

static void begin(world *w, int at, int of) {
    tell_end(w, at, of); // of the link before, if it has not been noticed yet
    link *l = &w->links[at][of];
    clear(l);
    l->is_up = l->is_told = true;
    l->last_at_ms = w->now_ms;
    mesh_overlay_linked(w->hosts[at].overlay, w->now_ms, w->hosts[of].id);
    mesh_replica_neighbour_up(w->hosts[at].replica, w->now_ms, w->hosts[of].id);
}

static void end_dial(world *w, int from, int to) {
    host *h = &w->hosts[from];
    h->dial_at_ms[to] = 0;
    if (w->links[from][to].is_up) return; // the other side was faster
    bool is_there = w->hosts[to].replica != NULL && !w->is_cut[from][to];
    if (!is_there) {
        mesh_overlay_unlinked(h->overlay, w->now_ms, w->hosts[to].id);
        return;
    }
    begin(w, from, to);
    begin(w, to, from);
}

void network_dial(world *w, int from, int to) {
    uint32_t most = w->is_cut[from][to] ? DIAL_TIMEOUT_MS : DIAL_MS_MAX;
    w->hosts[from].dial_at_ms[to] = w->now_ms + 1 + pick(w, most);
}

static void keep_for_a_liar(world *w, mesh_bytes bytes) {
    uint32_t at = w->stash_count < STASH_MAX ? w->stash_count++ : pick(w, STASH_MAX);
    free(w->stash[at].bytes);
    w->stash[at] = (message){.bytes = mem_copy(bytes.data, bytes.len), .len = bytes.len};
}

static void put_message(world *w, int from, int to, mesh_bytes bytes) {
    link *l = &w->links[from][to];
    message *m = mem_alloc(sizeof *m);
    m->bytes = mem_copy(bytes.data, bytes.len);
    m->len = bytes.len;
    uint64_t at_ms = w->now_ms + pick(w, LATENCY_MS_MAX);
    if (!w->is_calm && chance(w, 1)) at_ms += pick(w, 3000);
    m->at_ms = at_ms > l->last_at_ms ? at_ms : l->last_at_ms;
    l->last_at_ms = m->at_ms;
    *l->last = m;
    l->last = &m->next;
}

static bool is_summary(mesh_bytes bytes) {
    return bytes.len > 0 && bytes.data[0] == 0x1a; // field 3 of Overlay
}

void network_send(world *w, int from, int to, mesh_bytes bytes) {
    if (bytes.len == 0 || bytes.len > MESH_OVERLAY_LEN_MAX)
        check_fail(w, "host %d sends a message of %zu bytes", from, bytes.len);
    if (!w->links[from][to].is_told)
        check_fail(w, "host %d sends to host %d without a link", from, to);
    if (!w->links[from][to].is_up) return; // into a broken one
    w->result.messages++;
    w->result.bytes += bytes.len;
    if (chance(w, 5)) keep_for_a_liar(w, bytes);
    if (has_bug(w, REGISTRY_BUG_REPAIR_LOST) && (is_summary(bytes) || chance(w, 20))) return;
    put_message(w, from, to, bytes);
}

// What is on its way at the time of an error belongs to the link that ends.
static void deliver(world *w, int from, int to) {
    link *l = &w->links[from][to];
    message *m = l->first;
    l->first = m->next;
    if (l->first == NULL) l->last = &l->first;
    int err = mesh_replica_receive(w->hosts[to].replica, w->now_ms, w->hosts[from].id,
                                   (mesh_bytes){m->bytes, m->len});
    free(m->bytes);
    free(m);
    agent_carry_out(w, to);
    if (err != 0) network_break(w, from, to, 0);
}

static void step_link(world *w, int from, int to) {
    link *l = &w->links[from][to];
    while (l->first != NULL && l->first->at_ms <= w->now_ms && w->hosts[to].replica != NULL)
        deliver(w, from, to);
    if (!l->is_up && l->is_told && w->now_ms >= l->told_at_ms) tell_end(w, from, to);
}

void network_step(world *w) {
    for (int from = 0; from < w->host_count; from++)
        for (int to = 0; to < w->host_count; to++) {
            step_link(w, from, to);
            uint64_t dial_at_ms = w->hosts[from].dial_at_ms[to];
            if (dial_at_ms != 0 && w->now_ms >= dial_at_ms) end_dial(w, from, to);
        }
}

// ---- a neighbour that lies: it has the keys of its own host only

static mesh_bytes invent(world *w, uint8_t room[4096]) {
    const node *victim = &w->nodes[pick(w, w->node_count)];
    const host *h = &w->hosts[victim->host];
    mesh_ops ops = {0};
    mesh_op end = {.kind = MESH_OP_END,
                   .number = victim->id,
                   .reason = mesh_bytes_text("invented"),
                   .code = 77};
    mesh_ops_add(&ops, &end);
    uint64_t version = h->replica != NULL ? mesh_replica_version(h->replica) : 1;
    mesh_head head = {.generation = h->generation, .from = version, .version = version + 1};
    memcpy(head.host_id, h->id, MESH_ID_LEN);
    mesh_ops_hash(mesh_ops_bytes(&ops), head.ops_hash);
    mesh_head_sign(&head, w->hosts[(victim->host + 1) % w->host_count].secret);

    Warren__Overlay__Head head_message = mesh_head_message(&head);
    Warren__Overlay__Delta delta = WARREN__OVERLAY__DELTA__INIT;
    delta.head = &head_message;
    delta.ops = (ProtobufCBinaryData){ops.len, ops.data};
    Warren__Overlay__Overlay overlay = WARREN__OVERLAY__OVERLAY__INIT;
    overlay.kind_case = WARREN__OVERLAY__OVERLAY__KIND_DELTA;
    overlay.delta = &delta;
    size_t len = warren__overlay__overlay__pack(&overlay, room);
    free(ops.data);
    return (mesh_bytes){room, len};
}

void network_lie(world *w) {
    int from = (int)pick(w, (uint32_t)w->host_count), to = (int)pick(w, (uint32_t)w->host_count);
    if (from == to || !w->links[from][to].is_up || w->node_count == 0) return;
    w->result.lies++;
    uint8_t room[4096];
    if (w->stash_count == 0 || chance(w, 40)) {
        put_message(w, from, to, invent(w, room));
        return;
    }
    message *m = &w->stash[pick(w, w->stash_count)];
    if (chance(w, 60)) m->bytes[pick(w, (uint32_t)m->len)] ^= (uint8_t)(1 << pick(w, 8));
    put_message(w, from, to, (mesh_bytes){m->bytes, m->len});
}
