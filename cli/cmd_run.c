#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/checks.h"
#include "agent/limits.h"
#include "agent/logs.h"
#include "agent/services.h"
#include "agent/stall.h"
#include "agent/supervisor.h"
#include "agent/target.h"
#include "cli/args.h"
#include "cli/duration.h"
#include "cli/ephemeral.h"
#include "cli/foreground.h"
#include "cli/run_words.h"
#include "cli/script.h"
#include "cli/size.h"
#include "core/mem.h"
#include "core/tags.h"

enum {
    GRACE_MS = 5000,
    AGENT_TRIES = 5,
    BUDGET_SECONDS_MAX = 86400,
};

enum {
    OPTION_INSTANCES,
    OPTION_NAME,
    OPTION_DETACH,
    OPTION_RESTART,
    OPTION_GRACE,
    OPTION_STOP_SIGNAL,
    OPTION_MAX_RESTARTS,
    OPTION_GROUP,
    OPTION_STRATEGY,
    OPTION_READY,
    OPTION_START_TIMEOUT,
    OPTION_HEALTH_HTTP,
    OPTION_HEALTH_CALL,
    OPTION_HEALTH_INTERVAL,
    OPTION_STALL,
    OPTION_CWD,
    OPTION_NO_PREFIX,
    OPTION_NODE_ARG,
    OPTION_TAG,
    OPTION_MEMORY,
    OPTION_CPU,
    OPTION_LOG_SIZE,
    OPTION_LOG_FILES,
    OPTION_PRELOAD,
};

static const cli_option options[] = {
    {'i', "instances", "N|max", "how many nodes run it; max: one per processor (default 1)"},
    {0, "name", "NAME", "what to call it (default: after the program)"},
    {'d', "detach", NULL, "leave it running; `warren logs` and `warren stop` know its name"},
    {0, "restart", "WHEN", "on-failure (default), always or never"},
    {0, "grace", "TIME",
     "from the stop signal to SIGKILL (default 5s); a bare number is milliseconds"},
    {0, "stop-signal", "NAME", "what asks it to end (default SIGTERM)"},
    {0, "max-restarts", "N/SECONDS", "after more crashes than that it has failed (default 5/60)"},
    {0, "group", "NAME", "services that are restarted together, in the order in which they joined"},
    {0, "strategy", "WHICH",
     "of them, when one crashes: one_for_one (default), one_for_all, rest_for_one"},
    {0, "ready", "SIGN", "what makes it ready: mesh, listen, message, started, or auto (default)"},
    {0, "start-timeout", "TIME",
     "killed when it is not ready by then, e.g. 90s (default 30s; not with auto)"},
    {0, "health-http", "PATH", "it is well when its own server answers this with 2xx or 3xx"},
    {0, "health-call", "METHOD", "... when this method of its own returns, e.g. api.health"},
    {0, "health-interval", "TIME", "how often it is asked that (default 10s)"},
    {0, "stall", "AFTER[:WHAT]",
     "when its loop has not turned for AFTER, e.g. 10s: stack (default), terminate or kill"},
    {0, "cwd", "DIR", "the directory it runs in (default: this one)"},
    {0, "no-prefix", NULL, "print what the nodes write as it is, without their names"},
    {0, "node-arg", "ARG", "an option for Node.js itself, e.g. --node-arg=--expose-gc"},
    {0, "tag", "KEY=VALUE",
     "what calls can choose it by, e.g. --tag zone=a (more than one: again)"},
    {0, "memory", "SIZE", "how much each instance may use, e.g. 256M (docs/limits-of-nodes.md)"},
    {0, "cpu", "N", "how many processors each instance may use, e.g. 0.5"},
    {0, "log-size", "SIZE", "of one log file: a full one is put aside (default 10M)"},
    {0, "log-files", "N", "how many of them are kept, with the one written to (default 5)"},
    {0, "preload", "MODULE",
     "load it once for all instances, before the program, e.g. --preload express"},
    {0, "json", NULL, "output and events as JSON, one object per line"},
    {0, NULL, NULL, NULL},
};

