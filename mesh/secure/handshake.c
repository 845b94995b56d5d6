#include "secure/handshake.h"

#include <sodium.h>

#include "core/be.h"
#include "core/budget.h"
#include "core/error.h"
#include "core/mem.h"
#include "handshake.pb-c.h"

static const char prologue_label[] = "warren/link";

enum {
    HEAD_LEN = 2, // u16: length of a message
    PAYLOAD_LEN_MAX = MESH_HANDSHAKE_LEN_MAX - MESH_NOISE_OVERHEAD_MAX,
    PROLOGUE_LEN = sizeof prologue_label - 1 + MESH_ID_LEN + MESH_PREAMBLE_BOUND_LEN,
};

struct mesh_handshake {
    mesh_handshake_options options;
    mesh_noise noise;
    mesh_preamble preamble;
    mesh_identity peer;
    bool has_begun; // the preamble is known: `noise` can be used
    int err;
    uint8_t output[MESH_KNOCK_LEN + HEAD_LEN + MESH_HANDSHAKE_LEN_MAX]; // two messages, unsent
    size_t output_head, output_tail;
};

// ---- beginning

static const uint8_t *link_psk(const mesh_handshake *h) {
    return h->options.ticket != NULL ? h->options.ticket->link_psk : h->options.self->link_psk;
}

static const uint8_t *knock_key(const mesh_handshake *h) {
    return h->options.ticket != NULL ? h->options.ticket->knock_key : h->options.self->knock_key;
}

static void begin_noise(mesh_handshake *h, const uint8_t bound[MESH_PREAMBLE_BOUND_LEN]) {
    const mesh_credentials *self = h->options.self;
    uint8_t prologue[PROLOGUE_LEN], *at = prologue;
    memcpy(at, prologue_label, sizeof prologue_label - 1);
    at += sizeof prologue_label - 1;
    memcpy(at, self->cluster_id, MESH_ID_LEN);
    memcpy(at + MESH_ID_LEN, bound, MESH_PREAMBLE_BOUND_LEN);
    mesh_noise_init(&h->noise,
                    &(mesh_noise_options){.pattern = &mesh_noise_xxpsk3,
                                          .is_initiator = h->options.is_dialler,
                                          .prologue = {prologue, sizeof prologue},
                                          .static_secret = self->link_secret,
                                          .ephemeral_secret = h->options.ephemeral_secret,
                                          .psks = {link_psk(h)}});
    h->has_begun = true;
}

static int write_message(mesh_handshake *h, mesh_bytes payload) {
    uint8_t *at = h->output + h->output_tail;
    size_t len;
    int err = mesh_noise_write(&h->noise, payload, at + HEAD_LEN, &len);
    if (err != 0) return err;
    (void)store_be16(at, (uint32_t)len);
    h->output_tail += HEAD_LEN + len;
    return 0;
}

// The knock covers the first message, which is bound to the preamble without it: written in this
// order.
static void dial(mesh_handshake *h) {
    const mesh_ticket_keys *ticket = h->options.ticket;
    static const uint8_t no_first[MESH_KNOCK_LEN - MESH_PREAMBLE_LEN];
    h->preamble = (mesh_preamble){.major = MESH_WIRE_MAJOR,
                                  .kind = h->options.kind,
                                  .psk_id = ticket != NULL ? 0 : h->options.self->psk_id,
                                  .target = ticket != NULL ? ticket->id : h->options.peer_node_id,
                                  .salt = h->options.salt};
    mesh_knock_write(&h->preamble, knock_key(h), no_first, h->output);
    begin_noise(h, h->output);
    h->output_tail = MESH_PREAMBLE_LEN;
    h->err = write_message(h, (mesh_bytes){0});
    mesh_knock_write(&h->preamble, knock_key(h), h->output + MESH_PREAMBLE_LEN, h->output);
}

mesh_handshake *mesh_handshake_create(const mesh_handshake_options *options) {
    bool is_enrolment = options->ticket != NULL;
    CHECK(!options->is_dialler || is_enrolment == (options->kind == MESH_KIND_ENROL));
    mesh_handshake *h = mem_alloc(sizeof *h);
    h->options = *options;
    if (options->is_dialler) dial(h);
    return h;
}

