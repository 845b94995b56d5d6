// What happens next in a rollout.
#include "rollout_sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"

enum { STEP_MS = 50, FROM = 7, TO = 8 };

static rollout_world world;
static struct { uint64_t actions, deaths, failures, done, returned, broken; } last, sum;

uint32_t rollout_below(rollout_world *w, uint32_t bound) {
    return mesh_rng_below(&w->rng, bound);
}

void rollout_violate(rollout_world *w, const char *format, ...) {
    if (w->violation[0] != '\0') return;
    int len = snprintf(w->violation, sizeof w->violation, "at %" PRIu64 " ms, ", w->now_ms);
    va_list args;
    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started
    (void)vsnprintf(w->violation + len, sizeof w->violation - (size_t)len, format, args);
    va_end(args);
}

__attribute__((format(printf, 2, 3))) static void say(const rollout_world *w, const char *format,
                                                      ...) {
    if (!w->run.is_verbose) return;
    va_list args;
    (void)printf("%6" PRIu64 " ", w->now_ms);
    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started
    (void)vprintf(format, args);
    va_end(args);
    (void)printf("\n");
}

static bool is_calm(const rollout_world *w) {
    return w->now_ms >= ROLLOUT_CHAOS_MS;
}

// ---- agents

static void hear(rollout_world *w, const deploy_action *action) {
    sim_agent *a = &w->agents[action->slot];
    rollout_check_action(w, action);
    say(w, "%u: attempt %u, release %u", action->slot, action->attempt, (unsigned)action->release);
    w->hash = (w->hash ^ (action->slot + 16ULL * action->attempt + (action->release << 32))) *
              1099511628211ULL;
    w->actions++;
    if (action->attempt <= a->attempt) {
        a->has_report = !a->is_starting; // says it again
        return;
    }
    uint32_t share = action->release == TO ? w->fail_share : w->from_fail_share;
    bool is_there = a->runs == action->release && a->wanted != action->release;
    a->attempt = action->attempt;
    a->wanted = action->release;
    a->is_starting = true;
    a->will_fail = !is_there && rollout_below(w, 100) < share;
    // Sometimes it hangs.
    uint32_t hang = a->will_fail && rollout_below(w, 3) == 0;
    a->end_at_ms = w->now_ms + (is_there ? 1 : 50 + rollout_below(w, 700)) + 5000ULL * hang;
    a->told_at_ms = w->now_ms;
    a->ready_at_ms = 0;
    a->is_late = a->is_counted = a->has_report = false;
}

static void live(rollout_world *w, uint32_t slot) {
    sim_agent *a = &w->agents[slot];
    if (a->is_lost) return;
    if (a->is_starting && a->end_at_ms <= w->now_ms) {
        a->is_starting = false;
        a->has_report = true;
        a->was_ready = !a->will_fail;
        if (a->was_ready) a->runs = a->wanted;
        // One of a slot begun anew ends the one before it.
        if (a->will_fail && a->runs == a->wanted) a->runs = 0;
    }
    if (!a->is_late && a->ready_at_ms == 0 && a->told_at_ms > 0 &&
        w->now_ms >= a->told_at_ms + w->r.options.ready_ms) {
        a->is_late = true;
        w->late += a->wanted == TO;
    }
}

// ---- the leader

static void store(rollout_world *w) {
    if (rollout_is_bug(w, ROLLOUT_BUG_STORE_FORGOTTEN)) return;
    free(w->stored);
    w->stored = deploy_rollout_write(&w->r);
}

static void take_over(rollout_world *w) {
    CHECK(deploy_rollout_read(mesh_bytes_text(w->stored), w->now_ms, &w->r) == 0);
    w->deaths++;
    say(w, "another leader");
    for (uint32_t i = 0; i < w->r.options.instances; i++) // asks all
        w->agents[i].has_report = !w->agents[i].is_starting && w->agents[i].attempt > 0;
}

static bool dies(rollout_world *w) {
    return !is_calm(w) && rollout_below(w, 25) == 0;
}

// After an event: stored, then carried out. The leader may die before either, and in the midst.
static void carry_out(rollout_world *w) {
    deploy_action action;
    rollout_hurt(w);
    store(w);
    rollout_check_state(w);
    if (dies(w)) take_over(w);
    while (deploy_rollout_poll(&w->r, &action)) {
        if (rollout_is_bug(w, ROLLOUT_BUG_ACTION_LOST)) continue;
        if (rollout_is_bug(w, ROLLOUT_BUG_ACTION_WRONG))
            action.release = action.release == TO ? FROM : TO;
        hear(w, &action);
        if (dies(w)) take_over(w);
    }
}

static void report(rollout_world *w, uint32_t slot) {
    sim_agent *a = &w->agents[slot];
    if (!a->has_report || a->is_lost || rollout_below(w, 2) == 0) return;
    if (dies(w)) { // before it has stored what it hears
        take_over(w);
        return;
    }
    a->has_report = false;
    bool is_ready = a->was_ready || rollout_is_bug(w, ROLLOUT_BUG_READY_FORGED);
    say(w, "%u: attempt %u is %s", slot, a->attempt, is_ready ? "ready" : "failed");
    if (!is_ready && a->wanted == TO && !a->is_counted) {
        a->is_counted = true;
        w->failed++;
    }
    if (is_ready)
        deploy_rollout_ready(&w->r, w->now_ms, slot, a->attempt);
    else
        deploy_rollout_failed(&w->r, w->now_ms, slot, a->attempt);
    if (a->was_ready && a->ready_at_ms == 0) a->ready_at_ms = w->now_ms;
    carry_out(w);
}

