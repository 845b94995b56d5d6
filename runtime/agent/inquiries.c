#include "agent/inquiries.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/activity.h"
#include "agent/service.h"
#include "core/mem.h"
#include "heartbeat.h"

enum {
    LOOK_MS = 10,      // while somebody waits for an answer
    ANSWER_MS = 1000,  // JavaScript that runs answers in less
    NATIVE_MS = 10000, // ... unless it has called a sort or the like, which is not interrupted
};

typedef struct inquiry {
    uint32_t service_id, instance, number;
    uint64_t node_id, asked_at_ms;
    uint32_t native_ms; // native code is given so long to come back
    agent_answer_cb cb;
    void *user;
    struct inquiry *next;
} inquiry;

struct agent_inquiries {
    agent_services *services;
    uv_timer_t timer;
    inquiry *first;
};

static bool read_memory(const slot *sl, size_t at, void *out, size_t len) {
    return sl->heartbeat.has_fd && pread(sl->heartbeat.fd, out, len, (off_t)at) == (ssize_t)len;
}

static void write_memory(const slot *sl, size_t at, uint32_t value) {
    if (sl->heartbeat.has_fd)
        (void)!pwrite(sl->heartbeat.fd, &value, sizeof value, (off_t)at); // the node may be gone
}

// The number of the question.
static uint32_t give_order(slot *sl, uint32_t order) {
    write_memory(sl, offsetof(heartbeat, order), order);
    write_memory(sl, offsetof(heartbeat, asked), ++sl->heartbeat.asked);
    agent_node_wake(sl->node);
    return sl->heartbeat.asked;
}

void agent_inquiries_terminate(slot *sl) {
    (void)give_order(sl, HEARTBEAT_TERMINATE);
}

// ---- answers

static const slot *find_slot(const agent_inquiries *q, const inquiry *i) {
    const agent_service *service = agent_service_find(q->services, i->service_id);
    for (uint32_t k = 0; service != NULL && k < agent_service_slot_count(service); k++) {
        const slot *sl = &service->slots[k];
        if (sl->node_id == i->node_id && sl->node != NULL && !agent_node_has_exited(sl->node))
            return sl;
    }
    return NULL;
}

// It comes from the memory of a program: only what can be shown.
static void read_text(const slot *sl, char out[HEARTBEAT_TEXT_MAX + 1]) {
    uint32_t len = 0;
    bool is_there = read_memory(sl, offsetof(heartbeat, text_len), &len, sizeof len);
    if (!is_there || len > HEARTBEAT_TEXT_MAX) len = 0;
    if (len > 0 && !read_memory(sl, offsetof(heartbeat, text), out, len)) len = 0;
    out[len] = '\0';
    for (uint32_t i = 0; i < len; i++)
        if ((unsigned char)out[i] < ' ' && out[i] != '\n') out[i] = '?';
}

// It has a function that is not Node's own.
static bool has_function(const char *text) {
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        if (strncmp(text, "    at ", 7) == 0 && memmem(text, len, "node:internal/", 14) == NULL)
            return true;
        text += len + (text[len] == '\n');
    }
    return false;
}

static bool is_late(const agent_inquiries *q, const inquiry *i, pid_t pid) {
    uint64_t ms = uv_now(q->services->loop) - i->asked_at_ms;
    return ms >= i->native_ms || (ms >= ANSWER_MS && !agent_activity_is_running(pid));
}

// Between two microtasks no function of the program runs: one is caught when asked often enough.
// But nothing goes before an order to end.
static bool asks_again(const agent_inquiries *q, inquiry *i, const slot *sl, const char *text) {
    uint64_t ms = uv_now(q->services->loop) - i->asked_at_ms;
    if (has_function(text) || ms >= ANSWER_MS || sl->heartbeat.kill_at_ms != 0) return false;
    i->number = give_order((slot *)(uintptr_t)sl, HEARTBEAT_STACK);
    return true;
}

// False: not yet.
static bool find_activity(const agent_inquiries *q, const inquiry *i, const slot *sl,
                          agent_activity *out) {
    uint32_t answered = 0;
    uint64_t turns = 0;
    (void)read_memory(sl, offsetof(heartbeat, answered), &answered, sizeof answered);
    (void)read_memory(sl, offsetof(heartbeat, turns), &turns, sizeof turns);
    bool is_stopped = agent_activity_is_stopped(agent_node_pid(sl->node));
    if ((int32_t)(answered - i->number) >= 0)
        *out = AGENT_ACTIVITY_RUNS;
    else if ((turns & 1) == 0 && !is_stopped)
        *out = AGENT_ACTIVITY_WAITS;
    else if (is_stopped || is_late(q, i, agent_node_pid(sl->node)))
        *out = AGENT_ACTIVITY_BLOCKED;
    else
        return false;
    return true;
}