void mesh_handshake_destroy(mesh_handshake *h) {
    if (h == NULL) return;
    sodium_memzero(h, sizeof *h);
    free(h);
}

// ---- what each side says of itself

static int write_hello(mesh_handshake *h) {
    const mesh_credentials *self = h->options.self;
    ProtobufCBinaryData chain[MESH_CHAIN_MAX];
    CHECK(self->chain_count <= MESH_CHAIN_MAX);
    for (size_t i = 0; i < self->chain_count; i++)
        chain[i] =
            (ProtobufCBinaryData){self->chain[i].len, (uint8_t *)(uintptr_t)self->chain[i].data};
    Warren__Handshake__Hello hello = WARREN__HANDSHAKE__HELLO__INIT;
    hello.n_chain = self->chain_count;
    hello.chain = chain;
    hello.boot_id = self->boot_id;
    hello.minor_min = self->minor_min;
    hello.minor_max = self->minor_max;
    hello.features_offered = self->features_offered;
    hello.features_required = self->features_required;
    uint8_t bytes[PAYLOAD_LEN_MAX];
    CHECK(warren__handshake__hello__get_packed_size(&hello) <= sizeof bytes);
    return write_message(h, (mesh_bytes){bytes, warren__handshake__hello__pack(&hello, bytes)});
}

// ---- judging the other side

static bool is_role_right(const mesh_handshake *h, const mesh_chain *chain) {
    mesh_role role = mesh_chain_leaf(chain)->role;
    switch (h->preamble.kind) {
    case MESH_KIND_NODE: return role == MESH_ROLE_NODE;
    case MESH_KIND_ADMIN: return role == (h->options.is_dialler ? MESH_ROLE_HOST : MESH_ROLE_ADMIN);
    default: return role == MESH_ROLE_HOST;
    }
}

static bool is_wanted(const mesh_handshake *h, const mesh_chain *chain) {
    if (!h->options.is_dialler || h->preamble.kind == MESH_KIND_ENROL) return true;
    const mesh_cert *leaf = mesh_chain_leaf(chain);
    bool is_host =
        h->options.is_any_host || memcmp(leaf->host_id, h->options.peer_host_id, MESH_ID_LEN) == 0;
    return is_host && leaf->node_id == h->options.peer_node_id;
}

static int judge_chain(mesh_handshake *h, const Warren__Handshake__Hello *hello, uint64_t now_s) {
    mesh_bytes certs[MESH_CHAIN_MAX];
    // Who enrols has none, and nobody else may come without.
    if (h->preamble.kind == MESH_KIND_ENROL && !h->options.is_dialler)
        return hello->n_chain == 0 ? 0 : MESH_ECERT;
    if (hello->n_chain > MESH_CHAIN_MAX) return MESH_ECERT;
    for (size_t i = 0; i < hello->n_chain; i++)
        certs[i] = (mesh_bytes){hello->chain[i].data, hello->chain[i].len};
    mesh_chain *chain = &h->peer.chain;
    int err = mesh_chain_verify(&h->options.self->trust, certs, hello->n_chain, now_s, chain);
    if (err != 0) return err;
    // A certificate is not secret: only the key that it names proves that it is the peer's own.
    const uint8_t *key = mesh_noise_remote_static(&h->noise);
    if (memcmp(mesh_chain_leaf(chain)->x25519, key, MESH_LINK_KEY_LEN) != 0) return MESH_ECERT;
    return is_role_right(h, chain) && is_wanted(h, chain) ? 0 : MESH_EWRONGPEER;
}

static int agree(mesh_handshake *h, const Warren__Handshake__Hello *hello) {
    const mesh_credentials *self = h->options.self;
    uint32_t minor = hello->minor_max < self->minor_max ? hello->minor_max : self->minor_max;
    if (minor < hello->minor_min || minor < self->minor_min) return MESH_EVERSION;
    if (hello->features_required & ~self->features_offered) return MESH_EVERSION;
    if (self->features_required & ~hello->features_offered) return MESH_EVERSION;
    h->peer.minor = minor;
    h->peer.features = hello->features_offered & self->features_offered;
    h->peer.boot_id = hello->boot_id;
    return 0;
}

