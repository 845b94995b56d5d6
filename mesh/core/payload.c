#include "core/payload.h"

#include <stdbool.h>

#include "core/be.h"
#include "core/error.h"
#include "core/mem.h"

enum {
    EXT_SHAPE = 1,
    EXT_MAP = 3,
    EXT_SET = 4,
    EXT_REGEXP = 8,
    EXT_ERROR = 10,
    SHAPE_HEAD_LEN = 4, // of an array's first element: fixext 2, type, u16 id
    EXT_32_HEAD_LEN = 6,
    LEVELS_MAX =
        3 * MESH_PAYLOAD_DEPTH_MAX, // an extension, its array and an Error's properties are one
    HEAD_LEN_MAX = 9,
};

// A container that is open.
typedef struct level {
    uint64_t left;               // values that are still to come
    const uint8_t *key;          // of a shape: the next one, as its length and its bytes
    size_t ext_end;              // of an extension: where it ends in the input; else 0
    size_t ext_at;               // and where it began in the output
    bool is_part;                // of the level around it, in wire.md's count
    bool is_error_ext, is_error; // the extension of an Error, the array in it
} level;

typedef struct walk {
    mesh_bytes in;
    size_t pos;
    size_t end; // of the innermost extension, or of the input
    const mesh_shapes *shapes;
    mesh_payload_buffer *out; // NULL: only look
    bool has_shapes;
    uint32_t depth; // as wire.md counts it
    uint32_t count;
    level levels[LEVELS_MAX];
} walk;

// ---- output

static int put(walk *w, const uint8_t *data, size_t len) {
    mesh_payload_buffer *out = w->out;
    if (!out) return 0;
    if (len > MESH_PAYLOAD_PLAIN_MAX - out->len) return MESH_ETOOBIG;
    out->data = mem_grow(out->data, 1, out->len + len, &out->cap);
    if (len > 0) memcpy(out->data + out->len, data, len);
    out->len += len;
    return 0;
}

static int put_map_head(walk *w, uint32_t count) {
    uint8_t head[3] = {(uint8_t)(0x80 | count)};
    if (count < 16) return put(w, head, 1);
    head[0] = 0xde;
    (void)store_be16(head + 1, count);
    return put(w, head, sizeof head);
}

static int put_key(walk *w, level *top) {
    uint8_t len = top->key[0], head[2] = {(uint8_t)(0xa0 | len)};
    bool is_short = len < 32;
    if (!is_short) {
        head[0] = 0xd9;
        head[1] = len;
    }
    int err = put(w, head, is_short ? 1 : 2);
    if (err == 0) err = put(w, top->key + 1, len);
    top->key += 1 + len;
    return err;
}

// ---- levels

static int push(walk *w, level next) {
    if (w->count == LEVELS_MAX) return MESH_EPROTO;
    if (!next.is_part && ++w->depth > MESH_PAYLOAD_DEPTH_MAX) return MESH_EPROTO;
    w->levels[w->count++] = next;
    return 0;
}

static level *top_of(walk *w) {
    return w->count > 0 ? &w->levels[w->count - 1] : NULL;
}

// The array inside an extension, and the own properties of an Error.
static bool is_part(walk *w) {
    level *top = top_of(w);
    return top && (top->ext_end > 0 || (top->is_error && top->left == 0));
}

static int pop(walk *w) {
    level *top = top_of(w);
    w->count--;
    if (top->ext_end > 0) {
        if (w->pos != top->ext_end) return MESH_EPROTO;
        if (w->out) {
            size_t len = w->out->len - top->ext_at - EXT_32_HEAD_LEN;
            (void)store_be32(w->out->data + top->ext_at + 1, (uint32_t)len);
        }
        w->end = w->in.len;
        for (uint32_t i = 0; i < w->count; i++)
            if (w->levels[i].ext_end > 0) w->end = w->levels[i].ext_end;
    }
    if (!top->is_part) w->depth--;
    return 0;
}

// ---- values

static size_t rest(const walk *w) {
    return w->end - w->pos;
}

static int copy(walk *w, size_t len) {
    if (len > rest(w)) return MESH_EPROTO;
    int err = put(w, w->in.data + w->pos, len);
    w->pos += len;
    return err;
}

