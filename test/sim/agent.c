// The model of the agent: a list of members and entries, and packets to each in order.
#include "world.h"

void agent_say(world *w, word said) {
    w->words = mem_grow(w->words, sizeof *w->words, w->word_count + 1, &w->word_cap);
    w->words[w->word_count++] = said;
}

static void tell(world *w, uint32_t to, packet p) {
    member *m = w->members[to];
    if (!m->is_alive) return;
    m->inbox = mem_grow(m->inbox, sizeof *m->inbox, m->inbox_count + 1, &m->inbox_cap);
    m->inbox[m->inbox_count++] = p;
}

static bool is_member(const world *w, uint32_t index) {
    const member *m = w->members[index];
    return m->has_joined && !m->is_dead_to_agent;
}

static void tell_others(world *w, uint32_t about, packet p) {
    for (uint32_t i = 0; i < w->member_count; i++) {
        if (i != about && is_member(w, i)) tell(w, i, p);
    }
}

static void join(world *w, uint32_t index) {
    for (uint32_t i = 0; i < w->member_count; i++) {
        if (i != index && is_member(w, i)) tell(w, index, (packet){PACKET_UP, .member = i});
    }
    for (uint32_t e = 0; e < w->entry_count; e++) {
        const entry *known = &w->entries[e];
        // What was announced but not heard of yet is told when it is heard.
        if (known->member != index && known->is_withdrawn == false && is_member(w, known->member))
            tell(w, index, (packet){PACKET_PUT, .member = known->member, .entry = e});
    }
    w->members[index]->has_joined = true;
    tell_others(w, index, (packet){PACKET_UP, .member = index});
}

// The real agent's rule: a node that has not seen the newest Link to that peer will see it in a
// moment.
static bool is_link_on_its_way(const world *w, const word *said) {
    return w->is_dedup && w->members[said->member]->links_sent[said->target] > said->links;
}

// The agent may die when it has told but one end; the next one knows nothing of it. 2: it does not.
static uint32_t end_untold(world *w, const conn *made) {
    if (made->is_sealed || w->is_calm || !chance(w, 10)) return 2;
    w->result.half_told++;
    return pick(w, 2);
}

static void connect_two(world *w, const word *said) {
    if (!is_member(w, said->target) || !is_member(w, said->member)) {
        tell(w, said->member, (packet){PACKET_CONNECT_FAILED, .member = said->target});
        return;
    }
    if (is_link_on_its_way(w, said)) return;
    uint32_t made = conn_create(w, said->member, said->target);
    const uint32_t ends[2] = {said->member, said->target};
    uint32_t untold = end_untold(w, &w->conns[made]);
    for (uint32_t end = 0; end < 2; end++) {
        if (end == untold) {
            conn_close_end(w, &w->conns[made], (int)end);
            if (end == 0) agent_say(w, *said); // it says again what it wants
            continue;
        }
        w->members[ends[end]]->links_sent[ends[1 - end]]++;
        if (!w->members[ends[end]]->is_alive) conn_close_end(w, &w->conns[made], (int)end);
        tell(w, ends[end],
             (packet){PACKET_LINK, .member = ends[1 - end], .conn = made, .end = end,
                      .is_dialler = end == 0});
    }
}

static void bury(world *w, uint32_t index) {
    member *m = w->members[index];
    if (m->is_dead_to_agent) return;
    m->is_dead_to_agent = true;
    if (!m->has_joined || has_bug(w, SIM_BUG_DOWN_FORGOTTEN)) return;
    tell_others(w, index, (packet){PACKET_DOWN, .member = index});
    if (chance(w, 10)) tell_others(w, index, (packet){PACKET_DOWN, .member = index}); // is ignored
}

void agent_hear(world *w) {
    word said = w->words[w->word_head++];
    if (w->word_head == w->word_count) w->word_head = w->word_count = 0;
    packet p = {.member = said.member, .entry = said.target};
    bool is_heard = is_member(w, said.member);
    switch (said.kind) {
    case WORD_JOIN: join(w, said.member); break;
    case WORD_ANNOUNCE:
        p.kind = PACKET_PUT;
        if (is_heard) tell_others(w, said.member, p);
        break;
    case WORD_WITHDRAW:
        p.kind = PACKET_REMOVED;
        if (is_heard) tell_others(w, said.member, p);
        break;
    case WORD_CONNECT: connect_two(w, &said); break;
    case WORD_LEAVE:
    case WORD_DEATH: bury(w, said.member); break;
    }
    if (has_bug(w, SIM_BUG_DOWN_INVENTED) && is_heard && chance(w, 5))
        tell_others(w, said.member, (packet){PACKET_DOWN, .member = said.member});
}
