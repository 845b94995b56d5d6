// Values and errors of the C API, to the mesh's and back.
#include <msgpack.h>

#include "api/state.h"
#include "core/error.h"
#include "core/mem.h"
#include "core/tags.h"

enum { EXT_ERROR = 10, ERROR_FIELDS = 4, ERROR_TEXT_MAX = 16 << 10 };

static const struct {
    const char *name, *text;
} errors[] = {
    [WARREN_OK] = {"OK", "it is done"},
    [WARREN_APPLICATION] = {"ERR_WARREN_APPLICATION", "the handler failed"},
    [WARREN_NO_RESPONDERS] = {"ERR_WARREN_NO_RESPONDERS", "nobody serves it"},
    [WARREN_TIMEOUT] = {"ERR_WARREN_TIMEOUT", "no answer in time"},
    [WARREN_CANCELLED] = {"ERR_WARREN_CANCELLED", "the call was cancelled"},
    [WARREN_OVERLOADED] = {"ERR_WARREN_OVERLOADED", "too much is waiting for the peer"},
    [WARREN_CLOSED] = {"ERR_WARREN_CLOSED", "the mesh is closed, here or there"},
    [WARREN_NO_METHOD] = {"ERR_WARREN_NO_METHOD", "the service has no such method"},
    [WARREN_PEER_LOST] = {"ERR_WARREN_PEER_LOST", "the peer is gone"},
    [WARREN_FORBIDDEN] = {"ERR_WARREN_FORBIDDEN", "this node's certificate does not allow it"},
    [WARREN_NO_AGENT] = {"ERR_WARREN_NO_AGENT",
                         "no agent answers: is one running? `warren agent` starts one"},
    [WARREN_AGENT_LOST] = {"ERR_WARREN_AGENT_LOST", "the agent of this host is gone"},
    [WARREN_INVALID] = {"ERR_WARREN_INVALID",
                        "a name, a subject, tags or a value that are not allowed"},
    [WARREN_TOO_LARGE] = {"ERR_WARREN_TOO_LARGE", "the message is larger than the limit"},
    [WARREN_EXISTS] = {"ERR_WARREN_EXISTS", "it is there already"},
    [WARREN_NOT_FOUND] = {"ERR_WARREN_NOT_FOUND", "there is no such peer"},
    [WARREN_PROTOCOL] = {"ERR_WARREN_PROTOCOL", "what came is no value"},
    [WARREN_STREAM] = {"ERR_WARREN_STREAM", "the answer is a stream"},
    [WARREN_WAIT] = {"ERR_WARREN_WAIT", "the caller has not taken what was sent before"},
};

static bool is_known(int error) {
    return error >= 0 && (size_t)error < sizeof errors / sizeof *errors && errors[error].name;
}

const char *warren_error_name(int error) {
    return is_known(error) ? errors[error].name : "ERR_WARREN_PROTOCOL";
}

const char *warren_error_text(int error) {
    return is_known(error) ? errors[error].text : "unknown error";
}

int api_error(int mesh_error) {
    switch (mesh_error) {
    case 0: return WARREN_OK;
    case MESH_ETOOBIG: return WARREN_TOO_LARGE;
    case MESH_EQUOTA: return WARREN_OVERLOADED;
    case MESH_EINVAL: return WARREN_INVALID;
    case MESH_EEXIST: return WARREN_EXISTS;
    case MESH_ENOTFOUND: return WARREN_NOT_FOUND;
    case MESH_ECLOSED: return WARREN_CLOSED;
    case MESH_EGONE: return WARREN_AGENT_LOST;
    case MESH_EFLOW: return WARREN_WAIT;
    case MESH_EVERSION: return WARREN_STREAM;
    default: return WARREN_PROTOCOL;
    }
}

// ---- what comes

static warren_bytes bytes_of(mesh_bytes bytes) {
    return (warren_bytes){bytes.data, bytes.len};
}

int api_content_read(warren *w, const mesh_output *out, api_content *content) {
    const api_peer *peer = api_peers_get(w, out->peer);
    const mesh_shapes *shapes = peer ? &peer->shapes : NULL;
    mesh_bytes rest = out->payload, plain;
    size_t len = 0;
    *content = (api_content){0};
    if (out->flags & MESH_PAYLOAD_HAS_HEADERS) {
        int err = mesh_payload_plain(rest, shapes, &w->plain[0], &plain, &len);
        if (err == 0) err = mesh_payload_check_headers(plain);
        if (err != 0) return err;
        content->headers = bytes_of(plain);
        rest = mesh_bytes_skip(rest, len);
    }
    int err = mesh_payload_plain(rest, shapes, &w->plain[1], &plain, &len);
    if (err != 0) return err;
    content->payload = bytes_of(plain);
    return len == rest.len ? 0 : MESH_EPROTO;
}

// ---- what goes

int api_message_write(const warren *w, warren_bytes payload, warren_bytes headers, bool is_bulk,
                      api_message *out) {
    static const uint8_t nil[] = {0xc0};
    *out =
        (api_message){.payload = {payload.data, payload.len}, .flags = is_bulk ? MESH_IS_BULK : 0};
    if (payload.len == 0) out->payload = (mesh_bytes){nil, sizeof nil};
    size_t len = out->payload.len;
    if (len > w->max_message_len || headers.len > w->max_message_len - len) return WARREN_TOO_LARGE;
    if (mesh_payload_check(out->payload) != 0) return WARREN_INVALID;
    if (headers.len == 0) return 0;
    mesh_bytes texts = {headers.data, headers.len};
    if (mesh_payload_check_headers(texts) != 0) return WARREN_INVALID;
    uint8_t *both = out->memory = mem_check(malloc(headers.len + len));
    memcpy(both, headers.data, headers.len);
    memcpy(both + headers.len, out->payload.data, len);
    out->payload = (mesh_bytes){both, headers.len + len};
    out->flags |= MESH_PAYLOAD_HAS_HEADERS;
    return 0;
}

