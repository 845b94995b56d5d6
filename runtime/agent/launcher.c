// The lives of nodes: launches them through the zygote, some at a time, and takes their ends.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/descriptors.h"
#include "agent/say.h"
#include "agent/service.h"
#include "core/error.h"
#include "core/mem.h"
#include "io/packet.h"

enum {
    // Each launch holds five descriptors here and as many on their way.
    IN_FLIGHT_MAX = 16,
    LAUNCH_OPENS = 12, // those ten, a pidfd, and the log of its service
    STARTED_OPENS = 2, // of these, what one in flight will still open
    ATTEMPTS_MAX = 3,  // of one launch, when the zygote dies over it
};

static uint64_t wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// The instance whose present life has this id. Few enough to look at them all.
static slot *find_slot(agent_services *s, uint64_t node_id, agent_service **out_service,
                       uint32_t *out_instance) {
    for (agent_service *service = s->first; service != NULL; service = service->next)
        for (uint32_t i = 0; i < service->run->instances; i++) {
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
    if (find_slot(s, agent_node_id(node), &service, &instance) == NULL) return;
    agent_service_node_name(service, instance, name);
    agent_log_piece out = {.node = name, .is_stderr = is_stderr, .at_ms = wall_ms(), .data = piece};
    agent_log_write(service->log, &out);
    agent_services_tell_output(service, instance, &out);
}

static void on_node_over(agent_node *node, void *user) {
    agent_services *s = user;
    agent_service *service;
    uint32_t instance;
    slot *sl = find_slot(s, agent_node_id(node), &service, &instance);
    if (sl == NULL) return;
    agent_exit how = agent_node_how(node);
    // A life ends with its process, however long its output took to be read.
    uint64_t ended_at_ms = agent_node_exited_at_ms(node);
    agent_node_close(node);
    sl->node = NULL;
    agent_supervisor_exited(s->supervisor, ended_at_ms, service->id, instance, how);
    agent_services_carry_out(s);
}

static const agent_node_events node_events = {on_node_output, on_node_over};

void agent_launcher_drop(agent_services *s, slot *sl) {
    static const agent_member_end never_ran = {.reason = "killed", .code = -1, .signal = SIGKILL};
    agent_node_close(sl->node);
    sl->node = NULL;
    if (sl->member != NULL) agent_members_end(s->members, sl->member, &never_ran);
    sl->member = NULL;
}

// ---- launching

static int open_stdin(agent_service *service) {
    int fd = service->stdin_fd;
    service->stdin_fd = -1;
    return fd >= 0 ? fd : open("/dev/null", O_RDONLY | O_CLOEXEC);
}

// A copy of `list` with NULL at its end, after `first` when that is not NULL.
static char **make_list(const char *first, char *const *list, size_t count) {
    char **out = mem_alloc((count + 2) * sizeof *out);
    size_t n = 0;
    if (first != NULL) out[n++] = (char *)(uintptr_t)first;
    if (count > 0) memcpy(out + n, list, count * sizeof *out);
    return out;
}

static int ask_zygote(agent_service *service, const slot *sl, const char *name,
                      const int fds[AGENT_LAUNCH_FDS]) {
    const Warren__Agent__Run *run = service->run;
    char title[512];
    (void)snprintf(title, sizeof title, "%s: %s", name, run->entry); // a longer one is cut
    char **argv = make_list(run->entry, run->args, run->n_args);
    char **env = make_list(NULL, run->env, run->n_env);
    char **exec_argv = make_list(NULL, run->exec_argv, run->n_exec_argv);
    agent_launch launch = {.node_id = sl->node_id,
                           .argv = argv,
                           .env = env,
                           .exec_argv = exec_argv,
                           .cwd = run->cwd,
                           .title = title};
    memcpy(launch.fds, fds, sizeof launch.fds);
    int err = agent_zygote_launch(service->services->zygote, &launch);
    free(argv);
    free(env);
    free(exec_argv);
    return err;
}

// Fills fds with what the node gets. 0 or a negative code.
static int open_life(agent_service *service, uint32_t instance, const char *name,
                     int fds[AGENT_LAUNCH_FDS]) {
    agent_services *s = service->services;
    slot *sl = &service->slots[instance];
    agent_node_ends ends;
    int control[2];
    int err = agent_node_open(s->loop, sl->node_id, &node_events, s, &ends, &sl->node);
    if (err != 0) return err;
    fds[1] = ends.stdout_fd;
    fds[2] = ends.stderr_fd;
    fds[4] = ends.leash_fd;
    agent_node_pause(sl->node, service->is_paused);
    err = mesh_packet_pair(control);
    if (err != 0) return err;
    fds[3] = control[1];
    agent_member_info identity = {.node_id = sl->node_id,
                                  .number = sl->number,
                                  .name = name,
                                  .service = service->name,
                                  .instance = instance};
    err = agent_members_add(s->members, control[0], &identity, &sl->member);
    if (err != 0) return err;
    fds[0] = open_stdin(service);
    return fds[0] < 0 ? -errno : 0;
}

static void fail_launch(agent_service *service, uint32_t instance, const char *why) {
    agent_services *s = service->services;
    slot *sl = &service->slots[instance];
    agent_launcher_drop(s, sl);
    (void)snprintf(sl->reason, sizeof sl->reason, "%s", why);
    agent_supervisor_not_launched(s->supervisor, uv_now(s->loop), service->id, instance);
}

static void start_life(agent_service *service, uint32_t instance) {
    slot *sl = &service->slots[instance];
    char name[AGENT_NODE_NAME_LEN_MAX];
    int fds[AGENT_LAUNCH_FDS] = {-1, -1, -1, -1, -1};
    agent_service_node_name(service, instance, name);
    agent_member_info ids;
    agent_members_number(service->services->members, &ids);
    sl->node_id = ids.node_id;
    sl->number = ids.number;
    if (!agent_descriptors_left(LAUNCH_OPENS + STARTED_OPENS * service->services->in_flight)) {
        char text[AGENT_DESCRIPTORS_TEXT_MAX];
        agent_descriptors_explain(text);
        fail_launch(service, instance, text);
        return;
    }
    int err = open_life(service, instance, name, fds);
    if (err == 0) err = ask_zygote(service, sl, name, fds);
    for (int i = 0; i < AGENT_LAUNCH_FDS; i++)
        if (fds[i] >= 0) close(fds[i]);
    if (err == 0)
        service->services->in_flight++;
    else
        fail_launch(service, instance, err < -10000 ? mesh_error_text(err) : strerror(-err));
}

void agent_launcher_add(agent_services *s, uint32_t service_id, uint32_t instance) {
    s->waiting = mem_grow(s->waiting, sizeof *s->waiting, s->waiting_count + 1, &s->waiting_cap);
    s->waiting[s->waiting_count++] = (waiting_launch){service_id, instance};
}

void agent_launcher_pump(agent_services *s) {
    // Those that were stopped while they waited are over first, also when no zygote ever comes.
    size_t kept = 0;
    for (size_t i = s->waiting_head; i < s->waiting_count; i++) {
        waiting_launch w = s->waiting[i];
        if (agent_supervisor_wants(s->supervisor, w.service_id, w.instance))
            s->waiting[kept++] = w;
        else
            agent_supervisor_not_launched(s->supervisor, uv_now(s->loop), w.service_id, w.instance);
    }
    s->waiting_head = 0;
    s->waiting_count = kept;
    if (kept > 0 && !agent_zygote_is_ready(s->zygote)) agent_zygote_start(s->zygote);
    while (s->waiting_head < s->waiting_count && s->in_flight < IN_FLIGHT_MAX &&
           agent_zygote_is_ready(s->zygote)) {
        waiting_launch w = s->waiting[s->waiting_head++];
        start_life(agent_service_find(s, w.service_id), w.instance);
    }
}

// ---- what the zygote says

static void on_ready(void *user) {
    agent_services_carry_out(user);
}

static void on_failed(void *user, const char *text) {
    agent_services *s = user;
    size_t count = s->waiting_count;
    waiting_launch *waiting = s->waiting;
    s->waiting = NULL;
    s->waiting_head = s->waiting_count = s->waiting_cap = 0;
    for (size_t i = 0; i < count; i++)
        fail_launch(agent_service_find(s, waiting[i].service_id), waiting[i].instance, text);
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
    agent_services_tell(service, instance, &(agent_event){name, "up", text, {0}});
}

static void on_launched(void *user, uint64_t node_id, pid_t pid, int pidfd, const char *cold_reason,
                        const char *error) {
    agent_services *s = user;
    agent_service *service;
    uint32_t instance;
    slot *sl = find_slot(s, node_id, &service, &instance);
    if (s->in_flight > 0) s->in_flight--;
    if (sl == NULL || agent_node_pid(sl->node) != 0) { // not ours, or told twice
        if (pidfd >= 0) close(pidfd);
        return;
    }
    if (error[0] != '\0') {
        if (pidfd >= 0) close(pidfd);
        fail_launch(service, instance, error);
    } else {
        agent_node_launched(sl->node, pid, pidfd, uv_now(s->loop));
        agent_members_set_pid(sl->member, (uint32_t)pid);
        sl->attempts = 0;
        sl->starts++;
        sl->is_cold = cold_reason[0] != '\0';
        sl->is_draining = false;
        sl->state = "up";
        (void)snprintf(sl->reason, sizeof sl->reason, "%s", cold_reason);
        tell_started(service, instance, pid);
        agent_supervisor_launched(s->supervisor, uv_now(s->loop), service->id, instance);
    }
    agent_services_carry_out(s);
}

static const char *reason_of(agent_exit how) {
    if (how.signal == SIGKILL || how.signal == SIGTERM || how.signal == SIGINT) return "killed";
    return how.signal == 0 && how.code == 0 ? "normal" : "crash";
}

static void take_end(agent_services *s, slot *sl, agent_exit how) {
    if (agent_node_has_exited(sl->node)) return;
    agent_member_end end = {.reason = reason_of(how), .code = how.code, .signal = how.signal};
    // The others learn it at once, whatever may hold up its output.
    agent_members_end(s->members, sl->member, &end);
    sl->member = NULL;
    agent_node_exited(sl->node, how, uv_now(s->loop));
}

static void on_exited(void *user, uint64_t node_id, agent_exit how) {
    agent_services *s = user;
    agent_service *service;
    uint32_t instance;
    slot *sl = find_slot(s, node_id, &service, &instance);
    if (sl != NULL && agent_node_pid(sl->node) != 0) take_end(s, sl, how);
}

static agent_exit exit_of(int status) {
    if (WIFSIGNALED(status)) return (agent_exit){.code = -1, .signal = WTERMSIG(status)};
    return (agent_exit){.code = WEXITSTATUS(status)};
}

void agent_services_reaped(agent_services *s, pid_t pid, int status) {
    if (agent_zygote_reaped(s->zygote, pid, status)) return;
    for (agent_service *service = s->first; service != NULL; service = service->next)
        for (uint32_t i = 0; i < service->run->instances; i++) {
            slot *sl = &service->slots[i];
            if (sl->node == NULL || agent_node_pid(sl->node) != pid) continue;
            take_end(s, sl, exit_of(status));
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
    take_end(s, sl, is_known ? exit_of(status) : (agent_exit){.code = -1});
}

static void on_died(void *user) {
    agent_services *s = user;
    s->in_flight = 0;
    for (agent_service *service = s->first; service != NULL; service = service->next)
        for (uint32_t i = 0; i < service->run->instances; i++)
            settle(s, service, i);
    agent_services_carry_out(s);
}

const agent_zygote_events agent_launcher_zygote_events = {on_ready, on_failed, on_launched,
                                                          on_exited, on_died};
