// The services of this host: what was asked to run, the lives of its nodes, their logs, their
// sockets. Carries out what the supervisor decides.
#pragma once

#include <uv.h>

#include "agent.pb-c.h"
#include "agent/members.h"
#include "agent/secrets.h"
#include "agent/watch.h"

enum {
    AGENT_SERVICE_NAME_LEN_MAX = 64, // with its end
    // Of a Run: it goes on to the zygote and the keeper, and comes back in lists, in packets that
    // hold a little more.
    AGENT_RUN_LEN_MAX = 120 << 10,
    AGENT_RUN_WORDS_MAX = 4096, // of its arguments, and of its environment
};

typedef struct agent_services agent_services;

typedef struct agent_services_options {
    uv_loop_t *loop;
    const char *dir; // the state directory
    const char *host;
    uint64_t seed, started_at_ms; // started: wall clock
    const agent_secrets *secrets; // NULL: there are none
    void (*on_changed)(
        void *user); // a service or an attached member is over: maybe there is no work left
    void *user;
} agent_services_options;

agent_services *agent_services_create(const agent_services_options *options);
// Ends all processes at once and frees all, later from the loop.
void agent_services_destroy(agent_services *services);

agent_members *agent_services_members(const agent_services *services);

typedef struct agent_refusal { // why a request can't be done
    uint32_t exit_code;        // DESIGN.md 7
    char text[512];
} agent_refusal;

// Its text is there already. Returns err.
static inline int agent_refuse(agent_refusal *refusal, uint32_t exit_code, int err) {
    refusal->exit_code = exit_code;
    return err;
}

// Takes `run` (its caller forgets the pointer) and stdin_fd (-1: none), also on failure.
// An empty name is made from the entry's. The launches begin in the loop's next turn.
int agent_services_run(agent_services *services, Warren__Agent__Run *run, int stdin_fd,
                       uint32_t *out_service_id, agent_refusal *refusal);
// False: it has none. Borrowed.
bool agent_services_limits(const agent_services *services, uint32_t service_id,
                           Warren__Agent__Limits *out);
const char *agent_services_name(const agent_services *services, uint32_t service_id);
// What this service runs, or any that does (0), when it does so by orders (orders.h); NULL: it does
// not. Borrowed.
const Warren__Agent__Run *agent_services_deployed(const agent_services *services,
                                                  uint32_t service_id);
// For the events (events.h): "NAME WHAT" of this service, or of each that runs (0).
void agent_services_record_all(const agent_services *services, uint32_t service_id,
                               const char *type, pid_t by, const char *what);

// "app", "app.2" or "all" (service_id 0). MESH_EINVAL or MESH_ENOTFOUND fills the refusal, with
// what may have been meant.
int agent_services_find(const agent_services *services, const char *target,
                        uint32_t *out_service_id, uint32_t *out_instance, agent_refusal *refusal);
// service_id 0: all. What was stopped stays in lists until it has ended.
void agent_services_stop(agent_services *services, uint32_t service_id, uint32_t instance,
                         bool is_kill);
// Ends what runs, and starts it again, also what is over (service_id 0: all).
int agent_services_restart(agent_services *services, uint32_t service_id, uint32_t instance,
                           agent_refusal *refusal);
// Whether each instance is ready, or over; the reason of one that is over and did not end well, or
// NULL.
bool agent_services_is_settled(const agent_services *services, uint32_t service_id,
                               uint32_t instance, const char **out_failed);

typedef struct agent_scale {
    int32_t count;
    bool is_relative;  // so many more
    uint32_t drain_ms; // for those that go to finish what they have; 0: the default
    pid_t by;          // who asks for it
} agent_scale;
// Begins it: new instances are launched, those that are too many are stopped, the last ones first
// to go.
int agent_services_scale(agent_services *services, uint32_t service_id, const agent_scale *scale,
                         agent_refusal *refusal);

// ---- replacing instances by new ones of the same program (reload.h)

