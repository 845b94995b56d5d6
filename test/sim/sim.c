// Which thing happens next, from the seed alone.
#include "sim.h"

#include "world.h"

enum { STEPS = 2500, CALM_MS = 30000 };

const char *sim_bug_name(sim_bug bug) {
    static const char *const names[SIM_BUG_COUNT] = {
        [SIM_BUG_NONE] = "none",
        [SIM_BUG_RECORD_TWICE] = "record-twice",
        [SIM_BUG_KEPT_FORGOTTEN] = "kept-forgotten",
        [SIM_BUG_RECORD_FORGOTTEN] = "record-forgotten",
        [SIM_BUG_RESUMED_EARLY] = "resumed-early",
        [SIM_BUG_RESUMED_LATE] = "resumed-late",
        [SIM_BUG_RECORD_LOST] = "record-lost",
        [SIM_BUG_RECORDS_SWAPPED] = "records-swapped",
        [SIM_BUG_BYTE_CHANGED] = "byte-changed",
        [SIM_BUG_CREDIT_LOST] = "credit-lost",
        [SIM_BUG_CANCEL_LOST] = "cancel-lost",
        [SIM_BUG_DOWN_FORGOTTEN] = "down-forgotten",
        [SIM_BUG_DOWN_INVENTED] = "down-invented",
        [SIM_BUG_END_FORGOTTEN] = "end-forgotten",
        [SIM_BUG_TICK_FORGOTTEN] = "tick-forgotten",
        [SIM_BUG_WRITE_FORGOTTEN] = "write-forgotten",
        [SIM_BUG_WRONG_ANSWER] = "wrong-answer",
        [SIM_BUG_CONSUMED_FORGOTTEN] = "consumed-forgotten",
        [SIM_BUG_ANSWERED_TWICE] = "answered-twice",
        [SIM_BUG_DOWN_TWICE] = "down-twice",
        [SIM_BUG_CREDIT_IGNORED] = "credit-ignored",
        [SIM_BUG_NONCE_REPEATED] = "nonce-repeated",
        [SIM_BUG_COUNTER_MOVED] = "counter-moved",
        [SIM_BUG_SEAL_FORGOTTEN] = "seal-forgotten",
        [SIM_BUG_REQUEST_TWICE] = "request-twice",
        [SIM_BUG_ABORT_FORGOTTEN] = "abort-forgotten",
        [SIM_BUG_ABORT_TWICE] = "abort-twice",
        [SIM_BUG_REPLY_FORGOTTEN] = "reply-forgotten",
        [SIM_BUG_REPLY_TWICE] = "reply-twice",
        [SIM_BUG_DOUBT_DENIED] = "doubt-denied",
        [SIM_BUG_ITEM_FORGOTTEN] = "item-forgotten",
        [SIM_BUG_ITEM_TWICE] = "item-twice",
        [SIM_BUG_INPUT_FORGOTTEN] = "input-forgotten",
        [SIM_BUG_DRAIN_FORGOTTEN] = "drain-forgotten",
        [SIM_BUG_SHAPE_FORGOTTEN] = "shape-forgotten",
        [SIM_BUG_GAP_FORGOTTEN] = "gap-forgotten",
        [SIM_BUG_DEADLINE_FORGOTTEN] = "deadline-forgotten",
        [SIM_BUG_DEADLINE_GROWN] = "deadline-grown",
        [SIM_BUG_ID_REUSED] = "id-reused",
        [SIM_BUG_ITEMS_UNASKED] = "items-unasked",
        [SIM_BUG_STALL_FORGOTTEN] = "stall-forgotten",
        [SIM_BUG_REMOVAL_FORGOTTEN] = "removal-forgotten",
    };
    return names[bug];
}

static world *create(const sim_options *options) {
    world *w = mem_alloc(sizeof *w);
    w->options = *options;
    mesh_rng_init(&w->rng, options->seed);
    w->now_ms = 1000;
    static const uint32_t credits[] = {2048, 20000, 1 << 20};
    w->credit = credits[pick(w, 3)];
    static const uint32_t assembled[] = {0, 0, 400000, 100000};
    w->assembled_max = assembled[pick(w, 4)];
    w->is_dedup = chance(w, 70);
    w->alive_max = 2 + pick(w, 7);
    // The bugs of the network know records, so all must be readable to them.
    w->host_count = is_record_bug(w) ? 1 : 1 + pick(w, 3);
    w->corrupt = chance(w, 50) ? pick(w, 40) : 0;
    for (uint32_t i = 0; i < w->alive_max; i++)
        member_start(w);
    return w;
}

static void destroy(world *w) {
    for (uint32_t i = 0; i < w->member_count; i++) {
        member *m = w->members[i];
        for (size_t e = 0; e < ENTRIES_MAX; e++)
            for (size_t lane = 0; lane < MESH_LANE_COUNT; lane++)
                free(m->expectations[e][lane].seqs);
        mesh_node_destroy(m->node);
        free(m->inbox);
        free(m);
    }
    for (uint32_t i = 0; i < w->conn_count; i++) {
        pipe_deinit(&w->conns[i].pipes[0]);
        pipe_deinit(&w->conns[i].pipes[1]);
    }
    free(w->words);
    free(w);
}

