#include "io/abroad.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "core/control.h"
#include "core/error.h"
#include "core/limits.h"
#include "core/mem.h"
#include "secure/issue.h"

enum { SWEEP_EVERY_MS = 500 };

typedef enum guest_state {
    GUEST_WAITS,    // for our credentials
    GUEST_GREETS,   // the handshake is under way
    GUEST_STRANGE,  // it is over, and the registry has not told of that node yet
    GUEST_REPLACED, // another link stays. The other end closes this one when it sees that: closed
                    // first, it could seem to be lost
} guest_state;

typedef struct guest {
    struct guest *next;
    mesh_abroad *abroad;
    guest_state state;
    bool is_dialler;
    uint64_t node_id; // 0: its certificate will say
    uint8_t host_id[MESH_ID_LEN];
    int fd; // but while it greets
    uint64_t due_ms;
    mesh_greeting *greeting;
    mesh_cert cert; // from here on: when the handshake is over
    mesh_cipher send, receive;
    uint8_t *rest;
    size_t rest_len;
} guest;

struct mesh_abroad {
    uv_loop_t *loop;
    uv_timer_t *sweep;
    mesh_abroad_events events;
    void *user;
    bool has_credentials, has_asked;
    uint64_t renew_at_s;
    mesh_credentials self;
    mesh_bytes chain[MESH_CHAIN_MAX];
    uint8_t certs[MESH_CHAIN_MAX][MESH_CERT_LEN_MAX];
    uint8_t link_key[MESH_LINK_KEY_LEN]; // public half of self.link_secret
    guest *guests;
    uint32_t accepted_count; // of them: that others dialled
};

static uint64_t now_s(void) {
    return (uint64_t)time(NULL);
}

// ---- guests

static void unlink_guest(guest *g) {
    guest **at = &g->abroad->guests;
    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
    g->abroad->accepted_count -= !g->is_dialler;
}

// Leaves its socket alone.
static void free_guest(guest *g) {
    unlink_guest(g);
    free(g->rest);
    sodium_memzero(g, sizeof *g);
    free(g);
}

static void drop(guest *g) {
    if (g->greeting != NULL)
        mesh_greeting_close(g->greeting);
    else if (g->fd >= 0)
        close(g->fd);
    free_guest(g);
}

static void fail(guest *g, int err) {
    mesh_abroad *abroad = g->abroad;
    uint64_t node_id = g->node_id;
    bool is_dialler = g->is_dialler;
    drop(g);
    abroad->events.on_failed(node_id, is_dialler, err, abroad->user);
}

static void wait_for(guest *g, guest_state state, uint64_t time_ms) {
    g->state = state;
    g->due_ms = uv_now(g->abroad->loop) + time_ms;
}

// ---- a finished handshake

// A link to that node is there: ours that are on their way are not needed. The other end has not
// seen their last message, so it keeps none of them, and calls go on the one link from the
// beginning. Swept away later: whoever calls may be walking over the guests.
static void give_up_dials(mesh_abroad *abroad, uint64_t node_id) {
    for (guest *g = abroad->guests; g != NULL; g = g->next) {
        bool is_on_its_way = g->state == GUEST_WAITS || g->state == GUEST_GREETS;
        if (!g->is_dialler || g->node_id != node_id || !is_on_its_way) continue;
        mesh_greeting_close(g->greeting);
        g->greeting = NULL;
        wait_for(g, GUEST_REPLACED, 0);
    }
}

static void hand_over(guest *g) {
    mesh_abroad *abroad = g->abroad;
    mesh_abroad_link link = {.is_dialler = g->is_dialler,
                             .peer = &g->cert,
                             .send = g->send,
                             .receive = g->receive,
                             .fd = g->fd,
                             .rest = {g->rest, g->rest_len}};
    int err = abroad->events.on_link(&link, abroad->user);
    sodium_memzero(&link, sizeof link);
    if (err == 0 && !g->is_dialler) give_up_dials(abroad, g->node_id);
    if (err == 0)
        free_guest(g);
    else if (err == MESH_EEXIST)
        wait_for(g, GUEST_REPLACED, MESH_GREETING_TIMEOUT_MS);
    else if (err != MESH_ENOTFOUND)
        fail(g, err);
    else if (g->state != GUEST_STRANGE)
        wait_for(g, GUEST_STRANGE, MESH_STRANGER_TIMEOUT_MS);
}