// ---- the world

static void lose(rollout_world *w, uint32_t slot) {
    sim_agent *a = &w->agents[slot];
    if (a->is_lost) return;
    say(w, "%u is lost", slot);
    a->is_lost = true;
    a->is_starting = a->has_report = false;
    a->runs = 0;
    a->back_at_ms = w->now_ms + 500 + rollout_below(w, 8000);
    deploy_rollout_lost(&w->r, w->now_ms, slot);
    carry_out(w);
}

// On a host that asks what it should run.
static void come_back(rollout_world *w, uint32_t slot) {
    sim_agent *a = &w->agents[slot];
    if (!a->is_lost || a->back_at_ms > w->now_ms) return;
    say(w, "%u is back", slot);
    a->is_lost = false;
    deploy_rollout_back(&w->r, w->now_ms, slot);
    a->wanted = a->runs =
        deploy_rollout_release(&w->r, slot) == TO && w->r.phase == DEPLOY_DONE ? TO : FROM;
    a->told_at_ms = 0;
    carry_out(w);
}

static void act(rollout_world *w) {
    if (w->action_at_ms > w->now_ms) return;
    w->action_at_ms = w->now_ms + 500 + rollout_below(w, 4000);
    switch (is_calm(w) ? 1 : rollout_below(w, 8)) {
    case 0:
        if (!deploy_rollout_abort(&w->r, w->now_ms)) break;
        say(w, "abort");
        w->is_aborted = true;
        carry_out(w);
        break;
    case 1:
    case 2:
        if (!deploy_rollout_promote(&w->r, w->now_ms)) break;
        say(w, "promote");
        w->is_promoted = true;
        carry_out(w);
        break;
    case 3:
    case 4: lose(w, rollout_below(w, w->r.options.instances)); break;
    default: break;
    }
}

static void tick(rollout_world *w) {
    if (deploy_rollout_wake_at_ms(&w->r) > w->now_ms) return;
    if (rollout_is_bug(w, ROLLOUT_BUG_TICK_FORGOTTEN)) return;
    deploy_rollout_tick(&w->r, w->now_ms);
    carry_out(w);
}

static void step(rollout_world *w) {
    w->now_ms += STEP_MS;
    for (uint32_t i = 0; i < w->r.options.instances; i++) {
        live(w, i);
        come_back(w, i);
        report(w, i);
    }
    tick(w);
    act(w);
}

static void begin(rollout_world *w, const runner_options *options) {
    free(w->stored);
    *w = (rollout_world){.run = *options, .hash = 14695981039346656037ULL, .now_ms = 1000};
    mesh_rng_init(&w->rng, options->seed);
    w->bug_at_ms = 1000 + rollout_below(w, 5000);
    static const uint32_t shares[] = {0, 10, 50};
    w->fail_share = shares[rollout_below(w, 3)];
    w->from_fail_share = rollout_below(w, 2) * 5;
    deploy_rollout_options o = {
        .from = FROM,
        .to = TO,
        .instances = 1 + rollout_below(w, ROLLOUT_SLOTS_MAX),
        .parallel = 1 + rollout_below(w, 3),
        .canaries = rollout_below(w, 3),
        .failures_max = rollout_below(w, 3),
        .ready_ms = 1000,
        .settle_ms = rollout_below(w, 2) * 500,
        .promote_ms = rollout_below(w, 2) * 2000,
    };
    w->parallel = o.parallel;
    w->canaries = o.canaries;
    for (uint32_t i = 0; i < o.instances; i++)
        w->agents[i] = (sim_agent){.wanted = FROM, .runs = FROM};
    deploy_rollout_begin(&w->r, &o, w->now_ms);
    carry_out(w);
}

static runner_result run(const runner_options *options) {
    rollout_world *w = &world;
    begin(w, options);
    while (w->violation[0] == '\0' && w->now_ms < ROLLOUT_CALM_MS && !deploy_rollout_is_over(&w->r))
        step(w);
    if (w->violation[0] == '\0') rollout_check_end(w);
    last.actions = w->actions;
    last.deaths = w->deaths;
    last.failures = w->r.failures;
    last.done = w->r.phase == DEPLOY_DONE;
    last.returned = w->r.phase == DEPLOY_RETURNED;
    last.broken = w->r.phase == DEPLOY_BROKEN;
    return (runner_result){w->hash, w->violation};
}

static void add(void) {
    sum.actions += last.actions;
    sum.deaths += last.deaths;
    sum.failures += last.failures;
    sum.done += last.done;
    sum.returned += last.returned;
    sum.broken += last.broken;
}

static void print(bool is_sum) {
    const __typeof__(last) *of = is_sum ? &sum : &last;
    (void)printf("%" PRIu64 " actions, %" PRIu64 " leaders died, %" PRIu64 " failures, %" PRIu64
                 " done, %" PRIu64 " went back, %" PRIu64 " could not",
                 of->actions, of->deaths, of->failures, of->done, of->returned, of->broken);
}

int main(int argc, char **argv) {
    static const runner simulator = {"rollout_sim", ROLLOUT_BUG_COUNT, rollout_bug_name, run, add,
                                     print};
    int err = runner_main(&simulator, argc, argv);
    free(world.stored);
    return err;
}
