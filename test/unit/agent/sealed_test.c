// Who can open a secret of the cluster, and who is believed when he says that this is one.
#include "agent/sealed.h"

#include <stdio.h>

#include <sodium.h>

#include "core/error.h"
#include "pki.h"
#include "test.h"

enum { ADA = 10, BOB = 11, CY = 12 };

static uint8_t bytes[AGENT_SEALED_LEN_MAX], others[AGENT_SEALED_LEN_MAX];
static agent_sealed_secret is;

static agent_sealer host(uint8_t number, uint64_t now_s) {
    static pki_host pki;
    agent_sealer self = {.until_s = now_s + PKI_DAY_S};
    EXPECT_TRUE(sodium_init() >= 0);
    pki_host_init(&pki, number, now_s, "*");
    self.trust = pki_trust();
    memcpy(self.cluster_id, pki.signer.cert.cluster_id, MESH_ID_LEN);
    memcpy(self.host_id, pki.signer.cert.host_id, MESH_ID_LEN);
    memcpy(self.sign_secret, pki.signer.secret, sizeof self.sign_secret);
    (void)snprintf(self.name, sizeof self.name, "%s", pki.signer.cert.name);
    for (size_t i = 0; i < 2; i++) {
        self.chain[i].len = pki.chain[i].len;
        memcpy(self.chain[i].bytes, pki.chain[i].data, pki.chain[i].len);
    }
    memset(self.key_secret, number, sizeof self.key_secret);
    (void)crypto_scalarmult_base(self.key, self.key_secret);
    return self;
}

static agent_sealed_keys keys_of(const agent_sealer *const *hosts, size_t count) {
    agent_sealed_keys keys = {.count = count};
    for (size_t i = 0; i < count; i++)
        memcpy(keys.keys[i], hosts[i]->key, AGENT_SEALED_KEY_LEN);
    return keys;
}

// Version 7 of WORD, which ada sets for herself and bob.
static mesh_bytes set(const agent_sealer *ada, const agent_sealer *bob, const char *value) {
    agent_sealed_keys keys = keys_of((const agent_sealer *const[]){ada, bob}, 2);
    agent_sealed_wanted wanted = {.name = "WORD",
                                  .version = 7,
                                  .at_ms = 1234,
                                  .value = mesh_bytes_text(value),
                                  .keys = &keys};
    return (mesh_bytes){bytes, agent_sealed_set(ada, &wanted, bytes)};
}

static void expect_opens(const char *value, const agent_sealer *self, mesh_bytes sealed) {
    size_t len = 0;
    char *got = agent_sealed_open(self, sealed, &len);
    assert_non_null(got);
    EXPECT_TEXT(value, got);
    EXPECT_EQ(strlen(value), len);
    sodium_free(got);
}

static void expect_closed(const agent_sealer *self, mesh_bytes sealed) {
    size_t len;
    EXPECT_TRUE(agent_sealed_open(self, sealed, &len) == NULL);
}

TEST(the_hosts_that_it_is_sealed_for_can_open_it_and_no_other) {
    agent_sealer ada = host(ADA, PKI_NOW_S), bob = host(BOB, PKI_NOW_S), cy = host(CY, PKI_NOW_S);
    mesh_bytes sealed = set(&ada, &bob, "open sesame");
    EXPECT_OK(agent_sealed_read(&cy, "WORD", sealed, PKI_NOW_S, &is));
    EXPECT_EQ(7, is.version);
    EXPECT_EQ(1234, is.at_ms);
    EXPECT_EQ(2, is.key_count);
    EXPECT_TRUE(agent_sealed_is_for(&is, bob.key));
    EXPECT_FALSE(agent_sealed_is_for(&is, cy.key));
    expect_opens("open sesame", &ada, sealed);
    expect_opens("open sesame", &bob, sealed);
    expect_closed(&cy, sealed);
    EXPECT_TRUE(memmem(sealed.data, sealed.len, "sesame", 6) == NULL);
}

