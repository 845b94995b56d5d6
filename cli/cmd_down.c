#include <stdio.h>

#include "agent/keep.h"
#include "cli/apply.h"
#include "cli/args.h"
#include "cli/config_file.h"
#include "cli/deploy_follow.h"
#include "cli/deployed.h"
#include "cli/json.h"
#include "io/paths.h"

enum { OPTION_PROJECT, OPTION_ENV, OPTION_FORGET, OPTION_JSON };

static const cli_option options[] = {
    {'p', "project", "NAME", "of this project, whatever the file says now, or is gone"},
    {0, "env", "NAME", "of an ecosystem.config.js: with the variables of env_NAME"},
    {0, "forget", NULL,
     "of one that was deployed and is down: its releases and all else known of it"},
    {0, "json", NULL, "each step as JSON, one object per line (docs/cli.md lists the fields)"},
    {0, NULL, NULL, NULL},
};

typedef struct down_command {
    const char *project;
    bool is_by_name; // and not by its file
    bool forgets, is_json;
} down_command;

static bool runs_here(cli_session *session, const char *name) {
    cli_plan plan;
    bool is_it = cli_plan_make(&plan, session, name, NULL) == CLI_DONE && plan.count > 0;
    cli_plan_deinit(&plan);
    return is_it;
}

static int stop_all(cli_session *session, const char *name, bool is_json) {
    cli_plan plan;
    int exit_code = cli_plan_make(&plan, session, name, NULL);
    if (exit_code == CLI_DONE) cli_plan_print(&plan, is_json);
    cli_apply_options how = {.is_json = is_json};
    if (exit_code == CLI_DONE && plan.count > 0) exit_code = cli_apply(session, &plan, &how);
    if (exit_code == CLI_DONE && is_json)
        cli_json_print(json_pack("{s:s, s:o, s:I}", "type", "down", "project",
                                 cli_json_string(name), "services", (json_int_t)plan.count));
    else if (exit_code == CLI_DONE && plan.count == 0)
        (void)printf("nothing of %s runs\n", name);
    else if (exit_code == CLI_DONE)
        (void)printf("%s is down\n", name);
    cli_plan_deinit(&plan);
    return exit_code;
}

// Of all hosts. False: it is not deployed.
static bool take_down(cli_session *session, const char *name, bool is_json, int *out_exit_code) {
    static const char *const prefixes[] = {"project/", "state/", "release/", NULL};
    cli_deployed deployed = {0};
    Warren__Agent__ChangeProject body = WARREN__AGENT__CHANGE_PROJECT__INIT;
    *out_exit_code = cli_deployed_read(session, prefixes, true, &deployed);
    bool is_it = *out_exit_code == CLI_DONE && cli_deployed_is_deployed(&deployed, name);
    Warren__Deploy__Project *project = is_it ? cli_deployed_project(&deployed, name) : NULL;
    Warren__Deploy__State *state = is_it ? cli_deployed_state(&deployed, name) : NULL;
    Warren__Deploy__Release *release =
        is_it ? cli_deployed_release(&deployed, name, cli_deployed_running(project, state)) : NULL;
    body.project = (char *)(uintptr_t)name;
    body.what = WARREN__AGENT__CHANGE_PROJECT__WHAT__DOWN;
    if (is_it)
        *out_exit_code = cli_deploy_change_it(
            &(cli_deploy_change){.body = &body, .is_json = is_json, .waits = true});
    if (is_it && *out_exit_code == CLI_DONE && release != NULL)
        *out_exit_code = cli_deploy_await_gone(release->services, release->n_services);
    if (project != NULL) warren__deploy__project__free_unpacked(project, NULL);
    if (state != NULL) warren__deploy__state__free_unpacked(state, NULL);
    if (release != NULL) warren__deploy__release__free_unpacked(release, NULL);
    cli_deployed_deinit(&deployed);
    return is_it || *out_exit_code != CLI_DONE;
}

static void count_one(const char *rest, ProtobufCBinaryData value, void *user) {
    (void)rest, (void)value;
    ++*(size_t *)user;
}

