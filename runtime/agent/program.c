#include "agent/program.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "agent/checks.h"
#include "agent/keep.h"
#include "core/mem.h"

// A copy of `list` with NULL at its end, after `first` when that is not NULL.
static char **make_list(const char *first, char *const *list, size_t count) {
    char **out = mem_alloc((count + 2) * sizeof *out);
    size_t n = 0;
    if (first != NULL) out[n++] = (char *)(uintptr_t)first;
    if (count > 0 && list != NULL) memcpy(out + n, list, count * sizeof *out);
    return out;
}

static bool is_ready_by_message(const Warren__Agent__Run *run) {
    return run->ready == WARREN__AGENT__RUN__READY__MESSAGE;
}

static bool is_own(const char *variable) { // the agent's, for the node's boot alone (boot.js)
    static const char ready[] = "WARREN_READY=", health[] = "WARREN_HEALTH=";
    return strncmp(variable, ready, sizeof ready - 1) == 0 ||
           strncmp(variable, health, sizeof health - 1) == 0;
}

// Its environment, NULL-terminated; and how it says that it is ready, where that is by
// process.send, and that it will be asked whether it is well.
static char **make_env(const Warren__Agent__Run *run) {
    static char by_message[] = "WARREN_READY=message", is_asked[] = "WARREN_HEALTH=1";
    char **env = make_list(NULL, NULL, run->n_env + 2);
    size_t n = 0;
    if (is_ready_by_message(run)) env[n++] = by_message;
    if (agent_checks_are_wanted(run)) env[n++] = is_asked;
    for (size_t i = 0; i < run->n_env; i++)
        if (!is_own(run->env[i])) env[n++] = run->env[i];
    env[n] = NULL;
    return env;
}

agent_program *agent_program_create(Warren__Agent__Run *run) {
    agent_program *program = mem_alloc(sizeof *program);
    program->holders = 1;
    program->run = run;
    program->argv = make_list(run->entry, run->args, run->n_args);
    program->env = make_env(run);
    agent_limits_plan(&program->limits, run);
    return program;
}

agent_program *agent_program_hold(agent_program *program) {
    if (program != NULL) program->holders++;
    return program;
}

void agent_program_release(agent_program *program) {
    if (program == NULL || --program->holders > 0) return;
    if (program->kept_id != 0) agent_keep_drop(WARREN__KEEPER__KIND__PROGRAM, program->kept_id);
    warren__agent__run__free_unpacked(program->run, NULL);
    free(program->argv);
    free(program->env);
    free(program);
}

void agent_program_set(agent_program **place, agent_program *program) {
    agent_program *before = *place;
    *place = agent_program_hold(program);
    agent_program_release(before);
}

agent_rules agent_program_rules(const agent_program *program) {
    const Warren__Agent__Run *run = program->run;
    agent_rules rules = {.restart = (agent_restart)run->restart, // the same numbers
                         .grace_ms = run->grace_ms,
                         .stop_signal = (int)run->stop_signal,
                         .ready = (agent_ready)run->ready,
                         .start_timeout_ms = run->start_timeout_ms,
                         .health = agent_checks_rules(run)};
    if (run->budget != NULL)
        rules.budget = (agent_budget){true, run->budget->restarts, run->budget->seconds * 1000};
    return rules;
}

int agent_program_stop_signal(const agent_program *program) {
    return program->run->stop_signal != 0 ? (int)program->run->stop_signal : SIGTERM;
}

static uint8_t *pack(const Warren__Agent__Run *run, size_t *out_len) {
    *out_len = warren__agent__run__get_packed_size(run);
    uint8_t *bytes = mem_alloc(*out_len);
    warren__agent__run__pack(run, bytes);
    return bytes;
}

bool agent_program_is_equal(const Warren__Agent__Run *a, const Warren__Agent__Run *b) {
    size_t a_len, b_len;
    uint8_t *a_bytes = pack(a, &a_len), *b_bytes = pack(b, &b_len);
    bool is_equal = a_len == b_len && memcmp(a_bytes, b_bytes, a_len) == 0;
    free(a_bytes);
    free(b_bytes);
    return is_equal;
}

// What is left of it when its rules are taken away: borrows from it.
static Warren__Agent__Run process_of(const Warren__Agent__Run *run) {
    Warren__Agent__Run only = WARREN__AGENT__RUN__INIT;
    only.entry = run->entry;
    only.cwd = run->cwd;
    only.n_args = run->n_args;
    only.args = run->args;
    only.n_env = run->n_env;
    only.env = run->env;
    only.n_exec_argv = run->n_exec_argv;
    only.exec_argv = run->exec_argv;
    only.n_preload = run->n_preload;
    only.preload = run->preload;
    only.memory_max = run->memory_max;
    only.cpu_max_percent = run->cpu_max_percent;
    only.n_secrets = run->n_secrets;
    only.secrets = run->secrets;
    // A question that the new ones cannot answer leaves the old ones, and the old question.
    only.health_http = run->health_http;
    only.health_call = run->health_call;
    return only;
}

bool agent_program_is_same(const Warren__Agent__Run *a, const Warren__Agent__Run *b) {
    Warren__Agent__Run a_process = process_of(a), b_process = process_of(b);
    return is_ready_by_message(a) == is_ready_by_message(b) &&
           agent_program_is_equal(&a_process, &b_process);
}