TEST(whoever_can_open_it_seals_it_for_others_and_whoever_cannot_does_not) {
    agent_sealer ada = host(ADA, PKI_NOW_S), bob = host(BOB, PKI_NOW_S), cy = host(CY, PKI_NOW_S);
    mesh_bytes sealed = set(&ada, &bob, "open sesame");
    EXPECT_OK(agent_sealed_read(&cy, "WORD", sealed, PKI_NOW_S, &is));
    agent_sealed_secret before = is;
    agent_sealed_keys keys = keys_of((const agent_sealer *const[]){&bob, &cy}, 2);
    EXPECT_EQ(0, agent_sealed_again(&cy, sealed, &keys, others));
    mesh_bytes again = {others, agent_sealed_again(&bob, sealed, &keys, others)};
    EXPECT_OK(agent_sealed_read(&cy, "WORD", again, PKI_NOW_S, &is));
    EXPECT_EQ(before.version, is.version);
    EXPECT_EQ(before.at_ms, is.at_ms);
    assert_memory_equal(before.digest, is.digest, sizeof is.digest);
    assert_memory_equal(bob.host_id, is.signer.host_id, MESH_ID_LEN);
    expect_opens("open sesame", &cy, again);
    expect_closed(&ada, again); // who is left out
}

TEST(another_value_has_another_key_so_who_is_left_out_learns_nothing) {
    agent_sealer ada = host(ADA, PKI_NOW_S), bob = host(BOB, PKI_NOW_S), cy = host(CY, PKI_NOW_S);
    (void)set(&ada, &bob, "one");
    mesh_bytes sealed = set(&ada, &cy, "two");
    expect_opens("two", &cy, sealed);
    expect_closed(&bob, sealed);
}

TEST(every_byte_of_it_counts) {
    agent_sealer ada = host(ADA, PKI_NOW_S), bob = host(BOB, PKI_NOW_S);
    mesh_bytes sealed = set(&ada, &bob, "x");
    for (size_t i = 0; i < sealed.len; i++) {
        bytes[i] ^= 1;
        EXPECT_TRUE(agent_sealed_read(&bob, "WORD", sealed, PKI_NOW_S, &is) != 0);
        bytes[i] ^= 1;
    }
    for (size_t len = 0; len < sealed.len; len++)
        EXPECT_TRUE(agent_sealed_read(&bob, "WORD", (mesh_bytes){bytes, len}, PKI_NOW_S, &is) != 0);
}

TEST(it_is_taken_under_its_own_name_only) {
    agent_sealer ada = host(ADA, PKI_NOW_S), bob = host(BOB, PKI_NOW_S);
    mesh_bytes sealed = set(&ada, &bob, "x");
    EXPECT_EQ(MESH_ECERT, agent_sealed_read(&bob, "OTHER", sealed, PKI_NOW_S, &is));
    char name[AGENT_SECRET_NAME_MAX];
    EXPECT_TRUE(agent_sealed_name(sealed, name));
    EXPECT_TEXT("WORD", name);
}

TEST(of_another_cluster_it_is_not_taken) {
    agent_sealer ada = host(ADA, PKI_NOW_S), bob = host(BOB, PKI_NOW_S);
    agent_sealer stranger = bob;
    mesh_bytes sealed = set(&ada, &bob, "x");
    stranger.trust.roots[0][0] ^= 1;
    EXPECT_EQ(MESH_ECERT, agent_sealed_read(&stranger, "WORD", sealed, PKI_NOW_S, &is));
    stranger = bob;
    stranger.cluster_id[0] ^= 1;
    EXPECT_EQ(MESH_ECERT, agent_sealed_read(&stranger, "WORD", sealed, PKI_NOW_S, &is));
}

TEST(whose_certificate_has_ended_is_not_believed_until_another_host_signs) {
    agent_sealer ada = host(ADA, PKI_NOW_S), bob = host(BOB, PKI_NOW_S);
    mesh_bytes sealed = set(&ada, &bob, "x");
    uint64_t later_s = PKI_NOW_S + UINT64_C(10) * PKI_DAY_S;
    EXPECT_EQ(MESH_ECERTTIME, agent_sealed_read(&bob, "WORD", sealed, later_s, &is));
    EXPECT_OK(agent_sealed_read(&bob, "WORD", sealed, 0, &is)); // that was kept before
    agent_sealer renewed = host(BOB, later_s);
    agent_sealed_keys keys = keys_of((const agent_sealer *const[]){&ada, &bob}, 2);
    mesh_bytes again = {others, agent_sealed_again(&renewed, sealed, &keys, others)};
    EXPECT_OK(agent_sealed_read(&ada, "WORD", again, later_s, &is));
    expect_opens("x", &ada, again);
}

