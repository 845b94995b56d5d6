#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/deploy_check.h"
#include "cli/deploy_follow.h"
#include "cli/deploy_plan.h"
#include "cli/duration.h"
#include "cli/json.h"
#include "cli/ship.h"
#include "cli/size.h"
#include "core/mem.h"
#include "io/wall.h"

enum { SPEC_LEN_MAX = 60 << 10, TIMEOUT_MAX_MS = 86400000, CANARIES_MAX = 1000 };
enum {
    OPTION_FILE,
    OPTION_NO_WAIT,
    OPTION_DRY_RUN,
    OPTION_NOTE,
    OPTION_CANARY,
    OPTION_NPM_CI,
    OPTION_ENV,
    OPTION_TIMEOUT,
    OPTION_JSON
};

static const cli_option options[] = {
    {'f', "file", "FILE", "the configuration, when it is not in DIR under its usual name"},
    {'d', "no-wait", NULL, "end when all hosts know of it; `warren status -f` shows the rest"},
    {'n', "dry-run", NULL, "show what would be done, and do nothing"},
    {0, "note", "TEXT", "what `warren releases` shows beside it"},
    {0, "canary", "N", "first N instances of each service; the others when they are promoted"},
    {0, "npm-ci", NULL, "leave node_modules here; hosts run `npm ci --omit=dev` instead"},
    {0, "env", "NAME", "of an ecosystem.config.js: with the variables of env_NAME"},
    {0, "timeout", "TIME", "wait so long at most; it goes on, and the exit code is 124"},
    {0, "json", NULL, "each step as JSON, one object per line (docs/deploy.md lists the fields)"},
    {0, NULL, NULL, NULL},
};

typedef struct deploy_command {
    cli_config_request request;
    const char *dir, *note;
    uint32_t canaries;
    bool has_canaries, installs, is_dry, is_json, waits;
    uint64_t timeout_ms, began_at_ms;
} deploy_command;

// ---- what is asked for

static bool on_done(const Warren__Agent__Reply *reply, void *user) {
    (void)reply;
    (void)user;
    return false;
}

static int put_spec(cli_session *session, cli_project_service *service) {
    Warren__Agent__PutSpec body = WARREN__AGENT__PUT_SPEC__INIT;
    size_t len = warren__deploy__spec__get_packed_size(&service->spec);
    if (len > SPEC_LEN_MAX) {
        cli_say("the settings of %s have %zu KiB, and a service that is deployed has at most %d: "
                "are there large variables?",
                service->run.name, len >> 10, SPEC_LEN_MAX >> 10);
        return CLI_USAGE;
    }
    uint8_t *bytes = mem_alloc(len);
    body.service = service->run.name;
    body.spec = (ProtobufCBinaryData){warren__deploy__spec__pack(&service->spec, bytes), bytes};
    CLI_REQUEST(request, PUT_SPEC, put_spec, &body);
    int exit_code = cli_session_ask(session, &request, on_done, NULL);
    free(bytes);
    return exit_code;
}

static bool on_accepted(const Warren__Agent__Reply *reply, void *user) {
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_ACCEPTED) return false;
    *(Warren__Agent__Accepted *)user = *reply->accepted;
    return true;
}

static int ask(const deploy_command *command, cli_session *session, cli_project *project,
               const char *release_id, Warren__Agent__Accepted *out) {
    Warren__Agent__Deploy body = WARREN__AGENT__DEPLOY__INIT;
    int exit_code = CLI_DONE;
    for (size_t i = 0; i < project->count && exit_code == CLI_DONE; i++)
        exit_code = put_spec(session, &project->services[i]);
    if (exit_code != CLI_DONE) return exit_code;
    body.project = (char *)(uintptr_t)project->name;
    body.release_id = (char *)(uintptr_t)release_id;
    body.note = (char *)(uintptr_t)(command->note != NULL ? command->note : "");
    body.by = (char *)(uintptr_t)cli_deployed_who();
    CLI_REQUEST(request, DEPLOY, deploy, &body);
    return cli_session_ask(session, &request, on_accepted, out);
}

