// What a host reads of a release that somebody offers: the first byte chooses its list, a chunk of
// it, who signed it, or what somebody signed. A list that is taken leads nowhere else and is
// written again as it was.
#include <stdlib.h>

#include <sodium.h>

#include "bundle.pb-c.h"
#include "core/mem.h"
#include "deploy/bundle_chunk.h"
#include "deploy/bundle_record.h"
#include "fuzz.h"

static uint64_t len_of(const deploy_entry *entry) {
    uint64_t len = 0;
    for (size_t i = 0; i < deploy_entry_chunk_count(entry); i++) {
        CHECK(deploy_entry_chunk(entry, i) != NULL);
        len += deploy_entry_chunk_len(entry, i);
    }
    return len;
}

static void check_path(const char *path) {
    CHECK(path[0] != '/' && strcmp(path, "..") != 0);
    CHECK(strncmp(path, "../", 3) != 0 && strstr(path, "/../") == NULL);
}

static void read_list(mesh_bytes input) {
    deploy_bundle bundle;
    char text[DEPLOY_TEXT_MAX] = "";
    int err = deploy_bundle_decode(input, &bundle, text);
    CHECK((err != 0) == (text[0] != '\0'));
    uint64_t len = 0;
    for (size_t i = 0; i < bundle.count; i++) {
        check_path(bundle.entries[i].path);
        CHECK(deploy_bundle_find(&bundle, bundle.entries[i].path) == &bundle.entries[i]);
        len += len_of(&bundle.entries[i]);
    }
    CHECK(len == bundle.len);
    deploy_bundle_deinit(&bundle);
}

static void read_chunk(mesh_bytes input) {
    deploy_hash hash;
    size_t len = 0;
    if (input.len < sizeof hash) return;
    memcpy(&hash, input.data, sizeof hash);
    uint8_t *out = mem_alloc(DEPLOY_CHUNK_LEN);
    if (deploy_chunk_open(mesh_bytes_skip(input, sizeof hash), &hash, out, &len) == 0)
        CHECK(len <= DEPLOY_CHUNK_LEN);
    free(out);
}

static void read_record(mesh_bytes input) {
    deploy_record record;
    mesh_trust trust = {.root_count = 1};
    if (deploy_record_open(input, NULL, &record) != 0) return;
    CHECK(record.manifest_chunk_count <= DEPLOY_MANIFEST_CHUNKS_MAX && record.project[0] != '\0');
    CHECK(deploy_record_open(input, &trust, &record) != 0);
}

// Well signed, whatever it is.
static void read_signed(mesh_bytes input) {
    static const char label[] = "warren-release-v1";
    uint8_t public[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES], seed[32] = {7};
    uint8_t signature[crypto_sign_BYTES], *text = mem_alloc(sizeof label + input.len);
    (void)crypto_sign_seed_keypair(public, secret, seed);
    memcpy(text, label, sizeof label);
    memcpy(text + sizeof label, input.data, input.len);
    (void)crypto_sign_detached(signature, NULL, text, sizeof label + input.len, secret);
    Warren__Bundle__SignedRelease message = WARREN__BUNDLE__SIGNED_RELEASE__INIT;
    message.release = (ProtobufCBinaryData){input.len, (uint8_t *)(uintptr_t)input.data};
    message.signature = (ProtobufCBinaryData){sizeof signature, signature};
    message.key = (ProtobufCBinaryData){sizeof public, public};
    size_t len = warren__bundle__signed_release__get_packed_size(&message);
    uint8_t *bytes = mem_alloc(len);
    (void)warren__bundle__signed_release__pack(&message, bytes);
    read_record((mesh_bytes){bytes, len});
    free(bytes);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    mesh_bytes input = {data + 1, size - 1};
    switch (data[0] % 4) {
    case 0: read_list(input); break;
    case 1: read_chunk(input); break;
    case 2: read_record(input); break;
    default: read_signed(input); break;
    }
    return 0;
}
