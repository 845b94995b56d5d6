// The leases of a member, with the agent's end of the socket in the test's hand.
#include "io/leases.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"
#include "core/limits.h"
#include "io/steady.h"
#include "test.h"

enum { TEXT_MAX = 4096, LONG_MS = 3600000 };

typedef struct stage {
    uv_loop_t loop;
    mesh_channel *channel;
    mesh_leases *leases;
    int agent_fd;
    char told[TEXT_MAX], said[TEXT_MAX];
} stage;

static stage s;

__attribute__((format(printf, 2, 3))) static void note(char to[TEXT_MAX], const char *format, ...) {
    size_t len = strlen(to);
    va_list args;
    va_start(args, format);
    if (len > 0) to[len++] = ' ';
    (void)vsnprintf(to + len, TEXT_MAX - len, format, args);
    va_end(args);
}

static void on_news(const mesh_lease_news *news, void *user) {
    static const char *const states[] = {"waiting", "held", "over"};
    note(((stage *)user)->told, "%u:%s:%d", news->id, states[news->state], (int)news->why);
}

static void on_packet(mesh_channel *channel, mesh_bytes bytes, mesh_packet *packet, void *user) {
    (void)channel, (void)bytes, (void)packet, (void)user;
}

static void on_end(mesh_channel *channel, int err, void *user) {
    (void)channel, (void)err, (void)user;
}

static void set_up(void) {
    int fds[2];
    s = (stage){.agent_fd = -1};
    uv_loop_init(&s.loop);
    EXPECT_OK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
    EXPECT_OK(mesh_channel_open(&s.loop, fds[0], on_packet, on_end, NULL, &s.channel));
    s.agent_fd = fds[1];
    s.leases = mesh_leases_create(s.channel, on_news, &s);
}

static void tear_down(void) {
    mesh_leases_destroy(s.leases);
    mesh_channel_close(s.channel);
    uv_run(&s.loop, UV_RUN_DEFAULT);
    EXPECT_OK(uv_loop_close(&s.loop));
    close(s.agent_fd);
}

static void note_message(const Warren__Node__ToAgent *m) {
    switch (m->kind_case) {
    case WARREN__NODE__TO_AGENT__KIND_LEASE_ASK:
        note(s.said, "ask:%u:%s%s", m->lease_ask->lease_id, m->lease_ask->name,
             m->lease_ask->wait ? ":waits" : "");
        if (m->lease_ask->had != NULL)
            note(s.said, "had:%s:%llu", m->lease_ask->had->key,
                 (unsigned long long)m->lease_ask->had->token);
        EXPECT_TRUE(mesh_steady_clock_number() == m->lease_ask->clock);
        break;
    case WARREN__NODE__TO_AGENT__KIND_LEASE_SEEN:
        note(s.said, "seen:%u", m->lease_seen->lease_id);
        break;
    case WARREN__NODE__TO_AGENT__KIND_LEASE_END:
        note(s.said, "end:%u", m->lease_end->lease_id);
        break;
    default: note(s.said, "unknown"); break;
    }
}

// What the agent was told since it was asked last.
static const char *said(void) {
    static uint8_t bytes[MESH_PACKET_LEN_MAX];
    mesh_packet packet;
    s.said[0] = '\0';
    while (mesh_packet_receive(s.agent_fd, MSG_DONTWAIT, bytes, &packet) == 0) {
        Warren__Node__ToAgent *m = warren__node__to_agent__unpack(NULL, packet.len, bytes);
        assert_non_null(m);
        note_message(m);
        warren__node__to_agent__free_unpacked(m, NULL);
    }
    return s.said;
}

static const char *told(void) {
    static char text[TEXT_MAX];
    memcpy(text, s.told, sizeof text);
    s.told[0] = '\0';
    return text;
}

static int ask(uint32_t id, const char *name) {
    mesh_lease_ask wish = {
        .id = id, .name = mesh_bytes_text(name), .ttl_s = 10, .is_waiting = true};
    return mesh_leases_ask(s.leases, &wish);
}

static void answer(uint32_t id, Warren__Node__Lease__State state, Warren__Node__Lease__Why why,
                   uint64_t until_ms) {
    Warren__Node__Lease message = WARREN__NODE__LEASE__INIT;
    Warren__Node__LeaseTicket ticket = WARREN__NODE__LEASE_TICKET__INIT;
    message.lease_id = id;
    message.state = state;
    message.why = why;
    ticket.key = (char *)(uintptr_t) "leases/job 1";
    ticket.token = 41;
    ticket.until_ms = until_ms;
    if (until_ms > 0) message.ticket = &ticket;
    mesh_leases_receive(s.leases, &message);
}

static void hold(uint32_t id, uint64_t until_ms) {
    answer(id, WARREN__NODE__LEASE__STATE__HELD, WARREN__NODE__LEASE__WHY__ENDED, until_ms);
}

static void end(uint32_t id, Warren__Node__Lease__Why why) {
    answer(id, WARREN__NODE__LEASE__STATE__OVER, why, 0);
}

static void let_it_pass(uint32_t id) {
    while (mesh_leases_is_valid(s.leases, id))
        ;
}

