#include "agent/services.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/descriptors.h"
#include "agent/events.h"
#include "agent/keep.h"
#include "agent/kept.h"
#include "agent/reloading.h"
#include "agent/say.h"
#include "agent/service.h"
#include "agent/target.h"
#include "core/error.h"
#include "core/mem.h"

agent_service *agent_service_find(const agent_services *s, uint32_t service_id) {
    for (agent_service *service = s->first; service != NULL; service = service->next)
        if (service->id == service_id) return service;
    return NULL;
}

agent_service *agent_service_find_name(const agent_services *s, const char *name) {
    for (agent_service *service = s->first; service != NULL; service = service->next)
        if (strcmp(service->name, name) == 0) return service;
    return NULL;
}

const char *agent_services_name(const agent_services *s, uint32_t service_id) {
    const agent_service *service = agent_service_find(s, service_id);
    return service != NULL ? service->name : "";
}

void agent_service_node_name(const agent_service *service, uint32_t instance,
                             char out[AGENT_NODE_NAME_LEN_MAX]) {
    uint16_t shown = (uint16_t)(instance % service->slot_cap); // AGENT_INSTANCES_MAX
    (void)snprintf(out, AGENT_NODE_NAME_LEN_MAX, "%s.%u", service->name, shown);
}

uint32_t agent_service_slot_of(const agent_service *service, const agent_member *member) {
    for (uint32_t i = 0; i < agent_service_slot_count(service); i++)
        if (service->slots[i].member == member) return i;
    return UINT32_MAX;
}

bool agent_service_has_failed(const agent_service *service, uint32_t instance) {
    const char *state = service->slots[instance].state;
    return state != NULL && strcmp(state, "failed") == 0;
}

bool agent_service_is_missing(const agent_service *service, uint32_t instance) {
    return agent_service_has_failed(service, instance) ||
           agent_slot_is_stray(&service->slots[instance]) ||
           (service->slots[instance].is_stopped_by_hand &&
            agent_supervisor_is_over(service->services->supervisor, service->id, instance));
}

const Warren__Agent__Run *agent_services_deployed(const agent_services *s, uint32_t service_id) {
    for (const agent_service *service = s->first; service != NULL; service = service->next) {
        bool is_meant = service_id != 0 ? service->id == service_id : !service->is_over;
        if (is_meant && service->program->run->release != 0) return service->program->run;
    }
    return NULL;
}

// ---- watches

void agent_services_watch(agent_services *s, agent_watch *watch) {
    watch->next = s->watches;
    s->watches = watch;
}

void agent_services_unwatch(agent_services *s, agent_watch *watch) {
    for (agent_watch **at = &s->watches; *at != NULL; at = &(*at)->next) {
        if (*at != watch) continue;
        *at = watch->next;
        return;
    }
}

static bool is_about(const agent_watch *watch, const agent_service *service, uint32_t instance) {
    return (watch->service_id == 0 || watch->service_id == service->id) &&
           (watch->instance == AGENT_INSTANCE_ALL ||
            watch->instance == instance % service->slot_cap);
}

void agent_services_tell_output(agent_service *service, uint32_t instance,
                                const agent_log_piece *piece) {
    for (agent_watch *w = service->services->watches, *next; w != NULL; w = next) {
        next = w->next;
        if (is_about(w, service, instance) && w->events->on_output != NULL)
            w->events->on_output(w, piece);
    }
}

void agent_services_tell(agent_service *service, uint32_t instance, const agent_event *event) {
    for (agent_watch *w = service->services->watches, *next; w != NULL; w = next) {
        next = w->next;
        if (is_about(w, service, instance) && w->events->on_event != NULL)
            w->events->on_event(w, event);
    }
}

void agent_services_record(const agent_service *service, const char *node, const char *type,
                           pid_t by, const char *text) {
    agent_entry entry = {.type = type,
                         .service = service->name,
                         .project = service->program->run->project,
                         .node = node,
                         .by = by};
    agent_events_add(&entry, "%s", text);
}

void agent_services_record_all(const agent_services *s, uint32_t service_id, const char *type,
                               pid_t by, const char *what) {
    for (const agent_service *service = s->first; service != NULL; service = service->next) {
        char text[256];
        if ((service_id != 0 && service->id != service_id) || service->is_over) continue;
        (void)snprintf(text, sizeof text, "%s %s", service->name, what);
        agent_services_record(service, NULL, type, by, text);
    }
}

static void tell_over(agent_service *service) {
    agent_services *s = service->services;
    for (agent_watch *w = s->watches, *next; w != NULL; w = next) {
        next = w->next;
        if (w->service_id == service->id &&
            agent_supervisor_is_over(s->supervisor, service->id, w->instance))
            w->events->on_over(w, service->exit_code);
    }
}

