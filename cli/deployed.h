// What the store has of deployments, as the agent told it last (docs/deploy.md).
#pragma once

#include "cli/client.h"
#include "deploy.pb-c.h"

typedef struct cli_deployed {
    Warren__Agent__Pair **pairs; // by key
    size_t count, cap;
    char store[200], trouble[512], host[128];
} cli_deployed;

void cli_deployed_take(cli_deployed *deployed, const Warren__Agent__Deployed *news);
void cli_deployed_deinit(cli_deployed *deployed);

// Reads what has these prefixes (without "deploy/"; NULL at the end; NULL: all). An exit code.
int cli_deployed_read(cli_session *session, const char *const *prefixes, bool if_any,
                      cli_deployed *out);

// Each gives a message (free it with its free_unpacked), or NULL.
Warren__Deploy__Project *cli_deployed_project(const cli_deployed *d, const char *project);
Warren__Deploy__State *cli_deployed_state(const cli_deployed *d, const char *project);
Warren__Deploy__Release *cli_deployed_release(const cli_deployed *d, const char *project,
                                              uint64_t number);
Warren__Deploy__Spec *cli_deployed_spec(const cli_deployed *d, const char *project, uint64_t number,
                                        const char *service);
Warren__Deploy__Placed *cli_deployed_placed(const cli_deployed *d, const char *service);
Warren__Deploy__Report *cli_deployed_report(const cli_deployed *d, const char *host,
                                            const char *service);
Warren__Deploy__Order *cli_deployed_order(const cli_deployed *d, const char *host,
                                          const char *service);
bool cli_deployed_has(const cli_deployed *d, const char *kind, const char *name);

// Those that begin with `prefix`, in their order; `rest` is what follows it in the key.
typedef void (*cli_deployed_cb)(const char *rest, ProtobufCBinaryData value, void *user);
void cli_deployed_each(const cli_deployed *d, const char *prefix, cli_deployed_cb each, void *user);

// Whether the last deployment of the project has come to its end.
bool cli_deployed_is_over(const Warren__Deploy__Project *project,
                          const Warren__Deploy__State *state);
// The release that runs, or will again; 0: none.
uint64_t cli_deployed_running(const Warren__Deploy__Project *project,
                              const Warren__Deploy__State *state);

// Whether it is deployed, or being so: then `up`, `scale` and `down` are no matter of one host.
bool cli_deployed_is_deployed(const cli_deployed *d, const char *project);
// Gives the name of the deployed project that has this service, free(); NULL: none has.
char *cli_deployed_project_of(const cli_deployed *d, const char *service);

// The one project that is deployed, when there is one. NULL: a sentence was printed, with `verb`.
const char *cli_deployed_only_project(const cli_deployed *d, const char *verb);
const char *cli_deployed_who(void); // the name of who asks
