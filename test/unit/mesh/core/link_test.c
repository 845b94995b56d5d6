#include "core/error.h"
#include "core/mem.h"
#include "pair.h"

TEST(nothing_of_the_user_is_written_before_the_peers_ready) {
    mesh_link *a = pair_link(1, 2, NULL), *b = pair_link(2, 1, NULL);
    EXPECT_TRUE(pair_send(a, MESH_FRAME_PUB, "x", 1).is_queued);
    size_t ready_len = mesh_link_output(a).len;
    mesh_link_pump(a, 0);
    EXPECT_EQ(ready_len, mesh_link_output(a).len);
    pair_greet(a, b);
    mesh_link_pump(a, 0);
    EXPECT_TRUE(mesh_link_output(a).len > 0);
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

TEST(a_message_of_any_size_arrives_as_it_was_in_pieces_of_any_size) {
    const size_t sizes[] = {0, 1, 16375, 16376, 16380, 16384, 16385, 70000, 300000, 1 << 20};
    const size_t pieces[] = {1000, 65536, SIZE_MAX};
    uint8_t *payload = mem_alloc(1 << 20);
    for (size_t i = 0; i < 1 << 20; i++)
        payload[i] = (uint8_t)(i ^ i >> 9);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t p = 0; p < 3; p++) {
            mesh_link *a = pair_link(1, 2, NULL), *b = pair_link(2, 1, NULL);
            pair_greet(a, b);
            (void)pair_send(a, MESH_FRAME_PUB, payload, sizes[s]);
            mesh_link_pump(a, 0);
            mesh_link_message message;
            int got = 0;
            while (got == 0 && pair_carry(a, b, pieces[p]) > 0)
                got = mesh_link_next(b, &message);
            EXPECT_EQ(1, got);
            EXPECT_EQ(4 + sizes[s], message.body.len);
            EXPECT_EQ(0, memcmp("head", message.body.data, 4));
            EXPECT_EQ(0, memcmp(payload, message.body.data + 4, sizes[s]));
            free(message.owned);
            mesh_link_destroy(a);
            mesh_link_destroy(b);
        }
    }
    free(payload);
}