// ---- the end of a service

static void free_service(agent_service *service) {
    agent_reloading_destroy_all(service);
    for (uint32_t i = 0; i < agent_service_slot_count(service); i++) {
        agent_launcher_drop(service->services, &service->slots[i]);
        agent_last_lines_clear(&service->slots[i].stderr_lines);
        agent_report_deinit(&service->slots[i].report);
        agent_program_release(service->slots[i].runs);
        agent_program_release(service->slots[i].program);
    }
    agent_log_destroy(service->log);
    agent_sockets_destroy(service->sockets);
    if (service->stdin_fd >= 0) close(service->stdin_fd);
    agent_program_release(service->program);
    agent_program_release(service->trying);
    free(service->slots);
    free(service);
}

void agent_service_remove(agent_services *s, agent_service *service) {
    agent_kept_forget(service);
    agent_supervisor_remove(s->supervisor, service->id);
    for (agent_service **at = &s->first; *at != NULL; at = &(*at)->next) {
        if (*at != service) continue;
        *at = service->next;
        if (s->last == &service->next) s->last = at;
        break;
    }
    free_service(service);
}

void agent_service_end(agent_services *s, agent_service *service, int exit_code) {
    service->exit_code = exit_code;
    s->running_count--;
    char text[128];
    (void)snprintf(text, sizeof text, "%s is over (exit code %d)", service->name, exit_code);
    agent_services_record(service, NULL, "over", 0, text);
    // Nobody listens for it any more: connections are refused instead of waiting in a queue.
    agent_sockets_destroy(service->sockets);
    service->sockets = NULL;
    agent_log_rest(service->log); // lists show it for long: it holds no descriptors meanwhile
    if (service->stdin_fd >= 0) close(service->stdin_fd);
    service->stdin_fd = -1;
    tell_over(service); // who is told may forget the service: it goes below, not under our feet
    service->is_over = true;
    agent_kept_service(service);
    if (service->is_forgotten) agent_service_remove(s, service);
    s->options.on_changed(s->options.user);
}

// ---- requests

// Makes room for a name: a service that is over gives it up.
static bool is_name_free(agent_services *s, const char *name) {
    agent_service *service = agent_service_find_name(s, name);
    if (service != NULL && service->is_over) {
        agent_service_remove(s, service);
        return true;
    }
    return service == NULL;
}

static int choose_name(agent_services *s, const Warren__Agent__Run *run,
                       char out[AGENT_SERVICE_NAME_LEN_MAX], agent_refusal *refusal) {
    if (run->name[0] != '\0') {
        (void)snprintf(out, AGENT_SERVICE_NAME_LEN_MAX, "%s", run->name);
        if (is_name_free(s, out)) return 0;
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "a service called %s is running already (`warren stop %s` ends it, --name "
                       "chooses another name)",
                       out, out);
        return agent_refuse(refusal, 1, MESH_EEXIST);
    }
    char base[AGENT_SERVICE_NAME_LEN_MAX];
    agent_target_name_of(run->entry, base);
    (void)snprintf(out, AGENT_SERVICE_NAME_LEN_MAX, "%s", base);
    for (int n = 2; !is_name_free(s, out); n++)
        (void)snprintf(out, AGENT_SERVICE_NAME_LEN_MAX, "%.50s-%d", base, n);
    return 0;
}

agent_service *agent_service_make(agent_services *s, Warren__Agent__Run *run, int stdin_fd,
                                  const char *name) {
    agent_service *service = mem_alloc(sizeof *service);
    service->services = s;
    service->id = ++s->next_id;
    service->program = agent_program_create(run);
    service->instances = run->instances;
    service->is_kept = run->detach && agent_keep_is_used();
    service->stdin_fd = stdin_fd;
    (void)snprintf(service->name, sizeof service->name, "%s", name);
    service->group_id = agent_run_group(s, run);
    agent_log_rules rules = {.file_len_max = run->log_file_len, .file_count = run->log_file_count};
    service->log = agent_log_create(s->options.dir, name, &rules);
    service->sockets = agent_sockets_create();
    if (run->memory_max > 0) agent_memory_watch_start(s->memory_watch);
    agent_service_set_slots(service, run->instances);
    *s->last = service;
    s->last = &service->next;
    s->running_count++;
    return service;
}

// The supervisor's table is full of services that are over: the oldest goes.
static void make_room(agent_services *s) {
    uint32_t count = 0;
    agent_service *oldest = NULL;
    for (agent_service *service = s->first; service != NULL; service = service->next) {
        count++;
        if (oldest == NULL && service->is_over) oldest = service;
    }
    if (count >= AGENT_SERVICES_MAX && oldest != NULL) agent_service_remove(s, oldest);
}

