// cluster_sim: see runner.h; and with all of it
// --hosts N: as many, and not as the seed says
// cluster_sim --measure HOSTS LOSS ROUNDS: detection, dissemination, bytes (LOSS in 1/1000).
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "runner.h"

static cluster_result last, sum;
static uint32_t host_count; // 0: as the seed says

static const char *bug_name(uint32_t bug) {
    return cluster_bug_name((cluster_bug)bug);
}

static runner_result run(const runner_options *options) {
    last = cluster_run(&(cluster_options){.seed = options->seed,
                                          .bug = (cluster_bug)options->bug,
                                          .is_verbose = options->is_verbose,
                                          .host_count = host_count});
    return (runner_result){last.hash, last.violation};
}

static void add(void) {
    sum.datagrams += last.datagrams;
    sum.deaths += last.deaths;
    sum.restarts += last.restarts;
    sum.leaves += last.leaves;
    sum.partitions += last.partitions;
    sum.pauses += last.pauses;
    sum.lies += last.lies;
    sum.refuted += last.refuted;
    if (last.agreed_ms > sum.agreed_ms) sum.agreed_ms = last.agreed_ms;
}

static void print(bool is_sum) {
    const cluster_result *r = is_sum ? &sum : &last;
    if (!is_sum) (void)printf("%u hosts, %s, ", r->hosts, r->is_gentle ? "gentle" : "rough");
    (void)printf("%" PRIu64 " datagrams, %" PRIu64 " deaths, %" PRIu64 " starts, %" PRIu64
                 " leaves, %" PRIu64 " partitions, %" PRIu64 " stops, %" PRIu64 " lies, %" PRIu64
                 " refutations, agreed after %" PRIu64 " ms%s",
                 r->datagrams, r->deaths, r->restarts, r->leaves, r->partitions, r->pauses, r->lies,
                 r->refuted, r->agreed_ms, is_sum ? " at most" : "");
}

// Takes --hosts N out of the line. False: there is no such number of hosts.
static bool take_hosts(int *argc, char **argv) {
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--hosts") == 0 && i + 1 < *argc)
            host_count = (uint32_t)strtoul(argv[++i], NULL, 10);
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    return host_count <= WORLD_HOSTS_MAX;
}

int main(int argc, char **argv) {
    static const runner simulator = {"cluster_sim", CLUSTER_BUG_COUNT, bug_name, run, add, print};
    int err = 0;
    if (argc == 5 && strcmp(argv[1], "--measure") == 0)
        cluster_measure((uint32_t)strtoul(argv[2], NULL, 10), (uint32_t)strtoul(argv[3], NULL, 10),
                        (uint32_t)strtoul(argv[4], NULL, 10));
    else if (!take_hosts(&argc, argv))
        err = 2;
    else
        err = runner_main(&simulator, argc, argv);
    world_crypto_deinit();
    return err;
}