// Hands over what the handshake found out.
static void take_greeted(guest *g, const mesh_greeted *greeted) {
    g->cert = *mesh_chain_leaf(&greeted->peer->chain);
    g->node_id = g->cert.node_id;
    g->send = greeted->send;
    g->receive = greeted->receive;
    g->rest = mem_copy(greeted->rest.data, greeted->rest.len);
    g->rest_len = greeted->rest.len;
    hand_over(g);
}

static void on_greeted(int err, const mesh_greeted *greeted, void *user) {
    guest *g = user;
    mesh_abroad *abroad = g->abroad;
    g->greeting = NULL;
    g->fd = greeted->fd;
    if (err == 0)
        take_greeted(g, greeted);
    else
        fail(g, err);
    abroad->events.on_settled(abroad->user);
}

// ---- beginning

static void greet(guest *g) {
    mesh_abroad *abroad = g->abroad;
    mesh_handshake_options options = {.self = &abroad->self,
                                      .is_dialler = g->is_dialler,
                                      .kind = MESH_KIND_NODE,
                                      .peer_node_id = g->node_id};
    memcpy(options.peer_host_id, g->host_id, MESH_ID_LEN);
    uint32_t timeout_ms = g->is_dialler ? MESH_NODE_GREETING_TIMEOUT_MS : MESH_GREETING_TIMEOUT_MS;
    int fd = g->fd;
    g->fd = -1; // taken, whatever comes of it
    g->state = GUEST_GREETS;
    g->due_ms = UINT64_MAX; // it has a timer of its own
    int err =
        mesh_greeting_open(abroad->loop, fd, &options, timeout_ms, on_greeted, g, &g->greeting);
    if (err == 0)
        mesh_greeting_unref(g->greeting);
    else
        fail(g, err);
}

static void ask(mesh_abroad *abroad) {
    if (abroad->has_asked) return;
    abroad->has_asked = true;
    abroad->events.on_ask(abroad->link_key, abroad->user);
}

static guest *find(mesh_abroad *abroad, guest_state state) {
    for (guest *g = abroad->guests; g != NULL; g = g->next)
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is no longer in the list
        if (g->state == state) return g;
    return NULL;
}

static void sweep(uv_timer_t *timer) {
    mesh_abroad *abroad = timer->data;
    uint64_t now_ms = uv_now(abroad->loop);
    for (guest *g = abroad->guests, *next; g != NULL; g = next) {
        next = g->next;
        if (g->due_ms > now_ms) continue;
        if (g->state == GUEST_REPLACED)
            drop(g);
        else
            fail(g, g->state == GUEST_STRANGE ? MESH_ENOTFOUND : UV_ETIMEDOUT);
    }
    if (abroad->guests == NULL) (void)uv_timer_stop(timer);
    abroad->events.on_settled(abroad->user);
}

static guest *oldest_accepted(const mesh_abroad *abroad) {
    guest *oldest = NULL;
    for (guest *g = abroad->guests; g != NULL; g = g->next)
        if (!g->is_dialler) oldest = g; // new ones are put in front
    return oldest;
}

static void begin(mesh_abroad *abroad, const guest *wanted) {
    if (!wanted->is_dialler && abroad->accepted_count == MESH_GREETINGS_MAX)
        fail(oldest_accepted(abroad), MESH_EQUOTA);
    guest *g = mem_alloc(sizeof *g);
    *g = *wanted;
    g->abroad = abroad;
    g->next = abroad->guests;
    abroad->guests = g;
    abroad->accepted_count += !g->is_dialler;
    if (!uv_is_active((uv_handle_t *)abroad->sweep)) {
        (void)uv_timer_start(abroad->sweep, sweep, SWEEP_EVERY_MS, SWEEP_EVERY_MS);
        uv_unref((uv_handle_t *)abroad->sweep);
    }
    bool is_fresh = abroad->has_credentials && now_s() < abroad->renew_at_s;
    wait_for(g, GUEST_WAITS, MESH_DIAL_TIMEOUT_MS);
    if (is_fresh)
        greet(g);
    else
        ask(abroad);
}

