// Handshakes between hosts. The first byte chooses who reads what the fuzzer says: a listener or a
// dialler, as a stranger on the wire (to a listener with a right knock, or nothing behind it would
// be reached), or as a peer with all keys of the cluster that says whatever it likes about itself.
#include <sodium.h>

#include "core/be.h"
#include "core/error.h"
#include "core/mem.h"
#include "fuzz.h"
#include "pki.h"
#include "secure/handshake.h"

enum { HOST = 10, LINK = 20, PEER_LINK, NUMBER = 7, WIRE_MAX = 1 << 16 };

static uint8_t rooms[MESH_CHAIN_MAX][MESH_CERT_LEN_MAX];
static mesh_bytes chain[MESH_CHAIN_MAX];

static uint64_t node_id(void) {
    return mesh_node_id_of(pki_cert(MESH_ROLE_HOST, HOST, LINK).host_id, NUMBER);
}

static mesh_credentials credentials(void) {
    mesh_cert issuer = pki_cert(MESH_ROLE_ISSUER, PKI_ISSUER, 0),
              host = pki_cert(MESH_ROLE_HOST, HOST, LINK);
    mesh_cert node = pki_cert(MESH_ROLE_NODE, HOST, LINK);
    node.node_number = NUMBER;
    chain[0] = pki_issue(&issuer, PKI_ROOT, rooms[0]);
    chain[1] = pki_issue(&host, PKI_ISSUER, rooms[1]);
    chain[2] = pki_issue(&node, HOST, rooms[2]);
    mesh_credentials self = {.chain = chain,
                             .chain_count = MESH_CHAIN_MAX,
                             .link_secret = {LINK},
                             .link_psk = {11},
                             .knock_key = {12},
                             .trust = pki_trust(),
                             .node_id = node_id(),
                             .minor_min = 1,
                             .minor_max = 1};
    memcpy(self.cluster_id, host.cluster_id, MESH_ID_LEN);
    return self;
}

static mesh_handshake *create(const mesh_credentials *self, bool is_dialler) {
    mesh_handshake_options options = {.self = self,
                                      .is_dialler = is_dialler,
                                      .ephemeral_secret = {30},
                                      .kind = MESH_KIND_NODE,
                                      .peer_node_id = node_id()};
    mesh_cert host = pki_cert(MESH_ROLE_HOST, HOST, LINK);
    memcpy(options.peer_host_id, host.host_id, MESH_ID_LEN);
    return mesh_handshake_create(&options);
}

// In pieces of 1, 2, 3 ... bytes, as a socket might bring them.
static void feed(mesh_handshake *h, mesh_bytes wire) {
    size_t piece = 1, seen = 0;
    for (int err = MESH_EAGAIN; err == MESH_EAGAIN && seen < wire.len; piece++) {
        seen = seen + piece < wire.len ? seen + piece : wire.len;
        mesh_bytes input = {wire.data, seen};
        err = mesh_handshake_receive(h, PKI_NOW_S, &input);
        size_t taken = (size_t)(input.data - wire.data);
        wire = mesh_bytes_skip(wire, taken);
        seen -= taken;
        mesh_handshake_sent(h, mesh_handshake_output(h).len);
    }
}

static void be_stranger(mesh_handshake *h, const mesh_credentials *self, bool is_to_listener,
                        mesh_bytes input) {
    uint8_t wire[WIRE_MAX];
    if (input.len > sizeof wire) return;
    if (input.len > 0) memcpy(wire, input.data, input.len);
    if (is_to_listener && input.len >= MESH_KNOCK_LEN) {
        mesh_preamble preamble = {
            .major = MESH_WIRE_MAJOR, .kind = MESH_KIND_NODE, .target = node_id()};
        mesh_knock_write(&preamble, self->knock_key, wire + MESH_PREAMBLE_LEN, wire);
    }
    feed(h, (mesh_bytes){wire, input.len});
}

