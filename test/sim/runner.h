// The command line that the simulators have in common:
//   NAME --seed N [--verbose] [--bug NAME]   one run, with its hash
//   NAME --seeds FROM COUNT                  many; the first that breaks a rule is printed with the
//                                            command that replays it; some are run twice
//   NAME --self-test                         plants every bug, one at a time, and expects the
//   checks
//                                            to find it
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct runner_options {
    uint64_t seed;
    uint32_t bug; // 0: none
    bool is_verbose;
} runner_options;

typedef struct runner_result {
    uint64_t hash;         // of all that was decided
    const char *violation; // a sentence; "": every rule held
} runner_result;

typedef struct runner {
    const char *name;
    uint32_t bug_count; // bugs are 1 up to this, without it
    const char *(*bug_name)(uint32_t bug);
    runner_result (*run)(const runner_options *options); // its figures are kept until the next
    void (*add)(void);                                   // them to the sum
    void (*print)(bool is_sum);                          // either, without a line's end
} runner;

int runner_main(const runner *runner, int argc, char **argv);
