#include "agent/identity_file.h"

#include <sodium.h>

#include "core/mem.h"
#include "secure/field.h"
#include "state.pb-c.h"

enum { SEED_LEN = crypto_sign_SEEDBYTES };

// ---- parts

static bool take_signed(ProtobufCBinaryData from, mesh_signed *to) {
    if (from.len > MESH_CERT_LEN_MAX) return false;
    to->len = from.len;
    return mesh_field_take(from, to->bytes, from.len);
}

// ---- host.key

// The certificate is of this cluster and for these keys.
static bool is_consistent(const agent_identity *id, const uint8_t public[MESH_SIGN_KEY_LEN],
                          mesh_chain *out) {
    const mesh_bytes certs[] = {{id->certs[0].bytes, id->certs[0].len},
                                {id->certs[1].bytes, id->certs[1].len}};
    uint8_t link_public[MESH_LINK_KEY_LEN];
    if (mesh_chain_read(&id->credentials.trust, certs, 2, out) != 0) return false;
    (void)crypto_scalarmult_base(link_public, id->credentials.link_secret);
    return out->host.role == MESH_ROLE_HOST &&
           memcmp(out->host.ed25519, public, MESH_SIGN_KEY_LEN) == 0 &&
           memcmp(out->host.x25519, link_public, MESH_LINK_KEY_LEN) == 0;
}

static bool take_host(const ProtobufCMessage *message, void *user) {
    const Warren__State__HostKey *packed = (const Warren__State__HostKey *)message;
    agent_identity *id = user;
    mesh_credentials *c = &id->credentials;
    uint8_t public[MESH_SIGN_KEY_LEN];
    if (packed->seed.len != SEED_LEN || packed->n_chain != 2 || packed->psk_id > UINT16_MAX)
        return false;
    if (packed->n_roots < 1 || packed->n_roots > MESH_ROOTS_MAX) return false;
    for (size_t i = 0; i < packed->n_roots; i++)
        if (!mesh_field_take(packed->roots[i], c->trust.roots[i], MESH_SIGN_KEY_LEN)) return false;
    c->trust.root_count = packed->n_roots;
    c->psk_id = (uint16_t)packed->psk_id;
    (void)crypto_sign_seed_keypair(public, id->host.secret, packed->seed.data);
    mesh_chain chain;
    if (!mesh_field_take(packed->x25519, c->link_secret, MESH_LINK_KEY_LEN) ||
        !mesh_field_take(packed->secret, id->secret, MESH_SECRET_LEN) ||
        !take_signed(packed->chain[0], &id->certs[0]) ||
        !take_signed(packed->chain[1], &id->certs[1]) || !is_consistent(id, public, &chain))
        return false;
    id->host.cert = chain.host;
    return true;
}

int identity_file_read_host(agent_identity *id, char text[AGENT_VAULT_TEXT_MAX]) {
    return agent_vault_read_message(id->vault, AGENT_VAULT_HOST,
                                    &warren__state__host_key__descriptor, take_host, id, text);
}

int identity_file_write_host(const agent_identity *id, char text[AGENT_VAULT_TEXT_MAX]) {
    const mesh_credentials *c = &id->credentials;
    ProtobufCBinaryData roots[MESH_ROOTS_MAX], chain[2];
    for (size_t i = 0; i < c->trust.root_count; i++)
        roots[i] = mesh_field_view(c->trust.roots[i], MESH_SIGN_KEY_LEN);
    for (size_t i = 0; i < 2; i++)
        chain[i] = mesh_field_view(id->certs[i].bytes, id->certs[i].len);
    Warren__State__HostKey packed = WARREN__STATE__HOST_KEY__INIT;
    packed.seed = mesh_field_view(id->host.secret, SEED_LEN); // libsodium keeps it first
    packed.x25519 = mesh_field_view(c->link_secret, MESH_LINK_KEY_LEN);
    packed.n_roots = c->trust.root_count;
    packed.roots = roots;
    packed.n_chain = 2;
    packed.chain = chain;
    packed.secret = mesh_field_view(id->secret, MESH_SECRET_LEN);
    packed.psk_id = c->psk_id;
    return agent_vault_write_message(id->vault, AGENT_VAULT_HOST, &packed.base, text);
}

// ---- issuer.key, root.key

static bool take_issuer(const ProtobufCMessage *message, void *user) {
    const Warren__State__IssuerKey *packed = (const Warren__State__IssuerKey *)message;
    agent_identity *id = user;
    uint8_t public[MESH_SIGN_KEY_LEN];
    mesh_chain chain;
    if (packed->seed.len != SEED_LEN || !take_signed(packed->cert, &id->issuer_cert)) return false;
    (void)crypto_sign_seed_keypair(public, id->issuer.secret, packed->seed.data);
    // Only a chain can be read: with a host below, and any will do.
    mesh_cert host = id->host.cert;
    mesh_signed below = {0};
    if (mesh_cert_issue(&host, id->issuer.secret, below.bytes, &below.len) != 0) return false;
    const mesh_bytes certs[] = {{id->issuer_cert.bytes, id->issuer_cert.len},
                                {below.bytes, below.len}};
    if (mesh_chain_read(&id->credentials.trust, certs, 2, &chain) != 0) return false;
    id->issuer.cert = chain.issuer;
    return true;
}

