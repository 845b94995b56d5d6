// The program of a simulated node: random work, and an application's bookkeeping of what it is
// told.
#include "world.h"

enum { PATTERNS = 7 };

static const char *const patterns[PATTERNS] = {"a.b", "a.*", ">", "a.>", "x", "*", "*.b.*"};
static const char *const queues[QUEUE_NAMES] = {"q0", "q1"};

size_t program_len(world *w) {
    uint32_t kind = pick(w, 100);
    if (kind < 80) return STAMP_LEN + pick(w, 100);
    if (kind < 97) return STAMP_LEN + pick(w, 20000);
    return STAMP_LEN + pick(w, 2) * 250000 + pick(w, 40000);
}

const char *program_subject(world *w) {
    static const char *const subjects[] = {"a.b", "a.c", "x", "a.b.c"};
    return subjects[pick(w, 4)];
}

const char *program_service(world *w) {
    static const char *const services[] = {"alpha", "beta", "gamma"};
    return services[pick(w, 3)];
}

// ---- publishing

static void publish(world *w, uint32_t index, size_t len) {
    member *m = w->members[index];
    if (m->seq == SEQ_MAX) return;
    const char *subject = program_subject(w);
    mesh_bytes payload = {w->payload, stamp_write(w->payload, index, m->seq, m->shapes, len)};
    mesh_lane lane = chance(w, 30) ? MESH_LANE_BULK : MESH_LANE_NORMAL;
    int err = mesh_node_publish(m->node, w->now_ms, mesh_bytes_text(subject),
                                lane == MESH_LANE_BULK ? MESH_IS_BULK : 0, payload);
    if (err == 0) check_published(w, index, subject, lane, m->seq++);
    w->result.publications++;
    member_poll(w, index);
}

static void burst(world *w, uint32_t index) {
    for (uint32_t i = 0; i < 60; i++)
        publish(w, index, STAMP_LEN + pick(w, 40000));
}

// ---- the rest

void program_consume(world *w, uint32_t index, uint32_t peer_member) {
    member *m = w->members[index];
    known_peer *peer = &m->peers[peer_member];
    for (mesh_lane lane = 0; lane < MESH_LANE_COUNT; lane++) {
        uint64_t *held = &peer->held[lane], *link_held = &peer->link_held[lane];
        if (*held == 0 || has_bug(w, SIM_BUG_CONSUMED_FORGOTTEN)) continue;
        uint64_t cost = w->is_calm || chance(w, 50) ? *held : 1 + pick(w, (uint32_t)*held);
        // The oldest are taken first: those of a link that is gone by now.
        uint64_t older = *held - *link_held;
        if (cost > older) *link_held -= cost - older;
        *held -= cost;
        uint32_t handle = peer_member == index ? MESH_PEER_SELF : peer->handle;
        mesh_node_consumed(m->node, handle, lane, cost);
        member_poll(w, index);
    }
}

static void announce(world *w, uint32_t index) {
    member *m = w->members[index];
    if (w->entry_count == ENTRIES_MAX) return;
    bool is_service = chance(w, 40);
    bool has_queue = !is_service && chance(w, 30);
    int queue = has_queue ? (int)pick(w, QUEUE_NAMES) : -1;
    entry made = {
        .member = index,
        .entry_id = m->next_entry_id++,
        .kind = is_service ? MESH_ENTRY_SERVICE : MESH_ENTRY_SUBSCRIPTION,
        .name = is_service ? program_service(w) : patterns[pick(w, PATTERNS)],
        .queue = has_queue ? queues[queue] : "",
        .queue_index = queue,
    };
    mesh_entry put = {.entry_id = made.entry_id,
                      .kind = made.kind,
                      .name = mesh_bytes_text(made.name),
                      .queue = mesh_bytes_text(made.queue)};
    if (mesh_node_announce(m->node, &put) != 0) return; // it serves that name already
    m->knows[w->entry_count] = true;
    agent_say(w, (word){WORD_ANNOUNCE, index, w->entry_count, 0});
    w->entries[w->entry_count++] = made;
    member_poll(w, index);
}

static void withdraw(world *w, uint32_t index) {
    if (w->entry_count == 0) return;
    uint32_t at = pick(w, w->entry_count);
    entry *e = &w->entries[at];
    if (e->member != index || e->is_withdrawn) return;
    e->is_withdrawn = true;
    w->members[index]->knows[at] = false;
    if (mesh_node_withdraw(w->members[index]->node, e->entry_id) != 0)
        check_fail(w, "an entry could not be withdrawn");
    agent_say(w, (word){WORD_WITHDRAW, index, at, 0});
    member_poll(w, index);
}

void program_monitor(world *w, uint32_t index, uint32_t peer_member) {
    member *m = w->members[index];
    known_peer *peer = &m->peers[peer_member];
    if (!peer->is_known || peer_member == index) return;
    bool is_gone = mesh_node_monitor(m->node, peer->handle) != 0;
    if (is_gone)
        m->noproc_due++;
    else
        peer->is_monitored = true;
    member_poll(w, index);
}

static void demonitor(world *w, uint32_t index) {
    member *m = w->members[index];
    known_peer *peer = &m->peers[pick(w, w->member_count)];
    if (!peer->is_monitored || peer->was_down_told) return;
    mesh_node_demonitor(m->node, peer->handle);
    peer->is_monitored = false;
}

