// Properties of JavaScript objects, through Node-API.
#pragma once

#include <node_api.h>

void object_set_number(napi_env env, napi_value object, const char *name, uint64_t number);
void object_set_text(napi_env env, napi_value object, const char *name, const char *text);
// Reads a text into `buffer`; NULL when it is not there.
const char *object_get_text(napi_env env, napi_value object, const char *name, char *buffer,
                            size_t cap);
uint32_t object_get_number(napi_env env, napi_value object, const char *name); // 0: not there