static void advance(world *w, uint64_t by_ms) {
    w->now_ms += by_ms;
    for (uint32_t i = 0; i < w->member_count; i++)
        member_tick(w, i);
}

static uint32_t alive_count(const world *w) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->member_count; i++)
        count += w->members[i]->is_alive;
    return count;
}

static void fault(world *w) {
    uint32_t kind = pick(w, 100), index = pick(w, w->member_count);
    member *m = w->members[index];
    bool is_up = m->is_alive && !m->is_leaving;
    if (kind < 30) {
        if (w->conn_count == 0) return;
        conn *c = &w->conns[pick(w, w->conn_count)];
        if (c->is_open[0] && c->is_open[1] && c->peers[0] && c->peers[1]) conn_break(w, c);
    } else if (kind < 50) {
        if (m->is_alive && alive_count(w) > 1) member_kill(w, index);
    } else if (kind < 56) {
        if (is_up) member_leave(w, index);
    } else if (kind < 76) {
        if (alive_count(w) < w->alive_max) member_start(w);
    } else {
        m->deaf_until_ms = w->now_ms + pick(w, 2000);
    }
}

static void step(world *w) {
    uint32_t kind = pick(w, 100);
    uint32_t index = pick(w, w->member_count);
    member *m = w->members[index];
    if (kind < 30) {
        if (m->is_alive && !m->is_leaving) program_act(w, index);
    } else if (kind < 42) {
        if (w->word_count > w->word_head) agent_hear(w);
    } else if (kind < 55) {
        for (uint32_t n = 1 + pick(w, 4); n > 0; n--)
            (void)member_hear(w, index);
    } else if (kind < 90) {
        // The youngest connections are the ones where something goes on.
        uint32_t span = w->conn_count < 40 ? w->conn_count : 40;
        for (uint32_t n = 0; n < 8 && span > 0; n++) {
            uint32_t at = w->conn_count - 1 - pick(w, span);
            if (chance(w, 50))
                (void)member_write(w, at, (int)pick(w, 2));
            else
                (void)member_read(w, at, (int)pick(w, 2));
        }
    } else if (kind < 98) {
        advance(w, pick(w, STEP_MS_MAX));
    } else if (chance(w, 40)) {
        fault(w);
    }
}

// One round of everything that can move without new work or faults. False: nothing did.
static bool calm_round(world *w, bool is_answering) {
    uint64_t events = w->result.events;
    bool has_moved = false;
    while (w->word_count > w->word_head)
        agent_hear(w), has_moved = true;
    for (uint32_t i = 0; i < w->member_count; i++) {
        while (member_hear(w, i))
            has_moved = true;
        if (!w->members[i]->is_alive) continue;
        for (size_t at = 0; is_answering && at < SERVES_MAX; at++) {
            has_moved |= w->members[i]->serves[at].is_used;
            calls_answer(w, i, at);
        }
        for (uint32_t peer = 0; peer < w->member_count; peer++)
            program_consume(w, i, peer);
    }
    for (uint32_t at = 0; at < w->conn_count; at++) {
        for (int end = 0; end < 2; end++) {
            has_moved |= member_write(w, at, end);
            has_moved |= member_read(w, at, end);
        }
    }
    return has_moved || events != w->result.events;
}

static uint64_t next_wake_ms(const world *w) {
    uint64_t wake_ms = UINT64_MAX;
    for (uint32_t i = 0; i < w->member_count; i++) {
        const member *m = w->members[i];
        if (!m->is_alive) continue;
        uint64_t at_ms = mesh_node_wake_at_ms(m->node);
        if (at_ms < wake_ms) wake_ms = at_ms;
    }
    return wake_ms;
}

static void calm_down(world *w) {
    w->is_calm = true;
    // The other end waits for the rest of a record whose length was changed, until time runs out.
    for (uint32_t i = 0; i < w->conn_count; i++)
        if (w->conns[i].is_corrupt) conn_break(w, &w->conns[i]);
    // First without a handler that ends, so that it shows who waits for whom.
    while (!w->result.violation[0]) {
        if (calm_round(w, false)) continue;
        if (!abroad_is_any_resuming(w)) break;
        advance(w, next_wake_ms(w) - w->now_ms); // to be dialled again, or given up
    }
    calls_check_awaited(w);
    uint64_t until_ms = w->now_ms + CALM_MS;
    while (!w->result.violation[0]) {
        if (calm_round(w, true)) continue;
        uint64_t wake_ms = next_wake_ms(w);
        if (wake_ms > until_ms || w->now_ms > until_ms) return;
        advance(w, wake_ms > w->now_ms ? wake_ms - w->now_ms : 1);
    }
}

sim_result sim_run(const sim_options *options) {
    world *w = create(options);
    for (uint32_t i = 0; i < STEPS && !w->result.violation[0]; i++) {
        step(w);
        w->result.steps++;
    }
    if (!w->result.violation[0]) calm_down(w);
    if (!w->result.violation[0]) check_end(w);
    sim_result result = w->result;
    destroy(w);
    return result;
}
