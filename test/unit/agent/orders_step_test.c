// What is next for an instance, and that it comes to what is wanted whatever happens on the way.
#include "agent/orders_step.h"

#include <stdio.h>

#include "core/rng.h"
#include "test.h"

static const agent_instance runs_5 = {.state = AGENT_INSTANCE_READY, .release = 5, .attempt = 1};

static agent_order_wanted want(uint64_t release, uint32_t since) {
    return (agent_order_wanted){.release = release, .since = since, .is_here = true};
}

static agent_order_action next(agent_order_wanted wanted, agent_instance present) {
    return agent_order_next(&wanted, &present);
}

TEST(what_runs_as_it_is_wanted_is_left_alone) {
    EXPECT_EQ(AGENT_ORDER_REST, next(want(5, 0), runs_5));
    EXPECT_EQ(AGENT_ORDER_REST, next(want(5, 1), runs_5));
}

TEST(another_release_or_a_larger_attempt_is_brought_beside_what_runs) {
    EXPECT_EQ(AGENT_ORDER_BRING, next(want(6, 0), runs_5));
    EXPECT_EQ(AGENT_ORDER_BRING, next(want(5, 2), runs_5));
}

TEST(nothing_is_done_for_a_release_that_is_not_here_or_has_failed) {
    agent_order_wanted wanted = want(6, 0);
    wanted.is_here = false;
    EXPECT_EQ(AGENT_ORDER_REST, next(wanted, runs_5));
    wanted = want(6, 0);
    wanted.has_failed = true;
    EXPECT_EQ(AGENT_ORDER_REST, next(wanted, runs_5));
}

TEST(what_is_being_brought_is_awaited_and_given_up_when_something_else_is_wanted) {
    agent_instance present = runs_5;
    present.is_brought = true;
    present.brought_release = 6;
    present.brought_attempt = 2;
    EXPECT_EQ(AGENT_ORDER_WAIT, next(want(6, 0), present));
    EXPECT_EQ(AGENT_ORDER_WAIT, next(want(6, 2), present));
    EXPECT_EQ(AGENT_ORDER_CANCEL, next(want(6, 3), present));
    EXPECT_EQ(AGENT_ORDER_CANCEL, next(want(7, 0), present));
    EXPECT_EQ(AGENT_ORDER_CANCEL, next(want(5, 0), present));
    EXPECT_EQ(AGENT_ORDER_RETIRE, next(want(0, 0), present));
}

TEST(who_is_replaced_by_hand_with_the_same_release_is_not_disturbed) {
    agent_instance present = runs_5;
    present.is_brought = true;
    present.brought_release = 5;
    present.brought_attempt = 1;
    EXPECT_EQ(AGENT_ORDER_WAIT, next(want(5, 1), present));
}

TEST(one_that_was_given_up_is_started_again_by_a_larger_attempt_alone) {
    agent_instance present = {.state = AGENT_INSTANCE_FAILED, .release = 5, .attempt = 1};
    EXPECT_EQ(AGENT_ORDER_REST, next(want(5, 1), present));
    EXPECT_EQ(AGENT_ORDER_START, next(want(5, 2), present));
    EXPECT_EQ(AGENT_ORDER_START, next(want(6, 0), present));
}

TEST(one_that_has_done_its_work_is_not_started_again_and_one_that_was_stopped_is) {
    agent_instance present = {.state = AGENT_INSTANCE_NONE, .release = 5, .attempt = 1};
    EXPECT_EQ(AGENT_ORDER_REST, next(want(5, 0), present));
    present.is_stopped = true;
    EXPECT_EQ(AGENT_ORDER_START, next(want(5, 0), present));
}

TEST(the_same_release_with_a_larger_attempt_is_begun_anew_and_after_another_one_it_goes_on) {
    EXPECT_EQ(3, agent_order_since(5, 1, 0, 5, 3));
    EXPECT_EQ(1, agent_order_since(5, 1, 1, 5, 1)); // said again
    EXPECT_EQ(0, agent_order_since(6, 2, 0, 5, 3)); // back: what runs 5 still is meant
}

// ---- whatever happens

typedef struct world {
    mesh_rng rng;
    agent_instance present;
    uint64_t order_release, failed_release;
    uint32_t order_attempt, since, failed_attempt;
} world;

static bool chance(world *w, uint32_t percent) {
    return mesh_rng_below(&w->rng, 100) < percent;
}

