#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/supervisor.h"
#include "agent/target.h"
#include "cli/args.h"
#include "cli/ephemeral.h"
#include "cli/foreground.h"
#include "cli/script.h"
#include "core/mem.h"
#include "core/tags.h"

enum {
    GRACE_MS = 5000,
    RUN_LEN_MAX = 120 << 10, // of what travels to the agent and on to the zygote
    WORDS_MAX = 4096,
    AGENT_TRIES = 5,
};

enum {
    OPTION_INSTANCES,
    OPTION_NAME,
    OPTION_DETACH,
    OPTION_RESTART,
    OPTION_GRACE,
    OPTION_CWD,
    OPTION_NO_PREFIX,
    OPTION_NODE_ARG,
    OPTION_TAG,
};

static const cli_option options[] = {
    {'i', "instances", "N|max", "how many nodes run it; max: one per processor (default 1)"},
    {0, "name", "NAME", "what to call it (default: after the program)"},
    {'d', "detach", NULL, "leave it running; `warren logs` and `warren stop` know its name"},
    {0, "restart", "WHEN", "on-failure (default), always or never"},
    {0, "grace", "MS", "from SIGTERM to SIGKILL (default 5000)"},
    {0, "cwd", "DIR", "the directory it runs in (default: this one)"},
    {0, "no-prefix", NULL, "print what the nodes write as it is, without their names"},
    {0, "node-arg", "ARG", "an option for Node.js itself, e.g. --node-arg=--expose-gc"},
    {0, "tag", "KEY=VALUE",
     "what calls can choose it by, e.g. --tag zone=a (more than one: again)"},
    {0, "json", NULL, "output and events as JSON, one object per line"},
    {0, NULL, NULL, NULL},
};

typedef struct run_request {
    Warren__Agent__Run body;
    const char *script, *cwd;
    char entry[PATH_MAX], whole_cwd[PATH_MAX];
    cli_foreground_options foreground;
} run_request;

static uint32_t processor_count(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

static bool take_restart(run_request *r, const char *value) {
    static const char *const names[] = {"on-failure", "always", "never"}; // as in agent.proto
    for (int i = 0; i < 3; i++) {
        if (strcmp(names[i], value) != 0) continue;
        r->body.restart = (Warren__Agent__Run__Restart)i;
        return true;
    }
    const char *nearest = agent_target_nearest(value, names, 3);
    cli_say("--restart is on-failure, always or never, not \"%.40s\"%s%s%s", value,
            nearest != NULL ? ": did you mean " : "", nearest != NULL ? nearest : "",
            nearest != NULL ? "?" : "");
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

// False: a sentence was printed.
static bool take_option(run_request *r, const cli_args *args, int option) {
    switch (option) {
    case OPTION_INSTANCES:
        if (strcmp(args->value, "max") != 0)
            return cli_args_number(args, "instances", 1, AGENT_INSTANCES_MAX, &r->body.instances);
        r->body.instances = processor_count();
        return true;
    case OPTION_NAME: return take_name(r, args->value);
    case OPTION_DETACH: r->body.detach = true; return true;
    case OPTION_RESTART: return take_restart(r, args->value);
    case OPTION_GRACE:
        return cli_args_number(args, "grace", 0, AGENT_GRACE_MAX_MS, &r->body.grace_ms);
    case OPTION_CWD: r->cwd = args->value; return true;
    case OPTION_NO_PREFIX: r->foreground.has_prefix = false; return true;
    case OPTION_NODE_ARG:
        r->body.exec_argv[r->body.n_exec_argv++] = (char *)(uintptr_t)args->value;
        return true;
    case OPTION_TAG: return take_tag(args->value);
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
    size_t len = warren__agent__run__get_packed_size(&r->body);
    if (len <= RUN_LEN_MAX && r->body.n_env <= WORDS_MAX && r->body.n_args <= WORDS_MAX)
        return CLI_DONE;
    cli_say("arguments and environment are too long: %zu KiB and %zu words, where %d KiB and %d "
            "words of each fit",
            len >> 10, r->body.n_env + r->body.n_args, RUN_LEN_MAX >> 10, WORDS_MAX);
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
    int exit_code = take_words(&r, argc, argv);
    if (exit_code == CLI_DONE && r.body.entry[0] == '\0' && r.script != NULL) {
        exit_code = judge(&r);
        if (exit_code == CLI_DONE) exit_code = run_on_agent(&r);
    }
    free(r.body.args);
    free(r.body.exec_argv);
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
