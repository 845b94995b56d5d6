#include "agent/members.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/limits.h"
#include "io/packet.h"
#include "node.pb-c.h"
#include "test.h"

enum { BATCH = 64 };

typedef Warren__Node__ToNode to_node;
typedef Warren__Node__ToAgent to_agent;

typedef struct end { // a member as it sees itself
    int fd;
    uint64_t id;
    agent_member *member;
    int passed_fd; // with the last message
} end;

static uv_loop_t loop;
static agent_members *members;
static int attached_ends;
static agent_listen listened;

static int on_listen(const agent_member *member, const agent_listen *request, void *user) {
    (void)member;
    (void)user;
    listened = *request;
    return request->port == 80 ? -EACCES : STDERR_FILENO;
}

static void on_attached_end(void *user) {
    (void)user;
    attached_ends++;
}

static void set_up(void) {
    agent_members_events events = {.on_listen = on_listen, .on_attached_end = on_attached_end};
    uv_loop_init(&loop);
    members = agent_members_create(&loop, "host", 1000, &events, NULL);
    attached_ends = 0;
}

static void tear_down(void) {
    agent_members_destroy(members);
    uv_run(&loop, UV_RUN_DEFAULT);
    EXPECT_OK(uv_loop_close(&loop));
}

// The next message that is there; NULL when there is none. Free it.
static to_node *receive(end *e) {
    static uint8_t bytes[MESH_PACKET_LEN_MAX];
    mesh_packet packet;
    int err = mesh_packet_receive(e->fd, MSG_DONTWAIT, bytes, &packet);
    if (err == -EAGAIN) return NULL;
    EXPECT_OK(err);
    e->passed_fd = packet.fd_count > 0 ? packet.fds[0] : -1;
    to_node *message = warren__node__to_node__unpack(NULL, packet.len, bytes);
    assert_non_null(message);
    return message;
}

// The next message to this member but for news, which may come at any time; the loop turns until it
// is there. Free it.
static to_node *next(end *e, Warren__Node__ToNode__KindCase kind) {
    for (;;) {
        to_node *message = receive(e);
        if (message == NULL) {
            uv_run(&loop, UV_RUN_ONCE);
            continue;
        }
        if (message->kind_case == kind) return message;
        EXPECT_EQ(WARREN__NODE__TO_NODE__KIND_REGISTRY, message->kind_case);
        warren__node__to_node__free_unpacked(message, NULL);
    }
}

static void pass(end *e, Warren__Node__ToNode__KindCase kind) {
    warren__node__to_node__free_unpacked(next(e, kind), NULL);
}

// Reads news until one names this entry (0 up: of that node); with `is_there` no loop turns: it was
// sent before.
static void learn(end *e, uint64_t up, const char *put, bool is_there) {
    for (bool is_found = false; !is_found;) {
        to_node *message = receive(e);
        if (message == NULL) {
            EXPECT_FALSE(is_there);
            uv_run(&loop, UV_RUN_ONCE);
            continue;
        }
        EXPECT_EQ(WARREN__NODE__TO_NODE__KIND_REGISTRY, message->kind_case);
        const Warren__Node__Registry *news = message->registry;
        for (size_t i = 0; i < news->n_up; i++)
            is_found |= news->up[i]->node_id == up && news->up[i]->pid == 100 + up;
        for (size_t i = 0; i < news->n_put; i++)
            is_found |= put != NULL && strcmp(news->put[i]->entry->name, put) == 0;
        warren__node__to_node__free_unpacked(message, NULL);
    }
}

static void say(end *e, const to_agent *message) {
    uint8_t bytes[1024];
    size_t len = warren__node__to_agent__pack(message, bytes);
    EXPECT_OK(mesh_packet_send(e->fd, (mesh_bytes){bytes, len}, NULL, 0));
}

#define SAY(END, KIND, MEMBER, BODY)                                                               \
    do {                                                                                           \
        to_agent m_ = WARREN__NODE__TO_AGENT__INIT;                                                \
        m_.kind_case = WARREN__NODE__TO_AGENT__KIND_##KIND;                                        \
        m_.MEMBER = (BODY);                                                                        \
        say(END, &m_);                                                                             \
    } while (0)

