// A new agent takes over what the one before it left with the keeper.
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/elders.h"
#include "agent/keep.h"
#include "agent/kept.h"
#include "agent/reload.h"
#include "agent/say.h"
#include "core/mem.h"
#include "io/packet.h"

typedef struct thing {
    uint32_t kind;
    uint64_t id;
    mesh_bytes state; // owned
    size_t fd_count;
    int fds[MESH_PACKET_FDS_MAX];
} thing;

struct agent_adoption {
    thing *things;
    size_t count, cap;
};

// ---- what was kept

agent_adoption *agent_adoption_create(void) {
    return mem_alloc(sizeof(agent_adoption));
}

void agent_adoption_destroy(agent_adoption *a) {
    for (size_t i = 0; i < a->count; i++) {
        for (size_t k = 0; k < a->things[i].fd_count; k++)
            if (a->things[i].fds[k] >= 0) close(a->things[i].fds[k]);
        free((uint8_t *)(uintptr_t)a->things[i].state.data);
    }
    free(a->things);
    free(a);
}

void agent_adoption_take(Warren__Keeper__Kind kind, uint64_t id, mesh_bytes state, int *fds,
                         size_t fd_count, void *user) {
    agent_adoption *a = user;
    a->things = mem_grow(a->things, sizeof *a->things, a->count + 1, &a->cap);
    thing *t = &a->things[a->count++];
    *t = (thing){.kind = (uint32_t)kind, .id = id, .fd_count = fd_count};
    t->state = (mesh_bytes){mem_copy(state.data, state.len), state.len};
    for (size_t i = 0; i < fd_count; i++) {
        t->fds[i] = fds[i];
        fds[i] = -1;
    }
}

mesh_bytes agent_adoption_find(const agent_adoption *a, Warren__Keeper__Kind kind, uint64_t id) {
    for (size_t i = 0; i < a->count; i++)
        if (a->things[i].kind == (uint32_t)kind && a->things[i].id == id) return a->things[i].state;
    return (mesh_bytes){0};
}

static int take_fd(thing *t, size_t index) {
    if (index >= t->fd_count) return -1;
    int fd = t->fds[index];
    t->fds[index] = -1;
    return fd;
}

