// What a service is asked to run as: whether that is possible, and which group it joins.
#include <limits.h>
#include <signal.h>
#include <stdio.h>

#include "agent/service.h"
#include "agent/target.h"
#include "core/error.h"

enum { BUDGET_SECONDS_MAX = 86400 };

static const char *const strategy_names[] = {"one_for_one", "one_for_one", "one_for_all",
                                             "rest_for_one"}; // as in agent.proto

static bool is_budget(const Warren__Agent__Budget *budget) {
    return budget->restarts <= AGENT_RESTARTS_MAX && budget->seconds > 0 &&
           budget->seconds <= BUDGET_SECONDS_MAX;
}

// A service that is in its group already.
static const agent_service *find_peer(const agent_services *s, const Warren__Agent__Run *run) {
    if (run->group[0] == '\0') return NULL;
    for (const agent_service *service = s->first; service != NULL; service = service->next)
        if (service->program->run != run && strcmp(service->program->run->group, run->group) == 0)
            return service;
    return NULL;
}

static agent_strategy strategy_of(Warren__Agent__Run__Strategy strategy) {
    switch (strategy) {
    case WARREN__AGENT__RUN__STRATEGY__ONE_FOR_ALL: return AGENT_ONE_FOR_ALL;
    case WARREN__AGENT__RUN__STRATEGY__REST_FOR_ONE: return AGENT_REST_FOR_ONE;
    default: return AGENT_ONE_FOR_ONE;
    }
}

agent_strategy agent_run_strategy(const agent_services *s, Warren__Agent__Run *run) {
    const agent_service *peer = find_peer(s, run);
    if (run->strategy == WARREN__AGENT__RUN__STRATEGY__ANY && peer != NULL)
        run->strategy = peer->program->run->strategy;
    return strategy_of(run->strategy);
}

uint32_t agent_run_group(agent_services *s, const Warren__Agent__Run *run) {
    const agent_service *peer = find_peer(s, run);
    if (run->group[0] == '\0') return 0;
    return peer != NULL ? peer->group_id : ++s->next_group_id;
}

// One that keeps it from joining: a group has one strategy.
static const agent_service *find_other_strategy(const agent_services *s,
                                                const Warren__Agent__Run *run) {
    const agent_service *peer = find_peer(s, run);
    bool is_other = peer != NULL && run->strategy != WARREN__AGENT__RUN__STRATEGY__ANY &&
                    strategy_of(peer->program->run->strategy) != strategy_of(run->strategy);
    return is_other ? peer : NULL;
}

static bool are_names(char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (names[i][0] == '\0' || strchr(names[i], '\n') != NULL) return false;
    return true;
}

static bool is_path(const char *text) {
    return text[0] == '/' && strlen(text) < PATH_MAX;
}

static bool fits(const Warren__Agent__Run *run) {
    return warren__agent__run__get_packed_size(run) <= AGENT_RUN_LEN_MAX &&
           run->n_env <= AGENT_RUN_WORDS_MAX && run->n_args <= AGENT_RUN_WORDS_MAX;
}

static bool is_stall_policy(const Warren__Agent__Run *run) {
    uint32_t after_ms = run->stall_after_ms;
    return run->stall <= WARREN__AGENT__RUN__STALL__KILL && after_ms <= AGENT_STALL_AFTER_MAX_MS &&
           (after_ms == 0 || after_ms >= AGENT_STALL_AFTER_MIN_MS);
}

static int judge_limits(const Warren__Agent__Run *run, agent_refusal *refusal) {
    if ((run->memory_max != 0 && run->memory_max < AGENT_MEMORY_MIN) ||
        run->memory_max > AGENT_MEMORY_MAX || run->cpu_max_percent > AGENT_CPU_PERCENT_MAX)
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "a limit of memory is at least 32 MiB, one of processors at most %d",
                       AGENT_CPU_PERCENT_MAX / 100);
    else if ((run->log_file_len != 0 && run->log_file_len < AGENT_LOG_LEN_MIN) ||
             run->log_file_len > AGENT_LOG_LEN_MAX || run->log_file_count > AGENT_LOG_FILES_MAX)
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "a log file has %d KiB to %d MiB, and there are at most %d of them",
                       AGENT_LOG_LEN_MIN >> 10, AGENT_LOG_LEN_MAX >> 20, AGENT_LOG_FILES_MAX);
    else
        return 0;
    return agent_refuse(refusal, 2, MESH_EINVAL);
}

