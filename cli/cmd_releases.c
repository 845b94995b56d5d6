#include <stdio.h>
#include <stdlib.h>

#include "cli/args.h"
#include "cli/deployed.h"
#include "cli/duration.h"
#include "cli/json.h"
#include "cli/table.h"

enum { OPTION_JSON };

static const cli_option options[] = {
    {0, "json", NULL, "as JSON: {\"project\", \"releases\": [...]} (docs/deploy.md lists them)"},
    {0, NULL, NULL, NULL},
};

static const char *const heading[] = {"RELEASE", "AGE", "BY", "HOST", "FILES", "SIZE", "NOTE", ""};
enum { COLUMN_COUNT = sizeof heading / sizeof heading[0] };

typedef struct listing {
    const char *project;
    uint64_t running, wanted;
    cli_table table;
    json_t *releases; // NULL: for people
    size_t count;
} listing;

static void add_json(listing *list, const Warren__Deploy__Release *r) {
    json_t *services = json_array();
    for (size_t i = 0; i < r->n_services; i++)
        json_array_append_new(services, cli_json_string(r->services[i]));
    json_array_append_new(list->releases,
                          json_pack("{s:I, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:b}", "release",
                                    (json_int_t)r->number, "at", cli_json_time(r->at_ms), "by",
                                    cli_json_string(r->by), "host", cli_json_string(r->host),
                                    "files", (json_int_t)r->file_count, "bytes", (json_int_t)r->len,
                                    "note", cli_json_string(r->note), "services", services,
                                    "running", r->number == list->running));
}

static void add_row(listing *list, const Warren__Deploy__Release *r) {
    char number[24], age[CLI_DURATION_MAX], files[24], size[32];
    uint64_t now_ms = cli_duration_wall_ms();
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)r->number);
    cli_duration_format(age, now_ms > r->at_ms ? now_ms - r->at_ms : 0);
    (void)snprintf(files, sizeof files, "%llu", (unsigned long long)r->file_count);
    (void)snprintf(size, sizeof size, "%.1f MiB", (double)r->len / (1 << 20));
    const char *runs = r->number == list->running  ? "runs"
                       : r->number == list->wanted ? "is being deployed"
                                                   : "";
    const char *cells[COLUMN_COUNT] = {number, age, r->by, r->host, files, size, r->note, runs};
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        cli_table_add(&list->table, cells[i]);
}

static void add(const char *rest, ProtobufCBinaryData value, void *user) {
    listing *list = user;
    (void)rest;
    Warren__Deploy__Release *release = warren__deploy__release__unpack(NULL, value.len, value.data);
    if (release == NULL) return; // of a later version
    list->count++;
    if (list->releases != NULL)
        add_json(list, release);
    else
        add_row(list, release);
    warren__deploy__release__free_unpacked(release, NULL);
}

static void take_running(listing *list, const cli_deployed *d) {
    Warren__Deploy__Project *project = cli_deployed_project(d, list->project);
    Warren__Deploy__State *state = cli_deployed_state(d, list->project);
    list->running = cli_deployed_running(project, state);
    if (project != NULL && !cli_deployed_is_over(project, state)) list->wanted = project->release;
    if (project != NULL) warren__deploy__project__free_unpacked(project, NULL);
    if (state != NULL) warren__deploy__state__free_unpacked(state, NULL);
}

static int print(listing *list, const cli_deployed *d) {
    char prefix[128];
    (void)snprintf(prefix, sizeof prefix, "release/%.100s/", list->project);
    take_running(list, d);
    list->table =
        (cli_table){.column_count = COLUMN_COUNT, .is_right = {true, true, [4] = true, [5] = true}};
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        cli_table_add(&list->table, heading[i]);
    cli_deployed_each(d, prefix, add, list);
    int exit_code = CLI_DONE;
    if (list->count == 0) {
        cli_say("no release of %.63s was deployed here (`warren status` lists what was)",
                list->project);
        exit_code = CLI_NOT_FOUND;
    } else if (list->releases == NULL) {
        cli_table_print(&list->table, cli_table_terminal_width());
    } else {
        cli_json_print(json_pack("{s:o, s:O}", "project", cli_json_string(list->project),
                                 "releases", list->releases));
    }
    cli_table_deinit(&list->table);
    return exit_code;
}

static int list_releases(listing *list) {
    static const char *const prefixes[] = {"project/", "state/", "release/", NULL};
    cli_deployed deployed = {0};
    cli_session *session;
    int err = cli_session_open(&session);
    if (err != 0) return cli_client_explain(err);
    int exit_code = cli_deployed_read(session, prefixes, true, &deployed);
    if (exit_code == CLI_DONE && list->project == NULL) {
        list->project = cli_deployed_only_project(&deployed, "releases of");
        if (list->project == NULL) exit_code = deployed.count == 0 ? CLI_NOT_FOUND : CLI_USAGE;
    }
    if (exit_code == CLI_DONE) exit_code = print(list, &deployed);
    cli_deployed_deinit(&deployed);
    cli_session_close(session);
    return exit_code;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_releases, .argc = argc, .argv = argv};
    listing list = {0};
    bool is_json = false;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (arg == OPTION_JSON)
            is_json = true;
        else if (!cli_args_target(&args, &list.project))
            return CLI_USAGE;
    }
    if (is_json) list.releases = json_array();
    int exit_code = list_releases(&list);
    json_decref(list.releases);
    return exit_code;
}

const cli_command cli_releases = {
    .name = "releases",
    .usage = "[PROJECT] [--json]",
    .summary = "Lists the releases of a project that can be gone back to, and which one runs",
    .example = "  warren releases shop\n",
    .options = options,
    .run = run,
};
