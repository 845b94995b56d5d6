// Leases of an agent, over a store in a file, with the nodes' ends of the sockets in the test's
// hand: what is told to a node, and what a node may not say.
#include "agent/leases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/limits.h"
#include "core/mem.h"
#include "io/packet.h"
#include "io/steady.h"
#include "test.h"

typedef Warren__Node__Lease lease;

enum { NODES = 3, TTL_S = 2, LONG_S = 3600, PATIENCE_MS = 20000 };

typedef struct node {
    int fd;
    agent_member *member;
    char told[4096]; // of its leases, but for moments that are told again
    Warren__Node__LeaseTicket *ticket;
    uint64_t held_count;
    bool is_deaf, is_refused;
} node;

static uv_loop_t loop;
static agent_members *members;
static agent_leases *leases;
static agent_store *store;
static node nodes[NODES];
static char dir[64];
static bool is_clustered;

static void on_attached_end(void *user) {
    (void)user;
}

static bool is_in_cluster(void *user) {
    (void)user;
    return is_clustered;
}

static void on_idle(void *user) {
    (void)user;
}

static void open_agent(void) {
    char text[AGENT_VAULT_TEXT_MAX];
    agent_members_events events = {.on_attached_end = on_attached_end};
    uv_loop_init(&loop);
    members = agent_members_create(&loop, "host", 1000, &events, NULL);
    EXPECT_OK(agent_store_create(&loop, dir, NULL, &store, text));
    leases = agent_leases_create(&(agent_leases_options){.loop = &loop,
                                                         .store = store,
                                                         .members = members,
                                                         .is_in_cluster = is_in_cluster,
                                                         .on_idle = on_idle});
    for (int i = 0; i < NODES; i++) {
        static const char *const names[NODES] = {"a.0", "b.0", "c.0"};
        int fds[2];
        EXPECT_OK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
        agent_member_info info = {
            .node_id = (uint64_t)i + 1, .name = names[i], .service = "x", .pid = 100};
        nodes[i] = (node){.fd = fds[0]};
        EXPECT_OK(agent_members_add(members, fds[1], &info, &nodes[i].member));
    }
}

static void close_agent(void) {
    agent_leases_destroy(leases);
    agent_members_destroy(members);
    agent_store_destroy(store);
    uv_run(&loop, UV_RUN_DEFAULT);
    EXPECT_OK(uv_loop_close(&loop));
    for (int i = 0; i < NODES; i++) {
        if (nodes[i].fd >= 0) close(nodes[i].fd);
        if (nodes[i].ticket != NULL)
            warren__node__lease_ticket__free_unpacked(nodes[i].ticket, NULL);
    }
}

static void set_up(void) {
    (void)snprintf(dir, sizeof dir, "/tmp/warren-leases-XXXXXX");
    assert_non_null(mkdtemp(dir));
    is_clustered = false;
    open_agent();
}

static void tear_down(void) {
    char command[100];
    close_agent();
    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    EXPECT_OK(system(command));
}

// ---- nodes

static void say(node *n, const Warren__Node__ToAgent *message) {
    uint8_t bytes[1024];
    size_t len = warren__node__to_agent__pack(message, bytes);
    EXPECT_OK(mesh_packet_send(n->fd, (mesh_bytes){bytes, len}, NULL, 0));
}

static void ask_with(node *n, const Warren__Node__LeaseAsk *ask) {
    Warren__Node__ToAgent message = WARREN__NODE__TO_AGENT__INIT;
    message.kind_case = WARREN__NODE__TO_AGENT__KIND_LEASE_ASK;
    message.lease_ask = (Warren__Node__LeaseAsk *)(uintptr_t)ask;
    say(n, &message);
}

static Warren__Node__LeaseAsk wish(uint32_t id, uint32_t ttl_s) {
    Warren__Node__LeaseAsk ask = WARREN__NODE__LEASE_ASK__INIT;
    ask.lease_id = id;
    ask.name = (char *)(uintptr_t) "job";
    ask.ttl_s = ttl_s;
    ask.wait = true;
    ask.clock = mesh_steady_clock_number();
    return ask;
}

static void ask(node *n, uint32_t id, uint32_t ttl_s) {
    Warren__Node__LeaseAsk message = wish(id, ttl_s);
    ask_with(n, &message);
}

static void end(node *n, uint32_t id) {
    Warren__Node__LeaseEnd body = WARREN__NODE__LEASE_END__INIT;
    Warren__Node__ToAgent message = WARREN__NODE__TO_AGENT__INIT;
    body.lease_id = id;
    message.kind_case = WARREN__NODE__TO_AGENT__KIND_LEASE_END;
    message.lease_end = &body;
    say(n, &message);
}

static void see(node *n, const lease *l) {
    Warren__Node__LeaseSeen body = WARREN__NODE__LEASE_SEEN__INIT;
    Warren__Node__ToAgent message = WARREN__NODE__TO_AGENT__INIT;
    body.lease_id = l->lease_id;
    body.until_ms = l->ticket->until_ms;
    message.kind_case = WARREN__NODE__TO_AGENT__KIND_LEASE_SEEN;
    message.lease_seen = &body;
    say(n, &message);
}

