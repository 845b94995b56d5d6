#include "store/remote_wire.h"

#include "core/error.h"
#include "core/mem.h"

typedef Warren__Store__Store store_message;

// ---- reading

static bool is_key(ProtobufCBinaryData key) {
    return key.len > 0 && key.len <= STORE_KEY_LEN_MAX;
}

static bool is_prefix(ProtobufCBinaryData prefix) {
    return prefix.len <= STORE_KEY_LEN_MAX;
}

static bool judge_commit(const Warren__Store__Commit *commit) {
    size_t len = 0;
    if (commit->n_compares > STORE_OPS_MAX || commit->n_ops > STORE_OPS_MAX) return false;
    for (size_t i = 0; i < commit->n_compares; i++) {
        if (!is_key(commit->compares[i]->key)) return false;
        len += commit->compares[i]->key.len;
    }
    for (size_t i = 0; i < commit->n_ops; i++) {
        const Warren__Store__Op *op = commit->ops[i];
        if (!is_key(op->key) || op->value.len > STORE_VALUE_LEN_MAX) return false;
        len += op->key.len + op->value.len;
    }
    return len <= STORE_TRANSACTION_LEN_MAX;
}

static bool judge_request(const Warren__Store__Request *request) {
    if (request->number == 0) return false;
    switch (request->kind_case) {
    case WARREN__STORE__REQUEST__KIND_READ:
        return is_prefix(request->read->key) && is_prefix(request->read->after) &&
               (request->read->is_prefix || request->read->key.len > 0);
    case WARREN__STORE__REQUEST__KIND_COMMIT: return judge_commit(request->commit);
    case WARREN__STORE__REQUEST__KIND_GRANT:
        return request->grant->ttl_s >= STORE_TTL_MIN_S && request->grant->ttl_s <= STORE_TTL_MAX_S;
    default: return true; // KEEP, REVOKE, and of a later version: which is answered
    }
}

static bool judge_reply(const Warren__Store__Reply *reply) {
    if (reply->n_pairs > STORE_PAGE_MAX) return false;
    for (size_t i = 0; i < reply->n_pairs; i++)
        if (!is_key(reply->pairs[i]->key) || reply->pairs[i]->value.len > STORE_VALUE_LEN_MAX)
            return false;
    return true;
}

static bool judge_news(const Warren__Store__News *news) {
    if (news->n_changes > STORE_BATCH_MAX || news->position < 0) return false;
    for (size_t i = 0; i < news->n_changes; i++)
        if (!is_key(news->changes[i]->key) || news->changes[i]->value.len > STORE_VALUE_LEN_MAX)
            return false;
    return true;
}

static bool judge(const store_message *message) {
    switch (message->kind_case) {
    case WARREN__STORE__STORE__KIND_REQUEST: return judge_request(message->request);
    case WARREN__STORE__STORE__KIND_REPLY: return judge_reply(message->reply);
    case WARREN__STORE__STORE__KIND_WATCH:
        return message->watch->number != 0 && is_prefix(message->watch->prefix) &&
               message->watch->position >= 0;
    case WARREN__STORE__STORE__KIND_NEWS: return judge_news(message->news);
    default: return true;
    }
}

store_message *store_wire_read(mesh_bytes wire, mesh_budget *budget) {
    if (wire.len > STORE_WIRE_LEN_MAX) return NULL;
    mesh_budget_init(budget, STORE_WIRE_MEMORY_MAX);
    store_message *message = warren__store__store__unpack(&budget->allocator, wire.len, wire.data);
    if (message == NULL || judge(message)) return message;
    store_wire_free(message, budget);
    return NULL;
}

void store_wire_free(store_message *message, mesh_budget *budget) {
    warren__store__store__free_unpacked(message, &budget->allocator);
}

// ---- codes

static const int codes[] = {
    // by Warren__Store__Code
    0,
    STORE_EUNREACHABLE,
    STORE_ECONFLICT,
    STORE_ETOOLARGE,
    STORE_EDENIED,
    STORE_ECORRUPT,
    STORE_EFULL,
    STORE_EGONE,
    STORE_ECOMPACTED,
    STORE_EINVAL,
};
enum { CODE_COUNT = sizeof codes / sizeof codes[0] };

int store_wire_error(Warren__Store__Code code) {
    bool is_known = (int)code >= 0 && (int)code < CODE_COUNT;
    return is_known ? codes[code] : STORE_EUNREACHABLE; // of a later version
}

static Warren__Store__Code code_of(int error) {
    for (int i = 0; i < CODE_COUNT; i++)
        if (codes[i] == error) return (Warren__Store__Code)i;
    return WARREN__STORE__CODE__UNREACHABLE;
}

void store_wire_take_reply(const Warren__Store__Reply *message, store_reply *out) {
    if (message->code != WARREN__STORE__CODE__DONE) {
        store_fail(out, store_wire_error(message->code), "%.*s", STORE_SENTENCE_LEN_MAX,
                   message->sentence);
        out->is_maybe_done = message->is_maybe_done;
        return;
    }
    out->revision = message->revision;
    out->has_more = message->has_more;
    out->lease = message->lease;
    out->ttl_s = message->ttl_s;
    for (size_t i = 0; i < message->n_pairs; i++) {
        const Warren__Store__Pair *p = message->pairs[i];
        store_reply_add_pair(out, &(store_pair){.key = store_wire_view(p->key),
                                                .value = store_wire_view(p->value),
                                                .created = p->created,
                                                .changed = p->changed,
                                                .lease = p->lease});
    }
}

