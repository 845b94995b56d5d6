#include <stdio.h>
#include <stdlib.h>

#include "cli/args.h"
#include "cli/deployed.h"
#include "cli/duration.h"
#include "cli/json.h"
#include "cli/size.h"
#include "cli/table.h"
#include "io/wall.h"

enum { OPTION_JSON, WHY_LEN_MAX = 240 };

static const cli_option options[] = {
    {0, "json", NULL, "as JSON, an object per project and line (docs/deploy.md lists the fields)"},
    {0, NULL, NULL, NULL},
};

static const char *const heading[] = {"PROJECT", "RELEASE", "STATE", "AGE",  "BY",
                                      "HOST",    "FILES",   "SIZE",  "NOTE", "WHY"};
enum { COLUMN_COUNT = sizeof heading / sizeof heading[0] };

typedef struct listing {
    const cli_deployed *deployed;
    const char *project; // whose are being listed
    uint64_t running, wanted;
    Warren__Deploy__State *state;
    bool is_of_many, is_json;
    cli_table table;
    json_t *releases; // of this project
    size_t count;     // of it
} listing;

// ---- what became of a release

static const Warren__Deploy__Outcome *outcome_of(const listing *list, uint64_t number) {
    for (size_t i = 0; list->state != NULL && i < list->state->n_outcomes; i++)
        if (list->state->outcomes[i]->release == number) return list->state->outcomes[i];
    return NULL;
}

static const char *state_of(const listing *list, uint64_t number,
                            const Warren__Deploy__Outcome *outcome) {
    if (number == list->running) return "serving";
    if (number == list->wanted) return "deploying";
    if (outcome == NULL) return "unknown"; // of before agents wrote that down
    if (outcome->is_aborted) return "aborted";
    if (outcome->phase != WARREN__DEPLOY__STATE__PHASE__DONE) return "failed";
    return outcome->is_taken_back ? "taken back" : "before";
}

// A release that serves, or did until the next one came, needs no reason.
static void say_why(const listing *list, uint64_t number, const Warren__Deploy__Outcome *outcome,
                    char out[WHY_LEN_MAX]) {
    out[0] = '\0';
    if (outcome == NULL || number == list->running || number == list->wanted) return;
    if (outcome->phase != WARREN__DEPLOY__STATE__PHASE__DONE)
        (void)snprintf(out, WHY_LEN_MAX, "%s", outcome->why);
    else if (outcome->is_taken_back)
        (void)snprintf(out, WHY_LEN_MAX, "by %s", outcome->by);
}

// ---- showing it

static void add_json(listing *list, const Warren__Deploy__Release *r, const char *state,
                     const Warren__Deploy__Outcome *outcome, const char *why) {
    json_t *services = json_array();
    for (size_t i = 0; i < r->n_services; i++)
        json_array_append_new(services, cli_json_string(r->services[i]));
    json_t *item = json_pack("{s:I, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:b}", "release",
                             (json_int_t)r->number, "state", state, "why", cli_json_string(why),
                             "at", cli_json_time(r->at_ms), "by", cli_json_string(r->by), "host",
                             cli_json_string(r->host), "files", (json_int_t)r->file_count, "bytes",
                             (json_int_t)r->len, "note", cli_json_string(r->note), "services",
                             services, "running", r->number == list->running);
    json_object_set_new(item, "stateAt",
                        outcome != NULL ? cli_json_time(outcome->at_ms) : json_null());
    json_object_set_new(item, "stateBy",
                        outcome != NULL ? cli_json_string(outcome->by) : json_null());
    json_array_append_new(list->releases, item);
}

static void add_cells(listing *list, const char *const cells[COLUMN_COUNT]) {
    for (size_t i = list->is_of_many ? 0 : 1; i < COLUMN_COUNT; i++)
        cli_table_add(&list->table, cells[i]);
}

static void add_row(listing *list, const Warren__Deploy__Release *r, const char *state,
                    const char *why) {
    char number[24], age[CLI_DURATION_MAX], files[24], size[CLI_SIZE_MAX];
    uint64_t now_ms = mesh_wall_ms();
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)r->number);
    cli_duration_format(age, now_ms > r->at_ms ? now_ms - r->at_ms : 0);
    (void)snprintf(files, sizeof files, "%llu", (unsigned long long)r->file_count);
    cli_size_print(r->len, size);
    const char *cells[COLUMN_COUNT] = {list->project, number, state, age,     r->by,
                                       r->host,       files,  size,  r->note, why};
    add_cells(list, cells);
}