static void note(node *n, const lease *l, const char *word) {
    size_t len = strlen(n->told);
    (void)snprintf(n->told + len, sizeof n->told - len, "%s%u:%s", len > 0 ? " " : "", l->lease_id,
                   word);
}

static void take_held(node *n, const lease *l) {
    if (n->ticket == NULL || n->ticket->token != l->ticket->token) note(n, l, "held");
    if (n->ticket != NULL) warren__node__lease_ticket__free_unpacked(n->ticket, NULL);
    uint8_t bytes[512];
    size_t len = warren__node__lease_ticket__pack(l->ticket, bytes);
    n->ticket = warren__node__lease_ticket__unpack(NULL, len, bytes);
    n->held_count++;
    if (!n->is_deaf) see(n, l);
}

static void take(node *n, const Warren__Node__ToNode *m) {
    static const char *const overs[] = {"ended", "lost", "taken", "no-quorum", "too-many"};
    n->is_refused |= m->kind_case == WARREN__NODE__TO_NODE__KIND_REFUSED;
    if (m->kind_case != WARREN__NODE__TO_NODE__KIND_LEASE) return;
    const lease *l = m->lease;
    if (l->state == WARREN__NODE__LEASE__STATE__HELD) take_held(n, l);
    if (l->state == WARREN__NODE__LEASE__STATE__WAITING) note(n, l, "waits");
    if (l->state == WARREN__NODE__LEASE__STATE__OVER) note(n, l, overs[l->why]);
}

static void listen_all(void) {
    static uint8_t bytes[MESH_PACKET_LEN_MAX];
    mesh_packet packet;
    for (int i = 0; i < NODES; i++)
        while (nodes[i].fd >= 0 &&
               mesh_packet_receive(nodes[i].fd, MSG_DONTWAIT, bytes, &packet) == 0) {
            Warren__Node__ToNode *m = warren__node__to_node__unpack(NULL, packet.len, bytes);
            assert_non_null(m);
            take(&nodes[i], m);
            warren__node__to_node__free_unpacked(m, NULL);
        }
}

static void on_tick(uv_timer_t *timer) {
    (void)timer; // so that the loop turns: the sockets of the nodes are not on it
}

// Until a node was told this, in this order, since it was asked last.
static void expect_told(node *n, const char *wanted) {
    uv_timer_t tick;
    uint64_t begun_ms = mesh_steady_ms();
    uv_timer_init(&loop, &tick);
    uv_timer_start(&tick, on_tick, 1, 1);
    while (strcmp(n->told, wanted) != 0 && mesh_steady_ms() - begun_ms < PATIENCE_MS) {
        uv_run(&loop, UV_RUN_ONCE);
        listen_all();
    }
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    EXPECT_TEXT(wanted, n->told);
    n->told[0] = '\0';
}

// ---- what is told

TEST(who_waits_is_told_so_and_has_it_when_the_one_before_gives_it_back) {
    set_up();
    ask(&nodes[0], 1, LONG_S);
    expect_told(&nodes[0], "1:held");
    uint64_t token = nodes[0].ticket->token;
    ask(&nodes[1], 7, LONG_S);
    expect_told(&nodes[1], "7:waits");
    ask(&nodes[2], 9, LONG_S);
    expect_told(&nodes[2], "9:waits");
    end(&nodes[0], 1);
    expect_told(&nodes[0], "1:ended");
    expect_told(&nodes[1], "7:held");
    EXPECT_TRUE(nodes[1].ticket->token > token);
    end(&nodes[2], 9);
    expect_told(&nodes[2], "9:ended");
    tear_down();
}

TEST(who_does_not_wait_is_told_that_another_has_it) {
    set_up();
    Warren__Node__LeaseAsk now = wish(2, LONG_S);
    now.wait = false;
    ask(&nodes[0], 1, LONG_S);
    expect_told(&nodes[0], "1:held");
    ask_with(&nodes[1], &now);
    expect_told(&nodes[1], "2:taken");
    tear_down();
}

TEST(a_node_that_does_not_say_that_it_knows_of_a_moment_is_told_no_later_one_and_loses_it_then) {
    set_up();
    nodes[0].is_deaf = true;
    ask(&nodes[0], 1, TTL_S);
    expect_told(&nodes[0], "1:held");
    ask(&nodes[1], 1, TTL_S);
    expect_told(&nodes[1], "1:waits");
    expect_told(&nodes[1], "1:held");
    EXPECT_TRUE(mesh_steady_ms() >= nodes[0].ticket->until_ms);
    EXPECT_EQ(1, nodes[0].held_count);
    expect_told(&nodes[0], "1:lost");
    tear_down();
}

TEST(a_node_that_answers_is_told_later_and_later_moments) {
    set_up();
    ask(&nodes[0], 1, TTL_S);
    expect_told(&nodes[0], "1:held");
    uint64_t first_ms = nodes[0].ticket->until_ms;
    ask(&nodes[1], 1, TTL_S);
    expect_told(&nodes[1], "1:waits");
    while (nodes[0].ticket->until_ms < first_ms + 2000UL * TTL_S) { // it outlasts any one of them
        uv_run(&loop, UV_RUN_ONCE);
        listen_all();
    }
    EXPECT_TEXT("", nodes[0].told);
    EXPECT_TEXT("", nodes[1].told);
    tear_down();
}

