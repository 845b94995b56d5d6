#include "cli/log_files.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/logs.h"
#include "agent/target.h"
#include "cli/args.h"
#include "cli/client.h"
#include "io/paths.h"

enum { NODE_WORD_MAX = AGENT_NAME_LEN_MAX + 12 }; // "app.0"

typedef struct printing {
    cli_printer *printer;
    bool has_all, is_over;
    int exit_code;
} printing;

static void look(printing *p) {
    int err = cli_printer_error(p->printer);
    if (p->is_over || !p->has_all || (err == 0 && cli_printer_queued(p->printer) > 0)) return;
    p->is_over = true;
    if (err != 0) p->exit_code = err == -EPIPE ? 128 + SIGPIPE : CLI_FAILED;
    if (err != 0 && err != -EPIPE) cli_say("cannot write the log: %s", strerror(-err));
    cli_printer_close(p->printer);
}

static void on_printed(void *user) {
    look(user);
}

static void on_piece(const agent_log_piece *piece, void *user) {
    printing *p = user;
    Warren__Agent__Output output = WARREN__AGENT__OUTPUT__INIT;
    output.node = (char *)(uintptr_t)piece->node;
    output.is_stderr = piece->is_stderr;
    output.data.data = (uint8_t *)(uintptr_t)piece->data.data;
    output.data.len = piece->data.len;
    output.at_ms = piece->at_ms;
    cli_printer_output(p->printer, &output);
}

static void note_piece(const agent_log_piece *piece, void *user) {
    (void)piece;
    *(bool *)user = true;
}

// An instance that never ran has none, though its service has.
static bool has_log(agent_log_query query) {
    bool has_piece = false;
    query.line_count = 1;
    query.since_ms = 0;
    int err = agent_log_tail(&query, note_piece, &has_piece);
    return err == 0 && (query.node == NULL || has_piece);
}

static int print(const agent_log_query *query, const cli_printer_options *options) {
    uv_loop_t loop;
    printing p = {.exit_code = CLI_DONE};
    cli_printer_options own = *options;
    own.on_change = on_printed;
    own.user = &p;
    uv_loop_init(&loop);
    int err = cli_printer_open(&loop, &own, &p.printer);
    if (err != 0) {
        cli_say("cannot print the log of %s: %s", query->service, strerror(-err));
        return CLI_FAILED;
    }
    err = agent_log_tail(query, on_piece, &p);
    if (err != 0) {
        cli_say("cannot read the log of %s: %s", query->service, strerror(-err));
        p.exit_code = CLI_FAILED;
    }
    p.has_all = true;
    look(&p);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return p.exit_code;
}

// What the query for a target borrows.
typedef struct named {
    char dir[MESH_PATHS_LEN_MAX], node[NODE_WORD_MAX];
    agent_target target;
} named;

// False: it names nothing that has written a log.
static bool find(const char *target, named *out, agent_log_query *out_query) {
    if (mesh_paths_dir(out->dir) != 0 || agent_target_parse(target, &out->target) != 0 ||
        out->target.name[0] == '\0')
        return false;
    (void)snprintf(out->node, sizeof out->node, "%s.%u", out->target.name, out->target.instance);
    *out_query = (agent_log_query){.dir = out->dir,
                                   .service = out->target.name,
                                   .node = out->target.instance == UINT32_MAX ? NULL : out->node};
    return has_log(*out_query);
}

bool cli_log_files_has(const char *target) {
    named place;
    agent_log_query query;
    return find(target, &place, &query);
}

int cli_log_files_print(const Warren__Agent__Logs *logs, const cli_printer_options *options,
                        int err) {
    named place;
    agent_log_query query;
    if (!find(logs->target, &place, &query)) return cli_client_explain(err);
    query.line_count = logs->tail_lines;
    query.since_ms = logs->since_ms;
    if (!logs->follow) return print(&query, options);
    cli_say("cannot follow %s: no agent is running in %s, so nothing is written (`warren logs %s` "
            "prints what was)",
            logs->target, place.dir, logs->target);
    return CLI_NO_AGENT;
}
