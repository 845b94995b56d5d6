// registry_sim --seed N [--verbose] [--bug NAME]: one run, with its hash.
// registry_sim --seeds FROM COUNT: many; the first that breaks a rule is printed with the command
// that replays it. registry_sim --self-test: plants every bug of registry.h, one at a time, and
// expects the checks to find it.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry.h"

enum { SELF_TEST_SEEDS = 1000, REPEAT_EVERY = 20 };

static int usage(void) {
    (void)fprintf(stderr, "usage: registry_sim --seed N [--verbose] [--bug NAME] | --seeds FROM "
                          "COUNT | --self-test\n");
    return 2;
}

static int report(const registry_options *options, const registry_result *result) {
    if (!result->violation[0]) return 0;
    (void)printf("seed %" PRIu64 ": %s\nreplay: registry_sim --seed %" PRIu64 "%s%s --verbose\n",
                 options->seed, result->violation, options->seed, options->bug ? " --bug " : "",
                 options->bug ? registry_bug_name(options->bug) : "");
    return 1;
}

static void print(const char *what, const registry_result *r) {
    (void)printf("%s: %" PRIu64 " changes, %" PRIu64 " told, %" PRIu64 " messages (%" PRIu64
                 " MB), %" PRIu64 " fetches (%" PRIu64 " maps), %" PRIu64 " restarts, %" PRIu64
                 " cuts, %" PRIu64 " broken links, %" PRIu64 " lies, equal %" PRIu64
                 " ms after the last fault",
                 what, r->changes, r->told, r->messages, r->bytes >> 20, r->fetches, r->maps,
                 r->restarts, r->cuts, r->breaks, r->lies, r->equal_after_ms);
}

static int run_one(const registry_options *options) {
    registry_result result = registry_run(options);
    char what[64];
    (void)snprintf(what, sizeof what, "seed %" PRIu64 ": hash %016" PRIx64, options->seed,
                   result.hash);
    print(what, &result);
    (void)printf("\n");
    return report(options, &result);
}

static void add(registry_result *sum, const registry_result *r) {
    sum->changes += r->changes;
    sum->told += r->told;
    sum->messages += r->messages;
    sum->bytes += r->bytes;
    sum->fetches += r->fetches;
    sum->maps += r->maps;
    sum->restarts += r->restarts;
    sum->cuts += r->cuts;
    sum->breaks += r->breaks;
    sum->lies += r->lies;
    if (r->equal_after_ms > sum->equal_after_ms) sum->equal_after_ms = r->equal_after_ms;
}

static int run_many(uint64_t from, uint64_t count) {
    registry_result sum = {0};
    for (uint64_t seed = from; seed < from + count; seed++) {
        registry_options options = {.seed = seed};
        registry_result result = registry_run(&options);
        if (report(&options, &result) != 0) return 1;
        add(&sum, &result);
        if (seed % REPEAT_EVERY != 0 || registry_run(&options).hash == result.hash) continue;
        (void)printf("seed %" PRIu64 " does not repeat\n", seed);
        return 1;
    }
    char what[64];
    (void)snprintf(what, sizeof what, "%" PRIu64 " seeds", count);
    print(what, &sum);
    (void)printf(" at most; every rule held\n");
    return 0;
}

static int find_bug(registry_bug bug) {
    for (uint64_t seed = 1; seed <= SELF_TEST_SEEDS; seed++) {
        registry_options options = {.seed = seed, .bug = bug};
        registry_result result = registry_run(&options);
        if (!result.violation[0]) continue;
        (void)printf("%-20s found with seed %" PRIu64 ": %s\n", registry_bug_name(bug), seed,
                     result.violation);
        return 0;
    }
    (void)printf("%-20s not found in %d seeds\n", registry_bug_name(bug), SELF_TEST_SEEDS);
    return 1;
}

static int self_test(void) {
    int err = 0;
    for (registry_bug bug = REGISTRY_BUG_NONE + 1; bug < REGISTRY_BUG_COUNT; bug++)
        err |= find_bug(bug);
    return err;
}

int main(int argc, char **argv) {
    registry_options options = {0};
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
            while (options.bug < REGISTRY_BUG_COUNT &&
                   strcmp(registry_bug_name(options.bug), argv[i]) != 0)
                options.bug++;
            if (options.bug == REGISTRY_BUG_COUNT) return usage();
        } else {
            return usage();
        }
    }
    return is_one ? run_one(&options) : usage();
}
