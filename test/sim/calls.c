// The calls of simulated programs: made with deadlines of every kind, cancelled at any time, made
// by handlers within the time they have, and answered late or never asked for again. One outcome
// each, in time, and at most one run.
#include "core/node_state.h"
#include "world.h"

enum { REPLY_MARK = 0xfe, NONE = UINT32_MAX };

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

// As far as this member was told: it serves that name, and its loop turns.
static bool may_be_chosen(const world *w, uint32_t index, uint32_t chosen, const char *name) {
    const member *m = w->members[index];
    if (m->peers[chosen].is_stalled) return false;
    for (uint32_t i = 0; i < w->entry_count; i++) {
        const entry *e = &w->entries[i];
        bool is_it = e->member == chosen && e->kind == MESH_ENTRY_SERVICE && m->knows[i];
        if (is_it && strcmp(e->name, name) == 0) return true;
    }
    return false;
}

static void check_choice(world *w, uint32_t index, const mesh_call *made, const char *name) {
    const mesh_made_call *open = mesh_calls_get(&w->members[index]->node->calls, made->slot);
    if (!open || made->is_subject || made->to_peer != MESH_PEER_ANY) return;
    uint32_t chosen = program_member_of(w, index, open->peer);
    if (chosen == MEMBERS_MAX || !may_be_chosen(w, index, chosen, name))
        check_fail(w, "member %u chose member %u, which does not serve that or is stalled", index,
                   chosen);
}

// `parent`: the call that it is part of, or NONE.
static void make(world *w, uint32_t index, uint32_t parent, uint32_t timeout_ms) {
    member *m = w->members[index];
    uint32_t slot = free_slot(w, m);
    if (slot == SLOTS_MAX || w->call_count == CALLS_MAX) return;
    bool is_subject = chance(w, 25), has_input = chance(w, 40);
    uint32_t number = w->call_count++;
    w->calls[number] =
        (call_record){.caller = index,
                      .ran_at = NONE,
                      .parent = parent,
                      .timeout_ms = timeout_ms,
                      .has_input = has_input,
                      .deadline_ms = timeout_ms ? w->now_ms + timeout_ms : UINT64_MAX};
    m->slots[slot] = number + 1;
    const char *name = is_subject ? program_subject(w) : program_service(w);
    mesh_call made = {
        .slot = slot,
        .is_subject = is_subject,
        .to_peer = chance(w, 20) ? random_peer(w, m) : MESH_PEER_ANY,
        .name = mesh_bytes_text(name),
        .method = mesh_bytes_text("run"),
        .timeout_ms = timeout_ms,
        .flags = (chance(w, 30) ? MESH_IS_BULK : 0) | (has_input ? MESH_INPUT_IS_STREAM : 0),
        .payload = {w->payload, stamp_write(w->payload, number, index, 0, program_len(w))},
    };
    if (mesh_node_call(m->node, w->now_ms, &made) != 0) check_fail(w, "a call was refused");
    check_choice(w, index, &made, name);
    w->result.calls++;
    member_poll(w, index);
}

void calls_make(world *w, uint32_t index) {
    make(w, index, NONE, chance(w, 15) ? 0 : 1 + pick(w, 3000));
}

// A handler calls, in the time that it has left.
static void nest(world *w, uint32_t index, size_t at) {
    const served *s = &w->members[index]->serves[at];
    if (!s->is_used || s->is_aborted) return;
    uint64_t until_ms = s->until_ms, now_ms = w->now_ms;
    if (until_ms <= now_ms) return;
    make(w, index, s->call, until_ms == UINT64_MAX ? 0 : (uint32_t)(until_ms - now_ms));
}

void calls_cancel(world *w, uint32_t index) {
    mesh_node_cancel(w->members[index]->node, w->now_ms, pick(w, SLOTS_MAX));
    member_poll(w, index);
}

// ---- serving

void calls_answer(world *w, uint32_t index, size_t at) {
    member *m = w->members[index];
    served *s = &m->serves[at];
    if (!s->is_used) return;
    uint32_t number = s->call;
    if (has_bug(w, SIM_BUG_WRONG_ANSWER) && chance(w, 10)) number++;
    s->is_used = false;
    m->serve_count--;
    mesh_bytes payload = {w->payload,
                          stamp_write(w->payload, number, index, REPLY_MARK, program_len(w))};
    uint32_t code = chance(w, 20) ? MESH_CALL_APPLICATION : 0;
    mesh_node_answer(m->node, w->now_ms, s->slot, code, 0, payload);
    if (has_bug(w, SIM_BUG_ANSWERED_TWICE) && m->last_answered != UINT32_MAX)
        mesh_node_answer(m->node, w->now_ms, m->last_answered, 0, 0, payload);
    m->last_answered = s->slot;
    member_poll(w, index);
}

void calls_serve(world *w, uint32_t index, size_t at) {
    const served *s = &w->members[index]->serves[at];
    if (!s->is_used) return;
    const call_record *record = &w->calls[s->call];
    bool is_reading = record->has_input && !record->has_input_ended && !s->is_aborted;
    uint32_t kind = pick(w, 100);
    if (kind < 30) {
        streams_send(w, index, at);
    } else if (kind < 40) {
        nest(w, index, at);
    } else if (is_reading && kind < 90) {
        inputs_read(w, index, s);
        member_poll(w, index);
    } else {
        calls_answer(w, index, at);
    }
}

