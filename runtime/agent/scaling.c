// More or fewer instances of a service that runs.
#include <stdio.h>

#include "agent/kept.h"
#include "agent/reloading.h"
#include "agent/say.h"
#include "agent/service.h"
#include "core/error.h"
#include "core/mem.h"

void agent_service_set_slots(agent_service *service, uint32_t slot_cap) {
    uint32_t before = service->slot_cap;
    slot *slots = mem_alloc(2 * (size_t)slot_cap * sizeof *slots);
    if (before > 0) {
        memcpy(slots, service->slots, before * sizeof *slots);
        memcpy(slots + slot_cap, service->slots + before, before * sizeof *slots);
    }
    for (uint32_t i = before; i < slot_cap; i++)
        slots[i].program = agent_program_hold(service->program);
    free(service->slots);
    service->slots = slots;
    service->slot_cap = slot_cap;
    if (before > 0)
        agent_launcher_renumber(service->services, service->id, before, slot_cap - before);
}

static int judge(const agent_service *service, int64_t count, uint32_t drain_ms,
                 agent_refusal *refusal) {
    if (service->services->is_closed) {
        (void)snprintf(refusal->text, sizeof refusal->text, "the agent is stopping");
        return agent_refuse(refusal, 4, MESH_ECLOSED);
    }
    if (count < 1 || count > AGENT_INSTANCES_MAX) {
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "%s cannot have %lld instances: 1 to %d are possible (`warren stop %s` ends "
                       "all of it)",
                       service->name, (long long)count, AGENT_INSTANCES_MAX, service->name);
        return agent_refuse(refusal, 2, MESH_EINVAL);
    }
    if (drain_ms > AGENT_DRAIN_MAX_MS) {
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "%u ms to drain are too many: an hour is the most", drain_ms);
        return agent_refuse(refusal, 2, MESH_EINVAL);
    }
    if (service->reloadings != NULL) {
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "%s is being reloaded: wait until that is over", service->name);
        return agent_refuse(refusal, 1, MESH_EEXIST);
    }
    if (agent_supervisor_is_over(service->services->supervisor, service->id, AGENT_INSTANCE_ALL)) {
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "%s does not run, so there is nothing to scale (`warren restart %s` starts "
                       "it again)",
                       service->name, service->name);
        return agent_refuse(refusal, 1, MESH_ENOTFOUND);
    }
    return 0;
}

void agent_service_want(agent_service *service, uint32_t instances, uint32_t drain_ms) {
    agent_services *s = service->services;
    if (instances > service->slot_cap) agent_service_set_slots(service, instances);
    for (uint32_t i = service->instances; i < instances; i++) {
        service->slots[i].starts = 0; // not restarts of what was there once
        agent_program_set(&service->slots[i].program, service->program);
    }
    service->instances = instances;
    (void)agent_supervisor_scale(s->supervisor, uv_now(s->loop), service->id, instances, drain_ms);
}

int agent_services_scale(agent_services *s, uint32_t service_id, const agent_scale *scale,
                         agent_refusal *refusal) {
    agent_service *service = agent_service_find(s, service_id);
    CHECK(service != NULL); // its caller found it
    int64_t count = scale->is_relative ? (int64_t)service->instances + scale->count : scale->count;
    uint32_t drain_ms = scale->drain_ms != 0 ? scale->drain_ms : AGENT_RELOAD_DRAIN_MS;
    int err = judge(service, count, drain_ms, refusal);
    if (err != 0) return err;
    if ((uint32_t)count != service->instances) {
        char text[128];
        (void)snprintf(text, sizeof text, "%s is scaled from %u to %u", service->name,
                       service->instances, (unsigned)count);
        agent_services_record(service, NULL, "scale", scale->by, text);
    }
    agent_service_want(service, (uint32_t)count, drain_ms);
    for (uint32_t i = 0; i < service->instances; i++) // so many are to run
        if (agent_service_is_missing(service, i))
            agent_supervisor_restart(s->supervisor, uv_now(s->loop), service->id, i);
    agent_kept_service(service);
    agent_services_carry_out(s);
    return 0;
}
