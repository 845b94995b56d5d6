// Inside of services.c, decisions.c, launcher.c and listing.c: one service and its instances.
#pragma once

#include "agent/checks.h"
#include "agent/elders.h"
#include "agent/inquiries.h"
#include "agent/last_lines.h"
#include "agent/memory_watch.h"
#include "agent/node.h"
#include "agent/program.h"
#include "agent/report.h"
#include "agent/services.h"
#include "agent/stall.h"
#include "agent/stalls.h"
#include "agent/zygotes.h"

typedef struct agent_heartbeat { // of one life
    bool has_fd;
    int fd;
    agent_stall stall;
    uint32_t asked;      // the number of the last question
    uint64_t kill_at_ms; // it was told to terminate and may not hear it; 0: it was not
    char end_text[96];   // what the policy of its service did to it; else empty
} agent_heartbeat;

enum { AGENT_PORT_TEXT_MAX = 160 };

typedef struct slot { // one instance through all its lives
    agent_node *node; // the life there is now, from the launch until its output is read to the end
    agent_member *member;
    uint64_t node_id, number; // of the last life
    pid_t zygote_pid;         // which one started the last life
    uint32_t starts, attempts;
    uint32_t ordered_attempt;   // whoever brought this life by a number knows it again by that
    const agent_zygote *zygote; // that launched it
    bool is_cold, is_draining;
    bool serves,
        was_ready;        // this life, or the last one: it listens or is a service; was ready once
    bool is_control_kept; // the keeper has the life's control socket
    bool is_stopped_by_hand; // alone, not with its service
    agent_program *runs;     // of this life, or the last one; NULL: there was none
    agent_program *program;  // of the next one; NULL: beside a life, and there is none
    const char *state;
    uint32_t late_after_ms; // this life was killed because it was not ready so long; else 0
    char reason[256];
    char trouble[256]; // why its last launch came to nothing; else empty
    agent_heartbeat heartbeat;
    agent_checking checking;             // of this life
    agent_last_lines stderr_lines;       // of this life
    agent_oom oom;                       // of this life
    char oom_text[AGENT_OOM_TEXT_MAX];   // memory is what it ended for; else empty
    char port_text[AGENT_PORT_TEXT_MAX]; // of this life: it may not listen on what others have;
                                         // else empty
    agent_report report;                 // of the one before
} slot;

typedef struct agent_service {
    agent_services *services;
    uint32_t id;
    char name[AGENT_SERVICE_NAME_LEN_MAX];
    agent_program *program; // of instances that are added; what people are told that it runs
    agent_program *trying;  // that a reload brings to all of it; NULL: none
    uint32_t program_count; // that the keeper was told of
    uint32_t instances;     // that are wanted
    int stdin_fd;           // until a first life has it
    agent_log *log;
    agent_sockets *sockets;
    uint32_t group_id; // of those with the same run->group; 0: none
    bool is_over, is_forgotten, is_paused;
    bool has_ended; // but for the lives of reloads
    bool is_kept;   // it outlives this agent (kept.h)
    uint32_t kept_sockets;
    int exit_code;
    // Twice slot_cap of them: `i + slot_cap` is the life beside that of `i` while the service is
    // reloaded. Instances that are no longer wanted keep theirs.
    slot *slots;
    uint32_t slot_cap;
    struct agent_reloading *reloadings; // of some of its instances each, or of all; NULL: none
    struct agent_service *next;
} agent_service;

typedef struct waiting_launch {
    uint32_t service_id, instance;
} waiting_launch;

struct agent_services {
    uv_loop_t *loop;
    agent_services_options options;
    agent_supervisor *supervisor;
    agent_zygotes *zygotes;
    agent_elders *elders; // NULL: nothing was adopted
    agent_members *members;
    agent_memory_watch *memory_watch;
    agent_stalls *stalls;
    agent_inquiries *inquiries;
    uv_timer_t timer;
    agent_service *first, **last;
    agent_watch *watches;
    uint32_t next_id, next_group_id, running_count;
    uint32_t adopted_nodes, adopted_services; // of the agent before this one
    bool is_carrying_out, is_closed;
    bool is_held;            // nothing is launched until it is not
    waiting_launch *waiting; // a queue
    size_t waiting_count, waiting_cap;
    uint32_t in_flight; // launches the zygotes have not answered
};

