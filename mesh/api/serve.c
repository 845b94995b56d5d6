// What the program offers, and the requests and messages that come for it.
#include "api/state.h"
#include "core/error.h"
#include "core/mem.h"
#include "core/subject.h"
#include "core/tags.h"

// ---- offering

static int offer(warren *w, mesh_entry *entry, const api_endpoint *book, uint32_t *out_id) {
    if (w->is_closing) return WARREN_CLOSED;
    entry->entry_id = ++w->last_endpoint_id;
    int err = mesh_member_announce(w->member, entry);
    if (err == MESH_ETOOBIG) return WARREN_INVALID; // all tags together
    if (err != 0) return api_error(err);
    api_endpoint *endpoint = mem_copy(book, sizeof *book);
    endpoint->id = entry->entry_id;
    mesh_map_add(&w->endpoints, mesh_map_hash_u64(&w->endpoints, endpoint->id), endpoint);
    if (out_id) *out_id = endpoint->id;
    return WARREN_OK;
}

int warren_serve(warren *w, const char *service, const char *tags, warren_request_cb on_request,
                 void *user, uint32_t *out_id) {
    mesh_entry entry = {.kind = MESH_ENTRY_SERVICE, .tags = mesh_bytes_text(tags ? tags : "")};
    if (!api_is_name(service, &entry.name)) return WARREN_INVALID;
    api_endpoint book = {.is_service = true, .on_request = on_request, .user = user};
    return offer(w, &entry, &book, out_id);
}

// `pattern` and `queue` into what announces them.
static bool name_subscription(mesh_entry *entry, const char *pattern, const char *queue) {
    entry->kind = MESH_ENTRY_SUBSCRIPTION;
    return api_is_name(pattern, &entry->name) && (!queue || api_is_name(queue, &entry->queue));
}

int warren_subscribe(warren *w, const char *pattern, const char *queue,
                     warren_message_cb on_message, void *user, uint32_t *out_id) {
    mesh_entry entry = {0};
    api_endpoint book = {.on_message = on_message, .user = user};
    if (!name_subscription(&entry, pattern, queue)) return WARREN_INVALID;
    return offer(w, &entry, &book, out_id);
}

int warren_listen(warren *w, const char *pattern, const char *queue, warren_message_cb on_message,
                  void *user, uint32_t *out_id) {
    mesh_entry entry = {.tags = mesh_bytes_text(MESH_TAG_LISTENS)};
    api_endpoint book = {.on_message = on_message, .user = user};
    if (!name_subscription(&entry, pattern, queue)) return WARREN_INVALID;
    return offer(w, &entry, &book, out_id);
}

static api_endpoint *find_endpoint(const warren *w, uint32_t id) {
    uint64_t hash = mesh_map_hash_u64(&w->endpoints, id);
    api_endpoint *endpoint;
    for (size_t cursor = 0; (endpoint = mesh_map_next(&w->endpoints, hash, &cursor));)
        if (endpoint->id == id) return endpoint;
    return NULL;
}

void warren_withdraw(warren *w, uint32_t id) {
    api_endpoint *endpoint = find_endpoint(w, id);
    if (!endpoint) return;
    mesh_member_withdraw(w->member, id);
    (void)mesh_map_remove(&w->endpoints, mesh_map_hash_u64(&w->endpoints, id), endpoint);
    free(endpoint);
}

// ---- requests

static warren_bytes keep(uint8_t **at, warren_bytes bytes) {
    warren_bytes kept = {*at, bytes.len};
    if (bytes.len > 0) memcpy(*at, bytes.data, bytes.len);
    *at += bytes.len;
    return kept;
}

static api_request *add_request(warren *w, const mesh_output *out, const api_content *content) {
    size_t len = out->name.len + 1 + content->headers.len + content->payload.len;
    api_request *r = mem_alloc(sizeof *r + len);
    uint8_t *at = r->memory;
    (void)keep(&at, (warren_bytes){out->name.data, out->name.len});
    at++; // the end of the text
    r->w = w;
    r->slot = out->slot;
    r->face = (warren_request){.name = (char *)r->memory,
                               .payload = keep(&at, content->payload),
                               .headers = keep(&at, content->headers),
                               .from = api_peers_id(w, out->peer),
                               .timeout_ms = out->timeout_ms};
    mesh_map_add(&w->requests, mesh_map_hash_u64(&w->requests, r->slot), r);
    return r;
}

static void answer(warren *w, uint32_t slot, uint32_t code, mesh_bytes payload) {
    mesh_node_answer(mesh_member_node(w->member), api_now_ms(w), slot, code, 0, payload);
}

// Of texts without end the first characters are enough.
static void answer_error(warren *w, uint32_t slot, const char *code, const char *message) {
    mesh_bytes value = api_error_value(code, message);
    answer(w, slot, MESH_CALL_APPLICATION, value);
    free((void *)value.data);
}

static api_request *request_of(warren_request *face) {
    return (api_request *)(void *)face;
}

static void end_request(api_request *r) {
    mesh_map *requests = &r->w->requests;
    (void)mesh_map_remove(requests, mesh_map_hash_u64(requests, r->slot), r);
    free(r);
}

