#include "io/leases.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/limits.h"
#include "core/mem.h"
#include "io/agent_link.h"
#include "io/steady.h"

typedef enum phase { ASKED, HELD, ENDING } phase;

typedef struct lease {
    uint32_t id, ttl_s;
    bool is_waiting;
    char name[MESH_NAME_LEN_MAX + 1];
    phase phase;
    bool is_told;     // that it is held; then: that it is over
    bool is_doubtful; // its time is over, but news may have come while this process stood still
    char key[MESH_LEASE_KEY_CAP];
    uint64_t token, store_lease, until_ms;
    uint32_t granted_s;
} lease;

struct mesh_leases {
    mesh_channel *channel;
    mesh_lease_cb cb;
    void *user;
    lease *list[MESH_LEASES_MAX];
    size_t count;
};

mesh_leases *mesh_leases_create(mesh_channel *channel, mesh_lease_cb cb, void *user) {
    mesh_leases *leases = mem_alloc(sizeof *leases);
    *leases = (mesh_leases){.channel = channel, .cb = cb, .user = user};
    return leases;
}

void mesh_leases_drop(mesh_leases *leases) {
    for (size_t i = 0; i < leases->count; i++)
        free(leases->list[i]);
    leases->count = 0;
}

void mesh_leases_destroy(mesh_leases *leases) {
    if (leases == NULL) return;
    mesh_leases_drop(leases);
    free(leases);
}

static lease *find(const mesh_leases *leases, uint32_t id) {
    for (size_t i = 0; i < leases->count; i++)
        if (leases->list[i]->id == id) return leases->list[i];
    return NULL;
}

static void forget(mesh_leases *leases, const lease *l) {
    size_t i = 0;
    while (leases->list[i] != l)
        i++;
    free(leases->list[i]);
    leases->list[i] = leases->list[--leases->count];
}

// ---- to the agent

static void send_ask(const mesh_leases *leases, const lease *l) {
    Warren__Node__LeaseAsk ask = WARREN__NODE__LEASE_ASK__INIT;
    Warren__Node__LeaseTicket had = WARREN__NODE__LEASE_TICKET__INIT;
    ask.lease_id = l->id;
    ask.name = (char *)(uintptr_t)l->name;
    ask.ttl_s = l->ttl_s;
    ask.wait = l->is_waiting;
    ask.clock = mesh_steady_clock_number();
    had.key = (char *)(uintptr_t)l->key;
    had.token = l->token;
    had.store_lease = l->store_lease;
    had.ttl_s = l->granted_s;
    had.until_ms = l->until_ms;
    if (l->token != 0) ask.had = &had;
    mesh_agent_link_ask_lease(leases->channel, &ask);
}

static bool is_name(mesh_bytes name) {
    if (name.len == 0 || name.len > MESH_NAME_LEN_MAX) return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] <= ' ' || name.data[i] == 0x7f) return false;
    return true;
}

int mesh_leases_ask(mesh_leases *leases, const mesh_lease_ask *ask) {
    if (!is_name(ask->name)) return MESH_EINVAL;
    if (find(leases, ask->id) != NULL) return MESH_EEXIST;
    if (leases->count == MESH_LEASES_MAX) return MESH_EQUOTA;
    lease *l = mem_alloc(sizeof *l);
    l->id = ask->id;
    l->ttl_s = ask->ttl_s;
    l->is_waiting = ask->is_waiting;
    memcpy(l->name, ask->name.data, ask->name.len);
    leases->list[leases->count++] = l;
    send_ask(leases, l);
    return 0;
}

void mesh_leases_end(mesh_leases *leases, uint32_t id) {
    lease *l = find(leases, id);
    if (l == NULL || l->phase == ENDING) return;
    l->phase = ENDING;
    l->is_told = false;
    mesh_agent_link_end_lease(leases->channel, id);
}

void mesh_leases_say(const mesh_leases *leases) {
    for (size_t i = 0; i < leases->count; i++) {
        const lease *l = leases->list[i];
        send_ask(leases, l);
        if (l->phase == ENDING) mesh_agent_link_end_lease(leases->channel, l->id);
    }
}

