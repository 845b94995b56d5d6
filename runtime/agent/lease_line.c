#include "agent/lease_line.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PREFIX_LEN = sizeof AGENT_LEASE_PREFIX - 1 };

bool agent_lease_is_name(const char *name) {
    size_t len = strlen(name);
    if (len == 0 || len > MESH_NAME_LEN_MAX) return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f) return false;
    return true;
}

void agent_lease_key(const char *name, uint64_t id, char out[AGENT_LEASE_KEY_CAP]) {
    (void)snprintf(out, AGENT_LEASE_KEY_CAP, AGENT_LEASE_PREFIX "%.*s %016" PRIx64,
                   MESH_NAME_LEN_MAX, name, id);
}

mesh_bytes agent_lease_prefix(const char *key) {
    return (mesh_bytes){(const uint8_t *)key, strlen(key) - AGENT_LEASE_ID_LEN};
}

bool agent_lease_is_key(const char *key, const char *name) {
    size_t name_len = strlen(name), len = strlen(key);
    if (len != PREFIX_LEN + name_len + 1 + AGENT_LEASE_ID_LEN) return false;
    const char *id = key + PREFIX_LEN + name_len + 1;
    for (size_t i = 0; i < AGENT_LEASE_ID_LEN; i++)
        if (!isxdigit((unsigned char)id[i])) return false;
    return memcmp(key, AGENT_LEASE_PREFIX, PREFIX_LEN) == 0 &&
           memcmp(key + PREFIX_LEN, name, name_len) == 0 && id[-1] == ' ';
}

// ---- the line

void agent_lease_line_begin(agent_lease_line *line, const char *key, int64_t token) {
    *line = (agent_lease_line){.key = key, .token = token};
}

static bool is_own(const agent_lease_line *line, mesh_bytes key) {
    return key.len == strlen(line->key) && memcmp(key.data, line->key, key.len) == 0;
}

// Written by another agent, and shown to people.
static void copy_who(char out[AGENT_LEASE_WHO_CAP], mesh_bytes value) {
    size_t len = value.len < AGENT_LEASE_WHO_CAP - 1 ? value.len : AGENT_LEASE_WHO_CAP - 1;
    if (len > 0) memcpy(out, value.data, len);
    for (size_t i = 0; i < len; i++)
        if (value.data[i] < ' ' || value.data[i] >= 0x7f) out[i] = '?';
    out[len] = '\0';
}

static void take(agent_lease_line *line, const store_pair *pair) {
    if (is_own(line, pair->key)) {
        line->is_there = pair->created == line->token;
        return;
    }
    if (pair->created >= line->token || pair->key.len > sizeof line->before) return;
    if (pair->created > line->before_created) {
        line->before_created = pair->created;
        line->before_len = pair->key.len;
        memcpy(line->before, pair->key.data, line->before_len);
    }
    if (line->first_created != 0 && pair->created > line->first_created) return;
    line->first_created = pair->created;
    copy_who(line->who, pair->value);
}

void agent_lease_line_take(agent_lease_line *line, const store_pair *pairs, size_t count) {
    for (size_t i = 0; i < count; i++)
        take(line, &pairs[i]);
}

agent_lease_turn agent_lease_line_turn(const agent_lease_line *line) {
    if (!line->is_there) return AGENT_LEASE_GONE;
    return line->before_created == 0 ? AGENT_LEASE_FIRST : AGENT_LEASE_BEHIND;
}

bool agent_lease_line_is_before(const agent_lease_line *line, mesh_bytes key) {
    return key.len == line->before_len && memcmp(key.data, line->before, key.len) == 0;
}
