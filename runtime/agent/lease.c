// One lease that a node asked for: its place in the line for it, as long as it is had, its end.
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "agent/lease_state.h"
#include "core/mem.h"
#include "io/steady.h"

enum {
    PAUSE_MIN_MS = 500, // until the store is asked again
    PAUSE_MAX_MS = 5000,
    BUSY_AGAIN_MS = 100,
    LOOK_AGAIN_MS = 1000, // where no watch can be had
    END_MARGIN_MS = 20,
    TEXT_MAX = STORE_SENTENCE_LEN_MAX + 200,
};

static store_db *store_of(const lease *l) {
    return agent_store_get(l->all->options.store);
}

// ---- telling the node

static void say(const lease *l, Warren__Node__Lease__State state, lease_why reason,
                const char *text) {
    if (l->member == NULL) return;
    Warren__Node__Lease message = WARREN__NODE__LEASE__INIT;
    Warren__Node__LeaseTicket ticket = WARREN__NODE__LEASE_TICKET__INIT;
    message.lease_id = l->id;
    message.state = state;
    message.why = reason;
    message.text = (char *)(uintptr_t)text;
    ticket.key = (char *)(uintptr_t)l->key;
    ticket.token = (uint64_t)l->token;
    ticket.store_lease = (uint64_t)l->store_lease;
    ticket.ttl_s = l->ttl_s;
    ticket.until_ms = l->told_ms;
    if (state == WARREN__NODE__LEASE__STATE__HELD) message.ticket = &ticket;
    agent_member_say_lease(l->member, &message);
}

void lease_say_waiting(const lease *l, lease_why reason, const char *text) {
    say(l, WARREN__NODE__LEASE__STATE__WAITING, reason, text);
}

static void on_timer(uv_timer_t *timer);

