#include "cli/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/json.h"
#include "core/mem.h"

// ---- what runs

static bool take_present(const Warren__Agent__Reply *reply, void *user) {
    cli_plan *plan = user;
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_DESCRIBED) return false;
    size_t len = warren__agent__described__get_packed_size(reply->described);
    uint8_t *bytes = mem_alloc(len); // a copy by way of its own bytes
    warren__agent__described__pack(reply->described, bytes);
    plan->present =
        mem_grow(plan->present, sizeof(void *), plan->present_count + 1, &plan->present_cap);
    plan->present[plan->present_count++] = warren__agent__described__unpack(NULL, len, bytes);
    free(bytes);
    return false;
}

static int ask_present(cli_plan *plan, cli_session *session) {
    Warren__Agent__Describe body = WARREN__AGENT__DESCRIBE__INIT;
    CLI_REQUEST(request, DESCRIBE, describe, &body);
    return session == NULL ? CLI_DONE : cli_session_ask(session, &request, take_present, plan);
}

static Warren__Agent__Described *find(const cli_plan *plan, const char *name) {
    for (size_t i = 0; i < plan->present_count; i++)
        if (strcmp(plan->present[i]->run->name, name) == 0) return plan->present[i];
    return NULL;
}

// ---- what differs

static void note_if(json_t *keys, bool differs, const char *key) {
    if (differs) json_array_append_new(keys, cli_json_string(key));
}

static bool is_other_text(const char *a, const char *b) {
    return strcmp(a, b) != 0;
}

static bool is_other_list(char *const *a, size_t a_count, char *const *b, size_t b_count) {
    if (a_count != b_count) return true;
    for (size_t i = 0; i < a_count; i++)
        if (strcmp(a[i], b[i]) != 0) return true;
    return false;
}

static bool has_entry(const Warren__Agent__Run *run, const char *entry) {
    for (size_t i = 0; i < run->n_env; i++)
        if (strcmp(run->env[i], entry) == 0) return true;
    return false;
}

static bool has_name(const json_t *keys, const char *key) {
    size_t i;
    const json_t *known;
    json_array_foreach(keys, i, known) if (strcmp(json_string_value(known), key) == 0) return true;
    return false;
}

// Names only: a value may be a secret.
static void note_env(json_t *keys, const Warren__Agent__Run *a, const Warren__Agent__Run *b) {
    for (size_t i = 0; i < a->n_env; i++) {
        char key[256];
        size_t len = strcspn(a->env[i], "=");
        if (has_entry(b, a->env[i])) continue;
        if (strncmp(a->env[i], "WARREN_TAGS=", 12) == 0)
            (void)snprintf(key, sizeof key, "tags");
        else
            (void)snprintf(key, sizeof key, "env.%.*s", len < 200 ? (int)len : 200, a->env[i]);
        if (!has_name(keys, key)) note_if(keys, true, key);
    }
}

static bool is_other_group(const Warren__Agent__Run *now, const Warren__Agent__Run *wanted) {
    bool has_strategy = wanted->strategy != WARREN__AGENT__RUN__STRATEGY__ANY;
    return is_other_text(now->group, wanted->group) ||
           (has_strategy && now->strategy != wanted->strategy);
}

static void note_rules(json_t *keys, const Warren__Agent__Run *a, const Warren__Agent__Run *b) {
    const Warren__Agent__Budget none = WARREN__AGENT__BUDGET__INIT, *a_budget = a->budget,
                                *b_budget = b->budget;
    if (a_budget == NULL) a_budget = &none;
    if (b_budget == NULL) b_budget = &none;
    note_if(keys, a->ready != b->ready, "health.ready");
    note_if(keys, a->start_timeout_ms != b->start_timeout_ms, "health.timeout");
    note_if(keys, is_other_text(a->health_http, b->health_http), "health.http");
    note_if(keys, is_other_text(a->health_call, b->health_call), "health.call");
    note_if(keys, a->health_interval_ms != b->health_interval_ms, "health.interval");
    note_if(keys, a->health_timeout_ms != b->health_timeout_ms, "health.checkTimeout");
    note_if(keys, a->health_failures != b->health_failures, "health.failures");
    note_if(keys, a->restart != b->restart, "restart.when");
    note_if(keys, a_budget->restarts != b_budget->restarts, "restart.max");
    note_if(keys, a_budget->seconds != b_budget->seconds, "restart.within");
    note_if(keys, a->stop_signal != b->stop_signal, "stop.signal");
    note_if(keys, a->grace_ms != b->grace_ms, "stop.grace");
    note_if(keys, a->stall_after_ms != b->stall_after_ms, "stall.after");
    note_if(keys, a->stall != b->stall, "stall.action");
    note_if(keys, a->log_file_len != b->log_file_len, "logs.size");
    note_if(keys, a->log_file_count != b->log_file_count, "logs.files");
}

