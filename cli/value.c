#include "cli/value.h"

#include <errno.h>
#include <math.h>
#include <msgpack.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/args.h"
#include "cli/json.h"
#include "core/be.h"
#include "core/mem.h"

enum {
    EXT_UNDEFINED = 2,
    EXT_MAP = 3,
    EXT_SET = 4,
    EXT_BIGINT = 5,
    EXT_BIGINT_64 = 6,
    EXT_TYPED = 7,
    EXT_REGEXP = 8,
    EXT_URL = 9,
    EXT_ERROR = 10,
    EXT_REFERENCE = 11,
    EXT_HOLE = 12,
    EXT_BAD_DATE = 13
};
enum { TIME_TEXT_MAX = 64, BIGINT_TEXT_MAX = 24, EXT_TIMESTAMP = -1, NS_PER_MS = 1000000 };

#define DIGITS "0123456789"

static const int BASE64 = sodium_base64_VARIANT_ORIGINAL;

// ---- JSON to MessagePack

static bool pack(msgpack_packer *packer, const json_t *value);

static void pack_text(msgpack_packer *packer, const char *text, size_t len) {
    (void)msgpack_pack_str_with_body(packer, text, len);
}

static bool pack_bytes(msgpack_packer *packer, const char *text) {
    size_t cap = strlen(text) + 1, len;
    uint8_t *bytes = mem_alloc(cap);
    bool is_fit = sodium_base642bin(bytes, cap, text, strlen(text), NULL, &len, NULL, BASE64) == 0;
    if (is_fit) (void)msgpack_pack_bin_with_body(packer, bytes, len);
    free(bytes);
    return is_fit;
}

// 2026-11-23T10:51:49.764Z
static bool pack_date(msgpack_packer *packer, const char *text) {
    struct tm parts = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    unsigned ms = 0;
    if (rest == NULL) return false;
    if (*rest == '.') {
        if (strspn(++rest, DIGITS) != 3) return false;
        ms = (unsigned)strtoul(rest, NULL, 10);
        rest += 3;
    }
    if (strcmp(rest, "Z") != 0) return false;
    int day = parts.tm_mday;
    time_t seconds = timegm(&parts);
    if (parts.tm_mday != day) return false; // there is no 31 February
    msgpack_timestamp at = {.tv_sec = seconds, .tv_nsec = ms * NS_PER_MS};
    return msgpack_pack_timestamp(packer, &at) == 0;
}

// Those of 64 bits; a larger one cannot be typed.
static bool pack_bigint(msgpack_packer *packer, const char *text) {
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    uint8_t body[sizeof(uint64_t)];
    bool is_fit = errno == 0 && end > text && *end == '\0' && strspn(text, "-" DIGITS) > 0;
    if (!is_fit) return false;
    (void)store_be64(body, (uint64_t)n);
    return msgpack_pack_ext_with_body(packer, body, sizeof body, EXT_BIGINT_64) == 0;
}

static bool pack_number(msgpack_packer *packer, const char *text) {
    if (strcmp(text, "NaN") == 0) return msgpack_pack_double(packer, NAN) == 0;
    if (strcmp(text, "Infinity") == 0) return msgpack_pack_double(packer, INFINITY) == 0;
    if (strcmp(text, "-Infinity") == 0) return msgpack_pack_double(packer, -INFINITY) == 0;
    return strcmp(text, "-0") == 0 && msgpack_pack_double(packer, -0.0) == 0;
}

// `list` flattened by one level for a Map, as it is for a Set, inside an extension.
static bool pack_inside(msgpack_packer *packer, const json_t *list, int8_t type) {
    msgpack_sbuffer buffer;
    msgpack_packer inside;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&inside, &buffer, msgpack_sbuffer_write);
    size_t count = json_array_size(list), i;
    json_t *item;
    bool is_map = type == EXT_MAP, is_fit = true;
    (void)msgpack_pack_array(&inside, is_map ? 2 * count : count);
    json_array_foreach(list, i, item) {
        if (is_map)
            is_fit = is_fit && json_array_size(item) == 2 &&
                     pack(&inside, json_array_get(item, 0)) &&
                     pack(&inside, json_array_get(item, 1));
        else
            is_fit = is_fit && pack(&inside, item);
    }
    if (is_fit) (void)msgpack_pack_ext_with_body(packer, buffer.data, buffer.size, type);
    msgpack_sbuffer_destroy(&buffer);
    return is_fit;
}

