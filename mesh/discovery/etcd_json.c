#include "discovery/etcd_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/mem.h"
#include "discovery/gateway.h"

// ---- requests

__attribute__((format(printf, 1, 2))) static char *text_of(const char *format, ...) {
    char *text;
    va_list args;
    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started
    CHECK(vasprintf(&text, format, args) >= 0);
    va_end(args);
    return text;
}

char *mesh_etcd_write_authenticate(const char *name, const char *password) {
    json_t *root = json_pack("{s:s, s:s}", "name", name, "password", password);
    char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : text_of("{}"); // no UTF-8
    json_decref(root);
    return mem_check(text);
}

char *mesh_etcd_write_grant(uint32_t lease_s) {
    return text_of("{\"TTL\":\"%u\"}", lease_s);
}

char *mesh_etcd_write_keep_alive(const char *lease) {
    return text_of("{\"ID\":\"%s\"}", lease);
}

char *mesh_etcd_write_put(const char *key, const char *value, const char *lease) {
    char *key64 = mesh_gateway_encode(mesh_bytes_text(key)),
         *value64 = mesh_gateway_encode(mesh_bytes_text(value));
    char *text =
        text_of("{\"key\":\"%s\",\"value\":\"%s\",\"lease\":\"%s\"}", key64, value64, lease);
    free(key64);
    free(value64);
    return text;
}

// Every key that starts with PREFIX/hosts/: up to the first that has the byte after '/' there.
char *mesh_etcd_write_range(const char *prefix) {
    char *first = text_of("%s/hosts/", prefix), *end = text_of("%s/hosts0", prefix);
    char *first64 = mesh_gateway_encode(mesh_bytes_text(first)),
         *end64 = mesh_gateway_encode(mesh_bytes_text(end));
    char *text = text_of("{\"key\":\"%s\",\"range_end\":\"%s\",\"limit\":\"%d\"}", first64, end64,
                         MESH_ENDPOINTS_MAX);
    free(first);
    free(end);
    free(first64);
    free(end64);
    return text;
}

// ---- answers

int mesh_etcd_parse_token(mesh_bytes body, char out_token[MESH_ETCD_TOKEN_LEN_MAX + 1]) {
    json_t *root = mesh_gateway_load(body);
    const char *text = json_string_value(json_object_get(root, "token"));
    size_t len = text != NULL ? strlen(text) : 0;
    bool is_good = len > 0 && len <= MESH_ETCD_TOKEN_LEN_MAX;
    for (size_t i = 0; is_good && i < len; i++)
        is_good = text[i] > ' ' && text[i] <= '~';
    if (is_good) memcpy(out_token, text, len + 1);
    json_decref(root);
    return is_good ? 0 : MESH_EPROTO;
}

int mesh_etcd_parse_grant(mesh_bytes body, char out_lease[MESH_LEASE_LEN_MAX + 1]) {
    json_t *root = mesh_gateway_load(body);
    int64_t lease = mesh_gateway_integer(json_object_get(root, "ID"));
    json_decref(root);
    if (lease <= 0) return MESH_EPROTO;
    (void)snprintf(out_lease, MESH_LEASE_LEN_MAX + 1, "%lld", (long long)lease);
    return 0;
}

int mesh_etcd_parse_keep_alive(mesh_bytes body, bool *out_is_there) {
    json_t *root = mesh_gateway_load(body);
    const json_t *result = json_object_get(root, "result");
    int err = json_is_object(result) ? 0 : MESH_EPROTO;
    if (err == 0) *out_is_there = mesh_gateway_integer(json_object_get(result, "TTL")) > 0;
    json_decref(root);
    return err;
}

static bool is_text(const uint8_t *bytes, size_t len, const char *text) {
    return text != NULL && len == strlen(text) && memcmp(bytes, text, len) == 0;
}

static void add_value(const json_t *pair, const char *own_key, const char *own_value,
                      mesh_etcd_hosts *out) {
    uint8_t key[MESH_ETCD_KEY_LEN_MAX], value[MESH_ENDPOINT_LEN_MAX];
    size_t key_len, value_len;
    mesh_endpoint endpoint;
    if (!mesh_gateway_decode(json_object_get(pair, "value"), value, sizeof value, &value_len) ||
        mesh_endpoint_parse((mesh_bytes){value, value_len}, 0, &endpoint) != 0) {
        out->wrong_count++;
        return;
    }
    if (mesh_gateway_decode(json_object_get(pair, "key"), key, sizeof key, &key_len) &&
        is_text(key, key_len, own_key) && is_text(value, value_len, own_value))
        out->has_own = true;
    if (out->count < MESH_ENDPOINTS_MAX) out->endpoints[out->count++] = endpoint;
}

int mesh_etcd_parse_range(mesh_bytes body, const char *own_key, const char *own_value,
                          mesh_etcd_hosts *out) {
    json_t *root = mesh_gateway_load(body);
    if (root == NULL) return MESH_EPROTO;
    const json_t *pairs = json_object_get(root, "kvs"), *pair; // missing: there is none
    size_t i;
    out->count = out->wrong_count = 0;
    out->has_own = false;
    json_array_foreach(pairs, i, pair) add_value(pair, own_key, own_value, out);
    json_decref(root);
    return 0;
}
