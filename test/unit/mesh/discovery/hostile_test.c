// Against a name server that lies.
#include <stdio.h>
#include <stdlib.h>

#include "core/be.h"
#include "daemon.h"
#include "finder.h"
#include "port.h"
#include "test.h"

enum { HEAD_LEN = 12, ROOM = 4096 };

static finder f;
static uv_udp_t server;
static uint16_t port;

// How the server answers: the head and question of what was asked, then these bytes.
typedef struct reply {
    uint16_t id_change, flags, answer_count;
    const void *answer;
    size_t answer_len;
    bool has_no_question;
} reply;
static reply lie;

static void give_room(uv_handle_t *handle, size_t size, uv_buf_t *out) {
    static char room[ROOM];
    (void)handle;
    (void)size;
    *out = uv_buf_init(room, sizeof room);
}

static void on_question(uv_udp_t *udp, ssize_t len, const uv_buf_t *buffer,
                        const struct sockaddr *from, unsigned flags) {
    (void)flags;
    if (len < HEAD_LEN || from == NULL) return;
    static uint8_t bytes[2 * ROOM];
    size_t head_len = lie.has_no_question ? HEAD_LEN : (size_t)len;
    memcpy(bytes, buffer->base, head_len);
    store_be16(bytes, (uint32_t)load_be16(bytes) + lie.id_change);
    store_be16(bytes + 2, lie.flags != 0 ? lie.flags : 0x8180);
    store_be16(bytes + 4, lie.has_no_question ? 0 : 1);
    store_be16(bytes + 6, lie.answer_count);
    store_be32(bytes + 8, 0);
    if (lie.answer_len > 0) memcpy(bytes + head_len, lie.answer, lie.answer_len);
    uv_buf_t out = uv_buf_init((char *)bytes, (unsigned)(head_len + lie.answer_len));
    (void)uv_udp_try_send(udp, &out, 1, from);
}

static void look_for(const char *source, reply how) {
    static char servers[32];
    struct sockaddr_in address;
    if (port == 0) port = test_free_port();
    (void)snprintf(servers, sizeof servers, "127.0.0.1:%u", port);
    lie = how;
    finder_init(&f, source);
    uv_ip4_addr("127.0.0.1", port, &address);
    uv_udp_init(&f.loop, &server);
    EXPECT_OK(uv_udp_bind(&server, (struct sockaddr *)&address, UV_UDP_REUSEADDR));
    EXPECT_OK(uv_udp_recv_start(&server, give_room, on_question));
    f.options.dns_servers = servers;
    finder_open(&f);
}

static void end(void) {
    uv_close((uv_handle_t *)&server, NULL);
    finder_close(&f);
}

static void expect_nothing(const char *source, reply how, const char *error) {
    look_for(source, how);
    finder_wait_error(&f, error);
    EXPECT_EQ(0, finder_status(&f, 0).candidate_count);
    end();
}

// A record of SRV for the name that was asked, with a target of one label.
static size_t srv_record(uint8_t out[300], const char *label) {
    static const uint8_t head[] = {0xc0, HEAD_LEN, 0, 33, 0, 1, 0, 0, 0, 60};
    size_t len = strlen(label);
    memcpy(out, head, sizeof head);
    uint8_t *at = store_be16(out + sizeof head, (uint32_t)len + 8);
    at = store_be16(store_be16(store_be16(at, 1), 1), 7400);
    *at++ = (uint8_t)len;
    memcpy(at, label, len + 1);
    return (size_t)(at + len + 1 - out);
}

TEST(an_honest_answer_of_this_server_is_taken) {
    static const uint8_t record[] = {0xc0, HEAD_LEN, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 1};
    look_for("dns:a.test:7400",
             (reply){.answer_count = 1, .answer = record, .answer_len = sizeof record});
    finder_wait_has(&f, "10.0.0.1:7400");
    end();
}

TEST(an_answer_with_another_id_is_no_answer) {
    static const uint8_t record[] = {0xc0, HEAD_LEN, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 1};
    expect_nothing(
        "dns:a.test:7400",
        (reply){.id_change = 1, .answer_count = 1, .answer = record, .answer_len = sizeof record},
        "no name server answered in time");
}

TEST(an_answer_without_its_question_or_records_is_refused) {
    expect_nothing("dns:a.test:7400", (reply){.has_no_question = true}, "cannot resolve a.test: ");
    expect_nothing("dns:a.test:7400", (reply){.answer_count = 0xffff}, "cannot resolve a.test: ");
    expect_nothing("srv:a.test", (reply){.answer_count = 0xffff}, "damaged");
}

TEST(a_name_that_points_at_itself_is_refused) {
    static const uint8_t loop[] = {
        0xc0, HEAD_LEN + 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, 8, 0, 1, 0, 1, 0, 80,
        0xc0, HEAD_LEN + 30};
    expect_nothing("srv:a.test",
                   (reply){.answer_count = 1, .answer = loop, .answer_len = sizeof loop},
                   "damaged");
}

TEST(a_record_shorter_or_longer_than_its_bytes_is_refused) {
    static const uint8_t lengths[] = {0, 3, 5, 255};
    for (size_t i = 0; i < sizeof lengths; i++) {
        uint8_t record[] = {0xc0, HEAD_LEN, 0, 1, 0, 1, 0, 0, 0, 60, 0, lengths[i], 10, 0, 0, 1};
        expect_nothing("dns:a.test:7400",
                       (reply){.answer_count = 1, .answer = record, .answer_len = sizeof record},
                       "cannot resolve a.test: ");
    }
}

TEST(targets_that_are_no_names_are_left_out) {
    static const char *const targets[] = {"a b", "a/b", "a;rm", "-x", "[::1]", "a\nb"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        uint8_t record[300];
        size_t len = srv_record(record, targets[i]);
        look_for("srv:a.test", (reply){.answer_count = 1, .answer = record, .answer_len = len});
        finder_wait_error(&f, "the");
        // Not even asked for: then the sentence would begin with "cannot resolve".
        EXPECT_TEXT("the name exists, but has no record of this type", finder_status(&f, 0).error);
        end();
    }
}

TEST(a_server_that_refuses_or_fails_is_told_of) {
    expect_nothing("dns:a.test:7400", (reply){.flags = 0x8182}, "cannot resolve a.test: ");
    expect_nothing("dns:a.test:7400", (reply){.flags = 0x8185}, "cannot resolve a.test: ");
}

TEST(a_truncated_answer_is_not_believed_when_nobody_is_there_by_tcp) {
    expect_nothing("dns:a.test:7400", (reply){.flags = 0x8380}, "cannot resolve a.test: ");
}