typedef struct run_request {
    Warren__Agent__Run body;
    Warren__Agent__Budget budget;
    const char *script, *cwd;
    char entry[PATH_MAX], whole_cwd[PATH_MAX];
    cli_foreground_options foreground;
} run_request;

static uint32_t processor_count(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

static bool take_instances(run_request *r, const char *value) {
    char *end;
    unsigned long count = strtoul(value, &end, 10);
    bool is_max = strcmp(value, "max") == 0;
    bool is_number = value[0] >= '0' && value[0] <= '9' && *end == '\0' && count >= 1 &&
                     count <= AGENT_INSTANCES_MAX;
    r->body.instances = is_max ? processor_count() : (uint32_t)count;
    if (is_max || is_number) return true;
    cli_say("--instances is a number from 1 to %d, or max (one per processor), not \"%.40s\"",
            AGENT_INSTANCES_MAX, value);
    return false;
}

static bool take_restart(run_request *r, const char *value) {
    int restart = cli_choice_take(&cli_run_restarts, value);
    if (restart >= 0) r->body.restart = (Warren__Agent__Run__Restart)restart;
    return restart >= 0;
}

static bool take_ready(run_request *r, const char *value) {
    int ready = cli_choice_take(&cli_run_readies, value);
    if (ready >= 0) r->body.ready = (Warren__Agent__Run__Ready)ready;
    return ready >= 0;
}

static bool take_start_timeout(run_request *r, const char *value) {
    uint64_t ms;
    if (!cli_duration_parse("start-timeout", value, AGENT_GRACE_MAX_MS, &ms)) return false;
    if (ms == 0) {
        cli_say("--start-timeout must be longer than nothing");
        return false;
    }
    r->body.start_timeout_ms = (uint32_t)ms;
    return true;
}

// "10s", "10s:kill"
static bool take_stall(run_request *r, const char *value) {
    char after[32];
    uint64_t ms;
    size_t len = strcspn(value, ":");
    (void)snprintf(after, sizeof after, "%.*s", len < sizeof after ? (int)len : 31, value);
    if (!cli_duration_read(after, AGENT_STALL_AFTER_MAX_MS, &ms) || ms < AGENT_STALL_AFTER_MIN_MS) {
        cli_say("--stall is a time like 10s or 2m, from 1s to 1h, not \"%.40s\"", after);
        return false;
    }
    int what = value[len] == ':' ? cli_choice_take(&cli_run_stalls, value + len + 1) : 0;
    if (what < 0) return false;
    r->body.stall_after_ms = (uint32_t)ms;
    r->body.stall = (Warren__Agent__Run__Stall)what;
    return true;
}

static bool take_health_interval(run_request *r, const char *value) {
    uint64_t ms;
    if (!cli_duration_parse("health-interval", value, AGENT_HEALTH_MS_MAX, &ms)) return false;
    r->body.health_interval_ms = (uint32_t)ms;
    if (ms >= AGENT_HEALTH_INTERVAL_MIN_MS) return true;
    cli_say("--health-interval is at least %d ms", AGENT_HEALTH_INTERVAL_MIN_MS);
    return false;
}

static bool take_strategy(run_request *r, const char *value) {
    int strategy = cli_choice_take(&cli_run_strategies, value);
    if (strategy >= 0) r->body.strategy = (Warren__Agent__Run__Strategy)(strategy + 1); // after ANY
    return strategy >= 0;
}

static bool take_stop_signal(run_request *r, const char *value) {
    r->body.stop_signal = (uint32_t)cli_run_signal(value);
    if (r->body.stop_signal != 0 && r->body.stop_signal != SIGSTOP) return true;
    cli_say("--stop-signal is a signal that ends a process, like SIGTERM, SIGINT or SIGUSR2, not "
            "\"%.40s\"",
            value);
    return false;
}

// "5/60"
static bool take_budget(run_request *r, const char *value) {
    unsigned count, seconds;
    int len = 0;
    bool is_pair = value[0] >= '0' && value[0] <= '9' &&
                   sscanf(value, "%4u/%5u%n", &count, &seconds, &len) == 2 && value[len] == '\0';
    if (!is_pair || count > AGENT_RESTARTS_MAX || seconds == 0 || seconds > BUDGET_SECONDS_MAX) {
        cli_say(
            "--max-restarts is RESTARTS/SECONDS, like 5/60: at most %d within at most a day, not "
            "\"%.40s\"",
            AGENT_RESTARTS_MAX, value);
        return false;
    }
    warren__agent__budget__init(&r->budget);
    r->budget.restarts = count;
    r->budget.seconds = seconds;
    r->body.budget = &r->budget;
    return true;
}

static bool take_group(run_request *r, const char *value) {
    r->body.group = (char *)(uintptr_t)value;
    if (agent_target_check_name(value) == 0) return true;
    cli_say("\"%.80s\" cannot be the name of a group: it begins with a letter or digit, has up to "
            "%d letters, digits, - and _, and is not \"all\"",
            value, AGENT_NAME_LEN_MAX);
    return false;
}

static bool take_name(run_request *r, const char *value) {
    r->body.name = (char *)(uintptr_t)value;
    if (agent_target_check_name(value) == 0) return true;
    cli_say("\"%.80s\" cannot be a name: it begins with a letter or digit, has up to %d letters, "
            "digits, - and _, and is not \"all\"",
            value, AGENT_NAME_LEN_MAX);
    return false;
}

// The nodes read them in their environment, as processes do that are not launched by an agent.
static bool take_tag(const char *value) {
    const char *others = getenv("WARREN_TAGS");
    char tags[MESH_TAGS_LEN_MAX + 1] = "";
    size_t len;
    if (value[0] != '\0' && strchr(value, ',') == NULL &&
        mesh_tags_is_valid(mesh_bytes_text(value)) &&
        mesh_tags_merge(mesh_bytes_text(value), mesh_bytes_text(others != NULL ? others : ""),
                        (uint8_t *)tags, &len) == 0) {
        tags[len] = '\0';
        return setenv("WARREN_TAGS", tags, 1) == 0;
    }
    cli_say("\"%.80s\" cannot be a tag: it is KEY=VALUE without blanks and commas, and all tags "
            "have at most %d bytes",
            value, MESH_TAGS_LEN_MAX);
    return false;
}

// "0.5": in hundredths of a processor.
static bool take_cpu(run_request *r, const char *value) {
    double count;
    int len = 0;
    bool is_number = value[0] >= '0' && value[0] <= '9' &&
                     sscanf(value, "%8lf%n", &count, &len) == 1 && value[len] == '\0';
    if (is_number && count >= 0.01 && count * 100 <= AGENT_CPU_PERCENT_MAX) {
        r->body.cpu_max_percent = (uint32_t)(count * 100 + 0.5);
        return true;
    }
    cli_say("--cpu is a number of processors like 0.5 or 2, from 0.01 to %d, not \"%.40s\"",
            AGENT_CPU_PERCENT_MAX / 100, value);
    return false;
}

static bool take_log_size(run_request *r, const char *value) {
    uint64_t len;
    if (!cli_size_parse("log-size", value, AGENT_LOG_LEN_MIN, AGENT_LOG_LEN_MAX, &len))
        return false;
    r->body.log_file_len = (uint32_t)len;
    return true;
}

// Also a number of milliseconds, as it was at first.
static bool take_grace(run_request *r, const cli_args *args) {
    uint64_t ms;
    if (args->value[strspn(args->value, "0123456789")] == '\0')
        return cli_args_number(args, "grace", 0, AGENT_GRACE_MAX_MS, &r->body.grace_ms);
    if (!cli_duration_parse("grace", args->value, AGENT_GRACE_MAX_MS, &ms)) return false;
    r->body.grace_ms = (uint32_t)ms;
    return true;
}

static bool take_preload(run_request *r, const char *value) {
    if (value[0] == '\0' || strchr(value, '\n') != NULL) {
        cli_say("--preload wants the name of a module or its path: --preload express, --preload "
                "./lib.js");
        return false;
    }
    r->body.preload[r->body.n_preload++] = (char *)(uintptr_t)value;
    return true;
}

// False: a sentence was printed.
static bool take_option(run_request *r, const cli_args *args, int option) {
    switch (option) {
    case OPTION_INSTANCES: return take_instances(r, args->value);
    case OPTION_NAME: return take_name(r, args->value);
    case OPTION_DETACH: r->body.detach = true; return true;
    case OPTION_RESTART: return take_restart(r, args->value);
    case OPTION_GRACE: return take_grace(r, args);
    case OPTION_STOP_SIGNAL: return take_stop_signal(r, args->value);
    case OPTION_MAX_RESTARTS: return take_budget(r, args->value);
    case OPTION_GROUP: return take_group(r, args->value);
    case OPTION_STRATEGY: return take_strategy(r, args->value);
    case OPTION_READY: return take_ready(r, args->value);
    case OPTION_START_TIMEOUT: return take_start_timeout(r, args->value);
    case OPTION_HEALTH_HTTP: r->body.health_http = (char *)(uintptr_t)args->value; return true;
    case OPTION_HEALTH_CALL: r->body.health_call = (char *)(uintptr_t)args->value; return true;
    case OPTION_HEALTH_INTERVAL: return take_health_interval(r, args->value);
    case OPTION_STALL: return take_stall(r, args->value);
    case OPTION_CWD: r->cwd = args->value; return true;
    case OPTION_NO_PREFIX: r->foreground.has_prefix = false; return true;
    case OPTION_NODE_ARG:
        r->body.exec_argv[r->body.n_exec_argv++] = (char *)(uintptr_t)args->value;
        return true;
    case OPTION_TAG: return take_tag(args->value);
    case OPTION_MEMORY:
        return cli_size_parse("memory", args->value, AGENT_MEMORY_MIN, AGENT_MEMORY_MAX,
                              &r->body.memory_max);
    case OPTION_CPU: return take_cpu(r, args->value);
    case OPTION_LOG_SIZE: return take_log_size(r, args->value);
    case OPTION_LOG_FILES:
        return cli_args_number(args, "log-files", 1, AGENT_LOG_FILES_MAX, &r->body.log_file_count);
    case OPTION_PRELOAD: return take_preload(r, args->value);
    default: r->foreground.is_json = true; return true;
    }
}

static int take_words(run_request *r, int argc, char **argv) {
    cli_args args = {.command = &cli_run, .argc = argc, .argv = argv};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) {
            if (r->script != NULL && !args.wants_help_only)
                cli_say("(the program's own options go after --: warren run %s -- ...)", r->script);
            return cli_args_exit_code(&args);
        }
        if (arg != CLI_ARG_WORD) {
            if (!take_option(r, &args, arg)) return CLI_USAGE;
        } else if (r->script == NULL) {
            r->script = args.value;
        } else {
            r->body.args[r->body.n_args++] = (char *)(uintptr_t)args.value;
        }
    }
    if (r->script != NULL) return CLI_DONE;
    cli_say("run what? `warren run app.js`");
    return CLI_USAGE;
}