served *calls_served(world *w, uint32_t index, uint32_t slot) {
    served *serves = w->members[index]->serves;
    for (size_t i = 0; i < SERVES_MAX; i++) {
        if (serves[i].is_used && serves[i].slot == slot) return &serves[i];
    }
    return NULL;
}

static void check_time_left(world *w, uint32_t number, uint32_t left_ms) {
    const call_record *record = &w->calls[number];
    if ((left_ms == 0) != (record->timeout_ms == 0))
        check_fail(w, "the deadline of call %u was lost or made up", number);
    if (left_ms > record->timeout_ms)
        check_fail(w, "call %u came with more time than it was given", number);
}

void calls_take_request(world *w, uint32_t index, const mesh_output *out) {
    uint32_t number, caller, mark;
    if (!stamp_read(out->payload, &number, &caller, &mark) || number >= w->call_count) {
        check_fail(w, "a request arrived changed");
        return;
    }
    call_record *record = &w->calls[number];
    if (++record->run_count > 1) check_fail(w, "call %u ran twice", number);
    if (record->is_certainly_not_run) check_fail(w, "call %u ran after 'not delivered'", number);
    if (caller != record->caller || program_member_of(w, index, out->peer) != caller)
        check_fail(w, "call %u came from the wrong peer", number);
    if (!(out->flags & MESH_INPUT_IS_STREAM) != !record->has_input)
        check_fail(w, "call %u lost or got an input", number);
    check_time_left(w, number, out->timeout_ms);
    record->ran_at = index;
    member *m = w->members[index];
    size_t at = 0;
    while (m->serves[at].is_used)
        at++;
    CHECK(at < SERVES_MAX);
    uint64_t until_ms = out->timeout_ms ? w->now_ms + out->timeout_ms : UINT64_MAX;
    m->serves[at] =
        (served){.slot = out->slot, .call = number, .is_used = true, .until_ms = until_ms};
    m->serve_count++;
    if (chance(w, 70) && !w->is_calm) inputs_read(w, index, &m->serves[at]);
}

void calls_take_abort(world *w, uint32_t index, const mesh_output *out) {
    served *s = calls_served(w, index, out->slot);
    if (!s || s->is_aborted) {
        check_fail(w, "ABORT of a call that is not served, or for the second time");
        return;
    }
    s->is_aborted = true;
}

static void check_awaited(world *w, uint32_t index, const served *s) {
    if (!s->is_used || s->is_aborted) return;
    const call_record *record = &w->calls[s->call];
    if (record->outcome_count > 0 || !w->members[record->caller]->is_alive)
        check_fail(w, "member %u was not told that nobody waits for call %u", index, s->call);
}

// Nothing is under way any more: who still serves a call has a caller who waits for it.
void calls_check_awaited(world *w) {
    for (uint32_t i = 0; i < w->member_count; i++) {
        const member *m = w->members[i];
        for (size_t at = 0; m->is_alive && at < SERVES_MAX; at++)
            check_awaited(w, i, &m->serves[at]);
    }
}

// ---- outcomes

static void check_content(world *w, uint32_t number, const mesh_output *out) {
    uint32_t answered, by, mark;
    if (!stamp_read(out->payload, &answered, &by, &mark) || mark != REPLY_MARK)
        check_fail(w, "an answer arrived changed");
    else if (answered != number || by != w->calls[number].ran_at)
        check_fail(w, "call %u got the answer of call %u", number, answered);
}

void calls_take_outcome(world *w, uint32_t index, const mesh_output *out) {
    member *m = w->members[index];
    if (out->slot >= SLOTS_MAX || m->slots[out->slot] == 0) {
        check_fail(w, "an outcome for a slot without a call");
        return;
    }
    uint32_t number = m->slots[out->slot] - 1;
    m->slots[out->slot] = 0;
    call_record *record = &w->calls[number];
    record->outcome_count++;
    bool is_limited = !record->is_stream && !record->is_input_read;
    if (is_limited && record->deadline_ms < w->now_ms - STEP_MS_MAX)
        check_fail(w, "call %u was not over at its deadline", number);
    if (out->kind == MESH_OUT_REPLY || out->code == MESH_CALL_APPLICATION)
        check_content(w, number, out);
    if (out->kind == MESH_OUT_REPLY && record->items_received != record->items_sent)
        check_fail(w, "call %u ended without all of its items", number);
    bool is_certain = out->kind == MESH_OUT_ERROR && !out->is_maybe;
    if (is_certain && record->run_count > 0)
        check_fail(w, "call %u ran and was told 'not delivered'", number);
    record->is_certainly_not_run |= is_certain;
    if (record->parent == NONE || w->is_calm) return;
    for (size_t at = 0; at < SERVES_MAX; at++) // its handler has what it waited for
        if (m->serves[at].is_used && m->serves[at].call == record->parent) m->answer_due = at + 1;
}
