// What is said on an enrolment link, by somebody who has the ticket's keys. The first byte chooses:
// a request as it comes, an answer as it comes, records as they come to either side, or a right
// request for a host of any name, which is then judged.
#include "secure/enrol.h"

#include <sodium.h>

#include "core/be.h"
#include "core/error.h"
#include "core/mem.h"
#include "fuzz.h"
#include "pki.h"

enum { ISSUER_HOST = 10, NEW_HOST, ISSUER_LINK = 16, NEW_LINK = 24, TICKET = 77, BODY_MAX = 16384 };
enum { REQUEST, ANSWER, RECORD_TO_ISSUER, RECORD_TO_JOINER, NAME, MODES };

static uint8_t rooms[2][MESH_CERT_LEN_MAX];
static mesh_bytes chain[2];
static mesh_ticket_keys ticket;

static mesh_token make_token(void) {
    mesh_token token = {.trust = pki_trust(), .ticket_id = TICKET, .secret = {33}};
    mesh_cluster_id_of(token.trust.roots[0], token.cluster_id);
    mesh_ticket_keys_of(TICKET, token.secret, &ticket);
    return token;
}

static mesh_credentials issuer_credentials(void) {
    mesh_cert issuer = pki_cert(MESH_ROLE_ISSUER, PKI_ISSUER, 0),
              host = pki_cert(MESH_ROLE_HOST, ISSUER_HOST, ISSUER_LINK);
    chain[0] = pki_issue(&issuer, PKI_ROOT, rooms[0]);
    chain[1] = pki_issue(&host, PKI_ISSUER, rooms[1]);
    mesh_credentials self = {.chain = chain,
                             .chain_count = 2,
                             .link_secret = {ISSUER_LINK},
                             .trust = pki_trust(),
                             .minor_min = 1,
                             .minor_max = 1};
    memcpy(self.cluster_id, host.cluster_id, MESH_ID_LEN);
    return self;
}

static mesh_credentials joiner_credentials(const mesh_token *token) {
    mesh_credentials self = {
        .link_secret = {NEW_LINK}, .trust = token->trust, .minor_min = 1, .minor_max = 1};
    memcpy(self.cluster_id, token->cluster_id, MESH_ID_LEN);
    return self;
}

static mesh_enrol *dial(const mesh_token *token, const char *name) {
    uint8_t public[MESH_SIGN_KEY_LEN];
    mesh_enrol_dial_options options = {.token = token,
                                       .name = name,
                                       .link_secret = {NEW_LINK},
                                       .ephemeral_secret = {41},
                                       .minor_min = 1,
                                       .minor_max = 1};
    pki_sign_key(NEW_HOST, public, options.sign_secret);
    return mesh_enrol_dial(&options);
}

// The peer of the fuzzed side: a bare handshake, whose ciphers seal what the fuzzer says.
static mesh_handshake *make_peer(const mesh_credentials *self, bool is_dialler) {
    return mesh_handshake_create(&(mesh_handshake_options){.self = self,
                                                           .is_dialler = is_dialler,
                                                           .kind = MESH_KIND_ENROL,
                                                           .ephemeral_secret = {42},
                                                           .ticket = &ticket});
}

static void to_enrol(mesh_handshake *from, mesh_enrol *to) {
    mesh_bytes out = mesh_handshake_output(from);
    size_t len = out.len;
    CHECK(mesh_enrol_receive(to, PKI_NOW_S, &out) == MESH_EAGAIN);
    mesh_handshake_sent(from, len);
}

static void from_enrol(mesh_enrol *from, mesh_handshake *to) {
    mesh_bytes out = mesh_enrol_output(from);
    size_t len = out.len;
    int err = mesh_handshake_receive(to, PKI_NOW_S, &out);
    CHECK(err == 0 || err == MESH_EAGAIN);
    mesh_enrol_sent(from, len);
}