json_t *cli_plan_compare(const Warren__Agent__Run *a, const Warren__Agent__Run *b) {
    json_t *keys = json_array();
    note_if(keys, is_other_text(a->entry, b->entry), "entry");
    note_if(keys, is_other_list(a->args, a->n_args, b->args, b->n_args), "args");
    note_if(keys, is_other_list(a->exec_argv, a->n_exec_argv, b->exec_argv, b->n_exec_argv),
            "nodeArgs");
    note_if(keys, is_other_text(a->cwd, b->cwd), "cwd");
    note_if(keys, is_other_list(a->preload, a->n_preload, b->preload, b->n_preload), "preload");
    note_env(keys, a, b);
    note_env(keys, b, a);
    note_if(keys, is_other_list(a->secrets, a->n_secrets, b->secrets, b->n_secrets), "secrets");
    note_if(keys, a->memory_max != b->memory_max, "limits.memory");
    note_if(keys, a->cpu_max_percent != b->cpu_max_percent, "limits.cpu");
    note_rules(keys, a, b);
    note_if(keys, is_other_group(a, b), "group");
    return keys;
}

// ---- the steps

static cli_plan_step *add(cli_plan *plan, cli_plan_action action, const char *name) {
    plan->steps = mem_grow(plan->steps, sizeof *plan->steps, plan->count + 1, &plan->cap);
    cli_plan_step *step = &plan->steps[plan->count++];
    *step = (cli_plan_step){.action = action, .name = name};
    return step;
}

static void plan_service(cli_plan *plan, cli_project_service *wanted) {
    const Warren__Agent__Described *now = find(plan, wanted->run.name);
    bool is_there = now != NULL && !now->is_over;
    cli_plan_step *step = add(plan, is_there ? CLI_PLAN_KEEP : CLI_PLAN_START, wanted->run.name);
    step->wanted = wanted;
    step->from = step->to = wanted->run.instances;
    if (!is_there) return;
    step->from = now->instances;
    step->keys = cli_plan_compare(now->run, &wanted->run);
    step->missing = now->missing; // in their order: the last ones may be no longer wanted
    while (step->missing_count < now->n_missing && now->missing[step->missing_count] < step->to)
        step->missing_count++;
    if (is_other_group(now->run, &wanted->run))
        step->action = CLI_PLAN_REPLACE;
    else if (json_array_size(step->keys) > 0)
        step->action = CLI_PLAN_UPDATE;
    else if (step->missing_count > 0)
        step->action = CLI_PLAN_REVIVE;
}

static bool is_wanted(const cli_project *project, const char *name) {
    for (size_t i = 0; project != NULL && i < project->count; i++)
        if (strcmp(project->services[i].run.name, name) == 0) return true;
    return false;
}

// Somebody else's service has a name of ours.
static int judge(const cli_plan *plan, const cli_project *project) {
    for (size_t i = 0; i < project->count; i++) {
        const char *name = project->services[i].run.name;
        const Warren__Agent__Described *now = find(plan, name);
        if (now == NULL || now->is_over || strcmp(now->run->project, plan->project) == 0) continue;
        if (now->run->project[0] != '\0')
            cli_say("%s runs already, for the project %s: give one of the two another name, or "
                    "`warren down %s`",
                    name, now->run->project, now->run->project);
        else
            cli_say("%s runs already, started by hand: `warren stop %s` ends it, then `warren up` "
                    "starts it",
                    name, name);
        return CLI_FAILED;
    }
    return CLI_DONE;
}

