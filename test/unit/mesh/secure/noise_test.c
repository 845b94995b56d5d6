#include "secure/noise.h"

#include <jansson.h>
#include <sodium.h>

#include "core/error.h"
#include "test.h"

enum { MESSAGE_LEN_MAX = 4096 };

// ---- the patterns of the vectors

#define E   MESH_NOISE_E
#define S   MESH_NOISE_S
#define EE  MESH_NOISE_EE
#define ES  MESH_NOISE_ES
#define SE  MESH_NOISE_SE
#define SS  MESH_NOISE_SS
#define PSK MESH_NOISE_PSK
#define END MESH_NOISE_END

#define TOKENS(...) ((const uint8_t[]){__VA_ARGS__, END, END})
#define NAME(X)     "Noise_" X "_25519_ChaChaPoly_BLAKE2b"

static const mesh_noise_pattern patterns[] = {
    {NAME("N"), false, false, true, TOKENS(E, ES)},
    {NAME("NN"), false, false, false, TOKENS(E, END, E, EE)},
    {NAME("NK"), false, false, true, TOKENS(E, ES, END, E, EE)},
    {NAME("KK"), false, true, true, TOKENS(E, ES, SS, END, E, EE, SE)},
    {NAME("XK"), false, false, true, TOKENS(E, ES, END, E, EE, END, S, SE)},
    {NAME("IK"), false, false, true, TOKENS(E, ES, S, SS, END, E, EE, SE)},
    {NAME("XX"), false, false, false, TOKENS(E, END, E, EE, S, ES, END, S, SE)},
    {NAME("IX"), false, false, false, TOKENS(E, S, END, E, EE, SE, S, ES)},
    {NAME("Npsk0"), true, false, true, TOKENS(PSK, E, ES)},
    {NAME("NNpsk0"), true, false, false, TOKENS(PSK, E, END, E, EE)},
    {NAME("NNpsk2"), true, false, false, TOKENS(E, END, E, EE, PSK)},
    {NAME("NKpsk0"), true, false, true, TOKENS(PSK, E, ES, END, E, EE)},
    {NAME("NKpsk2"), true, false, true, TOKENS(E, ES, END, E, EE, PSK)},
    {NAME("XKpsk3"), true, false, true, TOKENS(E, ES, END, E, EE, END, S, SE, PSK)},
    {NAME("KKpsk0"), true, true, true, TOKENS(PSK, E, ES, SS, END, E, EE, SE)},
    {NAME("KKpsk2"), true, true, true, TOKENS(E, ES, SS, END, E, EE, SE, PSK)},
    {NAME("IKpsk1"), true, false, true, TOKENS(E, ES, S, SS, PSK, END, E, EE, SE)},
    {NAME("IKpsk2"), true, false, true, TOKENS(E, ES, S, SS, END, E, EE, SE, PSK)},
    {NAME("IXpsk2"), true, false, false, TOKENS(E, S, END, E, EE, SE, S, ES, PSK)},
    {NAME("NNpsk0+psk2"), true, false, false, TOKENS(PSK, E, END, E, EE, PSK)},
    {NAME("KKpsk0+psk2"), true, true, true, TOKENS(PSK, E, ES, SS, END, E, EE, SE, PSK)},
    {NAME("IKpsk0+psk2"), true, false, true, TOKENS(PSK, E, ES, S, SS, END, E, EE, SE, PSK)},
    {NAME("XXpsk0+psk3"), true, false, false, TOKENS(PSK, E, END, E, EE, S, ES, END, S, SE, PSK)},
};

static const mesh_noise_pattern *pattern_of(const char *protocol) {
    if (strcmp(protocol, mesh_noise_xxpsk3.protocol) == 0) return &mesh_noise_xxpsk3;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (strcmp(protocol, patterns[i].protocol) == 0) return &patterns[i];
    fail_msg("no pattern for %s", protocol);
    return NULL;
}

// ---- one vector

typedef struct hex {
    uint8_t bytes[MESSAGE_LEN_MAX];
    size_t len;
} hex;

static hex hex_of(const json_t *text) {
    hex out;
    const char *digits = json_string_value(text);
    EXPECT_OK(
        sodium_hex2bin(out.bytes, sizeof out.bytes, digits, strlen(digits), NULL, &out.len, NULL));
    return out;
}

