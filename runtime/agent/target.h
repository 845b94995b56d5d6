// What people type to name nodes, "app", "app.2", "all"; and what they may have meant.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { AGENT_NAME_LEN_MAX = 63 }; // of a service

typedef struct agent_target {
    char name[AGENT_NAME_LEN_MAX + 1]; // empty: all
    uint32_t instance;                 // UINT32_MAX: all of them
} agent_target;

// 0 or MESH_EINVAL.
int agent_target_parse(const char *text, agent_target *out);

// 0, or MESH_EINVAL: 1 to 63 letters, digits, - and _, first a letter or digit (else it would look
// like an option), and not "all".
int agent_target_check_name(const char *name);
// A name for a program: app of /x/app.js, shop of /x/shop/index.js; other bytes become
// -, and none of them comes first. "app" when nothing is left.
void agent_target_name_of(const char *entry, char out[AGENT_NAME_LEN_MAX + 1]);

// The one of `words` that is nearest to what was typed, or NULL when none is near.
const char *agent_target_nearest(const char *typed, const char *const *words, size_t count);