static bool pack_object(msgpack_packer *packer, const json_t *object) {
    const char *key;
    json_t *value;
    (void)msgpack_pack_map(packer, json_object_size(object));
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        pack_text(packer, key, strlen(key));
        if (!pack(packer, value)) return false;
    }
    return true;
}

// What stands for a type that JSON has not; false: the object is one of the user's.
static bool find_special(const json_t *object, const char **out_key, json_t **out_value) {
    if (json_object_size(object) != 1) return false;
    void *at = json_object_iter((json_t *)(uintptr_t)object);
    *out_key = json_object_iter_key(at);
    *out_value = json_object_iter_value(at);
    return (*out_key)[0] == '$';
}

static bool pack_special(msgpack_packer *packer, const char *key, const json_t *value) {
    const char *text = json_is_string(value) ? json_string_value(value) : NULL;
    static const uint8_t zero = 0;
    if (strcmp(key, "$object") == 0) return json_is_object(value) && pack_object(packer, value);
    if (strcmp(key, "$undefined") == 0)
        return msgpack_pack_ext_with_body(packer, &zero, sizeof zero, EXT_UNDEFINED) == 0;
    if (strcmp(key, "$map") == 0)
        return json_is_array(value) && pack_inside(packer, value, EXT_MAP);
    if (strcmp(key, "$set") == 0)
        return json_is_array(value) && pack_inside(packer, value, EXT_SET);
    if (text == NULL) return false;
    if (strcmp(key, "$bytes") == 0) return pack_bytes(packer, text);
    if (strcmp(key, "$date") == 0) return pack_date(packer, text);
    if (strcmp(key, "$bigint") == 0) return pack_bigint(packer, text);
    if (strcmp(key, "$number") == 0) return pack_number(packer, text);
    return strcmp(key, "$url") == 0 &&
           msgpack_pack_ext_with_body(packer, text, strlen(text), EXT_URL) == 0;
}

static bool pack_list(msgpack_packer *packer, const json_t *list) {
    size_t i;
    json_t *item;
    (void)msgpack_pack_array(packer, json_array_size(list));
    json_array_foreach(list, i, item) {
        if (!pack(packer, item)) return false;
    }
    return true;
}

static bool pack(msgpack_packer *packer, const json_t *value) {
    const char *key;
    json_t *inner;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return find_special(value, &key, &inner) ? pack_special(packer, key, inner)
                                                 : pack_object(packer, value);
    case JSON_ARRAY: return pack_list(packer, value);
    case JSON_STRING:
        pack_text(packer, json_string_value(value), json_string_length(value));
        return true;
    case JSON_INTEGER: return msgpack_pack_int64(packer, json_integer_value(value)) == 0;
    case JSON_REAL: return msgpack_pack_double(packer, json_real_value(value)) == 0;
    case JSON_TRUE: return msgpack_pack_true(packer) == 0;
    case JSON_FALSE: return msgpack_pack_false(packer) == 0;
    default: return msgpack_pack_nil(packer) == 0;
    }
}

mesh_bytes cli_value_parse(const char *what, const char *text, size_t len) {
    json_error_t error;
    json_t *value =
        json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    if (value == NULL) {
        cli_say("%s is no JSON: line %d, column %d: %.200s", what, error.line, error.column,
                error.text);
        return (mesh_bytes){0};
    }
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    mesh_bytes out = {0};
    if (pack(&packer, value))
        out = (mesh_bytes){mem_copy(buffer.data, buffer.size), buffer.size};
    else
        cli_say("%s has an object whose one key begins with $, and it is not what that means: "
                "`warren call --help` "
                "lists those that do, {\"$object\": ...} is for others",
                what);
    msgpack_sbuffer_destroy(&buffer);
    json_decref(value);
    return out;
}

