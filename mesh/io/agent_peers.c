#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "core/error.h"
#include "core/limits.h"
#include "core/mem.h"
#include "io/agent_peers_state.h"

enum { SWEEP_EVERY_MS = 1000 };

typedef mesh_agent_peer peer;

// ---- the list

static void on_sweep(uv_timer_t *timer);

static void sweep_in(mesh_agent_peers *peers, uint64_t wait_ms) {
    (void)uv_timer_start(peers->sweep, on_sweep, wait_ms, SWEEP_EVERY_MS);
}

static peer *add(mesh_agent_peers *peers, mesh_peer_stage stage) {
    peer *p = mem_alloc(sizeof *p);
    p->peers = peers;
    p->stage = stage;
    p->fd = -1;
    p->due_ms = UINT64_MAX;
    p->next = peers->first;
    peers->first = p;
    peers->count++;
    if (!uv_is_active((uv_handle_t *)peers->sweep)) sweep_in(peers, SWEEP_EVERY_MS);
    return p;
}

static void free_peer(peer *p) {
    mesh_link_destroy(p->link);
    sodium_memzero(p, sizeof *p);
    free(p);
}

static void on_poll_closed(uv_handle_t *handle) {
    free_peer(handle->data);
}

static void drop(peer *p) {
    mesh_agent_peers *peers = p->peers;
    peer **at = &peers->first;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    peers->count--;
    peers->accepted_count -= !p->is_dialler && p->stage != STAGE_LINKED;
    mesh_dial_close(p->dial);
    mesh_greeting_close(p->greeting);
    if (p->is_polled) uv_close((uv_handle_t *)&p->poll, on_poll_closed);
    if (p->fd >= 0) close(p->fd);
    if (!p->is_polled) free_peer(p);
}

void mesh_agent_peer_end(peer *p) {
    mesh_agent_peers *peers = p->peers;
    mesh_identity identity = p->identity;
    mesh_addr to = p->to;
    bool is_up = p->is_up, is_dial = p->is_dialler && !p->is_up;
    const char *why = p->why != NULL ? p->why : "it is closed";
    int err = p->err != 0 ? p->err : MESH_ECLOSED;
    drop(p);
    if (is_up) peers->events.on_down(&identity, why, peers->user);
    if (is_dial) peers->events.on_dial_failed(&to, err, peers->user);
}

static void fail(peer *p, int err) {
    p->err = err;
    mesh_agent_peer_end(p);
}

static peer *find(const mesh_agent_peers *peers, const uint8_t host_id[MESH_ID_LEN]) {
    for (peer *p = peers->first; p != NULL; p = p->next)
        if (p->stage == STAGE_LINKED && memcmp(p->host_id, host_id, MESH_ID_LEN) == 0) return p;
    return NULL;
}

// ---- a handshake that is over

// Of two links to one host. Both ends know the same of both, so both choose the same one.
static bool is_better(const peer *p, const peer *old) {
    uint64_t boot_id = p->identity.boot_id, old_boot_id = old->identity.boot_id;
    if (boot_id != old_boot_id) return boot_id > old_boot_id; // it was started again
    if (p->is_dialler == old->is_dialler) return true;
    bool is_self_smaller = memcmp(p->peers->host_id, p->host_id, MESH_ID_LEN) < 0;
    return p->is_dialler == is_self_smaller;
}

static void replace(peer *old) {
    old->why = "another link to it takes its place";
    old->err = MESH_EEXIST;
    mesh_agent_peer_end(old);
}

// 0, or why it is not needed.
static int make_place(peer *p) {
    mesh_agent_peers *peers = p->peers;
    if (memcmp(p->host_id, peers->host_id, MESH_ID_LEN) == 0) return MESH_EEXIST; // ourselves
    peer *old = find(peers, p->host_id);
    if (old == NULL) return peers->count > MESH_AGENT_LINKS_MAX ? MESH_EQUOTA : 0;
    if (!is_better(p, old)) return MESH_EEXIST;
    replace(old);
    return 0;
}

// Nobody needs this link; the other end is given time to see it too.
static void park(peer *p, int err) {
    mesh_agent_peers *peers = p->peers;
    mesh_addr to = p->to;
    p->stage = STAGE_REPLACED;
    p->due_ms = mesh_agent_peers_now(peers) + MESH_GREETING_TIMEOUT_MS;
    if (p->is_dialler) peers->events.on_dial_failed(&to, err, peers->user);
}