static void add_shape(world *w, uint32_t index) {
    member *m = w->members[index];
    uint8_t body[] = {(uint8_t)(m->shapes >> 8), (uint8_t)m->shapes, 1, 2, 'i', 'd'};
    if (mesh_node_shape(m->node, (mesh_bytes){body, sizeof body}) != 0)
        check_fail(w, "a shape was refused");
    m->shapes++;
}

// The agent says that a node's loop does not turn, or turns again.
static void stall(world *w, uint32_t index) {
    uint32_t other = pick(w, w->member_count);
    known_peer *peer = &w->members[index]->peers[other];
    if (!peer->is_known || peer->is_down) return;
    peer->is_stalled = !peer->is_stalled;
    if (has_bug(w, SIM_BUG_STALL_FORGOTTEN)) return;
    mesh_node_peer_stalled(w->members[index]->node, w->members[other]->id, peer->is_stalled);
    member_poll(w, index);
}

static void take_or_grant(world *w, uint32_t index) {
    uint32_t kind = pick(w, 100);
    if (kind < 25)
        streams_grant(w, index);
    else if (kind < 60)
        inputs_send(w, index);
    else
        program_consume(w, index, pick(w, w->member_count));
}

void program_act(world *w, uint32_t index) {
    uint32_t kind = pick(w, 100);
    if (kind < 25)
        publish(w, index, program_len(w));
    else if (kind < 26)
        burst(w, index);
    else if (kind < 48)
        calls_make(w, index);
    else if (kind < 52)
        calls_cancel(w, index);
    else if (kind < 68)
        calls_serve(w, index, pick(w, 16));
    else if (kind < 84)
        take_or_grant(w, index);
    else if (kind < 90)
        announce(w, index);
    else if (kind < 92)
        withdraw(w, index);
    else if (kind < 95)
        program_monitor(w, index, pick(w, w->member_count));
    else if (kind < 96)
        demonitor(w, index);
    else if (kind < 98)
        add_shape(w, index);
    else if (kind < 99)
        stall(w, index);
    member *m = w->members[index];
    if (m->answer_due == 0) return;
    size_t at = m->answer_due - 1;
    m->answer_due = 0;
    calls_answer(w, index, at);
}

// ---- events

uint32_t program_member_of(const world *w, uint32_t index, uint32_t handle) {
    if (handle == MESH_PEER_SELF) return index;
    const member *m = w->members[index];
    for (uint32_t i = 0; i < w->member_count; i++) {
        if (m->peers[i].is_known && m->peers[i].handle == handle) return i;
    }
    return MEMBERS_MAX;
}

static void take_peer(world *w, uint32_t index, const mesh_output *out) {
    member *m = w->members[index];
    known_peer *peer = &m->peers[out->info->pid];
    if (out->is_up) {
        *peer = (known_peer){.handle = out->peer, .is_known = true};
        return;
    }
    if (!peer->is_known || peer->was_down_told) check_fail(w, "a peer went twice");
    if (!w->members[out->info->pid]->is_dead_to_agent)
        check_fail(w, "a living peer was said to be gone");
    if (peer->is_monitored) check_fail(w, "a monitored peer went without DOWN");
    peer->was_down_told = true;
}

static void take_down(world *w, uint32_t index, const mesh_output *out) {
    member *m = w->members[index];
    if (out->name.len == 6 && memcmp(out->name.data, "noproc", 6) == 0) {
        if (m->noproc_due-- == 0) check_fail(w, "DOWN of nobody that was monitored");
        return;
    }
    uint32_t other = program_member_of(w, index, out->peer);
    if (other == MEMBERS_MAX || !m->peers[other].is_monitored)
        check_fail(w, "DOWN came twice or without a monitor");
    else
        m->peers[other].is_monitored = false;
}

static void take_shape(world *w, uint32_t index, const mesh_output *out) {
    known_peer *peer = &w->members[index]->peers[program_member_of(w, index, out->peer)];
    uint32_t id = (uint32_t)out->payload.data[0] << 8 | out->payload.data[1];
    if (id != peer->shapes++) check_fail(w, "shape %u out of order", id);
}

static void take_message(world *w, uint32_t index, const mesh_output *out) {
    uint32_t sender = program_member_of(w, index, out->peer);
    known_peer *peer = &w->members[index]->peers[sender];
    check_message(w, index, sender, out);
    mesh_lane lane = out->flags & MESH_IS_BULK ? MESH_LANE_BULK : MESH_LANE_NORMAL;
    peer->held[lane] += out->cost;
    peer->link_held[lane] += out->cost;
}

void program_take(world *w, uint32_t index, const mesh_output *out) {
    switch (out->kind) {
    case MESH_OUT_PEER: take_peer(w, index, out); break;
    case MESH_OUT_SHAPE: take_shape(w, index, out); break;
    case MESH_OUT_MESSAGE: take_message(w, index, out); break;
    case MESH_OUT_REQUEST: calls_take_request(w, index, out); break;
    case MESH_OUT_ABORT: calls_take_abort(w, index, out); break;
    case MESH_OUT_ITEM: streams_take(w, index, out); break;
    case MESH_OUT_INPUT: inputs_take(w, index, out); break;
    case MESH_OUT_TAKE: inputs_take_room(w, index, out); break;
    case MESH_OUT_REPLY:
    case MESH_OUT_ERROR: calls_take_outcome(w, index, out); break;
    case MESH_OUT_DOWN: take_down(w, index, out); break;
    case MESH_OUT_DRAIN:
        w->members[index]->awaits_drain[out->flags & MESH_IS_BULK ? MESH_LANE_BULK : 0] = false;
        break;
    case MESH_OUT_GAP: w->members[index]->lost += out->cost; break;
    default: break;
    }
}
