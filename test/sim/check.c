// The message rules, checked at every event and at the end of a run.
#include "core/node_state.h"
#include "world.h"

// ---- payloads that say what they are

enum { MAGIC = 0x5eed5eed, WORDS = STAMP_LEN / 4 };

static uint32_t filler_sum(const uint32_t words[3], const uint8_t *filler, size_t len) {
    uint32_t sum = words[0] * 31 + words[1] * 17 + words[2];
    // Every byte of small ones, a sample of large ones: their pieces are what could get mixed up.
    for (size_t i = 0; i < len; i += i < 256 ? 1 : 61)
        sum = sum * 16777619 + filler[i];
    return sum;
}

size_t stamp_write(uint8_t *out, uint32_t a, uint32_t b, uint32_t c, size_t len) {
    uint32_t words[WORDS] = {a, b, c, (uint32_t)len, 0, MAGIC, MAGIC};
    for (size_t i = STAMP_LEN; i < len; i++)
        out[i] = (uint8_t)(a + b * 3 + i);
    words[4] = filler_sum(words, out + STAMP_LEN, len - STAMP_LEN);
    memcpy(out, words, STAMP_LEN);
    return len;
}

bool stamp_read(mesh_bytes payload, uint32_t *a, uint32_t *b, uint32_t *c) {
    uint32_t words[WORDS];
    if (payload.len < STAMP_LEN) return false;
    memcpy(words, payload.data, STAMP_LEN);
    *a = words[0];
    *b = words[1];
    *c = words[2];
    return words[5] == MAGIC && words[3] == payload.len &&
           words[4] == filler_sum(words, payload.data + STAMP_LEN, payload.len - STAMP_LEN);
}

// ---- events

static void mix(world *w, uint64_t value) {
    w->result.hash = (w->result.hash ^ value) * 0x100000001b3u;
    w->result.hash ^= w->result.hash >> 29;
}

// The first bytes of a long payload are enough: its own sum covers the rest.
static void mix_bytes(world *w, mesh_bytes bytes) {
    for (size_t i = 0; i < bytes.len && i < 64; i++)
        mix(w, bytes.data[i]);
}

static const char *const kind_names[] = {
    "CONNECT", "WRITE", "CLOSE", "PEER",  "SERVICE", "SHAPE", "MESSAGE", "REQUEST", "ABORT",
    "REPLY",   "ERROR", "ITEM",  "GRANT", "INPUT",   "TAKE",  "DOWN",    "DRAIN",   "FLUSHED"};

void check_event(world *w, uint32_t index, const mesh_output *out) {
    w->result.events++;
    uint64_t words[] = {index,         (uint64_t)out->kind, out->peer, out->slot,
                        out->endpoint, out->code,           out->cost, out->is_up,
                        out->is_maybe, out->payload.len,    w->now_ms};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        mix(w, words[i]);
    mix_bytes(w, out->name);
    mix_bytes(w, out->payload);
    if (w->options.is_verbose)
        (void)printf("%8llu member %u: %s peer %u slot %u endpoint %u code %u %.*s (%zu bytes)\n",
                     (unsigned long long)w->now_ms, index, kind_names[out->kind], out->peer,
                     out->slot, out->endpoint, out->code, (int)out->name.len,
                     out->name.len ? (const char *)out->name.data : "", out->payload.len);

    bool is_from_peer = out->kind == MESH_OUT_MESSAGE || out->kind == MESH_OUT_REQUEST ||
                        out->kind == MESH_OUT_REPLY || out->kind == MESH_OUT_ITEM ||
                        out->kind == MESH_OUT_SHAPE;
    if (!is_from_peer || out->peer == MESH_PEER_SELF) return;
    const member *m = w->members[index];
    for (uint32_t i = 0; i < w->member_count; i++) {
        if (!m->peers[i].is_known || m->peers[i].handle != out->peer) continue;
        if (m->peers[i].was_down_told)
            check_fail(w, "member %u heard of member %u after its death", index, i);
        abroad_notice_session(w, index, i);
        return;
    }
    check_fail(w, "member %u heard of a peer nobody told it about", index);
}

// ---- publications

