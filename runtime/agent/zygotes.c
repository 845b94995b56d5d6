#include "agent/zygotes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/ksm.h"
#include "agent/say.h"
#include "core/mem.h"

enum {
    ENTRIES_MAX = 64
}; // with those that could not be booted, and those that only wait for nodes

typedef struct entry {
    agent_zygotes *zygotes;
    agent_zygote *zygote;
    runtime_boot boot; // a copy
    bool is_common, is_retired;
    char obstacle[RUNTIME_BOOT_TEXT_LEN]; // not empty: it is of no use until retry_at_ms
    uint64_t retry_at_ms, used_at_ms;
    uint64_t booting_since_ms, idle_since_ms; // 0: it is not
    struct entry *next;
} entry;

struct agent_zygotes {
    uv_loop_t *loop;
    agent_zygotes_events events;
    void *user;
    uv_timer_t timer;
    entry *first;
    bool is_closed;
};

// ---- entries

static runtime_strings copy(runtime_strings strings) {
    char **out = mem_alloc((strings.count + 1) * sizeof *out);
    for (size_t i = 0; i < strings.count; i++)
        out[i] = mem_copy(strings.at[i], strlen(strings.at[i]) + 1);
    return (runtime_strings){out, strings.count};
}

static void free_copy(runtime_strings strings) {
    for (size_t i = 0; i < strings.count; i++)
        free(strings.at[i]);
    free((void *)(uintptr_t)strings.at);
}

static const agent_zygote_events zygote_events;

static entry *add(agent_zygotes *zs, const runtime_boot *boot, bool is_common) {
    entry *e = mem_alloc(sizeof *e);
    e->zygotes = zs;
    e->is_common = is_common;
    e->boot = (runtime_boot){copy(boot->exec_argv), copy(boot->env), copy(boot->preload),
                             copy(boot->argv), mem_copy(boot->cwd, strlen(boot->cwd) + 1)};
    e->zygote = agent_zygote_create(zs->loop, is_common ? NULL : &e->boot, &zygote_events, e);
    e->next = zs->first;
    zs->first = e;
    return e;
}

static void take_out(entry *e) {
    for (entry **at = &e->zygotes->first; *at != NULL; at = &(*at)->next) {
        if (*at != e) continue;
        *at = e->next;
        break;
    }
    agent_zygote_destroy(e->zygote);
    free_copy(e->boot.exec_argv);
    free_copy(e->boot.env);
    free_copy(e->boot.preload);
    free_copy(e->boot.argv);
    free((void *)(uintptr_t)e->boot.cwd);
    free(e);
}

// The environment without what a zygote for everybody boots without (it takes that out itself).
static entry *add_common(agent_zygotes *zs) {
    size_t count = 0, kept = 0;
    while (environ[count] != NULL)
        count++;
    char **env = mem_alloc((count + 1) * sizeof *env);
    for (size_t i = 0; i < count; i++)
        if (!runtime_boot_is_private(environ[i])) env[kept++] = environ[i];
    entry *e = add(zs, &(runtime_boot){.env = {env, kept}, .cwd = ""}, true);
    free(env);
    return e;
}

static entry *find_common(agent_zygotes *zs) {
    for (entry *e = zs->first; e != NULL; e = e->next)
        if (e->is_common && !e->is_retired) return e;
    return add_common(zs);
}

static entry *find_own(agent_zygotes *zs, const runtime_boot *wanted) {
    char reason[RUNTIME_BOOT_TEXT_LEN];
    for (entry *e = zs->first; e != NULL; e = e->next)
        if (!e->is_common && !e->is_retired && runtime_boot_can_serve(&e->boot, wanted, reason))
            return e;
    return NULL;
}

// ---- which of them end

static bool is_idle(const entry *e) {
    return agent_zygote_load(e->zygote) == 0;
}

static void on_timer(uv_timer_t *timer);

// When it is of no more use; UINT64_MAX: it is, as far as can be told now.
static uint64_t end_at_ms(const entry *e) {
    bool is_running = agent_zygote_is_running(e->zygote);
    if (agent_zygote_is_dismissed(e->zygote)) return UINT64_MAX; // its end is on its way
    if (e->is_retired) return !is_running || is_idle(e) ? 0 : UINT64_MAX;
    if (e->is_common) return UINT64_MAX;
    if (!is_running) return e->used_at_ms + AGENT_ZYGOTE_IDLE_MS;
    if (e->booting_since_ms != 0) return e->booting_since_ms + AGENT_ZYGOTE_BOOT_MS;
    return e->idle_since_ms != 0 ? e->idle_since_ms + AGENT_ZYGOTE_IDLE_MS : UINT64_MAX;
}