static void tell_begun(const deploy_command *command, const cli_project *project,
                       const Warren__Agent__Accepted *accepted) {
    if (command->is_json)
        cli_json_print(json_pack(
            "{s:s, s:o, s:I, s:I, s:I}", "type", "accepted", "project",
            cli_json_string(project->name), "deployment", (json_int_t)accepted->deployment,
            "release", (json_int_t)accepted->release, "from", (json_int_t)accepted->from));
    else if (!command->waits)
        (void)printf("release %llu of %s is being deployed (`warren status %s -f`)\n",
                     (unsigned long long)accepted->release, project->name, project->name);
    (void)fflush(stdout);
}

// ---- one after the other

static int read_present(cli_session *session, const cli_project *project, cli_deployed *out) {
    char now[128], state[128], spec[128], release[128];
    const char *prefixes[] = {now, state, spec, release, "placed/", NULL};
    (void)snprintf(now, sizeof now, "project/%.100s", project->name);
    (void)snprintf(state, sizeof state, "state/%.100s", project->name);
    (void)snprintf(spec, sizeof spec, "spec/%.100s/", project->name);
    (void)snprintf(release, sizeof release, "release/%.100s/", project->name);
    return cli_deployed_read(session, prefixes, false, out);
}

static void tell_size(const cli_release *release) {
    char len[CLI_SIZE_MAX], sent[CLI_SIZE_MAX];
    cli_size_print(release->len, len);
    cli_size_print(release->bytes_sent, sent);
    (void)printf("release %s has %u %s (%s); %s of them were new to the agent\n", release->id,
                 release->file_count, release->file_count == 1 ? "file" : "files", len, sent);
}

static void tell_shipped(const deploy_command *command, const cli_release *release) {
    if (command->is_json)
        cli_json_print(json_pack(
            "{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "type", "shipped", "id", release->id, "files",
            (json_int_t)release->file_count, "bytes", (json_int_t)release->len, "chunksSent",
            (json_int_t)release->chunks_sent, "bytesSent", (json_int_t)release->bytes_sent,
            "secretsLeftOut", (json_int_t)release->secret_count));
    else
        tell_size(release);
    if (!command->is_json) cli_ship_say_left_out(release);
    (void)fflush(stdout);
}

// What was cut off before the release was asked for has changed nothing.
static int ship(const deploy_command *command, cli_session *session, const cli_project *project,
                const char *root, cli_release *out) {
    cli_ship_options how = {.dir = root,
                            .project = project->name,
                            .installs = command->installs,
                            .is_quiet = command->is_json};
    cli_pack_need *needs = cli_deploy_needs(project, &how.need_count);
    how.needs = needs;
    int exit_code = cli_ship(session, &how, out);
    free(needs);
    if (exit_code == CLI_DONE) tell_shipped(command, out);
    if (exit_code == CLI_INTERRUPTED)
        cli_say("nothing was deployed: what was sent of it stays with the agent, and the same "
                "command sends only the rest");
    if (exit_code == CLI_NO_AGENT)
        cli_say("nothing was deployed: what was sent of it stays on its disk, and the same command "
                "sends only the rest when an agent is there again");
    return exit_code;
}

static int deploy_in(const deploy_command *command, cli_session *session, cli_project *project,
                     const char *root, Warren__Agent__Accepted *out) {
    cli_deployed deployed = {0};
    cli_release release;
    int exit_code = read_present(session, project, &deployed);
    if (exit_code == CLI_DONE) cli_deploy_plan_print(project, &deployed, command->is_json);
    if (exit_code == CLI_DONE) exit_code = cli_deploy_check(project, &deployed);
    cli_deployed_deinit(&deployed);
    if (exit_code != CLI_DONE || command->is_dry) return exit_code;
    exit_code = ship(command, session, project, root, &release);
    if (exit_code != CLI_DONE) return exit_code;
    exit_code = ask(command, session, project, release.id, out);
    if (exit_code == CLI_DONE) tell_begun(command, project, out);
    if (exit_code == CLI_INTERRUPTED)
        cli_say("it is not known whether the release was accepted: `warren status %s` tells",
                project->name);
    return exit_code;
}

static int deploy(const deploy_command *command, cli_project *project, const char *root) {
    Warren__Agent__Accepted accepted = WARREN__AGENT__ACCEPTED__INIT;
    cli_session *session;
    int err = cli_session_open(&session);
    if (err != 0) return cli_client_explain(err);
    int exit_code = deploy_in(command, session, project, root, &accepted);
    cli_session_close(session);
    if (exit_code != CLI_DONE || command->is_dry || !command->waits) return exit_code;
    return cli_deploy_follow_it(&(cli_deploy_follow){.project = project->name,
                                                     .deployment = accepted.deployment,
                                                     .is_json = command->is_json,
                                                     .began_at_ms = command->began_at_ms,
                                                     .timeout_ms = command->timeout_ms});
}

