// sim --seed N [--verbose] [--bug NAME]: one run, with its hash.
// sim --seeds FROM COUNT: many; the first that breaks a rule is printed with the command that
// replays it. sim --self-test: plants every bug of sim.h, one at a time, and expects the checks to
// find it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { SELF_TEST_SEEDS = 1000, REPEAT_EVERY = 20 };

static int usage(void) {
    (void)fprintf(
        stderr,
        "usage: sim --seed N [--verbose] [--bug NAME] | --seeds FROM COUNT | --self-test\n");
    return 2;
}

static int report(const sim_options *options, const sim_result *result) {
    if (!result->violation[0]) return 0;
    (void)printf("seed %llu: %s\nreplay: sim --seed %llu%s%s --verbose\n",
                 (unsigned long long)options->seed, result->violation,
                 (unsigned long long)options->seed, options->bug ? " --bug " : "",
                 options->bug ? sim_bug_name(options->bug) : "");
    return 1;
}

static int run_one(const sim_options *options) {
    sim_result result = sim_run(options);
    (void)printf("seed %llu: hash %016llx, %llu steps, %llu events, %llu calls, %llu publications, "
                 "%llu items, "
                 "%llu received, %llu deaths, %llu breaks, %llu replaced links\n",
                 (unsigned long long)options->seed, (unsigned long long)result.hash,
                 (unsigned long long)result.steps, (unsigned long long)result.events,
                 (unsigned long long)result.calls, (unsigned long long)result.publications,
                 (unsigned long long)result.items, (unsigned long long)result.received,
                 (unsigned long long)result.deaths, (unsigned long long)result.breaks,
                 (unsigned long long)result.replaced);
    return report(options, &result);
}

static int run_many(uint64_t from, uint64_t count) {
    uint64_t calls = 0, received = 0, deaths = 0, breaks = 0, replaced = 0, corruptions = 0;
    for (uint64_t seed = from; seed < from + count; seed++) {
        sim_options options = {.seed = seed};
        sim_result result = sim_run(&options);
        if (report(&options, &result) != 0) return 1;
        calls += result.calls;
        received += result.received;
        deaths += result.deaths;
        breaks += result.breaks;
        replaced += result.replaced;
        corruptions += result.corruptions;
        if (seed % REPEAT_EVERY != 0) continue;
        if (sim_run(&options).hash == result.hash) continue;
        (void)printf("seed %llu does not repeat\n", (unsigned long long)seed);
        return 1;
    }
    (void)printf("%llu seeds: %llu calls, %llu messages received, %llu deaths, %llu broken links, "
                 "%llu replaced links, %llu changed bytes; every rule held\n",
                 (unsigned long long)count, (unsigned long long)calls, (unsigned long long)received,
                 (unsigned long long)deaths, (unsigned long long)breaks,
                 (unsigned long long)replaced, (unsigned long long)corruptions);
    return 0;
}

static int find_bug(sim_bug bug) {
    for (uint64_t seed = 1; seed <= SELF_TEST_SEEDS; seed++) {
        sim_options options = {.seed = seed, .bug = bug};
        sim_result result = sim_run(&options);
        if (!result.violation[0]) continue;
        (void)printf("%-20s found with seed %llu: %s\n", sim_bug_name(bug),
                     (unsigned long long)seed, result.violation);
        return 0;
    }
    (void)printf("%-20s not found in %d seeds\n", sim_bug_name(bug), SELF_TEST_SEEDS);
    return 1;
}

static int self_test(void) {
    int err = 0;
    for (sim_bug bug = SIM_BUG_NONE + 1; bug < SIM_BUG_COUNT; bug++)
        err |= find_bug(bug);
    return err;
}

int main(int argc, char **argv) {
    sim_options options = {0};
    bool is_one = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--self-test") == 0) return self_test();
        if (strcmp(argv[i], "--seeds") == 0 && i + 2 < argc)
            return run_many(strtoull(argv[i + 1], NULL, 10), strtoull(argv[i + 2], NULL, 10));
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            options.seed = strtoull(argv[++i], NULL, 10);
            is_one = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            options.is_verbose = true;
        } else if (strcmp(argv[i], "--bug") == 0 && i + 1 < argc) {
            i++;
            while (options.bug < SIM_BUG_COUNT && strcmp(sim_bug_name(options.bug), argv[i]) != 0)
                options.bug++;
            if (options.bug == SIM_BUG_COUNT) return usage();
        } else {
            return usage();
        }
    }
    return is_one ? run_one(&options) : usage();
}
