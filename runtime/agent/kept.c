#include "agent/kept.h"

#include "agent/keep.h"
#include "core/mem.h"

enum { LIFE_FDS_MAX = AGENT_NODE_FDS + 3 };

static uint64_t id_of(const agent_service *service, uint32_t number) {
    return (uint64_t)service->id << 32 | number;
}

static void drop_sockets(agent_service *service) {
    while (service->kept_sockets > 0)
        agent_keep_drop(WARREN__KEEPER__KIND__SOCKET, id_of(service, --service->kept_sockets));
}

void agent_kept_service(agent_service *service) {
    if (!service->is_kept) return;
    Warren__Keeper__Service state = WARREN__KEEPER__SERVICE__INIT;
    size_t len = warren__agent__run__get_packed_size(service->program->run);
    uint8_t *run = mem_alloc(len);
    warren__agent__run__pack(service->program->run, run);
    state.name = service->name;
    state.run = (ProtobufCBinaryData){len, run};
    state.instances = service->instances;
    state.slots = service->slot_cap;
    state.is_over = service->is_over;
    state.exit_code = service->exit_code;
    agent_keep_put(WARREN__KEEPER__KIND__SERVICE, service->id, &state.base, NULL, 0);
    free(run);
    if (service->is_over) drop_sockets(service); // it has closed them
}

// What the next agent finds it by; 0: it is what the service says.
static uint32_t keep_program(agent_service *service, agent_program *program) {
    if (program == NULL || program == service->program) return 0;
    if (program->kept_id != 0) return program->number;
    program->number = ++service->program_count;
    program->kept_id = id_of(service, program->number);
    Warren__Keeper__Program state = WARREN__KEEPER__PROGRAM__INIT;
    size_t len = warren__agent__run__get_packed_size(program->run);
    uint8_t *run = mem_alloc(len);
    warren__agent__run__pack(program->run, run);
    state.run = (ProtobufCBinaryData){len, run};
    agent_keep_put(WARREN__KEEPER__KIND__PROGRAM, program->kept_id, &state.base, NULL, 0);
    free(run);
    return program->number;
}

static Warren__Keeper__Slot__Phase phase_of(const agent_service *service, uint32_t instance,
                                            const agent_life *life) {
    if (life->is_running) return WARREN__KEEPER__SLOT__PHASE__RUNNING;
    if (!life->is_over) return WARREN__KEEPER__SLOT__PHASE__STARTING;
    if (agent_service_has_failed(service, instance)) return WARREN__KEEPER__SLOT__PHASE__FAILED;
    return agent_service_is_missing(service, instance) ? WARREN__KEEPER__SLOT__PHASE__STOPPED
                                                       : WARREN__KEEPER__SLOT__PHASE__OVER;
}

// The descriptors of a life; how many.
static size_t list_fds(const slot *sl, Warren__Keeper__Slot *state, int out[LIFE_FDS_MAX]) {
    if (sl->node == NULL) return 0;
    size_t count = AGENT_NODE_FDS;
    agent_node_fds(sl->node, out);
    int control = sl->member != NULL ? agent_member_fd(sl->member) : -1;
    int pidfd = agent_node_pidfd(sl->node);
    state->has_control = control >= 0;
    state->has_spoken = sl->member != NULL && agent_member_has_spoken(sl->member);
    state->has_pidfd = pidfd >= 0;
    if (control >= 0) out[count++] = control;
    if (pidfd >= 0) out[count++] = pidfd;
    if (sl->heartbeat.has_fd) out[count++] = sl->heartbeat.fd;
    state->has_heartbeat = sl->heartbeat.has_fd;
    return count;
}