// What is deployed: the directory that was named, else the one that the configuration is in.
static int find_root(const deploy_command *command, const cli_project *project,
                     char out[PATH_MAX]) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s", project->file);
    char *slash = strrchr(path, '/');
    if (slash != NULL) *slash = '\0';
    const char *dir = command->dir != NULL ? command->dir : path;
    if (realpath(dir, out) != NULL) return CLI_DONE;
    cli_say("cannot deploy %.200s: %s", dir, strerror(errno));
    return CLI_USAGE;
}

// Of services that have less instances than that, all are canaries; that no service has as many is
// a slip. How many there will be of one for each host, or processor, nobody knows here.
static int take_canaries(const deploy_command *command, cli_project *project) {
    uint32_t most = 0;
    if (!command->has_canaries) return CLI_DONE;
    for (size_t i = 0; i < project->count; i++) {
        const Warren__Deploy__Spec *spec = &project->services[i].spec;
        uint32_t count =
            spec->kind == WARREN__DEPLOY__SPEC__COUNT__COUNT ? spec->count : UINT32_MAX;
        most = count > most ? count : most;
        project->services[i].update.canaries = command->canaries;
    }
    if (command->canaries <= most) return CLI_DONE;
    cli_say("--canary %u is more than any service of %s has: the most are %u (0: no canaries)",
            command->canaries, project->name, most);
    return CLI_USAGE;
}

static int load_and_deploy(deploy_command *command) {
    cli_project project;
    char root[PATH_MAX];
    if (command->request.file == NULL) command->request.file = command->dir;
    int exit_code = cli_project_load(&command->request, &project);
    if (exit_code == CLI_DONE) exit_code = find_root(command, &project, root);
    if (exit_code == CLI_DONE) exit_code = cli_deploy_make_relative(&project, root);
    if (exit_code == CLI_DONE) exit_code = take_canaries(command, &project);
    if (exit_code == CLI_DONE) exit_code = deploy(command, &project, root);
    cli_project_deinit(&project);
    return exit_code;
}

// ---- words

static bool take_option(deploy_command *command, const cli_args *args, int option) {
    switch (option) {
    case CLI_ARG_WORD: return cli_args_target(args, &command->dir);
    case OPTION_FILE: command->request.file = args->value; return true;
    case OPTION_NO_WAIT: command->waits = false; return true;
    case OPTION_DRY_RUN: command->is_dry = true; return true;
    case OPTION_NOTE:
        command->note = args->value;
        if (strlen(args->value) <= 200) return true;
        cli_say("--note has at most 200 bytes");
        return false;
    case OPTION_CANARY:
        command->has_canaries = true;
        return cli_args_number(args, "canary", 0, CANARIES_MAX, &command->canaries);
    case OPTION_NPM_CI: command->installs = true; return true;
    case OPTION_ENV: command->request.env = args->value; return true;
    case OPTION_TIMEOUT:
        return cli_duration_parse("timeout", args->value, TIMEOUT_MAX_MS, &command->timeout_ms);
    default: command->is_json = true; return true;
    }
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_deploy, .argc = argc, .argv = argv};
    deploy_command command = {.request = {.what = "show", .timeout_ms = CLI_CONFIG_TIMEOUT_MS},
                              .waits = true,
                              .began_at_ms = mesh_wall_ms()};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (!take_option(&command, &args, arg)) return CLI_USAGE;
    }
    // Who waits longer for all of it waits longer for the first step.
    if (command.timeout_ms > command.request.timeout_ms)
        command.request.timeout_ms = command.timeout_ms;
    return load_and_deploy(&command);
}

const cli_command cli_deploy = {
    .name = "deploy",
    .usage = "[DIR] [--file FILE] [--npm-ci] [--canary N] [--note TEXT] [-d] [--dry-run] "
             "[--timeout TIME] [--json]",
    .summary = "Makes a release of a directory and brings it to all hosts that are to run it, "
               "without losing a request; what fails is taken back",
    .example = "  warren deploy\n"
               "  warren deploy ./shop --note 'cheaper quotes'\n"
               "  warren deploy --canary 1 && echo all is well\n",
    .options = options,
    .run = run,
};
