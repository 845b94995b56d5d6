#include "agent/store_links.h"

#include <stdio.h>

#include "agent/say.h"
#include "core/mem.h"
#include "store/remote.h"
#include "store/remote_wire.h"
#include "store/server.h"

enum { LOOK_MS = 1000, TEXT_MAX = 256 };

typedef struct letter { // of this host to itself
    struct letter *next;
    bool is_to_server;
    mesh_bytes bytes;
} letter;

struct agent_store_links {
    uv_loop_t *loop;
    agent_store *store;
    agent_link_net net;
    bool is_attached;
    char name[MESH_CERT_NAME_LEN_MAX + 1];
    uint8_t self_id[MESH_ID_LEN];
    // Whose store it is.
    store_db *db;                 // NULL: not open
    uint8_t host_id[MESH_ID_LEN]; // while is_up
    bool is_up;
    uv_timer_t look; // until there is a link
    // Who uses this one's.
    store_server *server;
    char refusal[TEXT_MAX];
    // To itself.
    letter *first, **last;
    uv_timer_t post;
    int open_timers;
};

static bool is_same(const uint8_t *a, const uint8_t *b) {
    return memcmp(a, b, MESH_ID_LEN) == 0;
}

// ---- to itself

static void deliver(agent_store_links *l, const letter *one) {
    int err = 0;
    if (one->is_to_server)
        err = store_server_receive(l->server, l->self_id, one->bytes);
    else if (l->db != NULL && l->is_up)
        err = store_remote_receive(l->db, one->bytes);
    CHECK(err == 0); // it was written by the same build
}

static void on_post(uv_timer_t *timer) {
    agent_store_links *l = timer->data;
    letter *one = l->first;
    if (one == NULL) return;
    l->first = one->next;
    if (l->first == NULL)
        l->last = &l->first;
    else
        (void)uv_timer_start(&l->post, on_post, 0, 0);
    deliver(l, one);
    free((void *)(uintptr_t)one->bytes.data);
    free(one);
}

static bool post(agent_store_links *l, bool is_to_server, mesh_bytes bytes) {
    letter *one = mem_alloc(sizeof *one);
    *one = (letter){.is_to_server = is_to_server,
                    .bytes = {mem_copy(bytes.data, bytes.len), bytes.len}};
    *l->last = one;
    l->last = &one->next;
    (void)uv_timer_start(&l->post, on_post, 0, 0);
    return true;
}

static void drop_letters(agent_store_links *l) {
    for (letter *one; (one = l->first) != NULL;) {
        l->first = one->next;
        free((void *)(uintptr_t)one->bytes.data);
        free(one);
    }
    l->last = &l->first;
}

// ---- whose store it is

typedef struct search {
    const char *name;
    bool is_found, is_linked;
    uint8_t host_id[MESH_ID_LEN];
} search;

static void judge_host(const uint8_t host_id[MESH_ID_LEN], const char *name, bool is_linked,
                       void *user) {
    search *s = user;
    if (strcmp(name, s->name) != 0 || (s->is_found && !is_linked)) return;
    s->is_found = true;
    s->is_linked = is_linked;
    memcpy(s->host_id, host_id, MESH_ID_LEN);
}

static void come_up(agent_store_links *l, const uint8_t *host_id) {
    memcpy(l->host_id, host_id, MESH_ID_LEN);
    l->is_up = true;
    (void)uv_timer_stop(&l->look);
    store_remote_up(l->db);
}

static void look_for(agent_store_links *l) {
    search s = {.name = agent_store_host(l->store)};
    if (strcmp(s.name, l->name) == 0) {
        come_up(l, l->self_id);
        return;
    }
    l->net.each_host(l->net.user, judge_host, &s);
    if (s.is_linked)
        come_up(l, s.host_id);
    else if (s.is_found)
        l->net.dial(l->net.user, s.host_id);
    else
        store_remote_down(l->db, "no host of that name is up in the cluster (`warren hosts` shows "
                                 "who is there; --store names another one)");
}

static void on_look(uv_timer_t *timer) {
    agent_store_links *l = timer->data;
    if (l->db == NULL || l->is_up) return;
    (void)uv_timer_start(&l->look, on_look, LOOK_MS, 0);
    if (l->is_attached)
        look_for(l);
    else
        store_remote_down(l->db, "this host is in no cluster (`warren join` takes part in one)");
}

static void look_soon(agent_store_links *l) {
    if (l->db != NULL && !l->is_up) (void)uv_timer_start(&l->look, on_look, 0, 0);
}

static void go_down(agent_store_links *l, const char *why) {
    if (!l->is_up) return;
    l->is_up = false;
    if (is_same(l->host_id, l->self_id)) drop_letters(l);
    (void)uv_timer_start(&l->look, on_look, LOOK_MS, 0);
    if (l->db != NULL) store_remote_down(l->db, why);
}

static void attach_db(void *user, store_db *db) {
    agent_store_links *l = user;
    l->db = db;
    l->is_up = false;
    look_soon(l);
}

