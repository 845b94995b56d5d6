#include "agent/stalls.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/activity.h"
#include "agent/say.h"
#include "agent/service.h"
#include "core/mem.h"
#include "heartbeat.h"

enum {
    TERMINATE_MS = 1000, // for one whose JavaScript runs
    LOG_TEXT_MAX = HEARTBEAT_TEXT_MAX + 256,
};

struct agent_stalls {
    agent_services *services;
    uv_timer_t timer;
};

int agent_stalls_open(slot *sl, int *out_fd) {
    agent_stalls_close(sl);
    int fd = memfd_create("warren-heartbeat", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    int copy = -1;
    bool is_made = ftruncate(fd, sizeof(heartbeat)) == 0 &&
                   fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0 &&
                   (copy = fcntl(fd, F_DUPFD_CLOEXEC, 0)) >= 0;
    if (!is_made) {
        int err = -errno;
        close(fd);
        return err;
    }
    sl->heartbeat = (agent_heartbeat){.has_fd = true, .fd = fd};
    *out_fd = copy;
    return 0;
}

void agent_stalls_close(slot *sl) {
    if (sl->heartbeat.has_fd) close(sl->heartbeat.fd);
    sl->heartbeat.has_fd = false;
    sl->heartbeat.stall = (agent_stall){0};
}

// ---- looking

static void tell(agent_service *service, uint32_t instance, const char *state, const char *text) {
    char name[AGENT_NODE_NAME_LEN_MAX];
    agent_service_node_name(service, instance, name);
    agent_services_record(service, name, "stalled", 0, text);
    agent_services_tell(service, instance, &(agent_event){name, state, text, {0}, false});
}

static void tell_change(agent_service *service, uint32_t instance, const agent_stall_news *news) {
    const slot *sl = &service->slots[instance];
    char name[AGENT_NODE_NAME_LEN_MAX], text[256];
    agent_service_node_name(service, instance, name);
    double seconds = (double)news->still_ms / 1000;
    if (news->begins && sl->heartbeat.stall.is_stopped)
        (void)snprintf(text, sizeof text,
                       "%s is stalled: its process is stopped, by a signal or a debugger (`kill "
                       "-CONT %d` lets it go on)",
                       name, (int)agent_node_pid(sl->node));
    else if (news->begins)
        (void)snprintf(text, sizeof text,
                       "%s is stalled: its loop has not turned for %.1f s (`warren inspect %s` "
                       "shows where it is)",
                       name, seconds, name);
    else
        (void)snprintf(text, sizeof text, "%s turns again, after %.1f s", name, seconds);
    if (sl->member != NULL) agent_member_set_stalled(sl->member, news->begins);
    tell(service, instance, news->begins ? "stalled" : "up", text);
}

// ---- policy

static void end(agent_service *service, slot *sl) {
    agent_heartbeat *heart = &sl->heartbeat;
    bool is_kill = sl->runs->run->stall == WARREN__AGENT__RUN__STALL__KILL;
    (void)snprintf(heart->end_text, sizeof heart->end_text,
                   "%s: its loop had not turned for %.1f s", is_kill ? "killed" : "terminated",
                   (double)heart->stall.still_ms / 1000);
    if (is_kill) {
        agent_node_signal(sl->node, SIGKILL);
        return;
    }
    heart->kill_at_ms = uv_now(service->services->loop) + TERMINATE_MS;
    agent_inquiries_terminate(sl);
}

// Where it is goes to its log, as something that it wrote, and so into the report of its end.
static void keep_stack(agent_service *service, uint32_t instance, slot *sl,
                       const agent_answer *answer) {
    char text[LOG_TEXT_MAX];
    (void)snprintf(text, sizeof text, "its loop has not turned for %.1f s; it %s:\n%s",
                   (double)sl->heartbeat.stall.still_ms / 1000,
                   answer->activity == AGENT_ACTIVITY_RUNS ? "runs" : "runs no JavaScript",
                   answer->text);
    agent_services_note(service, instance, text);
}

static void on_answer(const agent_answer *answer, void *user) {
    const agent_stalls *stalls = user;
    agent_service *service = agent_service_find(stalls->services, answer->service_id);
    for (uint32_t i = 0; service != NULL && i < agent_service_slot_count(service); i++) {
        slot *sl = &service->slots[i];
        bool is_it = sl->node_id == answer->node_id && sl->node != NULL && !sl->is_draining &&
                     !agent_node_has_exited(sl->node) && sl->heartbeat.stall.is_stalled;
        if (!is_it || answer->activity == AGENT_ACTIVITY_WAITS) continue; // it has come back
        keep_stack(service, i, sl, answer);
        if (sl->runs->run->stall != WARREN__AGENT__RUN__STALL__STACK) end(service, sl);
    }
}

static bool is_there(const slot *sl) {
    return sl->node != NULL && agent_node_pid(sl->node) != 0 && !agent_node_has_exited(sl->node);
}

static void look_at(agent_service *service, uint32_t instance) {
    slot *sl = &service->slots[instance];
    uint64_t turns, now_ms = uv_now(service->services->loop);
    if (pread(sl->heartbeat.fd, &turns, sizeof turns, offsetof(heartbeat, turns)) != sizeof turns)
        return;
    if (agent_stall_asks(&sl->heartbeat.stall, turns))
        sl->heartbeat.stall.is_stopped = agent_activity_is_stopped(agent_node_pid(sl->node));
    agent_stall_news news =
        agent_stall_look(&sl->heartbeat.stall, now_ms, turns, sl->runs->run->stall_after_ms);
    if (news.begins || news.ends) tell_change(service, instance, &news);
    if (news.acts && !sl->is_draining)
        agent_inquiries_ask(service->services->inquiries, service->id, sl, instance, on_answer,
                            service->services->stalls);
    uint64_t kill_at_ms = sl->heartbeat.kill_at_ms;
    if (kill_at_ms != 0 && now_ms >= kill_at_ms) agent_node_signal(sl->node, SIGKILL);
}

static void on_timer(uv_timer_t *timer) {
    agent_stalls *stalls = timer->data;
    bool has_any = false;
    for (agent_service *service = stalls->services->first; service != NULL;
         service = service->next) {
        if (service->is_over) continue;
        has_any = true;
        for (uint32_t i = 0; i < agent_service_slot_count(service); i++)
            if (is_there(&service->slots[i]) && service->slots[i].heartbeat.has_fd)
                look_at(service, i);
    }
    if (has_any) uv_timer_start(timer, on_timer, AGENT_STALL_LOOK_MS, 0);
}

agent_stalls *agent_stalls_create(agent_services *services) {
    agent_stalls *stalls = mem_alloc(sizeof *stalls);
    stalls->services = services;
    uv_timer_init(services->loop, &stalls->timer);
    stalls->timer.data = stalls;
    return stalls;
}

void agent_stalls_start(agent_stalls *stalls) {
    if (!uv_is_active((uv_handle_t *)&stalls->timer))
        uv_timer_start(&stalls->timer, on_timer, AGENT_STALL_LOOK_MS, 0);
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void agent_stalls_destroy(agent_stalls *stalls) {
    uv_timer_stop(&stalls->timer);
    uv_close((uv_handle_t *)&stalls->timer, on_closed);
}
