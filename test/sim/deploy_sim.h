// Deployments in virtual time: the real decisions, and in place of the store, hosts, operators and
// leaders that die between any two steps what the seed says. Rules: deploy_check.c, D1 to D9.
#pragma once

#include "core/rng.h"
#include "deploy/conductor.h"
#include "deploy/record.h"
#include "deploy/rollout.h"
#include "runner.h"

enum {
    SIM_HOSTS = 5,
    SIM_PROJECTS = 2,
    SIM_SERVICES = 4, // the first three are of project p, the last of q; "c" is never two at a time
    SIM_SINGLE = 2,
    SIM_INDEXES = 32,
    SIM_RELEASES = 64,
    SIM_LEADERS = 2,
    SIM_STEP_MS = 100,
    SIM_CHAOS_MS = 40000,
    SIM_END_MS = 400000,
    SIM_QUIET_MS = 20000,
    SIM_LEASE_MS = 3000,
    SIM_GRACE_MS = 500,
    SIM_STOP_AFTER_MS = 4000,
    SIM_READY_MS = 2000,
};

typedef enum sim_bug {
    SIM_BUG_NONE,
    SIM_BUG_FENCE,          // who was deposed writes all the same
    SIM_BUG_TORN,           // half a transaction is done
    SIM_BUG_ORDER_LOST,     // an order is not written
    SIM_BUG_PLACED_LOST,    // where something runs is not written
    SIM_BUG_ROLLOUT_LOST,   // a rollout is not written
    SIM_BUG_DONE_EARLY,     // a State is called done
    SIM_BUG_READY_FORGED,   // who failed is called ready
    SIM_BUG_REPORT_LOST,    // a leader does not hear of a report
    SIM_BUG_DELETE_LOST,    // ... of what was deleted
    SIM_BUG_PARALLEL,       // more at a time than was asked for
    SIM_BUG_LEAVER_CUT,     // who leaves does not wait for who comes
    SIM_BUG_STOP_FORGOTTEN, // a host that is cut off runs on
    SIM_BUG_VERSION,        // the version of an order does not grow
    SIM_BUG_CHATTER,        // a leader writes what is there already
    SIM_BUG_WAKE_FORGOTTEN, // the time is not heard
    SIM_BUG_COUNT,
} sim_bug;

// ---- the store

typedef struct sim_pair {
    char key[DEPLOY_KEY_MAX];
    uint8_t *value;
    size_t len;
    int64_t changed;
} sim_pair;

typedef struct sim_change {
    char key[DEPLOY_KEY_MAX];
    bool is_delete;
    uint8_t *value;
    size_t len;
    int64_t revision;
} sim_change;

typedef struct sim_store {
    sim_pair *pairs; // by key
    size_t count, cap;
    sim_change *log;
    size_t log_count, log_cap;
    int64_t revision;
    int64_t leader; // revision at which the key `leader` was created; 0: nobody has it
    uint64_t leader_until_ms;
} sim_store;

// ---- hosts

typedef enum sim_state { SIM_NONE, SIM_STARTING, SIM_READY, SIM_FAILED } sim_state;

typedef struct sim_instance {
    uint64_t runs;        // the release that serves; 0: none
    uint64_t stops_at_ms; // what served ends then; 0: nothing does
    uint64_t release;     // that it was told, and the attempt
    uint32_t attempt;
    sim_state state;
    uint64_t end_at_ms; // of the start
    bool will_fail;
    uint32_t restarts;     // since it was told that attempt
    bool is_second_chance; // the first life of that attempt did not become ready
} sim_instance;

typedef struct sim_service {   // of a host
    bool has_order, is_unsaid; // is_unsaid: its report is older than what it is about
    char project[DEPLOY_NAME_MAX];
    uint64_t version, stop_after_ms;
    sim_instance instances[SIM_INDEXES];
    uint32_t count; // of the order
    uint64_t prepare[DEPLOY_PREPARE_MAX];
    uint64_t prepared_at_ms[DEPLOY_PREPARE_MAX];
    uint32_t prepare_count;
    bool cannot_prepare;
} sim_service;

typedef struct sim_host {
    bool is_up, is_cut, has_key, must_list;
    uint64_t since_ms, announced_at_ms, contact_at_ms, back_at_ms;
    size_t cursor; // in the log
    sim_service services[SIM_SERVICES];
} sim_host;

