#include "secure/ticket.h"

#include <string.h>

#include <sodium.h>

#include "core/budget.h"
#include "core/error.h"
#include "enrol.pb-c.h"
#include "secure/field.h"

static const char prefix[] = "warren1:", family[] = "warren";

enum {
    VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING,
    PREFIX_LEN = sizeof prefix - 1,
    FAMILY_LEN = sizeof family - 1,
    BINARY_LEN_MAX = (MESH_TOKEN_LEN_MAX - PREFIX_LEN) / 4 * 3,
    CHECK_LEN = 4, // the first bytes of a hash, behind the message: a mistyped letter is found
    HASH_LEN = 32,
    HOST_LEN_MAX = 253,
};

// ---- addresses

static bool is_port(const char *text) {
    size_t len = strspn(text, "0123456789");
    if (len < 1 || len > 5 || text[len] != '\0' || text[0] == '0') return false;
    unsigned value = 0;
    for (size_t i = 0; i < len; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    return value <= UINT16_MAX;
}

bool mesh_is_address(const char *text) {
    if (text[0] != '[') {
        size_t len = strspn(text, MESH_NAME_LETTERS);
        return len >= 1 && len <= HOST_LEN_MAX && text[len] == ':' && is_port(text + len + 1);
    }
    size_t len = strspn(text + 1, "0123456789abcdefABCDEF:.");
    const char *end = text + 1 + len;
    return len >= 2 && len <= HOST_LEN_MAX && end[0] == ']' && end[1] == ':' && is_port(end + 2);
}

// ---- what a token must be

static bool is_sound(const mesh_token *token) {
    if (token->trust.root_count < 1 || token->trust.root_count > MESH_ROOTS_MAX) return false;
    if (token->address_count < 1 || token->address_count > MESH_TOKEN_ADDRESSES_MAX) return false;
    if (token->ticket_id == 0 || token->expires_s == 0) return false;
    for (size_t i = 0; i < token->address_count; i++)
        if (!mesh_is_address(token->addresses[i])) return false;
    bool is_of_root = false;
    for (size_t i = 0; i < token->trust.root_count; i++) {
        uint8_t id[MESH_ID_LEN];
        mesh_cluster_id_of(token->trust.roots[i], id);
        is_of_root |= memcmp(id, token->cluster_id, MESH_ID_LEN) == 0;
    }
    return is_of_root;
}

// ---- writing

// 0: longer than a token may be.
static size_t pack(const mesh_token *token, uint8_t out[BINARY_LEN_MAX - CHECK_LEN]) {
    ProtobufCBinaryData roots[MESH_ROOTS_MAX];
    char *addresses[MESH_TOKEN_ADDRESSES_MAX];
    for (size_t i = 0; i < token->trust.root_count; i++)
        roots[i] = mesh_field_view(token->trust.roots[i], MESH_SIGN_KEY_LEN);
    for (size_t i = 0; i < token->address_count; i++)
        addresses[i] = (char *)(uintptr_t)token->addresses[i];
    Warren__Enrol__Token packed = WARREN__ENROL__TOKEN__INIT;
    packed.cluster_id = mesh_field_view(token->cluster_id, MESH_ID_LEN);
    packed.n_roots = token->trust.root_count;
    packed.roots = roots;
    packed.ticket_id = token->ticket_id;
    packed.ticket_secret = mesh_field_view(token->secret, MESH_SECRET_LEN);
    packed.expires_s = token->expires_s;
    packed.n_addresses = token->address_count;
    packed.addresses = addresses;
    size_t len = warren__enrol__token__get_packed_size(&packed);
    if (len > BINARY_LEN_MAX - CHECK_LEN) return 0;
    return warren__enrol__token__pack(&packed, out);
}

static void hash(mesh_bytes bytes, uint8_t out[HASH_LEN]) {
    (void)crypto_generichash(out, HASH_LEN, bytes.data, bytes.len, NULL, 0);
}

int mesh_token_write(const mesh_token *token, char out[MESH_TOKEN_LEN_MAX + 1]) {
    if (!is_sound(token)) return MESH_EINVAL;
    uint8_t binary[BINARY_LEN_MAX], check[HASH_LEN];
    size_t len = pack(token, binary);
    if (len == 0) return MESH_ETOOBIG;
    hash((mesh_bytes){binary, len}, check);
    memcpy(binary + len, check, CHECK_LEN);
    memcpy(out, prefix, PREFIX_LEN);
    (void)sodium_bin2base64(out + PREFIX_LEN, MESH_TOKEN_LEN_MAX + 1 - PREFIX_LEN, binary,
                            len + CHECK_LEN, VARIANT);
    sodium_memzero(binary, sizeof binary);
    return 0;
}

// ---- parsing

static bool take_lists(const Warren__Enrol__Token *packed, mesh_token *out) {
    if (packed->n_roots > MESH_ROOTS_MAX || packed->n_addresses > MESH_TOKEN_ADDRESSES_MAX)
        return false;
    out->trust.root_count = packed->n_roots;
    out->address_count = packed->n_addresses;
    for (size_t i = 0; i < packed->n_roots; i++)
        if (!mesh_field_take(packed->roots[i], out->trust.roots[i], MESH_SIGN_KEY_LEN))
            return false;
    for (size_t i = 0; i < packed->n_addresses; i++) {
        size_t len = strlen(packed->addresses[i]);
        if (len > MESH_ADDRESS_LEN_MAX) return false;
        memcpy(out->addresses[i], packed->addresses[i], len + 1);
    }
    return true;
}

static bool take(const Warren__Enrol__Token *packed, mesh_token *out) {
    *out = (mesh_token){.ticket_id = packed->ticket_id, .expires_s = packed->expires_s};
    return packed->base.n_unknown_fields == 0 &&
           mesh_field_take(packed->cluster_id, out->cluster_id, MESH_ID_LEN) &&
           mesh_field_take(packed->ticket_secret, out->secret, MESH_SECRET_LEN) &&
           take_lists(packed, out) && is_sound(out);
}

static int parse_binary(mesh_bytes binary, mesh_token *out) {
    if (binary.len < CHECK_LEN) return MESH_EINVAL;
    uint8_t check[HASH_LEN];
    binary.len -= CHECK_LEN;
    hash(binary, check);
    if (memcmp(check, binary.data + binary.len, CHECK_LEN) != 0) return MESH_EINVAL;
    mesh_budget budget;
    mesh_budget_init(&budget, MESH_BUDGET_DEFAULT);
    mesh_token token;
    Warren__Enrol__Token *packed =
        warren__enrol__token__unpack(&budget.allocator, binary.len, binary.data);
    bool is_fine = packed != NULL && take(packed, &token);
    warren__enrol__token__free_unpacked(packed, &budget.allocator);
    if (is_fine) *out = token;
    return is_fine ? 0 : MESH_EINVAL;
}

static bool is_blank(uint8_t byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static mesh_bytes trim(mesh_bytes text) {
    while (text.len > 0 && is_blank(text.data[0]))
        text = mesh_bytes_skip(text, 1);
    while (text.len > 0 && is_blank(text.data[text.len - 1]))
        text.len--;
    return text;
}

static bool is_other_version(mesh_bytes text) {
    if (text.len < FAMILY_LEN || memcmp(text.data, family, FAMILY_LEN) != 0) return false;
    size_t at = FAMILY_LEN;
    while (at < text.len && text.data[at] >= '0' && text.data[at] <= '9')
        at++;
    return at > FAMILY_LEN && at < text.len && text.data[at] == ':';
}

int mesh_token_parse(mesh_bytes text, mesh_token *out) {
    text = trim(text);
    if (text.len <= PREFIX_LEN || text.len > MESH_TOKEN_LEN_MAX) return MESH_EINVAL;
    if (memcmp(text.data, prefix, PREFIX_LEN) != 0)
        return is_other_version(text) ? MESH_EVERSION : MESH_EINVAL;
    text = mesh_bytes_skip(text, PREFIX_LEN);
    uint8_t binary[BINARY_LEN_MAX];
    size_t len;
    if (sodium_base642bin(binary, sizeof binary, (const char *)text.data, text.len, NULL, &len,
                          NULL, VARIANT) != 0)
        return MESH_EINVAL;
    int err = parse_binary((mesh_bytes){binary, len}, out);
    sodium_memzero(binary, sizeof binary);
    return err;
}

// ---- keys

void mesh_ticket_keys_of(uint64_t id, const uint8_t secret[MESH_SECRET_LEN],
                         mesh_ticket_keys *out) {
    out->id = id;
    mesh_key_derive(secret, MESH_KEY_TICKET_LINK, out->link_psk);
    mesh_key_derive(secret, MESH_KEY_TICKET_KNOCK, out->knock_key);
}