#define TO_NODE(KIND) WARREN__NODE__TO_NODE__KIND_##KIND

static end add(uint64_t id, bool is_attached) {
    int fds[2];
    char name[16];
    end e = {.id = id};
    EXPECT_OK(mesh_packet_pair(fds));
    (void)snprintf(name, sizeof name, "app.%u", (unsigned)id);
    agent_member_info identity = {.node_id = id,
                                  .name = name,
                                  .service = "app",
                                  .instance = (uint32_t)id,
                                  .pid = 100 + (uint32_t)id,
                                  .is_attached = is_attached};
    EXPECT_OK(agent_members_add(members, fds[0], &identity, &e.member));
    e.fd = fds[1];
    pass(&e, TO_NODE(WELCOME));
    return e;
}

static void join(end *e) {
    Warren__Node__Join body = WARREN__NODE__JOIN__INIT;
    SAY(e, JOIN, join, &body);
}

static end add_joined(uint64_t id) {
    end e = add(id, false);
    join(&e);
    pass(&e, TO_NODE(JOINED));
    return e;
}

static void announce(end *e, uint32_t entry_id, const char *name) {
    Warren__Node__Entry entry = WARREN__NODE__ENTRY__INIT;
    Warren__Node__Announce body = WARREN__NODE__ANNOUNCE__INIT;
    entry.entry_id = entry_id;
    entry.name = (char *)(uintptr_t)name;
    body.entry = &entry;
    SAY(e, ANNOUNCE, announce, &body);
}

static void ask_link(end *e, uint64_t to, uint32_t links) {
    Warren__Node__Connect body = WARREN__NODE__CONNECT__INIT;
    body.node_id = to;
    body.links = links;
    SAY(e, CONNECT, connect, &body);
}

static void kill_member(end *e, const char *reason, int code) {
    agent_members_end(members, e->member, &(agent_member_end){.reason = reason, .code = code});
    close(e->fd);
}

TEST(welcome_says_who_the_node_is_and_incarnations_grow) {
    set_up();
    uint64_t before = 0;
    for (uint64_t id = 1; id <= 3; id++) {
        int fds[2];
        EXPECT_OK(mesh_packet_pair(fds));
        agent_member_info identity = {.node_id = id, .name = "a.0", .service = "a", .pid = 1};
        end e = {.fd = fds[1]};
        EXPECT_OK(agent_members_add(members, fds[0], &identity, &e.member));
        to_node *m = next(&e, TO_NODE(WELCOME));
        EXPECT_TRUE(m->welcome->node_id == id);
        EXPECT_TEXT("a.0", m->welcome->name);
        EXPECT_TEXT("host", m->welcome->host);
        EXPECT_TRUE(m->welcome->incarnation > before);
        EXPECT_TRUE(m->welcome->incarnation >> 20 == 1000);
        before = m->welcome->incarnation;
        warren__node__to_node__free_unpacked(m, NULL);
        kill_member(&e, "normal", 0);
    }
    tear_down();
}

TEST(a_newcomer_is_told_everything_and_everybody_is_told_of_it) {
    set_up();
    end a = add_joined(1);
    announce(&a, 7, "search");
    pass(&a, TO_NODE(ANNOUNCED));
    end b = add(2, false);
    announce(&b, 1, "early"); // before it joins: told when it does
    pass(&b, TO_NODE(ANNOUNCED));
    join(&b);

    learn(&b, 0, "search", false);
    pass(&b, TO_NODE(JOINED));
    learn(&a, 0, "early", false);
    kill_member(&b, "normal", 0);
    kill_member(&a, "normal", 0);
    tear_down();
}

TEST(announced_comes_after_the_others_were_told_and_withdrawals_follow) {
    set_up();
    end a = add_joined(1), b = add_joined(2);
    announce(&b, 5, "orders.*");
    pass(&b, TO_NODE(ANNOUNCED));
    learn(&a, 0, "orders.*", true);

    Warren__Node__Withdraw body = WARREN__NODE__WITHDRAW__INIT;
    body.entry_id = 5;
    SAY(&b, WITHDRAW, withdraw, &body);
    size_t removed = 0;
    while (removed == 0) {
        to_node *m = next(&a, TO_NODE(REGISTRY));
        removed = m->registry->n_removed;
        if (removed > 0) EXPECT_EQ(5, m->registry->removed[0]->entry->entry_id);
        warren__node__to_node__free_unpacked(m, NULL);
    }
    kill_member(&b, "normal", 0);
    kill_member(&a, "normal", 0);
    tear_down();
}

