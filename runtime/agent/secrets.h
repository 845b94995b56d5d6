// Secrets: values by name that services get in their environment (docs/secrets.md). Those of this
// host are in the local store, each sealed under the key in DIR/secrets.key; in memory, in pages
// that are never swapped out or dumped. Nothing prints one.
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "agent/store.h"
#include "core/bytes.h"

enum {
    AGENT_SECRETS_MAX = 256,
    AGENT_SECRET_NAME_MAX = 64, // with its end
    AGENT_SECRET_LEN_MAX = 32 << 10,
    AGENT_SECRETS_TEXT_MAX = 1024,
};

typedef struct agent_secrets agent_secrets;
typedef struct agent_shared_secrets agent_shared_secrets; // agent/shared_secrets.h

// Opens nothing yet. Borrows the store, and what the cluster shares: one of this host stands above
// one of the cluster of the same name.
agent_secrets *agent_secrets_create(uv_loop_t *loop, const char *dir, agent_store *store,
                                    agent_shared_secrets *shared);
// Where a store is: runs the loop until what is in it is known, 5 s at most. Before anything else
// is on the loop. Trouble is told by agent_secrets_trouble.
void agent_secrets_load(agent_secrets *secrets);
void agent_secrets_destroy(agent_secrets *secrets); // when the store is gone; NULL is fine

// "NAME=value", borrowed until the next turn of the loop; NULL: there is none, of this host or of
// the cluster.
const char *agent_secrets_find(const agent_secrets *secrets, const char *name);
bool agent_secrets_has_own(const agent_secrets *secrets, const char *name);
// The clause behind "NAME needs the secret NAME," when there is none.
void agent_secrets_missing(const agent_secrets *secrets, const char *name,
                           char out[AGENT_SECRETS_TEXT_MAX]);
agent_shared_secrets *agent_secrets_shared(const agent_secrets *secrets);
const char *agent_secrets_trouble(const agent_secrets *secrets); // why they cannot be read; or ""
// Whether it can be the name of one: of a variable, and none that Node.js or Warren reads itself.
bool agent_secrets_is_name(const char *name);

// `sentence` is "" without an error.
typedef void (*agent_secrets_cb)(const char *sentence, void *user);
// Later, from the loop. What is set is on the disk when `cb` is called, and for who is started from
// then on.
void agent_secrets_set(agent_secrets *secrets, const char *name, mesh_bytes value,
                       agent_secrets_cb cb, void *user);
void agent_secrets_remove(agent_secrets *secrets, const char *name, agent_secrets_cb cb,
                          void *user);
void agent_secrets_forget(agent_secrets *secrets, const void *user); // whoever waits is gone

typedef void (*agent_secrets_name_cb)(const char *name, void *user);
void agent_secrets_each(const agent_secrets *secrets, agent_secrets_name_cb each, void *user);