static int by_kind_and_id(const void *a, const void *b) {
    const thing *x = a, *y = b;
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

// ---- how adopted lives end

static bool is_of(const slot *sl, pid_t zygote) {
    return sl->zygote_pid == zygote && sl->node != NULL && agent_node_pid(sl->node) != 0 &&
           !agent_node_has_exited(sl->node);
}

static bool has_nodes(const agent_services *s, pid_t zygote) {
    for (const agent_service *service = s->first; service != NULL; service = service->next)
        for (uint32_t i = 0; i < agent_service_slot_count(service); i++)
            if (is_of(&service->slots[i], zygote)) return true;
    return false;
}

// Nobody reported it. It may be this process's child after all: an agent that took its own place.
static void end_unreported(agent_service *service, slot *sl) {
    int status;
    bool is_known = waitpid(agent_node_pid(sl->node), &status, WNOHANG) > 0;
    agent_launcher_take_end(service, sl,
                            is_known ? agent_launcher_exit_of(status) : (agent_exit){.code = -1});
}

static void on_exited(void *user, uint64_t node_id, agent_exit how) {
    agent_services *s = user;
    agent_service *service;
    uint32_t instance;
    slot *sl = agent_launcher_find(s, node_id, &service, &instance);
    if (sl == NULL) return; // it was never told of to anybody
    pid_t zygote = sl->zygote_pid;
    agent_launcher_take_end(service, sl, how);
    if (!has_nodes(s, zygote)) agent_elders_release(s->elders, zygote);
    agent_services_carry_out(s);
}

static bool is_among(uint64_t id, const uint64_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (ids[i] == id) return true;
    return false;
}

static void on_listed(void *user, pid_t zygote, bool is_gone, const uint64_t *ids, size_t count) {
    agent_services *s = user;
    for (agent_service *service = s->first; service != NULL; service = service->next)
        for (uint32_t i = 0; i < agent_service_slot_count(service); i++) {
            slot *sl = &service->slots[i];
            if (!is_of(sl, zygote)) continue;
            bool has_ended = is_gone ? agent_node_is_dead(sl->node) // it ends by itself from now on
                                     : !is_among(sl->node_id, ids, count);
            if (has_ended) end_unreported(service, sl);
        }
    if (!is_gone && !has_nodes(s, zygote)) agent_elders_release(s->elders, zygote);
    agent_services_carry_out(s);
}

static void on_dead(agent_node *node, void *user) {
    agent_services *s = user;
    agent_service *service;
    uint32_t instance;
    slot *sl = agent_launcher_find(s, agent_node_id(node), &service, &instance);
    // Its zygote knows more, and says it.
    if (sl == NULL || agent_elders_has(s->elders, sl->zygote_pid)) return;
    end_unreported(service, sl);
    agent_services_carry_out(s);
}

static const agent_elders_events elders_events = {on_exited, agent_launcher_stopped, on_listed};

// ---- adopting

// What it runs; NULL: it cannot be read, or would be refused.
static Warren__Agent__Run *judged_run(const agent_services *s,
                                      const Warren__Keeper__Service *state) {
    Warren__Agent__Run *run = warren__agent__run__unpack(NULL, state->run.len, state->run.data);
    agent_refusal refusal = {.text = "it cannot be read"};
    if (run != NULL && agent_run_judge(s, run, &refusal) == 0) return run;
    agent_say("%s cannot be adopted, and its instances end: %s", state->name, refusal.text);
    if (run != NULL) warren__agent__run__free_unpacked(run, NULL);
    return NULL;
}

static void adopt_service(agent_services *s, const thing *t) {
    Warren__Keeper__Service *state =
        warren__keeper__service__unpack(NULL, t->state.len, t->state.data);
    Warren__Agent__Run *run = state != NULL ? judged_run(s, state) : NULL;
    s->next_id = (uint32_t)t->id;
    if (run == NULL) {
        agent_keep_drop(WARREN__KEEPER__KIND__SERVICE, t->id);
    } else {
        s->next_id--; // it keeps its id
        uint32_t instances = run->instances, slots = state->slots;
        if (state->instances > 0 && state->instances <= AGENT_INSTANCES_MAX)
            instances = state->instances;
        run->instances = slots > instances && slots <= AGENT_INSTANCES_MAX ? slots : instances;
        agent_service *service = agent_service_make(s, run, -1, state->name);
        service->instances = run->instances;
        run->instances = instances; // what is beyond them has its slot until all are adopted
        service->exit_code = state->exit_code;
        if (agent_service_supervise(service) != 0) agent_service_remove(s, service);
    }
    if (state != NULL) warren__keeper__service__free_unpacked(state, NULL);
}

// Nobody looks after it any more: it ends when the keeper lets it go too.
static bool is_orphan(const agent_services *s, const thing *t) {
    bool is_of_service =
        t->kind == WARREN__KEEPER__KIND__SLOT || t->kind == WARREN__KEEPER__KIND__SOCKET;
    return is_of_service && agent_service_find(s, (uint32_t)(t->id >> 32)) == NULL;
}

static void adopt_socket(agent_services *s, thing *t) {
    Warren__Keeper__Socket *state =
        warren__keeper__socket__unpack(NULL, t->state.len, t->state.data);
    agent_service *service = agent_service_find(s, (uint32_t)(t->id >> 32));
    int fd = take_fd(t, 0);
    if (state != NULL && service != NULL && service->sockets != NULL && fd >= 0) {
        agent_listen listen = {
            .address = state->address, .port = state->port, .is_ipv6_only = state->ipv6_only};
        int memory_fd = state->has_memory ? take_fd(t, 1) : -1;
        if (agent_sockets_adopt(service->sockets, &listen, fd, memory_fd) == 0)
            service->kept_sockets++;
    } else if (fd >= 0) {
        close(fd);
    }
    if (state != NULL) warren__keeper__socket__free_unpacked(state, NULL);
}

static void adopt_report(slot *sl, ProtobufCBinaryData bytes) {
    if (bytes.len == 0) return;
    Warren__Agent__ExitReport *from =
        warren__agent__exit_report__unpack(NULL, bytes.len, bytes.data);
    if (from == NULL) return;
    agent_last_lines lines = {0};
    agent_last_lines_push(&lines, (mesh_bytes){from->last_stderr.data, from->last_stderr.len});
    agent_report_take(&sl->report, (agent_exit){from->code, (int)from->signal}, from->uptime_ms,
                      &lines);
    sl->report.at_ms = from->at_ms;
    sl->report.is_oom = from->is_oom;
    (void)snprintf(sl->report.reason, sizeof sl->report.reason, "%s", from->reason);
    warren__agent__exit_report__free_unpacked(from, NULL);
}

// A program of its slots that has this number.
static agent_program *find_program(const agent_service *service, uint32_t number) {
    for (uint32_t i = 0; i < service->slot_cap; i++) {
        const slot *sl = &service->slots[i];
        if (sl->runs != NULL && sl->runs->number == number) return sl->runs;
        if (sl->program->number == number) return sl->program;
    }
    return NULL;
}

static void adopt_program(agent_service *service, uint32_t number, const agent_adoption *a,
                          agent_program **place) {
    const uint64_t id = (uint64_t)service->id << 32 | number;
    agent_program *program = number != 0 ? find_program(service, number) : service->program;
    agent_refusal refusal;
    if (program == NULL) {
        mesh_bytes bytes = agent_adoption_find(a, WARREN__KEEPER__KIND__PROGRAM, id);
        Warren__Keeper__Program *state =
            warren__keeper__program__unpack(NULL, bytes.len, bytes.data);
        Warren__Agent__Run *run =
            state != NULL ? warren__agent__run__unpack(NULL, state->run.len, state->run.data)
                          : NULL;
        if (state != NULL) warren__keeper__program__free_unpacked(state, NULL);
        bool is_good = run != NULL && agent_run_judge(service->services, run, &refusal) == 0;
        if (!is_good && run != NULL) warren__agent__run__free_unpacked(run, NULL);
        program = is_good ? agent_program_create(run) : agent_program_hold(service->program);
        if (is_good) {
            program->number = number;
            program->kept_id = id;
            if (run->memory_max > 0) agent_memory_watch_start(service->services->memory_watch);
        }
        agent_program_set(place, program);
        agent_program_release(program);
    } else {
        agent_program_set(place, program);
    }
    if (number > service->program_count) service->program_count = number;
}

// The process, its pipes and its control socket.
static bool adopt_life(agent_service *service, uint32_t instance, thing *t,
                       const Warren__Keeper__Slot *state) {
    agent_services *s = service->services;
    slot *sl = &service->slots[instance];
    size_t at_pidfd = AGENT_NODE_FDS + (size_t)state->has_control,
           at_heartbeat = at_pidfd + (size_t)state->has_pidfd,
           fd_count = at_heartbeat + (size_t)state->has_heartbeat;
    if (t->fd_count != fd_count || state->pid == 0) return false;
    char name[AGENT_NODE_NAME_LEN_MAX];
    agent_service_node_name(service, instance, name);
    agent_node_kept kept = {.node_id = sl->node_id,
                            .stdout_fd = take_fd(t, 0),
                            .stderr_fd = take_fd(t, 1),
                            .leash_fd = take_fd(t, 2),
                            .pidfd = state->has_pidfd ? take_fd(t, at_pidfd) : -1,
                            .pid = (pid_t)state->pid,
                            .started_at_ms = state->started_at_ms};
    if (agent_node_adopt(s->loop, &agent_launcher_node_events, s, &kept, on_dead, &sl->node) != 0)
        return false;
    if (state->has_heartbeat)
        sl->heartbeat = (agent_heartbeat){.has_fd = true, .fd = take_fd(t, at_heartbeat)};
    agent_member_info identity = {.node_id = sl->node_id,
                                  .number = sl->number,
                                  .name = name,
                                  .service = service->name,
                                  .instance = instance,
                                  .pid = state->pid};
    (void)agent_members_adopt(s->members, state->has_control ? take_fd(t, AGENT_NODE_FDS) : -1,
                              &identity, state->has_spoken, &sl->member);
    sl->is_control_kept = state->has_control;
    bool is_well = state->is_ready && state->unhealthy[0] == '\0';
    if (sl->member != NULL && !is_well && agent_checks_are_wanted(agent_slot_runs(sl)->run))
        agent_member_set_unwell(sl->member, true);
    return true;
}

static void adopt_slot(agent_services *s, const agent_adoption *a, thing *t, uint32_t *count) {
    Warren__Keeper__Slot *state = warren__keeper__slot__unpack(NULL, t->state.len, t->state.data);
    agent_service *service = agent_service_find(s, (uint32_t)(t->id >> 32));
    uint32_t instance = (uint32_t)t->id;
    if (state != NULL && service != NULL && instance < service->slot_cap) {
        slot *sl = &service->slots[instance];
        bool is_over = state->phase >= WARREN__KEEPER__SLOT__PHASE__OVER;
        sl->node_id = state->node_id;
        sl->number = state->number;
        sl->starts = state->starts;
        sl->is_cold = state->is_cold;
        sl->serves = state->serves;
        sl->was_ready = state->was_ready;
        sl->ordered_attempt = state->ordered_attempt;
        sl->is_draining = (state->is_stopped || state->is_recycled) && !is_over;
        (void)snprintf(sl->checking.unhealthy, sizeof sl->checking.unhealthy, "%s",
                       state->unhealthy);
        sl->is_stopped_by_hand = state->phase == WARREN__KEEPER__SLOT__PHASE__STOPPED;
        adopt_program(service, state->runs, a, &sl->runs);
        adopt_program(service, state->program, a, &sl->program);
        sl->zygote_pid = (pid_t)state->zygote_pid;
        (void)snprintf(sl->reason, sizeof sl->reason, "%s", state->reason);
        adopt_report(sl, state->last_exit);
        bool is_running = state->phase == WARREN__KEEPER__SLOT__PHASE__RUNNING &&
                          adopt_life(service, instance, t, state);
        sl->state = is_running ? "up" : !is_over ? "starting" : "down";
        if (state->phase == WARREN__KEEPER__SLOT__PHASE__FAILED) sl->state = "failed";
        *count += is_running;
        agent_life life = {.is_running = is_running,
                           .is_over = is_over,
                           .has_lived = state->has_lived,
                           .is_ready = state->is_ready,
                           .is_stopped = state->is_stopped,
                           .is_recycled = state->is_recycled,
                           .is_unhealthy = state->unhealthy[0] != '\0',
                           .started_at_ms = state->started_at_ms,
                           .backoff_ms = state->backoff_ms,
                           .bookings_ms = state->bookings,
                           .booking_count = state->n_bookings,
                           .how = {.code = state->code, .signal = (int)state->signal}};
        agent_rules rules = agent_program_rules(is_over ? sl->program : sl->runs);
        (void)agent_supervisor_change(s->supervisor, uv_now(s->loop), service->id, instance,
                                      &rules);
        agent_supervisor_adopt(s->supervisor, uv_now(s->loop), service->id, instance, &life);
    }
    if (state != NULL) warren__keeper__slot__free_unpacked(state, NULL);
}

static void adopt_zygote(agent_services *s, thing *t) {
    int fd = take_fd(t, 0);
    if (fd >= 0) agent_elders_add(s->elders, (pid_t)t->id, fd);
}

// A program that no slot has any more.
static void drop_unused(const agent_services *s, uint64_t id) {
    const agent_service *service = agent_service_find(s, (uint32_t)(id >> 32));
    if (service == NULL || find_program(service, (uint32_t)id) == NULL)
        agent_keep_drop(WARREN__KEEPER__KIND__PROGRAM, id);
}

void agent_services_adopted(const agent_services *s, uint32_t *out_nodes, uint32_t *out_services) {
    *out_nodes = s->adopted_nodes;
    *out_services = s->adopted_services;
}

void agent_services_adopt(agent_services *s, agent_adoption *a) {
    uint32_t node_count = 0, service_count = 0;
    s->elders = agent_elders_create(s->loop, &elders_events, s);
    if (a->count > 0) qsort(a->things, a->count, sizeof *a->things, by_kind_and_id);
    for (size_t i = 0; i < a->count; i++) { // services come before what they have
        thing *t = &a->things[i];
        if (is_orphan(s, t)) agent_keep_drop((Warren__Keeper__Kind)t->kind, t->id);
        switch (t->kind) {
        case WARREN__KEEPER__KIND__SERVICE: adopt_service(s, t); break;
        case WARREN__KEEPER__KIND__SLOT: adopt_slot(s, a, t, &node_count); break;
        case WARREN__KEEPER__KIND__SOCKET: adopt_socket(s, t); break;
        case WARREN__KEEPER__KIND__ZYGOTE: adopt_zygote(s, t); break;
        case WARREN__KEEPER__KIND__PROGRAM: drop_unused(s, t->id); break;
        default: break;
        }
    }
    for (agent_service *service = s->first; service != NULL; service = service->next) {
        service_count++;
        if (service->instances != service->program->run->instances)
            agent_service_want(service, service->program->run->instances, AGENT_RELOAD_DRAIN_MS);
        if (!agent_supervisor_is_over(s->supervisor, service->id, AGENT_INSTANCE_ALL)) continue;
        service->is_over = true;
        agent_sockets_destroy(service->sockets);
        service->sockets = NULL;
        s->running_count--;
    }
    s->adopted_nodes = node_count;
    s->adopted_services = service_count;
    if (service_count > 0)
        agent_say("%u %s of %u %s run on", node_count, node_count == 1 ? "node" : "nodes",
                  service_count, service_count == 1 ? "service" : "services");
    if (node_count > 0) agent_stalls_start(s->stalls);
    agent_elders_ask(s->elders);
    agent_services_carry_out_soon(s);
}
