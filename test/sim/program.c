// The program of a simulated node: random work, and an application's bookkeeping of what it is
// told.
#include "world.h"

enum { SUBJECTS = 4, PATTERNS = 7, SERVICES = 3, REPLY_MARK = 0xfe };

static const char *const subjects[SUBJECTS] = {"a.b", "a.c", "x", "a.b.c"};
static const char *const patterns[PATTERNS] = {"a.b", "a.*", ">", "a.>", "x", "*", "*.b.*"};
static const char *const services[SERVICES] = {"alpha", "beta", "gamma"};
static const char *const queues[QUEUE_NAMES] = {"q0", "q1"};

static size_t random_len(world *w) {
    uint32_t kind = pick(w, 100);
    if (kind < 80) return STAMP_LEN + pick(w, 100);
    if (kind < 97) return STAMP_LEN + pick(w, 20000);
    return STAMP_LEN + pick(w, 2) * 250000 + pick(w, 40000);
}

// ---- publishing

static void publish(world *w, uint32_t index, size_t len) {
    member *m = w->members[index];
    if (m->seq == SEQ_MAX) return;
    const char *subject = subjects[pick(w, SUBJECTS)];
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

// ---- calling

static uint32_t free_slot(world *w, const member *m) {
    for (uint32_t i = 0, slot = pick(w, SLOTS_MAX); i < SLOTS_MAX; i++) {
        if (m->slots[(slot + i) % SLOTS_MAX] == 0) return (slot + i) % SLOTS_MAX;
    }
    return SLOTS_MAX;
}

static uint32_t random_peer(world *w, const member *m) {
    uint32_t other = pick(w, w->member_count);
    if (!m->peers[other].is_known || chance(w, 30)) return MESH_PEER_SELF;
    return m->peers[other].handle; // of a dead one too
}

static void call(world *w, uint32_t index) {
    member *m = w->members[index];
    uint32_t slot = free_slot(w, m);
    if (slot == SLOTS_MAX || w->call_count == CALLS_MAX) return;
    bool is_subject = chance(w, 25);
    uint32_t number = w->call_count++;
    w->calls[number] = (call_record){.caller = index, .ran_at = UINT32_MAX};
    m->slots[slot] = number + 1;
    uint32_t timeout_ms = chance(w, 15) ? 0 : 1 + pick(w, 3000);
    w->calls[number].deadline_ms = timeout_ms ? w->now_ms + timeout_ms : UINT64_MAX;
    mesh_call made = {
        .slot = slot,
        .is_subject = is_subject,
        .to_peer = chance(w, 20) ? random_peer(w, m) : MESH_PEER_ANY,
        .name =
            mesh_bytes_text(is_subject ? subjects[pick(w, SUBJECTS)] : services[pick(w, SERVICES)]),
        .method = mesh_bytes_text("run"),
        .timeout_ms = timeout_ms,
        .flags = chance(w, 30) ? MESH_IS_BULK : 0,
        .payload = {w->payload, stamp_write(w->payload, number, index, 0, random_len(w))},
    };
    if (mesh_node_call(m->node, w->now_ms, &made) != 0) check_fail(w, "a call was refused");
    w->result.calls++;
    member_poll(w, index);
}

static void cancel(world *w, uint32_t index) {
    mesh_node_cancel(w->members[index]->node, w->now_ms, pick(w, SLOTS_MAX));
    member_poll(w, index);
}

void program_answer(world *w, uint32_t index, size_t at) {
    member *m = w->members[index];
    served *s = &m->serves[at];
    if (!s->is_used) return;
    uint32_t number = s->call;
    if (has_bug(w, SIM_BUG_WRONG_ANSWER) && chance(w, 10)) number++;
    s->is_used = false;
    m->serve_count--;
    mesh_bytes payload = {w->payload,
                          stamp_write(w->payload, number, index, REPLY_MARK, random_len(w))};
    uint32_t code = chance(w, 20) ? MESH_CALL_APPLICATION : 0;
    mesh_node_answer(m->node, w->now_ms, s->slot, code, 0, payload);
    if (has_bug(w, SIM_BUG_ANSWERED_TWICE) && m->last_answered != UINT32_MAX)
        mesh_node_answer(m->node, w->now_ms, m->last_answered, 0, 0, payload);
    m->last_answered = s->slot;
    member_poll(w, index);
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
        .name = is_service ? services[pick(w, SERVICES)] : patterns[pick(w, PATTERNS)],
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

static void answer_or_send(world *w, uint32_t index, size_t at) {
    if (chance(w, 40))
        streams_send(w, index, at);
    else
        program_answer(w, index, at);
}

static void take_or_grant(world *w, uint32_t index) {
    if (chance(w, 40))
        streams_grant(w, index);
    else
        program_consume(w, index, pick(w, w->member_count));
}

void program_act(world *w, uint32_t index) {
    uint32_t kind = pick(w, 100);
    if (kind < 25)
        publish(w, index, random_len(w));
    else if (kind < 26)
        burst(w, index);
    else if (kind < 48)
        call(w, index);
    else if (kind < 52)
        cancel(w, index);
    else if (kind < 68)
        answer_or_send(w, index, pick(w, SERVES_MAX) % 32);
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
}

// ---- events

static uint32_t member_of(const world *w, uint32_t index, uint32_t handle) {
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
    uint32_t other = member_of(w, index, out->peer);
    if (other == MEMBERS_MAX || !m->peers[other].is_monitored)
        check_fail(w, "DOWN came twice or without a monitor");
    else
        m->peers[other].is_monitored = false;
}

static void take_request(world *w, uint32_t index, const mesh_output *out) {
    uint32_t number, caller, mark;
    if (!stamp_read(out->payload, &number, &caller, &mark) || number >= w->call_count) {
        check_fail(w, "a request arrived changed");
        return;
    }
    call_record *record = &w->calls[number];
    if (++record->run_count > 1) check_fail(w, "call %u ran twice", number);
    if (record->is_certainly_not_run) check_fail(w, "call %u ran after 'not delivered'", number);
    if (caller != record->caller || member_of(w, index, out->peer) != caller)
        check_fail(w, "call %u came from the wrong peer", number);
    record->ran_at = index;
    member *m = w->members[index];
    size_t at = 0;
    while (m->serves[at].is_used)
        at++;
    CHECK(at < SERVES_MAX);
    m->serves[at] = (served){out->slot, number, true};
    m->serve_count++;
}

static void take_abort(world *w, uint32_t index, const mesh_output *out) {
    const member *m = w->members[index];
    for (size_t i = 0; i < SERVES_MAX; i++) {
        if (m->serves[i].is_used && m->serves[i].slot == out->slot) return;
    }
    check_fail(w, "ABORT of a call that is not served");
}

static void take_outcome(world *w, uint32_t index, const mesh_output *out) {
    member *m = w->members[index];
    if (out->slot >= SLOTS_MAX || m->slots[out->slot] == 0) {
        check_fail(w, "an outcome for a slot without a call");
        return;
    }
    uint32_t number = m->slots[out->slot] - 1;
    m->slots[out->slot] = 0;
    call_record *record = &w->calls[number];
    record->outcome_count++;
    if (!record->is_stream && record->deadline_ms < w->now_ms - STEP_MS_MAX)
        check_fail(w, "call %u was not over at its deadline", number);
    bool has_content = out->kind == MESH_OUT_REPLY || out->code == MESH_CALL_APPLICATION;
    uint32_t answered, by, mark;
    if (has_content && (!stamp_read(out->payload, &answered, &by, &mark) || mark != REPLY_MARK))
        check_fail(w, "an answer arrived changed");
    else if (has_content && (answered != number || by != record->ran_at))
        check_fail(w, "call %u got the answer of call %u", number, answered);
    if (out->kind == MESH_OUT_REPLY && record->items_received != record->items_sent)
        check_fail(w, "call %u ended without all of its items", number);
    bool is_certain = out->kind == MESH_OUT_ERROR && !out->is_maybe;
    if (is_certain && record->run_count > 0)
        check_fail(w, "call %u ran and was told 'not delivered'", number);
    record->is_certainly_not_run |= is_certain;
}

static void take_shape(world *w, uint32_t index, const mesh_output *out) {
    known_peer *peer = &w->members[index]->peers[member_of(w, index, out->peer)];
    uint32_t id = (uint32_t)out->payload.data[0] << 8 | out->payload.data[1];
    if (id != peer->shapes++) check_fail(w, "shape %u out of order", id);
}

static void take_message(world *w, uint32_t index, const mesh_output *out) {
    uint32_t sender = member_of(w, index, out->peer);
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
    case MESH_OUT_REQUEST: take_request(w, index, out); break;
    case MESH_OUT_ABORT: take_abort(w, index, out); break;
    case MESH_OUT_ITEM: streams_take(w, index, out); break;
    case MESH_OUT_REPLY:
    case MESH_OUT_ERROR: take_outcome(w, index, out); break;
    case MESH_OUT_DOWN: take_down(w, index, out); break;
    case MESH_OUT_DRAIN:
        w->members[index]->awaits_drain[out->flags & MESH_IS_BULK ? MESH_LANE_BULK : 0] = false;
        break;
    default: break;
    }
}