// Sets the timer for the next that ends. That is never in a callback of the zygotes themselves.
static void tidy(agent_zygotes *zs) {
    uint64_t now_ms = uv_now(zs->loop), wake_at_ms = UINT64_MAX;
    if (zs->is_closed) return;
    for (entry *e = zs->first; e != NULL; e = e->next) {
        if (!is_idle(e))
            e->idle_since_ms = 0;
        else if (e->idle_since_ms == 0)
            e->idle_since_ms = now_ms;
        uint64_t at_ms = end_at_ms(e);
        if (at_ms < wake_at_ms) wake_at_ms = at_ms;
    }
    if (wake_at_ms == UINT64_MAX)
        uv_timer_stop(&zs->timer);
    else
        // Never 0, which would be due again in the same round of timers.
        uv_timer_start(&zs->timer, on_timer, wake_at_ms > now_ms ? wake_at_ms - now_ms : 1, 0);
}

static void end(entry *e) {
    if (!agent_zygote_is_running(e->zygote)) {
        take_out(e);
    } else if (e->booting_since_ms != 0) {
        (void)snprintf(e->obstacle, sizeof e->obstacle,
                       "what is loaded before the fork takes longer than %d s",
                       AGENT_ZYGOTE_BOOT_MS / 1000);
        e->retry_at_ms = uv_now(e->zygotes->loop) + AGENT_ZYGOTE_RETRY_MS;
        agent_zygote_dismiss(e->zygote, "it takes too long to boot");
    } else {
        bool is_retired = e->is_retired;
        e->is_retired = true;
        agent_zygote_dismiss(e->zygote, is_retired ? "another has taken its place"
                                                   : "nobody uses it any more");
    }
}

static void on_timer(uv_timer_t *timer) {
    agent_zygotes *zs = timer->data;
    uint64_t now_ms = uv_now(zs->loop);
    for (entry *e = zs->first, *next; e != NULL; e = next) {
        next = e->next;
        if (end_at_ms(e) <= now_ms) end(e);
    }
    tidy(zs);
}

// Whoever was not used for longest: better one without nodes. None that is busy.
static entry *find_victim(agent_zygotes *zs) {
    entry *victim = NULL;
    for (entry *e = zs->first; e != NULL; e = e->next) {
        if (e->is_common || e->is_retired || !agent_zygote_is_ready(e->zygote)) continue;
        bool is_better = victim == NULL || is_idle(e) > is_idle(victim) ||
                         (is_idle(e) == is_idle(victim) && e->used_at_ms < victim->used_at_ms);
        if (is_better) victim = e;
    }
    return victim;
}

static bool make_room(agent_zygotes *zs) {
    uint32_t running = 0, all = 0;
    for (entry *e = zs->first; e != NULL; e = e->next) {
        all++;
        running += !e->is_common && !e->is_retired && agent_zygote_is_running(e->zygote);
    }
    if (all >= ENTRIES_MAX) return false;
    if (running < AGENT_ZYGOTES_MAX) return true;
    entry *victim = find_victim(zs);
    if (victim == NULL) return false;
    victim->is_retired = true;
    agent_zygote_dismiss(victim->zygote, "others need its place");
    return true;
}

// ---- choosing

static agent_zygote_choice choose(entry *e, const char *cold_reason) {
    e->used_at_ms = uv_now(e->zygotes->loop);
    bool is_ready = agent_zygote_is_ready(e->zygote);
    if (!is_ready && !agent_zygote_is_running(e->zygote)) {
        e->booting_since_ms = e->used_at_ms;
        e->idle_since_ms = 0;
    }
    if (!is_ready) agent_zygote_start(e->zygote);
    tidy(e->zygotes);
    return (agent_zygote_choice){e->zygote, is_ready, cold_reason};
}