TEST(a_link_is_one_socket_pair_with_an_end_for_each) {
    set_up();
    end a = add_joined(1), b = add_joined(2);
    ask_link(&a, 2, 1);
    pass(&a, TO_NODE(LINK));
    pass(&b, TO_NODE(LINK));
    EXPECT_TRUE(a.passed_fd >= 0 && b.passed_fd >= 0);
    char byte = 0;
    EXPECT_EQ(1, write(a.passed_fd, "x", 1));
    EXPECT_EQ(1, read(b.passed_fd, &byte, 1));
    EXPECT_EQ('x', byte);
    EXPECT_TRUE(fcntl(a.passed_fd, F_GETFL) & O_NONBLOCK);
    close(a.passed_fd);
    EXPECT_EQ(0, read(b.passed_fd, &byte, 1)); // the agent kept no copy
    close(b.passed_fd);
    kill_member(&a, "normal", 0);
    kill_member(&b, "normal", 0);
    tear_down();
}

TEST(two_questions_that_cross_make_one_link_and_a_later_one_makes_another) {
    set_up();
    end a = add_joined(1), b = add_joined(2);
    ask_link(&a, 2, 1);
    ask_link(&b, 1, 1); // before it saw a Link
    pass(&a, TO_NODE(LINK));
    close(a.passed_fd);
    pass(&b, TO_NODE(LINK));
    close(b.passed_fd);
    announce(&a, 1, "fence");
    pass(&a, TO_NODE(ANNOUNCED)); // and no second Link
    ask_link(&b, 1, 2);           // it has seen one, and it broke
    pass(&b, TO_NODE(LINK));
    close(b.passed_fd);
    pass(&a, TO_NODE(LINK));
    close(a.passed_fd);
    kill_member(&a, "normal", 0);
    kill_member(&b, "normal", 0);
    tear_down();
}

TEST(who_is_not_there_cannot_be_linked) {
    set_up();
    end a = add_joined(1), b = add(2, false); // b has not joined
    const uint64_t wrong[] = {2, 1, 99};
    for (size_t i = 0; i < 3; i++) {
        ask_link(&a, wrong[i], 1);
        to_node *m = next(&a, TO_NODE(CONNECT_FAILED));
        EXPECT_TRUE(m->connect_failed->node_id == wrong[i]);
        warren__node__to_node__free_unpacked(m, NULL);
    }
    kill_member(&a, "normal", 0);
    kill_member(&b, "normal", 0);
    tear_down();
}

TEST(an_end_is_told_once_and_to_all) {
    set_up();
    end a = add_joined(1), b = add_joined(2), c = add_joined(3);
    kill_member(&c, "crash", 9);
    end *others[] = {&a, &b};
    for (int i = 0; i < 2; i++) {
        to_node *m = next(others[i], TO_NODE(DOWN));
        EXPECT_TRUE(m->down->node_id == 3);
        EXPECT_TEXT("crash", m->down->reason);
        EXPECT_EQ(9, m->down->code);
        warren__node__to_node__free_unpacked(m, NULL);
    }
    Warren__Node__Leave leave = WARREN__NODE__LEAVE__INIT;
    SAY(&b, LEAVE, leave, &leave);
    to_node *m = next(&a, TO_NODE(DOWN));
    EXPECT_TEXT("left", m->down->reason);
    warren__node__to_node__free_unpacked(m, NULL);
    kill_member(&b, "normal", 0); // its process ends later: nothing more is said
    announce(&a, 1, "fence");
    pass(&a, TO_NODE(ANNOUNCED));
    kill_member(&a, "normal", 0);
    tear_down();
}