typedef struct side_keys {
    hex prologue, static_secret, ephemeral_secret, remote_static, psks[MESH_NOISE_PSKS_MAX];
} side_keys;

static const uint8_t *key_of(const json_t *vector, const char *side, const char *name, hex *room) {
    char field[64];
    (void)snprintf(field, sizeof field, "%s_%s", side, name);
    const json_t *text = json_object_get(vector, field);
    if (text == NULL) return NULL;
    *room = hex_of(text);
    return room->bytes;
}

static void begin(mesh_noise *noise, const json_t *vector, const char *side) {
    side_keys keys;
    char field[64];
    (void)snprintf(field, sizeof field, "%s_psks", side);
    (void)key_of(vector, side, "prologue", &keys.prologue);
    mesh_noise_options options = {
        .pattern = pattern_of(json_string_value(json_object_get(vector, "protocol_name"))),
        .is_initiator = strcmp(side, "init") == 0,
        .prologue = {keys.prologue.bytes, keys.prologue.len},
        .static_secret = key_of(vector, side, "static", &keys.static_secret),
        .ephemeral_secret = key_of(vector, side, "ephemeral", &keys.ephemeral_secret),
        .remote_static = key_of(vector, side, "remote_static", &keys.remote_static),
    };
    const json_t *psks = json_object_get(vector, field);
    for (size_t i = 0; i < json_array_size(psks); i++) {
        keys.psks[i] = hex_of(json_array_get(psks, i));
        options.psks[i] = keys.psks[i].bytes;
    }
    mesh_noise_init(noise, &options);
}

static void expect_handshake(mesh_noise *writer, mesh_noise *reader, const hex *payload,
                             const hex *wire) {
    uint8_t out[MESSAGE_LEN_MAX];
    size_t len;
    EXPECT_OK(mesh_noise_write(writer, (mesh_bytes){payload->bytes, payload->len}, out, &len));
    EXPECT_EQ(wire->len, len);
    assert_memory_equal(wire->bytes, out, len);
    EXPECT_OK(mesh_noise_read(reader, (mesh_bytes){wire->bytes, wire->len}, out, &len));
    EXPECT_EQ(payload->len, len);
    assert_memory_equal(payload->bytes, out, len);
}

static void expect_transport(mesh_cipher *send, mesh_cipher *receive, const hex *payload,
                             const hex *wire) {
    uint8_t data[MESSAGE_LEN_MAX];
    memcpy(data, payload->bytes, payload->len);
    EXPECT_OK(mesh_cipher_seal(send, (mesh_bytes){0}, data, payload->len));
    EXPECT_EQ(wire->len, payload->len + MESH_CIPHER_TAG_LEN);
    assert_memory_equal(wire->bytes, data, wire->len);
    EXPECT_OK(mesh_cipher_open(receive, (mesh_bytes){0}, data, wire->len));
    assert_memory_equal(payload->bytes, data, payload->len);
}

static void expect_hash(const json_t *vector, const mesh_noise *noise) {
    const json_t *text = json_object_get(vector, "handshake_hash");
    if (text == NULL) return; // snow's have none
    hex want = hex_of(text);
    assert_memory_equal(want.bytes, mesh_noise_hash(noise), MESH_NOISE_HASH_LEN);
}

static void run_vector(const json_t *vector) {
    mesh_noise sides[2];
    mesh_cipher send[2], receive[2];
    begin(&sides[0], vector, "init");
    begin(&sides[1], vector, "resp");
    bool is_one_way =
        strstr(sides[0].pattern->protocol, "_N_") || strstr(sides[0].pattern->protocol, "_Npsk0_");
    bool is_split = false;
    const json_t *messages = json_object_get(vector, "messages");
    for (size_t i = 0; i < json_array_size(messages); i++) {
        hex payload = hex_of(json_object_get(json_array_get(messages, i), "payload"));
        hex wire = hex_of(json_object_get(json_array_get(messages, i), "ciphertext"));
        size_t from = is_one_way ? 0 : i % 2, to = 1 - from;
        if (!mesh_noise_is_done(&sides[0])) {
            expect_handshake(&sides[from], &sides[to], &payload, &wire);
            continue;
        }
        for (size_t side = 0; side < 2 && !is_split; side++) {
            expect_hash(vector, &sides[side]);
            mesh_noise_split(&sides[side], &send[side], &receive[side]);
        }
        is_split = true;
        expect_transport(&send[from], &receive[to], &payload, &wire);
    }
    EXPECT_TRUE(is_split);
}

