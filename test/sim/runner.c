#include "runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SELF_TEST_SEEDS = 1000, REPEAT_EVERY = 20 };

static int usage(const runner *r) {
    (void)fprintf(
        stderr, "usage: %s --seed N [--verbose] [--bug NAME] | --seeds FROM COUNT | --self-test\n",
        r->name);
    return 2;
}

static int report(const runner *r, const runner_options *options, const runner_result *result) {
    if (result->violation[0] == '\0') return 0;
    (void)printf("seed %" PRIu64 ": %s\nreplay: %s --seed %" PRIu64 "%s%s --verbose\n",
                 options->seed, result->violation, r->name, options->seed,
                 options->bug != 0 ? " --bug " : "",
                 options->bug != 0 ? r->bug_name(options->bug) : "");
    return 1;
}

static int run_one(const runner *r, const runner_options *options) {
    runner_result result = r->run(options);
    (void)printf("seed %" PRIu64 ": hash %016" PRIx64 ": ", options->seed, result.hash);
    r->print(false);
    (void)printf("\n");
    return report(r, options, &result);
}

static int run_many(const runner *r, uint64_t from, uint64_t count) {
    for (uint64_t seed = from; seed < from + count; seed++) {
        runner_options options = {.seed = seed};
        runner_result result = r->run(&options);
        if (report(r, &options, &result) != 0) return 1;
        r->add();
        if (seed % REPEAT_EVERY != 0 || r->run(&options).hash == result.hash) continue;
        (void)printf("seed %" PRIu64 " does not repeat\n", seed);
        return 1;
    }
    (void)printf("%" PRIu64 " seeds: ", count);
    r->print(true);
    (void)printf("; every rule held\n");
    return 0;
}

static int find_bug(const runner *r, uint32_t bug) {
    for (uint64_t seed = 1; seed <= SELF_TEST_SEEDS; seed++) {
        runner_options options = {.seed = seed, .bug = bug};
        runner_result result = r->run(&options);
        if (result.violation[0] == '\0') continue;
        (void)printf("%-20s found with seed %" PRIu64 ": %s\n", r->bug_name(bug), seed,
                     result.violation);
        return 0;
    }
    (void)printf("%-20s not found in %d seeds\n", r->bug_name(bug), SELF_TEST_SEEDS);
    return 1;
}

static int self_test(const runner *r) {
    int err = 0;
    for (uint32_t bug = 1; bug < r->bug_count; bug++)
        err |= find_bug(r, bug);
    return err;
}

static bool find_name(const runner *r, const char *name, uint32_t *out) {
    for (uint32_t bug = 1; bug < r->bug_count; bug++) {
        if (strcmp(r->bug_name(bug), name) != 0) continue;
        *out = bug;
        return true;
    }
    return false;
}

// Of one run. False: it is no such line.
static bool parse(const runner *r, int argc, char **argv, runner_options *out) {
    bool has_seed = false;
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--verbose") == 0) {
            out->is_verbose = true;
        } else if (strcmp(argv[i], "--seed") == 0 && has_value) {
            out->seed = strtoull(argv[++i], NULL, 10);
            has_seed = true;
        } else if (strcmp(argv[i], "--bug") != 0 || !has_value ||
                   !find_name(r, argv[++i], &out->bug)) {
            return false;
        }
    }
    return has_seed;
}

int runner_main(const runner *r, int argc, char **argv) {
    runner_options options = {0};
    if (argc == 2 && strcmp(argv[1], "--self-test") == 0) return self_test(r);
    if (argc == 4 && strcmp(argv[1], "--seeds") == 0)
        return run_many(r, strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    return parse(r, argc, argv, &options) ? run_one(r, &options) : usage(r);
}
