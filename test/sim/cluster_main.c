// cluster_sim --seed N [--hosts N] [--verbose] [--bug NAME]: one run, with its hash.
// cluster_sim --seeds FROM COUNT: many; the first that breaks a rule is printed with the command
// that replays it; some are run twice, and must do the same.
// cluster_sim --self-test: plants every bug of cluster.h, one at a time, and expects the checks to
// find it.
// cluster_sim --measure HOSTS LOSS ROUNDS: detection, dissemination, bytes (LOSS in 1/1000).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"

enum { SELF_TEST_SEEDS = 1000, REPEAT_EVERY = 20 };

static int usage(void) {
    (void)fprintf(stderr, "usage: cluster_sim --seed N [--hosts N] [--verbose] [--bug NAME] | "
                          "--seeds FROM COUNT | --self-test | --measure HOSTS LOSS ROUNDS\n");
    return 2;
}

static int report(const cluster_options *options, const cluster_result *result) {
    if (result->violation[0] == '\0') return 0;
    (void)printf("seed %llu: %s\nreplay: cluster_sim --seed %llu%s%s --verbose\n",
                 (unsigned long long)options->seed, result->violation,
                 (unsigned long long)options->seed, options->bug ? " --bug " : "",
                 options->bug ? cluster_bug_name(options->bug) : "");
    return 1;
}

static int run_one(const cluster_options *options) {
    cluster_result r = cluster_run(options);
    (void)printf("seed %llu: hash %016llx, %u hosts, %s, %llu datagrams, %llu deaths, %llu starts, "
                 "%llu leaves, %llu partitions, %llu stops, %llu lies, %llu refutations, agreed "
                 "after %llu ms\n",
                 (unsigned long long)options->seed, (unsigned long long)r.hash, r.hosts,
                 r.is_gentle ? "gentle" : "rough", (unsigned long long)r.datagrams,
                 (unsigned long long)r.deaths, (unsigned long long)r.restarts,
                 (unsigned long long)r.leaves, (unsigned long long)r.partitions,
                 (unsigned long long)r.pauses, (unsigned long long)r.lies,
                 (unsigned long long)r.refuted, (unsigned long long)r.agreed_ms);
    return report(options, &r);
}

static int run_many(uint64_t from, uint64_t count) {
    cluster_result sum = {.hosts = 0};
    for (uint64_t seed = from; seed < from + count; seed++) {
        cluster_options options = {.seed = seed};
        cluster_result r = cluster_run(&options);
        if (report(&options, &r) != 0) return 1;
        sum.datagrams += r.datagrams;
        sum.deaths += r.deaths;
        sum.partitions += r.partitions;
        sum.lies += r.lies;
        sum.refuted += r.refuted;
        if (r.agreed_ms > sum.agreed_ms) sum.agreed_ms = r.agreed_ms;
        if (seed % REPEAT_EVERY != 0 || cluster_run(&options).hash == r.hash) continue;
        (void)printf("seed %llu does not repeat\n", (unsigned long long)seed);
        return 1;
    }
    (void)printf("%llu seeds: %llu datagrams, %llu deaths, %llu partitions, %llu lies, %llu "
                 "refutations; at most %llu ms to agree; every rule held\n",
                 (unsigned long long)count, (unsigned long long)sum.datagrams,
                 (unsigned long long)sum.deaths, (unsigned long long)sum.partitions,
                 (unsigned long long)sum.lies, (unsigned long long)sum.refuted,
                 (unsigned long long)sum.agreed_ms);
    return 0;
}

static int find_bug(cluster_bug bug) {
    for (uint64_t seed = 1; seed <= SELF_TEST_SEEDS; seed++) {
        cluster_options options = {.seed = seed, .bug = bug};
        cluster_result result = cluster_run(&options);
        if (result.violation[0] == '\0') continue;
        (void)printf("%-20s found with seed %llu: %s\n", cluster_bug_name(bug),
                     (unsigned long long)seed, result.violation);
        return 0;
    }
    (void)printf("%-20s not found in %d seeds\n", cluster_bug_name(bug), SELF_TEST_SEEDS);
    return 1;
}

static int self_test(void) {
    int err = 0;
    for (cluster_bug bug = CLUSTER_BUG_NONE + 1; bug < CLUSTER_BUG_COUNT; bug++)
        err |= find_bug(bug);
    return err;
}

static bool parse_bug(const char *name, cluster_bug *out) {
    for (cluster_bug bug = 0; bug < CLUSTER_BUG_COUNT; bug++) {
        if (strcmp(cluster_bug_name(bug), name) != 0) continue;
        *out = bug;
        return true;
    }
    return false;
}

static int parse_one(int argc, char **argv, cluster_options *out) {
    bool has_seed = false;
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--verbose") == 0) {
            out->is_verbose = true;
        } else if (strcmp(argv[i], "--seed") == 0 && has_value) {
            out->seed = strtoull(argv[++i], NULL, 10);
            has_seed = true;
        } else if (strcmp(argv[i], "--hosts") == 0 && has_value) {
            out->host_count = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--bug") != 0 || !has_value ||
                   !parse_bug(argv[++i], &out->bug)) {
            return 2;
        }
    }
    return has_seed && out->host_count <= WORLD_HOSTS_MAX ? 0 : 2;
}

int main(int argc, char **argv) {
    cluster_options options = {.seed = 0};
    int err = 0;
    if (argc == 2 && strcmp(argv[1], "--self-test") == 0)
        err = self_test();
    else if (argc == 4 && strcmp(argv[1], "--seeds") == 0)
        err = run_many(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    else if (argc == 5 && strcmp(argv[1], "--measure") == 0)
        cluster_measure((uint32_t)strtoul(argv[2], NULL, 10), (uint32_t)strtoul(argv[3], NULL, 10),
                        (uint32_t)strtoul(argv[4], NULL, 10));
    else if (parse_one(argc, argv, &options) != 0)
        err = usage();
    else
        err = run_one(&options);
    world_crypto_deinit();
    return err;
}