// A little later than the moment itself: when it was the store that did not answer, that is told.
static void set_end(lease *l) {
    uint64_t now_ms = mesh_steady_ms(), at_ms = l->told_ms + END_MARGIN_MS;
    uv_timer_start(&l->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

void lease_tell_held(lease *l) {
    uint64_t until_ms = store_hold_until_ms(l->hold);
    if (!l->is_seen || until_ms <= l->told_ms) return;
    l->told_ms = until_ms;
    l->is_seen = false;
    say(l, WARREN__NODE__LEASE__STATE__HELD, LEASE_WHY(ENDED), "");
    set_end(l);
}

// ---- the end of one

static void unlink_it(lease *l) {
    agent_leases *a = l->all;
    lease **at = &a->first;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    if (a->last == &l->next) a->last = at;
}

void lease_free_if_over(lease *l) {
    if (l->phase != LEASE_GONE || l->asked > 0 || !l->is_timer_closed) return;
    if (l->all != NULL) unlink_it(l);
    free(l);
}

static void on_timer_closed(uv_handle_t *handle) {
    lease *l = handle->data;
    l->is_timer_closed = true;
    lease_free_if_over(l);
}

void lease_forget(lease *l) {
    agent_leases *a = l->all;
    a->ending_count -= l->phase == LEASE_ENDING;
    l->phase = LEASE_GONE;
    l->member = NULL;
    store_hold_close(l->hold);
    l->hold = NULL;
    a->count--;
    uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}

// It counts an answer of the store, also for one that nobody wants any more.
static bool is_wanted(lease *l, lease_phase in) {
    l->asked--;
    if (l->phase == in) return true;
    lease_free_if_over(l);
    return false;
}

static void on_deleted(const store_answer *answer, void *user) {
    lease *l = user;
    agent_leases *a = l->all;
    char name[sizeof l->name];
    (void)answer; // what is not deleted now ends with the lease of the store
    if (!is_wanted(l, LEASE_ENDING)) return;
    memcpy(name, l->name, sizeof name);
    say(l, WARREN__NODE__LEASE__STATE__OVER, LEASE_WHY(ENDED), "");
    lease_forget(l);
    leases_settle(a, name);
}

static void give_back(lease *l) {
    mesh_bytes key = mesh_bytes_text(l->key);
    store_compare is_own = {.key = key, .kind = STORE_CREATED, .revision = l->token};
    store_op op = {.kind = STORE_DELETE, .key = key};
    uv_timer_stop(&l->timer);
    l->phase = LEASE_ENDING;
    l->all->ending_count++;
    l->asked++;
    store_commit(store_of(l), &(store_transaction){&is_own, 1, &op, 1}, on_deleted, l);
}

void lease_end(lease *l, lease_why reason, const char *text) {
    bool is_held = l->phase == LEASE_HELD || l->phase == LEASE_RESUMING;
    if (!is_held || reason != LEASE_WHY(ENDED)) {
        say(l, WARREN__NODE__LEASE__STATE__OVER, reason, text);
        l->member = NULL;
    }
    if (is_held)
        give_back(l);
    else
        lease_forget(l);
}

// ---- waiting

static void look(lease *l);

static bool is_for_later(int error) {
    return error == STORE_EUNREACHABLE || error == STORE_EFULL || error == STORE_EGONE ||
           error == STORE_ECONFLICT;
}

static void try_again(lease *l, int error, const char *text) {
    store_hold_close(l->hold);
    l->hold = NULL;
    if (!l->is_waiting || !is_for_later(error)) {
        lease_end(l, LEASE_WHY(NO_QUORUM), text);
        return;
    }
    l->phase = LEASE_PAUSED;
    l->pause_ms = l->pause_ms == 0 ? PAUSE_MIN_MS : 2 * l->pause_ms;
    if (l->pause_ms > PAUSE_MAX_MS) l->pause_ms = PAUSE_MAX_MS;
    uv_timer_start(&l->timer, on_timer, l->pause_ms, 0);
    lease_say_waiting(l, LEASE_WHY(NO_QUORUM), text);
}

static void go_on(lease *l) {
    if (l->asked == 0)
        lease_begin(l);
    else
        uv_timer_start(&l->timer, on_timer, BUSY_AGAIN_MS, 0);
}

// The node cannot take it for valid any more, and has not said that it knows of a later moment.
static void expire(lease *l) {
    if (mesh_steady_ms() < l->told_ms + END_MARGIN_MS)
        set_end(l);
    else
        lease_end(l, LEASE_WHY(LOST), "the node or its agent stood still for too long");
}

static void on_timer(uv_timer_t *timer) {
    lease *l = timer->data;
    agent_leases *a = l->all;
    char name[sizeof l->name];
    memcpy(name, l->name, sizeof name);
    switch (l->phase) {
    case LEASE_PAUSED: go_on(l); break;
    case LEASE_IN_LINE: look(l); break;
    case LEASE_HELD:
    case LEASE_RESUMING: expire(l); break;
    default: return;
    }
    leases_settle(a, name);
}

// ---- the line

static void on_news(const store_news *news, void *user) {
    agent_leases *a = user;
    if (news->error != 0) { // changes are missing
        store_watch_close(a->watch);
        a->watch = NULL;
    }
    for (lease *l = a->first; l != NULL; l = l->next) {
        if (news->error != 0 && l->phase == LEASE_IN_LINE) look(l);
        for (size_t i = 0; i < news->change_count; i++) {
            const store_change *change = &news->changes[i];
            if (!change->is_delete) continue;
            if (l->phase == LEASE_LOOKING)
                l->is_stale = true;
            else if (l->phase == LEASE_IN_LINE && agent_lease_line_is_before(&l->line, change->key))
                look(l);
        }
    }
}

static void stand(lease *l) {
    agent_leases *a = l->all;
    char text[AGENT_LEASE_WHO_CAP + 32];
    (void)snprintf(text, sizeof text, "%s has it",
                   l->line.who[0] != '\0' ? l->line.who : "another");
    if (!l->is_waiting) {
        lease_end(l, LEASE_WHY(TAKEN), text);
        return;
    }
    l->phase = LEASE_IN_LINE;
    // What goes after this look is told, for the watch begins with it or before.
    if (a->watch == NULL)
        a->watch = store_watch_open(
            store_of(l), &(store_watch_options){.prefix = mesh_bytes_text(AGENT_LEASE_PREFIX),
                                                .after = l->line_revision,
                                                .cb = on_news,
                                                .user = a});
    if (a->watch == NULL) uv_timer_start(&l->timer, on_timer, LOOK_AGAIN_MS, 0);
    lease_say_waiting(l, LEASE_WHY(TAKEN), text);
}

static void have(lease *l) {
    l->phase = LEASE_HELD;
    l->pause_ms = 0;
    l->is_seen = true;
    l->told_ms = 0;
    lease_tell_held(l); // one that is over by now says so
}

static void on_listed(const store_answer *answer, void *user);

static void list(lease *l, mesh_bytes after) {
    store_range range = {.prefix = agent_lease_prefix(l->key), .after = after};
    l->asked++;
    store_list(store_of(l), &range, on_listed, l);
}

static void look(lease *l) {
    l->phase = LEASE_LOOKING;
    l->is_stale = false;
    l->line_revision = 0;
    agent_lease_line_begin(&l->line, l->key, l->token);
    list(l, (mesh_bytes){0});
}

static void take_turn(lease *l) {
    switch (agent_lease_line_turn(&l->line)) {
    case AGENT_LEASE_FIRST: have(l); return;
    case AGENT_LEASE_BEHIND: stand(l); return;
    case AGENT_LEASE_GONE: try_again(l, STORE_EGONE, "its place in the line is gone"); return;
    }
}

static void on_listed(const store_answer *answer, void *user) {
    lease *l = user;
    agent_leases *a = l->all;
    char name[sizeof l->name];
    if (!is_wanted(l, LEASE_LOOKING)) return;
    memcpy(name, l->name, sizeof name);
    if (l->line_revision == 0) l->line_revision = answer->revision;
    agent_lease_line_take(&l->line, answer->pairs, answer->pair_count);
    if (answer->error != 0)
        try_again(l, answer->error, answer->sentence);
    else if (answer->has_more)
        list(l, answer->pairs[answer->pair_count - 1].key);
    else if (l->is_stale)
        look(l);
    else
        take_turn(l);
    leases_settle(a, name);
}

static void on_put(const store_answer *answer, void *user) {
    lease *l = user;
    agent_leases *a = l->all;
    char name[sizeof l->name];
    if (!is_wanted(l, LEASE_PUTTING)) return;
    memcpy(name, l->name, sizeof name);
    l->token = answer->revision;
    if (answer->error != 0)
        try_again(l, answer->error, answer->sentence);
    else
        look(l);
    leases_settle(a, name);
}

static void put(lease *l) {
    char who[AGENT_LEASE_WHO_CAP];
    uint64_t id;
    CHECK(getrandom(&id, sizeof id, 0) == (ssize_t)sizeof id);
    agent_lease_key(l->name, id, l->key);
    (void)snprintf(who, sizeof who, "%.80s on %.40s", agent_member_identity(l->member)->name,
                   agent_members_host(l->all->options.members));
    mesh_bytes key = mesh_bytes_text(l->key);
    store_compare is_new = {.key = key, .kind = STORE_CREATED};
    store_op op = {
        .kind = STORE_PUT, .key = key, .value = mesh_bytes_text(who), .lease = l->store_lease};
    l->phase = LEASE_PUTTING;
    l->asked++;
    store_commit(store_of(l), &(store_transaction){&is_new, 1, &op, 1}, on_put, l);
}

// ---- the lease of the store

static void on_hold(const store_hold_news *news, void *user) {
    lease *l = user;
    agent_leases *a = l->all;
    char name[sizeof l->name];
    memcpy(name, l->name, sizeof name);
    if (news->is_held) {
        l->store_lease = news->lease;
        put(l);
    } else if (l->phase == LEASE_HELD || l->phase == LEASE_RESUMING) {
        lease_end(l, LEASE_WHY(LOST), news->sentence);
    } else if (l->phase != LEASE_ENDING) {
        try_again(l, news->error, news->sentence);
    }
    leases_settle(a, name);
}

static void on_proven(const store_answer *answer, void *user) {
    lease *l = user;
    agent_leases *a = l->all;
    char name[sizeof l->name];
    if (!is_wanted(l, LEASE_RESUMING)) return;
    if (answer->error != 0) return; // the next time that it is kept
    memcpy(name, l->name, sizeof name);
    if (answer->pair_count == 1 && answer->pairs[0].created == l->token) {
        l->phase = LEASE_HELD;
        lease_tell_held(l);
    } else {
        lease_end(l, LEASE_WHY(LOST), "another has it");
    }
    leases_settle(a, name);
}

static void on_kept(void *user) {
    lease *l = user;
    if (l->phase == LEASE_HELD) lease_tell_held(l);
    if (l->phase != LEASE_RESUMING || l->asked > 0) return;
    l->asked++;
    store_get(store_of(l), mesh_bytes_text(l->key), on_proven, l);
}

const char *lease_judge_quorum(const agent_leases *a) {
    static char text[TEXT_MAX];
    if (agent_store_is_shared(a->options.store) || !a->options.is_in_cluster(a->options.user))
        return NULL;
    (void)snprintf(text, sizeof text,
                   "this host is in a cluster and its store, %.200s, is its own: start the agents "
                   "with --store etcd://HOST:2379 (docs/leases.md)",
                   agent_store_text(a->options.store));
    return text;
}

void lease_begin(lease *l) {
    const char *text = lease_judge_quorum(l->all);
    if (text != NULL) {
        lease_end(l, LEASE_WHY(NO_QUORUM), text);
        return;
    }
    l->phase = LEASE_GRANTING;
    l->hold = store_hold_open(store_of(l), l->ttl_s, on_hold, l);
    store_hold_on_kept(l->hold, on_kept);
}

void lease_resume(lease *l, const Warren__Node__LeaseTicket *had) {
    store_hold_before before = {(int64_t)had->store_lease, had->ttl_s, had->until_ms};
    (void)snprintf(l->key, sizeof l->key, "%s", had->key);
    l->token = (int64_t)had->token;
    l->store_lease = before.lease;
    l->phase = LEASE_RESUMING;
    l->is_seen = true;
    l->hold = store_hold_resume(store_of(l), &before, on_hold, l);
    store_hold_on_kept(l->hold, on_kept);
    l->told_ms = store_hold_until_ms(l->hold);
    set_end(l);
}