// One that does not read: its socket is full.
static end adopt_busy(uint64_t id, bool has_spoken) {
    int fds[2], err;
    uint8_t bytes[64];
    end e = {.id = id};
    to_node filler = WARREN__NODE__TO_NODE__INIT;
    Warren__Node__Joined joined = WARREN__NODE__JOINED__INIT;
    filler.kind_case = TO_NODE(JOINED);
    filler.joined = &joined;
    size_t len = warren__node__to_node__pack(&filler, bytes);
    EXPECT_OK(mesh_packet_pair(fds));
    EXPECT_OK(fcntl(fds[0], F_SETFL, O_NONBLOCK));
    while ((err = mesh_packet_send(fds[0], (mesh_bytes){bytes, len}, NULL, 0)) == 0)
        continue;
    EXPECT_EQ(-EAGAIN, err);
    agent_member_info identity = {.node_id = id, .name = "app.9", .service = "app", .pid = 9};
    EXPECT_OK(agent_members_adopt(members, fds[0], &identity, has_spoken, &e.member));
    e.fd = fds[1];
    return e;
}

static to_node *next_but_fillers(end *e) {
    for (;;) {
        to_node *message = receive(e);
        if (message != NULL && message->kind_case != TO_NODE(JOINED)) return message;
        if (message == NULL)
            uv_run(&loop, UV_RUN_ONCE);
        else
            warren__node__to_node__free_unpacked(message, NULL);
    }
}

TEST(one_that_is_adopted_and_busy_hears_of_an_end_and_one_that_never_spoke_of_nothing) {
    set_up();
    end busy = adopt_busy(1, true), silent = adopt_busy(2, false), other = add_joined(3);
    kill_member(&other, "crash", 9);
    to_node *m = next_but_fillers(&busy);
    EXPECT_EQ(TO_NODE(ADOPT), m->kind_case);
    warren__node__to_node__free_unpacked(m, NULL);
    while ((m = next_but_fillers(&busy))->kind_case == TO_NODE(REGISTRY)) // of the other one
        warren__node__to_node__free_unpacked(m, NULL);
    EXPECT_EQ(TO_NODE(DOWN), m->kind_case);
    EXPECT_TRUE(m->down->node_id == 3);
    warren__node__to_node__free_unpacked(m, NULL);
    kill_member(&busy, "normal", 0);
    m = next_but_fillers(&silent);
    EXPECT_EQ(TO_NODE(ADOPT), m->kind_case);
    warren__node__to_node__free_unpacked(m, NULL);
    EXPECT_TRUE(receive(&silent) == NULL);
    kill_member(&silent, "normal", 0);
    tear_down();
}

TEST(one_whose_connection_was_closed_is_adopted_without_and_its_end_is_told) {
    set_up();
    end other = add_joined(1), gone = {.id = 2};
    agent_member_info identity = {.node_id = 2, .name = "app.2", .service = "app", .pid = 102};
    EXPECT_OK(agent_members_adopt(members, -1, &identity, true, &gone.member));
    EXPECT_EQ(-1, agent_member_fd(gone.member));
    agent_members_end(members, gone.member, &(agent_member_end){.reason = "crash", .code = 9});
    to_node *m = next(&other, TO_NODE(DOWN));
    EXPECT_TRUE(m->down->node_id == 2);
    warren__node__to_node__free_unpacked(m, NULL);
    kill_member(&other, "normal", 0);
    tear_down();
}

static void expect_stalled(end *e, uint64_t id, bool is_stalled) {
    for (bool is_found = false; !is_found;) {
        to_node *m = receive(e);
        if (m == NULL) {
            uv_run(&loop, UV_RUN_ONCE);
            continue;
        }
        const Warren__Node__Registry *news = m->kind_case == TO_NODE(REGISTRY) ? m->registry : NULL;
        for (size_t i = 0; news != NULL && i < news->n_up; i++)
            is_found |= news->up[i]->node_id == id && news->up[i]->is_stalled == is_stalled;
        warren__node__to_node__free_unpacked(m, NULL);
    }
}

TEST(who_stalls_is_told_to_all_and_to_those_who_come_later_and_is_not_down) {
    set_up();
    end a = add_joined(1), b = add_joined(2);
    agent_member_set_stalled(b.member, true);
    expect_stalled(&a, 2, true);
    end c = add_joined(3);
    agent_member_set_stalled(b.member, true); // known is known
    agent_member_set_stalled(b.member, false);
    expect_stalled(&c, 2, false);
    expect_stalled(&a, 2, false);
    kill_member(&a, "normal", 0);
    kill_member(&b, "normal", 0);
    kill_member(&c, "normal", 0);
    tear_down();
}

