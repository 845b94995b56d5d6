// How etcd's JSON gateway writes what JSON has not: bytes as base64, 64-bit integers as texts.
// Pure.
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "core/bytes.h"

enum { MESH_GATEWAY_WORDS_MAX = 81 };

char *mesh_gateway_encode(mesh_bytes bytes); // gives a text, free()

// An object; NULL: it is none.
json_t *mesh_gateway_load(mesh_bytes body);
// 0 when it is neither an integer nor the text of one: missing is 0 there.
int64_t mesh_gateway_integer(const json_t *value);
// At most `cap` bytes. False: it is no text of base64, or of more.
bool mesh_gateway_decode(const json_t *value, uint8_t *out, size_t cap, size_t *out_len);

// The gateway's code of an error, -1 for none, and its words: printable, "" for none.
int mesh_gateway_error(mesh_bytes body, char out_words[MESH_GATEWAY_WORDS_MAX]);
