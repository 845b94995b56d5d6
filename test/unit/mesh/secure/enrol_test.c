#include "secure/enrol.h"

#include <sodium.h>

#include "core/be.h"
#include "core/error.h"
#include "pki.h"
#include "test.h"

enum { ISSUER_HOST = 10, NEW_HOST, ISSUER_LINK = 16, NEW_LINK = 24, WIRE_MAX = 16384, TICKET = 77 };

typedef struct scene {
    uint8_t rooms[2][MESH_CERT_LEN_MAX];
    mesh_bytes chain[2];
    mesh_credentials self; // the issuer's agent
    mesh_signer issuer;
    mesh_ticket ticket;
    mesh_token token;
    mesh_enrol_dial_options dial;
    mesh_enrol *joiner, *listener;
} scene;

static void make(scene *s) {
    *s = (scene){.issuer.cert = pki_cert(MESH_ROLE_ISSUER, PKI_ISSUER, 0),
                 .ticket = {.scopes = {"*"}, .scope_count = 1, .expires_s = PKI_NOW_S + 1},
                 .token = {.trust = pki_trust(),
                           .addresses = {"h:1"},
                           .address_count = 1,
                           .ticket_id = TICKET,
                           .secret = {33},
                           .expires_s = PKI_NOW_S + 1}};
    mesh_cert host = pki_cert(MESH_ROLE_HOST, ISSUER_HOST, ISSUER_LINK);
    uint8_t public[MESH_SIGN_KEY_LEN];
    pki_sign_key(PKI_ISSUER, public, s->issuer.secret);
    s->chain[0] = pki_issue(&s->issuer.cert, PKI_ROOT, s->rooms[0]);
    s->chain[1] = pki_issue(&host, PKI_ISSUER, s->rooms[1]);
    s->self = (mesh_credentials){.chain = s->chain,
                                 .chain_count = 2,
                                 .link_secret = {ISSUER_LINK},
                                 .link_psk = {1},
                                 .knock_key = {2},
                                 .trust = pki_trust(),
                                 .minor_min = 1,
                                 .minor_max = 1};
    memcpy(s->self.cluster_id, host.cluster_id, MESH_ID_LEN);
    memcpy(s->token.cluster_id, host.cluster_id, MESH_ID_LEN);
    mesh_ticket_keys_of(TICKET, s->token.secret, &s->ticket.keys);
    s->dial = (mesh_enrol_dial_options){.token = &s->token,
                                        .name = "newcomer",
                                        .link_secret = {NEW_LINK},
                                        .ephemeral_secret = {41},
                                        .salt = 5,
                                        .minor_min = 1,
                                        .minor_max = 1};
    pki_sign_key(NEW_HOST, public, s->dial.sign_secret);
}

static void begin(scene *s) {
    s->joiner = mesh_enrol_dial(&s->dial);
    s->listener =
        mesh_enrol_listen(&s->self, &s->ticket.keys, (const uint8_t[MESH_NOISE_KEY_LEN]){42});
}

static void end(scene *s) {
    mesh_enrol_destroy(s->joiner);
    mesh_enrol_destroy(s->listener);
}

typedef struct tap { // changes a byte of a flight: 0 and 2 the joiner's, 1 and 3 the issuer's
    int flight;
    size_t at, seen[4];
} tap;

// All that `from` has to say, however many parts it has.
static int carry(mesh_enrol *from, mesh_enrol *to, tap *t, int flight) {
    uint8_t wire[WIRE_MAX];
    size_t len = 0;
    for (mesh_bytes out; (out = mesh_enrol_output(from)).len > 0; mesh_enrol_sent(from, out.len)) {
        memcpy(wire + len, out.data, out.len);
        len += out.len;
    }
    if (t != NULL) t->seen[flight] = len;
    if (t != NULL && t->flight == flight) wire[t->at] ^= (uint8_t)(1 << t->at % 8);
    mesh_bytes input = {wire, len};
    return mesh_enrol_receive(to, PKI_NOW_S, &input);
}

// Until the issuer has the request: 0.
static int ask(scene *s, tap *t) {
    begin(s);
    int err = carry(s->joiner, s->listener, t, 0);
    if (err != MESH_EAGAIN) return err;
    err = carry(s->listener, s->joiner, t, 1);
    return err == MESH_EAGAIN ? carry(s->joiner, s->listener, t, 2) : err;
}