static void become(world *w, agent_instance_state state) {
    w->present.state = state;
    w->present.is_stopped = state == AGENT_INSTANCE_NONE;
}

// What a host does by itself; `is_calm`: everything that starts becomes ready.
static void live(world *w, bool is_calm) {
    agent_instance *p = &w->present;
    bool is_good = is_calm || chance(w, 60);
    if (p->is_brought && chance(w, 50)) {
        p->is_brought = false;
        if (is_good) {
            bool has_old = p->state == AGENT_INSTANCE_READY || p->state == AGENT_INSTANCE_STARTING;
            *p = (agent_instance){.state = AGENT_INSTANCE_READY,
                                  .release = p->brought_release,
                                  .attempt = p->brought_attempt,
                                  .is_draining = has_old};
        } else {
            w->failed_release = p->brought_release;
            w->failed_attempt = p->brought_attempt;
        }
    } else if (p->is_draining && chance(w, 50)) {
        p->is_draining = false;
    }
    if (p->state == AGENT_INSTANCE_STARTING && chance(w, 50))
        become(w, is_good ? AGENT_INSTANCE_READY : AGENT_INSTANCE_FAILED);
    else if (p->state == AGENT_INSTANCE_LEAVING && chance(w, 50))
        become(w, AGENT_INSTANCE_NONE);
    else if (p->state == AGENT_INSTANCE_READY && !is_calm && chance(w, 10))
        become(w, AGENT_INSTANCE_STARTING);
}

static agent_order_wanted wanted_of(const world *w) {
    return (agent_order_wanted){.release = w->order_release,
                                .attempt = w->order_attempt,
                                .since = w->since,
                                .is_here = true,
                                .has_failed = w->failed_release == w->order_release &&
                                              w->failed_attempt >= w->order_attempt};
}

static void act(world *w) {
    agent_instance *p = &w->present;
    agent_order_wanted wanted = wanted_of(w);
    bool has_process = p->state == AGENT_INSTANCE_READY || p->state == AGENT_INSTANCE_STARTING;
    switch (agent_order_next(&wanted, p)) {
    case AGENT_ORDER_START:
        EXPECT_FALSE(has_process || p->is_brought || p->state == AGENT_INSTANCE_LEAVING);
        *p = (agent_instance){.state = AGENT_INSTANCE_STARTING,
                              .release = w->order_release,
                              .attempt = w->order_attempt};
        return;
    case AGENT_ORDER_BRING:
        EXPECT_TRUE(has_process && !p->is_brought && !p->is_draining);
        p->is_brought = true;
        p->brought_release = w->order_release;
        p->brought_attempt = w->order_attempt;
        return;
    case AGENT_ORDER_CANCEL:
        EXPECT_TRUE(p->is_brought);
        p->is_brought = false;
        return;
    case AGENT_ORDER_RETIRE:
        EXPECT_TRUE(has_process && w->order_release == 0);
        p->is_brought = false;
        p->state = AGENT_INSTANCE_LEAVING;
        p->is_stopped = true;
        return;
    default: return;
    }
}

static void order(world *w) {
    uint64_t release = mesh_rng_below(&w->rng, 4);
    uint32_t attempt = w->order_attempt + (release != w->order_release || chance(w, 50));
    w->since = agent_order_since(w->order_release, w->order_attempt, w->since, release, attempt);
    w->order_release = release;
    w->order_attempt = attempt;
}

static void run(uint64_t seed) {
    world w = {.present = {.is_stopped = true}};
    mesh_rng_init(&w.rng, seed);
    for (int i = 0; i < 200; i++) {
        if (chance(&w, 20)) order(&w);
        live(&w, false);
        if (chance(&w, 70)) act(&w); // news come late
    }
    w.order_attempt++; // a new order, and nothing goes wrong any more
    if (w.order_release != 0) w.since = w.order_attempt;
    for (int i = 0; i < 100; i++) {
        live(&w, true);
        act(&w);
    }
    const agent_instance *p = &w.present;
    bool is_right = w.order_release == 0
                        ? p->state == AGENT_INSTANCE_NONE || p->state == AGENT_INSTANCE_FAILED
                        : p->state == AGENT_INSTANCE_READY && p->release == w.order_release &&
                              p->attempt >= w.since;
    if (!is_right) (void)fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
    EXPECT_TRUE(is_right && !p->is_brought && !p->is_draining);
}

TEST(it_comes_to_what_the_last_order_says_whatever_happened_before) {
    for (uint64_t seed = 1; seed <= 2000; seed++)
        run(seed);
}
