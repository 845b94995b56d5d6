// What a command makes of what is wanted of a project (proto/deploy.proto: Project), or why it
// cannot: pure.
#pragma once

#include "agent.pb-c.h"
#include "agent/services.h"
#include "deploy.pb-c.h"

typedef struct agent_deploy_history { // of a project
    // Whether the store has the release (its own record, and that of each of its services).
    bool (*has)(const void *user, uint64_t release);
    // Whether two of them are the same files with the same settings.
    bool (*is_same)(const void *user, uint64_t a, uint64_t b);
    const void *user;
} agent_deploy_history;

typedef struct agent_deploy_change {
    const char *project;
    const Warren__Deploy__Project *now; // NULL: there is none
    const Warren__Deploy__State *state; // NULL: none yet
    const char *by, *host;              // who asks
    uint64_t at_ms;
    agent_deploy_history history; // for what looks at other releases: rollback and last_served
} agent_deploy_change;

enum { AGENT_DEPLOY_SCALED_MAX = 256 };

typedef struct agent_deploy_wanted { // borrows the texts of what it is made of
    Warren__Deploy__Project project;
    Warren__Deploy__Scaled scaled[AGENT_DEPLOY_SCALED_MAX], *list[AGENT_DEPLOY_SCALED_MAX];
    uint64_t from; // the release that runs
} agent_deploy_wanted;

// Whether its last deployment is under way.
bool agent_deploy_is_open(const agent_deploy_change *change);
// The release that runs, or will when what is under way has come to nothing; 0: none.
uint64_t agent_deploy_running(const agent_deploy_change *change);

// The one to go back to: of those that are there, that are another than what runs, and that did not
// fail when they were deployed last, the one that served last. 0: there is none.
uint64_t agent_deploy_last_served(const agent_deploy_change *change);

// Each: 0, or a negative error and a refusal.
int agent_deploy_release(const agent_deploy_change *change, uint64_t release,
                         agent_deploy_wanted *out, agent_refusal *refusal);
int agent_deploy_promote(const agent_deploy_change *change, agent_deploy_wanted *out,
                         agent_refusal *refusal);
int agent_deploy_abort(const agent_deploy_change *change, agent_deploy_wanted *out,
                       agent_refusal *refusal);
// `release` 0: to the one that served last.
int agent_deploy_rollback(const agent_deploy_change *change, uint64_t release,
                          agent_deploy_wanted *out, agent_refusal *refusal);
// `instances`: that the release says.
int agent_deploy_scale(const agent_deploy_change *change, const Warren__Agent__ChangeProject *body,
                       uint32_t instances, agent_deploy_wanted *out, agent_refusal *refusal);
int agent_deploy_down(const agent_deploy_change *change, agent_deploy_wanted *out,
                      agent_refusal *refusal);
// Whether what is known of it may go: it is down. `has_more`: something else of it is there, if it
// is not itself.
int agent_deploy_forget(const agent_deploy_change *change, bool has_more, agent_refusal *refusal);
