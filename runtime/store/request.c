#include "store/request.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/mem.h"

void store_fail(store_reply *reply, int error, const char *format, ...) {
    va_list args;
    reply->error = error;
    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started
    (void)vsnprintf(reply->sentence, sizeof reply->sentence, format, args);
    va_end(args);
}

// Both in one block that begins with the key.
static void copy_two(mesh_bytes *key, mesh_bytes *value) {
    uint8_t *block = mem_alloc(key->len + value->len);
    if (key->len > 0) memcpy(block, key->data, key->len);
    if (value->len > 0) memcpy(block + key->len, value->data, value->len);
    key->data = block;
    value->data = block + key->len;
}

void store_reply_add_pair(store_reply *reply, const store_pair *pair) {
    reply->pairs = mem_grow(reply->pairs, sizeof *pair, reply->pair_count + 1, &reply->pair_cap);
    store_pair *to = &reply->pairs[reply->pair_count++];
    *to = *pair;
    copy_two(&to->key, &to->value);
}

void store_reply_add_change(store_reply *reply, const store_change *change) {
    reply->changes =
        mem_grow(reply->changes, sizeof *change, reply->change_count + 1, &reply->change_cap);
    store_change *to = &reply->changes[reply->change_count++];
    *to = *change;
    copy_two(&to->key, &to->value);
}

void store_reply_clear(store_reply *reply) {
    for (size_t i = 0; i < reply->pair_count; i++)
        free((void *)(uintptr_t)reply->pairs[i].key.data);
    for (size_t i = 0; i < reply->change_count; i++)
        free((void *)(uintptr_t)reply->changes[i].key.data);
    free(reply->pairs);
    free(reply->changes);
    *reply = (store_reply){.error = 0};
}

void store_request_free(store_request *request) {
    if (request == NULL) return;
    store_reply_clear(&request->reply);
    free(request->compares);
    free(request->ops);
    free(request->memory);
    free(request);
}

bool store_prefix_end(mesh_bytes prefix, uint8_t out[STORE_KEY_LEN_MAX], size_t *out_len) {
    size_t len = prefix.len;
    while (len > 0 && prefix.data[len - 1] == 0xff)
        len--;
    if (len == 0) return false;
    memcpy(out, prefix.data, len);
    out[len - 1]++;
    *out_len = len;
    return true;
}