TEST(small_messages_share_a_record) {
    mesh_link *a = pair_link(1, 2, NULL), *b = pair_link(2, 1, NULL);
    pair_greet(a, b);
    for (int i = 0; i < 100; i++)
        EXPECT_FALSE(pair_send(a, MESH_FRAME_PUB, "0123456789", 10).is_queued);
    EXPECT_EQ(2 + 100 * (9 + 14), mesh_link_output(a).len);
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

TEST(a_record_that_was_sent_in_part_does_not_grow) {
    mesh_link *a = pair_link(1, 2, NULL), *b = pair_link(2, 1, NULL);
    pair_greet(a, b);
    mesh_link_message message;
    for (int i = 0; i < 50; i++) {
        (void)pair_send(a, MESH_FRAME_PUB, "0123456789", 10);
        pair_carry(a, b, 7);
    }
    int count = 0;
    while (pair_carry(a, b, 7) > 0) {
        while (mesh_link_next(b, &message) == 1)
            count++;
    }
    EXPECT_EQ(50, count);
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

TEST(requests_without_credit_do_not_hold_up_replies_and_publications) {
    mesh_link *a = pair_link(1, 2, NULL), *b = pair_link(2, 1, NULL);
    static const uint8_t payload[PAIR_WINDOW];
    pair_greet(a, b);
    EXPECT_FALSE(pair_send(a, MESH_FRAME_REQUEST, payload, PAIR_WINDOW).is_queued);
    EXPECT_TRUE(pair_send(a, MESH_FRAME_REQUEST, payload, 1).is_queued);
    EXPECT_FALSE(pair_send(a, MESH_FRAME_PUB, payload, 1).is_queued);
    EXPECT_FALSE(pair_send(a, MESH_FRAME_REPLY, payload, PAIR_WINDOW).is_queued);
    EXPECT_FALSE(pair_send(a, MESH_FRAME_REPLY, payload, PAIR_WINDOW).is_queued);
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

TEST(credit_comes_back_when_a_quarter_of_the_window_was_taken) {
    mesh_link *a = pair_link(1, 2, NULL), *b = pair_link(2, 1, NULL);
    static const uint8_t payload[PAIR_WINDOW];
    pair_greet(a, b);
    (void)pair_send(a, MESH_FRAME_PUB, payload, PAIR_WINDOW);
    EXPECT_TRUE(pair_send(a, MESH_FRAME_PUB, "waits", 5).is_queued);
    pair_carry(a, b, SIZE_MAX);
    mesh_link_message message;
    EXPECT_EQ(1, mesh_link_next(b, &message));
    mesh_link_consumed(b, MESH_CHANNEL_PUBLISH, PAIR_WINDOW / 4 - 1);
    mesh_link_pump(b, 0);
    EXPECT_EQ(0, mesh_link_output(b).len);
    mesh_link_consumed(b, MESH_CHANNEL_PUBLISH, 1);
    mesh_link_pump(b, 0);
    pair_carry(b, a, SIZE_MAX);
    EXPECT_EQ(1, mesh_link_next(a, &message));
    EXPECT_EQ(MESH_FRAME_CREDIT, message.type);
    mesh_link_pump(a, 0);
    EXPECT_TRUE(mesh_link_output(a).len > 0);
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

TEST(a_small_message_passes_a_large_one_of_another_channel) {
    mesh_link *a = pair_link(1, 2, NULL), *b = pair_link(2, 1, NULL);
    uint8_t *large = mem_alloc(1 << 20);
    pair_greet(a, b);
    (void)pair_send(a, MESH_FRAME_PUB, large, 1 << 20);
    mesh_link_pump(a, 0);
    (void)pair_send(a, MESH_FRAME_REPLY, "small", 5);
    mesh_link_message message = {0};
    int got = 0;
    while (got == 0 && pair_carry(a, b, SIZE_MAX) > 0)
        got = mesh_link_next(b, &message);
    EXPECT_EQ(MESH_FRAME_REPLY, message.type);
    free(large);
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

TEST(what_may_have_been_sent_is_known_to_the_byte) {
    mesh_link *a = pair_link(1, 2, NULL), *b = pair_link(2, 1, NULL);
    pair_greet(a, b);
    mesh_link_place first = pair_send(a, MESH_FRAME_REQUEST, "1", 1);
    size_t first_len = mesh_link_output(a).len;
    mesh_link_place second = pair_send(a, MESH_FRAME_REQUEST, "2", 1);
    EXPECT_FALSE(mesh_link_may_be_sent(a, first));
    mesh_link_sent(a, first_len);
    EXPECT_TRUE(mesh_link_may_be_sent(a, first));
    EXPECT_FALSE(mesh_link_may_be_sent(a, second));
    mesh_link_sent(a, 1);
    EXPECT_TRUE(mesh_link_may_be_sent(a, second));
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

TEST(a_cancel_comes_after_the_rest_of_its_request) {
    mesh_link *a = pair_link(1, 2, NULL), *b = pair_link(2, 1, NULL);
    uint8_t *large = mem_alloc(1 << 20), head[MESH_MESSAGE_HEAD_MAX];
    pair_greet(a, b);
    mesh_request request = {.call_id = 7};
    mesh_link_send_options options = {.type = MESH_FRAME_REQUEST,
                                      .expires_at_ms = UINT64_MAX,
                                      .head = {head, mesh_request_write(head, &request)},
                                      .payload = {large, 1 << 20}};
    (void)mesh_link_send(a, &options);
    mesh_link_pump(a, 0);
    mesh_link_cancel(a, &(mesh_cancel){7, 4});
    mesh_link_message message;
    uint8_t types[2] = {0};
    for (int count = 0; count < 2 && pair_carry(a, b, SIZE_MAX) > 0;) {
        while (mesh_link_next(b, &message) == 1) {
            types[count++] = message.type;
            free(message.owned);
        }
    }
    EXPECT_EQ(MESH_FRAME_REQUEST, types[0]);
    EXPECT_EQ(MESH_FRAME_CANCEL, types[1]);
    free(large);
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

TEST(a_deadline_that_waited_in_the_queue_is_the_time_that_is_left) {
    mesh_link *a = pair_link(1, 2, NULL), *b = pair_link(2, 1, NULL);
    uint8_t head[MESH_MESSAGE_HEAD_MAX];
    mesh_request request = {.call_id = 7, .deadline_ms = 5000}, got;
    mesh_link_send_options options = {.type = MESH_FRAME_REQUEST,
                                      .expires_at_ms = 6000, // sent at 1000
                                      .head = {head, mesh_request_write(head, &request)}};
    EXPECT_TRUE(mesh_link_send(a, &options).is_queued);
    pair_greet(a, b);
    mesh_link_pump(a, 4000);
    pair_carry(a, b, SIZE_MAX);
    mesh_link_message message;
    EXPECT_EQ(1, mesh_link_next(b, &message));
    EXPECT_OK(mesh_request_parse(message.body, &got));
    EXPECT_EQ(2000, got.deadline_ms);
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

TEST(a_new_socket_takes_what_waits_and_forgets_what_was_on_the_old_one) {
    mesh_link *a = pair_link(1, 2, NULL), *b = pair_link(2, 1, NULL);
    (void)pair_send(a, MESH_FRAME_PUB, "kept", 4);
    pair_carry(b, a, 5);
    mesh_link_replace(a);
    mesh_link_up(a);
    mesh_link_destroy(b);
    b = pair_link(2, 1, NULL);
    pair_greet(a, b);
    mesh_link_pump(a, 0);
    pair_carry(a, b, SIZE_MAX);
    mesh_link_message message;
    EXPECT_EQ(1, mesh_link_next(b, &message));
    EXPECT_BYTES("headkept", message.body);
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

// ---- encrypted, as between hosts

static mesh_link *sealed_link_of(uint64_t self_id, uint64_t peer_id) {
    mesh_link_options options = {.self_id = self_id,
                                 .peer_id = peer_id,
                                 .max_message = MESH_MESSAGE_LEN_DEFAULT,
                                 .window = 4 << 20,
                                 .assemblies = &pair_assemblies};
    mesh_cipher send, receive;
    const uint8_t key_1[MESH_CIPHER_KEY_LEN] = {1}, key_2[MESH_CIPHER_KEY_LEN] = {2};
    mesh_cipher_init(&send, self_id < peer_id ? key_1 : key_2);
    mesh_cipher_init(&receive, self_id < peer_id ? key_2 : key_1);
    mesh_link *link = mesh_link_create(&options);
    mesh_link_encrypt(link, &send, &receive);
    mesh_link_up(link);
    return link;
}

static void expect_arrives(mesh_link *a, mesh_link *b, const void *payload, size_t len) {
    mesh_link_message message = {0};
    (void)pair_send(a, MESH_FRAME_PUB, payload, len);
    mesh_link_pump(a, 0);
    int got = 0;
    while (got == 0 && pair_carry(a, b, 5000) > 0)
        got = mesh_link_next(b, &message);
    EXPECT_EQ(1, got);
    EXPECT_EQ(4 + len, message.body.len);
    assert_memory_equal(payload, message.body.data + 4, len);
    free(message.owned);
}

TEST(an_encrypted_link_carries_messages_of_any_size_and_shows_nothing_of_them) {
    mesh_link *a = sealed_link_of(1, 2), *b = sealed_link_of(2, 1);
    pair_greet(a, b);
    uint8_t *payload = mem_alloc(1 << 20);
    memset(payload, 'z', 1 << 20);
    (void)pair_send(a, MESH_FRAME_PUB, payload, 1000);
    mesh_bytes wire = mesh_link_output(a);
    EXPECT_TRUE(memmem(wire.data, wire.len, "zzzz", 4) == NULL);
    EXPECT_EQ(2 + 9 + 4 + 1000 + MESH_CIPHER_TAG_LEN, wire.len);
    mesh_link_message message;
    pair_carry(a, b, SIZE_MAX);
    EXPECT_EQ(1, mesh_link_next(b, &message));
    const size_t sizes[] = {1, 16384, 70000, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        expect_arrives(a, b, payload, sizes[i]);
    free(payload);
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

TEST(a_record_that_was_changed_on_its_way_ends_the_link_without_a_word) {
    for (size_t at = 2; at < 2 + 9 + 5 + MESH_CIPHER_TAG_LEN; at++) {
        mesh_link *a = sealed_link_of(1, 2), *b = sealed_link_of(2, 1);
        pair_greet(a, b);
        mesh_link_message message;
        uint8_t *buffer;
        size_t cap;
        (void)pair_send(a, MESH_FRAME_PUB, "x", 1);
        mesh_bytes wire = mesh_link_output(a);
        mesh_link_input(b, &buffer, &cap);
        memcpy(buffer, wire.data, wire.len);
        buffer[at] ^= 1;
        mesh_link_received(b, 0, wire.len);
        EXPECT_EQ(MESH_ESEAL, mesh_link_next(b, &message));
        mesh_link_fail(b, MESH_ESEAL);
        EXPECT_FALSE(mesh_link_has_output(b));
        EXPECT_EQ(MESH_LINK_ENDING, b->state);
        mesh_link_destroy(a);
        mesh_link_destroy(b);
    }
}

TEST(both_ends_take_a_new_key_after_as_many_records_as_one_may_seal) {
    mesh_link *a = sealed_link_of(1, 2), *b = sealed_link_of(2, 1);
    pair_greet(a, b);
    a->seal.count = b->open.count = MESH_REKEY_RECORDS - 3;
    uint8_t keys[2][MESH_CIPHER_KEY_LEN];
    mesh_link_message message;
    for (int i = 0; i < 6; i++) {
        expect_arrives(a, b, "still here", 10);
        EXPECT_EQ(0, mesh_link_next(b, &message)); // REKEY stands behind the message
        memcpy(keys[i > 1], a->seal.key, MESH_CIPHER_KEY_LEN);
        assert_memory_equal(a->seal.key, b->open.key, MESH_CIPHER_KEY_LEN);
    }
    EXPECT_TRUE(memcmp(keys[0], keys[1], MESH_CIPHER_KEY_LEN) != 0);
    EXPECT_EQ(MESH_REKEY_RECORDS + 3, a->seal.count);
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

TEST(a_link_that_says_little_has_a_new_key_after_ten_minutes) {
    const uint64_t start_ms = 5000;
    const uint64_t at_ms[] = {0,
                              MESH_REKEY_AFTER_MS - 1,
                              MESH_REKEY_AFTER_MS,
                              MESH_REKEY_AFTER_MS + 1,
                              2ul * MESH_REKEY_AFTER_MS - 1,
                              2ul * MESH_REKEY_AFTER_MS};
    const bool is_rekeyed[] = {false, false, true, false, false, true};
    const size_t plain_len = 2 + 9 + strlen("headx") + MESH_CIPHER_TAG_LEN;
    mesh_link *a = sealed_link_of(1, 2), *b = sealed_link_of(2, 1);
    mesh_link_pump(a, start_ms);
    mesh_bytes ready = mesh_link_output(a);
    mesh_link_message message;
    pair_greet(a, b);
    EXPECT_TRUE(ready.len > 0);
    for (size_t i = 0; i < sizeof at_ms / sizeof *at_ms; i++) {
        mesh_link_pump(a, start_ms + at_ms[i]);
        (void)pair_send(a, MESH_FRAME_PUB, "x", 1);
        mesh_bytes wire = mesh_link_output(a);
        EXPECT_EQ(plain_len + (is_rekeyed[i] ? 9 : 0), wire.len);
        uint8_t *buffer;
        size_t cap;
        mesh_link_input(b, &buffer, &cap);
        memcpy(buffer, wire.data, wire.len);
        mesh_link_received(b, 0, wire.len);
        mesh_link_sent(a, wire.len);
        EXPECT_EQ(1, mesh_link_next(b, &message));
        EXPECT_BYTES("headx", message.body);
        EXPECT_EQ(0, mesh_link_next(b, &message));
    }
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

TEST(a_new_key_where_nothing_is_encrypted_or_in_the_middle_of_a_record_is_refused) {
    mesh_link_message message;
    uint8_t *buffer;
    size_t cap;
    mesh_link *a = pair_link(1, 2, NULL), *b = pair_link(2, 1, NULL);
    pair_greet(a, b);
    const uint8_t rekey[] = {0, 9, 0, 0, 0, MESH_FRAME_REKEY, MESH_FRAME_FIRST, 0, 0, 0, 0};
    mesh_link_input(b, &buffer, &cap);
    memcpy(buffer, rekey, sizeof rekey);
    mesh_link_received(b, 0, sizeof rekey);
    EXPECT_EQ(MESH_EPROTO, mesh_link_next(b, &message));
    mesh_link_destroy(a);
    mesh_link_destroy(b);

    a = sealed_link_of(1, 2);
    b = sealed_link_of(2, 1);
    pair_greet(a, b);
    uint8_t record[2 + 2 * 9 + MESH_CIPHER_TAG_LEN] = {0, 2 * 9 + MESH_CIPHER_TAG_LEN};
    memcpy(record + 2, rekey + 2, 9);
    memcpy(record + 11, rekey + 2, 9);
    EXPECT_OK(mesh_cipher_seal(&a->seal, (mesh_bytes){0}, record + 2, 18));
    mesh_link_input(b, &buffer, &cap);
    memcpy(buffer, record, sizeof record);
    mesh_link_received(b, 0, sizeof record);
    EXPECT_EQ(MESH_EPROTO, mesh_link_next(b, &message));
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

// Hands in one byte of a record at `now_ms`; what the link says of it.
static int take_byte(mesh_link *link, uint64_t now_ms, uint8_t byte) {
    mesh_link_message message;
    uint8_t *buffer;
    size_t cap;
    mesh_link_input(link, &buffer, &cap);
    *buffer = byte;
    mesh_link_received(link, now_ms, 1);
    return mesh_link_next(link, &message);
}

TEST(an_encrypted_record_that_does_not_become_whole_ends_the_link_though_bytes_keep_coming) {
    mesh_link *a = sealed_link_of(1, 2), *b = sealed_link_of(2, 1);
    pair_greet(a, b);
    EXPECT_OK(take_byte(b, 1000, 0xff)); // 65,281 bytes are announced: somebody changed the length
    EXPECT_OK(take_byte(b, 1000, 0x01));
    uint64_t now_ms = 1000;
    while (now_ms < 1000 + MESH_RECORD_TIMEOUT_MS)
        EXPECT_OK(take_byte(b, now_ms += 1000, 1));
    EXPECT_EQ(MESH_ESEAL, take_byte(b, now_ms + 1000, 1));
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

TEST(a_reader_that_was_busy_for_long_does_not_take_it_for_a_record_that_does_not_come) {
    mesh_link *a = sealed_link_of(1, 2), *b = sealed_link_of(2, 1);
    pair_greet(a, b);
    EXPECT_OK(take_byte(b, 1000, 1));
    EXPECT_OK(take_byte(b, 60000, 1));
    EXPECT_OK(take_byte(b, 120000, 1));
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

static mesh_link *agents_link_of(uint64_t self_id, uint64_t peer_id) {
    mesh_link *link = mesh_link_create(&(mesh_link_options){.self_id = self_id,
                                                            .peer_id = peer_id,
                                                            .is_agent = true,
                                                            .max_message = MESH_AGENT_MESSAGE_MAX,
                                                            .window = PAIR_WINDOW,
                                                            .assemblies = &pair_assemblies});
    mesh_link_up(link);
    return link;
}

TEST(links_of_agents_carry_agent_alone_and_links_of_nodes_all_but_it) {
    const uint8_t types[] = {MESH_FRAME_REQUEST, MESH_FRAME_REPLY, MESH_FRAME_ERROR, MESH_FRAME_PUB,
                             MESH_FRAME_AGENT};
    for (size_t i = 0; i < 2 * sizeof types; i++) {
        bool is_agents = i % 2 == 1;
        uint8_t type = types[i / 2];
        mesh_link *a = is_agents ? agents_link_of(1, 2) : pair_link(1, 2, NULL);
        mesh_link *b = is_agents ? agents_link_of(2, 1) : pair_link(2, 1, NULL);
        pair_greet(a, b);
        (void)pair_send(a, type, "x", 1);
        pair_carry(a, b, SIZE_MAX);
        mesh_link_message message;
        bool is_right = is_agents == (type == MESH_FRAME_AGENT);
        EXPECT_EQ(is_right ? 1 : MESH_EPROTO, mesh_link_next(b, &message));
        mesh_link_destroy(a);
        mesh_link_destroy(b);
    }
}

TEST(a_ping_is_answered_and_tells_the_application_nothing) {
    mesh_link *a = agents_link_of(1, 2), *b = agents_link_of(2, 1);
    mesh_link_message message;
    mesh_link_ping(a); // before READY there is no need: nothing is queued
    pair_greet(a, b);
    mesh_link_pump(a, 0);
    EXPECT_FALSE(mesh_link_has_output(a));
    mesh_link_ping(a);
    mesh_link_pump(a, 0);
    EXPECT_TRUE(pair_carry(a, b, SIZE_MAX) > 0);
    EXPECT_EQ(0, mesh_link_next(b, &message));
    mesh_link_pump(b, 0);
    EXPECT_TRUE(pair_carry(b, a, SIZE_MAX) > 0);
    EXPECT_EQ(0, mesh_link_next(a, &message));
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}
