#include "store/etcd_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"
#include "discovery/gateway.h"

// ---- writing

static void set_bytes(json_t *to, const char *name, mesh_bytes bytes) {
    char *text = mesh_gateway_encode(bytes);
    json_object_set_new(to, name, json_string(text));
    free(text);
}

static void set_integer(json_t *to, const char *name, int64_t number) {
    json_object_set_new(to, name, json_sprintf("%lld", (long long)number));
}

typedef struct full_key {
    uint8_t bytes[STORE_PREFIX_LEN_MAX + 1 + STORE_KEY_LEN_MAX + 1];
    size_t len;
} full_key;

static full_key full_of(const char *prefix, mesh_bytes key) {
    full_key full = {.len = strlen(prefix)};
    memcpy(full.bytes, prefix, full.len);
    full.bytes[full.len++] = '/';
    if (key.len > 0) memcpy(full.bytes + full.len, key.data, key.len);
    full.len += key.len;
    return full;
}

static void set_key(json_t *to, const char *prefix, mesh_bytes key) {
    full_key full = full_of(prefix, key);
    set_bytes(to, "key", (mesh_bytes){full.bytes, full.len});
}

// The slash before every key makes that there always is such an end.
static void set_prefix_end(json_t *to, const char *prefix, mesh_bytes key) {
    full_key full = full_of(prefix, key);
    while (full.bytes[full.len - 1] == 0xff)
        full.len--;
    full.bytes[full.len - 1]++;
    set_bytes(to, "range_end", (mesh_bytes){full.bytes, full.len});
}

static char *give(json_t *root) {
    char *text = mem_check(json_dumps(root, JSON_COMPACT));
    json_decref(root);
    return text;
}

static char *write_read(const store_request *request, const char *prefix) {
    json_t *root = json_object();
    if (!request->is_prefix) {
        set_key(root, prefix, request->key);
        return give(root);
    }
    full_key after = full_of(prefix, request->after);
    after.bytes[after.len++] = '\0'; // the first key behind it
    full_key first = full_of(prefix, request->key);
    bool is_later =
        request->after.len > 0 &&
        memcmp(after.bytes, first.bytes, after.len < first.len ? after.len : first.len) >= 0;
    set_bytes(root, "key",
              is_later ? (mesh_bytes){after.bytes, after.len}
                       : (mesh_bytes){first.bytes, first.len});
    set_prefix_end(root, prefix, request->key);
    set_integer(root, "limit", request->limit);
    return give(root);
}

static json_t *compare_of(const store_compare *compare, const char *prefix) {
    bool is_created = compare->kind == STORE_CREATED;
    json_t *one =
        json_pack("{s:s, s:s}", "target", is_created ? "CREATE" : "MOD", "result", "EQUAL");
    set_key(one, prefix, compare->key);
    set_integer(one, is_created ? "create_revision" : "mod_revision", compare->revision);
    return one;
}

static json_t *op_of(const store_op *op, const char *prefix) {
    json_t *one = json_object();
    set_key(one, prefix, op->key);
    if (op->kind == STORE_PUT) {
        set_bytes(one, "value", op->value);
        if (op->lease != 0) set_integer(one, "lease", op->lease);
    }
    return json_pack("{s:o}", op->kind == STORE_PUT ? "request_put" : "request_delete_range", one);
}

static char *write_commit(const store_request *request, const char *prefix) {
    json_t *compares = json_array(), *ops = json_array();
    for (size_t i = 0; i < request->compare_count; i++)
        json_array_append_new(compares, compare_of(&request->compares[i], prefix));
    for (size_t i = 0; i < request->op_count; i++)
        json_array_append_new(ops, op_of(&request->ops[i], prefix));
    return give(json_pack("{s:o, s:o}", "compare", compares, "success", ops));
}

static char *write_number(const char *name, int64_t number) {
    json_t *root = json_object();
    set_integer(root, name, number);
    return give(root);
}

char *store_etcd_write(const store_request *request, const char *prefix) {
    switch (request->kind) {
    case STORE_READ: return write_read(request, prefix);
    case STORE_COMMIT: return write_commit(request, prefix);
    case STORE_GRANT: return write_number("TTL", request->ttl_s);
    default: return write_number("ID", request->lease);
    }
}

const char *store_etcd_path(const store_request *request) {
    switch (request->kind) {
    case STORE_READ: return "/v3/kv/range";
    case STORE_COMMIT: return "/v3/kv/txn";
    case STORE_GRANT: return "/v3/lease/grant";
    case STORE_KEEP: return "/v3/lease/keepalive";
    default: return "/v3/lease/revoke";
    }
}

