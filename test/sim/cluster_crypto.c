// Signatures, chains and shared keys computed once for all hosts: each host checks for itself in
// earnest, but a thousand of them in one process ask the same questions.
#include <sodium.h>

#include "cluster_world.h"
#include "core/error.h"

enum { HASH_LEN = 16 };

typedef struct answer {
    uint8_t hash[HASH_LEN];
    int err; // of a chain; of a signature 0 or 1
    bool is_used;
    mesh_chain *chain;
} answer;

static answer *answers;
static size_t answer_count, answer_cap;

static answer *place_of(const uint8_t hash[HASH_LEN]) {
    size_t at;
    memcpy(&at, hash, sizeof at);
    for (;; at++) {
        answer *a = &answers[at & (answer_cap - 1)];
        if (!a->is_used || memcmp(a->hash, hash, HASH_LEN) == 0) return a;
    }
}

static answer *look_up(const uint8_t hash[HASH_LEN]) {
    if (answer_cap == 0 || answer_count * 4 > answer_cap * 3) {
        answer *old = answers;
        size_t old_cap = answer_cap;
        answer_cap = old_cap > 0 ? old_cap * 2 : 4096;
        answers = mem_alloc(answer_cap * sizeof *answers);
        for (size_t i = 0; i < old_cap; i++)
            if (old[i].is_used) *place_of(old[i].hash) = old[i];
        free(old);
    }
    return place_of(hash);
}

static void take(answer *a, const uint8_t hash[HASH_LEN]) {
    memcpy(a->hash, hash, HASH_LEN);
    a->is_used = true;
    answer_count++;
}

static bool verify(void *user, mesh_bytes text, const uint8_t *signature, const uint8_t *key) {
    uint8_t hash[HASH_LEN];
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, HASH_LEN);
    (void)crypto_generichash_update(&state, text.data, text.len);
    (void)crypto_generichash_update(&state, signature, MESH_SIGNATURE_LEN);
    (void)crypto_generichash_update(&state, key, MESH_SIGN_KEY_LEN);
    (void)crypto_generichash_final(&state, hash, HASH_LEN);
    answer *a = look_up(hash);
    if (!a->is_used) {
        take(a, hash);
        a->err = mesh_verify_signature(user, text, signature, key) ? 0 : 1;
    }
    return a->err == 0;
}

// The time is left out: certificates of a world outlast it.
static int chain(void *user, const mesh_trust *trust, const mesh_bytes *certs, size_t count,
                 uint64_t now_s, mesh_chain *out) {
    (void)user;
    uint8_t hash[HASH_LEN], day = (uint8_t)(now_s / 86400);
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, HASH_LEN);
    (void)crypto_generichash_update(&state, &day, 1);
    for (size_t i = 0; i < count; i++)
        (void)crypto_generichash_update(&state, certs[i].data, certs[i].len);
    (void)crypto_generichash_final(&state, hash, HASH_LEN);
    answer *a = look_up(hash);
    if (!a->is_used) {
        take(a, hash);
        a->chain = mem_alloc(sizeof *a->chain);
        a->err = mesh_chain_verify(trust, certs, count, now_s, a->chain);
    }
    if (a->err == 0) *out = *a->chain;
    return a->err;
}

// Not X25519: anything that both sides of a pair compute alike.
static int shared(void *user, const uint8_t secret[32], const uint8_t public[32], uint8_t out[32]) {
    (void)user;
    static uint8_t last_secret[32], last_public[32];
    uint8_t both[64], own[32];
    if (memcmp(secret, last_secret, 32) != 0) {
        (void)crypto_scalarmult_base(last_public, secret);
        memcpy(last_secret, secret, 32);
    }
    memcpy(own, last_public, 32);
    bool is_first = memcmp(own, public, 32) < 0;
    memcpy(both, is_first ? own : public, 32);
    memcpy(both + 32, is_first ? public : own, 32);
    (void)crypto_generichash(out, 32, both, sizeof both, NULL, 0);
    return 0;
}

mesh_swim_crypto world_crypto(void) {
    return (mesh_swim_crypto){.verify = verify, .chain = chain, .shared = shared};
}

void world_crypto_deinit(void) {
    for (size_t i = 0; i < answer_cap; i++)
        free(answers[i].chain);
    free(answers);
    answers = NULL;
    answer_count = answer_cap = 0;
}
