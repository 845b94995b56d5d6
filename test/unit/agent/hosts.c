#include "hosts.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "io/packet.h"
#include "node.pb-c.h"

enum { GUARD_MS = 60000, CALL_TIMEOUT_MS = 20000 };

uv_loop_t loop;
static uv_timer_t guard;
host hosts[HOSTS];

static void on_guard(uv_timer_t *timer) {
    (void)timer;
    fail_msg("what was waited for has not come");
}

void run_until(const uint32_t *count, uint32_t wanted) {
    while (*count < wanted)
        uv_run(&loop, UV_RUN_ONCE);
}

// ---- the registry between hosts

static void fill_peer(Warren__Node__Peer *peer, const host *of, uint64_t node_id) {
    warren__node__peer__init(peer);
    peer->node_id = node_id;
    peer->name = "abroad.0";
    peer->host_id = (ProtobufCBinaryData){MESH_ID_LEN, (uint8_t *)of->pki.signer.cert.host_id};
}

void tell_up(const host *of, uint64_t node_id) {
    Warren__Node__Peer peer, *peers = &peer;
    Warren__Node__Registry news = WARREN__NODE__REGISTRY__INIT;
    fill_peer(&peer, of, node_id);
    news.n_up = 1;
    news.up = &peers;
    for (host *h = hosts; h < hosts + HOSTS; h++)
        if (h != of && h->members != NULL) agent_members_tell(h->members, &news);
}

static void on_up(const agent_member_info *who, void *user) {
    host *h = user;
    h->ids[h->id_count++] = who->node_id;
    if (!h->is_quiet) tell_up(h, who->node_id);
}

static void on_entry(const agent_member_info *who, const Warren__Node__Entry *entry, void *user) {
    host *h = user;
    if (!agent_links_allows(&h->pki.signer.cert, entry)) return;
    Warren__Node__OwnedEntry owned = WARREN__NODE__OWNED_ENTRY__INIT, *put = &owned;
    Warren__Node__Registry news = WARREN__NODE__REGISTRY__INIT;
    owned.node_id = who->node_id;
    owned.entry = (Warren__Node__Entry *)(uintptr_t)entry;
    news.n_put = 1;
    news.put = &put;
    for (host *other = hosts; other < hosts + HOSTS; other++)
        if (other != h && other->members != NULL) agent_members_tell(other->members, &news);
}

static void on_removed(const agent_member_info *who, uint32_t entry_id, void *user) {
    (void)who;
    (void)entry_id;
    (void)user;
}

static void on_down(const agent_member_info *who, const agent_member_end *end, void *user) {
    for (host *h = hosts; h < hosts + HOSTS; h++)
        if (h != user && h->members != NULL) agent_members_tell_down(h->members, who->node_id, end);
}

static void on_newcomer(agent_roster_cb say, void *newcomer, void *user) {
    for (host *h = hosts; h < hosts + HOSTS; h++)
        for (uint32_t i = 0; h != user && !h->is_quiet && i < h->id_count; i++) {
            Warren__Node__Peer peer, *peers = &peer;
            Warren__Node__Registry news = WARREN__NODE__REGISTRY__INIT;
            fill_peer(&peer, h, h->ids[i]);
            news.n_up = 1;
            news.up = &peers;
            say(&news, newcomer);
        }
}

static bool on_connect(agent_member *member, uint64_t node_id, void *user) {
    host *h = user;
    return agent_links_connect(h->links, member, node_id);
}

static void on_credentials(agent_member *member, const uint8_t link_key[MESH_LINK_KEY_LEN],
                           void *user) {
    host *h = user;
    agent_links_credentials(h->links, member, link_key);
}

static const agent_members_abroad abroad = {on_up,       on_entry,   on_removed,    on_down,
                                            on_newcomer, on_connect, on_credentials};

// ---- hosts

static bool on_route(uint64_t node_id, agent_route *out, void *user) {
    (void)user;
    for (host *h = hosts; h < hosts + HOSTS; h++)
        for (uint32_t i = 0; i < h->id_count; i++) {
            if (h->ids[i] != node_id) continue;
            memcpy(out->host_id, h->pki.signer.cert.host_id, MESH_ID_LEN);
            out->address = h->wire != NULL ? *h->wire : h->address;
            return true;
        }
    return false;
}

int on_sign(uint64_t number, const char *name, const uint8_t link_key[MESH_LINK_KEY_LEN],
            mesh_signed *out, void *user) {
    host *h = user;
    h->signs++;
    if (h->sign_error != 0) return h->sign_error;
    mesh_cert wanted = {.node_number = number};
    mesh_moment at = {.now_s = (uint64_t)time(NULL) - h->sign_age_s, .serial = {1}};
    (void)snprintf(wanted.name, sizeof wanted.name, "%s", name);
    memcpy(wanted.x25519, link_key, MESH_LINK_KEY_LEN);
    return mesh_issue_node(&h->pki.signer, &wanted, &at, out);
}

static int on_listen(const agent_member *member, const agent_listen *request, void *user) {
    (void)member;
    (void)request;
    (void)user;
    return -EACCES;
}

static void on_attached_end(void *user) {
    (void)user;
}

