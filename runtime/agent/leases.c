#include "agent/leases.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "agent/lease_line.h"
#include "agent/say.h"
#include "core/mem.h"
#include "io/steady.h"
#include "store/hold.h"

enum {
    PAUSE_MIN_MS = 500, // until the store is asked again
    PAUSE_MAX_MS = 5000,
    BUSY_AGAIN_MS = 100,
    LOOK_AGAIN_MS = 1000, // where no watch can be had
    END_MARGIN_MS = 20,
    TEXT_MAX = STORE_SENTENCE_LEN_MAX + 200,
};

typedef Warren__Node__Lease__Why why;
#define WHY(NAME) WARREN__NODE__LEASE__WHY__##NAME

typedef enum phase {
    QUEUED,   // another node of this host is before it: one stands in the line for all of them
    GRANTING, // its lease of the store is asked for
    PUTTING,  // its place in the line
    LOOKING,  // at the line
    IN_LINE,
    HELD,
    RESUMING, // it was held of the agent before; nobody knows whether it still is
    PAUSED,   // the store would not
    ENDING,   // its place in the line is taken away
    GONE,     // until nothing of it is under way
} phase;

typedef struct lease {
    agent_leases *all;
    struct lease *next;
    agent_member *member; // NULL: nobody is told any more
    uint32_t id, ttl_s;
    bool is_waiting;
    char name[MESH_NAME_LEN_MAX + 1], key[AGENT_LEASE_KEY_CAP];
    phase phase;
    store_hold *hold;
    int64_t token, store_lease;
    uint64_t told_ms; // until then it is valid, says the node
    bool is_seen;     // ... and has said so
    agent_lease_line line;
    int64_t line_revision;
    bool is_stale;  // the line has changed while it was looked at
    uint32_t asked; // of the store, without an answer yet
    uint32_t pause_ms;
    uv_timer_t timer;
    bool is_timer_closed;
} lease;

struct agent_leases {
    agent_leases_options options;
    lease *first, **last;
    store_watch *watch; // of all lines; NULL: nobody is in one
    uint32_t count, ending_count;
};

static store_db *store_of(const lease *l) {
    return agent_store_get(l->all->options.store);
}

// ---- telling the node

