// `warren config check|show|import`: what a configuration says, and whether that is possible.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/target.h"
#include "cli/args.h"
#include "cli/config_file.h"
#include "cli/config_print.h"
#include "cli/duration.h"
#include "cli/json.h"
#include "cli/project.h"

enum { OPTION_ENV, OPTION_OUTPUT, OPTION_FORCE, OPTION_TIMEOUT, OPTION_JSON };

static const cli_option options[] = {
    {0, "env", "NAME", "of an ecosystem.config.js: with the variables of env_NAME"},
    {'o', "output", "FILE", "import: what to write (default: warren.config.mjs beside it)"},
    {0, "force", NULL, "import: also when that file is there already"},
    {0, "timeout", "TIME", "how long the file may take (default 30s)"},
    {0, "json", NULL, "as JSON (docs/config.md lists the fields)"},
    {0, NULL, NULL, NULL},
};

typedef enum verb { CHECK, SHOW, IMPORT, VERB_COUNT } verb;
static const char *const verbs[VERB_COUNT] = {"check", "show", "import"};

typedef struct config_command {
    verb verb;
    bool has_verb, is_json, is_forced;
    const char *output;
    cli_config_request request;
} config_command;

static size_t problem_count(const json_t *result) {
    return json_array_size(json_object_get(result, "problems"));
}

static json_t *warnings_of(const json_t *result) {
    json_t *all = json_deep_copy(json_object_get(result, "warnings"));
    json_array_extend(all, json_object_get(result, "planned"));
    return all;
}

// ---- check

// What `up` would say.
static int check(const config_command *command, json_t *result) {
    cli_project_judge(result);
    bool is_good = problem_count(result) == 0;
    const json_t *project = json_object_get(result, "project");
    if (command->is_json) {
        cli_json_print(json_pack("{s:O, s:b, s:O, s:O}", "file", json_object_get(result, "file"),
                                 "ok", is_good, "problems", json_object_get(result, "problems"),
                                 "warnings", json_object_get(result, "warnings")));
        return is_good ? CLI_DONE : CLI_USAGE;
    }
    cli_config_print_problems(stdout, result);
    cli_config_print_warnings(stdout, result);
    if (!is_good) return CLI_USAGE;
    size_t count = json_array_size(json_object_get(project, "services"));
    (void)printf("%s: %zu %s, no problem\n",
                 cli_config_path(json_string_value(json_object_get(result, "file"))), count,
                 count == 1 ? "service" : "services");
    return CLI_DONE;
}

// ---- show

static int show(const config_command *command, const json_t *result) {
    const json_t *project = json_object_get(result, "project");
    cli_config_print_warnings(stderr, result);
    cli_config_print_planned(stderr, result);
    if (command->is_json)
        cli_json_print(json_deep_copy(project));
    else
        cli_config_print_project(project);
    return CLI_DONE;
}

// ---- import

static int write_file(const char *path, const char *text, bool is_forced) {
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (is_forced ? O_TRUNC : O_EXCL);
    int fd = open(path, flags, 0666);
    if (fd < 0 && errno == EEXIST) {
        cli_say("%s is there already: --force writes over it, --output FILE writes another one",
                path);
        return CLI_FAILED;
    }
    size_t len = strlen(text), at = 0;
    while (fd >= 0 && at < len) {
        ssize_t written = write(fd, text + at, len - at);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) break;
        at += (size_t)written;
    }
    int err = at < len ? errno : 0;
    if (fd >= 0 && close(fd) != 0 && err == 0) err = errno;
    if (err == 0) return CLI_DONE;
    cli_say("cannot write %s: %s", path, strerror(err));
    return CLI_FAILED;
}

static int import(const config_command *command, const json_t *result) {
    char path[PATH_MAX];
    const json_t *project = json_object_get(result, "project");
    if (command->output != NULL)
        (void)snprintf(path, sizeof path, "%s", command->output);
    else
        (void)snprintf(path, sizeof path, "%.4000s/warren.config.mjs",
                       json_string_value(json_object_get(project, "dir")));
    int exit_code =
        write_file(path, json_string_value(json_object_get(result, "text")), command->is_forced);
    if (exit_code != CLI_DONE) return exit_code;
    if (command->is_json) {
        cli_json_print(json_pack("{s:o, s:o}", "written", cli_json_string(path), "warnings",
                                 warnings_of(result)));
        return CLI_DONE;
    }
    cli_config_print_warnings(stderr, result);
    cli_config_print_planned(stderr, result);
    (void)printf("wrote %s\n", cli_config_path(path));
    return CLI_DONE;
}

// ---- words

static bool take_verb(config_command *command, const char *word) {
    for (int i = 0; i < VERB_COUNT; i++) {
        if (strcmp(word, verbs[i]) != 0) continue;
        command->verb = (verb)i;
        command->has_verb = true;
        return true;
    }
    const char *nearest = agent_target_nearest(word, verbs, VERB_COUNT);
    cli_say("config can check, show or import, not \"%.40s\"%s%s%s", word,
            nearest != NULL ? ": did you mean " : "", nearest != NULL ? nearest : "",
            nearest != NULL ? "?" : "");
    return false;
}

static bool take(config_command *command, const cli_args *args, int option) {
    switch (option) {
    case OPTION_ENV: command->request.env = args->value; return true;
    case OPTION_OUTPUT: command->output = args->value; return true;
    case OPTION_FORCE: command->is_forced = true; return true;
    case OPTION_JSON: command->is_json = true; return true;
    case OPTION_TIMEOUT:
        return cli_duration_parse("timeout", args->value, CLI_CONFIG_TIMEOUT_MAX_MS,
                                  &command->request.timeout_ms);
    default:
        return command->has_verb ? cli_args_target(args, &command->request.file)
                                 : take_verb(command, args->value);
    }
}

static int carry_out(const config_command *command) {
    json_t *result = cli_config_load(&command->request);
    if (result == NULL) return CLI_USAGE;
    int exit_code = CLI_USAGE;
    if (command->verb == CHECK)
        exit_code = check(command, result);
    else if (problem_count(result) > 0)
        cli_config_print_problems(stderr, result);
    else
        exit_code = command->verb == SHOW ? show(command, result) : import(command, result);
    json_decref(result);
    return exit_code;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_config, .argc = argc, .argv = argv};
    config_command command = {.request = {.timeout_ms = CLI_CONFIG_TIMEOUT_MS}};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (!take(&command, &args, arg)) return CLI_USAGE;
    }
    if (!command.has_verb) {
        cli_say("config what? `warren config check`, `warren config show` or `warren config import "
                "ecosystem.config.js`");
        return CLI_USAGE;
    }
    bool is_for_import = command.output != NULL || command.is_forced;
    if (is_for_import && command.verb != IMPORT) {
        cli_say("--output and --force are for `warren config import`");
        return CLI_USAGE;
    }
    command.request.what = command.verb == IMPORT ? "import" : "show";
    return carry_out(&command);
}

const cli_command cli_config = {
    .name = "config",
    .usage = "check|show|import [FILE] [OPTIONS]",
    .summary = "Checks a warren.config.mjs, shows what it says, or makes one of a file of PM2",
    .example = "  warren config check\n"
               "  warren config show --json\n"
               "  warren config import ecosystem.config.js\n",
    .options = options,
    .run = run,
};
