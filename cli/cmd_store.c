#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/keep.h"
#include "agent/place.h"
#include "agent/store.h"
#include "agent/target.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/json.h"
#include "io/paths.h"
#include "store/sqlite_backup.h"

enum { OPTION_JSON };

static const cli_option options[] = {
    {0, "json", NULL, "as JSON: {\"backup\": FILE}, {\"restored\": FILE}"},
    {0, NULL, NULL, NULL},
};

typedef enum verb { NONE, BACKUP, RESTORE, VERB_COUNT } verb;
static const char *const verbs[VERB_COUNT] = {"", "backup", "restore"};

typedef struct store_command {
    verb verb;
    const char *file;
    bool is_json;
    char dir[MESH_PATHS_LEN_MAX];
    agent_store *store;
    uv_loop_t loop;
} store_command;

static int find_store(store_command *c) {
    char text[AGENT_VAULT_TEXT_MAX];
    int err = mesh_paths_dir(c->dir);
    if (err != 0) return cli_client_explain(err);
    err = agent_store_create(&c->loop, c->dir, NULL, &c->store, text);
    if (err == 0) return CLI_DONE;
    cli_say("%s", text);
    return CLI_FAILED;
}

// The agent, or whoever opens the store, may be in another directory.
static int make_whole(const char *file, char out[PATH_MAX]) {
    char dir[PATH_MAX], here[PATH_MAX];
    const char *slash = strrchr(file, '/');
    (void)snprintf(dir, sizeof dir, "%.*s", slash == NULL ? 1 : (int)(slash - file) + 1,
                   slash == NULL ? "." : file);
    if (realpath(dir, here) == NULL) {
        cli_say("cannot write %.200s: %s", file, strerror(errno));
        return CLI_USAGE;
    }
    (void)snprintf(out, PATH_MAX, "%.3000s/%.900s", here, slash == NULL ? file : slash + 1);
    return CLI_DONE;
}

// ---- backup

static void on_backed_up(const store_answer *answer, void *user) {
    store_command *c = user;
    if (answer->error != 0) {
        cli_say("%s", answer->sentence);
        c->verb = NONE;
    }
    agent_store_destroy(c->store);
    c->store = NULL;
}

// Nobody has it open.
static int back_up_here(store_command *c, const char *path) {
    if (access(agent_store_local_path(c->store), F_OK) != 0) {
        cli_say("there is no store in %s yet: nothing needed one", c->dir);
        return CLI_NOT_FOUND;
    }
    store_backup(agent_store_local(c->store), path, on_backed_up, c);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    return c->verb == BACKUP ? CLI_DONE : CLI_FAILED;
}

static bool on_done(const Warren__Agent__Reply *reply, void *user) {
    (void)reply;
    (void)user;
    return false;
}

static int back_up(store_command *c) {
    char path[PATH_MAX];
    cli_session *session;
    int exit_code = make_whole(c->file, path);
    if (exit_code != CLI_DONE) return exit_code;
    if (agent_store_is_shared(c->store))
        cli_say("this is what %s alone has (its secrets): what all hosts have is in %.200s, which "
                "has backups of its own (docs/store.md)",
                c->dir, agent_store_text(c->store));
    int err = cli_session_open(&session);
    if (err == -ENOENT || err == -ECONNREFUSED) return back_up_here(c, path);
    if (err != 0) return cli_client_explain(err);
    Warren__Agent__BackUpStore body = WARREN__AGENT__BACK_UP_STORE__INIT;
    body.path = path;
    CLI_REQUEST(request, BACK_UP_STORE, back_up_store, &body);
    exit_code = cli_session_ask(session, &request, on_done, NULL);
    cli_session_close(session);
    return exit_code;
}

// ---- restore

static int restore(store_command *c) {
    char text[AGENT_PLACE_TEXT_MAX] = "", sentence[STORE_SENTENCE_LEN_MAX + 1] = "";
    if (agent_place_prepare(c->dir, text) != 0) {
        cli_say("%s", text);
        return CLI_FAILED;
    }
    int lock_fd = agent_place_lock(c->dir, false, text);
    if (lock_fd < 0) {
        cli_say("an agent uses the store of %s: `warren agent --stop` first, then restore, then "
                "`warren agent`",
                c->dir);
        return CLI_FAILED;
    }
    int err = store_restore(c->file, agent_store_local_path(c->store), sentence);
    close(lock_fd);
    if (err == 0) return CLI_DONE;
    cli_say("%s", sentence);
    return CLI_FAILED;
}

static void tell(const store_command *c) {
    bool is_backup = c->verb == BACKUP;
    if (c->is_json)
        cli_json_print(
            json_pack("{s:o}", is_backup ? "backup" : "restored", cli_json_string(c->file)));
    else if (is_backup)
        (void)printf("%s is a copy of the store (secrets in it are worth nothing without "
                     "%s/secrets.key: keep that elsewhere)\n",
                     c->file, c->dir);
    else
        (void)printf("the store is as it was in %s; what was there before is in %s.replaced\n",
                     c->file, agent_store_local_path(c->store));
}

static int obey(store_command *c) {
    uv_loop_init(&c->loop);
    int exit_code = find_store(c);
    if (exit_code == CLI_DONE) exit_code = c->verb == BACKUP ? back_up(c) : restore(c);
    if (exit_code == CLI_DONE) tell(c);
    agent_store_destroy(c->store);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    uv_loop_close(&c->loop);
    return exit_code;
}

// ---- words

static bool take_word(store_command *c, const cli_args *args) {
    if (c->verb != NONE) return cli_args_target(args, &c->file);
    for (verb i = BACKUP; i < VERB_COUNT; i++)
        if (strcmp(args->value, verbs[i]) == 0) c->verb = i;
    if (c->verb != NONE) return true;
    const char *nearest = agent_target_nearest(args->value, verbs + 1, VERB_COUNT - 1);
    cli_say("store can backup or restore, not \"%.40s\"%s%s%s", args->value,
            nearest != NULL ? ": did you mean " : "", nearest != NULL ? nearest : "",
            nearest != NULL ? "?" : "");
    return false;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_store, .argc = argc, .argv = argv};
    store_command c = {0};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (arg == OPTION_JSON)
            c.is_json = true;
        else if (!take_word(&c, &args))
            return CLI_USAGE;
    }
    if (c.verb != NONE && c.file != NULL) return obey(&c);
    cli_say("store what? `warren store backup FILE` or `warren store restore FILE`");
    return CLI_USAGE;
}

const cli_command cli_store = {
    .name = "store",
    .usage = "backup FILE | restore FILE [--json]",
    .summary = "Copies the store of this host while it is in use; puts such a copy back while no "
               "agent runs",
    .example = "  warren store backup /backup/store.db\n"
               "  warren agent --stop && warren store restore /backup/store.db\n",
    .options = options,
    .run = run,
};
