// The driver of a simulated node: carries bytes, time and the agent's packets, as mesh/io/member.c
// does.
#include "core/node_state.h"
#include "world.h"

void member_start(world *w) {
    if (w->member_count == MEMBERS_MAX) return;
    uint32_t index = w->member_count++;
    member *m = mem_alloc(sizeof *m);
    w->members[index] = m;
    m->id =
        (uint64_t)pick(w, 1u << 20) << 8 | index; // so that the younger one may have the smaller id
    m->host = pick(w, w->host_count);
    m->is_alive = true;
    m->last_answered = UINT32_MAX;
    mesh_node_options options = {.node_id = m->id,
                                 .seed = mesh_rng_next(&w->rng),
                                 .credit = w->credit,
                                 .assembled_max = w->assembled_max};
    m->node = mesh_node_create(&options);
    agent_say(w, (word){WORD_JOIN, index, 0, 0});
}

// ---- links

static conn *conn_of(world *w, uint32_t index, uint32_t handle, int *out_end) {
    for (uint32_t i = w->conn_count; i > 0; i--) {
        conn *c = &w->conns[i - 1];
        for (int end = 0; end < 2; end++) {
            if (c->members[end] != index || c->peers[end] != handle || !c->is_open[end]) continue;
            *out_end = end;
            return c;
        }
    }
    return NULL;
}

// With the socket that waits for the end of this one.
static bool go_on(world *w, conn *c, int end) {
    if (!c->has_next[end]) return false;
    const packet *p = &c->next[end];
    conn *next = &w->conns[p->conn];
    c->has_next[end] = false;
    member *m = w->members[c->members[end]];
    if (mesh_node_link_next(m->node, w->now_ms, c->peers[end], p->is_dialler) != 0) {
        conn_close_end(w, next, (int)p->end);
        return false;
    }
    next->peers[p->end] = c->peers[end];
    w->result.replaced++;
    member_poll(w, c->members[end]);
    return true;
}

static void end_link(world *w, conn *c, int end) {
    member *m = w->members[c->members[end]];
    conn_close_end(w, c, end);
    if (has_bug(w, SIM_BUG_END_FORGOTTEN) || go_on(w, c, end)) return;
    bug_hurt_session(w, c->members[end], c->peers[end]);
    if (c->is_write_broken[end])
        mesh_node_link_down(m->node, w->now_ms, c->peers[end]);
    else
        mesh_node_link_eof(m->node, w->now_ms, c->peers[end]);
    member_poll(w, c->members[end]);
}

// A second socket to a peer of this host.
static bool keep_for_later(world *w, uint32_t index, const packet *p) {
    const mesh_peer *peer =
        mesh_node_peers_find(w->members[index]->node, w->members[p->member]->id);
    int end;
    conn *old = peer ? conn_of(w, index, peer->handle, &end) : NULL;
    if (!old) return false;
    if (old->has_next[end])
        conn_close_end(w, &w->conns[old->next[end].conn], (int)old->next[end].end);
    old->next[end] = *p;
    old->has_next[end] = true;
    return true;
}

static void take_link(world *w, uint32_t index, const packet *p) {
    member *m = w->members[index];
    conn *c = &w->conns[p->conn];
    m->links_received[p->member]++;
    if (!c->is_open[p->end]) return;
    if (!c->is_sealed && keep_for_later(w, index, p)) return;
    uint32_t handle;
    bug_hurt_session(w, index, m->peers[p->member].handle);
    if (abroad_link_up(w, index, &handle, p) != 0) {
        conn_close_end(w, c, (int)p->end);
        return;
    }
    int old_end;
    conn *old = conn_of(w, index, handle, &old_end);
    if (old) { // the core chose the new one
        if (!c->is_sealed) check_fail(w, "a link of one host lost its place");
        conn_close_end(w, old, old_end);
        w->result.replaced++;
    }
    c->peers[p->end] = handle;
    w->result.resumed += abroad_is_resuming(w, index, handle);
    abroad_notice_session(w, index, p->member);
    member_poll(w, index);
}

static void carry_out(world *w, uint32_t index, const mesh_output *out) {
    int end;
    conn *c = out->kind == MESH_OUT_CONNECT ? NULL : conn_of(w, index, out->peer, &end);
    if (out->kind == MESH_OUT_CONNECT) {
        uint32_t target = 0;
        while (w->members[target]->id != out->node_id)
            target++;
        uint32_t links = w->members[index]->links_received[target];
        agent_say(w, (word){WORD_CONNECT, index, target, links});
    } else if (c) {
        bool is_missed = has_bug(w, SIM_BUG_WRITE_FORGOTTEN) && chance(w, 5);
        c->wants_write[end] |= !is_missed;
        c->is_ending[end] |= out->kind == MESH_OUT_CLOSE;
    }
}

void member_poll(world *w, uint32_t index) {
    mesh_output out;
    member *m = w->members[index];
    while (mesh_node_poll(m->node, &out)) {
        check_event(w, index, &out);
        if (out.kind <= MESH_OUT_CLOSE) {
            carry_out(w, index, &out);
            continue;
        }
        for (uint32_t times = bug_tell(w, &out); times > 0; times--)
            program_take(w, index, &out);
    }
    check_bounds(w, index);
}

