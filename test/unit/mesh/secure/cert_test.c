#include "secure/cert.h"

#include <sodium.h>

#include "cert.pb-c.h"
#include "core/error.h"
#include "test.h"

enum { NOW_S = 1000000, DAY_S = 86400, LEVELS = 4 };

// Keys made from a number, and what a cluster is made of.
typedef struct pki {
    uint8_t secret[LEVELS][MESH_SIGN_SECRET_LEN],
        public[LEVELS][MESH_SIGN_KEY_LEN]; // root, issuer, host, another host
    mesh_trust trust;
    mesh_cert issuer, host, node;
    uint8_t bytes[MESH_CHAIN_MAX][MESH_CERT_LEN_MAX];
    mesh_bytes chain[MESH_CHAIN_MAX + 1];
} pki;

static mesh_cert cert_of(const pki *p, mesh_role role, int level) {
    mesh_cert cert = {.role = role, .not_before_s = NOW_S - DAY_S, .not_after_s = NOW_S + DAY_S};
    mesh_cluster_id_of(p->public[0], cert.cluster_id);
    memcpy(cert.ed25519, p->public[level], MESH_SIGN_KEY_LEN);
    memset(cert.x25519, level, MESH_LINK_KEY_LEN);
    mesh_host_id_of(cert.ed25519, cert.host_id);
    (void)snprintf(cert.name, sizeof cert.name, "level-%d", level);
    return cert;
}

static void add_scope(mesh_cert *cert, const char *scope) {
    (void)snprintf(cert->scopes[cert->scope_count++], MESH_SCOPE_LEN_MAX + 1, "%s", scope);
}

static void issue(pki *p, int at, const mesh_cert *cert, int signer) {
    size_t len;
    EXPECT_OK(mesh_cert_issue(cert, p->secret[signer], p->bytes[at], &len));
    p->chain[at] = (mesh_bytes){p->bytes[at], len};
}

static void issue_all(pki *p) {
    issue(p, 0, &p->issuer, 0);
    issue(p, 1, &p->host, 1);
    issue(p, 2, &p->node, 2);
}

static void make(pki *p) {
    *p = (pki){.trust = {.root_count = 1}};
    for (int i = 0; i < LEVELS; i++) {
        uint8_t seed[crypto_sign_SEEDBYTES] = {(uint8_t)(i + 1)};
        EXPECT_OK(crypto_sign_seed_keypair(p->public[i], p -> secret[i], seed));
    }
    memcpy(p->trust.roots[0], p->public[0], MESH_SIGN_KEY_LEN);
    p->issuer = cert_of(p, MESH_ROLE_ISSUER, 1);
    p->host = cert_of(p, MESH_ROLE_HOST, 2);
    add_scope(&p->host, "*");
    p->node = cert_of(p, MESH_ROLE_NODE, 2);
    p->node.node_number = 7;
    add_scope(&p->node, "serve:api");
    add_scope(&p->node, "call:>");
    issue_all(p);
}

static int verify(const pki *p, size_t count) {
    mesh_chain out;
    return mesh_chain_verify(&p->trust, p->chain, count, NOW_S, &out);
}

TEST(a_chain_tells_who_the_peer_is) {
    pki p;
    mesh_chain chain;
    make(&p);
    EXPECT_OK(mesh_chain_verify(&p.trust, p.chain, 3, NOW_S, &chain));
    const mesh_cert *leaf = mesh_chain_leaf(&chain);
    EXPECT_EQ(MESH_ROLE_NODE, leaf->role);
    EXPECT_EQ(7, leaf->node_number);
    EXPECT_EQ(mesh_node_id_of(leaf->host_id, 7), leaf->node_id);
    EXPECT_EQ(2, leaf->x25519[0]);
    assert_memory_equal(p.host.host_id, leaf->host_id, MESH_ID_LEN);
    EXPECT_TEXT("call:>", leaf->scopes[1]);
    EXPECT_OK(mesh_chain_verify(&p.trust, p.chain, 2, NOW_S, &chain));
    EXPECT_EQ(MESH_ROLE_HOST, mesh_chain_leaf(&chain)->role);
    EXPECT_TEXT("level-2", mesh_chain_leaf(&chain)->name);
}

