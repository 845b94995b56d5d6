// Bytes on their way: pipes that split and delay, connections that break at any byte, and planted
// bugs.
#include "core/be.h"
#include "core/frame.h"
#include "world.h"

void pipe_deinit(pipe *p) {
    free(p->data);
    free(p->record);
    free(p->held);
    *p = (pipe){0};
}

static void append(pipe *p, const uint8_t *data, size_t len) {
    if (p->head > 0 && p->head == p->tail) p->head = p->tail = 0;
    p->data = mem_grow(p->data, 1, p->tail + len, &p->cap);
    memcpy(p->data + p->tail, data, len);
    p->tail += len;
}

// Bugs strike publications, now and then: whole ones, alone in their record, so that only the rules
// of messages can tell, not those of frames.
static bool does_strike(world *w, const pipe *p) {
    const uint8_t *frame = p->record + MESH_RECORD_HEAD_LEN;
    size_t frame_len = MESH_FRAME_HEAD_LEN + (size_t)load_be24(frame);
    bool is_alone = p->record_len == MESH_RECORD_HEAD_LEN + frame_len;
    if (has_bug(w, SIM_BUG_CREDIT_LOST)) return is_alone && frame[3] == MESH_FRAME_CREDIT;
    if (has_bug(w, SIM_BUG_CANCEL_LOST)) return is_alone && frame[3] == MESH_FRAME_CANCEL;
    return is_alone && frame[3] == MESH_FRAME_PUB && frame[4] == MESH_FRAME_FIRST && chance(w, 20);
}

static void hold_back(pipe *p) {
    p->held = mem_copy(p->record, p->record_len);
    p->held_len = p->record_len;
}

static void release_held(pipe *p) {
    if (!p->held) return;
    append(p, p->held, p->held_len);
    free(p->held);
    p->held = NULL;
}

static void pass_record(world *w, pipe *p) {
    bool strikes = does_strike(w, p);
    w->has_bug_struck |= strikes;
    bool is_lost = has_bug(w, SIM_BUG_RECORD_LOST) || has_bug(w, SIM_BUG_CREDIT_LOST) ||
                   has_bug(w, SIM_BUG_CANCEL_LOST);
    if (strikes && is_lost) return;
    if (strikes && has_bug(w, SIM_BUG_BYTE_CHANGED)) p->record[p->record_len - 1] ^= 0x20;
    if (strikes && has_bug(w, SIM_BUG_RECORDS_SWAPPED) && !p->held) {
        hold_back(p);
        return;
    }
    append(p, p->record, p->record_len);
    if (strikes && has_bug(w, SIM_BUG_RECORD_TWICE)) append(p, p->record, p->record_len);
    release_held(p);
}

// With a planted bug the network works on whole records: it collects them first.
static void pass_through_bug(world *w, pipe *p, mesh_bytes bytes) {
    p->record = mem_grow(p->record, 1, p->record_len + bytes.len, &p->record_cap);
    memcpy(p->record + p->record_len, bytes.data, bytes.len);
    p->record_len += bytes.len;
    for (;;) {
        size_t have = p->record_len;
        if (have < MESH_RECORD_HEAD_LEN) return;
        size_t need = MESH_RECORD_HEAD_LEN + (size_t)load_be16(p->record);
        if (have < need) return;
        p->record_len = need;
        pass_record(w, p);
        memmove(p->record, p->record + need, have - need);
        p->record_len = have - need;
    }
}

size_t pipe_write(world *w, pipe *p, mesh_bytes bytes) {
    size_t room = p->room > pipe_len(p) ? p->room - pipe_len(p) : 0;
    size_t len = bytes.len < room ? bytes.len : room;
    if (len > 1 && chance(w, 30)) len = 1 + pick(w, (uint32_t)len);
    if (len == 0) return 0;
    if (is_record_bug(w))
        pass_through_bug(w, p, (mesh_bytes){bytes.data, len});
    else
        append(p, bytes.data, len);
    return len;
}

size_t pipe_read(pipe *p, uint8_t *out, size_t len) {
    if (len > pipe_len(p)) len = pipe_len(p);
    if (len > 0) memcpy(out, p->data + p->head, len);
    p->head += len;
    return len;
}

uint32_t conn_create(world *w, uint32_t a, uint32_t b) {
    CHECK(w->conn_count < CONNS_MAX);
    conn *c = &w->conns[w->conn_count];
    *c = (conn){.members = {a, b}, .is_open = {true, true}};
    for (int i = 0; i < 2; i++)
        c->pipes[i].room = 512u << pick(w, 10);
    c->is_tight = chance(w, 5);
    abroad_connect(w, c);
    return w->conn_count++;
}

void conn_close_end(world *w, conn *c, int end) {
    (void)w;
    c->is_open[end] = false;
    c->pipes[1 - end].is_closed = true; // what was written can still be read
    pipe_deinit(&c->pipes[end]);
    c->pipes[end].is_closed = true;
}

static void truncate_pipe(world *w, pipe *p) {
    size_t len = pipe_len(p);
    if (len > 0) p->tail = p->head + pick(w, (uint32_t)len + 1);
    p->is_closed = true;
}

void conn_break(world *w, conn *c) {
    for (int i = 0; i < 2; i++) {
        truncate_pipe(w, &c->pipes[i]);
        c->is_write_broken[i] = true;
        w->is_disturbed[c->members[i]][c->members[1 - i]] |= !c->is_sealed; // else it is resumed
    }
    w->result.breaks++;
}
