// What the files of shared_secrets share. shared_secrets.c: its life, and what has to be done next;
// shared_secrets_hosts.c: who this host is, and the others; shared_secrets_table.c: what this host
// has, in memory and on disk; shared_secrets_change.c: what is written to the store.
#pragma once

#include "agent/identity.h"
#include "agent/mirror.h"
#include "agent/sealed.h"
#include "agent/shared_secrets.h"

#define SHARED_VALUE   "sealed/value/"
#define SHARED_HOST    "sealed/host/"
#define SHARED_REVOKED "sealed/revoked/"

enum {
    SHARED_LOOKED_AT_MAX = 1024, // of each kind, whoever has written more
    SHARED_TOLD_MAX = 64,
    SHARED_ID_TEXT_MAX = 2 * MESH_ID_LEN + 1,
};

typedef struct shared_entry {
    char name[AGENT_SECRET_NAME_MAX];
    agent_sealed_secret is; // what `bytes` says
    uint8_t *bytes;         // as in the store and on disk
    size_t len;
    char *text;      // "NAME=value", guarded; NULL: removed, or not for this host
    bool has_to_put; // the store has none, or an older one
} shared_entry;

typedef struct shared_host {
    agent_sealed_signer who;
    uint8_t key[AGENT_SEALED_KEY_LEN];
    int64_t changed; // of its pair in the store
} shared_host;

typedef struct shared_seen { // of a host that was revoked: what the store says of it
    int64_t changed;
    uint64_t until_s; // of the certificate of who signed that; 0: it is no good
} shared_seen;

typedef enum shared_change_kind { SHARED_SET, SHARED_REMOVE, SHARED_REVOKE } shared_change_kind;

typedef struct shared_change { // that somebody waits for
    shared_change_kind kind;
    char name[AGENT_SECRET_NAME_MAX]; // or of the host
    uint8_t *value;                   // guarded
    size_t len;
    agent_shared_secrets_cb cb; // NULL: nobody waits any more
    void *user;
    uint32_t tries, ticks;
    uint64_t after_reading; // of the mirror: then it is tried again
    struct shared_change *next;
} shared_change;

struct agent_shared_secrets {
    agent_shared_secrets_options options;
    char vault[AGENT_VAULT_PATH_MAX], copies[AGENT_VAULT_PATH_MAX];
    agent_sealer *self; // guarded; NULL: this host is in no cluster
    char trouble[AGENT_VAULT_TEXT_MAX];
    agent_mirror *mirror;
    uv_timer_t tick, pause; // pause: before something is put that others may put as well
    uint32_t tick_count;
    bool is_paused, has_to_wait;
    size_t puts_left;       // until the next pause
    int64_t written;        // the revision of what this host has written last
    uint32_t written_ticks; // since then
    shared_entry *entries[AGENT_SHARED_SECRETS_MAX];
    size_t count;
    shared_host hosts[AGENT_SEALED_HOSTS_MAX];
    size_t host_count;
    bool is_crowded; // there are more
    agent_sealed_revoked revoked[AGENT_SHARED_REVOKED_MAX];
    shared_seen seen[AGENT_SHARED_REVOKED_MAX];
    size_t revoked_count;
    int64_t told[SHARED_TOLD_MAX]; // revisions of what was refused, and said to be
    size_t told_at;
    shared_change *changes; // the first one is being made
    // The transaction that is open.
    bool is_open;
    shared_change *open_change; // NULL: nobody asked for it
    char open_name[AGENT_SECRET_NAME_MAX];
    agent_sealed_revoked open_revoked;
    uint8_t *open_bytes;
    size_t open_len;
    uint32_t closing;
};

// shared_secrets.c
uint64_t shared_now_s(void);
void shared_look(agent_shared_secrets *s); // does what has to be done next

// shared_secrets_hosts.c
void shared_self_load(agent_shared_secrets *s);   // of the disk
void shared_self_update(agent_shared_secrets *s); // of the cluster, when it is open
void shared_self_drop(agent_shared_secrets *s);
void shared_hosts_read(agent_shared_secrets *s, uint64_t now_s);
bool shared_is_revoked(const agent_shared_secrets *s, const uint8_t host_id[MESH_ID_LEN]);
void shared_revoked_add(agent_shared_secrets *s, const agent_sealed_revoked *revoked);
// This one's first.
void shared_keys(const agent_shared_secrets *s, agent_sealed_keys *out);
void shared_id_text(const uint8_t host_id[MESH_ID_LEN], char out[SHARED_ID_TEXT_MAX]);
// NULL: there is none. More than one: `out_count` says so.
const shared_host *shared_host_find(const agent_shared_secrets *s, const char *name,
                                    size_t *out_count);

// shared_secrets_table.c
shared_entry *shared_find(const agent_shared_secrets *s, const char *name);
void shared_table_load(agent_shared_secrets *s);
void shared_table_drop(agent_shared_secrets *s);
void shared_values_read(agent_shared_secrets *s, uint64_t now_s);
// What this host has written itself. False: a sentence in s->trouble.
bool shared_take_own(agent_shared_secrets *s, const char *name, mesh_bytes bytes);

// shared_secrets_change.c
bool shared_change_next(agent_shared_secrets *s); // true: a transaction is open
bool shared_put_self(agent_shared_secrets *s);
bool shared_put_revoked(agent_shared_secrets *s);
bool shared_put_again(agent_shared_secrets *s, shared_entry *entry);
void shared_changes_tick(agent_shared_secrets *s);
void shared_changes_fail(agent_shared_secrets *s, const char *sentence);
void shared_open_drop(agent_shared_secrets *s);
