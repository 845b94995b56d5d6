// A restart by hand.
#include <stdio.h>

#include "agent/kept.h"
#include "agent/reloading.h"
#include "agent/say.h"
#include "agent/service.h"
#include "core/error.h"

// It may be over: then it has given up what it listened on, and what it wrote to is at rest.
void agent_service_revive(agent_service *service) {
    service->is_over = service->has_ended = false;
    service->exit_code = 0;
    service->sockets = agent_sockets_create();
    service->services->running_count++;
    agent_kept_service(service);
}

// Of one that was deployed, what the orders say is stopped stays so.
static void restart(agent_service *service, uint32_t instance) {
    agent_services *s = service->services;
    if (service->program->run->release == 0) {
        agent_supervisor_restart(s->supervisor, uv_now(s->loop), service->id, instance);
        return;
    }
    for (uint32_t i = 0; i < service->instances; i++)
        if ((instance == AGENT_INSTANCE_ALL || instance == i) &&
            !service->slots[i].is_stopped_by_hand)
            agent_supervisor_restart(s->supervisor, uv_now(s->loop), service->id, i);
}

int agent_services_restart(agent_services *s, uint32_t service_id, uint32_t instance,
                           agent_refusal *refusal) {
    if (s->is_closed) {
        (void)snprintf(refusal->text, sizeof refusal->text, "the agent is stopping");
        return agent_refuse(refusal, 4, MESH_ECLOSED);
    }
    for (const agent_service *service = s->first; service != NULL; service = service->next) {
        if ((service_id != 0 && service->id != service_id) ||
            !agent_reloading_is_on(service, instance))
            continue;
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "%s is being reloaded: wait until that is over", service->name);
        return agent_refuse(refusal, 1, MESH_EEXIST);
    }
    for (agent_service *service = s->first; service != NULL; service = service->next) {
        if (service_id != 0 && service->id != service_id) continue;
        restart(service, instance);
        bool is_over = agent_supervisor_is_over(s->supervisor, service->id, AGENT_INSTANCE_ALL);
        if (service->is_over && !is_over) agent_service_revive(service);
    }
    agent_services_carry_out(s);
    return 0;
}

bool agent_services_is_settled(const agent_services *s, uint32_t service_id, uint32_t instance,
                               const char **out_failed) {
    const agent_service *service = agent_service_find(s, service_id);
    *out_failed = NULL;
    if (service == NULL) return true;
    bool is_all = instance == AGENT_INSTANCE_ALL;
    for (uint32_t i = service->instances; is_all && i < service->slot_cap; i++) // on their way out
        if (!agent_supervisor_is_over(s->supervisor, service_id, i)) return false;
    for (uint32_t i = 0; i < service->instances; i++) {
        if (!is_all && instance != i) continue;
        if (agent_supervisor_is_ready(s->supervisor, service_id, i)) continue;
        if (!agent_supervisor_is_over(s->supervisor, service_id, i)) return false;
        const slot *sl = &service->slots[i];
        if (agent_exit_code(sl->report.how) != 0 || strcmp(sl->state, "failed") == 0)
            *out_failed = sl->reason;
    }
    return true;
}