// ---- leaders

typedef struct sim_leader {
    deploy_conductor *c; // NULL: it is none
    int64_t fence;
    size_t cursor, known;                   // known: of the log, when it decided the transaction
    uint64_t paused_until_ms, commit_at_ms; // commit_at_ms: 0: nothing is under way
    deploy_transaction transaction;
} sim_leader;

// ---- operators

typedef struct sim_program { // of a service of a release
    bool is_there;
    uint32_t program; // the same number is the same program
    uint32_t share;   // of its starts that fail, in 1/100
    uint32_t count, parallel, canaries, failures_max, kind, disconnect;
    bool is_spread, needs_label;
} sim_program;

typedef struct sim_release {
    uint32_t manifest;
    sim_program of[SIM_SERVICES];
} sim_release;

typedef struct sim_project {
    uint64_t deployment, release, before, last; // last: the number of the newest release
    bool is_promoted, is_aborted, is_scaled[SIM_SERVICES];
    uint32_t scaled[SIM_SERVICES];
    uint32_t programs; // numbers that were given
    sim_release releases[SIM_RELEASES];
    // What the checks know
    uint64_t state_deployment, clean_from; // clean_from: what all ran when it began
    bool is_clean;
    uint32_t phase;
} sim_project;

typedef struct deploy_world {
    runner_options run;
    mesh_rng rng;
    uint64_t now_ms, bug_at_ms, written_at_ms;
    bool has_faults, is_bug_done;
    sim_store store;
    sim_host hosts[SIM_HOSTS];
    sim_leader leaders[SIM_LEADERS];
    sim_project projects[SIM_PROJECTS];
    uint32_t floor[SIM_SERVICES]; // so many serve at least
    uint64_t rolled_to[SIM_SERVICES];
    uint32_t parallel[SIM_SERVICES], parallel_before[SIM_SERVICES];
    uint64_t hash, transactions, deaths, done, returned, broken, moved;
    char violation[300];
} sim_world;

// ---- deploy_sim.c
uint32_t sim_below(sim_world *w, uint32_t bound);
__attribute__((format(printf, 2, 3))) void sim_violate(sim_world *w, const char *format, ...);
__attribute__((format(printf, 2, 3))) void sim_say(const sim_world *w, const char *format, ...);
bool sim_is_calm(const sim_world *w);
const char *sim_service_name(uint32_t service);
const char *sim_host_name(uint32_t host);
uint32_t sim_service_number(const char *name); // SIM_SERVICES: none
uint32_t sim_project_of(uint32_t service);
// ---- deploy_store.c
const sim_pair *sim_store_get(const sim_store *s, const char *key); // NULL: none
void sim_store_put(sim_world *w, const char *key, const void *value, size_t len);
void sim_store_delete(sim_world *w, const char *key);
void sim_store_put_message(sim_world *w, deploy_key key, const ProtobufCMessage *message);
ProtobufCMessage *sim_store_message(const sim_world *w, deploy_key key); // gives; NULL: none
void sim_store_begin(sim_world *w);                                      // of one revision
void sim_store_free(sim_store *s);
// ---- deploy_host.c
void sim_host_step(sim_world *w, uint32_t host);
void sim_host_lose(sim_world *w, uint32_t host);
void sim_host_cut(sim_world *w, uint32_t host, uint64_t for_ms);
uint32_t sim_serving(const sim_world *w, uint32_t service);
// ---- deploy_leader.c
void sim_leader_step(sim_world *w, uint32_t leader);
void sim_leader_end(sim_leader *l);
// ---- deploy_operator.c
void sim_operator_step(sim_world *w);
// ---- deploy_check.c
// After each transaction of a leader, who knew so much of the log.
void sim_check_commit(sim_world *w, size_t known);
void sim_check_step(sim_world *w);
void sim_check_end(sim_world *w);
bool sim_is_settled(const sim_world *w);
// ---- deploy_bug.c
const char *sim_bug_name(uint32_t bug);
bool sim_is_bug(sim_world *w, sim_bug bug); // now
// What a leader commits, on its way. False: this one is not written.
bool sim_hurt(sim_world *w, const deploy_key *key, bool is_delete, mesh_bytes *value);
