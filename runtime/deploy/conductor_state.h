// What the files of the conductor share. conductor.c: what the store holds; conductor_view.c: the
// same, as a turn looks at it and changes it; conductor_project.c: how far each deployment is;
// conductor_world.c and conductor_plan.c: where instances are; conductor_roll.c: rollouts;
// conductor_order.c: what hosts are told; conductor_say.c: what has become of it;
// conductor_history.c: and of the releases before;
// conductor_clean.c: what nobody needs any more; conductor_write.c: all that has changed, as a
// transaction.
#pragma once

#include "deploy/conductor.h"
#include "deploy/placement.h"
#include "deploy/record.h"
#include "deploy/rollout.h"

typedef enum conductor_phase { // as in a State
    CONDUCTOR_PREPARING = WARREN__DEPLOY__STATE__PHASE__PREPARING,
    CONDUCTOR_ROLLING = WARREN__DEPLOY__STATE__PHASE__ROLLING,
    CONDUCTOR_CANARY = WARREN__DEPLOY__STATE__PHASE__CANARY,
    CONDUCTOR_BACK = WARREN__DEPLOY__STATE__PHASE__BACK,
    CONDUCTOR_DONE = WARREN__DEPLOY__STATE__PHASE__DONE,
    CONDUCTOR_RETURNED = WARREN__DEPLOY__STATE__PHASE__RETURNED,
    CONDUCTOR_BROKEN = WARREN__DEPLOY__STATE__PHASE__BROKEN,
} conductor_phase;
enum {
    CONDUCTOR_RECORDS_MAX = 1 << 17,
    // What cannot be placed at all is not given up before: hosts may just be starting too.
    CONDUCTOR_UNPLACED_MS = 10000,
    CONDUCTOR_DRAIN_MS = 10000,
    CONDUCTOR_READY_MS = 60000,
    CONDUCTOR_SETTLE_MS = 1000,
    CONDUCTOR_RUNS_MAX = 8,
    CONDUCTOR_GRACE_MS = 10000, // from SIGTERM to SIGKILL, when a Run does not say it
};

// ---- what the store holds

typedef struct conductor_record {
    deploy_key key;
    uint8_t *value;
    size_t len;
    int64_t revision;
    ProtobufCMessage *message; // NULL of a rollout, and of a Placed that does not decode
    deploy_rollout *rollout;   // as of now; NULL: not read yet by the clock of this leader
} conductor_record;

typedef struct conductor_table { // sorted by key
    conductor_record **items;
    size_t count, cap;
} conductor_table;

typedef struct conductor_cache { // of a plan
    bool is_good;
    uint64_t hash; // of all that it was made from
    deploy_plan plan;
    char (*names)[DEPLOY_NAME_MAX]; // of hosts, in the plan
} conductor_cache;

typedef struct conductor_down { // a host that is down
    char name[DEPLOY_NAME_MAX];
    uint64_t since_ms; // as this leader has seen it
} conductor_down;

typedef struct conductor_write {
    deploy_key key;
    char text[DEPLOY_KEY_MAX];
    bool is_delete;
    uint8_t *value;
    size_t len;
    deploy_rollout *rollout; // of a put of one
} conductor_write;

struct deploy_conductor {
    conductor_table tables[DEPLOY_RECORD_KINDS];
    size_t record_count;
    int64_t committed; // revision of the last transaction of its own
    bool is_dirty, is_in_flight;
    uint64_t wake_at_ms;
    char sentence[512];
    conductor_cache cache, prospect_cache;
    conductor_write writes[DEPLOY_OPS_MAX];
    deploy_op ops[DEPLOY_OPS_MAX];
    size_t write_count, write_len;
    conductor_down *downs;
    size_t down_count, down_cap;
    char absent_keys[DEPLOY_ABSENT_MAX][DEPLOY_KEY_MAX];
    mesh_bytes absent[DEPLOY_ABSENT_MAX];
    size_t absent_count;
};

const conductor_record *conductor_find(const deploy_conductor *c, deploy_record_kind kind,
                                       const char *owner, uint64_t number, const char *service);
// The message of it, or NULL.
const void *conductor_message(const deploy_conductor *c, deploy_record_kind kind, const char *owner,
                              uint64_t number, const char *service);