bool member_read(world *w, uint32_t at, int end) {
    conn *c = &w->conns[at];
    member *m = w->members[c->members[end]];
    pipe *p = &c->pipes[end];
    if (!c->is_open[end] || !c->peers[end]) return false;
    if (m->deaf_until_ms > w->now_ms && !w->is_calm) return false;
    if (pipe_len(p) == 0 && !p->is_closed) return false;
    if (pipe_len(p) == 0) {
        end_link(w, c, end);
        return true;
    }
    uint8_t *buffer;
    size_t cap;
    mesh_node_link_input(m->node, c->peers[end], &buffer, &cap);
    if (cap == 0) check_fail(w, "no room to read into");
    if (chance(w, 50)) cap = 1 + pick(w, (uint32_t)cap);
    if (c->is_tight && !w->is_calm) cap = 1;
    size_t len = pipe_read(p, buffer, cap);
    int err = mesh_node_link_received(m->node, w->now_ms, c->peers[end], len);
    member_poll(w, c->members[end]);
    if (err == 0) return true;
    if (!c->is_corrupt)
        check_fail(w, "member %u broke the protocol, says member %u: %d", c->members[1 - end],
                   c->members[end], err);
    end_link(w, c, end);
    return true;
}

bool member_write(world *w, uint32_t at, int end) {
    conn *c = &w->conns[at];
    if (!c->is_open[end] || !c->peers[end] || !c->wants_write[end]) return false;
    member *m = w->members[c->members[end]];
    bug_hurt(w, c, end);
    mesh_bytes bytes = mesh_node_link_output(m->node, c->peers[end]);
    // The other end is gone: what it sent is read to its end all the same.
    bool is_over = bytes.len == 0 || c->is_write_broken[end] || !c->is_open[1 - end];
    if (is_over) {
        c->wants_write[end] = false;
        if (c->is_ending[end]) end_link(w, c, end);
        return true;
    }
    size_t len = pipe_write(w, &c->pipes[1 - end], bytes);
    if (len == 0) return false;
    abroad_carry(w, c, end, (mesh_bytes){bytes.data, len});
    mesh_node_link_sent(m->node, w->now_ms, c->peers[end], len);
    member_poll(w, c->members[end]);
    return true;
}

// ---- the agent's packets

static void take_up(world *w, member *m, const packet *p) {
    const member *other = w->members[p->member];
    mesh_peer_info info = {.node_id = other->id,
                           .name = mesh_bytes_text("node"),
                           .service = mesh_bytes_text("app"),
                           .pid = p->member};
    if (abroad_is(w, p->member, m->id & 0xff)) abroad_host_id(w, p->member, info.host_id);
    mesh_node_peer_up(m->node, &info);
}

static void take_put(world *w, member *m, const packet *p) {
    const entry *e = &w->entries[p->entry];
    mesh_entry put = {.entry_id = e->entry_id,
                      .kind = e->kind,
                      .name = mesh_bytes_text(e->name),
                      .queue = mesh_bytes_text(e->queue)};
    if (mesh_node_entry_put(m->node, w->members[p->member]->id, &put) != 0)
        check_fail(w, "an entry was refused");
    const known_peer *peer = &m->peers[p->member];
    m->knows[p->entry] = peer->is_known && !peer->is_down;
}

static void take_down(world *w, member *m, const packet *p) {
    for (uint32_t e = 0; e < w->entry_count; e++) {
        if (w->entries[e].member == p->member) m->knows[e] = false;
    }
    m->peers[p->member].is_down = true;
    mesh_node_peer_down(m->node, w->now_ms, w->members[p->member]->id, mesh_bytes_text("killed"),
                        -1, 9);
}

bool member_hear(world *w, uint32_t index) {
    member *m = w->members[index];
    if (!m->is_alive || m->inbox_head == m->inbox_count) return false;
    packet p = m->inbox[m->inbox_head++];
    switch (p.kind) {
    case PACKET_UP: take_up(w, m, &p); break;
    case PACKET_PUT: take_put(w, m, &p); break;
    case PACKET_REMOVED:
        if (!has_bug(w, SIM_BUG_REMOVAL_FORGOTTEN))
            mesh_node_entry_removed(m->node, w->members[p.member]->id,
                                    w->entries[p.entry].entry_id);
        m->knows[p.entry] = false;
        break;
    case PACKET_DOWN: take_down(w, m, &p); break;
    case PACKET_LINK: take_link(w, index, &p); break;
    case PACKET_CONNECT_FAILED:
        mesh_node_connect_failed(m->node, w->now_ms, w->members[p.member]->id);
        break;
    }
    member_poll(w, index);
    return true;
}

// ---- life

void member_tick(world *w, uint32_t index) {
    member *m = w->members[index];
    if (!m->is_alive || mesh_node_wake_at_ms(m->node) > w->now_ms) return;
    if (has_bug(w, SIM_BUG_TICK_FORGOTTEN)) return;
    mesh_node_tick(m->node, w->now_ms);
    if (mesh_node_wake_at_ms(m->node) <= w->now_ms) check_fail(w, "a tick left work behind");
    member_poll(w, index);
}

void member_kill(world *w, uint32_t index) {
    member *m = w->members[index];
    for (uint32_t i = 0; i < w->conn_count; i++) {
        for (int end = 0; end < 2; end++) {
            conn *c = &w->conns[i];
            if (c->members[end] == index && c->is_open[end]) conn_close_end(w, c, end);
        }
    }
    m->is_alive = false;
    mesh_node_destroy(m->node);
    m->node = NULL;
    agent_say(w, (word){WORD_DEATH, index, 0, 0});
    w->result.deaths++;
}

void member_leave(world *w, uint32_t index) {
    member *m = w->members[index];
    m->is_leaving = true;
    mesh_node_close(m->node, w->now_ms);
    agent_say(w, (word){WORD_LEAVE, index, 0, 0});
    member_poll(w, index);
}
