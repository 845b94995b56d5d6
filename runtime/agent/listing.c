// Services and members as people see them: lists, targets, and who attached.
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/descriptors.h"
#include "agent/say.h"
#include "agent/service.h"
#include "agent/target.h"
#include "core/error.h"
#include "core/mem.h"

typedef struct listing {
    agent_services_cb each;
    void *user;
} listing;

bool agent_services_limits(const agent_services *s, uint32_t service_id,
                           Warren__Agent__Limits *out) {
    const agent_service *service = agent_service_find(s, service_id);
    return service != NULL && agent_limits_pack(&service->program->limits, out);
}

static void list_slot(const agent_service *service, uint32_t instance, const listing *out) {
    const slot *sl = &service->slots[instance];
    char name[AGENT_NODE_NAME_LEN_MAX];
    agent_service_node_name(service, instance, name);
    Warren__Agent__NodeInfo info = WARREN__AGENT__NODE_INFO__INIT;
    info.node_id = sl->node_id;
    info.name = name;
    info.service = (char *)(uintptr_t)service->name;
    CHECK(service->slot_cap > 0); // as the check of a Run says
    info.instance = instance % service->slot_cap;
    info.state = (char *)(uintptr_t)(sl->state != NULL ? sl->state : "starting");
    info.restarts = sl->starts > 1 ? sl->starts - 1 : 0;
    info.reason = (char *)(uintptr_t)sl->reason;
    info.entry = agent_slot_runs(sl)->run->entry;
    info.group = service->program->run->group;
    Warren__Agent__ExitReport report;
    if (agent_report_pack(&sl->report, &report)) info.last_exit = &report;
    Warren__Agent__Limits limits;
    if (agent_limits_pack(&agent_slot_runs(sl)->limits, &limits)) info.limits = &limits;
    info.is_cold = sl->is_cold;
    info.log_lost_lines = agent_log_lost_lines(service->log);
    if (sl->node != NULL && agent_node_pid(sl->node) != 0 && !agent_node_has_exited(sl->node)) {
        const agent_supervisor *supervisor = service->services->supervisor;
        info.is_ready = agent_supervisor_is_ready(supervisor, service->id, instance);
        const agent_stall *stall = &sl->heartbeat.stall;
        if (stall->is_stalled) info.stalled_ms = stall->still_ms;
        info.stalls = stall->count;
        if (sl->checking.unhealthy[0] != '\0')
            info.state = "unhealthy";
        else if (sl->is_draining)
            info.state = "draining";
        else if (stall->is_stalled)
            info.state = "stalled";
        else if (agent_service_is_beside(service, instance) ||
                 agent_supervisor_is_awaited(supervisor, service->id, instance))
            info.state = "starting";
        if (stall->is_stalled && stall->is_stopped)
            info.reason = "stopped by a signal or a debugger";
        if (sl->checking.why[0] != '\0') info.reason = (char *)(uintptr_t)sl->checking.why;
        info.pid = (uint32_t)agent_node_pid(sl->node);
        info.uptime_ms = uv_now(service->services->loop) - agent_node_started_at_ms(sl->node);
        info.joined = sl->member != NULL && agent_member_is_joined(sl->member);
    }
    out->each(&info, out->user);
}

typedef struct attached_listing {
    const agent_services *services;
    const listing *out;
} attached_listing;

static void list_attached(const agent_member *member, void *user) {
    const attached_listing *l = user;
    const agent_member_info *who = agent_member_identity(member);
    if (!who->is_attached) return;
    Warren__Agent__NodeInfo info = WARREN__AGENT__NODE_INFO__INIT;
    info.node_id = who->node_id;
    info.name = (char *)(uintptr_t)who->name;
    info.state = "up";
    info.pid = who->pid;
    info.uptime_ms = uv_now(l->services->loop) - agent_member_since_ms(member);
    info.joined = agent_member_is_joined(member);
    info.is_ready = true;
    l->out->each(&info, l->out->user);
}

void agent_services_each(const agent_services *s, agent_services_cb each, void *user) {
    listing out = {each, user};
    for (agent_service *service = s->first; service != NULL; service = service->next)
        for (uint32_t i = 0; i < agent_service_slot_count(service); i++)
            if (i < service->instances || service->slots[i].node != NULL)
                list_slot(service, i, &out);
    attached_listing attached = {s, &out};
    agent_members_each(s->members, list_attached, &attached);
}

