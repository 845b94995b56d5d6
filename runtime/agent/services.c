#include "agent/services.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/descriptors.h"
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

static agent_service *find_by_name(const agent_services *s, const char *name) {
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
    (void)snprintf(out, AGENT_NODE_NAME_LEN_MAX, "%s.%u", service->name, instance);
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
           (watch->instance == AGENT_INSTANCE_ALL || watch->instance == instance);
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

static void tell_over(agent_service *service) {
    agent_services *s = service->services;
    for (agent_watch *w = s->watches, *next; w != NULL; w = next) {
        next = w->next;
        if (w->service_id == service->id &&
            agent_supervisor_is_over(s->supervisor, service->id, w->instance))
            w->events->on_over(w, service->exit_code);
    }
}

// ---- what the supervisor decides

static void describe(char out[128], agent_exit how) {
    if (how.signal != 0) {
        const char *name = sigabbrev_np(how.signal);
        (void)snprintf(out, 128, "signal %s%s", name != NULL ? "SIG" : "",
                       name != NULL ? name : "unknown");
    } else if (how.code >= 0) {
        (void)snprintf(out, 128, "exit code %d", how.code);
    } else {
        (void)snprintf(out, 128, "exit code unknown");
    }
}

static void describe_failure(slot *sl, const agent_decision *d, const char *name, char text[512]) {
    char how[128];
    describe(how, d->how);
    if (d->reason == AGENT_FAILURE_BUDGET) {
        (void)snprintf(sl->reason, sizeof sl->reason, "%s after %d restarts within %d s", how,
                       AGENT_RESTARTS_MAX, AGENT_RESTARTS_WINDOW_MS / 1000);
        (void)snprintf(text, 512, "%s failed (%s): not restarted any more", name, sl->reason);
    } else if (sl->starts == 0) { // the reason was set when the launch failed
        (void)snprintf(text, 512, "%s could not be started: %s", name, sl->reason);
    } else {
        (void)snprintf(sl->reason, sizeof sl->reason, "%s within %d s of its first start", how,
                       AGENT_START_MS / 1000);
        (void)snprintf(text, 512, "%s failed (%s): not restarted", name, sl->reason);
    }
}

// Sets the slot's state and reason, and writes the sentence for people; empty when all is well.
static void describe_decision(slot *sl, const agent_decision *d, const char *name, char text[512]) {
    char how[128];
    describe(how, d->how);
    bool is_clean = d->how.code == 0 && d->how.signal == 0;
    text[0] = '\0';
    sl->state = "down";
    switch (d->kind) {
    case AGENT_BACKOFF:
        (void)snprintf(text, 512, "%s %s (%s), restarting in %u ms", name,
                       is_clean ? "ended" : "crashed", how, d->delay_ms);
        (void)snprintf(sl->reason, sizeof sl->reason, "%s, restarting in %u ms", how, d->delay_ms);
        return;
    case AGENT_OVER:
        if (!is_clean) (void)snprintf(text, 512, "%s ended (%s)", name, how);
        (void)snprintf(sl->reason, sizeof sl->reason, "%s", how);
        return;
    default: sl->state = "failed"; describe_failure(sl, d, name, text);
    }
}

static void tell_decision(agent_service *service, const agent_decision *d) {
    slot *sl = &service->slots[d->instance];
    char name[AGENT_NODE_NAME_LEN_MAX], text[512];
    agent_service_node_name(service, d->instance, name);
    describe_decision(sl, d, name, text);
    if (text[0] != '\0')
        agent_say_event("%s", text);
    else
        agent_say_event("%s ended", name);
    agent_services_tell(service, d->instance, &(agent_event){name, sl->state, text, d->how});
}

static void send_signal(agent_service *service, const agent_decision *d) {
    slot *sl = &service->slots[d->instance];
    if (sl->node == NULL) return;
    sl->is_draining = true;
    agent_node_signal(sl->node, d->signal);
}

static void free_service(agent_service *service) {
    for (uint32_t i = 0; i < service->run->instances; i++)
        agent_launcher_drop(service->services, &service->slots[i]);
    agent_log_destroy(service->log);
    agent_sockets_destroy(service->sockets);
    if (service->stdin_fd >= 0) close(service->stdin_fd);
    warren__agent__run__free_unpacked(service->run, NULL);
    free(service->slots);
    free(service);
}

static void remove_service(agent_services *s, agent_service *service) {
    agent_supervisor_remove(s->supervisor, service->id);
    for (agent_service **at = &s->first; *at != NULL; at = &(*at)->next) {
        if (*at != service) continue;
        *at = service->next;
        if (s->last == &service->next) s->last = at;
        break;
    }
    free_service(service);
}

static void end_service(agent_services *s, agent_service *service, int exit_code) {
    service->exit_code = exit_code;
    s->running_count--;
    agent_say_event("%s is over (exit code %d)", service->name, exit_code);
    // Nobody listens for it any more: connections are refused instead of waiting in a queue.
    agent_sockets_destroy(service->sockets);
    service->sockets = NULL;
    agent_log_rest(service->log); // lists show it for long: it holds no descriptors meanwhile
    if (service->stdin_fd >= 0) close(service->stdin_fd);
    service->stdin_fd = -1;
    tell_over(service); // who is told may forget the service: it goes below, not under our feet
    service->is_over = true;
    if (service->is_forgotten) remove_service(s, service);
    s->options.on_changed(s->options.user);
}

static void carry_out_one(agent_services *s, const agent_decision *d) {
    agent_service *service = agent_service_find(s, d->service_id);
    CHECK(service != NULL);
    switch (d->kind) {
    case AGENT_LAUNCH:
        service->slots[d->instance].state = "starting";
        agent_launcher_add(s, d->service_id, d->instance);
        return;
    case AGENT_SIGNAL: send_signal(service, d); return;
    case AGENT_BACKOFF: tell_decision(service, d); return;
    case AGENT_OVER:
    case AGENT_FAILED:
        tell_decision(service, d);
        // One who waits for this instance alone; the others are told with the service.
        for (agent_watch *w = s->watches, *next; w != NULL; w = next) {
            next = w->next;
            if (w->service_id == service->id && w->instance == d->instance)
                w->events->on_over(w, agent_exit_code(d->how));
        }
        return;
    case AGENT_ENDED: end_service(s, service, d->exit_code); return;
    }
}

static void on_timer(uv_timer_t *timer) {
    agent_services *s = timer->data;
    agent_supervisor_tick(s->supervisor, uv_now(s->loop));
    agent_services_carry_out(s);
}

void agent_services_carry_out(agent_services *s) {
    agent_decision decision;
    if (s->is_carrying_out) return; // the outer call goes on with what this one would do
    s->is_carrying_out = true;
    do {
        while (agent_supervisor_poll(s->supervisor, &decision))
            carry_out_one(s, &decision);
        agent_launcher_pump(s); // a launch that fails at once is one more decision
    } while (agent_supervisor_has_decisions(s->supervisor));
    s->is_carrying_out = false;
    uint64_t wake_at_ms = agent_supervisor_wake_at_ms(s->supervisor), now_ms = uv_now(s->loop);
    if (wake_at_ms == UINT64_MAX)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(&s->timer, on_timer, wake_at_ms > now_ms ? wake_at_ms - now_ms : 0, 0);
}

// ---- requests

static int refuse(agent_refusal *refusal, uint32_t exit_code, int err) {
    refusal->exit_code = exit_code;
    return err;
}

static int judge_run(const agent_services *s, const Warren__Agent__Run *run,
                     agent_refusal *refusal) {
    if (s->is_closed) {
        (void)snprintf(refusal->text, sizeof refusal->text, "the agent is stopping");
        return refuse(refusal, 4, MESH_ECLOSED);
    }
    if (run->instances == 0 || run->instances > AGENT_INSTANCES_MAX)
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "cannot run %u instances: 1 to %d are possible", run->instances,
                       AGENT_INSTANCES_MAX);
    else if (run->entry[0] != '/' || run->cwd[0] != '/')
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "the program and its directory must be absolute paths");
    else if (run->grace_ms > AGENT_GRACE_MAX_MS)
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "a grace time of %u ms is too long: an hour is the most", run->grace_ms);
    else if (run->restart > WARREN__AGENT__RUN__RESTART__NEVER)
        (void)snprintf(refusal->text, sizeof refusal->text, "there is no such restart policy");
    else if (run->name[0] != '\0' && agent_target_check_name(run->name) != 0)
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "\"%.80s\" cannot be a name: up to %d letters, digits, - and _ are, and "
                       "\"all\" is not",
                       run->name, AGENT_NAME_LEN_MAX);
    else
        return 0;
    return refuse(refusal, 2, MESH_EINVAL);
}

