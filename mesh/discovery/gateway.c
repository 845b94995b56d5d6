#include "discovery/gateway.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"

enum { BASE64 = sodium_base64_VARIANT_ORIGINAL };

char *mesh_gateway_encode(mesh_bytes bytes) {
    size_t len = sodium_base64_encoded_len(bytes.len, BASE64);
    char *encoded = mem_alloc(len);
    (void)sodium_bin2base64(encoded, len, bytes.data, bytes.len, BASE64);
    return encoded;
}

json_t *mesh_gateway_load(mesh_bytes body) {
    json_t *root = json_loadb((const char *)body.data, body.len, 0, NULL);
    if (json_is_object(root)) return root;
    json_decref(root);
    return NULL;
}

int64_t mesh_gateway_integer(const json_t *value) {
    if (json_is_integer(value)) return json_integer_value(value);
    const char *text = json_string_value(value);
    if (text == NULL || text[0] < '0' || text[0] > '9') return 0;
    char *end;
    long long number = strtoll(text, &end, 10);
    return *end == '\0' ? number : 0;
}

bool mesh_gateway_decode(const json_t *value, uint8_t *out, size_t cap, size_t *out_len) {
    const char *text = json_string_value(value);
    if (text == NULL) return false;
    return sodium_base642bin(out, cap, text, json_string_length(value), NULL, out_len, NULL,
                             BASE64) == 0;
}

// {"error": WORDS, "code": N}, or in a stream {"error": {"message": WORDS, "grpc_code": N}}.
int mesh_gateway_error(mesh_bytes body, char out_words[MESH_GATEWAY_WORDS_MAX]) {
    json_t *root = mesh_gateway_load(body);
    const json_t *error = json_object_get(root, "error"), *words = error;
    const json_t *code = json_object_get(root, "code");
    if (json_is_object(error)) {
        words = json_object_get(error, "message");
        code = json_object_get(error, "grpc_code");
    }
    const char *text = json_string_value(words);
    int number = json_is_integer(code) ? (int)json_integer_value(code) : -1;
    (void)snprintf(out_words, MESH_GATEWAY_WORDS_MAX, "%s", text != NULL ? text : "");
    for (char *c = out_words; *c != '\0'; c++)
        if (*c < ' ' || *c > '~') *c = '?';
    json_decref(root);
    return number;
}
