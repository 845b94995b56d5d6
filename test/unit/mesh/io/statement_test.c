// What a member says anew to an agent that knows nothing of it, read from the other end of the
// socket.
#include "io/statement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "test.h"

enum { SAID_MAX = 4096, LINKS = 3, ADOPTION = 77 };

typedef struct ear {
    mesh_channel *channel;
    char said[SAID_MAX]; // one word for each message
} ear;

static void note(ear *e, const char *word, uint64_t number) {
    size_t len = strlen(e->said);
    (void)snprintf(e->said + len, SAID_MAX - len, "%s%s:%llu", len > 0 ? " " : "", word,
                   (unsigned long long)number);
}

static void note_message(ear *e, const Warren__Node__ToAgent *m) {
    switch (m->kind_case) {
    case WARREN__NODE__TO_AGENT__KIND_RESTATED:
        note(e, "links", m->restated->links);
        note(e, "adoption", m->restated->adoption);
        break;
    case WARREN__NODE__TO_AGENT__KIND_JOIN: note(e, "join", 0); break;
    case WARREN__NODE__TO_AGENT__KIND_ANNOUNCE:
        note(e, m->announce->entry->name, m->announce->entry->entry_id);
        break;
    case WARREN__NODE__TO_AGENT__KIND_WITHDRAW: note(e, "gone", m->withdraw->entry_id); break;
    case WARREN__NODE__TO_AGENT__KIND_LISTEN:
        note(e, m->listen->address, m->listen->request_id);
        break;
    case WARREN__NODE__TO_AGENT__KIND_CONNECT: note(e, "connect", m->connect->node_id); break;
    case WARREN__NODE__TO_AGENT__KIND_READY: note(e, "ready", m->ready->way); break;
    case WARREN__NODE__TO_AGENT__KIND_DRAINED: note(e, "drained", m->drained->connections); break;
    case WARREN__NODE__TO_AGENT__KIND_LEAVE: note(e, "leave", 0); break;
    default: note(e, "unknown", m->kind_case);
    }
}

static void on_packet(mesh_channel *channel, mesh_bytes bytes, mesh_packet *packet, void *user) {
    (void)channel, (void)packet;
    Warren__Node__ToAgent *m = warren__node__to_agent__unpack(NULL, bytes.len, bytes.data);
    if (m == NULL) {
        note(user, "unreadable", bytes.len);
        return;
    }
    note_message(user, m);
    warren__node__to_agent__free_unpacked(m, NULL);
}

static void on_end(mesh_channel *channel, int err, void *user) {
    (void)user;
    EXPECT_EQ(MESH_EGONE, err);
    mesh_channel_close(channel);
}

// Has `s` say all of it, and expects that on the other end.
static void expect_said(const mesh_statement *s, const char *wanted) {
    static const uint64_t connecting[] = {41, 42};
    uv_loop_t loop;
    ear mouth = {0}, agent = {0};
    int fds[2];
    EXPECT_OK(uv_loop_init(&loop));
    EXPECT_OK(mesh_packet_pair(fds));
    EXPECT_OK(mesh_channel_open(&loop, fds[0], on_packet, on_end, &mouth, &mouth.channel));
    EXPECT_OK(mesh_channel_open(&loop, fds[1], on_packet, on_end, &agent, &agent.channel));
    mesh_statement_say(s, mouth.channel, ADOPTION, &(mesh_statement_links){LINKS, connecting, 2});
    mesh_channel_close(mouth.channel);
    uv_run(&loop, UV_RUN_DEFAULT);
    EXPECT_OK(uv_loop_close(&loop));
    EXPECT_TEXT(wanted, agent.said);
}

static void announce(mesh_statement *s, uint32_t entry_id, const char *name) {
    char own[64]; // not the caller's: it is to be copied
    (void)snprintf(own, sizeof own, "%s", name);
    mesh_statement_announce(s, &(mesh_entry){.entry_id = entry_id, .name = mesh_bytes_text(own)});
    memset(own, 'x', sizeof own - 1);
}