agent_zygote_choice agent_zygotes_choose(agent_zygotes *zs, const runtime_boot *wanted,
                                         uint32_t users) {
    char reason[RUNTIME_BOOT_TEXT_LEN];
    entry *common = find_common(zs);
    // Where it cannot fork what is wanted it says so itself, and starts it cold.
    if (runtime_boot_can_serve(&common->boot, wanted, reason) ||
        !runtime_boot_is_shareable(wanted, reason) || (users < 2 && wanted->preload.count == 0))
        return choose(common, "");
    entry *own = find_own(zs, wanted);
    if (own != NULL && own->obstacle[0] != '\0') {
        if (uv_now(zs->loop) < own->retry_at_ms) return choose(common, own->obstacle);
        own->obstacle[0] = '\0';
    }
    bool is_new = own == NULL || !agent_zygote_is_running(own->zygote);
    if (is_new && !make_room(zs))
        return choose(common, "as many zygotes of services as there may be are busy");
    return choose(own != NULL ? own : add(zs, wanted, false), "");
}

// ---- what they say

static void on_ready(void *user) {
    entry *e = user;
    e->booting_since_ms = 0;
    tidy(e->zygotes);
    e->zygotes->events.on_changed(e->zygotes->user);
}

static void on_failed(void *user, const char *text, bool is_obstacle) {
    entry *e = user;
    agent_zygotes *zs = e->zygotes;
    e->booting_since_ms = 0;
    if (e->is_common) {
        zs->events.on_failed(zs->user, text);
        return;
    }
    // Whatever it is, the node that starts cold meets it again, and says it where its owner reads.
    (void)snprintf(e->obstacle, sizeof e->obstacle, "%s%s",
                   is_obstacle ? "" : "its own zygote did not boot: ", text);
    e->retry_at_ms = uv_now(zs->loop) + AGENT_ZYGOTE_RETRY_MS;
    zs->events.on_changed(zs->user);
}

static void on_launched(void *user, uint64_t node_id, pid_t pid, int pidfd, const char *cold_reason,
                        const char *error) {
    entry *e = user;
    agent_zygotes *zs = e->zygotes;
    zs->events.on_launched(zs->user, node_id, pid, pidfd, cold_reason, error);
    tidy(zs);
}

static void on_stale(void *user, uint64_t node_id, const char *file) {
    entry *e = user;
    agent_zygotes *zs = e->zygotes;
    if (!e->is_retired) agent_say("%s has changed: what starts now boots anew", file);
    e->is_retired = true;
    zs->events.on_stale(zs->user, node_id);
    tidy(zs);
}

static void on_exited(void *user, uint64_t node_id, agent_exit how) {
    entry *e = user;
    agent_zygotes *zs = e->zygotes;
    zs->events.on_exited(zs->user, node_id, how);
    tidy(zs);
}

static void on_stopped(void *user, uint64_t node_id) {
    const entry *e = user;
    e->zygotes->events.on_stopped(e->zygotes->user, node_id);
}

static void on_died(void *user, uint32_t unanswered) {
    entry *e = user;
    agent_zygotes *zs = e->zygotes;
    e->booting_since_ms = e->idle_since_ms = 0;
    zs->events.on_died(zs->user, e->zygote, unanswered);
    tidy(zs);
}

static const agent_zygote_events zygote_events = {on_ready,  on_failed,  on_launched, on_stale,
                                                  on_exited, on_stopped, on_died};

void agent_zygotes_keep(const agent_zygotes *zs) {
    for (const entry *e = zs->first; e != NULL; e = e->next)
        if (agent_zygote_is_ready(e->zygote)) agent_zygote_keep(e->zygote);
}

bool agent_zygotes_reaped(agent_zygotes *zs, pid_t pid, int status) {
    for (entry *e = zs->first; e != NULL; e = e->next)
        if (agent_zygote_reaped(e->zygote, pid, status)) return true;
    return false;
}

// ---- life

agent_zygotes *agent_zygotes_create(uv_loop_t *loop, const agent_zygotes_events *events,
                                    void *user) {
    agent_zygotes *zs = mem_alloc(sizeof *zs);
    zs->loop = loop;
    zs->events = *events;
    zs->user = user;
    uv_timer_init(loop, &zs->timer);
    zs->timer.data = zs;
    return zs;
}

void agent_zygotes_start(agent_zygotes *zs) {
    agent_ksm_say();
    agent_zygote_start(find_common(zs)->zygote);
}

static void on_timer_closed(uv_handle_t *handle) {
    free(handle->data);
}

void agent_zygotes_destroy(agent_zygotes *zs) {
    if (zs == NULL) return;
    zs->is_closed = true;
    for (entry *e = zs->first, *next; e != NULL; e = next) {
        next = e->next;
        take_out(e);
    }
    uv_close((uv_handle_t *)&zs->timer, on_timer_closed);
}