void open_host(host *h, uint8_t key, const char *scope) {
    static const agent_links_events events = {.on_route = on_route, .on_sign = on_sign};
    agent_members_events member_events = {.on_listen = on_listen,
                                          .on_attached_end = on_attached_end};
    mesh_addr any = {.family = 4, .ip = {127, 0, 0, 1}};
    *h = (host){0};
    pki_host_init(&h->pki, key, (uint64_t)time(NULL), scope);
    h->members = agent_members_create(&loop, "host", 1000, &member_events, h);
    agent_links_options options = {
        .loop = &loop, .members = h->members, .self = &h->pki.self, .listen = &any};
    memcpy(options.host_id, h->pki.signer.cert.host_id, MESH_ID_LEN);
    EXPECT_OK(agent_links_open(&options, &events, h, &h->links));
    h->address = any;
    h->address.port = agent_links_port(h->links);
    agent_members_set_abroad(h->members, &abroad, h);
}

void close_host(host *h) {
    agent_links_close(h->links);
    agent_members_destroy(h->members);
    h->members = NULL;
    h->links = NULL;
}

void set_up(void) {
    uv_loop_init(&loop);
    uv_timer_init(&loop, &guard);
    uv_timer_start(&guard, on_guard, GUARD_MS, 0);
    for (int i = 0; i < HOSTS; i++)
        open_host(&hosts[i], (uint8_t)(10 + i), "*");
}

void tear_down(void) {
    for (host *h = hosts; h < hosts + HOSTS; h++)
        close_host(h);
    uv_close((uv_handle_t *)&guard, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    EXPECT_OK(uv_loop_close(&loop));
}

// ---- nodes

static void on_output(const mesh_output *out, void *user) {
    node *n = user;
    if (out == NULL) return;
    mesh_node *core = mesh_member_node(n->w);
    switch (out->kind) {
    case MESH_OUT_PEER: n->peers++; break;
    case MESH_OUT_REQUEST:
        n->requests++;
        mesh_node_answer(core, uv_now(&loop), out->slot, 0, 0, out->payload);
        break;
    case MESH_OUT_REPLY:
        n->replies++;
        n->reply_len = out->payload.len;
        break;
    case MESH_OUT_ERROR:
        n->errors++;
        n->error_code = out->code;
        n->is_maybe = out->is_maybe;
        break;
    case MESH_OUT_MESSAGE:
        n->messages++;
        mesh_node_consumed(core, out->peer, MESH_LANE_NORMAL, out->cost);
        break;
    default: break;
    }
}

static void on_agent(mesh_member_agent_event event, uint32_t id, int status, const char *text,
                     void *user) {
    node *n = user;
    (void)id;
    (void)status;
    (void)text;
    n->joined += event == MESH_MEMBER_JOINED;
    n->announced += event == MESH_MEMBER_ANNOUNCED;
    n->closed += event == MESH_MEMBER_CLOSED;
}

uint64_t id_on(const host *h, uint64_t number) {
    return mesh_node_id_of(h->pki.signer.cert.host_id, number);
}

void open_node(node *n, host *h, uint64_t number) {
    open_node_as(n, h, number, id_on(h, number));
}

void open_node_as(node *n, host *h, uint64_t number, uint64_t id) {
    int fds[2];
    EXPECT_OK(mesh_packet_pair(fds));
    agent_member_info who = {
        .node_id = id, .number = number, .name = "app with blanks.0", .service = "app", .pid = 100};
    *n = (node){.host = h, .id = id};
    EXPECT_OK(agent_members_add(h->members, fds[0], &who, &n->member));
    mesh_member_options options = {.control_fd = fds[1]};
    EXPECT_OK(mesh_member_open(&loop, &options, on_output, on_agent, n, &n->w));
    EXPECT_OK(mesh_member_join(n->w));
    run_until(&n->joined, 1);
}

void close_node(node *n) {
    mesh_member_destroy(n->w);
    agent_members_end(n->host->members, n->member, &(agent_member_end){.reason = "normal"});
}

void announce(node *n, mesh_entry_kind kind, const char *name) {
    mesh_entry entry = {.entry_id = n->announced + 1, .kind = kind, .name = mesh_bytes_text(name)};
    uint32_t wanted = n->announced + 1;
    EXPECT_OK(mesh_member_announce(n->w, &entry));
    run_until(&n->announced, wanted);
}

void call_with(node *n, const char *service, mesh_bytes payload) {
    mesh_call call = {.slot = n->next_slot++,
                      .to_peer = MESH_PEER_ANY,
                      .name = mesh_bytes_text(service),
                      .method = mesh_bytes_text("echo"),
                      .timeout_ms = CALL_TIMEOUT_MS,
                      .payload = payload};
    EXPECT_OK(mesh_node_call(mesh_member_node(n->w), uv_now(&loop), &call));
    mesh_member_flush(n->w);
}

void call(node *n, const char *service) {
    call_with(n, service, mesh_bytes_text("x"));
}

void turn_until_served(node *n, const char *service) {
    uint32_t errors = n->errors;
    for (;;) {
        uint32_t replies = n->replies;
        call(n, service);
        while (n->replies == replies && n->errors == errors)
            uv_run(&loop, UV_RUN_ONCE);
        if (n->errors == errors || n->error_code != MESH_CALL_NO_RESPONDERS) return;
        errors = n->errors;
        uv_run(&loop, UV_RUN_ONCE);
    }
}

void open_pair(pair *p) {
    open_node(&p->a, &hosts[0], 1001);
    open_node(&p->b, &hosts[1], 1002);
    announce(&p->b, MESH_ENTRY_SERVICE, "service");
}

void close_pair(pair *p) {
    close_node(&p->a);
    close_node(&p->b);
    tear_down();
}