// The rule of subjects once more, in the plainest way, so that the core's matcher has a witness.
static bool does_match(const char *pattern, const char *subject) {
    if (strcmp(pattern, ">") == 0) return *subject != 0;
    if (*pattern == 0 || *subject == 0) return *pattern == *subject;
    if (*pattern == '*') {
        while (*subject && *subject != '.')
            subject++;
        return does_match(pattern + 1, subject);
    }
    return *pattern == *subject && does_match(pattern + 1, subject + 1);
}

void check_published(world *w, uint32_t sender, const char *subject, mesh_lane lane, uint32_t seq) {
    member *m = w->members[sender];
    for (uint32_t i = 0; i < w->entry_count; i++) {
        const entry *e = &w->entries[i];
        bool is_target = m->knows[i] && e->kind == MESH_ENTRY_SUBSCRIPTION && e->queue_index < 0;
        if (!is_target || !does_match(e->name, subject)) continue;
        expected *exp = &m->expectations[i][lane];
        exp->seqs = mem_grow(exp->seqs, sizeof *exp->seqs, exp->count + 1, &exp->cap);
        exp->seqs[exp->count++] = seq;
    }
}

static uint32_t entry_of(const world *w, uint32_t index, uint32_t entry_id) {
    for (uint32_t i = 0; i < w->entry_count; i++) {
        if (w->entries[i].member == index && w->entries[i].entry_id == entry_id) return i;
    }
    return ENTRIES_MAX;
}

static void check_plain(world *w, expected *exp, uint32_t seq) {
    while (exp->next < exp->count && exp->seqs[exp->next] != seq)
        exp->next++;
    if (exp->next == exp->count) {
        check_fail(w, "message %u came twice, out of order, or to whom it was not for", seq);
        return;
    }
    exp->next++;
    exp->received++;
}

static void check_group(world *w, member *sender, expected *exp, uint32_t seq, int queue) {
    if (++sender->queue_hits[seq][queue] > 1) check_fail(w, "two of a group got message %u", seq);
    if (seq < exp->next) check_fail(w, "message %u out of order in a group", seq);
    exp->next = seq + 1;
}

void check_message(world *w, uint32_t index, uint32_t sender, const mesh_output *out) {
    uint32_t from, seq, shapes;
    w->result.received++;
    if (!stamp_read(out->payload, &from, &seq, &shapes) || from != sender || seq >= SEQ_MAX) {
        check_fail(w, "a publication arrived changed");
        return;
    }
    uint32_t at = entry_of(w, index, out->endpoint);
    if (at == ENTRIES_MAX || w->entries[at].is_withdrawn) {
        check_fail(w, "a message for a subscription that is not there");
        return;
    }
    bool is_own = sender == index;
    if (!is_own && shapes > w->members[index]->peers[sender].shapes)
        check_fail(w, "message %u came before its shapes", seq);
    member *m = w->members[sender];
    expected *exp =
        &m->expectations[at][out->flags & MESH_IS_BULK ? MESH_LANE_BULK : MESH_LANE_NORMAL];
    if (w->entries[at].queue_index < 0)
        check_plain(w, exp, seq);
    else
        check_group(w, m, exp, seq, w->entries[at].queue_index);
}

// ---- bounds

static void check_held(world *w, uint32_t index, size_t lane) {
    const member *m = w->members[index];
    for (uint32_t i = 0; i < w->member_count; i++) {
        bool is_over = i != index && m->peers[i].link_held[lane] > w->credit + PAYLOAD_MAX + 4096;
        if (is_over)
            check_fail(w, "member %u holds more of member %u than it gave credit for", index, i);
    }
}

void check_bounds(world *w, uint32_t index) {
    member *m = w->members[index];
    mesh_node_stats stats = mesh_node_stats_get(m->node);
    for (size_t lane = 0; lane < MESH_LANE_COUNT; lane++) {
        if (stats.queued_bytes[lane] > MESH_QUEUE_MAX + MESH_MESSAGE_LEN_DEFAULT + 65536)
            check_fail(w, "a queue of member %u is over its bound", index);
        m->awaits_drain[lane] |= stats.queued_bytes[lane] > MESH_QUEUE_HIGH;
        check_held(w, index, lane);
    }
    if (m->lost != stats.lost_publications)
        check_fail(w, "member %u was told of other losses than it counts", index);
}

// ---- the end