static bool send_to_host(void *user, mesh_bytes piece) {
    agent_store_links *l = user;
    if (!l->is_up) return false;
    if (is_same(l->host_id, l->self_id)) return post(l, true, piece);
    return l->net.send(l->net.user, l->host_id, piece);
}

static size_t queued_to_host(void *user) {
    agent_store_links *l = user;
    if (!l->is_up || is_same(l->host_id, l->self_id)) return 0;
    return l->net.queued(l->net.user, l->host_id);
}

// ---- who uses this one's

static store_db *own_db(void *user) {
    return agent_store_local(((agent_store_links *)user)->store);
}

static bool send_to_user(void *user, const uint8_t peer[STORE_SERVER_PEER_LEN], mesh_bytes piece) {
    agent_store_links *l = user;
    if (!l->is_attached) return false;
    if (is_same(peer, l->self_id)) return post(l, false, piece);
    return l->net.send(l->net.user, peer, piece);
}

static size_t queued_to_user(void *user, const uint8_t peer[STORE_SERVER_PEER_LEN]) {
    agent_store_links *l = user;
    if (!l->is_attached || is_same(peer, l->self_id)) return 0;
    return l->net.queued(l->net.user, peer);
}

static void judge_use(agent_store_links *l) {
    const char *host = agent_store_host(l->store);
    bool is_own = host != NULL && strcmp(host, l->name) == 0;
    (void)snprintf(l->refusal, sizeof l->refusal,
                   "it keeps its store to itself: start all agents of the cluster, that of %.63s "
                   "too, with --store host:%.63s",
                   l->name, l->name);
    store_server_refuse(l->server, is_own ? NULL : l->refusal);
    if (is_own)
        agent_say("this host has the store of its cluster, in %s",
                  agent_store_local_path(l->store));
}

// ---- its life

agent_store_links *agent_store_links_create(uv_loop_t *loop, agent_store *store) {
    agent_store_links *l = mem_alloc(sizeof *l);
    l->loop = loop;
    l->store = store;
    l->last = &l->first;
    (void)uv_timer_init(loop, &l->look); // never fails
    (void)uv_timer_init(loop, &l->post);
    l->look.data = l->post.data = l;
    l->open_timers = 2;
    l->server = store_server_create(&(store_server_options){.loop = loop,
                                                            .hidden = "secrets/",
                                                            .db = own_db,
                                                            .send = send_to_user,
                                                            .queued = queued_to_user,
                                                            .user = l});
    agent_store_set_link(store, &(store_link){l, attach_db, send_to_host, queued_to_host});
    return l;
}

void agent_store_links_attach(agent_store_links *l, const agent_link_net *net, const char *name,
                              const uint8_t host_id[MESH_ID_LEN]) {
    if (net == NULL) {
        go_down(l, "this host is in no cluster any more");
        l->is_attached = false;
        store_server_all_gone(l->server);
        drop_letters(l);
        return;
    }
    l->net = *net;
    l->is_attached = true;
    (void)snprintf(l->name, sizeof l->name, "%s", name);
    memcpy(l->self_id, host_id, MESH_ID_LEN);
    judge_use(l);
    look_soon(l);
}

void agent_store_links_up(agent_store_links *l, const uint8_t host_id[MESH_ID_LEN]) {
    (void)host_id;
    look_soon(l);
}

void agent_store_links_down(agent_store_links *l, const uint8_t host_id[MESH_ID_LEN]) {
    store_server_gone(l->server, host_id);
    if (l->is_up && is_same(l->host_id, host_id)) go_down(l, "its agent is away, or ends");
}

int agent_store_links_receive(agent_store_links *l, const uint8_t host_id[MESH_ID_LEN],
                              mesh_bytes message) {
    if (!l->is_attached) return 0;
    bool is_of_host = message.len > 0 && (message.data[0] & STORE_WIRE_OF_HOST) != 0;
    if (!is_of_host) return store_server_receive(l->server, host_id, message);
    bool is_awaited = l->db != NULL && l->is_up && is_same(l->host_id, host_id);
    return is_awaited ? store_remote_receive(l->db, message) : 0;
}

bool agent_store_links_is_used(const agent_store_links *l, const uint8_t host_id[MESH_ID_LEN]) {
    bool is_ours = l->db != NULL && l->is_up && is_same(l->host_id, host_id);
    return is_ours || store_server_is_used_by(l->server, host_id);
}

void agent_store_links_stop(agent_store_links *l) {
    store_server_stop(l->server);
}

static void on_closed(uv_handle_t *timer) {
    agent_store_links *l = timer->data;
    if (--l->open_timers == 0) free(l);
}

void agent_store_links_destroy(agent_store_links *l) {
    store_server_destroy(l->server);
    drop_letters(l);
    uv_close((uv_handle_t *)&l->look, on_closed);
    uv_close((uv_handle_t *)&l->post, on_closed);
}