mesh_bytes cli_value_headers(const char *const *pairs, size_t count) {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    if (count == 0) return (mesh_bytes){0};
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    (void)msgpack_pack_map(&packer, count);
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(pairs[i], '=');
        pack_text(&packer, pairs[i], (size_t)(equals - pairs[i]));
        pack_text(&packer, equals + 1, strlen(equals + 1));
    }
    mesh_bytes out = {mem_copy(buffer.data, buffer.size), buffer.size};
    msgpack_sbuffer_destroy(&buffer);
    return out;
}

// ---- MessagePack to JSON

static json_t *read_object(const msgpack_object *object);

static json_t *special(const char *key, json_t *value) {
    return json_pack("{s:o}", key, value);
}

static json_t *read_bytes(const char *key, const char *bytes, size_t len) {
    size_t cap = sodium_base64_encoded_len(len, BASE64);
    char *text = mem_alloc(cap);
    (void)sodium_bin2base64(text, cap, (const uint8_t *)bytes, len, BASE64);
    json_t *value = special(key, json_string(text));
    free(text);
    return value;
}

static json_t *read_double(double n) {
    if (isfinite(n) && !(n == 0 && signbit(n))) return json_real(n);
    return special("$number", json_string(isnan(n) ? "NaN"
                                          : n == 0 ? "-0"
                                          : n > 0  ? "Infinity"
                                                   : "-Infinity"));
}

