#include <stdio.h>

#include "agent/target.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/ephemeral.h"
#include "cli/json.h"
#include "cli/pack.h"
#include "cli/ship.h"
#include "cli/size.h"

enum { OPTION_PROJECT, OPTION_NPM_CI, OPTION_LIST, OPTION_JSON };

static const cli_option options[] = {
    {'p', "project", "NAME", "whose release it is (default: the name of the directory)"},
    {0, "npm-ci", NULL, "leave node_modules here; hosts run `npm ci --omit=dev` instead"},
    {'l', "list", NULL, "only tell what would be in it"},
    {0, "json", NULL, "as JSON (docs/releases.md lists the fields)"},
    {0, NULL, NULL, NULL},
};

typedef struct bundle_command {
    cli_ship_options how;
    char project[DEPLOY_PROJECT_MAX];
    bool is_list, is_json;
} bundle_command;

static json_t *entry_of(const deploy_entry *entry) {
    static const char *const kinds[] = {"directory", "file", "link"};
    json_t *object =
        json_pack("{s:o, s:s}", "path", cli_json_string(entry->path), "kind", kinds[entry->kind]);
    if (entry->kind == DEPLOY_FILE)
        json_object_set_new(object, "bytes", json_integer((json_int_t)entry->len));
    if (entry->kind == DEPLOY_LINK)
        json_object_set_new(object, "target", cli_json_string(entry->target));
    return object;
}

// A name may hold a byte that moves a cursor.
static void print_path(const char *path) {
    for (; *path != '\0'; path++)
        (void)putchar((unsigned char)*path < ' ' || *path == 127 ? '?' : *path);
    (void)putchar('\n');
}

static int list(const bundle_command *command) {
    cli_pack pack;
    cli_pack_options how = {.dir = command->how.dir,
                            .installs = command->how.installs,
                            .has_progress = !command->is_json};
    int err = cli_pack_make(&how, &pack);
    if (err != CLI_DONE) return err;
    for (size_t i = 0; i < pack.bundle.count; i++) {
        const deploy_entry *entry = &pack.bundle.entries[i];
        if (command->is_json)
            cli_json_print(entry_of(entry));
        else if (entry->kind != DEPLOY_DIRECTORY)
            print_path(entry->path);
    }
    cli_pack_deinit(&pack);
    return CLI_DONE;
}

static void print(const bundle_command *command, const cli_release *release) {
    if (command->is_json) {
        cli_json_print(json_pack(
            "{s:s, s:s, s:s, s:i, s:I, s:i, s:I, s:i}", "id", release->id, "project",
            command->project, "path", release->path, "files", (int)release->file_count, "bytes",
            (json_int_t)release->len, "chunksSent", (int)release->chunks_sent, "bytesSent",
            (json_int_t)release->bytes_sent, "secretsLeftOut", (int)release->secret_count));
        return;
    }
    cli_ship_say_left_out(release);
    char len[CLI_SIZE_MAX], sent[CLI_SIZE_MAX];
    cli_size_print(release->len, len);
    cli_size_print(release->bytes_sent, sent);
    (void)printf("%s of %s: %u files, %s; %s sent\n", release->id, command->project,
                 release->file_count, len, sent);
}

static int ship(bundle_command *command) {
    cli_session *session;
    cli_release release;
    int exit_code = cli_ephemeral_ensure();
    if (exit_code != CLI_DONE) return exit_code;
    int err = cli_session_open(&session);
    if (err != 0) return cli_client_explain(err);
    command->how.project = command->project;
    command->how.is_quiet = command->is_json;
    exit_code = cli_ship(session, &command->how, &release);
    if (exit_code == CLI_DONE) print(command, &release);
    cli_session_close(session);
    return exit_code;
}

static bool take_project(bundle_command *command, const char *name) {
    if (agent_target_check_name(name) == 0) {
        (void)snprintf(command->project, sizeof command->project, "%s", name);
        return true;
    }
    cli_say("\"%.80s\" cannot be the name of a project: 1 to 63 letters, digits, - and _, and not "
            "\"all\"",
            name);
    return false;
}

static bool take_option(bundle_command *command, const cli_args *args, int option) {
    switch (option) {
    case CLI_ARG_WORD: return cli_args_target(args, &command->how.dir);
    case OPTION_PROJECT: return take_project(command, args->value);
    case OPTION_NPM_CI: command->how.installs = true; return true;
    case OPTION_LIST: command->is_list = true; return true;
    default: command->is_json = true; return true;
    }
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_bundle, .argc = argc, .argv = argv};
    bundle_command command = {.project = ""};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (!take_option(&command, &args, arg)) return CLI_USAGE;
    }
    if (command.how.dir == NULL) command.how.dir = ".";
    if (command.project[0] == '\0') cli_ship_project_of(command.how.dir, command.project);
    return command.is_list ? list(&command) : ship(&command);
}

const cli_command cli_bundle = {
    .name = "bundle",
    .usage = "[DIRECTORY] [--project NAME] [--npm-ci] [--list] [--json]",
    .summary = "Makes a release of a directory, on this host; nothing runs it yet",
    .example = "  warren bundle              # of this directory, with its node_modules\n"
               "  warren bundle --list       # what would be in it\n"
               "  warren bundles             # what this host has\n",
    .options = options,
    .run = run,
};
