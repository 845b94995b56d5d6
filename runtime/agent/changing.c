#include "agent/changing.h"

#include <stdio.h>

#include "agent/kept.h"
#include "core/error.h"
#include "core/mem.h"

static int judge(const agent_service *service, const Warren__Agent__Run *run,
                 agent_refusal *refusal) {
    if (strcmp(run->group, service->program->run->group) != 0) {
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "%s cannot change its group while it runs: stop it first (`warren stop %s`)",
                       service->name, service->name);
        return agent_refuse(refusal, 1, MESH_EINVAL);
    }
    int err = agent_run_judge(service->services, run, refusal);
    return err != 0 ? err : agent_run_judge_secrets(service->services, run, refusal);
}

static agent_program *find_equal(const agent_service *service, const Warren__Agent__Run *run) {
    const agent_program *last = NULL; // most have the one of their neighbour
    if (agent_program_is_equal(service->program->run, run)) return service->program;
    for (uint32_t i = 0; i < service->slot_cap; i++) {
        agent_program *program = service->slots[i].program;
        if (program == last || program == service->program) continue;
        if (agent_program_is_equal(program->run, run)) return program;
        last = program;
    }
    return NULL;
}

int agent_changing_begin(agent_service *service, Warren__Agent__Run *run, agent_program **out_next,
                         agent_refusal *refusal) {
    int err = judge(service, run, refusal);
    if (err != 0) {
        warren__agent__run__free_unpacked(run, NULL);
        return err;
    }
    run->detach = service->program->run->detach; // whose it is does not change
    run->instances = service->program->run->instances;
    *out_next = agent_program_hold(find_equal(service, run));
    if (*out_next != NULL) {
        warren__agent__run__free_unpacked(run, NULL);
        return 0;
    }
    *out_next = agent_program_create(run);
    if (run->memory_max > 0) agent_memory_watch_start(service->services->memory_watch);
    return 0;
}

// What is described, and what instances that are added run.
static void take(agent_service *service, agent_program *program) {
    agent_program_set(&service->program, program);
    agent_log_rules rules = {.file_len_max = program->run->log_file_len,
                             .file_count = program->run->log_file_count};
    agent_log_set_rules(service->log, &rules);
    agent_kept_service(service);
}

// Its next life runs this. So does the present one, by other rules, where that is the same to it.
static void move(agent_service *service, uint32_t instance, agent_program *program) {
    slot *sl = &service->slots[instance];
    agent_program_set(&sl->program, program);
    bool is_fit = sl->runs != NULL && sl->runs != program &&
                  agent_program_is_same(sl->runs->run, program->run);
    if (!is_fit) return;
    agent_rules rules = agent_program_rules(program);
    agent_program_set(&sl->runs, program);
    (void)agent_supervisor_change(service->services->supervisor, uv_now(service->services->loop),
                                  service->id, instance, &rules);
    agent_services_carry_out_soon(service->services); // it may be ready by them
}

void agent_changing_end(agent_service *service, bool is_good) {
    agent_program *next = service->trying;
    service->trying = NULL;
    if (is_good) take(service, next);
    for (uint32_t i = 0; i < service->slot_cap; i++) {
        if (is_good || service->slots[i].program == next) move(service, i, service->program);
        agent_kept_state(service, i);
    }
    agent_program_release(next);
}

void agent_changing_settle(agent_service *service) {
    agent_program *program = NULL;
    for (uint32_t i = 0; i < service->instances; i++) {
        const slot *sl = &service->slots[i];
        if (sl->is_stopped_by_hand && sl->node == NULL) continue;
        if (program != NULL && sl->program != program) return;
        program = sl->program;
    }
    if (program == NULL || program == service->program) return;
    take(service, program);
    for (uint32_t i = 0; i < service->slot_cap; i++)
        agent_kept_state(service, i);
}
