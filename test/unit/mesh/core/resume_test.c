// Encrypted links whose connections break: what the other end does not have comes again, once.
#include "core/be.h"
#include "core/error.h"
#include "core/mem.h"
#include "pair.h"

static mesh_link *make(uint64_t self_id, uint64_t peer_id) {
    mesh_link_options options = {.self_id = self_id,
                                 .peer_id = peer_id,
                                 .max_message = MESH_MESSAGE_LEN_DEFAULT,
                                 .window = 64 << 20,
                                 .assemblies = &pair_assemblies};
    return mesh_link_create(&options);
}

// A new connection, with keys of its own.
static void connect(mesh_link *a, mesh_link *b) {
    static uint8_t turn;
    uint8_t key[MESH_CIPHER_KEY_LEN] = {++turn};
    mesh_cipher one, other;
    mesh_cipher_init(&one, key);
    key[1] = 1;
    mesh_cipher_init(&other, key);
    mesh_link_encrypt(a, &one, &other);
    mesh_link_encrypt(b, &other, &one);
    mesh_link_up(a);
    mesh_link_up(b);
}

static void send_number(mesh_link *link, uint32_t number) {
    uint8_t payload[64] = {0};
    (void)store_be32(payload, number);
    (void)pair_send(link, MESH_FRAME_PUB, payload, sizeof payload);
}

// The publications that have come, which must be numbered from *next on.
static void expect_numbers(mesh_link *link, uint32_t *next) {
    mesh_link_message message;
    int result;
    while ((result = mesh_link_next(link, &message)) == 1) {
        EXPECT_FALSE(message.is_restart);
        if (message.type != MESH_FRAME_PUB) continue;
        EXPECT_EQ((*next)++, load_be32(message.body.data + 4)); // behind "head"
    }
    EXPECT_EQ(0, result);
}

static void carry_all(mesh_link *from, mesh_link *to, uint32_t *next) {
    while (pair_carry(from, to, SIZE_MAX) > 0)
        expect_numbers(to, next);
}

static void expect_broken(mesh_link *link) {
    EXPECT_TRUE(mesh_link_break(link));
    EXPECT_EQ(MESH_LINK_BROKEN, link->state);
}

TEST(what_did_not_come_is_sent_again_and_nothing_twice_wherever_it_breaks) {
    for (size_t len = 0; len < 2000; len += 37) {
        mesh_link *a = make(1, 2), *b = make(2, 1);
        uint32_t at_a = 0, at_b = 0;
        connect(a, b);
        carry_all(a, b, &at_b);
        carry_all(b, a, &at_a);
        for (uint32_t i = 0; i < 10; i++) {
            send_number(a, i);
            send_number(b, i);
        }
        (void)pair_carry(a, b, len);
        expect_numbers(b, &at_b);
        (void)pair_carry(b, a, 2000 - len);
        expect_numbers(a, &at_a);
        send_number(a, 10); // in the record at hand
        expect_broken(a);
        expect_broken(b);
        send_number(a, 11);
        send_number(b, 10);
        connect(a, b);
        carry_all(a, b, &at_b);
        carry_all(b, a, &at_a);
        mesh_link_pump(a, 0);
        mesh_link_pump(b, 0);
        carry_all(a, b, &at_b);
        carry_all(b, a, &at_a);
        EXPECT_EQ(12, at_b);
        EXPECT_EQ(11, at_a);
        mesh_link_destroy(a);
        mesh_link_destroy(b);
    }
}

