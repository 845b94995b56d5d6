// Secrets of the cluster (docs/secrets.md): set once, and had by every host. They are in the store
// that the hosts share, sealed (sealed.h), and as copies of the same bytes in
// STATE/cluster/secrets, so that a host has them while the store is away and knows what is newer
// when the store shows something older.
//
// What is right is worked out of what is there, again and again: whoever can open a secret seals it
// for hosts that cannot yet, signs it again before the certificate of who signed it ends, and puts
// it back where the store has lost it.
#pragma once

#include "agent/cluster.h"
#include "agent/secrets.h"

enum {
    AGENT_SHARED_SECRETS_MAX = 512, // with those that were removed: their numbers are remembered
    AGENT_SHARED_REVOKED_MAX = 512,
};

typedef struct agent_shared_secrets_options {
    uv_loop_t *loop;
    const char *dir; // the state directory
    agent_store *store;
    agent_cluster *(*cluster)(void *user); // NULL: this host is in none, or not now
    void *user;
} agent_shared_secrets_options;

// What this host has on disk is there at once. With a store of this host alone it does nothing.
agent_shared_secrets *agent_shared_secrets_create(const agent_shared_secrets_options *options);
// This host leaves its cluster: it has no secret of it any more, and tells the store so if it can.
void agent_shared_secrets_leave(agent_shared_secrets *secrets);
// When the store is gone; frees it later, from the loop. NULL is fine.
void agent_shared_secrets_destroy(agent_shared_secrets *secrets);

// "NAME=value", borrowed until the next turn of the loop; NULL: there is none that this host can
// read.
const char *agent_shared_secrets_find(const agent_shared_secrets *secrets, const char *name);
// What to say of a service that needs one that is not there; "": this host shares no secrets.
void agent_shared_secrets_missing(const agent_shared_secrets *secrets, const char *name,
                                  char out[AGENT_SECRETS_TEXT_MAX]);
// Why this host can change none now; "": it can.
void agent_shared_secrets_judge(const agent_shared_secrets *secrets,
                                char out[AGENT_SECRETS_TEXT_MAX]);

// `exit_code` of docs/cli.md, with a sentence unless it is 0.
typedef void (*agent_shared_secrets_cb)(int exit_code, const char *sentence, void *user);
// When the store has it, and this host has it on disk. Later or at once.
void agent_shared_secrets_set(agent_shared_secrets *secrets, const char *name, mesh_bytes value,
                              agent_shared_secrets_cb cb, void *user);
void agent_shared_secrets_remove(agent_shared_secrets *secrets, const char *name,
                                 agent_shared_secrets_cb cb, void *user);
// By its name or id. For that host nothing is sealed any more.
void agent_shared_secrets_revoke(agent_shared_secrets *secrets, const char *host,
                                 agent_shared_secrets_cb cb, void *user);
void agent_shared_secrets_forget(agent_shared_secrets *secrets, const void *user);

typedef struct agent_shared_secret { // borrowed
    const char *name, *by;
    uint64_t version, at_ms;
    uint32_t host_count; // of the hosts, that can read it
    bool is_readable;    // here
} agent_shared_secret;
typedef void (*agent_shared_secret_cb)(const agent_shared_secret *secret, void *user);
void agent_shared_secrets_each(const agent_shared_secrets *secrets, agent_shared_secret_cb each,
                               void *user);
bool agent_shared_secrets_has_host(const agent_shared_secrets *secrets, const char *host);
// The hosts for which secrets are sealed, by name.
typedef void (*agent_shared_host_cb)(const char *name, void *user);
void agent_shared_secrets_each_host(const agent_shared_secrets *secrets, agent_shared_host_cb each,
                                    void *user);
