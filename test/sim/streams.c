// Answers that are streams: items of a program, read by another as slowly as it likes. A reader
// sees them in order and without a gap, and a REPLY only behind the last one.
#include "world.h"

enum { ITEM_MARK = 0xfd, BURST_MAX = 40 };

static void begin(world *w, uint32_t index, const served *s) {
    if (mesh_node_item(w->members[index]->node, w->now_ms, s->slot, 0, (mesh_bytes){0}) != 0)
        check_fail(w, "call %u could not begin to be a stream", s->call);
    w->calls[s->call].is_stream = true;
}

void streams_send(world *w, uint32_t index, size_t at) {
    const served *s = &w->members[index]->serves[at];
    if (!s->is_used) return;
    call_record *record = &w->calls[s->call];
    if (!record->is_stream) begin(w, index, s);
    for (uint32_t left = pick(w, BURST_MAX); left > 0; left--) {
        size_t len = STAMP_LEN + pick(w, chance(w, 10) ? 60000 : 2000);
        mesh_bytes payload = {w->payload,
                              stamp_write(w->payload, s->call, record->items_sent, ITEM_MARK, len)};
        int err = mesh_node_item(w->members[index]->node, w->now_ms, s->slot, 0, payload);
        if (err != 0) break; // no credit, or too much waits
        record->items_sent++;
    }
    member_poll(w, index);
}

void streams_grant(world *w, uint32_t index) {
    member *m = w->members[index];
    uint32_t slot = pick(w, SLOTS_MAX);
    if (m->slots[slot] == 0) return;
    call_record *record = &w->calls[m->slots[slot] - 1];
    if (record->held == 0) return;
    uint32_t bytes = chance(w, 50) ? record->held : 1 + pick(w, record->held);
    record->held -= bytes;
    mesh_node_grant(m->node, w->now_ms, slot, bytes);
    member_poll(w, index);
}

void streams_take(world *w, uint32_t index, const mesh_output *out) {
    const member *m = w->members[index];
    if (out->slot >= SLOTS_MAX || m->slots[out->slot] == 0) {
        check_fail(w, "an item for a slot without a call");
        return;
    }
    uint32_t number = m->slots[out->slot] - 1, answered, seq, mark;
    call_record *record = &w->calls[number];
    record->held += out->cost;
    if (record->held > MESH_STREAM_WINDOW + PAYLOAD_MAX)
        check_fail(w, "call %u got more items than its caller gave credit for", number);
    if (out->payload.len == 0) return; // it begins
    if (!stamp_read(out->payload, &answered, &seq, &mark) || mark != ITEM_MARK)
        check_fail(w, "an item arrived changed");
    else if (answered != number || seq != record->items_received++)
        check_fail(w, "call %u got item %u of call %u", number, seq, answered);
    w->result.items++;
}
