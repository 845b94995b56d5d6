// Reads payloads with msgpack-c and writes them again: stdin and stdout are a sequence of `u32
// length | bytes`, big endian. What cannot be read comes back as length 0. Extensions whose content
// is MessagePack are read inside too.
#include <msgpack.h>
#include <stdint.h>
#include <stdio.h>

enum { LEN_MAX = 4 << 20, EXT_MAP = 3, EXT_SET = 4, EXT_REGEXP = 8, EXT_ERROR = 10 };

static bool has_values_inside(int8_t type) {
    return type == EXT_MAP || type == EXT_SET || type == EXT_REGEXP || type == EXT_ERROR;
}

static bool repack(const char *bytes, size_t len, msgpack_sbuffer *out);

static bool write_object(msgpack_packer *packer, const msgpack_object *object);

static bool write_ext(msgpack_packer *packer, const msgpack_object_ext *ext) {
    if (!has_values_inside(ext->type))
        return msgpack_pack_ext_with_body(packer, ext->ptr, ext->size, ext->type) == 0;
    msgpack_sbuffer inside;
    msgpack_sbuffer_init(&inside);
    bool is_written = repack(ext->ptr, ext->size, &inside) &&
                      msgpack_pack_ext_with_body(packer, inside.data, inside.size, ext->type) == 0;
    msgpack_sbuffer_destroy(&inside);
    return is_written;
}

static bool write_object(msgpack_packer *packer, const msgpack_object *object) {
    switch (object->type) {
    case MSGPACK_OBJECT_ARRAY:
        (void)msgpack_pack_array(packer, object->via.array.size);
        for (uint32_t i = 0; i < object->via.array.size; i++)
            if (!write_object(packer, &object->via.array.ptr[i])) return false;
        return true;
    case MSGPACK_OBJECT_MAP:
        (void)msgpack_pack_map(packer, object->via.map.size);
        for (uint32_t i = 0; i < object->via.map.size; i++) {
            const msgpack_object_kv *pair = &object->via.map.ptr[i];
            if (!write_object(packer, &pair->key) || !write_object(packer, &pair->val))
                return false;
        }
        return true;
    case MSGPACK_OBJECT_EXT: return write_ext(packer, &object->via.ext);
    default: return msgpack_pack_object(packer, *object) == 0;
    }
}

// Exactly one value.
static bool repack(const char *bytes, size_t len, msgpack_sbuffer *out) {
    msgpack_unpacked value;
    msgpack_unpacked_init(&value);
    size_t used = 0;
    bool is_whole = msgpack_unpack_next(&value, bytes, len, &used) == MSGPACK_UNPACK_SUCCESS;
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    bool is_written = is_whole && used == len && write_object(&packer, &value.data);
    msgpack_unpacked_destroy(&value);
    return is_written;
}

static bool read_len(uint32_t *out_len) {
    uint8_t head[4];
    if (fread(head, 1, sizeof head, stdin) != sizeof head) return false;
    *out_len = (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
    return true;
}

static void say(const char *bytes, size_t len) {
    const uint8_t head[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                             (uint8_t)len};
    (void)fwrite(head, 1, sizeof head, stdout);
    if (len > 0) (void)fwrite(bytes, 1, len, stdout);
}

int main(void) {
    static char bytes[LEN_MAX];
    for (uint32_t len; read_len(&len);) {
        if (len > LEN_MAX || fread(bytes, 1, len, stdin) != len) return 1;
        msgpack_sbuffer out;
        msgpack_sbuffer_init(&out);
        bool is_written = repack(bytes, len, &out);
        say(out.data, is_written ? out.size : 0);
        msgpack_sbuffer_destroy(&out);
    }
    return 0;
}