static json_t *read_date(const msgpack_object *object) {
    msgpack_timestamp at;
    char seconds[TIME_TEXT_MAX], text[TIME_TEXT_MAX + 8];
    struct tm parts;
    bool is_date = msgpack_object_to_timestamp(object, &at);
    time_t time = is_date ? (time_t)at.tv_sec : 0;
    if (!is_date || gmtime_r(&time, &parts) == NULL ||
        strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        return special("$date", json_null());
    (void)snprintf(text, sizeof text, "%s.%03uZ", seconds, at.tv_nsec / NS_PER_MS);
    return special("$date", json_string(text));
}

// The value inside an extension, or NULL.
static json_t *read_inside(const msgpack_object_ext *ext) {
    msgpack_unpacked inside;
    size_t at = 0;
    msgpack_unpacked_init(&inside);
    json_t *value = NULL;
    if (msgpack_unpack_next(&inside, ext->ptr, ext->size, &at) == MSGPACK_UNPACK_SUCCESS)
        value = read_object(&inside.data);
    msgpack_unpacked_destroy(&inside);
    return value;
}

static json_t *read_map(const msgpack_object_ext *ext) {
    json_t *flat = read_inside(ext), *pairs = json_array();
    if (flat == NULL) {
        json_decref(pairs);
        return NULL;
    }
    for (size_t i = 0; i + 1 < json_array_size(flat); i += 2)
        json_array_append_new(
            pairs, json_pack("[OO]", json_array_get(flat, i), json_array_get(flat, i + 1)));
    json_decref(flat);
    return special("$map", pairs);
}

static json_t *read_error(const msgpack_object_ext *ext) {
    json_t *fields = read_inside(ext);
    if (fields == NULL) return NULL;
    json_t *own = json_array_get(fields, 3);
    json_t *error = json_pack("{s:O*, s:O*}", "class", json_array_get(fields, 0), "message",
                              json_array_get(fields, 1));
    if (json_object_size(own) > 0) json_object_update_missing(error, own);
    json_decref(fields);
    return special("$error", error);
}

static json_t *read_bigint(const msgpack_object_ext *ext) {
    char text[BIGINT_TEXT_MAX];
    if (ext->type == EXT_BIGINT_64 && ext->size == sizeof(int64_t)) {
        (void)snprintf(text, sizeof text, "%lld", (long long)load_be64((const uint8_t *)ext->ptr));
        return special("$bigint", json_string(text));
    }
    size_t len = ext->size > 0 ? ext->size - 1 : 0;
    char *hex = mem_alloc(2 * len + 4);
    (void)snprintf(hex, 4, "%s0x", ext->size > 0 && ext->ptr[0] ? "-" : "");
    (void)sodium_bin2hex(hex + strlen(hex), 2 * len + 1, (const uint8_t *)ext->ptr + 1, len);
    json_t *value = special("$bigint", json_string(hex));
    free(hex);
    return value;
}

static json_t *wrap(const char *key, json_t *value) {
    return value != NULL ? special(key, value) : NULL;
}

static json_t *read_ext(const msgpack_object *object) {
    const msgpack_object_ext *ext = &object->via.ext;
    switch (ext->type) {
    case EXT_TIMESTAMP: return read_date(object);
    case EXT_UNDEFINED:
    case EXT_HOLE: return special("$undefined", json_true());
    case EXT_MAP: return read_map(ext);
    case EXT_SET: return wrap("$set", read_inside(ext));
    case EXT_BIGINT:
    case EXT_BIGINT_64: return read_bigint(ext);
    case EXT_REGEXP: return wrap("$regexp", read_inside(ext));
    case EXT_URL: return special("$url", cli_json_text_of(ext->ptr, ext->size));
    case EXT_ERROR: return read_error(ext);
    case EXT_BAD_DATE: return special("$date", json_null());
    case EXT_REFERENCE:
        return special(
            "$reference",
            json_integer(ext->size == 4 ? (json_int_t)load_be32((const uint8_t *)ext->ptr) : -1));
    case EXT_TYPED: return read_bytes("$typed", ext->ptr + 1, ext->size > 0 ? ext->size - 1 : 0);
    default: return read_bytes("$extension", ext->ptr, ext->size);
    }
}

static json_t *read_list(const msgpack_object_array *array) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < array->size; i++) {
        json_t *item = read_object(&array->ptr[i]);
        if (item == NULL || json_array_append_new(list, item) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

// As the pairs of a Map: some keys are no texts.
static json_t *read_pairs(const msgpack_object_map *map) {
    json_t *pairs = json_array();
    for (uint32_t i = 0; i < map->size; i++) {
        json_t *pair = json_array();
        json_t *key = read_object(&map->ptr[i].key), *value = read_object(&map->ptr[i].val);
        bool is_read = key != NULL && json_array_append_new(pair, key) == 0 && value != NULL &&
                       json_array_append_new(pair, value) == 0;
        if (json_array_append_new(pairs, pair) == 0 && is_read) continue;
        json_decref(pairs);
        return NULL;
    }
    return special("$map", pairs);
}

static json_t *read_object_of(const msgpack_object_map *map) {
    json_t *object = json_object();
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object_kv *pair = &map->ptr[i];
        if (pair->key.type != MSGPACK_OBJECT_STR) {
            json_decref(object);
            return read_pairs(map);
        }
        json_t *value = read_object(&pair->val);
        json_t *key = cli_json_text_of(pair->key.via.str.ptr, pair->key.via.str.size);
        bool is_read = value != NULL && key != NULL &&
                       json_object_set(object, json_string_value(key), value) == 0;
        json_decref(key);
        json_decref(value);
        if (!is_read) {
            json_decref(object);
            return NULL;
        }
    }
    const char *key;
    json_t *value;
    return find_special(object, &key, &value) ? special("$object", object) : object;
}

static json_t *read_object(const msgpack_object *object) {
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN: return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return object->via.u64 <= INT64_MAX ? json_integer((json_int_t)object->via.u64)
                                            : json_real((double)object->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: return json_integer(object->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64: return read_double(object->via.f64);
    case MSGPACK_OBJECT_STR: return cli_json_text_of(object->via.str.ptr, object->via.str.size);
    case MSGPACK_OBJECT_BIN: return read_bytes("$bytes", object->via.bin.ptr, object->via.bin.size);
    case MSGPACK_OBJECT_ARRAY: return read_list(&object->via.array);
    case MSGPACK_OBJECT_MAP: return read_object_of(&object->via.map);
    case MSGPACK_OBJECT_EXT: return read_ext(object);
    default: return json_null();
    }
}

json_t *cli_value_read(mesh_bytes payload) {
    msgpack_unpacked value;
    size_t at = 0;
    if (payload.len == 0) return json_null();
    msgpack_unpacked_init(&value);
    json_t *out = NULL;
    if (msgpack_unpack_next(&value, (const char *)payload.data, payload.len, &at) ==
        MSGPACK_UNPACK_SUCCESS)
        out = read_object(&value.data);
    msgpack_unpacked_destroy(&value);
    return out;
}