int identity_file_read_issuer(agent_identity *id, char text[AGENT_VAULT_TEXT_MAX]) {
    id->is_issuer = agent_vault_has(id->vault, AGENT_VAULT_ISSUER);
    if (!id->is_issuer) return 0;
    return agent_vault_read_message(id->vault, AGENT_VAULT_ISSUER,
                                    &warren__state__issuer_key__descriptor, take_issuer, id, text);
}

int identity_file_write_issuer(const agent_identity *id, char text[AGENT_VAULT_TEXT_MAX]) {
    Warren__State__IssuerKey packed = WARREN__STATE__ISSUER_KEY__INIT;
    packed.seed = mesh_field_view(id->issuer.secret, SEED_LEN);
    packed.cert = mesh_field_view(id->issuer_cert.bytes, id->issuer_cert.len);
    return agent_vault_write_message(id->vault, AGENT_VAULT_ISSUER, &packed.base, text);
}

static bool take_root(const ProtobufCMessage *message, void *user) {
    const Warren__State__RootKey *packed = (const Warren__State__RootKey *)message;
    uint8_t public[MESH_SIGN_KEY_LEN];
    if (packed->seed.len != SEED_LEN) return false;
    (void)crypto_sign_seed_keypair(public, user, packed->seed.data);
    return true;
}

int identity_file_read_root(const char *vault, const mesh_trust *trust,
                            uint8_t out[MESH_SIGN_SECRET_LEN], char text[AGENT_VAULT_TEXT_MAX]) {
    uint8_t public[MESH_SIGN_KEY_LEN];
    int err = agent_vault_read_message(vault, AGENT_VAULT_ROOT,
                                       &warren__state__root_key__descriptor, take_root, out, text);
    if (err != 0) return err;
    (void)crypto_sign_ed25519_sk_to_pk(public, out);
    for (size_t i = 0; i < trust->root_count; i++)
        if (memcmp(public, trust->roots[i], MESH_SIGN_KEY_LEN) == 0) return 0;
    return agent_vault_damaged(vault, AGENT_VAULT_ROOT, "it is the key of another cluster", text);
}

int identity_file_write_root(const char *vault, const uint8_t seed[32],
                             char text[AGENT_VAULT_TEXT_MAX]) {
    Warren__State__RootKey packed = WARREN__STATE__ROOT_KEY__INIT;
    packed.seed = mesh_field_view(seed, SEED_LEN);
    return agent_vault_write_message(vault, AGENT_VAULT_ROOT, &packed.base, text);
}

// ---- peers

static bool take_peers(const ProtobufCMessage *message, void *user) {
    const Warren__State__Peers *packed = (const Warren__State__Peers *)message;
    agent_identity *id = user;
    if (packed->n_addresses > AGENT_PEERS_MAX) return false;
    for (size_t i = 0; i < packed->n_addresses; i++) {
        if (!mesh_is_address(packed->addresses[i])) return false;
        memcpy(id->peers[i], packed->addresses[i], strlen(packed->addresses[i]) + 1);
    }
    id->peer_count = packed->n_addresses;
    return true;
}

int identity_file_read_peers(agent_identity *id, char text[AGENT_VAULT_TEXT_MAX]) {
    if (!agent_vault_has(id->vault, AGENT_VAULT_PEERS)) return 0;
    return agent_vault_read_message(id->vault, AGENT_VAULT_PEERS, &warren__state__peers__descriptor,
                                    take_peers, id, text);
}

int identity_file_write_peers(const char *vault, const char *const *addresses, size_t count,
                              char text[AGENT_VAULT_TEXT_MAX]) {
    char *list[AGENT_PEERS_MAX];
    CHECK(count <= AGENT_PEERS_MAX);
    for (size_t i = 0; i < count; i++) {
        CHECK(mesh_is_address(addresses[i]));
        list[i] = (char *)(uintptr_t)addresses[i];
    }
    Warren__State__Peers packed = WARREN__STATE__PEERS__INIT;
    packed.n_addresses = count;
    packed.addresses = list;
    return agent_vault_write_message(vault, AGENT_VAULT_PEERS, &packed.base, text);
}

// ---- generation

static bool take_generation(const ProtobufCMessage *message, void *user) {
    *(uint64_t *)user = ((const Warren__State__Generation *)message)->value;
    return true;
}

int identity_file_read_generation(const agent_identity *id, uint64_t *out,
                                  char text[AGENT_VAULT_TEXT_MAX]) {
    return agent_vault_read_message(id->vault, AGENT_VAULT_GENERATION,
                                    &warren__state__generation__descriptor, take_generation, out,
                                    text);
}

int identity_file_write_generation(const char *vault, uint64_t value,
                                   char text[AGENT_VAULT_TEXT_MAX]) {
    Warren__State__Generation packed = WARREN__STATE__GENERATION__INIT;
    packed.value = value;
    return agent_vault_write_message(vault, AGENT_VAULT_GENERATION, &packed.base, text);
}
