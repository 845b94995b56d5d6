#include "secure/noise.h"

#include <string.h>

#include <sodium.h>

#include "core/error.h"
#include "core/mem.h"

enum { BLOCK_LEN = 128 }; // of BLAKE2b, for HMAC

_Static_assert(MESH_NOISE_KEY_LEN == crypto_scalarmult_BYTES, "25519");
_Static_assert(MESH_NOISE_HASH_LEN == crypto_generichash_BYTES_MAX, "BLAKE2b");

static const uint8_t xxpsk3_tokens[] = {
    MESH_NOISE_E, MESH_NOISE_END,                                                 // ->
    MESH_NOISE_E, MESH_NOISE_EE,  MESH_NOISE_S,   MESH_NOISE_ES,  MESH_NOISE_END, // <-
    MESH_NOISE_S, MESH_NOISE_SE,  MESH_NOISE_PSK, MESH_NOISE_END, MESH_NOISE_END, // ->
};
const mesh_noise_pattern mesh_noise_xxpsk3 = {
    .protocol = "Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b",
    .has_psk = true,
    .tokens = xxpsk3_tokens,
};

// ---- hashing

typedef struct part {
    const uint8_t *data;
    size_t len;
} part;

static void hash_parts(uint8_t out[MESH_NOISE_HASH_LEN], const part *parts, size_t count) {
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, MESH_NOISE_HASH_LEN);
    for (size_t i = 0; i < count; i++)
        (void)crypto_generichash_update(&state, parts[i].data, parts[i].len);
    (void)crypto_generichash_final(&state, out, MESH_NOISE_HASH_LEN);
}

// RFC 2104 over plain BLAKE2b, as Noise wants it; BLAKE2b's own keyed mode is something else. Keys
// have the length of a hash.
static void hmac(uint8_t out[MESH_NOISE_HASH_LEN], const uint8_t key[MESH_NOISE_HASH_LEN],
                 const part *parts, size_t count) {
    uint8_t inner[BLOCK_LEN], outer[BLOCK_LEN], digest[MESH_NOISE_HASH_LEN];
    memset(inner, 0x36, sizeof inner);
    memset(outer, 0x5c, sizeof outer);
    for (size_t i = 0; i < MESH_NOISE_HASH_LEN; i++) {
        inner[i] ^= key[i];
        outer[i] ^= key[i];
    }
    part all[3] = {{inner, sizeof inner}};
    CHECK(count < sizeof all / sizeof *all);
    memcpy(all + 1, parts, count * sizeof *parts);
    hash_parts(digest, all, count + 1);
    hash_parts(out, (part[]){{outer, sizeof outer}, {digest, sizeof digest}}, 2);
    sodium_memzero(inner, sizeof inner);
    sodium_memzero(outer, sizeof outer);
    sodium_memzero(digest, sizeof digest);
}

// Noise 4.3: `count` outputs of HASHLEN bytes each, from the chaining key and new material.
static void derive(uint8_t outputs[][MESH_NOISE_HASH_LEN], uint8_t count,
                   const uint8_t chaining_key[MESH_NOISE_HASH_LEN], const uint8_t *material,
                   size_t len) {
    uint8_t temp[MESH_NOISE_HASH_LEN];
    hmac(temp, chaining_key, &(part){material, len}, 1);
    for (uint8_t i = 0; i < count; i++) {
        uint8_t number = i + 1;
        part before = {i > 0 ? outputs[i - 1] : NULL, i > 0 ? MESH_NOISE_HASH_LEN : 0};
        hmac(outputs[i], temp, (part[]){before, {&number, 1}}, 2);
    }
    sodium_memzero(temp, sizeof temp);
}

// ---- the symmetric state (Noise 5.2)

static void mix_hash(mesh_noise *noise, const uint8_t *data, size_t len) {
    hash_parts(noise->hash, (part[]){{noise->hash, MESH_NOISE_HASH_LEN}, {data, len}}, 2);
}

static void set_key(mesh_noise *noise, const uint8_t key[MESH_NOISE_KEY_LEN]) {
    mesh_cipher_init(&noise->cipher, key);
    noise->has_key = true;
}

static void mix_key(mesh_noise *noise, const uint8_t *material) {
    uint8_t outputs[2][MESH_NOISE_HASH_LEN];
    derive(outputs, 2, noise->chaining_key, material, MESH_NOISE_KEY_LEN);
    memcpy(noise->chaining_key, outputs[0], MESH_NOISE_HASH_LEN);
    set_key(noise, outputs[1]);
    sodium_memzero(outputs, sizeof outputs);
}

static void mix_key_and_hash(mesh_noise *noise, const uint8_t *material) {
    uint8_t outputs[3][MESH_NOISE_HASH_LEN];
    derive(outputs, 3, noise->chaining_key, material, MESH_NOISE_KEY_LEN);
    memcpy(noise->chaining_key, outputs[0], MESH_NOISE_HASH_LEN);
    mix_hash(noise, outputs[1], MESH_NOISE_HASH_LEN);
    set_key(noise, outputs[2]);
    sodium_memzero(outputs, sizeof outputs);
}