static int judge(run_request *r) {
    char text[CLI_SCRIPT_TEXT_MAX];
    bool has_sign = r->body.ready != WARREN__AGENT__RUN__READY__AUTO &&
                    r->body.ready != WARREN__AGENT__RUN__READY__STARTED;
    if (r->body.strategy != WARREN__AGENT__RUN__STRATEGY__ANY && r->body.group[0] == '\0') {
        cli_say("--strategy is a group's: say which one by --group NAME");
        return CLI_USAGE;
    }
    if (agent_checks_judge(&r->body) != NULL) {
        cli_say("%s", agent_checks_judge(&r->body));
        return CLI_USAGE;
    }
    bool is_checked = agent_checks_are_wanted(&r->body);
    if (r->body.health_interval_ms != 0 && !is_checked) {
        cli_say("--health-interval is about checks: say which one by --health-http or "
                "--health-call");
        return CLI_USAGE;
    }
    if (r->body.start_timeout_ms != 0 && !has_sign && !is_checked) {
        cli_say("--start-timeout waits for a sign of the program: say which one by --ready mesh, "
                "--ready listen or --ready message, or by --health-http or --health-call");
        return CLI_USAGE;
    }
    if (cli_script_find(r->script, r->entry, text) != 0) {
        cli_say("%s", text);
        return CLI_USAGE;
    }
    r->body.entry = r->entry;
    if (realpath(r->cwd != NULL ? r->cwd : ".", r->whole_cwd) == NULL) {
        cli_say("cannot run in %.200s: %s", r->cwd != NULL ? r->cwd : "this directory",
                strerror(errno));
        return CLI_USAGE;
    }
    r->body.cwd = r->whole_cwd;
    if (access(r->whole_cwd, X_OK) != 0) {
        cli_say("cannot run in %.200s: %s", r->whole_cwd, strerror(errno));
        return CLI_USAGE;
    }
    r->body.env = environ;
    while (environ[r->body.n_env] != NULL)
        r->body.n_env++;
    if (cli_run_fits(&r->body)) return CLI_DONE;
    cli_say("arguments and environment are too long: %zu KiB and %zu words, where %d KiB and %d "
            "words of each fit",
            warren__agent__run__get_packed_size(&r->body) >> 10, r->body.n_env + r->body.n_args,
            AGENT_RUN_LEN_MAX >> 10, AGENT_RUN_WORDS_MAX);
    return CLI_USAGE;
}