TEST(what_a_dead_node_had_is_free_at_once) {
    set_up();
    ask(&nodes[0], 1, LONG_S);
    expect_told(&nodes[0], "1:held");
    ask(&nodes[1], 1, LONG_S);
    expect_told(&nodes[1], "1:waits");
    close(nodes[0].fd);
    nodes[0].fd = -1;
    expect_told(&nodes[1], "1:held");
    tear_down();
}

TEST(what_a_node_had_that_is_cut_off_and_lives_on_is_free_when_it_cannot_believe_in_it) {
    set_up();
    ask(&nodes[0], 1, TTL_S);
    expect_told(&nodes[0], "1:held");
    ask(&nodes[1], 1, LONG_S);
    expect_told(&nodes[1], "1:waits");
    ask(&nodes[0], 1, TTL_S); // twice the same: it is refused
    expect_told(&nodes[1], "1:held");
    EXPECT_TRUE(nodes[0].is_refused);
    EXPECT_TRUE(mesh_steady_ms() >= nodes[0].ticket->until_ms);
    tear_down();
}

// ---- another agent

static void ask_again(node *n, const Warren__Node__LeaseTicket *had) {
    Warren__Node__LeaseAsk again = wish(5, LONG_S);
    again.had = (Warren__Node__LeaseTicket *)(uintptr_t)had;
    ask_with(n, &again);
}

TEST(the_next_agent_goes_on_with_what_is_still_there_and_with_nothing_else) {
    set_up();
    ask(&nodes[0], 1, LONG_S);
    expect_told(&nodes[0], "1:held");
    Warren__Node__LeaseTicket *had = nodes[0].ticket;
    nodes[0].ticket = NULL;
    close_agent(); // gives nothing back, as one that is killed
    open_agent();
    Warren__Node__LeaseTicket other = *had;
    other.token++;
    ask_again(&nodes[1], &other);
    expect_told(&nodes[1], "5:lost");
    other = *had;
    other.store_lease++;
    ask_again(&nodes[2], &other);
    expect_told(&nodes[2], "5:lost");
    other = *had;
    other.until_ms = 0;
    ask_again(&nodes[2], &other);
    expect_told(&nodes[2], "5:lost");
    warren__node__lease_ticket__free_unpacked(had, NULL);
    tear_down();
}

TEST(the_next_agent_keeps_the_token) {
    set_up();
    ask(&nodes[0], 1, LONG_S);
    expect_told(&nodes[0], "1:held");
    Warren__Node__LeaseTicket *had = nodes[0].ticket;
    nodes[0].ticket = NULL;
    close_agent();
    open_agent();
    ask(&nodes[1], 1, LONG_S);
    ask_again(&nodes[0], had);
    expect_told(&nodes[0], "5:held");
    EXPECT_TRUE(had->token == nodes[0].ticket->token);
    expect_told(&nodes[1], "1:waits");
    end(&nodes[0], 5);
    expect_told(&nodes[1], "1:held");
    warren__node__lease_ticket__free_unpacked(had, NULL);
    tear_down();
}

// ---- what cannot be

TEST(a_host_of_a_cluster_promises_nothing_by_a_store_of_its_own) {
    set_up();
    is_clustered = true;
    ask(&nodes[0], 1, LONG_S);
    expect_told(&nodes[0], "1:no-quorum");
    tear_down();
}

TEST(a_node_with_another_clock_gets_none) {
    set_up();
    Warren__Node__LeaseAsk strange = wish(1, LONG_S);
    strange.clock++;
    ask_with(&nodes[0], &strange);
    expect_told(&nodes[0], "1:no-quorum");
    tear_down();
}

TEST(what_no_node_asks_is_refused) {
    static const char *const names[] = {"", "a b", "a\n"};
    static char long_name[MESH_NAME_LEN_MAX + 2];
    set_up();
    memset(long_name, 'n', sizeof long_name - 1);
    Warren__Node__LeaseTicket had = WARREN__NODE__LEASE_TICKET__INIT;
    had.key = (char *)(uintptr_t) "secrets/TOKEN";
    had.token = had.store_lease = 1;
    had.ttl_s = TTL_S;
    Warren__Node__LeaseAsk asks[7];
    for (int i = 0; i < 7; i++)
        asks[i] = wish(1, LONG_S);
    for (int i = 0; i < 3; i++)
        asks[i].name = (char *)(uintptr_t)names[i];
    asks[3].name = long_name;
    asks[4].ttl_s = 1;
    asks[5].ttl_s = LONG_S + 1;
    asks[6].had = &had;
    for (int i = 0; i < 7; i++) {
        ask_with(&nodes[0], &asks[i]);
        while (!nodes[0].is_refused) {
            uv_run(&loop, UV_RUN_ONCE);
            listen_all();
        }
        close_agent();
        open_agent();
    }
    tear_down();
}