int agent_service_supervise(agent_service *service) {
    agent_supervised spec = {.service_id = service->id,
                             .instances = service->instances,
                             .rules = agent_program_rules(service->program),
                             .group_id = service->group_id,
                             .strategy =
                                 agent_run_strategy(service->services, service->program->run)};
    return agent_supervisor_add(service->services->supervisor, &spec);
}

int agent_services_run(agent_services *s, Warren__Agent__Run *run, int stdin_fd,
                       uint32_t *out_service_id, agent_refusal *refusal) {
    char name[AGENT_SERVICE_NAME_LEN_MAX];
    int err = agent_run_judge(s, run, refusal);
    if (err == 0) err = agent_run_judge_secrets(s, run, refusal);
    if (err == 0) err = choose_name(s, run, name, refusal);
    if (err != 0) {
        if (stdin_fd >= 0) close(stdin_fd);
        warren__agent__run__free_unpacked(run, NULL);
        return err;
    }
    make_room(s);
    agent_service *service = agent_service_make(s, run, stdin_fd, name);
    err = agent_service_supervise(service);
    if (err != 0) {
        (void)snprintf(refusal->text, sizeof refusal->text, "more than %d services are running",
                       AGENT_SERVICES_MAX);
        s->running_count--;
        agent_service_remove(s, service);
        return agent_refuse(refusal, 1, err);
    }
    agent_kept_service(service);
    *out_service_id = service->id;
    agent_services_carry_out_soon(s); // the launches
    return 0;
}

static void note_stop(agent_services *s, uint32_t service_id, uint32_t instance) {
    agent_service *service = agent_service_find(s, service_id);
    if (service == NULL || agent_supervisor_is_over(s->supervisor, service_id, instance)) return;
    service->slots[instance].is_stopped_by_hand = true;
}

void agent_services_stop(agent_services *s, uint32_t service_id, uint32_t instance, bool is_kill) {
    agent_reloading_stop_all(s, service_id, instance, is_kill);
    if (service_id != 0 && instance != AGENT_INSTANCE_ALL) note_stop(s, service_id, instance);
    uint64_t now_ms = uv_now(s->loop);
    if (service_id == 0)
        agent_supervisor_stop_all(s->supervisor, now_ms, is_kill);
    else
        agent_supervisor_stop(s->supervisor, now_ms, service_id, instance, is_kill);
    agent_services_carry_out(s);
}

void agent_services_close_door(agent_services *s) {
    s->is_closed = true;
}

bool agent_services_is_over(const agent_services *s, uint32_t service_id, uint32_t instance) {
    if (service_id == 0) return s->running_count == 0;
    return agent_supervisor_is_over(s->supervisor, service_id, instance);
}

void agent_services_forget(agent_services *s, uint32_t service_id) {
    agent_service *service = agent_service_find(s, service_id);
    if (service == NULL) return;
    service->is_forgotten = true;
    if (service->is_over) agent_service_remove(s, service);
}

void agent_services_pause(agent_services *s, uint32_t service_id, bool is_paused) {
    agent_service *service = agent_service_find(s, service_id);
    if (service == NULL) return;
    service->is_paused = is_paused;
    for (uint32_t i = 0; i < agent_service_slot_count(service); i++)
        if (service->slots[i].node != NULL) agent_node_pause(service->slots[i].node, is_paused);
}

void agent_services_each_running(const agent_services *s, agent_services_id_cb each, void *user) {
    for (agent_service *service = s->first; service != NULL; service = service->next)
        if (!agent_supervisor_is_over(s->supervisor, service->id, AGENT_INSTANCE_ALL))
            each(service->id, user);
}

uint32_t agent_services_running_count(const agent_services *s) {
    return s->running_count;
}

// ---- lives

static void tell_port_in_use(agent_service *service, uint32_t at, uint32_t port) {
    const agent_service *owner = service->services->first;
    slot *sl = &service->slots[at];
    char name[AGENT_NODE_NAME_LEN_MAX], text[AGENT_PORT_TEXT_MAX + 160];
    while (owner != NULL && (owner == service || !agent_sockets_has_port(owner->sockets, port)))
        owner = owner->next;
    if (owner != NULL)
        (void)snprintf(sl->port_text, sizeof sl->port_text,
                       "port %u is in use by the service %.63s: give one of them another", port,
                       owner->name);
    else
        (void)snprintf(sl->port_text, sizeof sl->port_text,
                       "port %u is in use by another program: end it (`ss -ltnp` shows it), or "
                       "choose another",
                       port);
    agent_service_node_name(service, at, name);
    (void)snprintf(text, sizeof text, "%s cannot listen: %s", name, sl->port_text);
    if (!agent_service_is_beside(service, at))
        agent_services_tell(service, at, &(agent_event){name, "starting", text, {0}, false});
}

