// Inside of services.c, launcher.c and listing.c: one service and its instances.
#pragma once

#include "agent/node.h"
#include "agent/services.h"
#include "agent/zygote.h"

typedef struct slot { // one instance through all its lives
    agent_node *node; // the life there is now, from the launch until its output is read to the end
    agent_member *member;
    uint64_t node_id, number; // of the last life
    uint32_t starts, attempts;
    bool is_cold, is_draining;
    const char *state;
    char reason[256];
} slot;

typedef struct agent_service {
    agent_services *services;
    uint32_t id;
    char name[AGENT_SERVICE_NAME_LEN_MAX];
    Warren__Agent__Run *run;
    int stdin_fd; // until the first launch took it
    agent_log *log;
    agent_sockets *sockets;
    bool is_over, is_forgotten, is_paused;
    int exit_code;
    slot *slots; // run->instances of them
    struct agent_service *next;
} agent_service;

typedef struct waiting_launch {
    uint32_t service_id, instance;
} waiting_launch;

struct agent_services {
    uv_loop_t *loop;
    agent_services_options options;
    agent_supervisor *supervisor;
    agent_zygote *zygote;
    agent_members *members;
    uv_timer_t timer;
    agent_service *first, **last;
    agent_watch *watches;
    uint32_t next_id, running_count;
    bool is_carrying_out, is_closed;
    waiting_launch *waiting; // a queue: [waiting_head, waiting_count)
    size_t waiting_head, waiting_count, waiting_cap;
    uint32_t in_flight; // launches the zygote has not answered
};

agent_service *agent_service_find(const agent_services *services, uint32_t service_id);
void agent_service_node_name(const agent_service *service, uint32_t instance,
                             char out[AGENT_NODE_NAME_LEN_MAX]);
// Carries out what the supervisor decided and sets the timer for the next decision.
void agent_services_carry_out(agent_services *services);
void agent_services_tell(agent_service *service, uint32_t instance, const agent_event *event);
void agent_services_tell_output(agent_service *service, uint32_t instance,
                                const agent_log_piece *piece);

// launcher.c
extern const agent_zygote_events agent_launcher_zygote_events; // user: the agent_services
void agent_launcher_add(agent_services *services, uint32_t service_id, uint32_t instance);
void agent_launcher_pump(agent_services *services);
void agent_launcher_drop(agent_services *services, slot *slot); // closes the life there is
