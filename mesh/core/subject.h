// Subjects as in NATS: tokens between dots; in patterns `*` is any one token and a final `>` one or
// more.
#pragma once

#include <stdbool.h>

#include "core/bytes.h"

// May be published to: 1 to 255 bytes, 1 to 16 tokens, none empty, no wildcard, blank or control
// character.
bool mesh_subject_is_valid(mesh_bytes subject);
// May be subscribed to: as above, with wildcards that are whole tokens.
bool mesh_subject_is_pattern(mesh_bytes pattern);
bool mesh_subject_has_wildcard(mesh_bytes pattern);
// Both must be valid.
bool mesh_subject_matches(mesh_bytes pattern, mesh_bytes subject);