// Writes `text`, sealed once there is a key, and moves *at behind it.
static int put_sealed(mesh_noise *noise, mesh_bytes text, uint8_t **at) {
    size_t len = text.len;
    if (len > 0) memcpy(*at, text.data, len);
    if (noise->has_key) {
        mesh_bytes bound = {noise->hash, MESH_NOISE_HASH_LEN};
        int err = mesh_cipher_seal(&noise->cipher, bound, *at, len);
        if (err != 0) return err;
        len += MESH_CIPHER_TAG_LEN;
    }
    mix_hash(noise, *at, len);
    *at += len;
    return 0;
}

static size_t tag_len(const mesh_noise *noise) {
    return noise->has_key ? MESH_CIPHER_TAG_LEN : 0;
}

// Takes `len` bytes, their tag among them, off the front of *message; the text goes to `out`, which
// has room for `len`.
static int take_sealed(mesh_noise *noise, mesh_bytes *message, uint8_t *out, size_t len) {
    if (message->len < len) return MESH_ESEAL;
    if (len > 0) memcpy(out, message->data, len);
    if (noise->has_key) {
        mesh_bytes bound = {noise->hash, MESH_NOISE_HASH_LEN};
        int err = mesh_cipher_open(&noise->cipher, bound, out, len);
        if (err != 0) return err;
    }
    mix_hash(noise, message->data, len);
    *message = mesh_bytes_skip(*message, len);
    return 0;
}

// ---- tokens

static int mix_shared(mesh_noise *noise, const uint8_t *secret, const uint8_t *public) {
    uint8_t shared[MESH_NOISE_KEY_LEN];
    // -1: the other's key has small order, and the result would be known to everybody.
    int err = crypto_scalarmult(shared, secret, public) == 0 ? 0 : MESH_ESEAL;
    if (err == 0) mix_key(noise, shared);
    sodium_memzero(shared, sizeof shared);
    return err;
}

// es and se name the initiator's key first.
static int mix_token(mesh_noise *noise, uint8_t token) {
    bool is_own_static = (token == MESH_NOISE_SE) == noise->is_initiator;
    switch (token) {
    case MESH_NOISE_EE: return mix_shared(noise, noise->ephemeral_secret, noise->remote_ephemeral);
    case MESH_NOISE_SS: return mix_shared(noise, noise->static_secret, noise->remote_static);
    case MESH_NOISE_ES:
    case MESH_NOISE_SE:
        return is_own_static ? mix_shared(noise, noise->static_secret, noise->remote_ephemeral)
                             : mix_shared(noise, noise->ephemeral_secret, noise->remote_static);
    default:
        CHECK(token == MESH_NOISE_PSK && noise->psks_used < MESH_NOISE_PSKS_MAX);
        mix_key_and_hash(noise, noise->psks[noise->psks_used++]);
        return 0;
    }
}

static void mix_ephemeral(mesh_noise *noise, const uint8_t *public) {
    mix_hash(noise, public, MESH_NOISE_KEY_LEN);
    if (noise->pattern->has_psk) mix_key(noise, public);
}

static int write_token(mesh_noise *noise, uint8_t token, uint8_t **at) {
    if (token == MESH_NOISE_E) {
        memcpy(*at, noise->ephemeral_public, MESH_NOISE_KEY_LEN);
        *at += MESH_NOISE_KEY_LEN;
        mix_ephemeral(noise, noise->ephemeral_public);
        return 0;
    }
    if (token != MESH_NOISE_S) return mix_token(noise, token);
    return put_sealed(noise, (mesh_bytes){noise->static_public, MESH_NOISE_KEY_LEN}, at);
}

static int read_token(mesh_noise *noise, uint8_t token, mesh_bytes *message) {
    if (token == MESH_NOISE_E) {
        if (message->len < MESH_NOISE_KEY_LEN) return MESH_ESEAL;
        memcpy(noise->remote_ephemeral, message->data, MESH_NOISE_KEY_LEN);
        *message = mesh_bytes_skip(*message, MESH_NOISE_KEY_LEN);
        mix_ephemeral(noise, noise->remote_ephemeral);
        return 0;
    }
    if (token != MESH_NOISE_S) return mix_token(noise, token);
    uint8_t key[MESH_NOISE_KEY_LEN + MESH_CIPHER_TAG_LEN];
    int err = take_sealed(noise, message, key, MESH_NOISE_KEY_LEN + tag_len(noise));
    if (err != 0) return err;
    memcpy(noise->remote_static, key, MESH_NOISE_KEY_LEN);
    noise->has_remote_static = true;
    return 0;
}

// ---- messages

static void end_message(mesh_noise *noise) {
    noise->next++;
    noise->is_writer = !noise->is_writer;
}

