#include "object.h"

void object_set_number(napi_env env, napi_value object, const char *name, uint64_t number) {
    napi_value value;
    napi_create_double(env, (double)number, &value);
    napi_set_named_property(env, object, name, value);
}

void object_set_text(napi_env env, napi_value object, const char *name, const char *text) {
    napi_value value;
    napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
    napi_set_named_property(env, object, name, value);
}

const char *object_get_text(napi_env env, napi_value object, const char *name, char *buffer,
                            size_t cap) {
    napi_value value;
    napi_valuetype type;
    size_t len;
    if (napi_get_named_property(env, object, name, &value) != napi_ok ||
        napi_typeof(env, value, &type) != napi_ok || type != napi_string ||
        napi_get_value_string_utf8(env, value, buffer, cap, &len) != napi_ok)
        return NULL;
    return buffer;
}

uint32_t object_get_number(napi_env env, napi_value object, const char *name) {
    napi_value value;
    uint32_t number = 0;
    if (napi_get_named_property(env, object, name, &value) == napi_ok)
        napi_get_value_uint32(env, value, &number);
    return number;
}