// ---- writing

static ProtobufCBinaryData data_of(mesh_bytes bytes) {
    return (ProtobufCBinaryData){bytes.len, (uint8_t *)(uintptr_t)bytes.data};
}

store_wire_bytes store_wire_write(const store_message *message) {
    store_wire_bytes bytes = {.len = warren__store__store__get_packed_size(message)};
    CHECK(bytes.len <= STORE_WIRE_LEN_MAX);
    bytes.data = mem_alloc(bytes.len);
    (void)warren__store__store__pack(message, bytes.data);
    return bytes;
}

static store_wire_bytes write_request(uint64_t number, Warren__Store__Request *request) {
    store_message message = WARREN__STORE__STORE__INIT;
    request->number = number;
    message.kind_case = WARREN__STORE__STORE__KIND_REQUEST;
    message.request = request;
    return store_wire_write(&message);
}

static store_wire_bytes write_commit(uint64_t number, const store_request *from) {
    Warren__Store__Compare compares[STORE_OPS_MAX], *compare_list[STORE_OPS_MAX];
    Warren__Store__Op ops[STORE_OPS_MAX], *op_list[STORE_OPS_MAX];
    for (size_t i = 0; i < from->compare_count; i++) {
        Warren__Store__Compare *c = compare_list[i] = &compares[i];
        warren__store__compare__init(c);
        c->key = data_of(from->compares[i].key);
        c->is_created = from->compares[i].kind == STORE_CREATED;
        c->revision = from->compares[i].revision;
    }
    for (size_t i = 0; i < from->op_count; i++) {
        Warren__Store__Op *op = op_list[i] = &ops[i];
        warren__store__op__init(op);
        op->key = data_of(from->ops[i].key);
        op->is_delete = from->ops[i].kind == STORE_DELETE;
        op->value = data_of(from->ops[i].value);
        op->lease = from->ops[i].lease;
    }
    Warren__Store__Commit commit = WARREN__STORE__COMMIT__INIT;
    commit.n_compares = from->compare_count;
    commit.compares = compare_list;
    commit.n_ops = from->op_count;
    commit.ops = op_list;
    Warren__Store__Request request = WARREN__STORE__REQUEST__INIT;
    request.kind_case = WARREN__STORE__REQUEST__KIND_COMMIT;
    request.commit = &commit;
    return write_request(number, &request);
}

store_wire_bytes store_wire_request(uint64_t number, const store_request *from) {
    Warren__Store__Request request = WARREN__STORE__REQUEST__INIT;
    Warren__Store__Read read = WARREN__STORE__READ__INIT;
    Warren__Store__Grant grant = WARREN__STORE__GRANT__INIT;
    Warren__Store__Keep keep = WARREN__STORE__KEEP__INIT;
    Warren__Store__Revoke revoke = WARREN__STORE__REVOKE__INIT;
    read.is_prefix = from->is_prefix;
    read.key = data_of(from->key);
    read.after = data_of(from->after);
    read.limit = from->limit;
    grant.ttl_s = from->ttl_s;
    keep.lease = revoke.lease = from->lease;
    switch (from->kind) {
    case STORE_COMMIT: return write_commit(number, from);
    case STORE_GRANT:
        request.kind_case = WARREN__STORE__REQUEST__KIND_GRANT;
        request.grant = &grant;
        break;
    case STORE_KEEP:
        request.kind_case = WARREN__STORE__REQUEST__KIND_KEEP;
        request.keep = &keep;
        break;
    case STORE_REVOKE:
        request.kind_case = WARREN__STORE__REQUEST__KIND_REVOKE;
        request.revoke = &revoke;
        break;
    default:
        request.kind_case = WARREN__STORE__REQUEST__KIND_READ;
        request.read = &read;
        break;
    }
    return write_request(number, &request);
}

// How many of them fit; one always does.
static size_t count_fitting(const store_answer *answer) {
    size_t len = 0, count = 0;
    while (count < answer->pair_count) {
        len += answer->pairs[count].key.len + answer->pairs[count].value.len;
        if (count > 0 && len > STORE_WIRE_PAIRS_LEN_MAX) break;
        count++;
    }
    return count;
}