static int write_message(mesh_noise *noise, mesh_bytes payload, uint8_t *out, size_t *out_len) {
    uint8_t *at = out;
    int err = 0;
    for (; err == 0 && *noise->next != MESH_NOISE_END; noise->next++)
        err = write_token(noise, *noise->next, &at);
    if (err == 0) err = put_sealed(noise, payload, &at);
    if (err == 0) *out_len = (size_t)(at - out);
    return err;
}

int mesh_noise_write(mesh_noise *noise, mesh_bytes payload, uint8_t *out, size_t *out_len) {
    if (noise->is_failed) return MESH_ESEAL;
    if (!noise->is_writer || mesh_noise_is_done(noise)) return MESH_EINVAL;
    if (payload.len > MESH_NOISE_MESSAGE_LEN_MAX - MESH_NOISE_OVERHEAD_MAX) return MESH_ETOOBIG;
    int err = write_message(noise, payload, out, out_len);
    if (err == 0)
        end_message(noise);
    else
        noise->is_failed = true;
    return err;
}

static int read_message(mesh_noise *noise, mesh_bytes message, uint8_t *out, size_t *out_len) {
    int err = 0;
    for (; err == 0 && *noise->next != MESH_NOISE_END; noise->next++)
        err = read_token(noise, *noise->next, &message);
    if (err != 0) return err;
    size_t len = message.len;
    err = take_sealed(noise, &message, out, len);
    if (err == 0) *out_len = len - tag_len(noise);
    return err;
}

int mesh_noise_read(mesh_noise *noise, mesh_bytes message, uint8_t *out, size_t *out_len) {
    if (noise->is_failed) return MESH_ESEAL;
    if (noise->is_writer || mesh_noise_is_done(noise)) return MESH_EINVAL;
    int err = message.len > MESH_NOISE_MESSAGE_LEN_MAX ? MESH_ESEAL
                                                       : read_message(noise, message, out, out_len);
    if (err == 0)
        end_message(noise);
    else
        noise->is_failed = true;
    return err;
}

// ---- life

static void copy_key(uint8_t to[MESH_NOISE_KEY_LEN], const uint8_t *from) {
    if (from != NULL) memcpy(to, from, MESH_NOISE_KEY_LEN);
}

// A protocol name as long as a hash, or shorter, is padded and not hashed.
static void begin_hash(mesh_noise *noise, const mesh_noise_options *options) {
    size_t name_len = strlen(options->pattern->protocol);
    CHECK(name_len <= MESH_NOISE_HASH_LEN);
    memcpy(noise->hash, options->pattern->protocol, name_len);
    memcpy(noise->chaining_key, noise->hash, MESH_NOISE_HASH_LEN);
    mix_hash(noise, options->prologue.data, options->prologue.len);
    const uint8_t *initiator = noise->is_initiator ? noise->static_public : noise->remote_static;
    const uint8_t *responder = noise->is_initiator ? noise->remote_static : noise->static_public;
    if (options->pattern->is_initiator_known) mix_hash(noise, initiator, MESH_NOISE_KEY_LEN);
    if (options->pattern->is_responder_known) mix_hash(noise, responder, MESH_NOISE_KEY_LEN);
}

void mesh_noise_init(mesh_noise *noise, const mesh_noise_options *options) {
    *noise = (mesh_noise){.pattern = options->pattern,
                          .next = options->pattern->tokens,
                          .is_initiator = options->is_initiator,
                          .is_writer = options->is_initiator};
    copy_key(noise->static_secret, options->static_secret);
    copy_key(noise->ephemeral_secret, options->ephemeral_secret);
    copy_key(noise->remote_static, options->remote_static);
    noise->has_remote_static = options->remote_static != NULL;
    for (size_t i = 0; i < MESH_NOISE_PSKS_MAX; i++)
        copy_key(noise->psks[i], options->psks[i]);
    (void)crypto_scalarmult_base(noise->static_public, noise->static_secret);
    (void)crypto_scalarmult_base(noise->ephemeral_public, noise->ephemeral_secret);
    begin_hash(noise, options);
}

void mesh_noise_deinit(mesh_noise *noise) {
    sodium_memzero(noise, sizeof *noise);
}

bool mesh_noise_is_done(const mesh_noise *noise) {
    return !noise->is_failed && noise->next != noise->pattern->tokens &&
           *noise->next == MESH_NOISE_END;
}

void mesh_noise_split(const mesh_noise *noise, mesh_cipher *out_send, mesh_cipher *out_receive) {
    CHECK(mesh_noise_is_done(noise));
    uint8_t outputs[2][MESH_NOISE_HASH_LEN];
    derive(outputs, 2, noise->chaining_key, NULL, 0);
    mesh_cipher_init(noise->is_initiator ? out_send : out_receive, outputs[0]);
    mesh_cipher_init(noise->is_initiator ? out_receive : out_send, outputs[1]);
    sodium_memzero(outputs, sizeof outputs);
}

const uint8_t *mesh_noise_hash(const mesh_noise *noise) {
    return noise->hash;
}

const uint8_t *mesh_noise_remote_static(const mesh_noise *noise) {
    return noise->has_remote_static ? noise->remote_static : NULL;
}