TEST(every_flipped_bit_of_a_chain_is_found) {
    pki p;
    make(&p);
    for (int at = 0; at < MESH_CHAIN_MAX; at++) {
        for (size_t bit = 0; bit < 8 * p.chain[at].len; bit++) {
            p.bytes[at][bit / 8] ^= (uint8_t)(1 << bit % 8);
            EXPECT_EQ(MESH_ECERT, verify(&p, 3));
            p.bytes[at][bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    EXPECT_OK(verify(&p, 3));
}

TEST(every_cut_of_a_certificate_is_found) {
    pki p;
    make(&p);
    for (int at = 0; at < MESH_CHAIN_MAX; at++) {
        size_t whole = p.chain[at].len;
        for (p.chain[at].len = 0; p.chain[at].len < whole; p.chain[at].len++)
            EXPECT_EQ(MESH_ECERT, verify(&p, 3));
    }
}

TEST(a_chain_has_two_or_three_certificates_in_their_order) {
    pki p;
    make(&p);
    EXPECT_EQ(MESH_ECERT, verify(&p, 0));
    EXPECT_EQ(MESH_ECERT, verify(&p, 1));
    p.chain[3] = p.chain[2];
    EXPECT_EQ(MESH_ECERT, verify(&p, 4));
    mesh_bytes host = p.chain[1];
    p.chain[1] = p.chain[2];
    p.chain[2] = host;
    EXPECT_EQ(MESH_ECERT, verify(&p, 3));
    p.chain[1] = p.chain[0];
    EXPECT_EQ(MESH_ECERT, verify(&p, 2));
}

TEST(only_the_one_above_may_sign) {
    pki p;
    make(&p);
    issue(&p, 0, &p.issuer, 3); // a root of another's
    EXPECT_EQ(MESH_ECERT, verify(&p, 2));
    make(&p);
    issue(&p, 1, &p.host, 0); // the root itself
    EXPECT_EQ(MESH_ECERT, verify(&p, 2));
    make(&p);
    issue(&p, 1, &p.host, 2); // signed by itself
    EXPECT_EQ(MESH_ECERT, verify(&p, 2));
    make(&p);
    issue(&p, 2, &p.node, 1); // by the issuer, past the host
    EXPECT_EQ(MESH_ECERT, verify(&p, 3));
    make(&p);
    issue(&p, 2, &p.node, 3); // by another host
    EXPECT_EQ(MESH_ECERT, verify(&p, 3));
}

TEST(a_host_makes_no_hosts_and_an_administrator_no_nodes) {
    pki p;
    make(&p);
    mesh_cert other = cert_of(&p, MESH_ROLE_HOST, 3);
    issue(&p, 2, &other, 2);
    EXPECT_EQ(MESH_ECERT, verify(&p, 3));
    make(&p);
    p.host.role = MESH_ROLE_ADMIN;
    issue_all(&p);
    EXPECT_OK(verify(&p, 2));
    EXPECT_EQ(MESH_ECERT, verify(&p, 3));
    make(&p);
    p.issuer.role = MESH_ROLE_HOST; // a host that the root has signed is no issuer
    issue_all(&p);
    EXPECT_EQ(MESH_ECERT, verify(&p, 2));
}

TEST(an_id_belongs_to_a_key) {
    pki p;
    make(&p);
    p.host.host_id[0] ^= 1;
    size_t len;
    EXPECT_EQ(MESH_EINVAL, mesh_cert_issue(&p.host, p.secret[1], p.bytes[1], &len));
    make(&p);
    mesh_cert other = cert_of(&p, MESH_ROLE_HOST, 3);
    memcpy(p.node.host_id, other.host_id, MESH_ID_LEN); // a node of another host's
    issue(&p, 2, &p.node, 2);
    EXPECT_EQ(MESH_ECERT, verify(&p, 3));
}

TEST(all_of_a_chain_are_of_the_cluster_whose_root_is_trusted) {
    pki p;
    for (int at = 0; at < MESH_CHAIN_MAX; at++) {
        make(&p);
        mesh_cert *certs[] = {&p.issuer, &p.host, &p.node};
        certs[at]->cluster_id[3] ^= 1;
        issue_all(&p);
        EXPECT_EQ(MESH_ECERT, verify(&p, 3));
    }
    make(&p); // agreeing among themselves is not enough
    p.issuer.cluster_id[3] ^= 1;
    p.host.cluster_id[3] ^= 1;
    p.node.cluster_id[3] ^= 1;
    issue_all(&p);
    EXPECT_EQ(MESH_ECERT, verify(&p, 3));
    make(&p);
    p.trust.root_count = 0;
    EXPECT_EQ(MESH_ECERT, verify(&p, 2));
    p.trust.root_count = 2; // the new root first, the old one still believed
    memcpy(p.trust.roots[1], p.public[0], MESH_SIGN_KEY_LEN);
    memcpy(p.trust.roots[0], p.public[3], MESH_SIGN_KEY_LEN);
    EXPECT_OK(verify(&p, 3));
}

TEST(times_have_five_minutes_of_tolerance_at_both_ends) {
    pki p;
    mesh_chain chain;
    make(&p);
    const uint64_t first = NOW_S - DAY_S - MESH_CERT_TOLERANCE_S,
                   last = NOW_S + DAY_S + MESH_CERT_TOLERANCE_S;
    EXPECT_OK(mesh_chain_verify(&p.trust, p.chain, 3, first, &chain));
    EXPECT_OK(mesh_chain_verify(&p.trust, p.chain, 3, last, &chain));
    EXPECT_EQ(MESH_ECERTTIME, mesh_chain_verify(&p.trust, p.chain, 3, first - 1, &chain));
    EXPECT_EQ(MESH_ECERTTIME, mesh_chain_verify(&p.trust, p.chain, 3, last + 1, &chain));
    EXPECT_EQ(MESH_ECERTTIME, mesh_chain_verify(&p.trust, p.chain, 3, UINT64_MAX - 1, &chain));
    for (int at = 0; at < MESH_CHAIN_MAX; at++) { // of each of them
        make(&p);
        mesh_cert *certs[] = {&p.issuer, &p.host, &p.node};
        certs[at]->not_after_s = NOW_S - MESH_CERT_TOLERANCE_S - 1;
        issue_all(&p);
        EXPECT_EQ(MESH_ECERTTIME, verify(&p, 3));
    }
}

TEST(a_node_may_not_do_what_its_host_may_not) {
    static const struct {
        const char *host, *node;
        int want;
    } rows[] = {
        {"*", "*", 0},
        {"call:>", "*", MESH_ECERT},
        {"call:api", "call:api", 0},
        {"call:api", "call:web", MESH_ECERT},
        {"call:api", "serve:api", MESH_ECERT},
        {"call:>", "call:a.b", 0},
        {"call:*", "call:a.b", MESH_ECERT},
        {"call:*", "call:>", MESH_ECERT},
        {"subscribe:o.>", "subscribe:o.*", 0},
        {"subscribe:o.*", "subscribe:o.>", MESH_ECERT},
        {"subscribe:o.>", "subscribe:>", MESH_ECERT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pki p;
        make(&p);
        p.host.scope_count = p.node.scope_count = 0;
        add_scope(&p.host, rows[i].host);
        add_scope(&p.node, rows[i].node);
        issue_all(&p);
        EXPECT_EQ(rows[i].want, verify(&p, 3));
    }
}

TEST(scopes_allow_what_they_say) {
    static const struct {
        const char *scope;
        mesh_verb verb;
        bool want;
        const char *name;
    } rows[] = {
        {"*", MESH_VERB_SERVE, true, "api"},
        {"serve:api", MESH_VERB_SERVE, true, "api"},
        {"serve:api", MESH_VERB_CALL, false, "api"},
        {"serve:api", MESH_VERB_SERVE, false, "apis"},
        {"call:*", MESH_VERB_CALL, true, "api"},
        {"call:*", MESH_VERB_CALL, false, "a.b"},
        {"call:>", MESH_VERB_CALL, true, "a.b"},
        {"publish:o.>", MESH_VERB_PUBLISH, true, "o.eu.new"},
        {"publish:o.>", MESH_VERB_PUBLISH, false, "o"},
        {"publish:>", MESH_VERB_PUBLISH, false, "o.*"},
        {"subscribe:o.>", MESH_VERB_SUBSCRIBE, true, "o.*"},
        {"subscribe:o.>", MESH_VERB_SUBSCRIBE, false, ">"},
        {"subscribe:o.*", MESH_VERB_SUBSCRIBE, false, "o.>"},
        {"subscribe:*", MESH_VERB_SUBSCRIBE, false, ">"},
        {"subscribe:>", MESH_VERB_SUBSCRIBE, true, ">"},
        {"*", MESH_VERB_PUBLISH, false, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mesh_cert cert = {0};
        add_scope(&cert, rows[i].scope);
        EXPECT_EQ(rows[i].want,
                  mesh_scope_allows(&cert, rows[i].verb, mesh_bytes_text(rows[i].name)));
    }
    EXPECT_FALSE(mesh_scope_allows(&(mesh_cert){0}, MESH_VERB_CALL, mesh_bytes_text("api")));
}

TEST(what_would_not_be_accepted_is_not_issued) {
    pki p;
    uint8_t out[MESH_CERT_LEN_MAX];
    size_t len;
    static const char *const bad_names[] = {"", "a b", "a\n", "\x1b[31m", "ö"};
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++) {
        make(&p);
        (void)snprintf(p.host.name, sizeof p.host.name, "%s", bad_names[i]);
        EXPECT_EQ(MESH_EINVAL, mesh_cert_issue(&p.host, p.secret[1], out, &len));
    }
    static const char *const bad_scopes[] = {"",          "eat:x",    "call:", "call",
                                             "call:a..b", "call:a b", "**"};
    for (size_t i = 0; i < sizeof bad_scopes / sizeof *bad_scopes; i++) {
        make(&p);
        p.host.scope_count = 0;
        add_scope(&p.host, bad_scopes[i]);
        EXPECT_EQ(MESH_EINVAL, mesh_cert_issue(&p.host, p.secret[1], out, &len));
    }
    make(&p);
    p.host.not_after_s = p.host.not_before_s;
    EXPECT_EQ(MESH_EINVAL, mesh_cert_issue(&p.host, p.secret[1], out, &len));
    make(&p);
    p.node.node_number = 0;
    EXPECT_EQ(MESH_EINVAL, mesh_cert_issue(&p.node, p.secret[2], out, &len));
    make(&p);
    for (p.host.scope_count = 0; p.host.scope_count < MESH_SCOPES_MAX;)
        add_scope(&p.host, "subscribe:a.name.that.takes.sixty.four.bytes.of.it.all.by.itself");
    EXPECT_EQ(MESH_EINVAL, mesh_cert_issue(&p.host, p.secret[1], out, &len)); // over 512 bytes
}

// Signs bytes that our own issuing would never write.
static void sign_raw(pki *p, int at, mesh_bytes tbs, mesh_bytes extra) {
    static uint8_t text[1024], signature[crypto_sign_BYTES];
    size_t label_len = sizeof "warren-cert-v1";
    memcpy(text, "warren-cert-v1", label_len);
    memcpy(text + label_len, tbs.data, tbs.len);
    EXPECT_OK(crypto_sign_detached(signature, NULL, text, label_len + tbs.len, p->secret[at]));
    Warren__Cert__SignedCert cert = WARREN__CERT__SIGNED_CERT__INIT;
    cert.tbs = (ProtobufCBinaryData){tbs.len, (uint8_t *)(uintptr_t)tbs.data};
    cert.signature = (ProtobufCBinaryData){sizeof signature, signature};
    size_t len = warren__cert__signed_cert__pack(&cert, p->bytes[at]);
    if (extra.len > 0) memcpy(p->bytes[at] + len, extra.data, extra.len);
    p->chain[at] = (mesh_bytes){p->bytes[at], len + extra.len};
}

static mesh_bytes tbs_of(mesh_bytes cert, uint8_t *room) {
    Warren__Cert__SignedCert *parsed = warren__cert__signed_cert__unpack(NULL, cert.len, cert.data);
    size_t len = parsed->tbs.len;
    memcpy(room, parsed->tbs.data, len);
    warren__cert__signed_cert__free_unpacked(parsed, NULL);
    return (mesh_bytes){room, len};
}

TEST(a_field_that_is_unknown_makes_it_void_signed_or_not) {
    static const uint8_t field_99[] = {0x98, 0x06, 0x01}; // 99: varint 1
    uint8_t room[MESH_CERT_LEN_MAX + sizeof field_99];
    pki p;
    make(&p);
    mesh_bytes tbs = tbs_of(p.chain[1], room);
    sign_raw(&p, 1, tbs, (mesh_bytes){0});
    EXPECT_OK(verify(&p, 2)); // as our own issuing does it
    sign_raw(&p, 1, tbs, (mesh_bytes){field_99, sizeof field_99});
    EXPECT_EQ(MESH_ECERT, verify(&p, 2));
    memcpy(room + tbs.len, field_99, sizeof field_99);
    sign_raw(&p, 1, (mesh_bytes){room, tbs.len + sizeof field_99}, (mesh_bytes){0});
    EXPECT_EQ(MESH_ECERT, verify(&p, 2));
}

// Ed25519's signatures are a pair (R, S); adding the group's order to S gives another one that a
// careless verifier takes for the same message, and keys of small order sign everything (Wycheproof
// ed25519).
TEST(signatures_have_one_form_and_keys_of_small_order_sign_nothing) {
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    pki p;
    make(&p);
    uint8_t *s = p.bytes[1] + p.chain[1].len - 32; // the signature is the last field
    unsigned carry = 0;
    for (int i = 0; i < 32; i++) {
        carry += (unsigned)s[i] + order[i];
        s[i] = (uint8_t)carry;
        carry >>= 8;
    }
    EXPECT_EQ(MESH_ECERT, verify(&p, 2));

    make(&p);
    uint8_t *signature = p.bytes[0] + p.chain[0].len - crypto_sign_BYTES;
    memset(signature, 0, crypto_sign_BYTES);
    signature[0] = 1; // R: the neutral element; S: 0
    memset(p.trust.roots[0], 0, MESH_SIGN_KEY_LEN);
    p.trust.roots[0][0] = 1;
    EXPECT_EQ(MESH_ECERT, verify(&p, 2));
}