// A character of UTF-8, no surrogate and none beyond Unicode; its length, or 0.
static size_t character_len(const uint8_t *at) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (at[0] < 0x80) return 1;
    if (at[0] < 0xc0 || at[0] >= 0xf8) return 0;
    size_t len = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    uint32_t code = at[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    bool is_character = code >= least[len] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return is_character ? len : 0;
}

bool api_is_name(const char *name, mesh_bytes *out) {
    *out = mesh_bytes_text(name ? name : "");
    if (out->len == 0 || out->len > MESH_NAME_LEN_MAX) return false;
    for (const uint8_t *at = out->data; *at;) {
        size_t len = character_len(at);
        if (len == 0 || *at <= ' ' || *at == 0x7f) return false;
        at += len;
    }
    return true;
}

int api_pick(const char *key, const char *tags, mesh_pick *out) {
    *out = (mesh_pick){0};
    if (key) out->key = mesh_bytes_text(key);
    if (tags) out->tags = mesh_bytes_text(tags);
    bool is_fit = (!key || (out->key.len > 0 && out->key.len <= MESH_TAGS_LEN_MAX)) &&
                  mesh_tags_is_valid(out->tags);
    return is_fit ? 0 : WARREN_INVALID;
}

// ---- errors that handlers throw

// What is no UTF-8, or beyond so many bytes, is left out.
static void pack_text(msgpack_packer *packer, const char *text) {
    char kept[ERROR_TEXT_MAX];
    size_t len = 0;
    for (const uint8_t *at = (const uint8_t *)text; *at;) {
        size_t next = character_len(at);
        if (len + next > sizeof kept) break;
        memcpy(kept + len, at, next);
        len += next;
        at += next > 0 ? next : 1;
    }
    (void)msgpack_pack_str_with_body(packer, kept, len);
}

mesh_bytes api_error_value(const char *code, const char *message) {
    msgpack_sbuffer inside, whole;
    msgpack_sbuffer_init(&inside);
    msgpack_sbuffer_init(&whole);
    msgpack_packer packer;
    msgpack_packer_init(&packer, &inside, msgpack_sbuffer_write);
    (void)msgpack_pack_array(&packer, ERROR_FIELDS);
    pack_text(&packer, "Error");
    pack_text(&packer, message);
    pack_text(&packer, ""); // no stack that would mean something to JavaScript
    (void)msgpack_pack_map(&packer, code ? 1 : 0);
    if (code) {
        pack_text(&packer, "code");
        pack_text(&packer, code);
    }
    msgpack_packer_init(&packer, &whole, msgpack_sbuffer_write);
    (void)msgpack_pack_ext_with_body(&packer, inside.data, inside.size, EXT_ERROR);
    msgpack_sbuffer_destroy(&inside);
    mesh_bytes value = {mem_copy(whole.data, whole.size), whole.size};
    msgpack_sbuffer_destroy(&whole);
    return value;
}

static void keep_text(const msgpack_object *from, char *to, size_t cap) {
    if (from->type != MSGPACK_OBJECT_STR) return;
    size_t len = from->via.str.size < cap - 1 ? from->via.str.size : cap - 1;
    bool is_cut = len < from->via.str.size;
    while (is_cut && len > 0 && ((unsigned char)from->via.str.ptr[len] & 0xc0) == 0x80)
        len--; // not in the middle of a character
    memcpy(to, from->via.str.ptr, len);
    to[len] = '\0';
}

static bool read_fields(const msgpack_object *fields, warren_thrown *out) {
    if (fields->type != MSGPACK_OBJECT_ARRAY || fields->via.array.size != ERROR_FIELDS)
        return false;
    const msgpack_object *field = fields->via.array.ptr;
    keep_text(&field[0], out->class_name, sizeof out->class_name);
    keep_text(&field[1], out->message, sizeof out->message);
    if (field[3].type != MSGPACK_OBJECT_MAP) return true;
    for (uint32_t i = 0; i < field[3].via.map.size; i++) {
        const msgpack_object_kv *own = &field[3].via.map.ptr[i];
        char key[8] = "";
        keep_text(&own->key, key, sizeof key);
        if (strcmp(key, "code") == 0) keep_text(&own->val, out->code, sizeof out->code);
    }
    return true;
}

bool warren_thrown_read(warren_bytes thrown, warren_thrown *out) {
    *out = (warren_thrown){0};
    msgpack_unpacked whole, inside;
    msgpack_unpacked_init(&whole);
    msgpack_unpacked_init(&inside);
    size_t at = 0;
    bool is_error =
        msgpack_unpack_next(&whole, thrown.data, thrown.len, &at) == MSGPACK_UNPACK_SUCCESS &&
        whole.data.type == MSGPACK_OBJECT_EXT && whole.data.via.ext.type == EXT_ERROR;
    at = 0;
    if (is_error)
        is_error = msgpack_unpack_next(&inside, whole.data.via.ext.ptr, whole.data.via.ext.size,
                                       &at) == MSGPACK_UNPACK_SUCCESS &&
                   read_fields(&inside.data, out);
    msgpack_unpacked_destroy(&inside);
    msgpack_unpacked_destroy(&whole);
    return is_error;
}
