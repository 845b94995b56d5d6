// Values of messages as people type and read them: JSON, and MessagePack on the wire. What JSON has
// not is an object with one key that begins with $ (docs/cli.md, "Values"): {"$date": "..."},
// {"$bytes": "base64"} ...; an object of the user's that looks like one goes inside {"$object":
// ...}.
#pragma once

#include <jansson.h>

#include "core/bytes.h"

// From the text of one JSON value. NULL: a sentence about it was printed, that begins with `what`.
// Free .data.
mesh_bytes cli_value_parse(const char *what, const char *text, size_t len);
// A value of the wire, which was judged before. NULL: it is nested deeper than msgpack-c reads.
json_t *cli_value_read(mesh_bytes payload);

// The bytes of a map of texts from "key=value" words. Free .data.
mesh_bytes cli_value_headers(const char *const *pairs, size_t count);