static int judge_hello(mesh_handshake *h, mesh_bytes payload, uint64_t now_s) {
    mesh_budget budget;
    mesh_budget_init(&budget, MESH_BUDGET_DEFAULT);
    Warren__Handshake__Hello *hello =
        warren__handshake__hello__unpack(&budget.allocator, payload.len, payload.data);
    int err = hello == NULL ? MESH_EPROTO : judge_chain(h, hello, now_s);
    if (err == 0) err = agree(h, hello);
    warren__handshake__hello__free_unpacked(hello, &budget.allocator);
    return err;
}

// ---- messages

static bool is_for_us(const mesh_handshake *h) {
    const mesh_ticket_keys *ticket = h->options.ticket;
    uint64_t node_id = h->options.self->node_id;
    if ((ticket != NULL) != (h->preamble.kind == MESH_KIND_ENROL)) return false;
    if (ticket != NULL) return h->preamble.target == ticket->id;
    // Of the kind ADMIN, too, the agent is the target.
    return h->preamble.target == node_id && (h->preamble.kind == MESH_KIND_NODE) == (node_id != 0);
}

static int take_preamble(mesh_handshake *h, mesh_bytes *input) {
    if (input->len < MESH_KNOCK_LEN) return MESH_EAGAIN;
    int err = mesh_knock_judge(input->data, knock_key(h), &h->preamble);
    if (err != 0) return err;
    if (!is_for_us(h)) return MESH_EWRONGPEER;
    begin_noise(h, input->data);
    *input = mesh_bytes_skip(*input, MESH_PREAMBLE_LEN);
    return 0;
}

static int take_message(mesh_handshake *h, uint64_t now_s, mesh_bytes *input) {
    if (input->len < HEAD_LEN) return MESH_EAGAIN;
    size_t len = load_be16(input->data);
    if (len > MESH_HANDSHAKE_LEN_MAX) return MESH_ETOOBIG;
    if (input->len < HEAD_LEN + len) return MESH_EAGAIN;
    uint8_t payload[MESH_HANDSHAKE_LEN_MAX];
    size_t payload_len;
    mesh_bytes message = {input->data + HEAD_LEN, len};
    int err = mesh_noise_read(&h->noise, message, payload, &payload_len);
    if (err != 0) return err;
    *input = mesh_bytes_skip(*input, HEAD_LEN + len);
    // The first message comes before there is anything to hide it with: it says nothing.
    bool is_first = mesh_noise_remote_static(&h->noise) == NULL;
    if (is_first) return payload_len == 0 ? 0 : MESH_EPROTO;
    return judge_hello(h, (mesh_bytes){payload, payload_len}, now_s);
}

static int advance(mesh_handshake *h, uint64_t now_s, mesh_bytes *input) {
    int err = h->has_begun ? 0 : take_preamble(h, input);
    while (err == 0 && !mesh_noise_is_done(&h->noise)) {
        err = take_message(h, now_s, input);
        if (err == 0 && !mesh_noise_is_done(&h->noise)) err = write_hello(h);
    }
    return err;
}

int mesh_handshake_receive(mesh_handshake *h, uint64_t now_s, mesh_bytes *input) {
    if (h->err != 0) return h->err;
    int err = advance(h, now_s, input);
    if (err != MESH_EAGAIN) h->err = err; // for good
    return err;
}

mesh_bytes mesh_handshake_output(const mesh_handshake *h) {
    return (mesh_bytes){h->output + h->output_head, h->output_tail - h->output_head};
}

void mesh_handshake_sent(mesh_handshake *h, size_t len) {
    CHECK(len <= h->output_tail - h->output_head);
    h->output_head += len;
    if (h->output_head == h->output_tail) h->output_head = h->output_tail = 0;
}

const mesh_identity *mesh_handshake_peer(const mesh_handshake *h) {
    return &h->peer;
}

mesh_link_kind mesh_handshake_kind(const mesh_handshake *h) {
    return h->preamble.kind;
}

const uint8_t *mesh_handshake_peer_key(const mesh_handshake *h) {
    return mesh_noise_remote_static(&h->noise);
}

const uint8_t *mesh_handshake_hash(const mesh_handshake *h) {
    return mesh_noise_hash(&h->noise);
}

void mesh_handshake_split(const mesh_handshake *h, mesh_cipher *out_send,
                          mesh_cipher *out_receive) {
    mesh_noise_split(&h->noise, out_send, out_receive);
}