static bool try_answer(const agent_inquiries *q, inquiry *i) {
    const slot *sl = find_slot(q, i);
    const agent_service *service = agent_service_find(q->services, i->service_id);
    char name[AGENT_NODE_NAME_LEN_MAX] = "", text[HEARTBEAT_TEXT_MAX + 1] = "";
    if (service != NULL) agent_service_node_name(service, i->instance, name);
    agent_answer answer = {.node = name,
                           .service_id = i->service_id,
                           .instance = i->instance,
                           .node_id = i->node_id,
                           .activity = AGENT_ACTIVITY_ENDED,
                           .text = text};
    if (sl != NULL) {
        if (!find_activity(q, i, sl, &answer.activity)) return false;
        answer.pid = agent_node_pid(sl->node);
        if (sl->heartbeat.stall.is_stalled) answer.stalled_ms = sl->heartbeat.stall.still_ms;
        if (answer.activity == AGENT_ACTIVITY_RUNS) {
            read_text(sl, text);
            if (asks_again(q, i, sl, text)) return false;
        }
        if (answer.activity == AGENT_ACTIVITY_BLOCKED)
            agent_activity_describe(answer.pid, uv_now(q->services->loop) - i->asked_at_ms, text,
                                    sizeof text);
    }
    i->cb(&answer, i->user);
    return true;
}

static void sweep(agent_inquiries *q) {
    for (inquiry **at = &q->first; *at != NULL;) {
        inquiry *i = *at;
        if (i->cb != NULL) {
            at = &i->next;
            continue;
        }
        *at = i->next;
        free(i);
    }
}

static void on_timer(uv_timer_t *timer) {
    agent_inquiries *q = timer->data;
    // Who is told may ask again, and forget what it asked: nothing is freed meanwhile.
    for (inquiry *i = q->first; i != NULL; i = i->next)
        if (i->cb != NULL && try_answer(q, i)) i->cb = NULL;
    sweep(q);
    if (q->first != NULL) uv_timer_start(timer, on_timer, LOOK_MS, 0);
}

static inquiry *add(agent_inquiries *q, uint32_t service_id, const slot *sl, uint32_t instance,
                    agent_answer_cb cb, void *user) {
    inquiry *i = mem_alloc(sizeof *i);
    *i = (inquiry){.service_id = service_id,
                   .instance = instance,
                   .node_id = sl->node_id,
                   .asked_at_ms = uv_now(q->services->loop),
                   .native_ms = ANSWER_MS,
                   .cb = cb,
                   .user = user,
                   .next = q->first};
    i->number = give_order((slot *)(uintptr_t)sl, HEARTBEAT_STACK);
    q->first = i;
    uv_timer_start(&q->timer, on_timer, 1, 0);
    return i;
}

void agent_inquiries_ask(agent_inquiries *q, uint32_t service_id, const slot *sl, uint32_t instance,
                         agent_answer_cb cb, void *user) {
    (void)add(q, service_id, sl, instance, cb, user);
}

void agent_inquiries_forget(agent_inquiries *q, const void *user) {
    for (inquiry *i = q->first; i != NULL; i = i->next)
        if (i->user == user) i->cb = NULL;
}

agent_inquiries *agent_inquiries_create(agent_services *services) {
    agent_inquiries *q = mem_alloc(sizeof *q);
    q->services = services;
    uv_timer_init(services->loop, &q->timer);
    q->timer.data = q;
    return q;
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void agent_inquiries_destroy(agent_inquiries *q) {
    while (q->first != NULL) {
        inquiry *i = q->first;
        q->first = i->next;
        free(i);
    }
    uv_timer_stop(&q->timer);
    uv_close((uv_handle_t *)&q->timer, on_closed);
}

// ---- inspect

static uint32_t ask_all(agent_services *s, const agent_service *service, uint32_t instance,
                        agent_answer_cb cb, void *user) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < service->slot_cap; i++) {
        const slot *sl = &service->slots[i];
        bool is_there = sl->node != NULL && agent_node_pid(sl->node) != 0 &&
                        !agent_node_has_exited(sl->node) && sl->heartbeat.has_fd;
        if (!is_there || (instance != AGENT_INSTANCE_ALL && instance != i)) continue;
        add(s->inquiries, service->id, sl, i, cb, user)->native_ms = NATIVE_MS;
        count++;
    }
    return count;
}

uint32_t agent_services_inspect(agent_services *s, const char *target, agent_answer_cb cb,
                                void *user, agent_refusal *refusal) {
    uint32_t service_id, instance, count = 0;
    if (agent_services_find(s, target, &service_id, &instance, refusal) != 0) return 0;
    for (const agent_service *service = s->first; service != NULL; service = service->next)
        if (service_id == 0 || service->id == service_id)
            count += ask_all(s, service, instance, cb, user);
    if (count > 0) return count;
    refusal->exit_code = 1;
    (void)snprintf(refusal->text, sizeof refusal->text,
                   "nothing of %.80s runs now (`warren ps` shows its state)", target);
    return 0;
}

void agent_services_forget_inspections(agent_services *s, const void *user) {
    agent_inquiries_forget(s->inquiries, user);
}