// ---- other hosts

static char abroad[512]; // what they were told

static void note(const char *format, uint64_t id, const char *text) {
    size_t len = strlen(abroad);
    (void)snprintf(abroad + len, sizeof abroad - len, format, (unsigned)id, text);
}
static void abroad_up(const agent_member_info *who, void *user) {
    (void)user;
    note("up %u %s; ", who->node_id, who->name);
}
static void abroad_entry(const agent_member_info *who, const Warren__Node__Entry *entry,
                         void *user) {
    (void)user;
    note("put %u %s; ", who->node_id, entry->name);
}
static void abroad_removed(const agent_member_info *who, uint32_t entry_id, void *user) {
    (void)user;
    note(entry_id == 1 ? "removed %u%s; " : "removed another of %u%s; ", who->node_id, "");
}
static void abroad_down(const agent_member_info *who, const agent_member_end *how, void *user) {
    (void)user;
    note("down %u %s; ", who->node_id, how->reason);
}
static void abroad_newcomer(agent_roster_cb tell, void *newcomer, void *user) {
    Warren__Node__Peer peer = WARREN__NODE__PEER__INIT;
    agent_roster roster = {.on_packet = tell, .user = newcomer};
    (void)user;
    peer.node_id = 900;
    peer.pid = 1000;
    agent_roster_up(&roster, &peer);
    agent_roster_finish(&roster);
}
static bool abroad_connect(agent_member *member, uint64_t node_id, void *user) {
    (void)user;
    note("connect %u%s; ", agent_member_identity(member)->node_id, "");
    return node_id == 900;
}

static const agent_members_abroad hooks = {
    abroad_up, abroad_entry, abroad_removed, abroad_down, abroad_newcomer, abroad_connect, NULL};

TEST(other_hosts_hear_of_members_in_order_and_of_those_who_were_there_before) {
    set_up();
    abroad[0] = '\0';
    end a = add_joined(1);
    announce(&a, 1, "early");
    pass(&a, TO_NODE(ANNOUNCED));
    agent_members_set_abroad(members, &hooks, NULL);
    EXPECT_TEXT("up 1 app.1; put 1 early; ", abroad);
    announce(&a, 2, "late");
    pass(&a, TO_NODE(ANNOUNCED));
    Warren__Node__Withdraw withdraw = {PROTOBUF_C_MESSAGE_INIT(&warren__node__withdraw__descriptor),
                                       1};
    SAY(&a, WITHDRAW, withdraw, &withdraw);
    announce(&a, 3, "fence");
    pass(&a, TO_NODE(ANNOUNCED));
    kill_member(&a, "crash", 1);
    EXPECT_TEXT("up 1 app.1; put 1 early; put 1 late; removed 1; put 1 fence; down 1 crash; ",
                abroad);
    tear_down();
}

TEST(a_newcomer_hears_of_other_hosts_and_may_ask_for_links_to_them) {
    set_up();
    agent_members_set_abroad(members, &hooks, NULL);
    end a = add(1, false);
    join(&a);
    learn(&a, 900, NULL, false);
    pass(&a, TO_NODE(JOINED));
    abroad[0] = '\0';
    ask_link(&a, 900, 1);
    ask_link(&a, 901, 1);
    pass(&a, TO_NODE(CONNECT_FAILED)); // of 901; 900 is being dialled
    EXPECT_TEXT("connect 1; connect 1; ", abroad);
    agent_members_tell_down(members, 900, &(agent_member_end){.reason = "unreachable"});
    to_node *m = next(&a, TO_NODE(DOWN));
    EXPECT_TRUE(m->down->node_id == 900);
    EXPECT_TEXT("unreachable", m->down->reason);
    warren__node__to_node__free_unpacked(m, NULL);
    kill_member(&a, "normal", 0);
    tear_down();
}

