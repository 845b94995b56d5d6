// The line of those who want one lease, as the store has it: each has put a pair, "leases/NAME ID",
// that ends with its own lease of the store. Whose pair was created first has it, and the revision
// of that is its token; everybody else waits for the one right before to go. So a free lease wakes
// one, in the order in which they came, and tokens grow. Pure.
#pragma once

#include "core/limits.h"
#include "store/store.h"

#define AGENT_LEASE_PREFIX "leases/"

enum {
    AGENT_LEASE_ID_LEN = 16, // hex digits
    AGENT_LEASE_KEY_CAP =
        sizeof AGENT_LEASE_PREFIX + MESH_NAME_LEN_MAX + 1 + AGENT_LEASE_ID_LEN, // with its end
    AGENT_LEASE_WHO_CAP = 128,
};

// 1 to MESH_NAME_LEN_MAX bytes, without blanks and control characters: a blank ends it in a key.
bool agent_lease_is_name(const char *name);
void agent_lease_key(const char *name, uint64_t id, char out[AGENT_LEASE_KEY_CAP]);
mesh_bytes agent_lease_prefix(const char *key); // of all keys of its name; borrows `key`
bool agent_lease_is_key(const char *key, const char *name); // one of this name

typedef struct agent_lease_line { // as far as it was read
    const char *key;              // the own one; borrowed
    int64_t token;
    bool is_there;                         // the own one was seen
    int64_t before_created, first_created; // 0: none before the own one
    uint8_t before[STORE_KEY_LEN_MAX];     // who must go first
    size_t before_len;
    char who[AGENT_LEASE_WHO_CAP]; // has it: what the first pair says
} agent_lease_line;

void agent_lease_line_begin(agent_lease_line *line, const char *key, int64_t token);
void agent_lease_line_take(agent_lease_line *line, const store_pair *pairs, size_t count);

typedef enum agent_lease_turn {
    AGENT_LEASE_FIRST,  // it is the own one's turn
    AGENT_LEASE_BEHIND, // not before `before` is gone
    AGENT_LEASE_GONE,   // the own pair is not there, or another's
} agent_lease_turn;
agent_lease_turn agent_lease_line_turn(const agent_lease_line *line); // when all was read
bool agent_lease_line_is_before(const agent_lease_line *line, mesh_bytes key);
