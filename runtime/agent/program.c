#include "agent/program.h"

#include <stdlib.h>
#include <string.h>

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

// Its environment, NULL-terminated; and how it says that it is ready, where that is by process.send
// (boot.js).
static char **make_env(const Warren__Agent__Run *run) {
    static const char variable[] = "WARREN_READY=";
    static char by_message[] = "WARREN_READY=message";
    bool is_message = is_ready_by_message(run);
    char **env = make_list(is_message ? by_message : NULL, NULL, run->n_env);
    size_t n = is_message;
    for (size_t i = 0; i < run->n_env; i++)
        if (strncmp(run->env[i], variable, sizeof variable - 1) != 0) env[n++] = run->env[i];
    env[n] = NULL;
    return env;
}

void agent_program_init(agent_program *program, Warren__Agent__Run *run) {
    program->run = run;
    program->argv = make_list(run->entry, run->args, run->n_args);
    program->env = make_env(run);
    agent_limits_plan(&program->limits, run);
}

void agent_program_deinit(agent_program *program) {
    warren__agent__run__free_unpacked(program->run, NULL);
    free(program->argv);
    free(program->env);
    *program = (agent_program){0};
}

// What is left of it when its rules are taken away.
static uint8_t *pack(const Warren__Agent__Run *run, size_t *out_len) {
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
    *out_len = warren__agent__run__get_packed_size(&only);
    uint8_t *bytes = mem_alloc(*out_len);
    warren__agent__run__pack(&only, bytes);
    return bytes;
}

bool agent_program_is_same(const Warren__Agent__Run *a, const Warren__Agent__Run *b) {
    size_t a_len, b_len;
    uint8_t *a_bytes = pack(a, &a_len), *b_bytes = pack(b, &b_len);
    bool is_same = is_ready_by_message(a) == is_ready_by_message(b) && a_len == b_len &&
                   memcmp(a_bytes, b_bytes, a_len) == 0;
    free(a_bytes);
    free(b_bytes);
    return is_same;
}
