#include "cli/project.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/services.h"
#include "cli/args.h"
#include "cli/config_print.h"
#include "cli/run_words.h"
#include "core/mem.h"

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static uint64_t number_of(const json_t *object, const char *key) {
    return (uint64_t)json_number_value(json_object_get(object, key));
}

static int number_of_word(const cli_choice *words, const char *word) {
    int found = cli_choice_find(words, word);
    return found < 0 ? 0 : found; // the schema knows no other
}

// Borrows the strings.
static char **list_of(const json_t *array, size_t *out_count) {
    size_t count = json_array_size(array);
    char **list = mem_alloc((count + 1) * sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = (char *)(uintptr_t)json_string_value(json_array_get(array, i));
    *out_count = count;
    return list;
}

static char *pair(const char *name, const char *value) {
    size_t len = strlen(name) + strlen(value) + 2;
    char *text = mem_alloc(len);
    (void)snprintf(text, len, "%s=%s", name, value);
    return text;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// "WARREN_TAGS=a=1,b=2": the nodes read them there.
static char *tags_of(json_t *tags) {
    const char *key;
    json_t *value;
    char *text = NULL;
    size_t len;
    FILE *out = mem_check(open_memstream(&text, &len));
    (void)fputs("WARREN_TAGS=", out);
    bool is_first = true;
    json_object_foreach(tags, key, value) {
        (void)fprintf(out, "%s%s=%s", is_first ? "" : ",", key, json_string_value(value));
        is_first = false;
    }
    (void)fclose(out);
    return text;
}

static void take_env(cli_project_service *service, json_t *json) {
    json_t *env = json_object_get(json, "env"), *tags = json_object_get(json, "tags"), *variable;
    const char *name;
    Warren__Agent__Run *run = &service->run;
    run->env = mem_alloc((json_object_size(env) + 2) * sizeof *run->env);
    json_object_foreach(env, name, variable) run->env[run->n_env++] =
        pair(name, text_of(variable, "value"));
    if (json_object_size(tags) > 0) run->env[run->n_env++] = tags_of(tags);
    qsort(run->env, run->n_env, sizeof *run->env, by_text); // so that it is the same each time
}

static void take_rules(cli_project_service *service, const json_t *json) {
    Warren__Agent__Run *run = &service->run;
    const json_t *budget = json_object_get(json, "budget"), *stall = json_object_get(json, "stall"),
                 *group = json_object_get(json, "group"), *health = json_object_get(json, "health"),
                 *logs = json_object_get(json, "logs"), *update = json_object_get(json, "update");
    int strategy = cli_choice_find(&cli_run_strategies, text_of(group, "strategy"));
    run->restart =
        (Warren__Agent__Run__Restart)number_of_word(&cli_run_restarts, text_of(json, "restart"));
    run->ready =
        (Warren__Agent__Run__Ready)number_of_word(&cli_run_readies, text_of(json, "ready"));
    run->start_timeout_ms = (uint32_t)number_of(json, "startTimeoutMs");
    run->grace_ms = (uint32_t)number_of(json, "graceMs");
    run->health_http = (char *)(uintptr_t)text_of(health, "http");
    run->health_call = (char *)(uintptr_t)text_of(health, "call");
    run->health_interval_ms = (uint32_t)number_of(health, "intervalMs");
    run->health_timeout_ms = (uint32_t)number_of(health, "checkTimeoutMs");
    run->health_failures = (uint32_t)number_of(health, "failures");
    run->stop_signal = (uint32_t)cli_run_signal(text_of(json, "stopSignal"));
    warren__agent__budget__init(&service->budget);
    service->budget.restarts = (uint32_t)number_of(budget, "restarts");
    service->budget.seconds = (uint32_t)number_of(budget, "seconds");
    run->budget = &service->budget;
    run->stall_after_ms = (uint32_t)number_of(stall, "afterMs");
    run->stall =
        (Warren__Agent__Run__Stall)number_of_word(&cli_run_stalls, text_of(stall, "action"));
    run->group = (char *)(uintptr_t)text_of(group, "name");
    run->strategy = (Warren__Agent__Run__Strategy)(strategy + 1); // none: ANY
    run->log_file_len = (uint32_t)number_of(logs, "sizeBytes");
    run->log_file_count = (uint32_t)number_of(logs, "files");
    service->parallel = (uint32_t)number_of(update, "parallel");
    service->drain_ms = (uint32_t)number_of(update, "drainMs");
}

static void take_service(cli_project_service *service, json_t *json, const char *project) {
    Warren__Agent__Run *run = &service->run;
    const json_t *limits = json_object_get(json, "limits");
    warren__agent__run__init(run);
    run->name = (char *)(uintptr_t)text_of(json, "name");
    run->project = (char *)(uintptr_t)project;
    run->entry = (char *)(uintptr_t)text_of(json, "entry");
    run->cwd = (char *)(uintptr_t)text_of(json, "cwd");
    run->instances = (uint32_t)number_of(json, "instances");
    run->detach = true;
    run->args = list_of(json_object_get(json, "args"), &run->n_args);
    run->exec_argv = list_of(json_object_get(json, "nodeArgs"), &run->n_exec_argv);
    run->preload = list_of(json_object_get(json, "preload"), &run->n_preload);
    run->memory_max = number_of(limits, "memoryBytes");
    run->cpu_max_percent =
        (uint32_t)(json_number_value(json_object_get(limits, "cpu")) * 100 + 0.5);
    run->secrets = list_of(json_object_get(json, "secrets"), &run->n_secrets);
    take_env(service, json);
    take_rules(service, json);
    cli_project_take_spec(service, json);
}

void cli_project_take(cli_project *project, json_t *answer) {
    const json_t *json = json_object_get(answer, "project");
    json_t *services = json_object_get(json, "services"), *service;
    size_t i;
    project->json = answer;
    project->name = text_of(json, "name");
    project->file = text_of(json, "file");
    project->count = json_array_size(services);
    project->services = mem_alloc((project->count + 1) * sizeof *project->services);
    json_array_foreach(services, i, service)
        take_service(&project->services[i], service, project->name);
}

static void judge_len(json_t *problems, const cli_project *project, const Warren__Agent__Run *run) {
    char key[128], text[256];
    if (cli_run_fits(run)) return;
    (void)snprintf(key, sizeof key, "services.%.100s", run->name);
    (void)snprintf(text, sizeof text,
                   "%s: arguments and variables are too long together: %d KiB and %d words of each "
                   "fit",
                   key, AGENT_RUN_LEN_MAX >> 10, AGENT_RUN_WORDS_MAX);
    json_array_append_new(problems,
                          json_pack("{s:s, s:n, s:n, s:s, s:s, s:n}", "file", project->file, "line",
                                    "column", "key", key, "text", text, "suggestion"));
}

void cli_project_judge(json_t *answer) {
    json_t *problems = json_object_get(answer, "problems");
    if (json_is_object(json_object_get(answer, "project"))) {
        cli_project project = {0};
        cli_project_take(&project, json_incref(answer));
        for (size_t i = 0; i < project.count; i++)
            judge_len(problems, &project, &project.services[i].run);
        cli_project_deinit(&project);
    }
    json_array_extend(problems, json_object_get(answer, "planned"));
}

int cli_project_load(const cli_config_request *request, cli_project *out) {
    *out = (cli_project){.json = cli_config_load(request)};
    if (out->json == NULL) return CLI_USAGE;
    cli_project_judge(out->json);
    if (json_array_size(json_object_get(out->json, "problems")) > 0) {
        cli_config_print_problems(stderr, out->json);
        if (json_array_size(json_object_get(out->json, "planned")) > 0)
            cli_say("what is not carried out would be left out: take it out of the file to go on "
                    "without it");
        return CLI_USAGE;
    }
    cli_config_print_warnings(stderr, out->json);
    cli_project_take(out, out->json);
    return CLI_DONE;
}

void cli_project_deinit(cli_project *project) {
    for (size_t i = 0; i < project->count; i++) {
        Warren__Agent__Run *run = &project->services[i].run;
        for (size_t k = 0; k < run->n_env; k++)
            free(run->env[k]);
        free(run->env);
        free(run->args);
        free(run->exec_argv);
        free(run->preload);
        free(run->secrets);
        cli_project_free_spec(&project->services[i]);
    }
    free(project->services);
    json_decref(project->json);
}
