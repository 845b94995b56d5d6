// The lives of nodes: launches them through the zygotes, some at a time, and takes their ends.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/descriptors.h"
#include "agent/kept.h"
#include "agent/reloading.h"
#include "agent/say.h"
#include "agent/service.h"
#include "core/error.h"
#include "core/mem.h"
#include "io/packet.h"
#include "io/wall.h"

enum {
    // Each launch holds six descriptors here and as many on their way.
    IN_FLIGHT_MAX = 16,
    LAUNCH_OPENS = 14, // those twelve, a pidfd, and the log of its service
    STARTED_OPENS = 2, // of these, what one in flight will still open
    ATTEMPTS_MAX = 3,  // of one launch, when the zygote dies over it
};

// The instance whose present life has this id. Few enough to look at them all.
slot *agent_launcher_find(agent_services *s, uint64_t node_id, agent_service **out_service,
                          uint32_t *out_instance) {
    for (agent_service *service = s->first; service != NULL; service = service->next)
        for (uint32_t i = 0; i < agent_service_slot_count(service); i++) {
            slot *sl = &service->slots[i];
            if (sl->node == NULL || sl->node_id != node_id) continue;
            *out_service = service;
            *out_instance = i;
            return sl;
        }
    return NULL;
}

static void on_node_output(agent_node *node, bool is_stderr, mesh_bytes piece, void *user) {
    agent_services *s = user;
    agent_service *service;
    uint32_t instance;
    char name[AGENT_NODE_NAME_LEN_MAX];
    slot *sl = agent_launcher_find(s, agent_node_id(node), &service, &instance);
    if (sl == NULL) return;
    agent_service_node_name(service, instance, name);
    agent_log_piece out = {
        .node = name, .is_stderr = is_stderr, .at_ms = mesh_wall_ms(), .data = piece};
    agent_log_write(service->log, &out);
    if (is_stderr) agent_last_lines_push(&sl->stderr_lines, piece);
    if (is_stderr) agent_oom_listen(&sl->oom, piece);
    agent_services_tell_output(service, instance, &out);
}

void agent_services_note(agent_service *service, uint32_t instance, const char *text) {
    char name[AGENT_NODE_NAME_LEN_MAX];
    agent_service_node_name(service, instance, name);
    mesh_bytes piece = mesh_bytes_text(text);
    agent_log_piece out = {.node = name, .is_stderr = true, .at_ms = mesh_wall_ms(), .data = piece};
    agent_log_write(service->log, &out);
    agent_last_lines_push(&service->slots[instance].stderr_lines, piece);
    agent_services_tell_output(service, instance % service->slot_cap, &out);
}

static void on_node_over(agent_node *node, void *user) {
    agent_services *s = user;
    agent_service *service;
    uint32_t instance;
    slot *sl = agent_launcher_find(s, agent_node_id(node), &service, &instance);
    if (sl == NULL) return;
    agent_exit how = agent_node_how(node);
    // A life ends with its process, however long its output took to be read.
    uint64_t ended_at_ms = agent_node_exited_at_ms(node);
    agent_report_take(&sl->report, how, ended_at_ms - agent_node_started_at_ms(node),
                      &sl->stderr_lines);
    sl->report.is_oom =
        agent_oom_judge(&sl->oom, &sl->runs->limits, sl->node_id, how.signal, sl->oom_text);
    agent_limits_close(&sl->runs->limits, sl->node_id);
    agent_stalls_close(sl);
    agent_node_close(node);
    sl->node = NULL;
    if (agent_service_is_beside(service, instance))
        agent_reloading_exited(service, instance, how);
    else
        agent_supervisor_exited(s->supervisor, ended_at_ms, service->id, instance, how);
    agent_services_carry_out(s);
}

const agent_node_events agent_launcher_node_events = {on_node_output, on_node_over};

void agent_launcher_drop(agent_services *s, slot *sl) {
    static const agent_member_end never_ran = {.reason = "killed", .code = -1, .signal = SIGKILL};
    agent_last_lines_clear(&sl->stderr_lines);
    agent_stalls_close(sl);
    agent_node_close(sl->node);
    sl->node = NULL;
    if (sl->member != NULL) agent_members_end(s->members, sl->member, &never_ran);
    sl->member = NULL;
}

// ---- launching

