#include <stdio.h>
#include <string.h>

#include "agent/private_memory.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/duration.h"
#include "cli/json.h"
#include "cli/log_files.h"
#include "cli/report.h"
#include "cli/table.h"
#include "core/mem.h"

enum { OPTION_JSON, CELL_MAX = 32, PROGRAM_MAX = 5000 };

static const cli_option options[] = {
    {0, "json", NULL, "as JSON: {\"nodes\": [...]} (docs/cli.md lists the fields)"},
    {0, NULL, NULL, NULL},
};

typedef struct listing {
    json_t *nodes; // NULL: a table
    FILE *reports; // of the nodes of a target, for people; NULL: none are wanted
    cli_table table;
    size_t count;
} listing;

static void add_row(cli_table *table, const Warren__Agent__NodeInfo *info) {
    char pid[CELL_MAX] = "-", uptime[CLI_DURATION_MAX] = "-", memory[CELL_MAX] = "-",
         restarts[CELL_MAX], program[PROGRAM_MAX];
    if (info->pid != 0) {
        (void)snprintf(pid, CELL_MAX, "%u", info->pid);
        cli_duration_format(uptime, info->uptime_ms);
        (void)snprintf(memory, CELL_MAX, "%.1f MB",
                       (double)agent_memory_private((pid_t)info->pid) / 1e6);
    }
    (void)snprintf(restarts, CELL_MAX, "%u", info->restarts);
    // Of one that is well the reason is why it was started cold; else it is what people look for.
    bool is_well = strcmp(info->state, "up") == 0 && info->reason[0] != '\0';
    if (is_well) (void)snprintf(program, sizeof program, "%s (%s)", info->entry, info->reason);
    const char *cells[] = {info->name,
                           info->state,
                           pid,
                           uptime,
                           memory,
                           restarts,
                           info->joined ? "yes" : "no",
                           is_well                   ? program
                           : info->reason[0] != '\0' ? info->reason
                                                     : info->entry};
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++)
        cli_table_add(table, cells[i]);
}

static bool on_reply(const Warren__Agent__Reply *reply, void *user) {
    listing *list = user;
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_NODES) return false;
    for (size_t i = 0; i < reply->nodes->n_nodes; i++) {
        list->count++;
        if (list->nodes != NULL)
            json_array_append_new(list->nodes, cli_json_node(reply->nodes->nodes[i]));
        else
            add_row(&list->table, reply->nodes->nodes[i]);
        if (list->reports != NULL) cli_report_print(list->reports, reply->nodes->nodes[i]);
    }
    return !reply->nodes->more;
}

// Everything, or what `target` names, and then how its last lives ended.
static int list_nodes(const char *target, bool is_json) {
    static const char *const heading[] = {"NAME",   "STATE",    "PID",    "UPTIME",
                                          "MEMORY", "RESTARTS", "JOINED", "PROGRAM"};
    listing list = {.table = {.column_count = sizeof heading / sizeof heading[0],
                              .is_right = {[2] = true, [3] = true, [4] = true, [5] = true}}};
    char *reports = NULL;
    size_t reports_len;
    if (is_json) list.nodes = json_array();
    if (target != NULL && !is_json)
        list.reports = mem_check(open_memstream(&reports, &reports_len));
    for (size_t i = 0; i < list.table.column_count; i++)
        cli_table_add(&list.table, heading[i]);

    Warren__Agent__Ps body = WARREN__AGENT__PS__INIT;
    if (target != NULL) body.target = (char *)(uintptr_t)target;
    CLI_REQUEST(request, PS, ps, &body);
    int exit_code = cli_client_ask(&request, on_reply, &list);
    if (list.reports != NULL) (void)fclose(list.reports); // there is its text now
    if (exit_code == CLI_NO_AGENT && target != NULL && cli_log_files_has(target))
        cli_say("what %s wrote is still there: `warren logs %s`", target, target);
    if (exit_code != CLI_DONE)
        json_decref(list.nodes);
    else if (is_json)
        cli_json_print(json_pack("{s:o}", "nodes", list.nodes));
    else if (list.count == 0)
        (void)printf("nothing is running (`warren run app.js` would change that)\n");
    else
        cli_table_print(&list.table, cli_table_terminal_width());
    if (exit_code == CLI_DONE && reports != NULL) (void)fputs(reports, stdout);
    free(reports);
    cli_table_deinit(&list.table);
    return exit_code;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_ps, .argc = argc, .argv = argv};
    const char *target = NULL;
    bool is_json = false;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (arg != CLI_ARG_WORD)
            is_json = true;
        else if (!cli_args_target(&args, &target))
            return CLI_USAGE;
    }
    return list_nodes(target, is_json);
}

const cli_command cli_ps = {
    .name = "ps",
    .usage = "[TARGET] [--json]",
    .summary = "Lists the nodes of this host; those of a target with how their last lives ended",
    .example = "  warren ps\n"
               "  warren ps app.2    # and the last lines of stderr before it crashed\n"
               "  warren ps --json | jq '.nodes[] | select(.state == \"failed\")'\n",
    .options = options,
    .run = run,
};
