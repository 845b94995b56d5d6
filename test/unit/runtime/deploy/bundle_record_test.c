// Who signed a release, and what a record of one may not say.
#include "deploy/bundle_record.h"

#include <stdio.h>

#include <sodium.h>

#include "core/error.h"
#include "pki.h"
#include "test.h"

static uint8_t bytes[DEPLOY_RECORD_LEN_MAX];

static deploy_record record_of(const char *project) {
    deploy_record record = {
        .manifest = {{1, 2, 3}}, .manifest_len = 1000, .manifest_chunk_count = 1, .len = 77};
    (void)snprintf(record.project, sizeof record.project, "%s", project);
    record.at_ms = PKI_NOW_S * UINT64_C(1000);
    return record;
}

static deploy_signer alone(void) {
    deploy_signer signer = {.chain_count = 0};
    uint8_t key[MESH_SIGN_KEY_LEN];
    (void)crypto_sign_keypair(key, signer.secret);
    return signer;
}

TEST(a_host_of_no_cluster_signs_with_its_own_key) {
    deploy_signer signer = alone();
    deploy_record record = record_of("shop"), out;
    mesh_bytes it = {bytes, deploy_record_sign(&record, &signer, bytes)};
    EXPECT_OK(deploy_record_open(it, NULL, &out));
    EXPECT_TEXT("shop", out.project);
    EXPECT_EQ(77, out.len);
    EXPECT_FALSE(out.has_chain);
    assert_memory_equal(record.manifest.bytes, out.manifest.bytes, DEPLOY_HASH_LEN);
}

TEST(every_byte_of_it_counts) {
    deploy_signer signer = alone();
    deploy_record record = record_of("shop"), out;
    mesh_bytes it = {bytes, deploy_record_sign(&record, &signer, bytes)};
    for (size_t i = 0; i < it.len; i++) {
        bytes[i] ^= 1;
        EXPECT_TRUE(deploy_record_open(it, NULL, &out) != 0);
        bytes[i] ^= 1;
    }
    for (size_t len = 0; len < it.len; len++)
        EXPECT_TRUE(deploy_record_open((mesh_bytes){bytes, len}, NULL, &out) != 0);
}

TEST(what_breaks_a_rule_is_refused_however_well_it_is_signed) {
    deploy_signer signer = alone();
    deploy_record out, cases[] = {record_of(""), record_of("../shop"), record_of("shop"),
                                  record_of("shop"), record_of("shop")};
    cases[2].manifest_len = DEPLOY_MANIFEST_LEN_MAX + UINT64_C(1);
    cases[3].manifest_chunk_count = 2;
    cases[4].len = DEPLOY_BUNDLE_LEN_MAX + 1;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_bytes it = {bytes, deploy_record_sign(&cases[i], &signer, bytes)};
        EXPECT_EQ(MESH_EINVAL, deploy_record_open(it, NULL, &out));
    }
}

static deploy_signer of_host(pki_host *host, uint8_t key, uint64_t now_s) {
    pki_host_init(host, key, now_s, "*");
    deploy_signer signer = {.chain_count = 2};
    memcpy(signer.secret, host->signer.secret, sizeof signer.secret);
    memcpy(signer.chain, host->chain, sizeof signer.chain);
    return signer;
}

TEST(a_host_of_the_cluster_is_believed_also_when_its_certificate_has_expired_since) {
    pki_host host;
    mesh_trust trust = pki_trust();
    deploy_signer signer = of_host(&host, 5, PKI_NOW_S);
    deploy_record record = record_of("shop"), out;
    mesh_bytes it = {bytes, deploy_record_sign(&record, &signer, bytes)};
    EXPECT_OK(deploy_record_open(it, &trust, &out));
    EXPECT_TRUE(out.has_chain);
    EXPECT_TEXT(host.signer.cert.name, out.host);
    record.at_ms += UINT64_C(2000) * PKI_DAY_S; // signed when it was not valid
    it.len = deploy_record_sign(&record, &signer, bytes);
    EXPECT_EQ(MESH_ECERTTIME, deploy_record_open(it, &trust, &out));
}

TEST(nobody_else_is_believed) {
    pki_host host;
    mesh_trust trust = pki_trust();
    deploy_signer signer = alone();
    deploy_record record = record_of("shop"), out;
    mesh_bytes it = {bytes, deploy_record_sign(&record, &signer, bytes)};
    EXPECT_EQ(MESH_ECERT, deploy_record_open(it, &trust, &out));
    // Somebody shows the certificates of another one.
    deploy_signer other = of_host(&host, 5, PKI_NOW_S);
    memcpy(other.secret, signer.secret, sizeof other.secret);
    it.len = deploy_record_sign(&record, &other, bytes);
    EXPECT_EQ(MESH_ECERT, deploy_record_open(it, &trust, &out));
    trust.roots[0][0] ^= 1;
    other = of_host(&host, 5, PKI_NOW_S);
    it.len = deploy_record_sign(&record, &other, bytes);
    EXPECT_EQ(MESH_ECERT, deploy_record_open(it, &trust, &out));
}