// Makes room for a name: a service that is over gives it up.
static bool is_name_free(agent_services *s, const char *name) {
    agent_service *service = find_by_name(s, name);
    if (service != NULL && service->is_over) {
        remove_service(s, service);
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
        return refuse(refusal, 1, MESH_EEXIST);
    }
    char base[AGENT_SERVICE_NAME_LEN_MAX];
    agent_target_name_of(run->entry, base);
    (void)snprintf(out, AGENT_SERVICE_NAME_LEN_MAX, "%s", base);
    for (int n = 2; !is_name_free(s, out); n++)
        (void)snprintf(out, AGENT_SERVICE_NAME_LEN_MAX, "%.50s-%d", base, n);
    return 0;
}

static agent_service *make_service(agent_services *s, Warren__Agent__Run *run, int stdin_fd,
                                   const char *name) {
    agent_service *service = mem_alloc(sizeof *service);
    service->services = s;
    service->id = ++s->next_id;
    service->run = run;
    service->stdin_fd = stdin_fd;
    (void)snprintf(service->name, sizeof service->name, "%s", name);
    service->log = agent_log_create(s->options.dir, name);
    service->sockets = agent_sockets_create();
    service->slots = mem_alloc(run->instances * sizeof(slot));
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
    if (count >= AGENT_SERVICES_MAX && oldest != NULL) remove_service(s, oldest);
}

