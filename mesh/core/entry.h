// What a member offers: a service it serves or a subject it subscribes to.
#pragma once

#include "core/bytes.h"

typedef enum mesh_entry_kind { MESH_ENTRY_SERVICE, MESH_ENTRY_SUBSCRIPTION } mesh_entry_kind;

typedef struct mesh_entry {
    uint32_t entry_id;
    mesh_entry_kind kind;
    mesh_bytes name;  // service name, or subject pattern
    mesh_bytes queue; // queue group of a subscription, or empty
    mesh_bytes tags;  // core/tags.h, or empty
} mesh_entry;
