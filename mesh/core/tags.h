// Tags: what kind of member it is, as `key=value` pairs with commas between them:
// `zone=a,disk=ssd`.
#pragma once

#include <stdbool.h>

#include "core/bytes.h"
#include "core/limits.h"

// A subscription with this tag hears publications, and is no candidate for a request (wire.md,
// Choosing).
#define MESH_TAG_LISTENS "requests=no"

// At most MESH_TAGS_LEN_MAX bytes (empty is fine), no key twice, keys not empty, no blank or
// control character.
bool mesh_tags_is_valid(mesh_bytes tags);
// The key whose value is the version of what is offered, and wanted as a range (version.h).
#define MESH_TAG_VERSION "version"

// Every pair of `wanted` is among `tags`; of a version one that fits. Both must be valid.
bool mesh_tags_has(mesh_bytes tags, mesh_bytes wanted);
// The value of a key; empty: there is none.
mesh_bytes mesh_tags_get(mesh_bytes tags, mesh_bytes key);
// `tags`, and of `defaults` the pairs whose key is not among them. MESH_ETOOBIG.
int mesh_tags_merge(mesh_bytes tags, mesh_bytes defaults, uint8_t out[MESH_TAGS_LEN_MAX],
                    size_t *out_len);