static void make_answer(const scene *s, mesh_enrol_answer *out) {
    const char *refusal;
    *out =
        (mesh_enrol_answer){.secret = {9}, .psk_id = 3, .seeds = {"a:1", "b:2"}, .seed_count = 2};
    memcpy(out->chain[0].bytes, s->chain[0].data, s->chain[0].len);
    out->chain[0].len = s->chain[0].len;
    EXPECT_OK(mesh_enrol_judge(&s->issuer, &s->ticket, mesh_enrol_asked(s->listener),
                               &(mesh_moment){PKI_NOW_S, {1}}, &out->chain[1], &refusal));
    EXPECT_TRUE(refusal == NULL);
}

TEST(a_host_with_a_token_gets_its_certificate_and_the_secret) {
    scene s;
    mesh_enrol_answer answer;
    make(&s);
    EXPECT_OK(ask(&s, NULL));
    EXPECT_TEXT("newcomer", mesh_enrol_asked(s.listener)->name);
    make_answer(&s, &answer);
    mesh_enrol_answer_with(s.listener, &answer);
    EXPECT_OK(carry(s.listener, s.joiner, NULL, 3));
    const mesh_enrol_answer *got = mesh_enrol_answered(s.joiner);
    EXPECT_EQ(3, got->psk_id);
    EXPECT_EQ(9, got->secret[0]);
    EXPECT_EQ(2, got->seed_count);
    EXPECT_TEXT("b:2", got->seeds[1]);
    mesh_chain chain;
    mesh_trust trust = pki_trust();
    const mesh_bytes certs[] = {{got->chain[0].bytes, got->chain[0].len},
                                {got->chain[1].bytes, got->chain[1].len}};
    EXPECT_OK(mesh_chain_verify(&trust, certs, 2, PKI_NOW_S, &chain));
    EXPECT_TEXT("newcomer", chain.host.name);
    end(&s);
}

TEST(a_refusal_reaches_the_joiner_as_a_sentence) {
    scene s;
    make(&s);
    EXPECT_OK(ask(&s, NULL));
    mesh_enrol_refuse(s.listener, "no \x1b[31mroom\n");
    EXPECT_EQ(MESH_EREFUSED, carry(s.listener, s.joiner, NULL, 3));
    EXPECT_TEXT("no ?[31mroom?",
                mesh_enrol_refusal(s.joiner)); // nothing that orders a terminal about
    end(&s);
}

// To its end: 0, or what one of the two says.
static int enrol(scene *s, tap *t) {
    mesh_enrol_answer answer;
    int err = ask(s, t);
    if (err == 0) {
        make_answer(s, &answer);
        mesh_enrol_answer_with(s->listener, &answer);
        err = carry(s->listener, s->joiner, t, 3);
    }
    end(s);
    return err;
}

TEST(every_changed_byte_of_an_enrolment_ends_it) {
    scene s;
    tap t = {.flight = -1};
    make(&s);
    EXPECT_OK(enrol(&s, &t));
    // Of a length that grew the end is MESH_EAGAIN, until the driver loses its patience.
    for (tap changed = {0}; changed.flight < 4; changed.flight++)
        for (changed.at = 0; changed.at < t.seen[changed.flight]; changed.at++)
            EXPECT_TRUE(enrol(&s, &changed) != 0);
}

static int carry_bytewise(mesh_bytes out, mesh_enrol *to) {
    uint8_t wire[WIRE_MAX];
    size_t taken = 0;
    int err = MESH_EAGAIN;
    memcpy(wire, out.data, out.len);
    for (size_t seen = 1; seen <= out.len; seen++) {
        mesh_bytes input = {wire + taken, seen - taken};
        err = mesh_enrol_receive(to, PKI_NOW_S, &input);
        taken = (size_t)(input.data - wire);
    }
    EXPECT_EQ(out.len, taken);
    return err;
}

TEST(it_takes_bytes_one_by_one) {
    scene s;
    int err = 0;
    make(&s);
    begin(&s);
    for (int flight = 0; flight < 3; flight++) {
        mesh_enrol *from = flight == 1 ? s.listener : s.joiner,
                   *to = flight == 1 ? s.joiner : s.listener;
        for (mesh_bytes out; (out = mesh_enrol_output(from)).len > 0;) {
            size_t len = out.len;
            err = carry_bytewise(out, to);
            mesh_enrol_sent(from, len);
        }
    }
    EXPECT_OK(err);
    end(&s);
}