store_wire_bytes store_wire_reply(uint64_t number, const store_answer *answer) {
    Warren__Store__Pair pairs[STORE_PAGE_MAX], *list[STORE_PAGE_MAX];
    Warren__Store__Reply reply = WARREN__STORE__REPLY__INIT;
    reply.n_pairs = count_fitting(answer);
    CHECK(reply.n_pairs <= STORE_PAGE_MAX);
    for (size_t i = 0; i < reply.n_pairs; i++) {
        Warren__Store__Pair *p = list[i] = &pairs[i];
        warren__store__pair__init(p);
        p->key = data_of(answer->pairs[i].key);
        p->value = data_of(answer->pairs[i].value);
        p->created = answer->pairs[i].created;
        p->changed = answer->pairs[i].changed;
        p->lease = answer->pairs[i].lease;
    }
    reply.number = number;
    reply.code = code_of(answer->error);
    reply.sentence = (char *)(uintptr_t)answer->sentence;
    reply.is_maybe_done = answer->is_maybe_done;
    reply.revision = answer->revision;
    reply.pairs = list;
    reply.has_more = answer->has_more || reply.n_pairs < answer->pair_count;
    reply.lease = answer->lease;
    reply.ttl_s = answer->ttl_s;
    store_message message = WARREN__STORE__STORE__INIT;
    message.kind_case = WARREN__STORE__STORE__KIND_REPLY;
    message.reply = &reply;
    return store_wire_write(&message);
}

store_wire_bytes store_wire_news(uint32_t number, const store_news *news, store_cursor cursor) {
    Warren__Store__Change changes[STORE_BATCH_MAX], *list[STORE_BATCH_MAX];
    Warren__Store__News out = WARREN__STORE__NEWS__INIT;
    CHECK(news->change_count <= STORE_BATCH_MAX);
    for (size_t i = 0; i < news->change_count; i++) {
        const store_change *from = &news->changes[i];
        Warren__Store__Change *c = list[i] = &changes[i];
        warren__store__change__init(c);
        c->key = data_of(from->key);
        c->is_delete = from->is_delete;
        c->value = data_of(from->value);
        c->revision = from->revision;
        c->created = from->created;
        c->lease = from->lease;
    }
    out.number = number;
    out.code = code_of(news->error);
    out.sentence = (char *)(uintptr_t)news->sentence;
    out.n_changes = news->change_count;
    out.changes = list;
    out.revision = cursor.revision;
    out.position = cursor.position;
    store_message message = WARREN__STORE__STORE__INIT;
    message.kind_case = WARREN__STORE__STORE__KIND_NEWS;
    message.news = &out;
    return store_wire_write(&message);
}

// ---- pieces

static void free_first(store_wire_stream *s) {
    store_wire_out *out = s->first;
    s->first = out->next;
    if (s->first == NULL) s->last = NULL;
    free(out->bytes.data);
    free(out);
}

void store_wire_reset(store_wire_stream *s) {
    while (s->first != NULL)
        free_first(s);
    free(s->in);
    *s = (store_wire_stream){.mark = s->mark};
}

void store_wire_push(store_wire_stream *s, store_wire_bytes message, uint64_t tag) {
    store_wire_out *out = mem_alloc(sizeof *out);
    *out = (store_wire_out){.bytes = message, .tag = tag};
    if (s->last != NULL)
        s->last->next = out;
    else
        s->first = out;
    s->last = out;
    s->out_len += message.len;
}

void store_wire_drop(store_wire_stream *s, uint64_t tag) {
    store_wire_out *before = NULL;
    for (store_wire_out *out = s->first; out != NULL; before = out, out = out->next) {
        if (out->tag != tag || out->sent > 0) continue;
        if (before == NULL) {
            s->out_len -= out->bytes.len;
            free_first(s);
            return;
        }
        before->next = out->next;
        if (s->last == out) s->last = before;
        s->out_len -= out->bytes.len;
        free(out->bytes.data);
        free(out);
        return;
    }
}

size_t store_wire_pull(store_wire_stream *s, uint8_t *out, uint64_t *out_tag) {
    store_wire_out *first = s->first;
    if (first == NULL) return 0;
    size_t len = first->bytes.len - first->sent;
    bool has_more = len > STORE_WIRE_PIECE_MAX - 1;
    if (has_more) len = STORE_WIRE_PIECE_MAX - 1;
    out[0] = (uint8_t)(s->mark | (has_more ? STORE_WIRE_MORE : 0));
    memcpy(out + 1, first->bytes.data + first->sent, len);
    first->sent += len;
    s->out_len -= len;
    *out_tag = first->tag;
    if (!has_more) free_first(s);
    return len + 1;
}

int store_wire_take(store_wire_stream *s, mesh_bytes piece) {
    if (piece.len < 2 || piece.data[0] > (STORE_WIRE_MORE | STORE_WIRE_OF_HOST)) return MESH_EPROTO;
    bool has_more = (piece.data[0] & STORE_WIRE_MORE) != 0;
    piece = mesh_bytes_skip(piece, 1);
    if (piece.len > STORE_WIRE_LEN_MAX - s->in_len) return MESH_EPROTO;
    s->in = mem_grow(s->in, 1, s->in_len + piece.len, &s->in_cap);
    memcpy(s->in + s->in_len, piece.data, piece.len);
    s->in_len += piece.len;
    return !has_more;
}

void store_wire_taken(store_wire_stream *s) {
    enum { KEPT_MAX = 64 << 10 };
    s->in_len = 0;
    if (s->in_cap <= KEPT_MAX) return;
    free(s->in); // one that was large is seldom followed by another
    s->in = NULL;
    s->in_cap = 0;
}
