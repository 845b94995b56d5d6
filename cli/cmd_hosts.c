#include <stdio.h>

#include "cli/args.h"
#include "cli/client.h"
#include "cli/duration.h"
#include "cli/json.h"
#include "cli/streams.h"
#include "cli/table.h"

enum { OPTION_WATCH, OPTION_JSON };

static const cli_option options[] = {
    {'w', "watch", NULL, "again whenever something has changed, until Ctrl-C"},
    {0, "json", NULL, "as JSON: {\"hosts\": [...]} (docs/cli.md lists the fields)"},
    {0, NULL, NULL, NULL},
};

static const char *const heading[] = {"NAME", "STATE", "SINCE", "NODES", "ADDRESS", "ID"};
enum { COLUMN_COUNT = sizeof heading / sizeof heading[0] };

typedef struct listing {
    bool is_json, is_watching;
    json_t *hosts;
    cli_table table;
} listing;

static void begin(listing *list) {
    list->hosts = list->is_json ? json_array() : NULL;
    list->table = (cli_table){.column_count = COLUMN_COUNT, .is_right = {[2] = true, [3] = true}};
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        cli_table_add(&list->table, heading[i]);
}

static void add_row(cli_table *table, const Warren__Agent__HostInfo *info) {
    char name[80], state[48], since[CLI_DURATION_MAX], nodes[16], id[2 * 16 + 1] = "";
    (void)snprintf(state, sizeof state, "%.20s%s", info->state,
                   info->is_foreign ? ", another release" : "");
    (void)snprintf(name, sizeof name, "%s%s", info->name, info->is_self ? " (this one)" : "");
    cli_duration_format(since, info->since_ms);
    (void)snprintf(nodes, sizeof nodes, "%u", info->nodes);
    for (size_t i = 0; i < info->host_id.len && i < 16; i++)
        (void)snprintf(id + 2 * i, 3, "%02x", info->host_id.data[i]);
    const char *cells[COLUMN_COUNT] = {name, state, since, nodes, info->address, id};
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        cli_table_add(table, cells[i]);
}

// False: nobody can read it.
static bool print(listing *list) {
    if (list->is_json)
        cli_json_print(json_pack("{s:o}", "hosts", list->hosts));
    else
        cli_table_print(&list->table, cli_table_terminal_width());
    if (list->is_watching && !list->is_json) (void)printf("\n");
    cli_table_deinit(&list->table);
    begin(list);
    return cli_streams_flush();
}

static bool on_reply(const Warren__Agent__Reply *reply, void *user) {
    listing *list = user;
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_HOSTS) return false;
    for (size_t i = 0; i < reply->hosts->n_hosts; i++) {
        if (list->is_json)
            json_array_append_new(list->hosts, cli_json_host(reply->hosts->hosts[i]));
        else
            add_row(&list->table, reply->hosts->hosts[i]);
    }
    if (reply->hosts->more) return false;
    return !print(list) || !list->is_watching;
}

static int list_hosts(listing *list) {
    begin(list);
    Warren__Agent__ListHosts body = WARREN__AGENT__LIST_HOSTS__INIT;
    body.watch = list->is_watching;
    CLI_REQUEST(request, LIST_HOSTS, list_hosts, &body);
    int exit_code = cli_client_ask(&request, on_reply, list);
    json_decref(list->hosts);
    cli_table_deinit(&list->table);
    return exit_code;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_hosts, .argc = argc, .argv = argv};
    listing list = {0};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        switch (arg) {
        case CLI_ARG_BAD: return cli_args_exit_code(&args);
        case CLI_ARG_WORD: cli_say("hosts takes no word: \"%.40s\"", args.value); return CLI_USAGE;
        case OPTION_WATCH: list.is_watching = true; break;
        default: list.is_json = true;
        }
    }
    return list_hosts(&list);
}

const cli_command cli_hosts = {
    .name = "hosts",
    .usage = "[--watch] [--json]",
    .summary = "Lists the hosts of the cluster, as this one sees them",
    .example = "  warren hosts\n  warren hosts --watch\n",
    .options = options,
    .run = run,
};