// ---- a turn

typedef struct conductor_host {
    const char *name;
    const conductor_record *record; // NULL: it is down
    bool is_drained, has_single;    // has_single: and it may run still
    uint64_t lost_at_ms;            // it is down
    uint64_t down_at_ms;            // and this leader knows it since then
    bool is_taken_for_gone;
} conductor_host;

typedef struct conductor_slot { // Slot
    uint32_t slot, index;
    const char *host;
    uint64_t since_ms, lost_at_ms, before;
    bool is_stand_in;
    bool is_new;      // since this turn
    bool is_back;     // its host is, since this turn
    bool is_stopping; // it has to end, and only then another takes its place
} conductor_slot;

typedef struct conductor_wanted {
    uint64_t release;
    uint32_t attempt;
    bool is_placed; // it is to be there
} conductor_wanted;

typedef struct conductor_project {
    const char *name;
    const Warren__Deploy__Project *wanted;
    const conductor_record *stored;         // State; NULL: none
    const Warren__Deploy__Release *release; // `to`; NULL: 0, or not there
    uint64_t deployment, from, to, began_at_ms;
    conductor_phase phase;
    char why[DEPLOY_WHY_LEN_MAX + 1];
    uint8_t last_lines[DEPLOY_LINES_LEN_MAX];
    size_t last_lines_len;
    bool is_prospect; // it is being prepared
    bool is_waiting;  // for hosts that have room at all
} conductor_project;

typedef struct conductor_order { // of a service at a host
    const char *host;
    bool is_up;
    const Warren__Deploy__Order *stored;  // NULL: there is none
    const Warren__Deploy__Report *report; // likewise
    conductor_wanted *instances;          // as they will be
    size_t count, cap;
    uint64_t version; // the next
    bool is_written;
    bool is_needed;                    // an instance is placed there, or is about to be
    const conductor_project *prospect; // that prepares a release for it; NULL: none
    uint64_t runs[CONDUCTOR_RUNS_MAX]; // releases that it goes back to, and runs
    size_t run_count;
} conductor_order;

typedef struct conductor_service {
    const char *name;
    const conductor_record *placed_record, *rollout_record; // NULL: none
    conductor_project *project;                             // NULL: none, or not there
    // Placed, as it will be
    const char *project_name;
    uint64_t release, before;
    uint32_t scaled, scaled_before;
    bool exists, is_changed, has_scaled, has_scaled_before;
    bool is_frozen;        // it cannot be read what is to be of it: it stays as it is
    bool is_begun;         // in this turn
    bool is_back;          // is to go back now
    bool is_same;          // same_a and same_b are
    bool is_single;        // never two at a time: who leaves ends first, who is away has to be gone
    conductor_slot *slots; // by slot; who stands in comes after the original
    size_t slot_count, slot_cap;
    conductor_slot *left; // that were placed until now
    size_t left_count, left_cap;
    deploy_rollout *rollout;          // as it will be; NULL: none
    const Warren__Deploy__Spec *spec; // of `release`; NULL: none
    uint64_t stop_after_ms;           // and its grace; of one that is single
    conductor_order *orders;          // by host
    size_t order_count, order_cap;
    const char *why_unplaced; // or NULL
    uint64_t same_a, same_b;  // the last two releases that were compared
    uint32_t unplaced;
} conductor_service;

typedef struct conductor_view {
    deploy_conductor *c;
    uint64_t now_ms, wake_at_ms;
    conductor_host *hosts; // by name
    size_t host_count, host_cap;
    conductor_service *services; // by name
    size_t service_count, service_cap;
    conductor_project *projects; // by name
    size_t project_count;
    size_t name_len_max; // of a host
    bool is_full;        // the transaction: what follows comes with the next
} conductor_view;

// ---- conductor_view.c
void conductor_view_init(conductor_view *v, deploy_conductor *c, uint64_t now_ms);
void conductor_view_deinit(conductor_view *v);
conductor_service *conductor_service_find(const conductor_view *v, const char *name); // or NULL
conductor_host *conductor_host_find(const conductor_view *v, const char *name);       // or NULL
bool conductor_host_is_up(const conductor_view *v, const char *name);
// NULL: none, unless it is to be made.
conductor_order *conductor_order_find(conductor_view *v, conductor_service *s, const char *host,
                                      bool make);