TEST(without_the_secret_of_the_ticket_nobody_gets_a_byte) {
    scene s;
    make(&s);
    s.token.secret[0] ^= 1;
    EXPECT_EQ(MESH_ESEAL, ask(&s, NULL));
    EXPECT_EQ(0, mesh_enrol_output(s.listener).len);
    end(&s);
    make(&s);
    s.token.ticket_id++; // the keys of one ticket, the number of another
    EXPECT_EQ(MESH_EWRONGPEER, ask(&s, NULL));
    end(&s);
}

TEST(a_joiner_believes_only_a_host_of_the_cluster_in_its_token) {
    scene s;
    make(&s);
    mesh_cert host = pki_cert(MESH_ROLE_HOST, ISSUER_HOST, ISSUER_LINK);
    s.chain[1] = pki_issue(&host, NEW_HOST, s.rooms[1]); // whose issuer is nobody
    EXPECT_EQ(MESH_ECERT, ask(&s, NULL));
    end(&s);
    make(&s);
    host.role = MESH_ROLE_ADMIN;
    s.chain[1] = pki_issue(&host, PKI_ISSUER, s.rooms[1]);
    EXPECT_EQ(MESH_EWRONGPEER, ask(&s, NULL));
    end(&s);
    make(&s);
    host.role = MESH_ROLE_HOST;
    host.not_after_s = PKI_NOW_S - PKI_DAY_S + 1;
    s.chain[1] = pki_issue(&host, PKI_ISSUER, s.rooms[1]);
    EXPECT_EQ(MESH_ECERTTIME, ask(&s, NULL));
    end(&s);
}

TEST(a_joiner_takes_no_certificate_that_is_not_its_own) {
    scene s;
    mesh_enrol_answer answer;
    for (int i = 0; i < 3; i++) {
        make(&s);
        EXPECT_OK(ask(&s, NULL));
        make_answer(&s, &answer);
        mesh_cert cert = pki_cert(i == 2 ? MESH_ROLE_ADMIN : MESH_ROLE_HOST,
                                  i == 0 ? ISSUER_HOST : NEW_HOST, i == 1 ? ISSUER_LINK : NEW_LINK);
        answer.chain[1].len = pki_issue(&cert, PKI_ISSUER, answer.chain[1].bytes).len;
        mesh_enrol_answer_with(s.listener, &answer);
        EXPECT_EQ(MESH_ECERT, carry(s.listener, s.joiner, NULL, 3));
        end(&s);
    }
}

static void expect_refused(const scene *s, const mesh_enrol_request *request, const char *begins) {
    mesh_signed made;
    const char *refusal;
    EXPECT_EQ(MESH_EREFUSED, mesh_enrol_judge(&s->issuer, &s->ticket, request,
                                              &(mesh_moment){PKI_NOW_S, {1}}, &made, &refusal));
    EXPECT_EQ(0, strncmp(begins, refusal, strlen(begins)));
}

TEST(a_ticket_lets_in_whom_it_names_once_and_in_time) {
    scene s;
    mesh_enrol_request request = {.name = "newcomer", .x25519 = {1}};
    uint8_t secret[MESH_SIGN_SECRET_LEN];
    pki_sign_key(NEW_HOST, request.ed25519, secret);
    make(&s);
    s.ticket.used_s = PKI_NOW_S - 1;
    expect_refused(&s, &request, "this token was used already");
    make(&s);
    s.ticket.expires_s = PKI_NOW_S - 1;
    expect_refused(&s, &request, "this token has expired");
    make(&s);
    (void)strcpy(s.ticket.name, "other");
    expect_refused(&s, &request, "this token is for a host of another name");
    request.is_name_open = true; // it would take that name
    mesh_signed made;
    const char *refusal;
    EXPECT_OK(mesh_enrol_judge(&s.issuer, &s.ticket, &request, &(mesh_moment){PKI_NOW_S, {1}},
                               &made, &refusal));
    make(&s);
    request.name[0] = '\0';
    expect_refused(&s, &request, "this token gives no name");
    (void)strcpy(request.name, "a b");
    expect_refused(&s, &request, "a host's name is");
    (void)strcpy(request.name, "fine");
    s.issuer.cert.not_after_s = PKI_NOW_S;
    expect_refused(&s, &request, "the issuer's own certificate");
}

