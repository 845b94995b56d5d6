// The text of a file with one endpoint a line -> endpoints. Pure.
#pragma once

#include "discovery/spec.h"

enum { MESH_LINES_LEN_MAX = 64 << 10 };

// Blanks around it, empty lines and what follows a '#' are left out; a line without a port gets
// MESH_PORT_DEFAULT. Gives the count, at most MESH_ENDPOINTS_MAX; the sentence is empty, or tells
// of the first thing that was left out: a line that is no endpoint, one too many, or a last line
// without its newline, which may be half-written.
size_t mesh_lines_parse(mesh_bytes text, mesh_endpoint out[MESH_ENDPOINTS_MAX],
                        char out_sentence[MESH_SENTENCE_LEN_MAX + 1]);