enum { AGENT_RELOAD_TEXT_MAX = 512 };

typedef struct agent_reload_request {
    uint32_t service_id;
    uint32_t instance; // or AGENT_INSTANCE_ALL
    uint32_t parallel; // 0: all at once
    uint32_t drain_ms; // 0: the default
    // The new ones run this from now on, also when they are started again. Of all instances: when
    // one fails, all run again what they ran. NULL: each what it runs. It is judged like
    // any other, its group is the present one; its name and number of instances change nothing.
    Warren__Agent__Run *run; // taken, also on failure
    uint32_t attempt;        // the new ones keep this number (instances.h)
    pid_t by;                // who asks for it
} agent_reload_request;

typedef struct agent_reload_progress {
    const char *node; // "app.0"
    const char *step; // starting, ready, cut (the time to drain is over), replaced (the old one has
                      // ended), failed, given-up
    const char *text; // a whole sentence for people, or empty
    uint32_t pid;     // of the instance that serves; 0: none
    uint64_t after_ms;
} agent_reload_progress;

typedef struct agent_reload_outcome {
    const char *service;
    uint32_t wanted, replaced;
    bool is_failed, is_stopped; // it failed, for the service was stopped meanwhile
    bool is_refused;            // ... for one was ready while that before it was being started
    bool is_change;         // to another program; it failed: `replaced` run that one all the same
    const char *why;        // it failed
    mesh_bytes last_stderr; // lines of the instance that is named there
    uint64_t after_ms;
} agent_reload_outcome;

typedef struct agent_reload_watch {
    void (*on_progress)(const agent_reload_progress *progress, void *user);
    void (*on_over)(const agent_reload_outcome *outcome, void *user);
    void *user;
} agent_reload_watch;

// 0: the watch is told, from the loop.
int agent_services_reload(agent_services *services, const agent_reload_request *request,
                          const agent_reload_watch *watch, agent_refusal *refusal);
// Whoever watches is gone; the reload goes on.
void agent_services_reload_forget(agent_services *services, const void *user);

void agent_services_close_door(agent_services *services); // refuses what wants to run from now on
bool agent_services_is_over(const agent_services *services, uint32_t service_id, uint32_t instance);
// Whether the instance (or all) runs and can do its work (supervisor.h). A watch hears of it by an
// event of state "up".
bool agent_services_is_ready(const agent_services *services, uint32_t service_id,
                             uint32_t instance);
// Takes a service that is over out of the lists; one that is not follows when it is.
void agent_services_forget(agent_services *services, uint32_t service_id);
// Stops reading what its nodes write: its one reader is slow.
void agent_services_pause(agent_services *services, uint32_t service_id, bool is_paused);
typedef void (*agent_services_id_cb)(uint32_t service_id, void *user);
void agent_services_each_running(const agent_services *services, agent_services_id_cb each,
                                 void *user);
uint32_t agent_services_running_count(const agent_services *services); // services not over

void agent_services_watch(agent_services *services, agent_watch *watch);
void agent_services_unwatch(agent_services *services, agent_watch *watch); // fine when not watching

// Every node of every service, and every attached member. Borrowed.
typedef void (*agent_services_cb)(const Warren__Agent__NodeInfo *info, void *user);
void agent_services_each(const agent_services *services, agent_services_cb each, void *user);

// Each service. Borrowed.
typedef void (*agent_services_described_cb)(const Warren__Agent__Described *described, void *user);
void agent_services_describe(const agent_services *services, agent_services_described_cb each,
                             void *user);

// A process connected to the agent's path as a node. Takes fd.
void agent_services_attach(agent_services *services, int fd, const char *name, uint32_t pid);
// How many nodes, of how many services, ran already when this agent came.
void agent_services_adopted(const agent_services *services, uint32_t *out_nodes,
                            uint32_t *out_services);
// A child of this process ended, as waitpid said.
void agent_services_reaped(agent_services *services, pid_t pid, int status);