char *store_etcd_write_watch(const store_watch *watch, const char *prefix) {
    mesh_bytes key = {watch->prefix, watch->prefix_len};
    json_t *create = json_object();
    set_key(create, prefix, key);
    set_prefix_end(create, prefix, key);
    // Of a revision that was told in part it is asked for the whole again.
    bool is_whole = watch->cursor.position == INT32_MAX;
    set_integer(create, "start_revision", watch->cursor.revision + is_whole);
    json_object_set_new(create, "progress_notify", json_true());
    json_object_set_new(create, "fragment", json_true());
    return give(json_pack("{s:o}", "create_request", create));
}

// ---- reading

typedef struct room {
    uint8_t key[STORE_PREFIX_LEN_MAX + 1 + STORE_KEY_LEN_MAX];
    uint8_t value[STORE_VALUE_LEN_MAX];
} room;

// Borrows `in`. False: it is none of ours; others may write there what we would not.
static bool take_pair(const json_t *item, const char *prefix, room *in, store_pair *out) {
    size_t head_len = strlen(prefix) + 1, key_len, value_len = 0;
    const json_t *value = json_object_get(item, "value");
    if (!mesh_gateway_decode(json_object_get(item, "key"), in->key, sizeof in->key, &key_len))
        return false;
    if (value != NULL && !mesh_gateway_decode(value, in->value, sizeof in->value, &value_len))
        return false;
    if (key_len <= head_len || key_len - head_len > STORE_KEY_LEN_MAX ||
        memcmp(in->key, prefix, head_len - 1) != 0 || in->key[head_len - 1] != '/')
        return false;
    *out = (store_pair){
        .key = {in->key + head_len, key_len - head_len},
        .value = {in->value, value_len},
        .created = mesh_gateway_integer(json_object_get(item, "create_revision")),
        .changed = mesh_gateway_integer(json_object_get(item, "mod_revision")),
        .lease = mesh_gateway_integer(json_object_get(item, "lease")),
    };
    return true;
}

static int64_t revision_of(const json_t *answer) {
    return mesh_gateway_integer(json_object_get(json_object_get(answer, "header"), "revision"));
}

static bool parse_read(const store_request *request, const char *prefix, const json_t *root,
                       store_reply *reply) {
    const json_t *items = json_object_get(root, "kvs"), *item; // missing: there is none
    size_t i;
    if (json_array_size(items) > request->limit) return false;
    room *in = mem_alloc(sizeof *in);
    store_pair pair;
    json_array_foreach(items, i, item) {
        if (take_pair(item, prefix, in, &pair)) store_reply_add_pair(reply, &pair);
    }
    free(in);
    reply->has_more = json_is_true(json_object_get(root, "more"));
    return true;
}

static bool parse_commit(const json_t *root, store_reply *reply) {
    if (json_is_true(json_object_get(root, "succeeded"))) return true;
    store_fail(reply, STORE_ECONFLICT,
               "something has another revision than was expected: read again, and decide anew");
    return true;
}

static bool parse_lease(const store_request *request, const json_t *root, store_reply *reply) {
    // Kept alive it is the first line of a stream, with another object around it.
    const json_t *answer = request->kind == STORE_KEEP ? json_object_get(root, "result") : root;
    if (!json_is_object(answer)) return false;
    reply->revision = revision_of(answer);
    int64_t ttl_s = mesh_gateway_integer(json_object_get(answer, "TTL"));
    reply->lease = mesh_gateway_integer(json_object_get(answer, "ID"));
    reply->ttl_s = ttl_s > 0 && ttl_s <= INT32_MAX ? (uint32_t)ttl_s : 0;
    if (request->kind == STORE_GRANT) return reply->lease > 0 && reply->ttl_s > 0;
    if (reply->ttl_s > 0) return true;
    store_fail(reply, STORE_EGONE,
               "lease %lld has ended: what it bound is gone, so ask for another",
               (long long)request->lease);
    return true;
}

bool store_etcd_parse(const store_request *request, const char *prefix, mesh_bytes body,
                      store_reply *reply) {
    json_t *root = mesh_gateway_load(body);
    if (root == NULL) return false;
    store_reply found = {.revision = revision_of(root)};
    bool is_good;
    switch (request->kind) {
    case STORE_READ: is_good = parse_read(request, prefix, root, &found); break;
    case STORE_COMMIT: is_good = parse_commit(root, &found); break;
    case STORE_GRANT:
    case STORE_KEEP: is_good = parse_lease(request, root, &found); break;
    default: is_good = true;
    }
    json_decref(root);
    is_good = is_good && found.revision > 0;
    if (is_good)
        *reply = found;
    else
        store_reply_clear(&found);
    return is_good;
}

// ---- watches