TEST(a_ticket_gives_its_scopes_and_its_name) {
    scene s;
    mesh_signed made;
    const char *refusal;
    mesh_chain chain;
    mesh_trust trust = pki_trust();
    mesh_enrol_request request = {.x25519 = {1}};
    uint8_t secret[MESH_SIGN_SECRET_LEN];
    pki_sign_key(NEW_HOST, request.ed25519, secret);
    make(&s);
    (void)strcpy(s.ticket.name, "db-1");
    (void)strcpy(s.ticket.scopes[0], "serve:db");
    EXPECT_OK(mesh_enrol_judge(&s.issuer, &s.ticket, &request, &(mesh_moment){PKI_NOW_S, {1}},
                               &made, &refusal));
    const mesh_bytes certs[] = {s.chain[0], {made.bytes, made.len}};
    EXPECT_OK(mesh_chain_verify(&trust, certs, 2, PKI_NOW_S, &chain));
    EXPECT_TEXT("db-1", chain.host.name);
    EXPECT_EQ(1, chain.host.scope_count);
    EXPECT_TEXT("serve:db", chain.host.scopes[0]);
}

TEST(more_than_was_agreed_is_refused) {
    scene s;
    make(&s);
    EXPECT_OK(ask(&s, NULL));
    mesh_bytes more = {(const uint8_t *)"x", 1};
    EXPECT_EQ(MESH_EPROTO, mesh_enrol_receive(s.listener, PKI_NOW_S, &more));
    const uint8_t head[] = {0xff, 0xff};
    mesh_bytes huge = {head, sizeof head};
    EXPECT_EQ(MESH_ETOOBIG, mesh_enrol_receive(s.joiner, PKI_NOW_S, &huge));
    end(&s);
}

// ---- a joiner that has the token and does not keep to the rules

typedef struct liar {
    scene s;
    mesh_credentials self;
    mesh_handshake *handshake;
    uint8_t public[MESH_SIGN_KEY_LEN], secret[MESH_SIGN_SECRET_LEN];
    uint8_t proof[crypto_sign_BYTES + 1];
    size_t proof_len;
} liar;

static void carry_bare(mesh_handshake *from, mesh_enrol *to) {
    mesh_bytes out = mesh_handshake_output(from);
    size_t len = out.len;
    EXPECT_EQ(MESH_EAGAIN, mesh_enrol_receive(to, PKI_NOW_S, &out));
    mesh_handshake_sent(from, len);
}

// Until the link is sealed, with the right proof at hand.
static void begin_lie(liar *l) {
    make(&l->s);
    l->self = (mesh_credentials){
        .link_secret = {NEW_LINK}, .trust = pki_trust(), .minor_min = 1, .minor_max = 1};
    memcpy(l->self.cluster_id, l->s.self.cluster_id, MESH_ID_LEN);
    l->s.joiner = NULL;
    l->s.listener = mesh_enrol_listen(&l->s.self, &l->s.ticket.keys, (const uint8_t[32]){42});
    l->handshake = mesh_handshake_create(&(mesh_handshake_options){.self = &l->self,
                                                                   .is_dialler = true,
                                                                   .kind = MESH_KIND_ENROL,
                                                                   .ephemeral_secret = {41},
                                                                   .ticket = &l->s.ticket.keys});
    carry_bare(l->handshake, l->s.listener);
    mesh_bytes out = mesh_enrol_output(l->s.listener);
    size_t len = out.len;
    EXPECT_OK(mesh_handshake_receive(l->handshake, PKI_NOW_S, &out));
    mesh_enrol_sent(l->s.listener, len);
    carry_bare(l->handshake, l->s.listener);
    uint8_t text[16 + MESH_NOISE_HASH_LEN] = "warren-enrol-v1";
    memcpy(text + 16, mesh_handshake_hash(l->handshake), MESH_NOISE_HASH_LEN);
    pki_sign_key(NEW_HOST, l->public, l->secret);
    (void)crypto_sign_detached(l->proof, NULL, text, sizeof text, l->secret);
    l->proof_len = crypto_sign_BYTES;
}

