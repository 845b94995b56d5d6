#include "secure/issue.h"

#include "core/error.h"
#include "pki.h"
#include "test.h"

enum { HOST = 10, LINK = 16, NODE_LINK = 24, NODE_ID = 7 };

static const mesh_moment now = {.now_s = PKI_NOW_S, .serial = {1}};

static mesh_signer signer(mesh_role role, uint8_t key) {
    uint8_t public[MESH_SIGN_KEY_LEN];
    mesh_signer made = {.cert = pki_cert(role, key, LINK)};
    pki_sign_key(key, public, made.secret);
    return made;
}

typedef struct line { // a chain that was issued, not made by hand
    mesh_signed certs[MESH_CHAIN_MAX];
    mesh_bytes chain[MESH_CHAIN_MAX];
} line;

static void issue(line *l, const mesh_cert *host) {
    mesh_signer root = signer(MESH_ROLE_ISSUER, PKI_ROOT),
                issuer = signer(MESH_ROLE_ISSUER, PKI_ISSUER);
    EXPECT_OK(mesh_issue_issuer(root.secret, issuer.cert.ed25519, "issuer", &now, &l->certs[0]));
    EXPECT_OK(mesh_issue_host(&issuer, host, &now, &l->certs[1]));
    mesh_signer below = signer(MESH_ROLE_HOST, HOST);
    mesh_cert node = pki_cert(MESH_ROLE_NODE, HOST, NODE_LINK);
    below.cert.scope_count = host->scope_count;
    memcpy(below.cert.scopes, host->scopes, sizeof host->scopes);
    node.node_number = NODE_ID;
    EXPECT_OK(mesh_issue_node(&below, &node, &now, &l->certs[2]));
    for (int i = 0; i < MESH_CHAIN_MAX; i++)
        l->chain[i] = (mesh_bytes){l->certs[i].bytes, l->certs[i].len};
}

TEST(what_is_issued_is_a_chain_that_everybody_takes) {
    line l;
    mesh_chain chain;
    mesh_trust trust = pki_trust();
    mesh_cert host = pki_cert(MESH_ROLE_HOST, HOST, LINK);
    (void)strcpy(host.scopes[0], "call:billing");
    issue(&l, &host);
    EXPECT_OK(mesh_chain_verify(&trust, l.chain, 2, PKI_NOW_S, &chain));
    EXPECT_EQ(MESH_ROLE_HOST, chain.host.role);
    EXPECT_OK(mesh_chain_verify(&trust, l.chain, 3, PKI_NOW_S, &chain));
    EXPECT_EQ(NODE_ID, chain.node.node_number);
    EXPECT_TEXT("call:billing", chain.node.scopes[0]); // its host's
    assert_memory_equal(now.serial, chain.node.serial, MESH_ID_LEN);
}

TEST(an_issuer_lives_a_year_a_host_a_week_a_node_a_day) {
    line l;
    mesh_chain chain;
    mesh_trust trust = pki_trust();
    mesh_cert host = pki_cert(MESH_ROLE_HOST, HOST, LINK);
    mesh_signer issuer = signer(MESH_ROLE_ISSUER, PKI_ISSUER);
    issue(&l, &host);
    EXPECT_OK(mesh_chain_read(&trust, l.chain, 3, &chain));
    EXPECT_EQ(365 * PKI_DAY_S, chain.issuer.not_after_s - chain.issuer.not_before_s);
    EXPECT_EQ(PKI_DAY_S, chain.node.not_after_s - PKI_NOW_S);
    issuer.cert.not_after_s = PKI_NOW_S + 100 * PKI_DAY_S;
    EXPECT_OK(mesh_issue_host(&issuer, &host, &now, &l.certs[1]));
    l.chain[1].len = l.certs[1].len;
    EXPECT_OK(mesh_chain_read(&trust, l.chain, 2, &chain));
    EXPECT_EQ(7 * PKI_DAY_S, chain.host.not_after_s - PKI_NOW_S);
}

