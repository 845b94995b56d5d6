// registry_sim: see runner.h.
#include <inttypes.h>
#include <stdio.h>

#include "registry.h"
#include "runner.h"

static registry_result last, sum;

static const char *bug_name(uint32_t bug) {
    return registry_bug_name((registry_bug)bug);
}

static runner_result run(const runner_options *options) {
    last = registry_run(&(registry_options){.seed = options->seed,
                                            .bug = (registry_bug)options->bug,
                                            .is_verbose = options->is_verbose});
    return (runner_result){last.hash, last.violation};
}

static void add(void) {
    sum.changes += last.changes;
    sum.told += last.told;
    sum.messages += last.messages;
    sum.bytes += last.bytes;
    sum.fetches += last.fetches;
    sum.maps += last.maps;
    sum.restarts += last.restarts;
    sum.cuts += last.cuts;
    sum.breaks += last.breaks;
    sum.lies += last.lies;
    if (last.equal_after_ms > sum.equal_after_ms) sum.equal_after_ms = last.equal_after_ms;
}

static void print(bool is_sum) {
    const registry_result *r = is_sum ? &sum : &last;
    (void)printf("%" PRIu64 " changes, %" PRIu64 " told, %" PRIu64 " messages (%" PRIu64
                 " MB), %" PRIu64 " fetches (%" PRIu64 " maps), %" PRIu64 " restarts, %" PRIu64
                 " cuts, %" PRIu64 " broken links, %" PRIu64 " lies, equal %" PRIu64
                 " ms after the last fault%s",
                 r->changes, r->told, r->messages, r->bytes >> 20, r->fetches, r->maps, r->restarts,
                 r->cuts, r->breaks, r->lies, r->equal_after_ms, is_sum ? " at most" : "");
}

int main(int argc, char **argv) {
    return runner_main(&(runner){"registry_sim", REGISTRY_BUG_COUNT, bug_name, run, add, print},
                       argc, argv);
}
