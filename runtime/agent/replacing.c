#include "agent/replacing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/keep.h"
#include "agent/say.h"
#include "agent/service.h"
#include "agent/systemd.h"

enum { LOOK_MS = 5, LOOKS_MAX = 2000 };

static struct {
    agent_replacing_options options;
    const agent_replacing_events *events; // NULL: nobody wants to know
    void *user;
    uv_timer_t timer;
    uint32_t looks;
    bool is_open, is_busy, is_forced;
    char trouble[AGENT_SUCCESSOR_TEXT_MAX];
} replacing;

const char *agent_replacing_trouble(void) {
    return replacing.trouble;
}

void agent_replacing_open(const agent_replacing_options *options) {
    replacing.options = *options;
    replacing.is_open = true;
    uv_timer_init(options->loop, &replacing.timer);
}

void agent_replacing_close(void) {
    if (!replacing.is_open) return;
    replacing.is_open = false;
    agent_successor_close();
    uv_close((uv_handle_t *)&replacing.timer, NULL);
}

void agent_replacing_forget(const void *user) {
    if (replacing.user == user) replacing.events = NULL;
}

static int judge_services(const agent_services *s, bool is_forced,
                          char text[AGENT_SUCCESSOR_TEXT_MAX]) {
    for (const agent_service *service = s->first; service != NULL; service = service->next) {
        if (service->reloadings != NULL) {
            (void)snprintf(text, AGENT_SUCCESSOR_TEXT_MAX,
                           "%s is being reloaded: try again when that is over", service->name);
            return -EBUSY;
        }
        if (service->is_over || service->program->run->detach || is_forced) continue;
        (void)snprintf(text, AGENT_SUCCESSOR_TEXT_MAX,
                       "%s would end with it, for it runs in the foreground: stop it first, or say "
                       "--force",
                       service->name);
        return -EBUSY;
    }
    return 0;
}

int agent_replacing_judge(bool is_forced, char text[AGENT_SUCCESSOR_TEXT_MAX]) {
    if (!replacing.is_open) {
        (void)snprintf(text, AGENT_SUCCESSOR_TEXT_MAX,
                       "this agent was brought by a `warren run` and ends with it: the next one "
                       "is of the program that is there then");
        return -EINVAL;
    }
    if (replacing.options.services->is_closed) {
        (void)snprintf(text, AGENT_SUCCESSOR_TEXT_MAX, "the agent is being stopped");
        return -ESHUTDOWN;
    }
    int err = judge_services(replacing.options.services, is_forced, text);
    if (err != 0) return err;
    if (!agent_keep_is_open() && agent_services_running_count(replacing.options.services) > 0) {
        (void)snprintf(text, AGENT_SUCCESSOR_TEXT_MAX,
                       "the keeper is gone, so nodes would end with this agent: `warren agent "
                       "--stop` stops them in good order");
        return -EPIPE;
    }
    if (!replacing.is_busy) return 0;
    (void)snprintf(text, AGENT_SUCCESSOR_TEXT_MAX, "the agent is being replaced already");
    return -EALREADY;
}

static void fail(const char *text) {
    agent_services *s = replacing.options.services;
    replacing.is_busy = false;
    agent_say("%s", text);
    if (replacing.events != NULL) replacing.events->on_failed(text, replacing.user);
    replacing.events = NULL;
    s->is_held = false;
    agent_services_carry_out_soon(s);
}

// What nodes wrote and was read is written, though it is not the end of a line.
static void flush_output(const agent_services *s) {
    for (agent_service *service = s->first; service != NULL; service = service->next)
        for (uint32_t i = 0; i < agent_service_slot_count(service); i++)
            if (service->slots[i].node != NULL) agent_node_flush(service->slots[i].node);
}

static void start(void) {
    agent_say("%s takes the place of this agent (%s)", agent_successor_program(), WARREN_VERSION);
    flush_output(replacing.options.services);
    if (replacing.events != NULL) replacing.events->on_start(replacing.user);
    replacing.events = NULL;
    agent_systemd_reloading();
    int err = agent_successor_start(replacing.options.lock_fd, replacing.options.listen_fd);
    agent_systemd_ready();
    (void)snprintf(replacing.trouble, sizeof replacing.trouble,
                   "the agent runs on as it was: cannot start %.300s: %s",
                   agent_successor_program(), strerror(-err));
    fail(replacing.trouble);
}

// What is under way between the agent and others is finished; nothing new begins meanwhile.
static void on_look(uv_timer_t *timer) {
    char text[AGENT_SUCCESSOR_TEXT_MAX];
    const agent_services *s = replacing.options.services;
    bool is_busy = s->in_flight > 0 || !agent_keep_is_flushed();
    if (is_busy && ++replacing.looks < LOOKS_MAX) return;
    uv_timer_stop(timer);
    replacing.is_busy = false; // for the judge
    if (is_busy)
        fail("the agent runs on as it was: warren-node does not answer");
    else if (agent_replacing_judge(replacing.is_forced, text) != 0)
        fail(text);
    else
        start();
}

static void on_checked(const char *error, void *user) {
    (void)user;
    if (error != NULL) {
        fail(error);
        return;
    }
    replacing.options.services->is_held = true;
    replacing.looks = 0;
    uv_timer_start(&replacing.timer, on_look, 0, LOOK_MS);
}

void agent_replacing_begin(bool is_forced, const agent_replacing_events *events, void *user) {
    char text[AGENT_SUCCESSOR_TEXT_MAX];
    replacing.events = events;
    replacing.user = user;
    replacing.is_busy = true;
    replacing.is_forced = is_forced;
    replacing.trouble[0] = '\0';
    int err = agent_successor_check(replacing.options.loop, on_checked, NULL);
    if (err == 0) return;
    (void)snprintf(text, sizeof text, "the agent runs on as it was: cannot start %.300s: %s",
                   agent_successor_program(), strerror(-err));
    fail(text);
}