static void add_event(const json_t *event, const char *prefix, room *in, store_reply *reply) {
    store_pair pair;
    if (!take_pair(json_object_get(event, "kv"), prefix, in, &pair)) return;
    const char *type = json_string_value(json_object_get(event, "type")); // missing: a put
    bool is_delete = type != NULL && strcmp(type, "DELETE") == 0;
    store_change change = {
        .key = pair.key,
        .is_delete = is_delete,
        .value = pair.value,
        .revision = pair.changed,
        .created = pair.created,
        .lease = pair.lease,
    };
    if (is_delete) change.value.len = 0;
    store_reply_add_change(reply, &change);
}

bool store_etcd_parse_news(mesh_bytes line, const char *prefix, store_etcd_news *out) {
    json_t *root = mesh_gateway_load(line);
    const json_t *result = json_object_get(root, "result"), *event;
    *out = (store_etcd_news){.is_over = false};
    if (!json_is_object(result)) {
        bool is_error = root != NULL && json_object_get(root, "error") != NULL;
        out->is_over = is_error;
        if (is_error) (void)mesh_gateway_error(line, out->words);
        json_decref(root);
        return is_error;
    }
    const json_t *events = json_object_get(result, "events");
    const char *reason = json_string_value(json_object_get(result, "cancel_reason"));
    out->is_over = json_is_true(json_object_get(result, "canceled"));
    out->compacted = mesh_gateway_integer(json_object_get(result, "compact_revision"));
    out->is_fragment = json_is_true(json_object_get(result, "fragment"));
    (void)snprintf(out->words, sizeof out->words, "%s", reason != NULL ? reason : "");
    size_t i;
    room *in = mem_alloc(sizeof *in);
    json_array_foreach(events, i, event) add_event(event, prefix, in, &out->reply);
    free(in);
    // That it was created says nothing of what came before; that it goes on does.
    bool is_progress = json_array_size(events) == 0 && !out->is_over &&
                       !json_is_true(json_object_get(result, "created"));
    if (is_progress) out->told_revision = revision_of(result);
    json_decref(root);
    return true;
}

// ---- errors

enum { // of gRPC
    INVALID = 3,
    NOT_FOUND = 5,
    PERMISSION = 7,
    EXHAUSTED = 8,
    PRECONDITION = 9,
    OUT_OF_RANGE = 11,
    UNAUTHENTICATED = 16,
};

static bool has(const char *words, const char *part) {
    return strstr(words, part) != NULL;
}

static store_etcd_fault explain_invalid(const char *words, const char *where, store_reply *reply) {
    if (has(words, "too large") || has(words, "too many operations"))
        store_fail(reply, STORE_ETOOLARGE, "etcd at %.80s refused it: %s; split it", where, words);
    else if (has(words, "user name is empty"))
        store_fail(reply, STORE_EDENIED,
                   "etcd at %.80s asks for a login: add ?login=/FILE to --store (docs/store.md)",
                   where);
    else if (has(words, "authentication failed"))
        store_fail(reply, STORE_EDENIED,
                   "etcd at %.80s refused the login: check the name and password in its file",
                   where);
    else
        store_fail(reply, STORE_EINVAL, "etcd at %.80s refused it: %s", where, words);
    return STORE_ETCD_FINAL;
}

store_etcd_fault store_etcd_explain(long status, mesh_bytes body, const char *where,
                                    store_reply *reply) {
    char words[MESH_GATEWAY_WORDS_MAX];
    int code = mesh_gateway_error(body, words);
    if (code == UNAUTHENTICATED || status == 401) return STORE_ETCD_NO_TOKEN;
    if (code == INVALID) return explain_invalid(words, where, reply);
    if (code == PERMISSION) {
        store_fail(reply, STORE_EDENIED,
                   "etcd at %.80s does not allow it: give the user of the login a role with the "
                   "keys of --store's prefix",
                   where);
        return STORE_ETCD_FINAL;
    }
    if (code == NOT_FOUND && has(words, "lease")) {
        store_fail(reply, STORE_EGONE,
                   "the lease has ended: what it bound is gone, so ask for another");
        return STORE_ETCD_FINAL;
    }
    if (code == EXHAUSTED && has(words, "space")) {
        store_fail(reply, STORE_EFULL,
                   "etcd at %.80s has no room: compact and defragment it, and disarm its alarm "
                   "(etcdctl)",
                   where);
        return STORE_ETCD_FINAL;
    }
    store_fail(reply, STORE_EUNREACHABLE,
               "etcd at %.80s answered with HTTP status %ld%s%s: look at "
               "its log",
               where, status, words[0] != '\0' ? ": " : "", words);
    bool is_refused = code == EXHAUSTED || has(words, "no leader") || status == 404;
    return is_refused ? STORE_ETCD_AWAY : STORE_ETCD_UNKNOWN;
}
