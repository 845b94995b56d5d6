// sim: see runner.h.
#include <inttypes.h>
#include <stdio.h>

#include "runner.h"
#include "sim.h"

static sim_result last, sum;

static const char *bug_name(uint32_t bug) {
    return sim_bug_name((sim_bug)bug);
}

static runner_result run(const runner_options *options) {
    last = sim_run(&(sim_options){
        .seed = options->seed, .bug = (sim_bug)options->bug, .is_verbose = options->is_verbose});
    return (runner_result){last.hash, last.violation};
}

static void add(void) {
    sum.steps += last.steps;
    sum.events += last.events;
    sum.calls += last.calls;
    sum.publications += last.publications;
    sum.items += last.items;
    sum.received += last.received;
    sum.deaths += last.deaths;
    sum.breaks += last.breaks;
    sum.replaced += last.replaced;
    sum.resumed += last.resumed;
    sum.half_told += last.half_told;
    sum.corruptions += last.corruptions;
}

static void print(bool is_sum) {
    const sim_result *r = is_sum ? &sum : &last;
    (void)printf("%" PRIu64 " steps, %" PRIu64 " events, %" PRIu64 " calls, %" PRIu64
                 " publications, %" PRIu64 " messages and %" PRIu64 " items received, %" PRIu64
                 " deaths, %" PRIu64 " broken links, %" PRIu64 " replaced links, %" PRIu64
                 " resumed, %" PRIu64 " told to one end, %" PRIu64 " changed bytes",
                 r->steps, r->events, r->calls, r->publications, r->received, r->items, r->deaths,
                 r->breaks, r->replaced, r->resumed, r->half_told, r->corruptions);
}

int main(int argc, char **argv) {
    return runner_main(&(runner){"sim", SIM_BUG_COUNT, bug_name, run, add, print}, argc, argv);
}
