// The tickets that this issuer has handed out, in STATE/cluster/tickets. Every call looks at the
// file, so that the command line and the agent need not know of each other; changes wait for a
// lock.
#pragma once

#include "agent/identity.h"

enum {
    AGENT_TICKETS_MAX = 64,
    AGENT_TICKET_KEPT_S = 86400, // after its end: a late use is told what is wrong with it
};

typedef struct agent_ticket_wish {
    const char *name; // that the host must have; NULL: any
    const char *const *scopes;
    size_t scope_count; // 0: everything
    uint64_t life_s;
} agent_ticket_wish;

// Makes a ticket, keeps it, and writes its token. 0, or a negative error and a sentence.
int agent_tickets_create(const agent_identity *identity, const agent_ticket_wish *wish,
                         uint64_t now_s, char token[MESH_TOKEN_LEN_MAX + 1],
                         char text[AGENT_VAULT_TEXT_MAX]);

typedef struct agent_ticket_keys { // of all tickets; zeros at first; wipe it at the end
    agent_vault_stamp stamp;       // of the file that they are from
    mesh_ticket_keys keys[AGENT_TICKETS_MAX];
    size_t count;
} agent_ticket_keys;

// The keys that judge a stranger's first bytes, borrowed from `kept`: strangers may knock all day,
// so the file is read only when it is another one. MESH_ENOTFOUND, with no sentence: there is no
// such ticket; close, say nothing.
int agent_tickets_find(const agent_identity *identity, agent_ticket_keys *kept, uint64_t id,
                       const mesh_ticket_keys **out, char text[AGENT_VAULT_TEXT_MAX]);

typedef struct agent_admission {
    mesh_enrol *enrol; // its request is there
    uint64_t ticket_id;
    const char *const *seeds; // addresses of hosts, this one's first
    size_t seed_count;
    uint64_t now_s;
    // Whether another host that is there has this name.
    bool (*is_taken)(void *user, const char *name, const uint8_t host_id[MESH_ID_LEN]);
    void *user;
} agent_admission;

// What the issuer does when mesh_enrol_receive returned 0 for this ticket: judges, marks the ticket
// used (on disk before anything is said), and answers with certificate and secret, or refuses.
//   0              the host is in; `text` says who, for the log
//   MESH_EREFUSED  it is not, and was told; `text` says why
//   else           as above: it was told only that the issuer has a problem
int agent_tickets_admit(const agent_identity *identity, const agent_admission *admission,
                        char text[AGENT_VAULT_TEXT_MAX]);