static void add(const char *rest, ProtobufCBinaryData value, void *user) {
    listing *list = user;
    char why[WHY_LEN_MAX];
    (void)rest;
    Warren__Deploy__Release *release = warren__deploy__release__unpack(NULL, value.len, value.data);
    if (release == NULL) return; // of a later version
    const Warren__Deploy__Outcome *outcome = outcome_of(list, release->number);
    const char *state = state_of(list, release->number, outcome);
    say_why(list, release->number, outcome, why);
    list->count++;
    if (list->is_json)
        add_json(list, release, state, outcome, why);
    else
        add_row(list, release, state, why);
    warren__deploy__release__free_unpacked(release, NULL);
}

static void add_project(const char *name, ProtobufCBinaryData value, void *user) {
    listing *list = user;
    char prefix[128];
    (void)value;
    Warren__Deploy__Project *project = cli_deployed_project(list->deployed, name);
    list->state = cli_deployed_state(list->deployed, name);
    list->project = name;
    list->running = cli_deployed_running(project, list->state);
    bool is_open = project != NULL && !cli_deployed_is_over(project, list->state);
    list->wanted = is_open ? project->release : 0;
    list->count = 0;
    if (list->is_json) list->releases = json_array();
    (void)snprintf(prefix, sizeof prefix, "release/%.100s/", name);
    cli_deployed_each(list->deployed, prefix, add, list);
    if (list->is_json && list->count > 0)
        cli_json_print(
            json_pack("{s:o, s:O}", "project", cli_json_string(name), "releases", list->releases));
    json_decref(list->releases);
    list->releases = NULL;
    if (project != NULL) warren__deploy__project__free_unpacked(project, NULL);
    if (list->state != NULL) warren__deploy__state__free_unpacked(list->state, NULL);
    list->state = NULL;
}

static void count_one(const char *rest, ProtobufCBinaryData value, void *user) {
    (void)rest, (void)value;
    ++*(size_t *)user;
}

// Of the project that was said; NULL: of all.
static int print(listing *list, const char *project) {
    size_t project_count = 0;
    cli_deployed_each(list->deployed, "project/", count_one, &project_count);
    if (project == NULL && project_count == 0) {
        (void)cli_deployed_only_project(list->deployed, "releases of"); // says so
        return CLI_NOT_FOUND;
    }
    list->is_of_many = project == NULL && project_count > 1;
    size_t first = list->is_of_many ? 0 : 1; // column
    list->table = (cli_table){.column_count = COLUMN_COUNT - first};
    list->table.is_right[1 - first] = list->table.is_right[3 - first] = true;
    list->table.is_right[6 - first] = list->table.is_right[7 - first] = true;
    add_cells(list, heading);
    if (project != NULL)
        add_project(project, (ProtobufCBinaryData){0}, list);
    else
        cli_deployed_each(list->deployed, "project/", add_project, list);
    bool is_none = project != NULL && list->count == 0;
    if (is_none)
        cli_say("no release of %.63s was deployed here (`warren status` lists what was)", project);
    else if (!list->is_json)
        cli_table_print(&list->table, cli_table_terminal_width());
    cli_table_deinit(&list->table);
    return is_none ? CLI_NOT_FOUND : CLI_DONE;
}

static int run(int argc, char **argv) {
    static const char *const prefixes[] = {"project/", "state/", "release/", NULL};
    cli_args args = {.command = &cli_releases, .argc = argc, .argv = argv};
    cli_deployed deployed = {0};
    listing list = {.deployed = &deployed};
    const char *project = NULL;
    cli_session *session;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (arg == OPTION_JSON)
            list.is_json = true;
        else if (!cli_args_target(&args, &project))
            return CLI_USAGE;
    }
    int err = cli_session_open(&session);
    if (err != 0) return cli_client_explain(err);
    int exit_code = cli_deployed_read(session, prefixes, true, &deployed);
    if (exit_code == CLI_DONE) exit_code = print(&list, project);
    cli_deployed_deinit(&deployed);
    cli_session_close(session);
    return exit_code;
}

const cli_command cli_releases = {
    .name = "releases",
    .usage = "[PROJECT] [--json]",
    .summary = "Lists the releases of a project, or of all: which one serves, which did before, "
               "which failed",
    .example = "  warren releases shop\n",
    .options = options,
    .run = run,
};