const Warren__Deploy__Spec *conductor_spec(const deploy_conductor *c, const char *project,
                                           uint64_t release, const char *service);
// Whether an instance of one would be the same process as one of the other.
bool conductor_is_same(conductor_view *v, conductor_service *s, uint64_t a, uint64_t b);
void conductor_set_release(conductor_view *v, conductor_service *s, uint64_t release);
void conductor_wake_at(conductor_view *v, uint64_t at_ms);
// What the instance was told last; release 0: nothing.
conductor_wanted conductor_told(const conductor_order *o, uint32_t index);
// What its host says of just that; NULL: nothing yet.
const Warren__Deploy__Present *conductor_heard(const conductor_order *o, uint32_t index);
bool conductor_is_ready(const conductor_order *o, uint32_t index);  // it says so, and is there
bool conductor_has_ended(const conductor_order *o, uint32_t index); // and was told so
bool conductor_phase_is_final(conductor_phase phase);
conductor_wanted conductor_fresh(conductor_service *s, uint32_t slot, const conductor_order *o,
                                 uint64_t release); // with an attempt that nobody had
bool conductor_rollout_is_new(const deploy_rollout *r, uint32_t slot); // it has the new release

// ---- conductor_project.c
void conductor_project_decide(conductor_view *v, conductor_project *p);
void conductor_project_prepare(conductor_view *v, conductor_project *p); // after the plan
__attribute__((format(printf, 3, 4))) void
conductor_project_end(conductor_project *p, conductor_phase phase, const char *format, ...);

const uint32_t *conductor_scaled_to(const conductor_project *p, const char *service); // or NULL

// ---- conductor_world.c: hosts and services, as the placement sees them
typedef struct conductor_world { // all that it borrows
    deploy_world is;
    deploy_host *hosts;
    deploy_service *services;
    deploy_placed *placed;
    deploy_label *labels;
    conductor_service **of;        // the service of each of `services`
    conductor_project **prospects; // which prepares it; NULL: none
    size_t label_count, placed_cap;
    uint64_t budget; // of instances
    uint64_t hash;
} conductor_world;

enum { CONDUCTOR_SLOT_LEN = 36, CONDUCTOR_PLACED_LEN_MAX = DEPLOY_VALUE_LEN_MAX - 1024 };
// With what is being prepared instead of what runs; or as it is.
void conductor_world_init(conductor_world *w, conductor_view *v, bool is_prospect);
void conductor_world_deinit(conductor_world *w);

// ---- conductor_plan.c
void conductor_plan(conductor_view *v);

// ---- conductor_roll.c
void conductor_roll(conductor_view *v, conductor_service *s);
// Nothing is heard of its new instances that would make it another thing than done.
bool conductor_roll_is_well(conductor_view *v, conductor_service *s);
// What its instance is to run: `is_exact` with just this attempt.
conductor_wanted conductor_roll_wanted(conductor_view *v, conductor_service *s,
                                       const conductor_slot *slot, bool *is_exact);

// ---- conductor_order.c
void conductor_orders(conductor_view *v, conductor_service *s);

// ---- conductor_write.c: each puts what has changed into the transaction
void conductor_write_project(conductor_view *v, conductor_project *p); // State
void conductor_write_service(conductor_view *v, conductor_service *s); // Placed, rollout
void conductor_write_order(conductor_view *v, conductor_service *s, conductor_order *o);
void conductor_write_delete(conductor_view *v, const deploy_key *key);
void conductor_add_release(uint64_t *list, size_t *count, size_t max, uint64_t release);

// ---- conductor_say.c: what State says
void conductor_say(conductor_view *v, conductor_project *p, Warren__Deploy__State *out);
void conductor_say_deinit(Warren__Deploy__State *state);

// ---- conductor_history.c: what State says of each release that is there
void conductor_history_say(conductor_view *v, const conductor_project *p,
                           Warren__Deploy__State *out);
void conductor_history_deinit(Warren__Deploy__State *state);

// ---- conductor_clean.c
void conductor_clean(conductor_view *v);