TEST(every_published_vector_comes_out_byte_for_byte_on_both_sides) {
    json_error_t error;
    json_t *file = json_load_file(VECTORS, 0, &error);
    EXPECT_TRUE(file != NULL);
    const json_t *vectors = json_object_get(file, "vectors");
    EXPECT_EQ(29, json_array_size(vectors));
    for (size_t i = 0; i < json_array_size(vectors); i++)
        run_vector(json_array_get(vectors, i));
    json_decref(file);
}

// ---- what must not work

typedef struct pair {
    mesh_noise initiator, responder;
} pair;

enum { DIALLER_STATIC = 1, DIALLER_EPHEMERAL, LISTENER_STATIC, LISTENER_EPHEMERAL, SHARED };

static void start(pair *p, const char *listener_prologue, uint8_t listener_psk) {
    uint8_t keys[SHARED + 2][MESH_NOISE_KEY_LEN];
    for (int i = 0; i < SHARED + 2; i++)
        memset(keys[i], i, MESH_NOISE_KEY_LEN);
    mesh_noise_options options = {.pattern = &mesh_noise_xxpsk3,
                                  .is_initiator = true,
                                  .prologue = mesh_bytes_text("here"),
                                  .static_secret = keys[DIALLER_STATIC],
                                  .ephemeral_secret = keys[DIALLER_EPHEMERAL],
                                  .psks = {keys[SHARED]}};
    mesh_noise_init(&p->initiator, &options);
    options.is_initiator = false;
    options.prologue = mesh_bytes_text(listener_prologue);
    options.static_secret = keys[LISTENER_STATIC];
    options.ephemeral_secret = keys[LISTENER_EPHEMERAL];
    options.psks[0] = keys[listener_psk];
    mesh_noise_init(&p->responder, &options);
}

typedef struct wire {
    uint8_t bytes[256];
    size_t len;
} wire;

// The `index`-th message as its writer sends it, with all before it carried over.
static void carry(pair *p, int index, wire *out) {
    uint8_t payload[256];
    size_t len;
    for (int i = 0; i <= index; i++) {
        mesh_noise *from = i % 2 == 0 ? &p->initiator : &p->responder;
        mesh_noise *to = i % 2 == 0 ? &p->responder : &p->initiator;
        EXPECT_OK(mesh_noise_write(from, mesh_bytes_text("hello"), out->bytes, &out->len));
        if (i < index)
            EXPECT_OK(mesh_noise_read(to, (mesh_bytes){out->bytes, out->len}, payload, &len));
    }
}

static int read_at(pair *p, int index, mesh_bytes message) {
    uint8_t payload[256];
    size_t len;
    return mesh_noise_read(index % 2 == 0 ? &p->responder : &p->initiator, message, payload, &len);
}

TEST(every_flipped_bit_of_every_message_ends_the_handshake) {
    size_t count = 0;
    for (int index = 0; index < 3; index++) {
        pair p;
        wire good;
        start(&p, "here", SHARED);
        carry(&p, index, &good);
        for (size_t bit = 0; bit < 8 * good.len; bit++, count++) {
            start(&p, "here", SHARED);
            wire w;
            carry(&p, index, &w);
            w.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            mesh_noise *reader = index % 2 == 0 ? &p.responder : &p.initiator;
            EXPECT_EQ(MESH_ESEAL, read_at(&p, index, (mesh_bytes){w.bytes, w.len}));
            // It stays over: the right message comes too late, and nothing is answered.
            EXPECT_EQ(MESH_ESEAL, read_at(&p, index, (mesh_bytes){good.bytes, good.len}));
            size_t len;
            EXPECT_EQ(MESH_ESEAL, mesh_noise_write(reader, (mesh_bytes){0}, w.bytes, &len));
            EXPECT_FALSE(mesh_noise_is_done(reader));
        }
    }
    EXPECT_TRUE(count > 1200);
}