static int run_on_agent(run_request *r) {
    for (int i = 0; i < AGENT_TRIES; i++) {
        int exit_code = cli_ephemeral_ensure();
        if (exit_code != 0) return exit_code;
        exit_code = cli_foreground_run(&r->body, &r->foreground);
        if (exit_code != CLI_FOREGROUND_AGAIN) return exit_code;
    }
    cli_say("the agent ends before it answers (agent.log in its directory may say why)");
    return CLI_NO_AGENT;
}

static int run(int argc, char **argv) {
    static run_request r; // large
    r.body = (Warren__Agent__Run)WARREN__AGENT__RUN__INIT;
    r.body.instances = 1;
    r.body.grace_ms = GRACE_MS;
    r.foreground.has_prefix = true;
    r.body.args = mem_alloc((size_t)argc * sizeof(char *));
    r.body.exec_argv = mem_alloc((size_t)argc * sizeof(char *));
    r.body.preload = mem_alloc((size_t)argc * sizeof(char *));
    int exit_code = take_words(&r, argc, argv);
    if (exit_code == CLI_DONE && r.body.entry[0] == '\0' && r.script != NULL) {
        exit_code = judge(&r);
        if (exit_code == CLI_DONE) exit_code = run_on_agent(&r);
    }
    free(r.body.args);
    free(r.body.exec_argv);
    free(r.body.preload);
    return exit_code;
}

const cli_command cli_run = {
    .name = "run",
    .usage = "SCRIPT [-i N] [OPTIONS] [ARGS...] [-- ARGS...]",
    .summary = "Runs a program as one or more nodes, with its own agent if none is there",
    .example = "  warren run app.js -i 4 -- --port 8080\n"
               "  warren run -d app.js --name shop && warren logs -f shop\n",
    .options = options,
    .run = run,
};