static void say(const lease *l, Warren__Node__Lease__State state, why reason, const char *text) {
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

static void say_waiting(const lease *l, why reason, const char *text) {
    say(l, WARREN__NODE__LEASE__STATE__WAITING, reason, text);
}

static void on_timer(uv_timer_t *timer);

// A little later than the moment itself: when it was the store that did not answer, that is told.
static void set_end(lease *l) {
    uint64_t now_ms = mesh_steady_ms(), at_ms = l->told_ms + END_MARGIN_MS;
    uv_timer_start(&l->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

static void tell_held(lease *l) {
    uint64_t until_ms = store_hold_until_ms(l->hold);
    if (!l->is_seen || until_ms <= l->told_ms) return;
    l->told_ms = until_ms;
    l->is_seen = false;
    say(l, WARREN__NODE__LEASE__STATE__HELD, WHY(ENDED), "");
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

static void free_if_over(lease *l) {
    if (l->phase != GONE || l->asked > 0 || !l->is_timer_closed) return;
    if (l->all != NULL) unlink_it(l);
    free(l);
}

static void on_timer_closed(uv_handle_t *handle) {
    lease *l = handle->data;
    l->is_timer_closed = true;
    free_if_over(l);
}

static void forget(lease *l) {
    agent_leases *a = l->all;
    a->ending_count -= l->phase == ENDING;
    l->phase = GONE;
    l->member = NULL;
    store_hold_close(l->hold);
    l->hold = NULL;
    a->count--;
    uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}

static void settle(agent_leases *a, const char *name);

// It counts an answer of the store, also for one that nobody wants any more.
static bool is_wanted(lease *l, phase in) {
    l->asked--;
    if (l->phase == in) return true;
    free_if_over(l);
    return false;
}

static void on_deleted(const store_answer *answer, void *user) {
    lease *l = user;
    agent_leases *a = l->all;
    char name[sizeof l->name];
    (void)answer; // what is not deleted now ends with the lease of the store
    if (!is_wanted(l, ENDING)) return;
    memcpy(name, l->name, sizeof name);
    say(l, WARREN__NODE__LEASE__STATE__OVER, WHY(ENDED), "");
    forget(l);
    settle(a, name);
}

static void give_back(lease *l) {
    mesh_bytes key = mesh_bytes_text(l->key);
    store_compare is_own = {.key = key, .kind = STORE_CREATED, .revision = l->token};
    store_op op = {.kind = STORE_DELETE, .key = key};
    uv_timer_stop(&l->timer);
    l->phase = ENDING;
    l->all->ending_count++;
    l->asked++;
    store_commit(store_of(l), &(store_transaction){&is_own, 1, &op, 1}, on_deleted, l);
}

// The last word to its node, which then has it no more. Whoever calls it settles.
static void end(lease *l, why reason, const char *text) {
    bool is_held = l->phase == HELD || l->phase == RESUMING;
    if (!is_held || reason != WHY(ENDED)) {
        say(l, WARREN__NODE__LEASE__STATE__OVER, reason, text);
        l->member = NULL;
    }
    if (is_held)
        give_back(l);
    else
        forget(l);
}

// ---- waiting

static void begin(lease *l);
static void look(lease *l);

static bool is_for_later(int error) {
    return error == STORE_EUNREACHABLE || error == STORE_EFULL || error == STORE_EGONE ||
           error == STORE_ECONFLICT;
}

static void try_again(lease *l, int error, const char *text) {
    store_hold_close(l->hold);
    l->hold = NULL;
    if (!l->is_waiting || !is_for_later(error)) {
        end(l, WHY(NO_QUORUM), text);
        return;
    }
    l->phase = PAUSED;
    l->pause_ms = l->pause_ms == 0 ? PAUSE_MIN_MS : 2 * l->pause_ms;
    if (l->pause_ms > PAUSE_MAX_MS) l->pause_ms = PAUSE_MAX_MS;
    uv_timer_start(&l->timer, on_timer, l->pause_ms, 0);
    say_waiting(l, WHY(NO_QUORUM), text);
}

static void go_on(lease *l) {
    if (l->asked == 0)
        begin(l);
    else
        uv_timer_start(&l->timer, on_timer, BUSY_AGAIN_MS, 0);
}

// The node cannot take it for valid any more, and has not said that it knows of a later moment.
static void expire(lease *l) {
    if (mesh_steady_ms() < l->told_ms + END_MARGIN_MS)
        set_end(l);
    else
        end(l, WHY(LOST), "the node or its agent stood still for too long");
}

static void on_timer(uv_timer_t *timer) {
    lease *l = timer->data;
    agent_leases *a = l->all;
    char name[sizeof l->name];
    memcpy(name, l->name, sizeof name);
    switch (l->phase) {
    case PAUSED: go_on(l); break;
    case IN_LINE: look(l); break;
    case HELD:
    case RESUMING: expire(l); break;
    default: return;
    }
    settle(a, name);
}

// ---- the line

static void on_news(const store_news *news, void *user) {
    agent_leases *a = user;
    if (news->error != 0) { // changes are missing
        store_watch_close(a->watch);
        a->watch = NULL;
    }
    for (lease *l = a->first; l != NULL; l = l->next) {
        if (news->error != 0 && l->phase == IN_LINE) look(l);
        for (size_t i = 0; i < news->change_count; i++) {
            const store_change *change = &news->changes[i];
            if (!change->is_delete) continue;
            if (l->phase == LOOKING)
                l->is_stale = true;
            else if (l->phase == IN_LINE && agent_lease_line_is_before(&l->line, change->key))
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
        end(l, WHY(TAKEN), text);
        return;
    }
    l->phase = IN_LINE;
    // What goes after this look is told, for the watch begins with it or before.
    if (a->watch == NULL)
        a->watch = store_watch_open(
            store_of(l), &(store_watch_options){.prefix = mesh_bytes_text(AGENT_LEASE_PREFIX),
                                                .after = l->line_revision,
                                                .cb = on_news,
                                                .user = a});
    if (a->watch == NULL) uv_timer_start(&l->timer, on_timer, LOOK_AGAIN_MS, 0);
    say_waiting(l, WHY(TAKEN), text);
}

static void have(lease *l) {
    l->phase = HELD;
    l->pause_ms = 0;
    l->is_seen = true;
    l->told_ms = 0;
    tell_held(l); // one that is over by now says so
}

static void on_listed(const store_answer *answer, void *user);

static void list(lease *l, mesh_bytes after) {
    store_range range = {.prefix = agent_lease_prefix(l->key), .after = after};
    l->asked++;
    store_list(store_of(l), &range, on_listed, l);
}

static void look(lease *l) {
    l->phase = LOOKING;
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
    if (!is_wanted(l, LOOKING)) return;
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
    settle(a, name);
}

static void on_put(const store_answer *answer, void *user) {
    lease *l = user;
    agent_leases *a = l->all;
    char name[sizeof l->name];
    if (!is_wanted(l, PUTTING)) return;
    memcpy(name, l->name, sizeof name);
    l->token = answer->revision;
    if (answer->error != 0)
        try_again(l, answer->error, answer->sentence);
    else
        look(l);
    settle(a, name);
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
    l->phase = PUTTING;
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
    } else if (l->phase == HELD || l->phase == RESUMING) {
        end(l, WHY(LOST), news->sentence);
    } else if (l->phase != ENDING) {
        try_again(l, news->error, news->sentence);
    }
    settle(a, name);
}

static void on_proven(const store_answer *answer, void *user) {
    lease *l = user;
    agent_leases *a = l->all;
    char name[sizeof l->name];
    if (!is_wanted(l, RESUMING)) return;
    if (answer->error != 0) return; // the next time that it is kept
    memcpy(name, l->name, sizeof name);
    if (answer->pair_count == 1 && answer->pairs[0].created == l->token) {
        l->phase = HELD;
        tell_held(l);
    } else {
        end(l, WHY(LOST), "another has it");
    }
    settle(a, name);
}

static void on_kept(void *user) {
    lease *l = user;
    if (l->phase == HELD) tell_held(l);
    if (l->phase != RESUMING || l->asked > 0) return;
    l->asked++;
    store_get(store_of(l), mesh_bytes_text(l->key), on_proven, l);
}

// NULL: it can be promised.
static const char *judge_quorum(const agent_leases *a) {
    static char text[TEXT_MAX];
    if (agent_store_is_shared(a->options.store) || !a->options.is_in_cluster(a->options.user))
        return NULL;
    (void)snprintf(text, sizeof text,
                   "this host is in a cluster and its store, %.200s, is its own: start the agents "
                   "with --store etcd://HOST:2379 (docs/leases.md)",
                   agent_store_text(a->options.store));
    return text;
}

static void begin(lease *l) {
    const char *text = judge_quorum(l->all);
    if (text != NULL) {
        end(l, WHY(NO_QUORUM), text);
        return;
    }
    l->phase = GRANTING;
    l->hold = store_hold_open(store_of(l), l->ttl_s, on_hold, l);
    store_hold_on_kept(l->hold, on_kept);
}

static void resume(lease *l, const Warren__Node__LeaseTicket *had) {
    store_hold_before before = {(int64_t)had->store_lease, had->ttl_s, had->until_ms};
    (void)snprintf(l->key, sizeof l->key, "%s", had->key);
    l->token = (int64_t)had->token;
    l->store_lease = before.lease;
    l->phase = RESUMING;
    l->is_seen = true;
    l->hold = store_hold_resume(store_of(l), &before, on_hold, l);
    store_hold_on_kept(l->hold, on_kept);
    l->told_ms = store_hold_until_ms(l->hold);
    set_end(l);
}

// ---- of one host: whoever stands in the line does so for all

static lease *find_first(const agent_leases *a, const char *name, bool is_queued) {
    lease *l = a->first;
    while (l != NULL &&
           (l->phase == GONE || (l->phase == QUEUED) != is_queued || strcmp(l->name, name) != 0))
        l = l->next;
    return l;
}

static bool has_line(const agent_leases *a) {
    const lease *l = a->first;
    while (l != NULL && l->phase != LOOKING && l->phase != IN_LINE)
        l = l->next;
    return l != NULL;
}

// After whatever has happened to leases of this name.
static void settle(agent_leases *a, const char *name) {
    lease *l;
    while (find_first(a, name, false) == NULL && (l = find_first(a, name, true)) != NULL)
        begin(l);
    if (a->watch != NULL && !has_line(a)) {
        store_watch_close(a->watch);
        a->watch = NULL;
    }
    if (a->ending_count == 0) a->options.on_idle(a->options.user);
}

static void queue(lease *l, const lease *before) {
    char text[AGENT_LEASE_WHO_CAP + 64];
    const char *who =
        before->member != NULL ? agent_member_identity(before->member)->name : "another node";
    (void)snprintf(text, sizeof text, "%.80s of this host %s", who,
                   before->phase == HELD ? "has it" : "was before it");
    if (l->is_waiting)
        say_waiting(l, WHY(TAKEN), text);
    else
        end(l, WHY(TAKEN), text);
}

// ---- what nodes say

static lease *find(const agent_leases *a, const agent_member *member, uint32_t id) {
    lease *l = a->first;
    while (l != NULL && (l->member != member || l->id != id))
        l = l->next;
    return l;
}

static const char *judge(const agent_leases *a, const agent_member *member,
                         const Warren__Node__LeaseAsk *ask) {
    const Warren__Node__LeaseTicket *had = ask->had;
    if (!agent_lease_is_name(ask->name)) return "it asked for a lease that has no good name";
    if (ask->ttl_s < STORE_TTL_MIN_S || ask->ttl_s > STORE_TTL_MAX_S)
        return "it asked for a lease that is too short or too long";
    if (find(a, member, ask->lease_id) != NULL) return "it asked for one lease twice";
    if (had == NULL) return NULL;
    bool is_sound = agent_lease_is_key(had->key, ask->name) && had->ttl_s >= STORE_TTL_MIN_S &&
                    had->ttl_s <= STORE_TTL_MAX_S && had->store_lease != 0 && had->token != 0;
    return is_sound ? NULL : "it had a lease that cannot have been one";
}

static uint32_t count_of(const agent_leases *a, const agent_member *member) {
    uint32_t count = 0;
    for (const lease *l = a->first; l != NULL; l = l->next)
        count += l->member == member;
    return count;
}

// What keeps this host or this node from having any.
static const char *judge_node(const agent_leases *a, const lease *l,
                              const Warren__Node__LeaseAsk *ask, why *out) {
    *out = WHY(NO_QUORUM);
    if (ask->clock != mesh_steady_clock_number())
        return "this process has another clock than its agent, in a time namespace of its own";
    const char *text = judge_quorum(a);
    if (text != NULL) return text;
    *out = WHY(TOO_MANY);
    if (count_of(a, l->member) > MESH_LEASES_MAX) return "this node has or awaits 256 leases";
    return a->count > AGENT_LEASES_MAX ? "the nodes of this host have or await 4096 leases" : NULL;
}

static lease *add(agent_leases *a, agent_member *member, const Warren__Node__LeaseAsk *ask) {
    lease *l = mem_alloc(sizeof *l);
    *l = (lease){.all = a,
                 .member = member,
                 .id = ask->lease_id,
                 .ttl_s = ask->ttl_s,
                 .is_waiting = ask->wait};
    (void)snprintf(l->name, sizeof l->name, "%s", ask->name);
    uv_timer_init(a->options.loop, &l->timer);
    l->timer.data = l;
    *a->last = l;
    a->last = &l->next;
    a->count++;
    return l;
}

static const char *on_ask(agent_member *member, const Warren__Node__LeaseAsk *ask, void *user) {
    agent_leases *a = user;
    why reason;
    const char *fault = judge(a, member, ask);
    if (fault != NULL) return fault;
    lease *l = add(a, member, ask);
    const char *text = judge_node(a, l, ask, &reason);
    const lease *before = find_first(a, l->name, false);
    if (text != NULL)
        end(l, reason, text);
    else if (ask->had != NULL)
        resume(l, ask->had);
    else if (before != NULL)
        queue(l, before);
    settle(a, ask->name);
    return NULL;
}

static void on_seen(agent_member *member, const Warren__Node__LeaseSeen *seen, void *user) {
    lease *l = find(user, member, seen->lease_id);
    if (l == NULL || l->phase != HELD || seen->until_ms != l->told_ms) return;
    l->is_seen = true;
    tell_held(l);
}

static void on_end(agent_member *member, uint32_t lease_id, void *user) {
    agent_leases *a = user;
    lease *l = find(a, member, lease_id);
    if (l == NULL || l->phase == ENDING) return;
    char name[sizeof l->name];
    memcpy(name, l->name, sizeof name);
    end(l, WHY(ENDED), "");
    settle(a, name);
}

static lease *find_any(const agent_leases *a, const agent_member *member) {
    lease *l = a->first;
    while (l != NULL && l->member != member)
        l = l->next;
    return l;
}

static void on_gone(agent_member *member, bool is_dead, void *user) {
    agent_leases *a = user;
    for (lease *l; (l = find_any(a, member)) != NULL;) {
        char name[sizeof l->name];
        memcpy(name, l->name, sizeof name);
        l->member = NULL;
        // Who lives on may believe in it until the moment that it was told: that is waited for.
        bool is_believed = !is_dead && (l->phase == HELD || l->phase == RESUMING);
        if (l->phase == ENDING || is_believed) continue;
        end(l, WHY(ENDED), "");
        settle(a, name);
    }
}

// ---- the face

static const agent_members_leases of_members = {on_ask, on_seen, on_end, on_gone};

agent_leases *agent_leases_create(const agent_leases_options *options) {
    agent_leases *a = mem_alloc(sizeof *a);
    a->options = *options;
    a->last = &a->first;
    agent_members_set_leases(options->members, &of_members, a);
    return a;
}

bool agent_leases_is_busy(const agent_leases *a) {
    return a->ending_count > 0 && agent_store_trouble(a->options.store)[0] == '\0';
}

void agent_leases_destroy(agent_leases *a) {
    if (a == NULL) return;
    agent_members_set_leases(a->options.members, NULL, NULL);
    for (lease *l = a->first, *next; l != NULL; l = next) {
        next = l->next;
        l->asked = 0;   // nobody answers any more
        l->hold = NULL; // the store closes them
        if (l->phase != GONE) forget(l);
        l->all = NULL;
        free_if_over(l);
    }
    free(a);
}
