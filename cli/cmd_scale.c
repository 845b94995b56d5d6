#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/supervisor.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/deploy_follow.h"
#include "cli/deployed.h"
#include "cli/duration.h"
#include "cli/json.h"
#include "core/mem.h"

enum { OPTION_DRAIN, OPTION_NO_WAIT, OPTION_JSON };

static const cli_option options[] = {
    {0, "drain", "TIME", "for those that go to finish what they have: 30s, 500ms (default 10s)"},
    {0, "no-wait", NULL, "do not wait until new instances are ready and others have ended"},
    {0, "json", NULL, "as JSON: {\"service\": NAME, \"instances\": N} for each"},
    {0, NULL, NULL, NULL},
};

typedef struct scale_command {
    Warren__Agent__Scale *scales; // their targets are ours
    size_t count;
    bool is_json, waits;
    uint64_t drain_ms;
} scale_command;

// "api=4", "api=+2", "api=-1"
static bool take_word(scale_command *command, const char *word) {
    const char *equals = strrchr(word, '=');
    char *end = NULL;
    long count = equals != NULL ? strtol(equals + 1, &end, 10) : 0;
    bool is_number = end != NULL && end != equals + 1 && *end == '\0' &&
                     strchr("+-0123456789", equals[1]) != NULL;
    if (!is_number || equals == word || count < -AGENT_INSTANCES_MAX ||
        count > AGENT_INSTANCES_MAX) {
        cli_say("scale wants a service and its number of instances, like api=4, api=+2 or api=-1, "
                "up to %d, not \"%.80s\"",
                AGENT_INSTANCES_MAX, word);
        return false;
    }
    size_t len = (size_t)(equals - word);
    for (size_t i = 0; i < command->count; i++) {
        const char *other = command->scales[i].target;
        if (strlen(other) != len || memcmp(other, word, len) != 0) continue;
        cli_say("%s is named twice: how many instances is it to have?", other);
        return false;
    }
    Warren__Agent__Scale *scale = &command->scales[command->count++];
    warren__agent__scale__init(scale);
    scale->target = mem_copy(word, len + 1);
    scale->target[len] = '\0';
    scale->count = (int32_t)count;
    scale->is_relative = equals[1] == '+' || equals[1] == '-';
    return true;
}

static bool on_done(const Warren__Agent__Reply *reply, void *user) {
    const scale_command *command = user;
    if (reply->kind_case == WARREN__AGENT__REPLY__KIND_EVENT && !command->is_json &&
        reply->event->text[0] != '\0')
        cli_say("%s", reply->event->text);
    return false;
}

typedef struct counting {
    const char *name;
    uint32_t instances;
} counting;

static bool on_described(const Warren__Agent__Reply *reply, void *user) {
    counting *c = user;
    if (reply->kind_case == WARREN__AGENT__REPLY__KIND_DESCRIBED &&
        strcmp(reply->described->run->name, c->name) == 0)
        c->instances = reply->described->instances;
    return false;
}

static int tell(cli_session *session, const scale_command *command, const char *name) {
    Warren__Agent__Describe body = WARREN__AGENT__DESCRIBE__INIT;
    counting c = {.name = name};
    CLI_REQUEST(request, DESCRIBE, describe, &body);
    int exit_code = cli_session_ask(session, &request, on_described, &c);
    if (exit_code != CLI_DONE) return exit_code;
    if (command->is_json)
        cli_json_print(json_pack("{s:o, s:I}", "service", cli_json_string(name), "instances",
                                 (json_int_t)c.instances));
    else
        (void)printf("%s has %u %s\n", name, c.instances,
                     c.instances == 1 ? "instance" : "instances");
    return CLI_DONE;
}