// A copy: a launch that comes to nothing is tried again.
static int open_stdin(const agent_service *service) {
    int fd = service->stdin_fd >= 0 ? fcntl(service->stdin_fd, F_DUPFD_CLOEXEC, 0)
                                    : open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

static size_t count_of(char *const *list) {
    size_t count = 0;
    while (list[count] != NULL)
        count++;
    return count;
}

static runtime_boot boot_of(const agent_program *program, char *const *env) {
    const Warren__Agent__Run *run = program->run;
    return (runtime_boot){.exec_argv = {run->exec_argv, run->n_exec_argv},
                          .env = {env, count_of(env)},
                          .preload = {run->preload, run->n_preload},
                          .argv = {program->argv, run->n_args + 1},
                          .cwd = run->cwd};
}

// How many instances there are that a zygote for this program could serve.
static uint32_t count_users(const agent_services *s, const agent_program *program,
                            char *const *env) {
    uint32_t count = 0;
    bool is_user = true;
    const agent_program *judged = program; // most have the one of their neighbour
    char reason[RUNTIME_BOOT_TEXT_LEN];
    runtime_boot boot = boot_of(program, env);
    for (const agent_service *service = s->first; service != NULL; service = service->next)
        for (uint32_t i = 0; i < service->instances && !service->is_over; i++) {
            const agent_program *other = service->slots[i].program;
            if (other != judged) {
                runtime_boot other_boot = boot_of(other, other->env);
                is_user = other == program || runtime_boot_can_serve(&boot, &other_boot, reason);
                judged = other;
            }
            count += is_user;
        }
    return count;
}

static bool has_name(const char *variable, const char *name) {
    size_t len = strlen(name);
    return strncmp(variable, name, len) == 0 && variable[len] == '=';
}

static bool is_secret(const Warren__Agent__Run *run, const char *variable) {
    for (size_t i = 0; i < run->n_secrets; i++)
        if (has_name(variable, run->secrets[i])) return true;
    return false;
}

// Its variables with its secrets, which stand above them; free it, not what is in it. NULL: a
// secret is not there.
static char **make_env(const agent_services *s, const agent_program *program) {
    const Warren__Agent__Run *run = program->run;
    char **env = mem_alloc((count_of(program->env) + run->n_secrets + 1) * sizeof *env);
    size_t n = 0;
    for (size_t i = 0; i < run->n_secrets; i++) {
        const char *text = agent_secrets_find(s->options.secrets, run->secrets[i]);
        if (text == NULL) {
            free(env);
            return NULL;
        }
        env[n++] = (char *)(uintptr_t)text;
    }
    for (char **variable = program->env; *variable != NULL; variable++)
        if (!is_secret(run, *variable)) env[n++] = *variable;
    return env;
}

static int ask_zygote(agent_service *service, slot *sl, const char *name,
                      const agent_zygote_choice *choice, const agent_launch_limits *limits,
                      const int fds[AGENT_LAUNCH_FDS]) {
    char title[512];
    (void)snprintf(title, sizeof title, "%s: %s", name,
                   sl->runs->run->entry); // a longer one is cut
    char **env = make_env(service->services, sl->runs);
    if (env == NULL) return -ENOKEY;
    runtime_boot boot = boot_of(sl->runs, env);
    agent_launch launch = {.node_id = sl->node_id,
                           .boot = &boot,
                           .title = title,
                           .cold_reason = choice->cold_reason,
                           .limits = limits};
    if (sl->attempts >= ATTEMPTS_MAX) launch.cold_reason = "what a zygote has read keeps changing";
    memcpy(launch.fds, fds, sizeof launch.fds);
    sl->zygote = choice->zygote;
    int err = agent_zygote_launch(choice->zygote, &launch);
    free(env);
    return err;
}

// Fills fds with what the node gets. 0 or a negative code.
static int open_life(agent_service *service, uint32_t instance, const char *name,
                     int fds[AGENT_LAUNCH_FDS]) {
    agent_services *s = service->services;
    slot *sl = &service->slots[instance];
    agent_node_ends ends;
    int control[2];
    int err =
        agent_node_open(s->loop, sl->node_id, &agent_launcher_node_events, s, &ends, &sl->node);
    if (err != 0) return err;
    fds[1] = ends.stdout_fd;
    fds[2] = ends.stderr_fd;
    fds[4] = ends.leash_fd;
    err = agent_stalls_open(sl, &fds[5]);
    if (err != 0) return err;
    agent_node_pause(sl->node, service->is_paused);
    err = mesh_packet_pair(control);
    if (err != 0) return err;
    fds[3] = control[1];
    agent_member_info identity = {.node_id = sl->node_id,
                                  .number = sl->number,
                                  .name = name,
                                  .service = service->name,
                                  .instance = instance % service->slot_cap};
    err = agent_members_add(s->members, control[0], &identity, &sl->member);
    if (err != 0) return err;
    agent_checks_begin(service, instance);
    fds[0] = open_stdin(service);
    return fds[0] < 0 ? fds[0] : 0;
}

static void fail_launch(agent_service *service, uint32_t instance, const char *why) {
    agent_services *s = service->services;
    slot *sl = &service->slots[instance];
    agent_launcher_drop(s, sl);
    (void)snprintf(sl->reason, sizeof sl->reason, "%s", why);
    (void)snprintf(sl->trouble, sizeof sl->trouble, "%s", why);
    if (agent_service_is_beside(service, instance))
        agent_reloading_not_launched(service, instance, why);
    else
        agent_supervisor_not_launched(s->supervisor, uv_now(s->loop), service->id, instance);
}

// It is held to the rules of what it runs from now on.
static void begin_program(agent_service *service, uint32_t instance) {
    slot *sl = &service->slots[instance];
    agent_rules rules = agent_program_rules(sl->program);
    agent_program_set(&sl->runs, sl->program);
    if (!agent_service_is_beside(service, instance))
        (void)agent_supervisor_change(service->services->supervisor,
                                      uv_now(service->services->loop), service->id, instance,
                                      &rules);
}

static void fail_to_start(agent_service *service, uint32_t instance, int err) {
    const Warren__Agent__Run *run = service->slots[instance].runs->run;
    agent_refusal refusal = {.text = ""};
    const char *why = err < -10000 ? mesh_error_text(err) : strerror(-err);
    if (err == -ENOKEY && agent_run_judge_secrets(service->services, run, &refusal) != 0)
        why = refusal.text;
    fail_launch(service, instance, why);
}

static void start_life(agent_service *service, uint32_t instance,
                       const agent_zygote_choice *choice) {
    slot *sl = &service->slots[instance];
    char name[AGENT_NODE_NAME_LEN_MAX];
    int fds[AGENT_LAUNCH_FDS] = {-1, -1, -1, -1, -1, -1};
    agent_service_node_name(service, instance, name);
    agent_member_info ids;
    agent_members_number(service->services->members, &ids);
    if (sl->runs != NULL) // of a life that never began
        agent_limits_close(&sl->runs->limits, sl->node_id);
    begin_program(service, instance);
    sl->node_id = ids.node_id;
    sl->number = ids.number;
    agent_last_lines_clear(&sl->stderr_lines);
    sl->oom = (agent_oom){0};
    sl->oom_text[0] = sl->port_text[0] = '\0';
    if (!agent_descriptors_left(LAUNCH_OPENS + STARTED_OPENS * service->services->in_flight)) {
        char text[AGENT_DESCRIPTORS_TEXT_MAX];
        agent_descriptors_explain(text);
        fail_launch(service, instance, text);
        return;
    }
    int err = open_life(service, instance, name, fds);
    agent_launch_limits limits;
    if (err == 0) err = agent_limits_open(&sl->runs->limits, sl->node_id, &limits);
    if (err == 0) err = ask_zygote(service, sl, name, choice, &limits, fds);
    for (int i = 0; i < AGENT_LAUNCH_FDS; i++)
        if (fds[i] >= 0) close(fds[i]);
    if (err == 0)
        service->services->in_flight++;
    else
        fail_to_start(service, instance, err);
}

void agent_launcher_add(agent_services *s, uint32_t service_id, uint32_t instance) {
    s->waiting = mem_grow(s->waiting, sizeof *s->waiting, s->waiting_count + 1, &s->waiting_cap);
    s->waiting[s->waiting_count++] = (waiting_launch){service_id, instance};
}

void agent_launcher_renumber(agent_services *s, uint32_t service_id, uint32_t from, uint32_t by) {
    for (size_t i = 0; i < s->waiting_count; i++)
        if (s->waiting[i].service_id == service_id && s->waiting[i].instance >= from)
            s->waiting[i].instance += by;
}

static bool is_wanted(const agent_services *s, waiting_launch w) {
    const agent_service *service = agent_service_find(s, w.service_id);
    if (service != NULL && agent_service_is_beside(service, w.instance))
        return agent_reloading_wants(service, w.instance);
    return agent_supervisor_wants(s->supervisor, w.service_id, w.instance);
}

static void drop_waiting(agent_services *s, waiting_launch w) {
    agent_service *service = agent_service_find(s, w.service_id);
    if (service != NULL && agent_service_is_beside(service, w.instance))
        agent_reloading_not_launched(service, w.instance, "it is not wanted any more");
    else
        agent_supervisor_not_launched(s->supervisor, uv_now(s->loop), w.service_id, w.instance);
}

static agent_zygote_choice choose(const agent_services *s, const agent_program *program) {
    char **env = make_env(s, program);
    char *const *seen = env != NULL ? env : program->env; // a launch fails for it
    runtime_boot boot = boot_of(program, seen);
    agent_zygote_choice choice =
        agent_zygotes_choose(s->zygotes, &boot, count_users(s, program, seen));
    free(env);
    return choice;
}

// Those whose zygote can launch now; the others keep their place.
static void launch_waiting(agent_services *s) {
    agent_zygote_choice choice = {0};
    const agent_program *chosen_for = NULL; // those of one service stand side by side
    size_t kept = 0;
    for (size_t i = 0; i < s->waiting_count; i++) {
        waiting_launch w = s->waiting[i];
        if (s->is_held || s->in_flight >= IN_FLIGHT_MAX) {
            s->waiting[kept++] = w;
            continue;
        }
        agent_service *service = agent_service_find(s, w.service_id);
        const agent_program *program = service->slots[w.instance].program;
        if (chosen_for != program) {
            choice = choose(s, program);
            chosen_for = program;
        }
        if (choice.is_ready)
            start_life(service, w.instance, &choice);
        else
            s->waiting[kept++] = w;
    }
    s->waiting_count = kept;
}

void agent_launcher_pump(agent_services *s) {
    // Those that were stopped while they waited are over first, also when no zygote ever comes.
    size_t kept = 0;
    for (size_t i = 0; i < s->waiting_count; i++) {
        waiting_launch w = s->waiting[i];
        if (is_wanted(s, w))
            s->waiting[kept++] = w;
        else
            drop_waiting(s, w);
    }
    s->waiting_count = kept;
    launch_waiting(s);
}

// ---- what the zygotes say

static void on_changed(void *user) {
    agent_services_carry_out(user);
}

static void on_failed(void *user, const char *text) {
    agent_services *s = user;
    size_t count = s->waiting_count;
    waiting_launch *waiting = s->waiting;
    s->waiting = NULL;
    s->waiting_count = s->waiting_cap = 0;
    for (size_t i = 0; i < count; i++) {
        agent_service *service = agent_service_find(s, waiting[i].service_id);
        begin_program(service, waiting[i].instance); // this is what has failed, not what ran before
        fail_launch(service, waiting[i].instance, text);
    }
    free(waiting);
    agent_services_carry_out(s);
}

static void tell_started(agent_service *service, uint32_t instance, pid_t pid) {
    slot *sl = &service->slots[instance];
    char name[AGENT_NODE_NAME_LEN_MAX], text[256] = "";
    agent_service_node_name(service, instance, name);
    if (sl->starts > 1) (void)snprintf(text, sizeof text, "%s restarted (pid %d)", name, (int)pid);
    agent_say_event("%s started (pid %d%s%s)", name, (int)pid, sl->is_cold ? ", cold: " : "",
                    sl->is_cold ? sl->reason : "");
    agent_services_tell(service, instance, &(agent_event){name, "starting", text, {0}, false});
}

static void on_launched(void *user, uint64_t node_id, pid_t pid, int pidfd, const char *cold_reason,
                        const char *error) {
    agent_services *s = user;
    agent_service *service;
    uint32_t instance;
    slot *sl = agent_launcher_find(s, node_id, &service, &instance);
    if (s->in_flight > 0) s->in_flight--;
    if (sl == NULL || agent_node_pid(sl->node) != 0) { // not ours, or told twice
        if (pidfd >= 0) close(pidfd);
        return;
    }
    if (error[0] != '\0') {
        if (pidfd >= 0) close(pidfd);
        fail_launch(service, instance, error);
    } else {
        if (service->stdin_fd >= 0) close(service->stdin_fd);
        service->stdin_fd = -1;
        agent_node_launched(sl->node, pid, pidfd, uv_now(s->loop));
        agent_members_set_pid(sl->member, (uint32_t)pid);
        agent_stalls_start(s->stalls);
        sl->attempts = 0;
        sl->trouble[0] = '\0';
        sl->starts++;
        sl->is_cold = cold_reason[0] != '\0';
        sl->is_draining = sl->is_stopped_by_hand = sl->serves = sl->was_ready = false;
        sl->late_after_ms = 0;
        sl->state = "up";
        (void)snprintf(sl->reason, sizeof sl->reason, "%s", cold_reason);
        tell_started(service, instance, pid);
        if (agent_service_is_beside(service, instance))
            agent_reloading_launched(service, instance);
        else
            agent_supervisor_launched(s->supervisor, uv_now(s->loop), service->id, instance);
        sl->zygote_pid = sl->zygote != NULL ? agent_zygote_pid(sl->zygote) : 0;
        agent_kept_life(service, instance);
    }
    agent_services_carry_out(s);
}

static void on_stale(void *user, uint64_t node_id) {
    agent_services *s = user;
    agent_service *service;
    uint32_t instance;
    slot *sl = agent_launcher_find(s, node_id, &service, &instance);
    if (s->in_flight > 0) s->in_flight--;
    if (sl == NULL || agent_node_pid(sl->node) != 0) return;
    agent_launcher_drop(s, sl);
    sl->attempts++;
    agent_launcher_add(s, service->id, instance);
    agent_services_carry_out(s);
}

static const char *reason_of(agent_exit how) {
    if (how.signal == SIGKILL || how.signal == SIGTERM || how.signal == SIGINT) return "killed";
    return how.signal == 0 && how.code == 0 ? "normal" : "crash";
}

void agent_launcher_take_end(agent_service *service, slot *sl, agent_exit how) {
    agent_services *s = service->services;
    if (agent_node_has_exited(sl->node)) return;
    agent_member_end end = {.reason = reason_of(how), .code = how.code, .signal = how.signal};
    // The others learn it at once, whatever may hold up its output.
    if (sl->member != NULL) agent_members_end(s->members, sl->member, &end);
    sl->member = NULL;
    agent_sockets_forget(service->sockets, (uint32_t)agent_node_pid(sl->node));
    agent_node_exited(sl->node, how, uv_now(s->loop));
}

static void on_exited(void *user, uint64_t node_id, agent_exit how) {
    agent_services *s = user;
    agent_service *service;
    uint32_t instance;
    slot *sl = agent_launcher_find(s, node_id, &service, &instance);
    if (sl != NULL && agent_node_pid(sl->node) != 0) agent_launcher_take_end(service, sl, how);
}

void agent_launcher_stopped(void *user, uint64_t node_id) {
    agent_service *service;
    uint32_t instance;
    slot *sl = agent_launcher_find(user, node_id, &service, &instance);
    if (sl != NULL) sl->heartbeat.stall.is_stopped = true;
}

agent_exit agent_launcher_exit_of(int status) {
    if (WIFSIGNALED(status)) return (agent_exit){.code = -1, .signal = WTERMSIG(status)};
    return (agent_exit){.code = WEXITSTATUS(status)};
}

void agent_services_reaped(agent_services *s, pid_t pid, int status) {
    if (agent_zygotes_reaped(s->zygotes, pid, status)) return;
    for (agent_service *service = s->first; service != NULL; service = service->next)
        for (uint32_t i = 0; i < agent_service_slot_count(service); i++) {
            slot *sl = &service->slots[i];
            if (sl->node == NULL || agent_node_pid(sl->node) != pid) continue;
            agent_launcher_take_end(service, sl, agent_launcher_exit_of(status));
            return;
        }
    // Else it was left behind by a node that ended: reaping it was all there is to do.
}

// Its nodes are our children now. One that ended may have been reaped by the zygote and never
// reported.
static void settle(agent_services *s, agent_service *service, uint32_t instance) {
    slot *sl = &service->slots[instance];
    if (sl->node == NULL || agent_node_has_exited(sl->node)) return;
    if (agent_node_pid(sl->node) == 0) { // asked for, and nobody will answer
        agent_launcher_drop(s, sl);      // the leash ends it if it was forked
        if (++sl->attempts < ATTEMPTS_MAX)
            agent_launcher_add(s, service->id, instance);
        else
            fail_launch(service, instance, "warren-node died while it was starting this");
        return;
    }
    if (!agent_node_is_dead(sl->node)) return;
    int status;
    bool is_known = waitpid(agent_node_pid(sl->node), &status, WNOHANG) > 0;
    agent_launcher_take_end(service, sl,
                            is_known ? agent_launcher_exit_of(status) : (agent_exit){.code = -1});
}

static void on_died(void *user, const agent_zygote *zygote, uint32_t unanswered) {
    agent_services *s = user;
    s->in_flight -= unanswered < s->in_flight ? unanswered : s->in_flight;
    for (agent_service *service = s->first; service != NULL; service = service->next)
        for (uint32_t i = 0; i < agent_service_slot_count(service); i++)
            if (service->slots[i].zygote == zygote) settle(s, service, i);
    agent_services_carry_out(s);
}

const agent_zygotes_events agent_launcher_zygote_events = {
    on_changed, on_failed, on_launched, on_stale, on_exited, agent_launcher_stopped, on_died};