static void describe(const agent_service *service, agent_services_described_cb each, void *user) {
    uint32_t missing[AGENT_INSTANCES_MAX];
    Warren__Agent__Run run = *service->program->run;
    Warren__Agent__Described out = WARREN__AGENT__DESCRIBED__INIT;
    run.name = (char *)(uintptr_t)service->name;
    out.run = &run;
    out.instances = service->instances;
    out.is_over = service->is_over;
    out.missing = missing;
    for (uint32_t i = 0; i < service->instances; i++)
        if (agent_service_is_missing(service, i)) missing[out.n_missing++] = i;
    each(&out, user);
}

void agent_services_describe(const agent_services *s, agent_services_described_cb each,
                             void *user) {
    for (const agent_service *service = s->first; service != NULL; service = service->next)
        describe(service, each, user);
}

// ---- targets

static const agent_service *find_name(const agent_services *s, const char *name) {
    for (const agent_service *service = s->first; service != NULL; service = service->next)
        if (strcmp(service->name, name) == 0) return service;
    return NULL;
}

static void suggest(const agent_services *s, const char *typed, agent_refusal *refusal) {
    const char *names[AGENT_SERVICES_MAX];
    size_t count = 0;
    for (const agent_service *service = s->first; service != NULL; service = service->next)
        if (count < AGENT_SERVICES_MAX) names[count++] = service->name;
    const char *nearest = agent_target_nearest(typed, names, count);
    if (nearest != NULL)
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "no service is called %.64s: did you mean %s?", typed, nearest);
    else
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "no service is called %.64s (`warren ps` lists them)", typed);
}

int agent_services_find(const agent_services *s, const char *text, uint32_t *out_service_id,
                        uint32_t *out_instance, agent_refusal *refusal) {
    agent_target target;
    refusal->exit_code = 3;
    if (agent_target_parse(text, &target) != 0) {
        refusal->exit_code = 2;
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "\"%.80s\" names no nodes: app, app.2 or all would", text);
        return MESH_EINVAL;
    }
    if (target.name[0] == '\0') {
        *out_service_id = 0;
        *out_instance = AGENT_INSTANCE_ALL;
        return 0;
    }
    const agent_service *service = find_name(s, target.name);
    if (service == NULL) {
        suggest(s, target.name, refusal);
        return MESH_ENOTFOUND;
    }
    if (target.instance != UINT32_MAX && target.instance >= service->instances) {
        (void)snprintf(refusal->text, sizeof refusal->text, "%s has no instance %u: it has 0 to %u",
                       service->name, target.instance, service->instances - 1);
        return MESH_ENOTFOUND;
    }
    *out_service_id = service->id;
    *out_instance = target.instance;
    return 0;
}

// ---- members that came by themselves

void agent_services_attach(agent_services *s, int fd, const char *name, uint32_t pid) {
    char shown[AGENT_NODE_NAME_LEN_MAX];
    if (name[0] != '\0')
        (void)snprintf(shown, sizeof shown, "%s", name); // a longer one is cut
    else
        (void)snprintf(shown, sizeof shown, "node-%u", pid);
    for (char *c = shown; *c != '\0'; c++) // it is shown in lists and logs
        if (!isgraph((unsigned char)*c)) *c = '-';
    if (!agent_descriptors_left(0)) {
        char text[AGENT_DESCRIPTORS_TEXT_MAX];
        agent_descriptors_explain(text);
        agent_say("%s (pid %u) could not attach: %s", shown, pid, text);
        agent_members_turn_away(fd, text);
        return;
    }
    agent_member_info identity = {.name = shown, .service = "", .pid = pid, .is_attached = true};
    agent_members_number(s->members, &identity);
    agent_member *member;
    int err = agent_members_add(s->members, fd, &identity, &member);
    if (err != 0)
        agent_say("%s (pid %u) could not attach: %s", shown, pid, mesh_error_text(err));
    else
        agent_say("%s (pid %u) attached", shown, pid);
}