// Whether it is, or was, deployed.
static bool was_deployed(cli_session *session, const char *name) {
    static const char *const prefixes[] = {"project/", "release/", NULL};
    cli_deployed deployed = {0};
    char prefix[128];
    size_t releases = 0;
    (void)snprintf(prefix, sizeof prefix, "release/%.100s/", name);
    bool is_read =
        session != NULL && cli_deployed_read(session, prefixes, true, &deployed) == CLI_DONE;
    cli_deployed_each(&deployed, prefix, count_one, &releases);
    bool is_it = is_read && (releases > 0 || cli_deployed_has(&deployed, "project", name));
    cli_deployed_deinit(&deployed);
    return is_it;
}

static int say_unknown(const char *name) {
    cli_say("no project %.63s is known here: nothing of it runs, and it was not deployed (`warren "
            "ps` and `warren status` list what is)",
            name);
    return CLI_NOT_FOUND;
}

static bool on_forgotten(const Warren__Agent__Reply *reply, void *user) {
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_FORGOTTEN) return false;
    *(uint32_t *)user = reply->forgotten->releases;
    return true;
}

static int forget(cli_session *session, const char *name, bool is_json) {
    Warren__Agent__ForgetProject body = WARREN__AGENT__FORGET_PROJECT__INIT;
    uint32_t releases = 0;
    if (!was_deployed(session, name)) {
        cli_say("no project %.63s was deployed here (`warren status` lists what was)", name);
        return CLI_NOT_FOUND;
    }
    body.project = (char *)(uintptr_t)name;
    body.by = (char *)(uintptr_t)cli_deployed_who();
    CLI_REQUEST(request, FORGET_PROJECT, forget_project, &body);
    int exit_code = cli_session_ask(session, &request, on_forgotten, &releases);
    if (exit_code == CLI_DONE && is_json)
        cli_json_print(json_pack("{s:s, s:o, s:I}", "type", "forgotten", "project",
                                 cli_json_string(name), "releases", (json_int_t)releases));
    else if (exit_code == CLI_DONE)
        (void)printf("%s is forgotten, with %u %s of it\n", name, releases,
                     releases == 1 ? "release" : "releases");
    return exit_code;
}

static int bring_down(cli_session *session, const down_command *d) {
    int exit_code;
    if (session != NULL && take_down(session, d->project, d->is_json, &exit_code)) return exit_code;
    if (d->is_by_name && !runs_here(session, d->project) && !was_deployed(session, d->project))
        return say_unknown(d->project);
    return stop_all(session, d->project, d->is_json);
}

static int down(const down_command *d) {
    cli_session *session = NULL;
    int err = cli_session_open(&session);
    bool is_none = (err == -ENOENT || err == -ECONNREFUSED) && !d->forgets;
    char dir[MESH_PATHS_LEN_MAX];
    if (err != 0 && (!is_none || (mesh_paths_dir(dir) == 0 && agent_keep_waits(dir))))
        return cli_client_explain(err);
    int exit_code = d->forgets ? forget(session, d->project, d->is_json) : bring_down(session, d);
    cli_session_close(session);
    return exit_code;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_down, .argc = argc, .argv = argv};
    cli_config_request request = {.what = "show", .timeout_ms = CLI_CONFIG_TIMEOUT_MS};
    down_command d = {.is_json = false};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        switch (arg) {
        case CLI_ARG_BAD: return cli_args_exit_code(&args);
        case CLI_ARG_WORD:
            if (!cli_args_target(&args, &request.file)) return CLI_USAGE;
            break;
        case OPTION_PROJECT: d.project = args.value; break;
        case OPTION_ENV: request.env = args.value; break;
        case OPTION_FORGET: d.forgets = true; break;
        default: d.is_json = true;
        }
    }
    if (d.project != NULL && request.file != NULL) {
        cli_say("down wants a file or --project NAME, not both");
        return CLI_USAGE;
    }
    d.is_by_name = d.project != NULL;
    if (d.is_by_name) return down(&d);
    cli_project project;
    int exit_code = cli_project_load(&request, &project);
    d.project = project.name;
    if (exit_code == CLI_DONE) exit_code = down(&d);
    cli_project_deinit(&project);
    return exit_code;
}

const cli_command cli_down = {
    .name = "down",
    .usage = "[FILE] [--project NAME] [--forget] [--json]",
    .summary = "Stops all services of a project; one that was deployed, on all hosts",
    .example = "  warren down                 # of the warren.config.mjs here\n"
               "  warren down --project shop  # also without its file\n"
               "  warren down --project shop --forget    # it is over: what is known of it goes\n",
    .options = options,
    .run = run,
};
