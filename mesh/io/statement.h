// What a member has asked of its agent and still wants: said again to an agent that takes the place
// of the one that was told (node.proto, Adopt).
#pragma once

#include "io/agent_link.h"

typedef struct mesh_statement mesh_statement;

mesh_statement *mesh_statement_create(void);
void mesh_statement_destroy(mesh_statement *statement);

void mesh_statement_join(mesh_statement *statement);
// True for the first answer; what was said again is answered again.
bool mesh_statement_joined(mesh_statement *statement);
void mesh_statement_announce(mesh_statement *statement, const mesh_entry *entry); // copies
bool mesh_statement_announced(mesh_statement *statement, uint32_t entry_id);
void mesh_statement_withdraw(mesh_statement *statement, uint32_t entry_id);
void mesh_statement_listen(mesh_statement *statement, const mesh_listen_request *request); // copies
bool mesh_statement_listening(mesh_statement *statement, uint32_t request_id);
void mesh_statement_ready(mesh_statement *statement, Warren__Node__Ready__Way way);
void mesh_statement_drained(mesh_statement *statement, uint32_t connections);
void mesh_statement_leave(mesh_statement *statement);

typedef struct mesh_statement_links { // borrows
    uint32_t received;
    const uint64_t *connecting; // ids of nodes a link is awaited to
    uint32_t connecting_count;
} mesh_statement_links;
// Restated, to this adoption, and all of it.
void mesh_statement_say(const mesh_statement *statement, mesh_channel *channel, uint64_t adoption,
                        const mesh_statement_links *links);