static void take_request(warren *w, const mesh_output *out) {
    const api_endpoint *endpoint = find_endpoint(w, out->endpoint);
    if (!endpoint) { // withdrawn while it was under way
        answer(w, out->slot, MESH_CALL_NO_RESPONDERS, (mesh_bytes){0});
        return;
    }
    if (out->flags & MESH_INPUT_IS_STREAM) { // nothing here reads one
        answer(w, out->slot, MESH_CALL_NO_METHOD, (mesh_bytes){0});
        return;
    }
    api_content content;
    int err = api_content_read(w, out, &content);
    if (err != 0) {
        w->bad_payloads++;
        answer_error(w, out->slot, warren_error_name(api_error(err)),
                     warren_error_text(api_error(err)));
        return;
    }
    api_request *r = add_request(w, out, &content);
    if (endpoint->is_service) {
        endpoint->on_request(w, &r->face, endpoint->user);
        return;
    }
    warren_message message = {.subject = r->face.name,
                              .payload = r->face.payload,
                              .headers = r->face.headers,
                              .from = r->face.from,
                              .request = &r->face};
    endpoint->on_message(w, &message, endpoint->user);
}

int warren_reply(warren_request *face, const void *payload, size_t len) {
    api_request *r = request_of(face);
    api_message message;
    int err =
        api_message_write(r->w, (warren_bytes){payload, len}, (warren_bytes){0}, false, &message);
    if (err == 0)
        answer(r->w, r->slot, 0, message.payload);
    else
        answer_error(r->w, r->slot, warren_error_name(err), warren_error_text(err));
    end_request(r);
    return err;
}

void warren_fail(warren_request *face, const char *code, const char *message) {
    api_request *r = request_of(face);
    answer_error(r->w, r->slot, code, message ? message : "");
    end_request(r);
}

void warren_refuse(warren_request *face, warren_error error) {
    api_request *r = request_of(face);
    bool is_outcome = error >= WARREN_NO_RESPONDERS && error <= WARREN_NO_METHOD;
    if (is_outcome && !r->is_stream)
        answer(r->w, r->slot, (uint32_t)error, (mesh_bytes){0});
    else // the caller would take it for one that did not run
        answer_error(r->w, r->slot, warren_error_name((int)error), warren_error_text((int)error));
    end_request(r);
}

int warren_item(warren_request *face, const void *payload, size_t len) {
    api_request *r = request_of(face);
    mesh_node *node = mesh_member_node(r->w->member);
    uint64_t now_ms = api_now_ms(r->w);
    api_message message;
    int err =
        api_message_write(r->w, (warren_bytes){payload, len}, (warren_bytes){0}, false, &message);
    if (err != 0) return err;
    if (!mesh_node_is_awaited(node, r->slot)) return WARREN_CANCELLED;
    if (!r->is_stream) err = mesh_node_item(node, now_ms, r->slot, 0, (mesh_bytes){0});
    r->is_stream |= err == 0;
    if (err == 0) err = mesh_node_item(node, now_ms, r->slot, 0, message.payload);
    return api_error(err);
}

// ---- messages

static void take_message(warren *w, const mesh_output *out) {
    const api_endpoint *endpoint = find_endpoint(w, out->endpoint);
    api_content content;
    int err = endpoint ? api_content_read(w, out, &content) : 0;
    w->bad_payloads += err != 0;
    uint32_t peer = out->peer, cost = out->cost;
    mesh_lane lane = out->flags & MESH_IS_BULK ? MESH_LANE_BULK : MESH_LANE_NORMAL;
    if (endpoint && err == 0) {
        char subject[MESH_NAME_LEN_MAX + 1];
        memcpy(subject, out->name.data, out->name.len);
        subject[out->name.len] = '\0';
        warren_message message = {.subject = subject,
                                  .payload = content.payload,
                                  .headers = content.headers,
                                  .from = api_peers_id(w, peer)};
        endpoint->on_message(w, &message, endpoint->user);
    }
    mesh_node_consumed(mesh_member_node(w->member), peer, lane, cost);
}

// ---- what becomes of requests

static api_request *find_request(const warren *w, uint32_t slot) {
    uint64_t hash = mesh_map_hash_u64(&w->requests, slot);
    api_request *r;
    for (size_t cursor = 0; (r = mesh_map_next(&w->requests, hash, &cursor));)
        if (r->slot == slot) return r;
    return NULL;
}

static void take_abort(api_request *r) {
    if (r->face.is_aborted) return;
    r->face.is_aborted = true;
    if (r->face.on_abort) r->face.on_abort(&r->face);
}

void api_serve_take(warren *w, const mesh_output *out) {
    if (out->kind == MESH_OUT_REQUEST) {
        take_request(w, out);
        return;
    }
    if (out->kind == MESH_OUT_MESSAGE) {
        take_message(w, out);
        return;
    }
    api_request *r = find_request(w, out->slot);
    if (!r) return;
    if (out->kind == MESH_OUT_ABORT)
        take_abort(r);
    else if (r->face.on_room)
        r->face.on_room(&r->face);
}

void api_serve_free(warren *w) {
    void *item;
    for (size_t cursor = 0; (item = mesh_map_each(&w->endpoints, &cursor));)
        free(item);
    for (size_t cursor = 0; (item = mesh_map_each(&w->requests, &cursor));)
        free(item);
    mesh_map_deinit(&w->endpoints);
    mesh_map_deinit(&w->requests);
}
