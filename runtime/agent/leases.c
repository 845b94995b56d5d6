#include "agent/leases.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/lease_state.h"
#include "core/mem.h"
#include "io/steady.h"

// ---- of one host: whoever stands in the line does so for all

static lease *find_first(const agent_leases *a, const char *name, bool is_queued) {
    lease *l = a->first;
    while (l != NULL && (l->phase == LEASE_GONE || (l->phase == LEASE_QUEUED) != is_queued ||
                         strcmp(l->name, name) != 0))
        l = l->next;
    return l;
}

static bool has_line(const agent_leases *a) {
    const lease *l = a->first;
    while (l != NULL && l->phase != LEASE_LOOKING && l->phase != LEASE_IN_LINE)
        l = l->next;
    return l != NULL;
}

void leases_settle(agent_leases *a, const char *name) {
    lease *l;
    while (find_first(a, name, false) == NULL && (l = find_first(a, name, true)) != NULL)
        lease_begin(l);
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
                   before->phase == LEASE_HELD ? "has it" : "was before it");
    if (l->is_waiting)
        lease_say_waiting(l, LEASE_WHY(TAKEN), text);
    else
        lease_end(l, LEASE_WHY(TAKEN), text);
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
                              const Warren__Node__LeaseAsk *ask, lease_why *out) {
    *out = LEASE_WHY(NO_QUORUM);
    if (ask->clock != mesh_steady_clock_number())
        return "this process has another clock than its agent, in a time namespace of its own";
    const char *text = lease_judge_quorum(a);
    if (text != NULL) return text;
    *out = LEASE_WHY(TOO_MANY);
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
    lease_why reason;
    const char *fault = judge(a, member, ask);
    if (fault != NULL) return fault;
    lease *l = add(a, member, ask);
    const char *text = judge_node(a, l, ask, &reason);
    const lease *before = find_first(a, l->name, false);
    if (text != NULL)
        lease_end(l, reason, text);
    else if (ask->had != NULL)
        lease_resume(l, ask->had);
    else if (before != NULL)
        queue(l, before);
    leases_settle(a, ask->name);
    return NULL;
}

static void on_seen(agent_member *member, const Warren__Node__LeaseSeen *seen, void *user) {
    lease *l = find(user, member, seen->lease_id);
    if (l == NULL || l->phase != LEASE_HELD || seen->until_ms != l->told_ms) return;
    l->is_seen = true;
    lease_tell_held(l);
}

static void on_end(agent_member *member, uint32_t lease_id, void *user) {
    agent_leases *a = user;
    lease *l = find(a, member, lease_id);
    if (l == NULL || l->phase == LEASE_ENDING) return;
    char name[sizeof l->name];
    memcpy(name, l->name, sizeof name);
    lease_end(l, LEASE_WHY(ENDED), "");
    leases_settle(a, name);
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
        bool is_believed = !is_dead && (l->phase == LEASE_HELD || l->phase == LEASE_RESUMING);
        if (l->phase == LEASE_ENDING || is_believed) continue;
        lease_end(l, LEASE_WHY(ENDED), "");
        leases_settle(a, name);
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
        if (l->phase != LEASE_GONE) lease_forget(l);
        l->all = NULL;
        lease_free_if_over(l);
    }
    free(a);
}