static int open_values(walk *w, size_t head_len, uint64_t count) {
    if (count > rest(w) - head_len) return MESH_EPROTO; // a byte for each at least
    level *top = top_of(w);
    level next = {.left = count, .is_part = is_part(w), .is_error = top && top->is_error_ext};
    int err = copy(w, head_len);
    return err != 0 ? err : push(w, next);
}

static int open_shape(walk *w, size_t head_len, uint64_t count) {
    const uint8_t *mark = w->in.data + w->pos + head_len;
    uint32_t id = load_be16(mark + 2);
    if (!w->shapes || id >= w->shapes->count) return MESH_EPROTO;
    const uint8_t *body = w->shapes->bodies[id].data; // judged when it came
    if (count != 1u + body[2]) return MESH_EPROTO;
    w->has_shapes = true;
    w->pos += head_len + SHAPE_HEAD_LEN;
    int err = put_map_head(w, body[2]);
    level next = {.left = body[2], .key = body + 3};
    return err != 0 ? err : push(w, next);
}

static int open_array(walk *w, size_t head_len, uint64_t count) {
    const uint8_t *first = w->in.data + w->pos + head_len;
    bool is_shape = count > 0 && rest(w) >= head_len + SHAPE_HEAD_LEN && first[0] == 0xd5 &&
                    first[1] == EXT_SHAPE;
    return is_shape ? open_shape(w, head_len, count) : open_values(w, head_len, count);
}

static bool is_container(uint8_t type) {
    return type == EXT_MAP || type == EXT_SET || type == EXT_REGEXP || type == EXT_ERROR;
}

// Its length may change, so its head takes the longest form.
static int open_ext(walk *w, size_t head_len, uint64_t len, uint8_t type) {
    if (type == EXT_SHAPE || len > rest(w) - head_len) return MESH_EPROTO;
    if (!is_container(type)) return copy(w, head_len + len);
    const uint8_t head[EXT_32_HEAD_LEN] = {0xc9, 0, 0, 0, 0, type};
    level next = {.left = 1, .ext_at = w->out ? w->out->len : 0, .is_error_ext = type == EXT_ERROR};
    w->pos += head_len;
    next.ext_end = w->end = w->pos + len;
    int err = put(w, head, sizeof head);
    return err != 0 ? err : push(w, next);
}

// A token of MessagePack: how long its head is, and what number is in it.
typedef struct token {
    enum { SCALAR, BYTES, ARRAY, MAP, EXT } kind;
    uint8_t head_len;
    uint8_t number_len; // of the big-endian number that is behind the first byte
    uint8_t few;        // the number, where it has no bytes
} token;

static bool find_token(uint8_t byte, token *out) {
    static const token wide[0x20] = {
        [0x00] = {SCALAR, 1, 0, 0}, [0x02] = {SCALAR, 1, 0, 0}, [0x03] = {SCALAR, 1, 0, 0},
        [0x04] = {BYTES, 2, 1, 0},  [0x05] = {BYTES, 3, 2, 0},  [0x06] = {BYTES, 5, 4, 0},
        [0x07] = {EXT, 3, 1, 0},    [0x08] = {EXT, 4, 2, 0},    [0x09] = {EXT, 6, 4, 0},
        [0x0a] = {SCALAR, 5, 0, 0}, [0x0b] = {SCALAR, 9, 0, 0}, [0x0c] = {SCALAR, 2, 0, 0},
        [0x0d] = {SCALAR, 3, 0, 0}, [0x0e] = {SCALAR, 5, 0, 0}, [0x0f] = {SCALAR, 9, 0, 0},
        [0x10] = {SCALAR, 2, 0, 0}, [0x11] = {SCALAR, 3, 0, 0}, [0x12] = {SCALAR, 5, 0, 0},
        [0x13] = {SCALAR, 9, 0, 0}, [0x14] = {EXT, 2, 0, 1},    [0x15] = {EXT, 2, 0, 2},
        [0x16] = {EXT, 2, 0, 4},    [0x17] = {EXT, 2, 0, 8},    [0x18] = {EXT, 2, 0, 16},
        [0x19] = {BYTES, 2, 1, 0},  [0x1a] = {BYTES, 3, 2, 0},  [0x1b] = {BYTES, 5, 4, 0},
        [0x1c] = {ARRAY, 3, 2, 0},  [0x1d] = {ARRAY, 5, 4, 0},  [0x1e] = {MAP, 3, 2, 0},
        [0x1f] = {MAP, 5, 4, 0},
    };
    if (byte < 0x80 || byte >= 0xe0)
        *out = (token){SCALAR, 1, 0, 0};
    else if (byte < 0x90)
        *out = (token){MAP, 1, 0, byte & 0x0f};
    else if (byte < 0xa0)
        *out = (token){ARRAY, 1, 0, byte & 0x0f};
    else if (byte < 0xc0)
        *out = (token){BYTES, 1, 0, byte & 0x1f};
    else
        *out = wide[byte - 0xc0];
    return out->head_len > 0; // 0xc1 begins nothing
}