static bool is_steady(const world *w, uint32_t index) {
    return w->members[index]->is_alive && !w->members[index]->is_leaving;
}

static void check_lost(world *w, uint32_t sender, uint32_t index, const expected *exp,
                       uint64_t told) {
    size_t lost = exp->count - exp->received;
    if (lost > told)
        check_fail(w, "member %u lost %zu of %zu messages of member %u silently", index, lost,
                   exp->count, sender);
}

static void check_losses(world *w, uint32_t sender) {
    for (uint32_t i = 0; i < w->entry_count; i++) {
        const entry *e = &w->entries[i];
        const expected *exps = w->members[sender]->expectations[i];
        bool may_lose = e->is_withdrawn || e->queue_index >= 0 || !is_steady(w, e->member) ||
                        w->is_disturbed[sender][e->member] ||
                        !abroad_is_session_whole(w, sender, e->member);
        if (may_lose) continue;
        // The receiver counts what it had no memory for.
        uint64_t told = mesh_node_stats_get(w->members[e->member]->node).lost_publications;
        for (size_t lane = 0; lane < MESH_LANE_COUNT; lane++)
            check_lost(w, sender, e->member, &exps[lane], told);
    }
}

static void check_deaths(world *w, uint32_t index) {
    const member *m = w->members[index];
    for (uint32_t i = 0; i < w->member_count; i++) {
        bool is_gone = !w->members[i]->is_alive || w->members[i]->is_leaving;
        if (i == index || !m->peers[i].is_known || !is_gone) continue;
        if (!m->peers[i].was_down_told)
            check_fail(w, "member %u was never told that member %u is gone", index, i);
    }
    if (m->noproc_due > 0) check_fail(w, "DOWN of an unknown peer never came");
}

static void check_peer_leaks(world *w, uint32_t index, const mesh_peer *peer) {
    if (peer->in_flight > 0 || peer->serve_count > 0)
        check_fail(w, "member %u counts calls of a peer", index);
    for (size_t lane = 0; lane < MESH_LANE_COUNT; lane++) {
        if (peer->held_cost[lane] > 0 || peer->debt[lane] > 0)
            check_fail(w, "member %u holds messages of a peer", index);
    }
    if (mesh_link_unsent(peer->link) > 0)
        check_fail(w, "member %u has %zu bytes left for peer %u in link state %d", index,
                   mesh_link_unsent(peer->link), peer->handle, (int)peer->link->state);
}

// Inside the core nothing may be left over when nothing goes on.
static void check_leaks(world *w, uint32_t index) {
    const mesh_node *node = w->members[index]->node;
    if (node->assemblies.bytes > 0) check_fail(w, "member %u has half messages left", index);
    if (node->calls.open_count > 0) check_fail(w, "member %u has open calls left", index);
    if (node->serves.used_count > 0) check_fail(w, "member %u serves calls of nobody", index);
    if (node->deadlines.count > 0) check_fail(w, "member %u has deadlines left", index);
    for (size_t lane = 0; lane < MESH_LANE_COUNT; lane++) {
        if (node->full_count[lane] > 0) check_fail(w, "member %u waits for drain", index);
        if (node->self_held[lane] > 0) check_fail(w, "member %u holds own messages", index);
    }
    if (node->self.in_flight > 0) check_fail(w, "member %u counts calls to itself", index);
    for (size_t i = 0; i < node->linked_count; i++)
        check_peer_leaks(w, index, node->linked[i]);
}

void check_end(world *w) {
    for (uint32_t i = 0; i < w->call_count; i++) {
        const call_record *record = &w->calls[i];
        if (record->outcome_count > 1) check_fail(w, "call %u had two outcomes", i);
        if (record->outcome_count == 0 && w->members[record->caller]->is_alive)
            check_fail(w, "call %u of member %u had no outcome", i, record->caller);
    }
    for (uint32_t i = 0; i < w->member_count; i++) {
        if (!w->members[i]->is_alive) continue;
        check_leaks(w, i);
        if (!is_steady(w, i)) continue;
        check_losses(w, i);
        check_deaths(w, i);
        for (size_t lane = 0; lane < MESH_LANE_COUNT; lane++)
            if (w->members[i]->awaits_drain[lane]) check_fail(w, "member %u never got DRAIN", i);
    }
}