TEST(an_attached_member_ends_with_its_socket) {
    set_up();
    end a = add_joined(1), b = add(2, true);
    EXPECT_EQ(1, agent_members_attached_count(members));
    join(&b);
    close(b.fd);
    to_node *m = next(&a, TO_NODE(DOWN));
    EXPECT_TRUE(m->down->node_id == 2);
    EXPECT_EQ(-1, m->down->code);
    warren__node__to_node__free_unpacked(m, NULL);
    EXPECT_EQ(1, attached_ends);
    EXPECT_EQ(0, agent_members_attached_count(members));
    kill_member(&a, "normal", 0);
    tear_down();
}

static void expect_refused(end *e, const char *text) {
    to_node *m = next(e, TO_NODE(REFUSED));
    EXPECT_TEXT(text, m->refused->text);
    warren__node__to_node__free_unpacked(m, NULL);
    uint8_t byte;
    EXPECT_EQ(0, recv(e->fd, &byte, 1, 0)); // and closed
}

TEST(what_breaks_the_rules_is_refused_and_is_gone_for_the_others) {
    char name[257] = {0};
    memset(name, 'n', 256);
    set_up();
    end a = add_joined(1), b = add_joined(2);
    announce(&b, 1, name);
    expect_refused(&b, "it announced a name that is empty or longer than 255 bytes");
    pass(&a, TO_NODE(DOWN));
    end c = add(3, false);
    announce(&c, 1, "x");
    pass(&c, TO_NODE(ANNOUNCED));
    announce(&c, 1, "y");
    expect_refused(&c, "it announced one entry twice");
    end d = add(4, false);
    EXPECT_EQ(2, send(d.fd, "\xff\xff", 2, 0));
    expect_refused(&d, "it sent a message that cannot be read");
    kill_member(&d, "killed", -1);
    kill_member(&c, "killed", -1);
    kill_member(&b, "killed", -1);
    kill_member(&a, "normal", 0);
    tear_down();
}

TEST(a_member_announces_a_bounded_number_of_entries) {
    set_up();
    end a = add_joined(1);
    for (uint32_t i = 0; i < MESH_ENTRIES_MAX; i++) {
        announce(&a, i, "subject");
        if (i % BATCH != BATCH - 1) continue; // news is gathered: one by one takes long
        for (int k = 0; k < BATCH; k++)
            pass(&a, TO_NODE(ANNOUNCED));
    }
    // All of them reach a newcomer, in as many packets as they need.
    end b = add(2, false);
    join(&b);
    size_t count = 0;
    while (count < MESH_ENTRIES_MAX) {
        to_node *m = next(&b, TO_NODE(REGISTRY));
        count += m->registry->n_put;
        warren__node__to_node__free_unpacked(m, NULL);
    }
    pass(&b, TO_NODE(JOINED));
    announce(&a, MESH_ENTRIES_MAX, "one more");
    expect_refused(&a, "it announced more than 4,096 services and subscriptions");
    kill_member(&a, "killed", -1);
    kill_member(&b, "normal", 0);
    tear_down();
}

TEST(a_listening_socket_comes_from_the_service) {
    set_up();
    end a = add(1, false), b = add(2, true);
    Warren__Node__Listen body = WARREN__NODE__LISTEN__INIT;
    body.request_id = 3;
    body.port = 8080;
    body.address = (char *)(uintptr_t) "::1";
    SAY(&a, LISTEN, listen, &body);
    to_node *m = next(&a, TO_NODE(LISTENING));
    EXPECT_EQ(3, m->listening->request_id);
    EXPECT_EQ(0, m->listening->error);
    EXPECT_TRUE(a.passed_fd >= 0);
    EXPECT_EQ(8080, listened.port);
    close(a.passed_fd);
    warren__node__to_node__free_unpacked(m, NULL);
    body.port = 80;
    SAY(&a, LISTEN, listen, &body);
    m = next(&a, TO_NODE(LISTENING));
    EXPECT_EQ(-EACCES, m->listening->error);
    warren__node__to_node__free_unpacked(m, NULL);
    SAY(&b, LISTEN, listen, &body);
    m = next(&b, TO_NODE(LISTENING));
    EXPECT_EQ(-ENOTSUP, m->listening->error); // no service stands behind it
    warren__node__to_node__free_unpacked(m, NULL);
    kill_member(&a, "normal", 0);
    close(b.fd);
    tear_down();
}