int cli_plan_make(cli_plan *out, cli_session *session, const char *name, cli_project *project) {
    *out = (cli_plan){.project = name};
    int exit_code = ask_present(out, session);
    if (exit_code == CLI_DONE && project != NULL) exit_code = judge(out, project);
    if (exit_code != CLI_DONE) return exit_code;
    for (size_t i = out->present_count; i-- > 0;) {
        const Warren__Agent__Described *now = out->present[i];
        if (strcmp(now->run->project, name) == 0 && !is_wanted(project, now->run->name))
            add(out, CLI_PLAN_STOP, now->run->name)->from = now->is_over ? 0 : now->instances;
    }
    for (size_t i = 0; project != NULL && i < project->count; i++)
        plan_service(out, &project->services[i]);
    return CLI_DONE;
}

void cli_plan_deinit(cli_plan *plan) {
    for (size_t i = 0; i < plan->count; i++)
        json_decref(plan->steps[i].keys);
    for (size_t i = 0; i < plan->present_count; i++)
        warren__agent__described__free_unpacked(plan->present[i], NULL);
    free(plan->steps);
    free(plan->present);
}

bool cli_plan_is_empty(const cli_plan *plan) {
    for (size_t i = 0; i < plan->count; i++)
        if (plan->steps[i].action != CLI_PLAN_KEEP || plan->steps[i].from != plan->steps[i].to)
            return false;
    return true;
}

// ---- as people and machines read it

static void print_step(const cli_plan_step *step, int width) {
    static const char marks[] = {
        [CLI_PLAN_KEEP] = '=',    [CLI_PLAN_START] = '+',  [CLI_PLAN_UPDATE] = '~',
        [CLI_PLAN_REPLACE] = '!', [CLI_PLAN_REVIVE] = '~', [CLI_PLAN_STOP] = '-'};
    bool is_scaled = step->wanted != NULL && step->from != step->to;
    const char *between = "";
    size_t i;
    const json_t *key;
    (void)printf("%c %-*s ", step->action == CLI_PLAN_KEEP && is_scaled ? '~' : marks[step->action],
                 width, step->name);
    if (step->action == CLI_PLAN_START && step->wanted != NULL)
        (void)printf(" %u x %s", step->to, step->wanted->run.entry);
    if (step->action == CLI_PLAN_STOP) (void)printf(" is stopped");
    if (step->action == CLI_PLAN_REPLACE) (void)printf(" is stopped and started:");
    if (step->action == CLI_PLAN_KEEP && !is_scaled) (void)printf(" as it is");
    if (is_scaled) {
        (void)printf(" instances %u -> %u", step->from, step->to);
        between = ",";
    }
    json_array_foreach(step->keys, i, key) {
        (void)printf("%s %s", between, json_string_value(key));
        between = ",";
    }
    if (step->action == CLI_PLAN_REVIVE)
        (void)printf("%s %zu %s started again", between, step->missing_count,
                     step->missing_count == 1 ? "instance is" : "instances are");
    (void)printf("\n");
}

static void print_step_json(const cli_plan_step *step) {
    static const char *const names[] = {
        [CLI_PLAN_KEEP] = "keep",       [CLI_PLAN_START] = "start",   [CLI_PLAN_UPDATE] = "update",
        [CLI_PLAN_REPLACE] = "replace", [CLI_PLAN_REVIVE] = "revive", [CLI_PLAN_STOP] = "stop"};
    bool is_scaled = step->wanted != NULL && step->from != step->to;
    const char *action = step->action == CLI_PLAN_KEEP && is_scaled ? "scale" : names[step->action];
    cli_json_print(json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:o}", "type", "planned", "service", step->name, "action",
        action, "from", (json_int_t)(step->action == CLI_PLAN_START ? 0 : step->from), "to",
        (json_int_t)step->to, "keys", step->keys != NULL ? json_incref(step->keys) : json_array()));
}

void cli_plan_print(const cli_plan *plan, bool is_json) {
    int width = 0;
    for (size_t i = 0; i < plan->count; i++)
        if ((int)strlen(plan->steps[i].name) > width) width = (int)strlen(plan->steps[i].name);
    for (size_t i = 0; i < plan->count; i++)
        if (is_json)
            print_step_json(&plan->steps[i]);
        else
            print_step(&plan->steps[i], width);
    (void)fflush(stdout);
}