static void on_greeted(int err, const mesh_greeted *greeted, void *user) {
    peer *p = user;
    p->greeting = NULL;
    p->fd = greeted->fd;
    p->stage = STAGE_REPLACED; // until it is known to be needed
    if (err != 0) {
        fail(p, err);
        return;
    }
    p->identity = *greeted->peer;
    bool is_other =
        p->is_awaited && memcmp(p->host_id, p->identity.chain.host.host_id, MESH_ID_LEN) != 0;
    memcpy(p->host_id, p->identity.chain.host.host_id, MESH_ID_LEN);
    err = make_place(p);
    if (err != 0) {
        park(p, err);
        return;
    }
    mesh_agent_peers *peers = p->peers;
    mesh_addr to = p->to;
    err = mesh_agent_peer_start(p, greeted);
    if (err != 0)
        fail(p, err);
    else if (is_other)
        peers->events.on_dial_failed(&to, MESH_EWRONGPEER, peers->user);
}

static void greet(peer *p, int fd) {
    mesh_agent_peers *peers = p->peers;
    mesh_handshake_options options = {.self = peers->self,
                                      .is_dialler = p->is_dialler,
                                      .kind = MESH_KIND_AGENT,
                                      .is_any_host = p->is_any_host};
    memcpy(options.peer_host_id, p->host_id, MESH_ID_LEN);
    p->stage = STAGE_GREETS;
    p->err = mesh_greeting_open(peers->loop, fd, &options, MESH_GREETING_TIMEOUT_MS, on_greeted, p,
                                &p->greeting);
    if (p->err == 0) return;
    p->stage = STAGE_FAILED;
    sweep_in(peers, 0);
}

// ---- dialling and accepting

static void on_dialled(int err, int fd, void *user) {
    peer *p = user;
    p->dial = NULL;
    bool is_late = err == 0 && !p->is_any_host && find(p->peers, p->host_id) != NULL;
    if (is_late) close(fd); // it has dialled us meanwhile
    if (err != 0 || is_late)
        fail(p, is_late ? MESH_EEXIST : err);
    else
        greet(p, fd);
}

static void await(peer *p, const uint8_t *host_id) {
    p->is_awaited = true;
    memcpy(p->host_id, host_id, MESH_ID_LEN);
}

// Whether one is under way that will end for this one, too.
static bool join_dial(mesh_agent_peers *peers, const mesh_addr *to, const uint8_t *host_id) {
    for (peer *p = peers->first; p != NULL; p = p->next) {
        bool is_early = p->stage == STAGE_DIALS || p->stage == STAGE_GREETS;
        if (!is_early || !p->is_dialler || !mesh_addr_equal(&p->to, to)) continue;
        if (host_id == NULL) return true;
        if (!p->is_awaited) await(p, host_id);
        if (memcmp(p->host_id, host_id, MESH_ID_LEN) == 0) return true;
    }
    return false;
}

bool mesh_agent_peers_dial(mesh_agent_peers *peers, const mesh_addr *to, const uint8_t *host_id) {
    if (host_id != NULL && find(peers, host_id) != NULL) return false;
    if (join_dial(peers, to, host_id)) return true;
    peer *p = add(peers, STAGE_DIALS);
    p->is_dialler = true;
    p->is_any_host = host_id == NULL;
    if (host_id != NULL) await(p, host_id);
    p->to = *to;
    p->err = mesh_dial_open(peers->loop, to, MESH_DIAL_TIMEOUT_MS, on_dialled, p, &p->dial);
    if (p->err == 0) return true;
    p->stage = STAGE_FAILED;
    sweep_in(peers, 0);
    return true;
}

static peer *oldest_accepted(const mesh_agent_peers *peers) {
    peer *oldest = NULL;
    for (peer *p = peers->first; p != NULL; p = p->next)
        if (p->stage != STAGE_LINKED && !p->is_dialler) oldest = p; // new ones are put in front
    return oldest;
}