int agent_services_run(agent_services *s, Warren__Agent__Run *run, int stdin_fd,
                       uint32_t *out_service_id, agent_refusal *refusal) {
    char name[AGENT_SERVICE_NAME_LEN_MAX];
    int err = judge_run(s, run, refusal);
    if (err == 0) err = choose_name(s, run, name, refusal);
    if (err != 0) {
        if (stdin_fd >= 0) close(stdin_fd);
        warren__agent__run__free_unpacked(run, NULL);
        return err;
    }
    make_room(s);
    agent_service *service = make_service(s, run, stdin_fd, name);
    agent_supervised spec = {.service_id = service->id,
                             .instances = run->instances,
                             .restart = (agent_restart)run->restart, // the same numbers
                             .grace_ms = run->grace_ms};
    err = agent_supervisor_add(s->supervisor, &spec);
    if (err != 0) {
        (void)snprintf(refusal->text, sizeof refusal->text, "more than %d services are running",
                       AGENT_SERVICES_MAX);
        s->running_count--;
        remove_service(s, service);
        return refuse(refusal, 1, err);
    }
    agent_say_event("%s: %u x %s", name, run->instances, run->entry);
    *out_service_id = service->id;
    uv_timer_start(&s->timer, on_timer, 0, 0); // the launches
    return 0;
}

void agent_services_stop(agent_services *s, uint32_t service_id, uint32_t instance, bool is_kill) {
    for (agent_service *service = s->first; service != NULL; service = service->next)
        if (service_id == 0 || service->id == service_id)
            agent_supervisor_stop(s->supervisor, uv_now(s->loop), service->id, instance, is_kill);
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
    if (service->is_over) remove_service(s, service);
}

void agent_services_pause(agent_services *s, uint32_t service_id, bool is_paused) {
    agent_service *service = agent_service_find(s, service_id);
    if (service == NULL) return;
    service->is_paused = is_paused;
    for (uint32_t i = 0; i < service->run->instances; i++)
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

static int on_listen(const agent_member *member, const agent_listen *request, void *user) {
    agent_services *s = user;
    const agent_member_info *who = agent_member_identity(member);
    agent_service *service = find_by_name(s, who->service);
    if (service == NULL || service->sockets == NULL) return UV_EINVAL;
    int fd = agent_descriptors_left(1) ? agent_sockets_listen(service->sockets, request) : -EMFILE;
    if (fd < 0)
        agent_say("%s cannot listen on port %u: %s", who->name, request->port, strerror(-fd));
    return fd;
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
    agent_members_events events = {on_listen, on_attached_end};
    s->members = agent_members_create(s->loop, options->host, options->started_at_ms, &events, s);
    s->zygote = agent_zygote_create(s->loop, &agent_launcher_zygote_events, s);
    uv_timer_init(s->loop, &s->timer);
    s->timer.data = s;
    agent_zygote_start(s->zygote); // warm before the first run
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
    agent_members_destroy(s->members);
    agent_zygote_destroy(s->zygote);
    agent_supervisor_destroy(s->supervisor);
    free(s->waiting);
    uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}
