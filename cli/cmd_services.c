#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/json.h"
#include "cli/node.h"
#include "cli/streams.h"
#include "cli/table.h"
#include "core/mem.h"

enum { OPTION_WATCH, OPTION_JSON };

static const cli_option options[] = {
    {'w', "watch", NULL, "again whenever something has changed, until Ctrl-C"},
    {0, "json", NULL, "as JSON: {\"services\": [...]} (docs/cli.md lists the fields)"},
    {0, NULL, NULL, NULL},
};

typedef struct instance {
    const char *service;
    const warren_peer *peer;
} instance;

typedef struct listing {
    cli_node node;
    const char *service; // NULL: all
    bool is_json, is_watching;
    instance *all;
    size_t count, cap;
} listing;

static void add(const char *service, const warren_peer *peer, void *user) {
    listing *list = user;
    list->all = mem_grow(list->all, sizeof *list->all, list->count + 1, &list->cap);
    list->all[list->count++] = (instance){service, peer};
}

// By service, then as people number them.
static int compare(const void *left, const void *right) {
    const instance *a = left, *b = right;
    int by_service = strcmp(a->service, b->service), by_host = strcmp(a->peer->host, b->peer->host);
    if (by_service != 0) return by_service;
    if (by_host != 0) return by_host;
    int by_name = strcmp(a->peer->service, b->peer->service);
    if (by_name != 0) return by_name;
    if (a->peer->instance != b->peer->instance)
        return a->peer->instance < b->peer->instance ? -1 : 1;
    return a->peer->id < b->peer->id ? -1 : a->peer->id > b->peer->id;
}

static json_t *json_of(const listing *list) {
    json_t *services = json_array(), *instances = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const instance *one = &list->all[i];
        if (i == 0 || strcmp(one->service, list->all[i - 1].service) != 0) {
            instances = json_array();
            json_array_append_new(services,
                                  json_pack("{s:o, s:o}", "name", cli_json_string(one->service),
                                            "instances", instances));
        }
        char id[17];
        (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)one->peer->id);
        json_array_append_new(instances,
                              json_pack("{s:s, s:o, s:o, s:i, s:i}", "id", id, "name",
                                        cli_json_string(one->peer->name), "host",
                                        cli_json_string(one->peer->host), "instance",
                                        (int)one->peer->instance, "pid", (int)one->peer->pid));
    }
    return json_pack("{s:o}", "services", services);
}

static void print_table(const listing *list) {
    static const char *const heading[] = {"SERVICE", "NODE", "HOST", "PID", "ID"};
    enum { COLUMN_COUNT = sizeof heading / sizeof heading[0] };
    cli_table table = {.column_count = COLUMN_COUNT, .is_right = {[3] = true}};
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        cli_table_add(&table, heading[i]);
    for (size_t i = 0; i < list->count; i++) {
        const instance *one = &list->all[i];
        char id[17], pid[16];
        (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)one->peer->id);
        (void)snprintf(pid, sizeof pid, "%u", one->peer->pid);
        bool is_same = i > 0 && strcmp(one->service, list->all[i - 1].service) == 0;
        const char *cells[COLUMN_COUNT] = {is_same ? "" : one->service, one->peer->name,
                                           one->peer->host, pid, id};
        for (size_t column = 0; column < COLUMN_COUNT; column++)
            cli_table_add(&table, cells[column]);
    }
    cli_table_print(&table, cli_table_terminal_width());
    cli_table_deinit(&table);
}

static int print(listing *list) {
    list->count = 0;
    warren_each_instance(list->node.w, list->service, add, list);
    if (list->count > 0) qsort(list->all, list->count, sizeof *list->all, compare);
    if (list->count == 0 && list->service != NULL && !list->is_watching)
        return cli_node_no_service(list->node.w, list->service);
    if (list->is_json)
        cli_json_print(json_of(list));
    else if (list->count == 0)
        (void)printf("nothing is served (docs/api.md shows how a node serves)\n");
    else
        print_table(list);
    if (list->is_watching && !list->is_json) (void)printf("\n");
    return CLI_DONE;
}

static void on_event(cli_node *node, warren_event event) {
    listing *list = (listing *)(void *)node;
    if (event != WARREN_EVENT_INSTANCES) return;
    (void)print(list);
    if (!cli_streams_flush()) cli_node_end(node, CLI_DONE); // cli_streams_close says why
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_services, .argc = argc, .argv = argv};
    listing list = {0};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (arg == CLI_ARG_WORD) {
            if (!cli_args_target(&args, &list.service)) return CLI_USAGE;
        } else if (arg == OPTION_WATCH) {
            list.is_watching = true;
        } else {
            list.is_json = true;
        }
    }
    int exit_code = cli_node_open(&list.node);
    if (exit_code != CLI_DONE) return exit_code;
    exit_code = print(&list);
    list.node.on_event = on_event;
    if (!list.is_watching || !cli_streams_flush()) cli_node_end(&list.node, exit_code);
    exit_code = cli_node_run(&list.node);
    free(list.all);
    return exit_code;
}

const cli_command cli_services = {
    .name = "services",
    .usage = "[SERVICE] [-w] [--json]",
    .summary = "Lists what is served, and by whom, on all hosts",
    .example =
        "  warren services\n  warren services greeter --json | jq '.services[].instances[].host'\n",
    .options = options,
    .run = run,
};