int agent_run_judge_secrets(const agent_services *s, const Warren__Agent__Run *run,
                            agent_refusal *refusal) {
    const agent_secrets *secrets = s->options.secrets;
    for (size_t i = 0; i < run->n_secrets; i++) {
        const char *name = run->secrets[i], *trouble = agent_secrets_trouble(secrets);
        if (agent_secrets_find(secrets, name) != NULL) continue;
        char missing[AGENT_SECRETS_TEXT_MAX];
        agent_secrets_missing(secrets, name, missing);
        if (trouble[0] != '\0')
            (void)snprintf(refusal->text, sizeof refusal->text, "%.400s", trouble);
        else
            (void)snprintf(refusal->text, sizeof refusal->text,
                           "%.64s needs the secret %.64s, %.300s", run->name, name, missing);
        return agent_refuse(refusal, 1, MESH_ENOTFOUND);
    }
    return 0;
}

int agent_run_judge(const agent_services *s, const Warren__Agent__Run *run,
                    agent_refusal *refusal) {
    if (s->is_closed) {
        (void)snprintf(refusal->text, sizeof refusal->text, "the agent is stopping");
        return agent_refuse(refusal, 4, MESH_ECLOSED);
    }
    if (run->instances == 0 || run->instances > AGENT_INSTANCES_MAX)
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "cannot run %u instances: 1 to %d are possible", run->instances,
                       AGENT_INSTANCES_MAX);
    else if (!fits(run))
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "arguments and environment are too long: %d KiB and %d words of each fit",
                       AGENT_RUN_LEN_MAX >> 10, AGENT_RUN_WORDS_MAX);
    else if (!is_path(run->entry) || !is_path(run->cwd))
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "the program and its directory must be absolute paths");
    else if (run->grace_ms > AGENT_GRACE_MAX_MS)
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "a grace time of %u ms is too long: an hour is the most", run->grace_ms);
    else if (!are_names(run->preload, run->n_preload))
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "a module to preload has a name of one line");
    else if (run->restart > WARREN__AGENT__RUN__RESTART__NEVER)
        (void)snprintf(refusal->text, sizeof refusal->text, "there is no such restart policy");
    else if (run->ready > WARREN__AGENT__RUN__READY__STARTED)
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "what makes it ready is not known to this agent (is it older than the "
                       "command line?)");
    else if (run->stop_signal >= NSIG || run->stop_signal == SIGSTOP)
        (void)snprintf(refusal->text, sizeof refusal->text, "signal %u ends no process",
                       run->stop_signal);
    else if (run->budget != NULL && !is_budget(run->budget))
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "%u restarts within %u s are no budget: up to %d within a day are possible",
                       run->budget->restarts, run->budget->seconds, AGENT_RESTARTS_MAX);
    else if (run->group[0] != '\0' && agent_target_check_name(run->group) != 0)
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "\"%.80s\" cannot be the name of a group: up to %d letters, digits, - and _ "
                       "are, and \"all\" is not",
                       run->group, AGENT_NAME_LEN_MAX);
    else if (run->project[0] != '\0' && agent_target_check_name(run->project) != 0)
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "\"%.80s\" cannot be the name of a project", run->project);
    else if (run->strategy > WARREN__AGENT__RUN__STRATEGY__REST_FOR_ONE)
        (void)snprintf(refusal->text, sizeof refusal->text, "there is no such strategy");
    else if (find_other_strategy(s, run) != NULL)
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "the group %.64s is %s already, because of %s", run->group,
                       strategy_names[find_other_strategy(s, run)->program->run->strategy],
                       find_other_strategy(s, run)->name);
    else if (!is_stall_policy(run))
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "what happens to one that stalls is not known to this agent, or not after "
                       "a second to an hour");
    else if (agent_checks_judge(run) != NULL)
        (void)snprintf(refusal->text, sizeof refusal->text, "%s", agent_checks_judge(run));
    else if (run->start_timeout_ms > AGENT_GRACE_MAX_MS)
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "a start time-out of %u ms is too long: an hour is the most",
                       run->start_timeout_ms);
    else if (run->name[0] != '\0' && agent_target_check_name(run->name) != 0)
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "\"%.80s\" cannot be a name: up to %d letters, digits, - and _ are, and "
                       "\"all\" is not",
                       run->name, AGENT_NAME_LEN_MAX);
    else
        return judge_limits(run, refusal);
    return agent_refuse(refusal, 2, MESH_EINVAL);
}
