// What happens next in a world of deployments.
#include "deploy_sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static sim_world world;
static struct { uint64_t transactions, deaths, done, returned, broken; } last, sum;
static const char *const services[SIM_SERVICES] = {"a", "b", "c", "d"};
static const char *const hosts[SIM_HOSTS] = {"h0", "h1", "h2", "h3", "h4"};

uint32_t sim_below(sim_world *w, uint32_t bound) {
    return mesh_rng_below(&w->rng, bound);
}

void sim_violate(sim_world *w, const char *format, ...) {
    if (w->violation[0] != '\0') return;
    int len = snprintf(w->violation, sizeof w->violation, "at %" PRIu64 " ms, ", w->now_ms);
    va_list args;
    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started
    (void)vsnprintf(w->violation + len, sizeof w->violation - (size_t)len, format, args);
    va_end(args);
}

void sim_say(const sim_world *w, const char *format, ...) {
    if (!w->run.is_verbose) return;
    va_list args;
    (void)printf("%6" PRIu64 " ", w->now_ms);
    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started
    (void)vprintf(format, args);
    va_end(args);
    (void)printf("\n");
}

bool sim_is_calm(const sim_world *w) {
    return w->now_ms >= SIM_CHAOS_MS;
}

const char *sim_service_name(uint32_t service) {
    return services[service];
}

const char *sim_host_name(uint32_t host) {
    return hosts[host];
}

uint32_t sim_service_number(const char *name) {
    uint32_t i = 0;
    while (i < SIM_SERVICES && strcmp(services[i], name) != 0)
        i++;
    return i;
}

uint32_t sim_project_of(uint32_t service) {
    return service < 3 ? 0 : 1;
}

static void step(sim_world *w) {
    w->now_ms += SIM_STEP_MS;
    sim_operator_step(w);
    for (uint32_t h = 0; h < SIM_HOSTS; h++)
        sim_host_step(w, h);
    for (uint32_t l = 0; l < SIM_LEADERS; l++)
        sim_leader_step(w, l);
    sim_check_step(w);
}

static void end(sim_world *w) {
    for (uint32_t l = 0; l < SIM_LEADERS; l++)
        sim_leader_end(&w->leaders[l]);
    sim_store_free(&w->store);
}

static void begin(sim_world *w, const runner_options *options) {
    *w = (sim_world){.run = *options, .hash = 14695981039346656037ULL};
    mesh_rng_init(&w->rng, options->seed);
    w->has_faults = sim_below(w, 2) == 0;
    w->bug_at_ms = 3000 + sim_below(w, 15000);
    for (uint32_t h = 0; h < SIM_HOSTS; h++)
        w->hosts[h] = (sim_host){.is_up = true, .must_list = true};
}

static runner_result run(const runner_options *options) {
    static char violation[sizeof world.violation];
    sim_world *w = &world;
    begin(w, options);
    while (w->violation[0] == '\0' && w->now_ms < SIM_END_MS &&
           !(sim_is_calm(w) && w->now_ms >= w->written_at_ms + SIM_QUIET_MS && sim_is_settled(w)))
        step(w);
    if (w->violation[0] == '\0') sim_check_end(w);
    last.transactions = w->transactions;
    last.deaths = w->deaths;
    last.done = w->done;
    last.returned = w->returned;
    last.broken = w->broken;
    memcpy(violation, w->violation, sizeof violation);
    uint64_t hash = w->hash;
    end(w);
    return (runner_result){hash, violation};
}

static void add(void) {
    sum.transactions += last.transactions;
    sum.deaths += last.deaths;
    sum.done += last.done;
    sum.returned += last.returned;
    sum.broken += last.broken;
}

static void print(bool is_sum) {
    const __typeof__(last) *of = is_sum ? &sum : &last;
    (void)printf("%" PRIu64 " transactions, %" PRIu64 " leaders died, %" PRIu64
                 " deployments done, %" PRIu64 " went back, %" PRIu64 " could not",
                 of->transactions, of->deaths, of->done, of->returned, of->broken);
}

int main(int argc, char **argv) {
    static const runner simulator = {"deploy_sim", SIM_BUG_COUNT, sim_bug_name, run, add, print};
    return runner_main(&simulator, argc, argv);
}
