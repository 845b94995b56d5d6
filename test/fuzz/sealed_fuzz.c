// What a store says that it has of a cluster's secrets. The first byte chooses: a value as it comes
// (0), or what a host of the cluster signed, with the right keys, so that what stands behind the
// signature is reached: 1 a secret, 2 a recipient, 3 a host that is revoked.
#include <stdio.h>

#include <sodium.h>

#include "agent/sealed.h"
#include "core/mem.h"
#include "fuzz.h"
#include "pki.h"
#include "sealed.pb-c.h"
#include "secure/field.h"

enum { HOST = 10, KINDS = 4 };

static const char label[] = "warren-sealed-v1";
static const char name[] = "WORD";
static agent_sealer self;
static pki_host host;

static void make_self(void) {
    if (self.until_s != 0) return;
    CHECK(sodium_init() >= 0);
    pki_host_init(&host, HOST, PKI_NOW_S, "*");
    self.trust = pki_trust();
    memcpy(self.cluster_id, host.signer.cert.cluster_id, MESH_ID_LEN);
    memcpy(self.host_id, host.signer.cert.host_id, MESH_ID_LEN);
    memcpy(self.sign_secret, host.signer.secret, sizeof self.sign_secret);
    (void)snprintf(self.name, sizeof self.name, "ada");
    for (size_t i = 0; i < 2; i++) {
        self.chain[i].len = host.chain[i].len;
        memcpy(self.chain[i].bytes, host.chain[i].data, host.chain[i].len);
    }
    self.key_secret[0] = 8;
    CHECK(crypto_scalarmult_base(self.key, self.key_secret) == 0);
    self.until_s = PKI_NOW_S + PKI_DAY_S;
}

static mesh_bytes sign(uint8_t kind, mesh_bytes body, uint8_t *out) {
    static uint8_t text[sizeof label + MESH_ID_LEN + 1 + AGENT_SEALED_LEN_MAX];
    uint8_t signature[MESH_SIGNATURE_LEN];
    ProtobufCBinaryData chain[2];
    memcpy(text, label, sizeof label);
    memcpy(text + sizeof label, self.cluster_id, MESH_ID_LEN);
    text[sizeof label + MESH_ID_LEN] = kind;
    if (body.len > 0) memcpy(text + sizeof label + MESH_ID_LEN + 1, body.data, body.len);
    (void)crypto_sign_detached(signature, NULL, text, sizeof label + MESH_ID_LEN + 1 + body.len,
                               self.sign_secret);
    Warren__Sealed__Signed made = WARREN__SEALED__SIGNED__INIT;
    for (size_t i = 0; i < 2; i++)
        chain[i] = mesh_field_view(self.chain[i].bytes, self.chain[i].len);
    made.body = mesh_field_view(body.data, body.len);
    made.n_chain = 2;
    made.chain = chain;
    made.signature = mesh_field_view(signature, sizeof signature);
    return (mesh_bytes){out, warren__sealed__signed__pack(&made, out)};
}

// What was taken can be sealed again, and says the same then.
static void use(mesh_bytes bytes) {
    static agent_sealed_secret is, again;
    static uint8_t out[AGENT_SEALED_LEN_MAX];
    static agent_sealed_keys keys = {.count = 1};
    char said[AGENT_SECRET_NAME_MAX];
    size_t len = 0;
    (void)agent_sealed_name(bytes, said);
    char *value = agent_sealed_open(&self, bytes, &len);
    bool is_opened = value != NULL;
    CHECK(!is_opened || strlen(value) == len);
    sodium_free(value);
    if (agent_sealed_read(&self, name, bytes, PKI_NOW_S, &is) != 0) return;
    memcpy(keys.keys[0], self.key, AGENT_SEALED_KEY_LEN);
    len = agent_sealed_again(&self, bytes, &keys, out);
    CHECK(!is_opened || len > 0);
    if (len == 0) return;
    CHECK(agent_sealed_read(&self, name, (mesh_bytes){out, len}, PKI_NOW_S, &again) == 0);
    CHECK(again.version == is.version && memcmp(again.digest, is.digest, sizeof is.digest) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t room[2 * AGENT_SEALED_LEN_MAX];
    agent_sealed_signer signer;
    agent_sealed_revoked revoked;
    uint8_t key[AGENT_SEALED_KEY_LEN];
    if (size == 0 || size > AGENT_SEALED_LEN_MAX) return 0;
    make_self();
    uint8_t kind = data[0] % KINDS;
    mesh_bytes input = {data + 1, size - 1};
    if (kind != 0) input = sign(kind, input, room);
    use(input);
    (void)agent_sealed_read_recipient(&self, input, PKI_NOW_S, &signer, key);
    if (agent_sealed_read_revoked(&self, input, PKI_NOW_S, &signer, &revoked) == 0)
        CHECK(mesh_cert_name_is_valid(revoked.name));
    return 0;
}
