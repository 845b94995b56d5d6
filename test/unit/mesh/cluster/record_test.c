#include "cluster/record.h"

#include "core/error.h"
#include "pki.h"
#include "test.h"

static const uint8_t cluster_id[MESH_ID_LEN] = {1}, other_cluster[MESH_ID_LEN] = {2};
static uint8_t public[MESH_SIGN_KEY_LEN], secret[MESH_SIGN_SECRET_LEN];
static const mesh_verifier verifier = {cluster_id, mesh_verify_signature, NULL},
                           other_verifier = {other_cluster, mesh_verify_signature, NULL};

static mesh_alive alive(void) {
    pki_sign_key(PKI_ISSUER, public, secret);
    mesh_alive out = {.host_id = {5},
                      .stamp = {7, 8},
                      .boot_public = {9},
                      .minor_max = 2,
                      .payload = {1, 2, 3},
                      .zone = "rack-7",
                      .addr_count = 2};
    EXPECT_OK(mesh_addr_parse("10.0.0.1:7400", &out.addrs[0]));
    EXPECT_OK(mesh_addr_parse("[fe80::1]:7401", &out.addrs[1]));
    return out;
}

TEST(an_alive_reads_as_it_was_written) {
    uint8_t bytes[MESH_RECORD_SIGNED_MAX];
    mesh_alive written = alive();
    mesh_record record;
    size_t len = mesh_record_alive(&written, cluster_id, secret, bytes);
    EXPECT_OK(mesh_record_parse((mesh_bytes){bytes, len}, &record));
    EXPECT_EQ(MESH_RECORD_ALIVE, record.kind);
    EXPECT_TEXT("rack-7", record.alive.zone);
    EXPECT_EQ(0, mesh_stamp_compare(written.stamp, record.stamp));
    EXPECT_TRUE(mesh_payload_equal(&written.payload, &record.alive.payload));
    EXPECT_TRUE(mesh_addr_equal(&written.addrs[1], &record.alive.addrs[1]));
    EXPECT_TRUE(mesh_record_verify(&record, public, &verifier));
    EXPECT_FALSE(mesh_record_verify(&record, public, &other_verifier));
}

TEST(a_record_with_a_changed_bit_is_not_believed) {
    uint8_t bytes[MESH_RECORD_SIGNED_MAX];
    mesh_alive written = alive();
    mesh_record record;
    size_t len = mesh_record_alive(&written, cluster_id, secret, bytes);
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 1;
        bool is_believed = mesh_record_parse((mesh_bytes){bytes, len}, &record) == 0 &&
                           record.kind <= MESH_RECORD_LEFT &&
                           mesh_record_verify(&record, public, &verifier);
        EXPECT_FALSE(is_believed);
        bytes[i] ^= 1;
        EXPECT_TRUE(mesh_record_parse((mesh_bytes){bytes, i}, &record) != 0 ||
                    !mesh_record_verify(&record, public, &verifier));
    }
}

TEST(a_later_version_may_append_to_an_alive) {
    uint8_t bytes[MESH_RECORD_SIGNED_MAX];
    mesh_alive written = alive();
    mesh_record record;
    size_t len = mesh_record_alive(&written, cluster_id, secret, bytes);
    memmove(bytes + len - 60, bytes + len - MESH_SIGNATURE_LEN, MESH_SIGNATURE_LEN);
    EXPECT_OK(mesh_record_parse((mesh_bytes){bytes, len + 4}, &record));
    EXPECT_EQ(len + 4 - MESH_SIGNATURE_LEN, record.text.len);
}

TEST(an_accuser_counts_once_in_a_verdict) {
    uint8_t bytes[MESH_RECORD_SIGNED_MAX];
    mesh_witness witnesses[2];
    mesh_record record;
    (void)alive();
    for (uint8_t i = 0; i < 2; i++) {
        const uint8_t accuser[MESH_ID_LEN] = {i};
        mesh_record_accuse((const uint8_t[MESH_ID_LEN]){5}, (mesh_stamp){1, 2}, accuser, cluster_id,
                           secret, &witnesses[i]);
    }
    size_t len =
        mesh_record_dead((const uint8_t[MESH_ID_LEN]){5}, (mesh_stamp){1, 2}, witnesses, 2, bytes);
    EXPECT_OK(mesh_record_parse((mesh_bytes){bytes, len}, &record));
    EXPECT_EQ(2, record.witness_count);
    for (size_t i = 0; i < 2; i++)
        EXPECT_TRUE(mesh_record_verify_witness(record.host_id, record.stamp, &record.witnesses[i],
                                               public, &verifier));
    EXPECT_FALSE(mesh_record_verify_witness(record.host_id, (mesh_stamp){1, 3},
                                            &record.witnesses[0], public, &verifier));
    witnesses[1] = witnesses[0];
    len = mesh_record_dead(record.host_id, (mesh_stamp){1, 2}, witnesses, 2, bytes);
    EXPECT_EQ(MESH_EPROTO, mesh_record_parse((mesh_bytes){bytes, len}, &record));
}

TEST(addresses_are_numbers_with_a_port) {
    static const char *const bad[] = {"",          "10.0.0.1",    "10.0.0.1:0", "10.0.0.1:65536",
                                      "host:7400", "[::1]",       "::1:7400",   "10.0.0.1:74a",
                                      "[::1]:",    "10.0.0:7400", "[::1:7400",  "10.0.0.1:-1"};
    mesh_addr addr;
    char text[MESH_ADDR_TEXT_MAX];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT_EQ(MESH_EINVAL, mesh_addr_parse(bad[i], &addr));
    EXPECT_OK(mesh_addr_parse("[2001:db8::1]:7400", &addr));
    EXPECT_TEXT("[2001:db8::1]:7400", mesh_addr_text(&addr, text));
    EXPECT_OK(mesh_addr_parse("192.168.0.1:80", &addr));
    EXPECT_TEXT("192.168.0.1:80", mesh_addr_text(&addr, text));
}
