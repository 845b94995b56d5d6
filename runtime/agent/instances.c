#include "agent/instances.h"

#include "agent/changing.h"
#include "agent/checks.h"
#include "agent/kept.h"
#include "agent/reloading.h"

static agent_instance_state state_of(const agent_service *service, uint32_t instance) {
    const agent_supervisor *supervisor = service->services->supervisor;
    agent_life life;
    if (!agent_supervisor_look(supervisor, service->id, instance, &life))
        return AGENT_INSTANCE_NONE;
    if (life.is_over)
        return agent_service_has_failed(service, instance) ? AGENT_INSTANCE_FAILED
                                                           : AGENT_INSTANCE_NONE;
    if (life.is_stopped) return AGENT_INSTANCE_LEAVING;
    bool is_leaving = agent_supervisor_is_leaving(supervisor, service->id, instance);
    if (is_leaving && !life.is_recycled) return AGENT_INSTANCE_LEAVING;
    return life.is_running && life.is_ready && !is_leaving ? AGENT_INSTANCE_READY
                                                           : AGENT_INSTANCE_STARTING;
}

// It ended by itself with 0, and its policy wants no other life of it. That is no end for a server,
// nor for who was to say that it is ready, or well, and has not.
static bool is_done(const agent_service *service, uint32_t instance) {
    const slot *sl = &service->slots[instance];
    agent_life life;
    if (sl->runs == NULL || sl->serves || sl->is_stopped_by_hand ||
        !agent_supervisor_look(service->services->supervisor, service->id, instance, &life) ||
        !life.is_over || life.how.code != 0 || life.how.signal != 0)
        return false;
    const Warren__Agent__Run *run = sl->runs->run;
    bool needs_no_sign = run->ready == WARREN__AGENT__RUN__READY__AUTO ||
                         run->ready == WARREN__AGENT__RUN__READY__STARTED;
    return sl->was_ready || (needs_no_sign && !agent_checks_are_wanted(run));
}

// What its life runs, or ran; of one whose next life is on its way, that one's.
static const agent_program *program_of(const agent_service *service, uint32_t instance,
                                       agent_instance_state state) {
    const slot *sl = &service->slots[instance];
    const agent_supervisor *supervisor = service->services->supervisor;
    bool is_next =
        state == AGENT_INSTANCE_STARTING &&
        (sl->node == NULL || agent_supervisor_is_leaving(supervisor, service->id, instance));
    return is_next ? sl->program : sl->runs;
}

agent_instance agent_instance_look(const agent_service *service, uint32_t instance) {
    const slot *sl = &service->slots[instance];
    agent_instance out = {.state = state_of(service, instance),
                          .attempt = sl->ordered_attempt,
                          .is_stopped = sl->is_stopped_by_hand,
                          .reason = sl->reason,
                          .restarts = sl->starts > 1 ? sl->starts - 1 : 0,
                          .end_before = sl->report.reason,
                          .last_stderr = agent_last_lines_text(&sl->report.stderr_lines)};
    out.is_done = out.state == AGENT_INSTANCE_NONE && is_done(service, instance);
    const agent_program *program = program_of(service, instance, out.state);
    if (program != NULL) out.release = program->run->release;
    if (sl->node != NULL) out.pid = (uint32_t)agent_node_pid(sl->node);
    // Before it takes the place it is the new one that is beside, and after it the old one.
    out.is_brought = agent_reloading_is_to_come(service, instance, &program, &out.brought_attempt);
    if (out.is_brought) out.brought_release = program->run->release;
    out.is_draining = !out.is_brought && agent_reloading_is_on(service, instance);
    const slot *next = out.is_brought ? &service->slots[instance + service->slot_cap] : sl;
    out.waits_for = next->node != NULL ? next->checking.why : "";
    return out;
}

int agent_instance_set(agent_service *service, uint32_t instance, Warren__Agent__Run *run,
                       uint32_t attempt, agent_refusal *refusal) {
    slot *sl = &service->slots[instance];
    agent_program *program;
    int err = agent_changing_begin(service, run, &program, refusal);
    if (err != 0) return err;
    agent_program_set(&sl->program, program);
    agent_program_release(program);
    sl->ordered_attempt = attempt;
    sl->is_stopped_by_hand = false;
    agent_changing_settle(service);
    return 0;
}

int agent_instance_start(agent_service *service, uint32_t instance, Warren__Agent__Run *run,
                         uint32_t attempt, agent_refusal *refusal) {
    agent_services *s = service->services;
    int err = agent_instance_set(service, instance, run, attempt, refusal);
    if (err != 0) return err;
    service->slots[instance].starts = 0; // of this program
    agent_supervisor_restart(s->supervisor, uv_now(s->loop), service->id, instance);
    if (service->is_over) agent_service_revive(service);
    agent_kept_state(service, instance);
    agent_services_carry_out_soon(s);
    return 0;
}

void agent_instance_stop(agent_service *service, uint32_t instance) {
    agent_services *s = service->services;
    agent_reloading_stop_all(s, service->id, instance, false);
    service->slots[instance].is_stopped_by_hand = true;
    agent_supervisor_stop(s->supervisor, uv_now(s->loop), service->id, instance, false);
    agent_services_carry_out_soon(s);
}

void agent_instance_retire(agent_service *service, uint32_t instance, uint32_t drain_ms) {
    agent_services *s = service->services;
    agent_instance_cancel(service, instance);
    service->slots[instance].is_stopped_by_hand = true;
    agent_supervisor_retire(s->supervisor, uv_now(s->loop), service->id, instance, drain_ms);
    agent_services_carry_out_soon(s);
}

void agent_instance_cancel(agent_service *service, uint32_t instance) {
    const agent_program *program;
    uint32_t attempt;
    if (agent_reloading_is_to_come(service, instance, &program, &attempt))
        agent_reloading_stop_all(service->services, service->id, instance, false);
}