// Protobuf by hand: the Request, and what is behind it.
static int end_lie(liar *l, mesh_bytes behind) {
    uint8_t record[2 + MESH_ENROL_REQUEST_LEN_MAX * 2] = {0}, *at = record + 2;
    *at++ = 1 << 3 | 2;
    *at++ = MESH_SIGN_KEY_LEN;
    memcpy(at, l->public, MESH_SIGN_KEY_LEN);
    at += MESH_SIGN_KEY_LEN;
    *at++ = 3 << 3 | 2;
    *at++ = (uint8_t)l->proof_len;
    memcpy(at, l->proof, l->proof_len);
    at += l->proof_len;
    if (behind.len > 0) memcpy(at, behind.data, behind.len);
    size_t len = (size_t)(at - record) - 2 + behind.len;
    mesh_cipher send, receive;
    mesh_handshake_split(l->handshake, &send, &receive);
    EXPECT_OK(mesh_cipher_seal(&send, (mesh_bytes){0}, record + 2, len));
    (void)store_be16(record, (uint32_t)len + MESH_CIPHER_TAG_LEN);
    mesh_bytes input = {record, 2 + len + MESH_CIPHER_TAG_LEN};
    int err = mesh_enrol_receive(l->s.listener, PKI_NOW_S, &input);
    mesh_handshake_destroy(l->handshake);
    end(&l->s);
    return err;
}

TEST(a_proof_has_one_form_and_is_of_this_key_and_this_link) {
    const mesh_bytes nothing = {0};
    liar l;
    begin_lie(&l);
    EXPECT_OK(end_lie(&l, nothing)); // the right one
    for (size_t at = 0; at < crypto_sign_BYTES; at += 7) {
        begin_lie(&l);
        l.proof[at] ^= 1;
        EXPECT_EQ(MESH_EPROTO, end_lie(&l, nothing));
    }
    for (size_t len = 0; len <= crypto_sign_BYTES + 1; len++) {
        begin_lie(&l);
        l.proof_len = len;
        EXPECT_EQ(len == crypto_sign_BYTES ? 0 : MESH_EPROTO, end_lie(&l, nothing));
    }
    begin_lie(&l);
    l.public[0] ^= 1; // a key that it has not
    EXPECT_EQ(MESH_EPROTO, end_lie(&l, nothing));
    begin_lie(&l);
    memset(l.proof, 0, sizeof l.proof);
    EXPECT_EQ(MESH_EPROTO, end_lie(&l, nothing));
    // A proof that was right on another link: its own first random key was another one.
    begin_lie(&l);
    const uint8_t label[16] = "warren-enrol-v1";
    (void)crypto_sign_detached(l.proof, NULL, label, sizeof label, l.secret);
    EXPECT_EQ(MESH_EPROTO, end_lie(&l, nothing));
}

// The group's order, little endian: s and s + L sign the same to a verifier that does not look
// (RFC 8032, 5.1.7; Wycheproof "SignatureMalleability").
TEST(a_malleable_proof_is_refused) {
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    liar l;
    begin_lie(&l);
    unsigned carried = 0;
    for (size_t i = 0; i < sizeof order; i++) {
        carried += (unsigned)l.proof[32 + i] + order[i];
        l.proof[32 + i] = (uint8_t)carried;
        carried >>= 8;
    }
    EXPECT_EQ(0, carried);
    EXPECT_EQ(MESH_EPROTO, end_lie(&l, (mesh_bytes){0}));
}

// With a key of small order and R the neutral element, s = 0 "signs" every text (Wycheproof, RFC
// 8032 leaves it open).
TEST(a_key_of_small_order_proves_nothing) {
    static const char *const points[] = {
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    };
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        liar l;
        begin_lie(&l);
        (void)sodium_hex2bin(l.public, sizeof l.public, points[i], 64, NULL, NULL, NULL);
        memset(l.proof, 0, sizeof l.proof);
        l.proof[0] = 1;
        EXPECT_EQ(MESH_EPROTO, end_lie(&l, (mesh_bytes){0}));
    }
}

TEST(a_request_with_an_unknown_field_or_too_long_a_one_is_refused) {
    liar l;
    const uint8_t unknown[] = {9 << 3, 1};
    begin_lie(&l);
    EXPECT_EQ(MESH_EPROTO, end_lie(&l, (mesh_bytes){unknown, sizeof unknown}));
    uint8_t name[2 + 64] = {2 << 3 | 2, 64};
    memset(name + 2, 'n', 64);
    begin_lie(&l);
    EXPECT_EQ(MESH_EPROTO, end_lie(&l, (mesh_bytes){name, sizeof name}));
    name[1] = 63;
    begin_lie(&l);
    EXPECT_OK(end_lie(&l, (mesh_bytes){name, sizeof name - 1}));
    static const uint8_t much[MESH_ENROL_REQUEST_LEN_MAX];
    begin_lie(&l);
    EXPECT_EQ(MESH_ETOOBIG, end_lie(&l, (mesh_bytes){much, sizeof much}));
}
