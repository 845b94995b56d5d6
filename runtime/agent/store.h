// The one store of this agent (docs/store.md): where it is, and the one handle by which all parts
// of the agent use it. A file of SQLite is opened when somebody needs it, so that an agent that
// needs none makes no file and no thread; another at once, so that the agent knows whether it
// answers.
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "agent/vault.h"
#include "store/store.h"

typedef struct agent_store agent_store;

// As after `warren agent --store`. MESH_EINVAL and a sentence: it cannot be one of an agent.
int agent_store_parse(const char *text, store_place *out,
                      char out_sentence[STORE_SENTENCE_LEN_MAX + 1]);

// Gives the store `wanted`, which is kept in STATE/store.conf (by whoever has the agent's lock);
// with NULL the one that is kept there; without that "sqlite:STATE/store.db". Opens nothing, and
// only keeps `loop`. 0, or -errno and a sentence.
int agent_store_create(uv_loop_t *loop, const char *dir, const char *wanted, agent_store **out,
                       char text[AGENT_VAULT_TEXT_MAX]);
// Whether what STATE/store.conf says can be used; writes nothing.
int agent_store_check(const char *dir, char text[AGENT_VAULT_TEXT_MAX]);
// Of the store of a host: by which it is reached. Before start; copies.
void agent_store_set_link(agent_store *store, const store_link *link);
void agent_store_start(agent_store *store); // the loop is there
// No call back of a request, a watch or a hold follows; the rest later, from the loop. NULL is
// fine.
void agent_store_destroy(agent_store *store);

store_db *agent_store_get(agent_store *store); // borrowed
// What this host alone has: the store itself when that is a file, else the file STATE/store.db.
store_db *agent_store_local(agent_store *store); // borrowed
const char *agent_store_local_path(const agent_store *store);

// Other hosts may have the same one, so that what it promises holds for all of them: etcd, or the
// store of one host.
bool agent_store_is_shared(const agent_store *store);
// Whose store it is, by the name in its cluster (this host's own, too); NULL: not a host's.
const char *agent_store_host(const agent_store *store);
const char *agent_store_text(const agent_store *store); // as it was named
bool agent_store_is_open(const agent_store *store);
// Why it cannot be used now, and what to do; "": it can, or nobody has tried.
const char *agent_store_trouble(const agent_store *store);