// ---- what it is

bool mesh_leases_is_valid(const mesh_leases *leases, uint32_t id) {
    const lease *l = find(leases, id);
    return l != NULL && l->phase == HELD && mesh_steady_ms() < l->until_ms;
}

uint64_t mesh_leases_token(const mesh_leases *leases, uint32_t id) {
    const lease *l = find(leases, id);
    return l != NULL ? l->token : 0;
}

// ---- from the agent

static void tell(const mesh_leases *leases, uint32_t id, mesh_lease_state state, mesh_lease_why why,
                 const char *text) {
    leases->cb(&(mesh_lease_news){id, state, why, text != NULL ? text : ""}, leases->user);
}

// The next tick looks: at once.
static bool is_due(const lease *l, uint64_t now_ms) {
    return l->phase == HELD && l->is_told && now_ms >= l->until_ms;
}

static void take_held(mesh_leases *leases, lease *l, const Warren__Node__LeaseTicket *ticket) {
    if (l->phase == ENDING || ticket == NULL || strlen(ticket->key) >= sizeof l->key) return;
    memcpy(l->key, ticket->key, strlen(ticket->key) + 1);
    l->token = ticket->token;
    l->store_lease = ticket->store_lease;
    l->granted_s = ticket->ttl_s;
    l->until_ms = ticket->until_ms;
    l->phase = HELD;
    l->is_doubtful = false;
    mesh_agent_link_saw_lease(leases->channel, l->id, l->until_ms);
    // One that came too late is not told: either a later moment follows, or that it is over.
    if (l->is_told || mesh_steady_ms() >= l->until_ms) return;
    l->is_told = true;
    tell(leases, l->id, MESH_LEASE_HELD, MESH_LEASE_ENDED, "");
}

static void take_over(mesh_leases *leases, lease *l, const Warren__Node__Lease *message) {
    bool is_known = l->phase == ENDING && l->is_told; // it was lost here first
    uint32_t id = l->id;
    forget(leases, l);
    if (!is_known) tell(leases, id, MESH_LEASE_OVER, (mesh_lease_why)message->why, message->text);
}

void mesh_leases_receive(mesh_leases *leases, const Warren__Node__Lease *message) {
    lease *l = find(leases, message->lease_id);
    if (l == NULL) return;
    switch (message->state) {
    case WARREN__NODE__LEASE__STATE__WAITING:
        if (l->phase == ASKED)
            tell(leases, l->id, MESH_LEASE_WAITING, (mesh_lease_why)message->why, message->text);
        return;
    case WARREN__NODE__LEASE__STATE__HELD: take_held(leases, l, message->ticket); return;
    case WARREN__NODE__LEASE__STATE__OVER: take_over(leases, l, message); return;
    default: return; // of a newer agent
    }
}

// ---- time

void mesh_leases_tick(mesh_leases *leases) {
    uint64_t now_ms = mesh_steady_ms();
    for (size_t i = 0; i < leases->count; i++) {
        lease *l = leases->list[i];
        if (!is_due(l, now_ms)) continue;
        if (!l->is_doubtful) { // what waits in the socket is read before the next look
            l->is_doubtful = true;
            continue;
        }
        l->phase = ENDING; // is_told stays: its end
        mesh_agent_link_end_lease(leases->channel, l->id);
        tell(leases, l->id, MESH_LEASE_OVER, MESH_LEASE_LOST,
             "nobody has kept it alive in time: this process, its agent or the store stood still");
    }
}

uint64_t mesh_leases_wait_ms(const mesh_leases *leases) {
    if (leases->count == 0) return UINT64_MAX; // asked in each turn of the loop
    uint64_t now_ms = mesh_steady_ms(), wait_ms = UINT64_MAX;
    for (size_t i = 0; i < leases->count; i++) {
        const lease *l = leases->list[i];
        if (l->phase != HELD || !l->is_told) continue;
        uint64_t left_ms = is_due(l, now_ms) ? 1 : l->until_ms - now_ms;
        if (left_ms < wait_ms) wait_ms = left_ms;
    }
    return wait_ms;
}