void mesh_abroad_dialled(mesh_abroad *abroad, int fd, uint64_t node_id,
                         const uint8_t host_id[MESH_ID_LEN]) {
    guest g = {.fd = fd, .is_dialler = true, .node_id = node_id};
    memcpy(g.host_id, host_id, MESH_ID_LEN);
    begin(abroad, &g);
}

void mesh_abroad_accepted(mesh_abroad *abroad, int fd) {
    begin(abroad, &(guest){.fd = fd});
}

void mesh_abroad_retry(mesh_abroad *abroad) {
    if (abroad == NULL) return;
    for (guest *g = abroad->guests, *next; g != NULL; g = next) {
        next = g->next;
        if (g->state == GUEST_STRANGE) hand_over(g);
    }
}

// ---- credentials

static int judge(const mesh_abroad *abroad, const mesh_abroad_credentials *given, mesh_chain *out) {
    int err = mesh_chain_verify(&given->trust, given->chain, given->chain_count, now_s(), out);
    if (err != 0) return err;
    bool is_ours = out->is_node && out->node.node_id == abroad->self.node_id &&
                   memcmp(out->node.x25519, abroad->link_key, MESH_LINK_KEY_LEN) == 0;
    return is_ours ? 0 : MESH_ECERT;
}

// In place: handshakes that are under way go on with the same key.
static void keep(mesh_abroad *abroad, const mesh_abroad_credentials *given) {
    mesh_credentials *self = &abroad->self;
    for (size_t i = 0; i < given->chain_count; i++) {
        memcpy(abroad->certs[i], given->chain[i].data, given->chain[i].len);
        abroad->chain[i] = (mesh_bytes){abroad->certs[i], given->chain[i].len};
    }
    self->chain = abroad->chain;
    self->chain_count = given->chain_count;
    self->trust = given->trust;
    self->psk_id = given->psk_id;
    memcpy(self->cluster_id, given->cluster_id, MESH_ID_LEN);
    memcpy(self->link_psk, given->link_psk, sizeof self->link_psk);
    memcpy(self->knock_key, given->knock_key, sizeof self->knock_key);
}

int mesh_abroad_take_credentials(mesh_abroad *abroad, const mesh_abroad_credentials *given) {
    abroad->has_asked = false;
    mesh_chain chain;
    int err = judge(abroad, given, &chain); // each certificate is at most MESH_CERT_LEN_MAX bytes
    if (err == 0) {
        keep(abroad, given);
        abroad->has_credentials = true;
        abroad->renew_at_s = mesh_cert_renew_at_s(&chain.node);
    }
    // With nothing new the old ones may still do.
    for (guest *g; (g = find(abroad, GUEST_WAITS)) != NULL;) {
        if (abroad->has_credentials)
            greet(g);
        else
            fail(g, err);
    }
    return err;
}

mesh_abroad *mesh_abroad_create(uv_loop_t *loop, uint64_t node_id, const mesh_abroad_events *events,
                                void *user) {
    mesh_abroad *abroad = mem_alloc(sizeof *abroad);
    abroad->loop = loop;
    abroad->events = *events;
    abroad->user = user;
    abroad->self.node_id = abroad->self.boot_id = node_id; // random, and new in every life
    abroad->self.minor_min = mesh_minors_spoken().min;
    abroad->self.minor_max = mesh_minors_spoken().max;
    randombytes_buf(abroad->self.link_secret, sizeof abroad->self.link_secret);
    (void)crypto_scalarmult_base(abroad->link_key, abroad->self.link_secret);
    abroad->sweep = mem_alloc(sizeof *abroad->sweep);
    abroad->sweep->data = abroad;
    (void)uv_timer_init(loop, abroad->sweep); // never fails
    return abroad;
}

static void on_timer_closed(uv_handle_t *timer) {
    free(timer);
}

void mesh_abroad_destroy(mesh_abroad *abroad) {
    if (abroad == NULL) return;
    for (guest *g = abroad->guests, *next; g != NULL; g = next) {
        next = g->next;
        drop(g);
    }
    uv_close((uv_handle_t *)abroad->sweep, on_timer_closed);
    sodium_memzero(abroad, sizeof *abroad);
    free(abroad);
}