TEST(it_may_break_again_before_it_goes_on) {
    mesh_link *a = make(1, 2), *b = make(2, 1);
    uint32_t at_a = 0, at_b = 0;
    connect(a, b);
    carry_all(a, b, &at_b);
    carry_all(b, a, &at_a);
    send_number(a, 0);
    for (int i = 0; i < 3; i++) {
        expect_broken(a);
        expect_broken(b);
        connect(a, b);
    }
    carry_all(b, a, &at_a);
    expect_broken(a); // one end went on already
    expect_broken(b);
    connect(a, b);
    carry_all(b, a, &at_a);
    carry_all(a, b, &at_b);
    EXPECT_EQ(1, at_b);
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

TEST(an_end_that_does_not_know_the_session_begins_again_and_so_does_the_other) {
    mesh_link *a = make(1, 2), *b = make(2, 1);
    uint32_t at_a = 0, at_b = 0;
    connect(a, b);
    carry_all(a, b, &at_b);
    carry_all(b, a, &at_a);
    send_number(a, 0);
    expect_broken(a);
    mesh_link_destroy(b);
    b = make(2, 1);
    send_number(a, 1); // waits, and is the first of the new session
    connect(a, b);
    (void)pair_carry(b, a, SIZE_MAX);
    mesh_link_message message;
    EXPECT_EQ(1, mesh_link_next(a, &message));
    EXPECT_EQ(MESH_FRAME_READY, message.type);
    EXPECT_TRUE(message.is_restart);
    mesh_link_restart(a);
    EXPECT_EQ(MESH_LINK_OPEN, a->state);
    mesh_link_pump(a, 0);
    at_b = 1;
    carry_all(a, b, &at_b);
    EXPECT_EQ(2, at_b);
    // And that session can be resumed as any other.
    send_number(a, 2);
    expect_broken(a);
    expect_broken(b);
    connect(a, b);
    carry_all(b, a, &at_a);
    carry_all(a, b, &at_b);
    EXPECT_EQ(3, at_b);
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

TEST(what_the_peer_has_is_let_go_and_one_that_never_says_so_gets_no_more_than_the_limit) {
    static const uint8_t payload[16 << 10];
    mesh_link *a = make(1, 2), *b = make(2, 1);
    uint32_t next = 0;
    connect(a, b);
    carry_all(a, b, &next);
    carry_all(b, a, &next);
    mesh_link_message message;
    for (int i = 0; i < 1000; i++) { // b says what it has
        EXPECT_FALSE(pair_send(a, MESH_FRAME_PUB, payload, sizeof payload).is_queued);
        (void)pair_carry(a, b, SIZE_MAX);
        while (mesh_link_next(b, &message) == 1)
            free(message.owned);
        mesh_link_pump(b, 0);
        (void)pair_carry(b, a, SIZE_MAX);
        EXPECT_EQ(0, mesh_link_next(a, &message));
        EXPECT_TRUE(a->resume.tail - a->resume.head <= MESH_RESUME_TELL_LEN + (32 << 10));
    }
    size_t sent = 0;
    while (!pair_send(a, MESH_FRAME_PUB, payload, sizeof payload).is_queued) {
        mesh_bytes output = mesh_link_output(a);
        mesh_link_sent(a, output.len); // nobody answers
        sent += sizeof payload;
        EXPECT_TRUE(sent <= MESH_RESUME_KEPT_MAX + (256u << 10));
    }
    EXPECT_TRUE(a->resume.tail - a->resume.head <= MESH_RESUME_KEPT_MAX + (64 << 10));
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}

// ---- a peer that breaks rules

// One frame for `link`, sealed as its peer would.
static int inject(mesh_link *link, mesh_cipher *seal, uint8_t type, const void *body, size_t len) {
    uint8_t record[512];
    uint8_t *at = mesh_frame_put_head(record + 2, len, type, MESH_FRAME_FIRST, 0);
    memcpy(at, body, len);
    EXPECT_OK(mesh_cipher_seal(seal, (mesh_bytes){0}, record + 2, MESH_FRAME_HEAD_LEN + len));
    size_t sealed = MESH_FRAME_HEAD_LEN + len + MESH_CIPHER_TAG_LEN;
    (void)store_be16(record, (uint32_t)sealed);
    uint8_t *buffer;
    size_t cap;
    mesh_link_input(link, &buffer, &cap);
    memcpy(buffer, record, 2 + sealed);
    mesh_link_received(link, 0, 2 + sealed);
    mesh_link_message message;
    return mesh_link_next(link, &message);
}

static int inject_ack(mesh_link *link, mesh_cipher *seal, uint64_t offset) {
    uint8_t body[sizeof(uint64_t)];
    (void)store_be64(body, offset);
    return inject(link, seal, MESH_FRAME_ACK, body, sizeof body);
}

TEST(an_acknowledgement_of_what_was_not_sent_or_less_than_before_ends_the_link) {
    uint64_t one = MESH_FRAME_HEAD_LEN + 4 + 64; // of a message of send_number
    const uint64_t wrong[] = {2 * one + 1, UINT64_MAX, one - 1, 0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        mesh_link *a = make(1, 2), *b = make(2, 1);
        uint32_t next = 0;
        connect(a, b);
        carry_all(a, b, &next);
        carry_all(b, a, &next);
        send_number(a, 0);
        send_number(a, 1);
        mesh_link_sent(a, mesh_link_output(a).len);
        EXPECT_EQ(0, inject_ack(a, &b->seal, one));
        EXPECT_EQ(MESH_EPROTO, inject_ack(a, &b->seal, wrong[i]));
        mesh_link_destroy(a);
        mesh_link_destroy(b);
    }
    mesh_link *plain = pair_link(1, 2, NULL), *other = pair_link(2, 1, NULL);
    pair_greet(plain, other);
    EXPECT_FALSE(plain->resume.is_on);
    EXPECT_FALSE(mesh_link_break(plain));
    mesh_link_destroy(plain);
    mesh_link_destroy(other);
}

TEST(a_session_that_goes_on_where_it_cannot_ends_the_link) {
    const uint64_t wrong[] = {1, 1000,
                              UINT64_MAX}; // in the middle of a frame, and more than was sent
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        mesh_link *a = make(1, 2), *b = make(2, 1);
        uint32_t next = 0;
        connect(a, b);
        carry_all(a, b, &next);
        carry_all(b, a, &next);
        send_number(a, 0);
        mesh_link_sent(a, mesh_link_output(a).len);
        expect_broken(a);
        expect_broken(b);
        b->resume.received = wrong[i];
        connect(a, b);
        (void)pair_carry(b, a, SIZE_MAX);
        mesh_link_message message;
        EXPECT_EQ(MESH_EPROTO, mesh_link_next(a, &message));
        mesh_link_fail(a, MESH_EPROTO);
        EXPECT_FALSE(mesh_link_break(a));
        mesh_link_destroy(a);
        mesh_link_destroy(b);
    }
}

TEST(another_session_than_the_one_that_broke_is_not_gone_on_with) {
    mesh_link *a = make(1, 2), *b = make(2, 1);
    uint32_t next = 0;
    connect(a, b);
    carry_all(a, b, &next);
    carry_all(b, a, &next);
    expect_broken(a);
    expect_broken(b);
    b->resume.session[3] ^= 1;
    connect(a, b);
    (void)pair_carry(b, a, SIZE_MAX);
    mesh_link_message message;
    EXPECT_EQ(1, mesh_link_next(a, &message));
    EXPECT_TRUE(message.is_restart);
    mesh_link_destroy(a);
    mesh_link_destroy(b);
}
