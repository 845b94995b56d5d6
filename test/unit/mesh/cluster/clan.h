// A few replicas in one thread, links between them that keep order, and a list of what each one
// tells, as text: "up 7 app.0", "put 7 1 prices", "removed 7 1", "down 7 crash 3".
#pragma once

#include "cluster/replica.h"

enum { CLAN_MAX = 6, CLAN_TOLD_MAX = 4096, CLAN_MESSAGES_MAX = 4096 };

typedef struct clan_message {
    int from, to;
    uint8_t *bytes;
    size_t len;
} clan_message;

typedef struct clan {
    int count;
    uint64_t now_ms;
    uint64_t generations[CLAN_MAX];
    uint8_t ids[CLAN_MAX][MESH_ID_LEN], keys[CLAN_MAX][MESH_SIGN_KEY_LEN];
    uint8_t secrets[CLAN_MAX][MESH_SIGN_SECRET_LEN];
    mesh_replica *hosts[CLAN_MAX];
    char told[CLAN_MAX][CLAN_TOLD_MAX];       // a line each
    clan_message messages[CLAN_MESSAGES_MAX]; // under way, oldest first
    size_t message_count;
    size_t sent;    // in all
    int last_error; // of a receive
    size_t queued;  // what every host believes to wait for every neighbour
    bool is_linked[CLAN_MAX][CLAN_MAX];
} clan;

clan *clan_create(int count); // everybody knows everybody; no links
void clan_destroy(clan *c);
void clan_restart(clan *c, int host, uint64_t generation); // a new life; its links are down
void clan_link(clan *c, int a, int b);
void clan_unlink(clan *c, int a, int b); // what is under way between them is lost
void clan_state(clan *c, int at, int of, mesh_host_state state);

void clan_up(clan *c, int host, uint64_t number, const char *name);
// The same with another state.
void clan_node(clan *c, int host, uint64_t number, const char *name, mesh_node_state state);
void clan_put(clan *c, int host, uint64_t number, uint32_t entry_id, const char *service);
void clan_removed(clan *c, int host, uint64_t number, uint32_t entry_id);
void clan_end(clan *c, int host, uint64_t number, const char *reason, int code);

void clan_collect(clan *c);           // outputs become messages and lines
void clan_lose(clan *c);              // what is under way
void clan_deliver(clan *c);           // the oldest message
void clan_settle(clan *c);            // ticks and delivers until nothing is under way
void clan_wait(clan *c, uint64_t ms); // time passes, in steps
void clan_note_again(const mesh_replica_output *told, void *user); // of host 1, as a line
const char *clan_told(clan *c, int at); // what was told since the last call