static void listen_on(mesh_statement *s, uint32_t request_id, const char *address) {
    char own[64];
    (void)snprintf(own, sizeof own, "%s", address);
    mesh_statement_listen(s, &(mesh_listen_request){.request_id = request_id, .address = own});
    memset(own, 'x', sizeof own - 1);
}

TEST(one_that_wants_nothing_answers_the_adoption_and_asks_for_its_links) {
    mesh_statement *s = mesh_statement_create();
    expect_said(s, "links:3 adoption:77 connect:41 connect:42");
    mesh_statement_destroy(s);
}

TEST(all_that_is_wanted_is_said_in_the_order_in_which_an_agent_may_hear_it) {
    mesh_statement *s = mesh_statement_create();
    mesh_statement_leave(s);
    mesh_statement_drained(s, 5);
    mesh_statement_ready(s, WARREN__NODE__READY__WAY__MESSAGE);
    listen_on(s, 9, "127.0.0.1");
    announce(s, 1, "api");
    announce(s, 2, "orders.>");
    mesh_statement_join(s);
    expect_said(s, "links:3 adoption:77 join:0 api:1 orders.>:2 127.0.0.1:9 connect:41 connect:42 "
                   "ready:1 drained:5 leave:0");
    mesh_statement_destroy(s);
}

TEST(what_was_withdrawn_is_not_announced_and_is_said_to_be_gone) {
    mesh_statement *s = mesh_statement_create();
    announce(s, 1, "a");
    announce(s, 2, "b");
    announce(s, 3, "c");
    mesh_statement_withdraw(s, 2);
    mesh_statement_withdraw(s, 99); // it was never there
    expect_said(s, "links:3 adoption:77 a:1 c:3 gone:2 connect:41 connect:42");
    mesh_statement_destroy(s);
}

TEST(of_what_was_withdrawn_the_last_ones_are_said) {
    mesh_statement *s = mesh_statement_create();
    for (uint32_t i = 1; i <= 200; i++) {
        announce(s, i, "a");
        mesh_statement_withdraw(s, i);
    }
    static char wanted[SAID_MAX] = "links:3 adoption:77";
    for (uint32_t place = 0; place < 64; place++) { // of a ring
        size_t at = strlen(wanted);
        uint32_t id = 129 + place + (place < 8 ? 64 : 0);
        (void)snprintf(wanted + at, sizeof wanted - at, " gone:%u", id);
    }
    size_t len = strlen(wanted);
    (void)snprintf(wanted + len, sizeof wanted - len, " connect:41 connect:42");
    expect_said(s, wanted);
    mesh_statement_destroy(s);
}

TEST(a_port_that_was_answered_is_not_asked_for_again) {
    mesh_statement *s = mesh_statement_create();
    listen_on(s, 1, "a");
    listen_on(s, 2, "b");
    listen_on(s, 3, "c");
    EXPECT_TRUE(mesh_statement_listening(s, 1));
    EXPECT_FALSE(mesh_statement_listening(s, 1)); // another agent answers what it was asked anew
    EXPECT_FALSE(mesh_statement_listening(s, 8));
    expect_said(s, "links:3 adoption:77 c:3 b:2 connect:41 connect:42");
    mesh_statement_destroy(s);
}

TEST(only_the_first_answer_is_news) {
    mesh_statement *s = mesh_statement_create();
    mesh_statement_join(s);
    EXPECT_TRUE(mesh_statement_joined(s));
    EXPECT_FALSE(mesh_statement_joined(s));
    announce(s, 1, "a");
    EXPECT_TRUE(mesh_statement_announced(s, 1));
    EXPECT_FALSE(mesh_statement_announced(s, 1));
    mesh_statement_withdraw(s, 1);
    EXPECT_TRUE(mesh_statement_announced(s, 1)); // whoever waits for it still wants to know
    mesh_statement_destroy(s);
}

TEST(a_sign_of_a_kind_that_is_not_known_is_kept_by_nobody) {
    mesh_statement *s = mesh_statement_create();
    mesh_statement_ready(s, (Warren__Node__Ready__Way)9);
    expect_said(s, "links:3 adoption:77 connect:41 connect:42");
    mesh_statement_destroy(s);
}