static int on_listen(const agent_member *member, const agent_listen *request, void *user) {
    agent_services *s = user;
    const agent_member_info *who = agent_member_identity(member);
    agent_service *service = agent_service_find_name(s, who->service);
    if (service == NULL || service->sockets == NULL) return UV_EINVAL;
    int fd = agent_descriptors_left(1) ? agent_sockets_listen(service->sockets, request) : -EMFILE;
    agent_kept_sockets(service);
    uint32_t at = agent_service_slot_of(service, member);
    if (at != UINT32_MAX) service->slots[at].port_text[0] = '\0'; // it has found another
    if (at != UINT32_MAX && fd == -EADDRINUSE) tell_port_in_use(service, at, request->port);
    if (fd < 0)
        agent_say("%s cannot listen on port %u: %s", who->name, request->port, strerror(-fd));
    return fd;
}

// Carried out in the loop's next turn: members are in the middle of telling each other things.
static void on_sign(const agent_member *member, agent_sign sign, void *user) {
    agent_services *s = user;
    const agent_member_info *who = agent_member_identity(member);
    agent_service *service = agent_service_find_name(s, who->service);
    uint32_t at = service != NULL ? agent_service_slot_of(service, member) : UINT32_MAX;
    if (at == UINT32_MAX) return;
    service->slots[at].serves |= sign == AGENT_SIGN_SERVES || sign == AGENT_SIGN_LISTENS;
    if (agent_service_is_beside(service, at)) {
        agent_reloading_sign(service, at, sign);
        return;
    }
    agent_supervisor_sign(s->supervisor, uv_now(s->loop), service->id, at, sign);
    if (agent_supervisor_has_decisions(s->supervisor)) agent_services_carry_out_soon(s);
}

bool agent_services_is_ready(const agent_services *s, uint32_t service_id, uint32_t instance) {
    const agent_service *service = agent_service_find(s, service_id);
    if (service == NULL) return false;
    for (uint32_t i = 0; i < service->instances; i++)
        if ((instance == AGENT_INSTANCE_ALL || instance == i) &&
            !agent_supervisor_is_ready(s->supervisor, service_id, i))
            return false;
    return true;
}

static void on_drained(const agent_member *member, uint32_t connections, void *user) {
    agent_services *s = user;
    agent_service *service = agent_service_find_name(s, agent_member_identity(member)->service);
    uint32_t at = service != NULL ? agent_service_slot_of(service, member) : UINT32_MAX;
    if (at == UINT32_MAX) return;
    if (agent_service_is_beside(service, at)) {
        agent_reloading_drained(service, at, connections);
        return;
    }
    agent_supervisor_drained(s->supervisor, uv_now(s->loop), service->id, at);
    if (agent_supervisor_has_decisions(s->supervisor)) agent_services_carry_out_soon(s);
}

static void on_attached_end(void *user) {
    agent_services *s = user;
    s->options.on_changed(s->options.user);
}

agent_services *agent_services_create(const agent_services_options *options) {
    agent_services *s = mem_alloc(sizeof *s);
    s->loop = options->loop;
    s->options = *options;
    s->last = &s->first;
    s->supervisor = agent_supervisor_create(options->seed);
    agent_members_events events = {.on_listen = on_listen,
                                   .on_attached_end = on_attached_end,
                                   .on_sign = on_sign,
                                   .on_drained = on_drained,
                                   .on_checked = agent_checks_on_answer};
    s->members = agent_members_create(s->loop, options->host, options->started_at_ms, &events, s);
    s->memory_watch = agent_memory_watch_create(s);
    s->stalls = agent_stalls_create(s);
    s->inquiries = agent_inquiries_create(s);
    s->zygotes = agent_zygotes_create(s->loop, &agent_launcher_zygote_events, s);
    uv_timer_init(s->loop, &s->timer);
    s->timer.data = s;
    agent_zygotes_start(s->zygotes); // warm before the first run
    return s;
}

agent_members *agent_services_members(const agent_services *services) {
    return services->members;
}

static void on_timer_closed(uv_handle_t *handle) {
    free(handle->data);
}

void agent_services_destroy(agent_services *s) {
    if (s == NULL) return;
    while (s->first != NULL) {
        agent_service *next = s->first->next;
        free_service(s->first);
        s->first = next;
    }
    agent_memory_watch_destroy(s->memory_watch);
    agent_stalls_destroy(s->stalls);
    agent_inquiries_destroy(s->inquiries);
    agent_members_destroy(s->members);
    agent_zygotes_destroy(s->zygotes);
    agent_elders_destroy(s->elders);
    agent_supervisor_destroy(s->supervisor);
    free(s->waiting);
    uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}