static uint32_t number_of(const uint8_t *at, token t) {
    switch (t.number_len) {
    case 1: return at[1];
    case 2: return load_be16(at + 1);
    case 4: return load_be32(at + 1);
    default: return t.few;
    }
}

static int take_value(walk *w) {
    level *top = top_of(w);
    if (top) {
        top->left--;
        int err = top->key ? put_key(w, top) : 0;
        if (err != 0) return err;
    }
    token t;
    const uint8_t *at = w->in.data + w->pos;
    if (rest(w) == 0 || !find_token(at[0], &t) || t.head_len > rest(w)) return MESH_EPROTO;
    uint64_t number = number_of(at, t);
    switch (t.kind) {
    case BYTES: return copy(w, t.head_len + number);
    case ARRAY: return open_array(w, t.head_len, number);
    case MAP: return open_values(w, t.head_len, 2 * number);
    case EXT: return open_ext(w, t.head_len, number, at[t.head_len - 1]);
    default: return copy(w, t.head_len);
    }
}

static int walk_value(walk *w) {
    int err = take_value(w);
    while (err == 0 && w->count > 0)
        err = top_of(w)->left > 0 ? take_value(w) : pop(w);
    return err;
}

// ---- the face

void mesh_payload_buffer_deinit(mesh_payload_buffer *buffer) {
    free(buffer->data);
    *buffer = (mesh_payload_buffer){0};
}

int mesh_payload_plain(mesh_bytes payload, const mesh_shapes *shapes, mesh_payload_buffer *buffer,
                       mesh_bytes *out, size_t *out_len) {
    walk w = {.in = payload, .end = payload.len, .shapes = shapes};
    int err = walk_value(&w);
    if (err != 0) return err;
    *out_len = w.pos;
    *out = (mesh_bytes){payload.data, w.pos};
    if (!w.has_shapes) return 0;
    buffer->len = 0;
    walk writing = {.in = payload, .end = payload.len, .shapes = shapes, .out = buffer};
    err = walk_value(&writing);
    *out = (mesh_bytes){buffer->data, buffer->len};
    return err;
}

static bool is_text(uint8_t byte) {
    return (byte & 0xe0) == 0xa0 || (byte >= 0xd9 && byte <= 0xdb);
}

int mesh_payload_check_headers(mesh_bytes headers) {
    token t;
    if (headers.len == 0 || !find_token(headers.data[0], &t)) return MESH_EPROTO;
    if (t.kind != MAP || t.head_len > headers.len) return MESH_EPROTO;
    uint64_t left = 2 * (uint64_t)number_of(headers.data, t);
    walk w = {.in = headers, .pos = t.head_len, .end = headers.len};
    for (; left > 0; left--) {
        if (rest(&w) == 0 || !is_text(headers.data[w.pos])) return MESH_EPROTO;
        int err = take_value(&w);
        if (err != 0) return err;
    }
    return w.pos == headers.len ? 0 : MESH_EPROTO;
}

int mesh_payload_check(mesh_bytes payload) {
    walk w = {.in = payload, .end = payload.len};
    int err = walk_value(&w);
    if (err == 0 && w.pos != payload.len) err = MESH_EPROTO;
    return err;
}
