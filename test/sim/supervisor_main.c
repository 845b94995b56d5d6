// supervisor_sim: see runner.h.
#include <inttypes.h>
#include <stdio.h>

#include "runner.h"
#include "supervisor_sim.h"

static supervisor_result last, sum;

static const char *bug_name(uint32_t bug) {
    return supervisor_bug_name((supervisor_bug)bug);
}

static runner_result run(const runner_options *options) {
    last = supervisor_run(
        &(supervisor_options){options->seed, (supervisor_bug)options->bug, options->is_verbose});
    return (runner_result){last.hash, last.violation};
}

static void add(void) {
    sum.decisions += last.decisions;
    sum.launches += last.launches;
    sum.failures += last.failures;
    sum.restarts += last.restarts;
    sum.given_up += last.given_up;
    sum.late += last.late;
    sum.unhealthy += last.unhealthy;
    sum.virtual_ms += last.virtual_ms;
}

static void print(bool is_sum) {
    const supervisor_result *r = is_sum ? &sum : &last;
    (void)printf("%" PRIu64 " decisions, %" PRIu64 " launches, %" PRIu64 " failures, %" PRIu64
                 " restarts by hand, %" PRIu64 " given up, %" PRIu64 " too late, %" PRIu64
                 " unhealthy, %" PRIu64 " s of virtual time",
                 r->decisions, r->launches, r->failures, r->restarts, r->given_up, r->late,
                 r->unhealthy, r->virtual_ms / 1000);
}

int main(int argc, char **argv) {
    return runner_main(&(runner){"supervisor_sim", SUPERVISOR_BUG_COUNT, bug_name, run, add, print},
                       argc, argv);
}