static void say(mesh_enrol *to, mesh_handshake *peer, mesh_bytes input, bool is_record) {
    uint8_t record[2 + BODY_MAX + MESH_CIPHER_TAG_LEN];
    mesh_cipher send, receive;
    size_t len = input.len;
    if (len > BODY_MAX) return;
    mesh_handshake_split(peer, &send, &receive);
    if (len > 0) memcpy(record + (is_record ? 0 : 2), input.data, len);
    if (!is_record) {
        CHECK(mesh_cipher_seal(&send, (mesh_bytes){0}, record + 2, len) == 0);
        (void)store_be16(record, (uint32_t)len + MESH_CIPHER_TAG_LEN);
        len += 2 + MESH_CIPHER_TAG_LEN;
    }
    mesh_bytes wire = {record, len};
    int err = mesh_enrol_receive(to, PKI_NOW_S, &wire);
    CHECK(err != 0); // there is no right proof, nor a right certificate, by guessing
}

static void fuzz_issuer(const mesh_token *token, mesh_bytes input, bool is_record) {
    mesh_credentials self = issuer_credentials(), joiner = joiner_credentials(token);
    mesh_enrol *issuer = mesh_enrol_listen(&self, &ticket, (const uint8_t[32]){43});
    mesh_handshake *peer = make_peer(&joiner, true);
    to_enrol(peer, issuer);
    from_enrol(issuer, peer);
    to_enrol(peer, issuer);
    say(issuer, peer, input, is_record);
    mesh_handshake_destroy(peer);
    mesh_enrol_destroy(issuer);
}

static void fuzz_joiner(const mesh_token *token, mesh_bytes input, bool is_record) {
    mesh_credentials self = issuer_credentials();
    mesh_enrol *joiner = dial(token, "newcomer");
    mesh_handshake *peer = make_peer(&self, false);
    from_enrol(joiner, peer);
    to_enrol(peer, joiner);
    from_enrol(joiner, peer);
    say(joiner, peer, input, is_record);
    for (const char *at = mesh_enrol_refusal(joiner); *at != '\0'; at++)
        CHECK(*at >= ' ' && *at <= '~');
    mesh_handshake_destroy(peer);
    mesh_enrol_destroy(joiner);
}

static void judge(mesh_bytes input) {
    mesh_signer issuer = {.cert = pki_cert(MESH_ROLE_ISSUER, PKI_ISSUER, 0)};
    mesh_ticket one = {.scopes = {"*"}, .scope_count = 1, .expires_s = PKI_NOW_S};
    mesh_enrol_request request = {.x25519 = {1}};
    uint8_t public[MESH_SIGN_KEY_LEN], secret[MESH_SIGN_SECRET_LEN];
    mesh_signed made;
    const char *refusal;
    pki_sign_key(PKI_ISSUER, public, issuer.secret);
    pki_sign_key(NEW_HOST, request.ed25519, secret);
    if (input.len >= sizeof request.name) return;
    if (input.len > 0) memcpy(request.name, input.data, input.len);
    int err =
        mesh_enrol_judge(&issuer, &one, &request, &(mesh_moment){PKI_NOW_S, {1}}, &made, &refusal);
    CHECK((err == 0) == (refusal == NULL));
    if (err != 0) return;
    mesh_trust trust = pki_trust();
    mesh_chain taken;
    (void)issuer_credentials(); // for the issuer's certificate
    const mesh_bytes certs[] = {chain[0], {made.bytes, made.len}};
    CHECK(mesh_chain_verify(&trust, certs, 2, PKI_NOW_S, &taken) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    mesh_token token = make_token();
    mesh_bytes input = {data + 1, size - 1};
    switch (data[0] % MODES) {
    case REQUEST: fuzz_issuer(&token, input, false); break;
    case ANSWER: fuzz_joiner(&token, input, false); break;
    case RECORD_TO_ISSUER: fuzz_issuer(&token, input, true); break;
    case RECORD_TO_JOINER: fuzz_joiner(&token, input, true); break;
    default: judge(input); break;
    }
    return 0;
}
