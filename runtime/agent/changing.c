#include "agent/changing.h"

#include <stdio.h>

#include "agent/kept.h"
#include "core/error.h"
#include "core/mem.h"

static int judge(const agent_service *service, const Warren__Agent__Run *run,
                 agent_refusal *refusal) {
    if (strcmp(run->group, service->program.run->group) != 0) {
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "%s cannot change its group while it runs: stop it first (`warren stop %s`)",
                       service->name, service->name);
        return agent_refuse(refusal, 1, MESH_EINVAL);
    }
    int err = agent_run_judge(service->services, run, refusal);
    return err != 0 ? err : agent_run_judge_secrets(service->services, run, refusal);
}

static int apply_rules(agent_service *service, Warren__Agent__Run *run) {
    agent_supervised spec = agent_service_spec(service, run);
    return agent_supervisor_change(service->services->supervisor, &spec);
}

int agent_changing_begin(agent_service *service, Warren__Agent__Run *run, bool *out_is_same_program,
                         agent_refusal *refusal) {
    int err = judge(service, run, refusal);
    if (err == 0) err = apply_rules(service, run);
    if (err != 0) {
        warren__agent__run__free_unpacked(run, NULL);
        return err;
    }
    run->detach = service->program.run->detach; // whose it is does not change
    *out_is_same_program = agent_program_is_same(service->program.run, run);
    service->next_program = mem_alloc(sizeof *service->next_program);
    agent_program_init(service->next_program, run);
    if (run->memory_max > 0) agent_memory_watch_start(service->services->memory_watch);
    return 0;
}

void agent_changing_undo(agent_service *service) {
    (void)apply_rules(service, service->program.run);
}

void agent_changing_end(agent_service *service, bool is_good) {
    agent_program next = *service->next_program;
    free(service->next_program);
    service->next_program = NULL;
    for (uint32_t i = 0; i < agent_service_slot_count(service); i++) {
        slot *sl = &service->slots[i];
        sl->is_stray = !is_good && sl->is_next && sl->node != NULL;
        sl->is_next = false;
        if (!agent_service_is_beside(service, i)) agent_kept_state(service, i);
    }
    if (!is_good) {
        agent_changing_undo(service);
        agent_program_deinit(&next);
        return;
    }
    agent_program_deinit(&service->program);
    service->program = next;
    agent_log_rules rules = {.file_len_max = next.run->log_file_len,
                             .file_count = next.run->log_file_count};
    agent_log_set_rules(service->log, &rules);
    agent_kept_service(service);
}
