// Random lives, which keep the rules.
#include <signal.h>
#include <stdlib.h>

#include "agent/supervisor.h"
#include "test.h"

enum { INSTANCES = 4, STEPS = 400 };

typedef struct world { // what the driver and the kernel would know
    agent_supervisor *s;
    bool is_asked[INSTANCES], is_running[INSTANCES], is_over[INSTANCES];
    uint64_t now_ms, restarts_at_ms[INSTANCES][STEPS * 2], stop_at_ms;
    uint32_t launches[INSTANCES], restart_count[INSTANCES];
    bool is_stopped, is_ended, was_terminated[INSTANCES];
    uint64_t terminated_at_ms[INSTANCES];
} world;

static void take_launch(world *w, uint32_t i) {
    EXPECT_FALSE(w->is_asked[i] || w->is_running[i] || w->is_over[i]); // one life at a time
    EXPECT_FALSE(w->is_stopped);
    w->is_asked[i] = true;
    w->launches[i]++;
}

static void take_backoff(world *w, const agent_decision *d) {
    uint32_t i = d->instance;
    EXPECT_TRUE(d->delay_ms >= AGENT_BACKOFF_MIN_MS && d->delay_ms <= AGENT_BACKOFF_MAX_MS);
    EXPECT_FALSE(w->is_stopped);
    if (d->how.code == 0 && d->how.signal == 0) return; // no failure: not in the budget
    uint32_t n = w->restart_count[i]++, recent = 1;
    w->restarts_at_ms[i][n] = w->now_ms;
    for (uint32_t k = 0; k < n; k++)
        recent += w->now_ms - w->restarts_at_ms[i][k] < AGENT_RESTARTS_WINDOW_MS;
    EXPECT_TRUE(recent <= AGENT_RESTARTS_DEFAULT);
}

static void take(world *w, const agent_decision *d) {
    uint32_t i = d->instance;
    EXPECT_FALSE(w->is_ended); // nothing comes after the end
    switch (d->kind) {
    case AGENT_LAUNCH: take_launch(w, i); return;
    case AGENT_SIGNAL:
        EXPECT_TRUE(w->is_stopped && w->is_running[i]);
        if (d->signal == SIGTERM) {
            EXPECT_FALSE(w->was_terminated[i]);
            w->was_terminated[i] = true;
            w->terminated_at_ms[i] = w->now_ms;
        } else {
            EXPECT_TRUE(w->now_ms >= w->terminated_at_ms[i] + 1000);
        }
        return;
    case AGENT_BACKOFF: take_backoff(w, d); return;
    case AGENT_OVER:
    case AGENT_FAILED:
        EXPECT_FALSE(w->is_over[i] || w->is_running[i]);
        w->is_over[i] = true;
        return;
    case AGENT_ENDED:
        for (i = 0; i < INSTANCES; i++)
            EXPECT_TRUE(w->is_over[i]);
        w->is_ended = true;
        return;
    default: return; // of readiness
    }
}

static void take_all(world *w) {
    agent_decision d;
    while (agent_supervisor_poll(w->s, &d))
        take(w, &d);
}

static void step(world *w, unsigned *seed) {
    uint32_t i = (uint32_t)rand_r(seed) % INSTANCES;
    int dice = rand_r(seed) % 10;
    w->now_ms += (uint64_t)(rand_r(seed) % 8) * (uint64_t)(rand_r(seed) % 500);
    if (w->is_asked[i] && dice < 8) {
        w->is_asked[i] = false;
        w->is_running[i] = dice > 0;
        if (dice > 0)
            agent_supervisor_launched(w->s, w->now_ms, 7, i);
        else
            agent_supervisor_not_launched(w->s, w->now_ms, 7, i);
    } else if (w->is_running[i] && dice < 4) {
        static const agent_exit ends[] = {{.code = 0}, {.code = 3}, {-1, SIGKILL}, {-1, 0}};
        w->is_running[i] = false;
        agent_supervisor_exited(w->s, w->now_ms, 7, i, ends[rand_r(seed) % 4]);
    }
    take_all(w);
    agent_supervisor_tick(w->s, w->now_ms);
    take_all(w);
    EXPECT_TRUE(agent_supervisor_wake_at_ms(w->s) > w->now_ms); // all that was due was done
}

static void finish_all(world *w) {
    w->is_stopped = true;
    agent_supervisor_stop(w->s, w->now_ms, 7, AGENT_INSTANCE_ALL, false);
    take_all(w);
    for (uint32_t i = 0; i < INSTANCES; i++) {
        if (w->is_asked[i]) {
            w->is_asked[i] = false;
            w->is_running[i] = true;
            agent_supervisor_launched(w->s, w->now_ms, 7, i);
            take_all(w);
        }
    }
    w->now_ms += 1000;
    agent_supervisor_tick(w->s, w->now_ms);
    take_all(w);
    for (uint32_t i = 0; i < INSTANCES; i++) {
        if (!w->is_running[i]) continue;
        w->is_running[i] = false;
        agent_supervisor_exited(w->s, w->now_ms, 7, i, (agent_exit){-1, SIGKILL});
        take_all(w);
    }
    EXPECT_TRUE(w->is_ended);
    EXPECT_TRUE(agent_supervisor_wake_at_ms(w->s) == UINT64_MAX);
}

TEST(random_lives_keep_the_rules) {
    for (unsigned run = 0; run < 300; run++) {
        unsigned seed = run;
        static world w;
        w = (world){.s = agent_supervisor_create(run)};
        EXPECT_OK(agent_supervisor_add(
            w.s, &(agent_supervised){.service_id = 7,
                                     .instances = INSTANCES,
                                     .rules.restart = (agent_restart)(run % 3),
                                     .rules.grace_ms = 1000,
                                     .rules.ready =
                                         run % 2 == 0 ? AGENT_READY_AUTO : AGENT_READY_STARTED}));
        take_all(&w);
        for (int i = 0; i < STEPS && !w.is_ended; i++)
            step(&w, &seed);
        if (!w.is_ended) finish_all(&w);
        agent_supervisor_remove(w.s, 7);
        EXPECT_TRUE(agent_supervisor_is_over(w.s, 7, 0));
        agent_supervisor_destroy(w.s);
    }
}