static inline uint32_t agent_service_slot_count(const agent_service *service) {
    return 2 * service->slot_cap;
}
// Of a reload (reloading.h), which then decides about it, and not the supervisor.
static inline bool agent_service_is_beside(const agent_service *service, uint32_t at) {
    return at >= service->slot_cap;
}
bool agent_service_has_failed(const agent_service *service, uint32_t instance);
// It does not run, though its program would: it failed, or somebody stopped it.
bool agent_service_is_missing(const agent_service *service, uint32_t instance);
// What its life is held to, or the next one is when there was none.
static inline const agent_program *agent_slot_runs(const slot *sl) {
    return sl->runs != NULL ? sl->runs : sl->program;
}
// Its life runs something else than the next one will: a change came to nothing.
static inline bool agent_slot_is_stray(const slot *sl) {
    return sl->node != NULL && sl->runs != sl->program;
}
// Where the life of this member is; UINT32_MAX: in none of them.
uint32_t agent_service_slot_of(const agent_service *service, const agent_member *member);

agent_service *agent_service_find_name(const agent_services *services, const char *name);
agent_service *agent_service_find(const agent_services *services, uint32_t service_id);
void agent_service_node_name(const agent_service *service, uint32_t instance,
                             char out[AGENT_NODE_NAME_LEN_MAX]);
// Carries out what the supervisor decided and sets the timer for the next decision.
void agent_services_carry_out(agent_services *services);
void agent_services_carry_out_soon(agent_services *services); // in the loop's next turn
void agent_service_set_slots(agent_service *service,
                             uint32_t slot_cap); // not fewer; while it is not reloaded
agent_service *agent_service_make(agent_services *services, Warren__Agent__Run *run, int stdin_fd,
                                  const char *name); // takes run and stdin_fd
// 0: the supervisor has it, and decides to launch its instances.
int agent_service_supervise(agent_service *service);
void agent_service_remove(agent_services *services, agent_service *service); // one that is over
void agent_service_end(agent_services *services, agent_service *service, int exit_code);
void agent_services_tell(agent_service *service, uint32_t instance, const agent_event *event);
void agent_services_tell_output(agent_service *service, uint32_t instance,
                                const agent_log_piece *piece);

// For the events (events.h); `node` NULL: of the whole service. `by`: of who asked for it; or 0.
void agent_services_record(const agent_service *service, const char *node, const char *type,
                           pid_t by, const char *text);

// Adds lines to what the instance wrote on stderr.
void agent_services_note(agent_service *service, uint32_t instance, const char *text);

// run.c
int agent_run_judge(const agent_services *services, const Warren__Agent__Run *run,
                    agent_refusal *refusal);
// Whether all its secrets are there. Not of one that is adopted: it has them already.
int agent_run_judge_secrets(const agent_services *services, const Warren__Agent__Run *run,
                            agent_refusal *refusal);
uint32_t agent_run_group(agent_services *services, const Warren__Agent__Run *run); // its id; or 0
// Notes in `run` the strategy that it has from its group.
agent_strategy agent_run_strategy(const agent_services *services, Warren__Agent__Run *run);

// scaling.c
// So many are wanted; those that have a slot beyond them are on their way out.
void agent_service_want(agent_service *service, uint32_t instances, uint32_t drain_ms);

// restarts.c
// It was over, and an instance of it is to run again.
void agent_service_revive(agent_service *service);

// launcher.c
// The slots beside those of the instances have moved.
void agent_launcher_renumber(agent_services *services, uint32_t service_id, uint32_t from,
                             uint32_t by);
extern const agent_zygotes_events agent_launcher_zygote_events; // user: the agent_services
extern const agent_node_events agent_launcher_node_events;      // user: the agent_services
// The instance whose present life has this id; NULL: none.
slot *agent_launcher_find(agent_services *services, uint64_t node_id, agent_service **out_service,
                          uint32_t *out_instance);
void agent_launcher_take_end(agent_service *service, slot *slot, agent_exit how);
agent_exit agent_launcher_exit_of(int status); // of waitpid
// A zygote says that this node's process was stopped. `user`: the agent_services.
void agent_launcher_stopped(void *user, uint64_t node_id);
void agent_launcher_add(agent_services *services, uint32_t service_id, uint32_t instance);
void agent_launcher_pump(agent_services *services);
void agent_launcher_drop(agent_services *services, slot *slot); // closes the life there is