TEST(one_kind_is_not_taken_for_another) {
    agent_sealer ada = host(ADA, PKI_NOW_S), bob = host(BOB, PKI_NOW_S);
    agent_sealed_signer signer;
    agent_sealed_revoked revoked = {.name = "bob"};
    uint8_t key[AGENT_SEALED_KEY_LEN];
    mesh_bytes recipient = {bytes, agent_sealed_recipient(&ada, bytes)};
    EXPECT_OK(agent_sealed_read_recipient(&bob, recipient, PKI_NOW_S, &signer, key));
    assert_memory_equal(ada.key, key, sizeof key);
    assert_memory_equal(ada.host_id, signer.host_id, MESH_ID_LEN);
    EXPECT_EQ(MESH_ECERT, agent_sealed_read_revoked(&bob, recipient, PKI_NOW_S, &signer, &revoked));
    EXPECT_EQ(MESH_ECERT, agent_sealed_read(&bob, "WORD", recipient, PKI_NOW_S, &is));
    memcpy(revoked.host_id, bob.host_id, MESH_ID_LEN);
    mesh_bytes gone = {bytes, agent_sealed_revoke(&ada, &revoked, bytes)};
    agent_sealed_revoked read = {.name = ""};
    EXPECT_OK(agent_sealed_read_revoked(&bob, gone, PKI_NOW_S, &signer, &read));
    assert_memory_equal(bob.host_id, read.host_id, MESH_ID_LEN);
    EXPECT_TEXT("bob", read.name);
    EXPECT_EQ(MESH_ECERT, agent_sealed_read_recipient(&bob, gone, PKI_NOW_S, &signer, key));
}

TEST(a_key_for_which_nothing_can_be_sealed_is_nobodys) {
    agent_sealer ada = host(ADA, PKI_NOW_S), bob = host(BOB, PKI_NOW_S);
    agent_sealed_signer signer;
    uint8_t key[AGENT_SEALED_KEY_LEN];
    memset(ada.key, 0, sizeof ada.key);
    mesh_bytes recipient = {bytes, agent_sealed_recipient(&ada, bytes)};
    EXPECT_EQ(MESH_EINVAL, agent_sealed_read_recipient(&bob, recipient, PKI_NOW_S, &signer, key));
}

TEST(what_is_removed_says_so_and_has_nothing_in_it) {
    agent_sealer ada = host(ADA, PKI_NOW_S), bob = host(BOB, PKI_NOW_S);
    agent_sealed_keys keys = {.count = 0};
    agent_sealed_wanted wanted = {.name = "WORD", .version = 8, .is_removed = true, .keys = &keys};
    mesh_bytes gone = {bytes, agent_sealed_set(&ada, &wanted, bytes)};
    EXPECT_OK(agent_sealed_read(&bob, "WORD", gone, PKI_NOW_S, &is));
    EXPECT_TRUE(is.is_removed);
    expect_closed(&ada, gone);
    // Anybody may say it again.
    mesh_bytes again = {others, agent_sealed_again(&bob, gone, &keys, others)};
    EXPECT_OK(agent_sealed_read(&ada, "WORD", again, PKI_NOW_S, &is));
    EXPECT_TRUE(is.is_removed);
}

TEST(the_largest_value_for_the_most_hosts_fits) {
    static char value[AGENT_SECRET_LEN_MAX + 1];
    static agent_sealed_keys keys = {.count = AGENT_SEALED_HOSTS_MAX};
    agent_sealer ada = host(ADA, PKI_NOW_S), bob = host(BOB, PKI_NOW_S);
    char name[AGENT_SECRET_NAME_MAX];
    memset(value, 'v', AGENT_SECRET_LEN_MAX);
    memset(name, 'N', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    memset(ada.name, 'a', sizeof ada.name - 1);
    for (size_t i = 0; i < keys.count; i++) {
        uint8_t secret[AGENT_SEALED_KEY_LEN] = {(uint8_t)i, 1};
        (void)crypto_scalarmult_base(keys.keys[i], secret);
    }
    memcpy(keys.keys[AGENT_SEALED_HOSTS_MAX - 1], bob.key, AGENT_SEALED_KEY_LEN);
    agent_sealed_wanted wanted = {.name = name,
                                  .version = UINT64_MAX,
                                  .at_ms = UINT64_MAX,
                                  .value = mesh_bytes_text(value),
                                  .keys = &keys};
    mesh_bytes sealed = {bytes, agent_sealed_set(&ada, &wanted, bytes)};
    EXPECT_TRUE(sealed.len + (size_t)2 * MESH_CERT_LEN_MAX < AGENT_SEALED_LEN_MAX);
    EXPECT_OK(agent_sealed_read(&bob, name, sealed, PKI_NOW_S, &is));
    EXPECT_EQ(AGENT_SEALED_HOSTS_MAX, is.key_count);
    expect_opens(value, &bob, sealed);
}
