// Signed records of membership. What can be read keeps every limit, and an Alive that is written
// again reads the same.
#include "cluster/record.h"
#include "core/mem.h"
#include "fuzz.h"
#include "pki.h"

static void check_alive(const mesh_alive *alive) {
    uint8_t public[MESH_SIGN_KEY_LEN], secret[MESH_SIGN_SECRET_LEN], again[MESH_RECORD_SIGNED_MAX];
    static const uint8_t cluster_id[MESH_ID_LEN] = {7};
    mesh_record record;
    CHECK(alive->addr_count >= 1 && alive->addr_count <= MESH_HOST_ADDRS_MAX);
    CHECK(strlen(alive->zone) <= MESH_ZONE_LEN_MAX);
    pki_sign_key(PKI_ISSUER, public, secret);
    size_t len = mesh_record_alive(alive, cluster_id, secret, again);
    mesh_verifier verifier = {cluster_id, mesh_verify_signature, NULL};
    CHECK(mesh_record_parse((mesh_bytes){again, len}, &record) == 0);
    CHECK(mesh_record_verify(&record, public, &verifier));
    CHECK(mesh_stamp_compare(record.stamp, alive->stamp) == 0);
    CHECK(mesh_payload_equal(&record.alive.payload, &alive->payload));
    for (size_t i = 0; i < alive->addr_count; i++)
        CHECK(mesh_addr_equal(&record.alive.addrs[i], &alive->addrs[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mesh_record record;
    if (mesh_record_parse((mesh_bytes){data, size}, &record) != 0) return 0;
    CHECK(record.stamp.incarnation <= MESH_INCARNATION_MAX);
    CHECK(record.witness_count <= MESH_WITNESSES_MAX);
    if (record.kind == MESH_RECORD_ALIVE) check_alive(&record.alive);
    return 0;
}
