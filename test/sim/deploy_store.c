// The store of deploy_sim: pairs, revisions, and the log that watches read.
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "deploy_sim.h"

static size_t find(const sim_store *s, const char *key, bool *is_there) {
    size_t from = 0, until = s->count;
    *is_there = false;
    while (from < until) {
        size_t middle = (from + until) / 2;
        int order = strcmp(key, s->pairs[middle].key);
        *is_there = order == 0;
        if (order == 0) return middle;
        if (order < 0)
            until = middle;
        else
            from = middle + 1;
    }
    return from;
}

const sim_pair *sim_store_get(const sim_store *s, const char *key) {
    bool is_there;
    size_t at = find(s, key, &is_there);
    return is_there ? &s->pairs[at] : NULL;
}

static void note(sim_store *s, const char *key, const void *value, size_t len, bool is_delete) {
    s->log = mem_grow(s->log, sizeof *s->log, s->log_count + 1, &s->log_cap);
    sim_change *change = &s->log[s->log_count++];
    *change = (sim_change){.is_delete = is_delete, .len = len, .revision = s->revision};
    memcpy(change->key, key, strlen(key) + 1);
    change->value = mem_copy(value, len);
}

void sim_store_begin(sim_world *w) {
    w->store.revision++;
}

void sim_store_put(sim_world *w, const char *key, const void *value, size_t len) {
    sim_store *s = &w->store;
    bool is_there;
    size_t at = find(s, key, &is_there);
    if (!is_there) {
        s->pairs = mem_grow(s->pairs, sizeof *s->pairs, s->count + 1, &s->cap);
        memmove(&s->pairs[at + 1], &s->pairs[at], (s->count - at) * sizeof *s->pairs);
        s->pairs[at] = (sim_pair){0};
        memcpy(s->pairs[at].key, key, strlen(key) + 1);
        s->count++;
    }
    free(s->pairs[at].value);
    s->pairs[at].value = mem_copy(value, len);
    s->pairs[at].len = len;
    s->pairs[at].changed = s->revision;
    note(s, key, value, len, false);
}

void sim_store_delete(sim_world *w, const char *key) {
    sim_store *s = &w->store;
    bool is_there;
    size_t at = find(s, key, &is_there);
    if (!is_there) return;
    free(s->pairs[at].value);
    s->count--;
    memmove(&s->pairs[at], &s->pairs[at + 1], (s->count - at) * sizeof *s->pairs);
    note(s, key, NULL, 0, true);
}

void sim_store_put_message(sim_world *w, deploy_key key, const ProtobufCMessage *message) {
    char text[DEPLOY_KEY_MAX];
    uint8_t *value = mem_alloc(protobuf_c_message_get_packed_size(message));
    deploy_key_write(&key, text);
    sim_store_put(w, text, value, protobuf_c_message_pack(message, value));
    free(value);
}

ProtobufCMessage *sim_store_message(const sim_world *w, deploy_key key) {
    char text[DEPLOY_KEY_MAX];
    const char *why;
    deploy_key_write(&key, text);
    const sim_pair *pair = sim_store_get(&w->store, text);
    if (pair == NULL) return NULL;
    return deploy_record_decode(key.kind, (mesh_bytes){pair->value, pair->len}, &why);
}

void sim_store_free(sim_store *s) {
    for (size_t i = 0; i < s->count; i++)
        free(s->pairs[i].value);
    for (size_t i = 0; i < s->log_count; i++)
        free(s->log[i].value);
    free(s->pairs);
    free(s->log);
    *s = (sim_store){0};
}