static void begin_peer(mesh_noise *noise, const mesh_credentials *self, const uint8_t *bound,
                       bool is_initiator) {
    static const uint8_t secret[MESH_NOISE_KEY_LEN] = {PEER_LINK},
                         ephemeral[MESH_NOISE_KEY_LEN] = {31};
    static const uint8_t label[] = {'w', 'a', 'r', 'r', 'e', 'n', '/', 'l', 'i', 'n', 'k'};
    uint8_t prologue[sizeof label + MESH_ID_LEN + MESH_PREAMBLE_BOUND_LEN];
    memcpy(prologue, label, sizeof label);
    memcpy(prologue + sizeof label, self->cluster_id, MESH_ID_LEN);
    memcpy(prologue + sizeof label + MESH_ID_LEN, bound, MESH_PREAMBLE_BOUND_LEN);
    mesh_noise_init(noise, &(mesh_noise_options){.pattern = &mesh_noise_xxpsk3,
                                                 .is_initiator = is_initiator,
                                                 .prologue = {prologue, sizeof prologue},
                                                 .static_secret = secret,
                                                 .ephemeral_secret = ephemeral,
                                                 .psks = {self->link_psk}});
}

static size_t write_message(mesh_noise *noise, mesh_bytes payload, uint8_t *wire) {
    size_t len;
    CHECK(mesh_noise_write(noise, payload, wire + 2, &len) == 0);
    (void)store_be16(wire, (uint32_t)len);
    return len + 2;
}

static void be_dialler(mesh_handshake *listener, const mesh_credentials *self, mesh_bytes hello) {
    uint8_t wire[WIRE_MAX], payload[MESH_HANDSHAKE_LEN_MAX],
        first[MESH_KNOCK_LEN - MESH_PREAMBLE_LEN] = {0};
    size_t len;
    mesh_noise noise;
    mesh_preamble preamble = {
        .major = MESH_WIRE_MAJOR, .kind = MESH_KIND_NODE, .target = node_id()};
    mesh_knock_write(&preamble, self->knock_key, first, wire);
    begin_peer(&noise, self, wire, true);
    CHECK(write_message(&noise, (mesh_bytes){0}, wire + MESH_PREAMBLE_LEN) == sizeof first);
    mesh_knock_write(&preamble, self->knock_key, wire + MESH_PREAMBLE_LEN, wire);
    mesh_bytes input = {wire, MESH_KNOCK_LEN};
    CHECK(mesh_handshake_receive(listener, PKI_NOW_S, &input) == MESH_EAGAIN);
    mesh_bytes answer = mesh_handshake_output(listener);
    CHECK(mesh_noise_read(&noise, mesh_bytes_skip(answer, 2), payload, &len) == 0);
    mesh_handshake_sent(listener, answer.len);
    feed(listener, (mesh_bytes){wire, write_message(&noise, hello, wire)});
}

static void be_listener(mesh_handshake *dialler, const mesh_credentials *self, mesh_bytes hello) {
    uint8_t wire[WIRE_MAX], payload[MESH_HANDSHAKE_LEN_MAX];
    size_t len;
    mesh_noise noise;
    mesh_bytes first = mesh_handshake_output(dialler);
    begin_peer(&noise, self, first.data, false);
    CHECK(mesh_noise_read(&noise, mesh_bytes_skip(first, MESH_PREAMBLE_LEN + 2), payload, &len) ==
          0);
    mesh_handshake_sent(dialler, first.len);
    feed(dialler, (mesh_bytes){wire, write_message(&noise, hello, wire)});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    mesh_credentials self = credentials();
    mesh_bytes input = {data + 1, size - 1};
    bool is_to_listener = data[0] & 1, has_keys = data[0] & 2;
    if (has_keys && input.len > MESH_HANDSHAKE_LEN_MAX - MESH_NOISE_OVERHEAD_MAX) return 0;
    mesh_handshake *h = create(&self, !is_to_listener);
    if (!has_keys)
        be_stranger(h, &self, is_to_listener, input);
    else if (is_to_listener)
        be_dialler(h, &self, input);
    else
        be_listener(h, &self, input);
    mesh_handshake_destroy(h);
    return 0;
}