void mesh_agent_peers_accept(mesh_agent_peers *peers, int fd) {
    if (peers->accepted_count >= MESH_GREETINGS_MAX) drop(oldest_accepted(peers));
    peers->accepted_count++;
    greet(add(peers, STAGE_GREETS), fd);
}

// ---- life

static void sweep_one(peer *p) {
    bool is_due = p->due_ms <= mesh_agent_peers_now(p->peers);
    switch (p->stage) {
    case STAGE_DIALS:
    case STAGE_GREETS: break; // have a timer of their own
    case STAGE_FAILED: mesh_agent_peer_end(p); break;
    case STAGE_REPLACED:
        if (is_due) drop(p);
        break;
    case STAGE_LINKED: mesh_agent_peer_sweep(p); break;
    }
}

static void on_sweep(uv_timer_t *timer) {
    mesh_agent_peers *peers = timer->data;
    for (peer *p = peers->first, *next; p != NULL; p = next) {
        next = p->next;
        sweep_one(p);
    }
    if (peers->first == NULL) (void)uv_timer_stop(timer);
}

mesh_agent_peers *mesh_agent_peers_open(uv_loop_t *loop, const mesh_credentials *self,
                                        const uint8_t host_id[MESH_ID_LEN],
                                        const mesh_agent_peers_events *events, void *user) {
    mesh_agent_peers *peers = mem_alloc(sizeof *peers);
    peers->loop = loop;
    peers->self = self;
    memcpy(peers->host_id, host_id, MESH_ID_LEN);
    peers->events = *events;
    peers->user = user;
    peers->sweep = mem_alloc(sizeof *peers->sweep);
    peers->sweep->data = peers;
    (void)uv_timer_init(loop, peers->sweep); // never fails
    return peers;
}

static void on_timer_closed(uv_handle_t *timer) {
    free(timer);
}

void mesh_agent_peers_close(mesh_agent_peers *peers) {
    if (peers == NULL) return;
    for (peer *p = peers->first, *next; p != NULL; p = next) {
        next = p->next;
        drop(p);
    }
    uv_close((uv_handle_t *)peers->sweep, on_timer_closed);
    free(peers);
}

// ---- sending

static peer *find_up(const mesh_agent_peers *peers, const uint8_t host_id[MESH_ID_LEN]) {
    peer *p = find(peers, host_id);
    return p != NULL && p->is_up && !p->is_hung_up && p->why == NULL ? p : NULL;
}

int mesh_agent_peers_send(mesh_agent_peers *peers, const uint8_t host_id[MESH_ID_LEN],
                          mesh_bytes message) {
    peer *p = find_up(peers, host_id);
    if (p == NULL) return MESH_ENOTFOUND;
    if (message.len > MESH_AGENT_MESSAGE_MAX || !mesh_link_fits(p->link, message.len))
        return MESH_ETOOBIG;
    if (mesh_link_unsent(p->link) + message.len > MESH_AGENT_QUEUE_MAX) {
        mesh_agent_peer_finish(p, "it does not read: too much waits for it");
        return MESH_EQUOTA;
    }
    (void)mesh_link_send(p->link, &(mesh_link_send_options){.type = MESH_FRAME_AGENT,
                                                            .expires_at_ms = UINT64_MAX,
                                                            .payload = message});
    mesh_agent_peer_flush(p);
    return 0;
}

size_t mesh_agent_peers_queued(const mesh_agent_peers *peers, const uint8_t host_id[MESH_ID_LEN]) {
    const peer *p = find_up(peers, host_id);
    return p != NULL ? mesh_link_unsent(p->link) : 0;
}

void mesh_agent_peers_hang_up(mesh_agent_peers *peers, const uint8_t host_id[MESH_ID_LEN]) {
    peer *p = find_up(peers, host_id);
    if (p == NULL) return;
    p->is_hung_up = true;
    p->due_ms = mesh_agent_peers_now(peers) + MESH_GREETING_TIMEOUT_MS;
    (void)mesh_link_close(p->link, mesh_agent_peers_now(peers));
    mesh_agent_peer_flush(p);
}

const mesh_identity *mesh_agent_peers_find(const mesh_agent_peers *peers,
                                           const uint8_t host_id[MESH_ID_LEN]) {
    const peer *p = find_up(peers, host_id);
    return p != NULL ? &p->identity : NULL;
}