TEST(a_message_that_is_cut_or_longer_ends_the_handshake) {
    for (int index = 0; index < 3; index++) {
        pair p;
        wire w;
        start(&p, "here", SHARED);
        carry(&p, index, &w);
        size_t whole = w.len;
        for (size_t len = 0; len <= whole + 1; len++) {
            if (len == whole) continue;
            start(&p, "here", SHARED);
            carry(&p, index, &w);
            EXPECT_EQ(MESH_ESEAL, read_at(&p, index, (mesh_bytes){w.bytes, len}));
        }
    }
}

TEST(another_prologue_is_found_out_with_the_first_message) {
    pair p;
    wire w;
    start(&p, "there", SHARED);
    carry(&p, 0, &w);
    EXPECT_EQ(MESH_ESEAL, read_at(&p, 0, (mesh_bytes){w.bytes, w.len}));
}

TEST(who_does_not_know_the_cluster_key_is_found_out_with_the_third_message) {
    pair p;
    wire w;
    start(&p, "here", SHARED + 1);
    carry(&p, 2, &w);
    EXPECT_EQ(MESH_ESEAL, read_at(&p, 2, (mesh_bytes){w.bytes, w.len}));
}

TEST(a_key_of_small_order_is_refused) {
    // The points of order 1, 2, 4 and 8 of Curve25519 and their non-canonical twins (RFC 7748, 6.1;
    // Wycheproof x25519).
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        pair p;
        wire w;
        start(&p, "here", SHARED);
        // A dialler that follows the protocol to the letter, but for the point it sends.
        (void)sodium_hex2bin(p.initiator.ephemeral_public, MESH_NOISE_KEY_LEN, points[i], 64, NULL,
                             NULL, NULL);
        carry(&p, 0, &w);
        EXPECT_OK(read_at(&p, 0, (mesh_bytes){w.bytes, w.len}));
        EXPECT_EQ(MESH_ESEAL, mesh_noise_write(&p.responder, (mesh_bytes){0}, w.bytes, &w.len));
        EXPECT_EQ(MESH_ESEAL,
                  mesh_noise_write(&p.responder, (mesh_bytes){0}, w.bytes, &w.len)); // for good
    }
}

TEST(messages_out_of_turn_are_refused_and_change_nothing) {
    pair p;
    wire w;
    size_t len;
    start(&p, "here", SHARED);
    EXPECT_EQ(MESH_EINVAL, mesh_noise_write(&p.responder, (mesh_bytes){0}, w.bytes, &len));
    EXPECT_EQ(MESH_EINVAL, mesh_noise_read(&p.initiator, mesh_bytes_text("x"), w.bytes, &len));
    carry(&p, 2, &w);
    EXPECT_OK(read_at(&p, 2, (mesh_bytes){w.bytes, w.len}));
    EXPECT_TRUE(mesh_noise_is_done(&p.initiator));
    EXPECT_TRUE(mesh_noise_is_done(&p.responder));
    EXPECT_EQ(MESH_EINVAL, mesh_noise_write(&p.responder, (mesh_bytes){0}, w.bytes, &len));
}

TEST(the_third_message_of_another_handshake_is_refused) {
    pair p, q;
    wire third, w;
    start(&p, "here", SHARED);
    carry(&p, 2, &third);
    start(&q, "here", SHARED);
    memset(q.responder.ephemeral_secret, SHARED + 2,
           MESH_NOISE_KEY_LEN); // as each handshake has its own
    (void)crypto_scalarmult_base(q.responder.ephemeral_public, q.responder.ephemeral_secret);
    carry(&q, 1, &w);
    EXPECT_EQ(MESH_ESEAL, read_at(&q, 2, (mesh_bytes){third.bytes, third.len}));
}

TEST(both_sides_learn_the_static_key_of_the_other) {
    pair p;
    wire w;
    start(&p, "here", SHARED);
    EXPECT_TRUE(mesh_noise_remote_static(&p.initiator) == NULL);
    carry(&p, 2, &w);
    EXPECT_OK(read_at(&p, 2, (mesh_bytes){w.bytes, w.len}));
    assert_memory_equal(p.responder.static_public, mesh_noise_remote_static(&p.initiator),
                        MESH_NOISE_KEY_LEN);
    assert_memory_equal(p.initiator.static_public, mesh_noise_remote_static(&p.responder),
                        MESH_NOISE_KEY_LEN);
}
