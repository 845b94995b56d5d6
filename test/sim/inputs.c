// Inputs that are streams: items that follow a call, as far as its handler reads. A handler sees
// them in order and without a gap, the end behind the last one, and nothing once it was told to
// stop.
#include "world.h"

enum { INPUT_MARK = 0xfc, BURST_MAX = 40, TAKE_MAX = 20000 };

static void send(world *w, uint32_t index, uint32_t slot) {
    member *m = w->members[index];
    uint32_t number = m->slots[slot] - 1;
    call_record *record = &w->calls[number];
    if (!record->has_input || record->is_input_over) return;
    for (uint32_t left = pick(w, BURST_MAX); left > 0; left--) {
        size_t len = STAMP_LEN + pick(w, chance(w, 10) ? 60000 : 2000);
        mesh_bytes payload = {
            w->payload, stamp_write(w->payload, number, record->inputs_sent, INPUT_MARK, len)};
        if (mesh_node_input(m->node, w->now_ms, slot, 0, payload) != 0) break; // no credit
        record->inputs_sent++;
    }
    if (chance(w, 10))
        record->is_input_over = mesh_node_input(m->node, w->now_ms, slot, 0, (mesh_bytes){0}) == 0;
}

void inputs_send(world *w, uint32_t index) {
    uint32_t slot = pick(w, SLOTS_MAX);
    if (w->members[index]->slots[slot] == 0) return;
    send(w, index, slot);
    member_poll(w, index);
}

void inputs_read(world *w, uint32_t index, const served *s) {
    call_record *record = &w->calls[s->call];
    bool is_over = s->is_aborted || record->is_input_stopped || record->has_input_ended;
    if (!record->has_input || is_over) return;
    uint32_t bytes = record->is_input_read && chance(w, 10) ? 0 : 1 + pick(w, TAKE_MAX);
    record->is_input_read = true;
    record->is_input_stopped = bytes == 0;
    record->input_allowed += bytes;
    mesh_node_take(w->members[index]->node, w->now_ms, s->slot, bytes);
}

void inputs_take(world *w, uint32_t index, const mesh_output *out) {
    const served *s = calls_served(w, index, out->slot);
    if (!s || s->is_aborted) {
        check_fail(w, "input of a call that is not served");
        return;
    }
    uint32_t number = s->call, of, seq, mark;
    call_record *record = &w->calls[number];
    if (record->is_input_stopped || record->has_input_ended)
        check_fail(w, "call %u got input that nobody reads", number);
    if (out->payload.len == 0) {
        record->has_input_ended = true;
        if (record->inputs_received != record->inputs_sent)
            check_fail(w, "the input of call %u ended without all of its items", number);
        return;
    }
    if (record->input_received >= record->input_allowed)
        check_fail(w, "call %u got more input than it gave credit for", number);
    record->input_received += out->cost;
    if (!stamp_read(out->payload, &of, &seq, &mark) || mark != INPUT_MARK)
        check_fail(w, "an item of input arrived changed");
    else if (of != number || seq != record->inputs_received++)
        check_fail(w, "call %u got input %u of call %u", number, seq, of);
    w->result.items++;
}

void inputs_take_room(world *w, uint32_t index, const mesh_output *out) {
    const member *m = w->members[index];
    bool is_open = out->slot < SLOTS_MAX && m->slots[out->slot] != 0;
    if (!is_open || !w->calls[m->slots[out->slot] - 1].has_input)
        check_fail(w, "room for the input of a call that has none");
    else if (!w->is_calm && chance(w, 50))
        send(w, index, out->slot);
}