TEST(nobody_outlives_who_signed_it_and_the_expired_sign_nothing) {
    line l;
    mesh_chain chain;
    mesh_trust trust = pki_trust();
    mesh_cert host = pki_cert(MESH_ROLE_HOST, HOST, LINK);
    mesh_signer issuer = signer(MESH_ROLE_ISSUER, PKI_ISSUER); // ends in a day
    issue(&l, &host);
    EXPECT_OK(mesh_chain_read(&trust, l.chain, 2, &chain));
    EXPECT_EQ(issuer.cert.not_after_s, chain.host.not_after_s);
    mesh_moment late = {.now_s = issuer.cert.not_after_s};
    EXPECT_EQ(MESH_ECERTTIME, mesh_issue_host(&issuer, &host, &late, &l.certs[1]));
    mesh_moment early = {.now_s = issuer.cert.not_before_s - MESH_CERT_TOLERANCE_S - 1};
    EXPECT_EQ(MESH_ECERTTIME, mesh_issue_host(&issuer, &host, &early, &l.certs[1]));
    early.now_s++; // two clocks may differ a little
    EXPECT_OK(mesh_issue_host(&issuer, &host, &early, &l.certs[1]));
}

TEST(nodes_of_a_host_whose_clock_is_ahead_have_certificates_that_others_take_now) {
    mesh_signed signed_node;
    mesh_chain chain;
    mesh_trust trust = pki_trust();
    mesh_cert host = pki_cert(MESH_ROLE_HOST, HOST, LINK);
    line l;
    issue(&l, &host);
    EXPECT_OK(mesh_chain_verify(&trust, l.chain, 2, PKI_NOW_S, &chain));
    mesh_signer below = signer(MESH_ROLE_HOST, HOST);
    below.cert = chain.host;
    mesh_cert node = pki_cert(MESH_ROLE_NODE, HOST, NODE_LINK);
    node.node_number = NODE_ID;
    mesh_moment ahead = {.now_s = PKI_NOW_S + 3000, .serial = {1}};
    EXPECT_OK(mesh_issue_node(&below, &node, &ahead, &signed_node));
    l.chain[2] = (mesh_bytes){signed_node.bytes, signed_node.len};
    EXPECT_OK(mesh_chain_verify(&trust, l.chain, 3, PKI_NOW_S, &chain));
    EXPECT_TRUE(mesh_cert_renew_at_s(&chain.node) > ahead.now_s); // and not asked for anew at once
}

TEST(a_certificate_that_nobody_would_take_is_not_issued) {
    mesh_signed out = {.len = 77};
    mesh_signer issuer = signer(MESH_ROLE_ISSUER, PKI_ISSUER),
                node_host = signer(MESH_ROLE_HOST, HOST);
    mesh_cert host = pki_cert(MESH_ROLE_HOST, HOST, LINK),
              node = pki_cert(MESH_ROLE_NODE, HOST, LINK);
    (void)strcpy(host.name, "not a name");
    EXPECT_EQ(MESH_EINVAL, mesh_issue_host(&issuer, &host, &now, &out));
    EXPECT_EQ(MESH_EINVAL, mesh_issue_node(&node_host, &node, &now, &out)); // node id 0
    host = pki_cert(MESH_ROLE_HOST, HOST, LINK);
    host.scope_count = MESH_SCOPES_MAX; // too long together
    for (size_t i = 0; i < MESH_SCOPES_MAX; i++)
        (void)strcpy(host.scopes[i], "subscribe:abcdefghijklmnopqrstuvwxyz");
    EXPECT_EQ(MESH_EINVAL, mesh_issue_host(&issuer, &host, &now, &out));
    EXPECT_EQ(77, out.len);
}

TEST(a_certificate_is_renewed_after_two_thirds_of_its_life) {
    mesh_cert cert = {.not_before_s = 1000, .not_after_s = 1000 + MESH_HOST_LIFE_S};
    EXPECT_EQ(1000 + MESH_HOST_LIFE_S / 3 * 2, mesh_cert_renew_at_s(&cert));
}