static void keep_slot(agent_service *service, uint32_t instance, bool keeps_fds) {
    slot *sl = &service->slots[instance];
    agent_life life;
    if (!service->is_kept) return;
    if (!agent_supervisor_look(service->services->supervisor, service->id, instance, &life)) return;
    Warren__Keeper__Slot state = WARREN__KEEPER__SLOT__INIT;
    state.node_id = sl->node_id;
    state.number = sl->number;
    state.runs = keep_program(service, sl->runs);
    // What a change brings is not the next agent's before all of it is through.
    if (sl->program != service->trying) state.program = keep_program(service, sl->program);
    state.is_next = state.runs != 0;
    state.ordered_attempt = sl->ordered_attempt;
    state.starts = sl->starts;
    state.is_cold = sl->is_cold;
    state.serves = sl->serves;
    state.was_ready = sl->was_ready;
    state.reason = (char *)(uintptr_t)sl->reason;
    state.phase = phase_of(service, instance, &life);
    state.has_lived = life.has_lived;
    state.is_ready = life.is_ready;
    state.is_stopped = life.is_stopped;
    state.is_recycled = life.is_recycled;
    if (life.is_unhealthy) state.unhealthy = (char *)(uintptr_t)sl->checking.unhealthy;
    state.backoff_ms = life.backoff_ms;
    state.bookings = (uint64_t *)(uintptr_t)life.bookings_ms;
    state.n_bookings = life.booking_count;
    state.code = life.how.code;
    state.signal = (uint32_t)life.how.signal;
    state.started_at_ms = life.started_at_ms;
    if (sl->node != NULL) state.pid = (uint32_t)agent_node_pid(sl->node);
    state.zygote_pid = (uint32_t)sl->zygote_pid;
    Warren__Agent__ExitReport report;
    uint8_t *packed = NULL;
    if (agent_report_pack(&sl->report, &report)) {
        size_t len = warren__agent__exit_report__get_packed_size(&report);
        packed = mem_alloc(len);
        warren__agent__exit_report__pack(&report, packed);
        state.last_exit = (ProtobufCBinaryData){len, packed};
    }
    int fds[LIFE_FDS_MAX];
    size_t fd_count = list_fds(sl, &state, fds);
    // Its connection may have been closed since: what is said of descriptors fits those that are
    // there.
    keeps_fds = keeps_fds && state.has_control == sl->is_control_kept;
    sl->is_control_kept = state.has_control;
    if (keeps_fds)
        agent_keep_put_state(WARREN__KEEPER__KIND__SLOT, id_of(service, instance), &state.base);
    else
        agent_keep_put(WARREN__KEEPER__KIND__SLOT, id_of(service, instance), &state.base, fds,
                       fd_count);
    free(packed);
}

void agent_kept_life(agent_service *service, uint32_t instance) {
    keep_slot(service, instance, false);
}

void agent_kept_state(agent_service *service, uint32_t instance) {
    keep_slot(service, instance, true);
}

void agent_kept_sockets(agent_service *service) {
    agent_listen listen;
    char address[AGENT_SOCKETS_ADDRESS_MAX];
    int fds[2];
    if (!service->is_kept || service->sockets == NULL) return;
    for (; agent_sockets_look(service->sockets, service->kept_sockets, &listen, address, fds);
         service->kept_sockets++) {
        Warren__Keeper__Socket state = WARREN__KEEPER__SOCKET__INIT;
        state.address = address;
        state.port = listen.port;
        state.ipv6_only = listen.is_ipv6_only;
        state.has_memory = fds[1] >= 0;
        agent_keep_put(WARREN__KEEPER__KIND__SOCKET, id_of(service, service->kept_sockets),
                       &state.base, fds, state.has_memory ? 2 : 1);
    }
}

void agent_kept_forget(agent_service *service) {
    if (!service->is_kept) return;
    drop_sockets(service);
    for (uint32_t i = 0; i < service->slot_cap; i++)
        agent_keep_drop(WARREN__KEEPER__KIND__SLOT, id_of(service, i));
    agent_keep_drop(WARREN__KEEPER__KIND__SERVICE, service->id);
}

static void forget_program(agent_program *program) {
    if (program != NULL) program->kept_id = 0;
}

void agent_kept_all(agent_services *s) {
    for (agent_service *service = s->first; service != NULL; service = service->next) {
        for (uint32_t i = 0; i < agent_service_slot_count(service); i++) {
            forget_program(service->slots[i].runs);
            forget_program(service->slots[i].program);
        }
        forget_program(service->program);
        agent_kept_service(service);
        service->kept_sockets = 0;
        if (!service->is_over) agent_kept_sockets(service);
        for (uint32_t i = 0; i < service->slot_cap; i++)
            agent_kept_life(service, i);
    }
    agent_zygotes_keep(s->zygotes);
    if (s->elders != NULL) agent_elders_keep(s->elders);
}