TEST(a_lease_is_valid_until_the_moment_that_was_told_last) {
    set_up();
    EXPECT_OK(ask(1, "job"));
    EXPECT_TEXT("ask:1:job:waits", said());
    answer(1, WARREN__NODE__LEASE__STATE__WAITING, WARREN__NODE__LEASE__WHY__TAKEN, 0);
    EXPECT_FALSE(mesh_leases_is_valid(s.leases, 1));
    hold(1, mesh_steady_ms() + 5);
    hold(1, mesh_steady_ms() + LONG_MS);
    EXPECT_TRUE(mesh_leases_is_valid(s.leases, 1));
    EXPECT_EQ(41, mesh_leases_token(s.leases, 1));
    EXPECT_TEXT("1:waiting:2 1:held:0", told());
    EXPECT_TEXT("seen:1 seen:1", said());
    uint64_t wait_ms = mesh_leases_wait_ms(s.leases);
    EXPECT_TRUE(wait_ms > LONG_MS / 2 && wait_ms <= LONG_MS);
    end(1, WARREN__NODE__LEASE__WHY__LOST);
    EXPECT_FALSE(mesh_leases_is_valid(s.leases, 1));
    EXPECT_TEXT("1:over:1", told());
    tear_down();
}

TEST(when_its_time_is_over_what_waits_in_the_socket_is_heard_before_it_is_lost) {
    set_up();
    EXPECT_OK(ask(1, "job"));
    hold(1, mesh_steady_ms() + 5);
    let_it_pass(1);
    EXPECT_EQ(1, mesh_leases_wait_ms(s.leases));
    mesh_leases_tick(s.leases);
    EXPECT_TEXT("1:held:0", told());
    hold(1, mesh_steady_ms() + 5); // the agent had kept it alive
    EXPECT_TRUE(mesh_leases_is_valid(s.leases, 1));
    let_it_pass(1);
    mesh_leases_tick(s.leases);
    EXPECT_TEXT("", told());
    mesh_leases_tick(s.leases);
    EXPECT_TEXT("1:over:1", told());
    EXPECT_TEXT("ask:1:job:waits seen:1 seen:1 end:1", said());
    // It is lost for ever, and nobody is told a second time.
    hold(1, mesh_steady_ms() + LONG_MS);
    EXPECT_FALSE(mesh_leases_is_valid(s.leases, 1));
    end(1, WARREN__NODE__LEASE__WHY__ENDED);
    EXPECT_TEXT("", told());
    EXPECT_TEXT("", said());
    tear_down();
}

TEST(one_that_comes_too_late_is_not_told_until_a_later_moment_comes) {
    set_up();
    EXPECT_OK(ask(1, "job"));
    hold(1, mesh_steady_ms() - 1);
    mesh_leases_tick(s.leases);
    mesh_leases_tick(s.leases);
    EXPECT_TEXT("", told());
    EXPECT_TRUE(UINT64_MAX == mesh_leases_wait_ms(s.leases));
    hold(1, mesh_steady_ms() + LONG_MS);
    EXPECT_TEXT("1:held:0", told());
    tear_down();
}

TEST(who_gives_it_back_has_it_no_more_at_once) {
    set_up();
    EXPECT_OK(ask(1, "job"));
    hold(1, mesh_steady_ms() + LONG_MS);
    mesh_leases_end(s.leases, 1);
    EXPECT_FALSE(mesh_leases_is_valid(s.leases, 1));
    mesh_leases_end(s.leases, 1);
    hold(1, mesh_steady_ms() + LONG_MS);
    EXPECT_FALSE(mesh_leases_is_valid(s.leases, 1));
    EXPECT_TEXT("ask:1:job:waits seen:1 end:1", said());
    end(1, WARREN__NODE__LEASE__WHY__ENDED);
    EXPECT_TEXT("1:held:0 1:over:0", told());
    tear_down();
}

TEST(another_agent_hears_of_all_that_is_had_awaited_and_given_back) {
    set_up();
    EXPECT_OK(ask(1, "job"));
    EXPECT_OK(ask(2, "other"));
    EXPECT_OK(ask(3, "third"));
    hold(1, mesh_steady_ms() + LONG_MS);
    hold(3, mesh_steady_ms() + LONG_MS);
    mesh_leases_end(s.leases, 3);
    (void)said();
    mesh_leases_say(s.leases);
    EXPECT_TEXT("ask:1:job:waits had:leases/job 1:41 ask:2:other:waits ask:3:third:waits "
                "had:leases/job 1:41 end:3",
                said());
    mesh_leases_drop(s.leases);
    EXPECT_FALSE(mesh_leases_is_valid(s.leases, 1));
    tear_down();
}

TEST(what_cannot_be_a_lease_is_not_asked_for) {
    set_up();
    for (const char *const *bad = (const char *const[]){"", "a b", "a\n", "\x7f", NULL}; *bad;
         bad++)
        EXPECT_EQ(MESH_EINVAL, ask(1, *bad));
    char name[MESH_NAME_LEN_MAX + 2];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    EXPECT_EQ(MESH_EINVAL, ask(1, name));
    EXPECT_TEXT("", said());
    for (uint32_t id = 1; id <= MESH_LEASES_MAX; id++) {
        EXPECT_OK(ask(id, name + 1));
        (void)said(); // before the socket is full
    }
    EXPECT_EQ(MESH_EEXIST, ask(1, "job"));
    EXPECT_EQ(MESH_EQUOTA, ask(MESH_LEASES_MAX + 1, "job"));
    tear_down();
}

TEST(what_an_agent_says_that_makes_no_sense_changes_nothing) {
    set_up();
    hold(7, mesh_steady_ms() + LONG_MS);
    EXPECT_OK(ask(1, "job"));
    answer(1, WARREN__NODE__LEASE__STATE__HELD, WARREN__NODE__LEASE__WHY__ENDED, 0); // no ticket
    answer(1, (Warren__Node__Lease__State)9, WARREN__NODE__LEASE__WHY__ENDED, 0);
    EXPECT_TEXT("", told());
    EXPECT_FALSE(mesh_leases_is_valid(s.leases, 1));
    tear_down();
}