// A service that was deployed has so many on all hosts together. It is taken out of the list.
static int scale_deployed(scale_command *command, size_t i, char *project) {
    Warren__Agent__Scale *scale = &command->scales[i];
    Warren__Agent__ChangeProject body = WARREN__AGENT__CHANGE_PROJECT__INIT;
    body.project = project;
    body.what = WARREN__AGENT__CHANGE_PROJECT__WHAT__SCALE;
    body.service = scale->target;
    body.count = scale->count;
    body.is_relative = scale->is_relative;
    int exit_code = cli_deploy_change_it(
        &(cli_deploy_change){.body = &body, .is_json = command->is_json, .waits = command->waits});
    if (exit_code == CLI_DONE && command->waits)
        exit_code = cli_deploy_await_gone(&scale->target, 1);
    free(scale->target);
    command->count--;
    memmove(scale, scale + 1, (command->count - i) * sizeof *scale);
    return exit_code;
}

static int scale_what_is_deployed(cli_session *session, scale_command *command) {
    static const char *const prefixes[] = {"project/", "state/", "release/", NULL};
    cli_deployed deployed = {0};
    int exit_code = cli_deployed_read(session, prefixes, true, &deployed);
    for (size_t i = 0; i < command->count && exit_code == CLI_DONE;) {
        char *project = cli_deployed_project_of(&deployed, command->scales[i].target);
        if (project != NULL)
            exit_code = scale_deployed(command, i, project);
        else
            i++;
        free(project);
    }
    cli_deployed_deinit(&deployed);
    return exit_code;
}

static int scale_all(cli_session *session, scale_command *command) {
    int exit_code = scale_what_is_deployed(session, command);
    for (size_t i = 0; i < command->count && exit_code == CLI_DONE; i++) {
        command->scales[i].drain_ms = (uint32_t)command->drain_ms;
        CLI_REQUEST(request, SCALE, scale, &command->scales[i]);
        exit_code = cli_session_ask(session, &request, on_done, command);
    }
    for (size_t i = 0; i < command->count && command->waits && exit_code == CLI_DONE; i++) {
        Warren__Agent__Await body = WARREN__AGENT__AWAIT__INIT;
        body.target = command->scales[i].target;
        CLI_REQUEST(request, AWAIT, await, &body);
        exit_code = cli_session_ask(session, &request, on_done, command);
    }
    for (size_t i = 0; i < command->count && exit_code == CLI_DONE; i++)
        exit_code = tell(session, command, command->scales[i].target);
    return exit_code;
}

static int scale(scale_command *command) {
    cli_session *session;
    int err = cli_session_open(&session);
    if (err != 0) return cli_client_explain(err);
    int exit_code = scale_all(session, command);
    cli_session_close(session);
    return exit_code;
}

static bool take(scale_command *command, const cli_args *args, int option) {
    switch (option) {
    case CLI_ARG_WORD: return take_word(command, args->value);
    case OPTION_DRAIN:
        if (!cli_duration_parse("drain", args->value, AGENT_DRAIN_MAX_MS, &command->drain_ms))
            return false;
        if (command->drain_ms == 0) command->drain_ms = 1; // 0 stands for the default
        return true;
    case OPTION_NO_WAIT: command->waits = false; return true;
    default: command->is_json = true; return true;
    }
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_scale, .argc = argc, .argv = argv};
    scale_command command = {.waits = true};
    int exit_code = CLI_DONE;
    command.scales = mem_alloc(((size_t)argc + 1) * sizeof *command.scales);
    for (int arg; exit_code == CLI_DONE && (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD)
            exit_code = cli_args_exit_code(&args);
        else if (!take(&command, &args, arg))
            exit_code = CLI_USAGE;
    }
    if (exit_code == CLI_DONE && !args.wants_help_only && command.count == 0) {
        cli_say("scale what? `warren scale api=4`, `warren scale api=+2`");
        exit_code = CLI_USAGE;
    }
    if (exit_code == CLI_DONE && command.count > 0) exit_code = scale(&command);
    for (size_t i = 0; i < command.count; i++)
        free(command.scales[i].target);
    free(command.scales);
    return exit_code;
}

const cli_command cli_scale = {
    .name = "scale",
    .usage = "SERVICE=N|+N|-N... [--drain TIME] [--no-wait] [--json]",
    .summary = "Gives a service more or fewer instances, and waits until it has them",
    .example = "  warren scale api=4\n"
               "  warren scale api=+2 worker=-1\n",
    .options = options,
    .run = run,
};
