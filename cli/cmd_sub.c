#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/clean.h"
#include "cli/json.h"
#include "cli/node.h"
#include "cli/output.h"
#include "cli/value.h"
#include "core/mem.h"
#include "io/wall.h"

enum { OPTION_QUEUE, OPTION_COUNT, OPTION_JSON };

static const cli_option options[] = {
    {0, "queue", "GROUP", "be one of a queue group: each message goes to one of it"},
    {'n', "count", "N", "end after N messages that were printed"},
    {0, "json", NULL, "one JSON object per message: subject, data, headers, from, at"},
    {0, NULL, NULL, NULL},
};

typedef struct hearing {
    cli_node node;
    cli_output *output;
    uint32_t count, wanted;
    unsigned long dropped;
    bool is_json, is_last;
} hearing;

static char *json_line(const warren_message *message, json_t *data) {
    char from[17];
    (void)snprintf(from, sizeof from, "%016llx", (unsigned long long)message->from);
    json_t *line =
        json_pack("{s:o, s:o, s:s, s:o}", "subject", cli_json_string(message->subject), "data",
                  json_incref(data), "from", from, "at", cli_json_time(mesh_wall_ms()));
    if (message->headers.len > 0)
        (void)json_object_set_new(
            line, "headers",
            cli_value_read((mesh_bytes){message->headers.data, message->headers.len}));
    char *text = cli_json_text(line, 0);
    json_decref(line);
    return text;
}

static char *people_line(const warren_message *message, const json_t *data) {
    char *text = cli_json_text(data, 0), *subject = cli_clean_text(strdup(message->subject));
    char *line = mem_alloc(strlen(subject) + 1 + strlen(text) + 1);
    (void)sprintf(line, "%s %s", subject, text);
    free(subject);
    free(text);
    return line;
}

static void print(hearing *h, const warren_message *message) {
    h->is_last = h->wanted > 0 && ++h->count == h->wanted;
    json_t *data = cli_value_read((mesh_bytes){message->payload.data, message->payload.len});
    if (data == NULL) data = json_string("(nested deeper than this command can show)");
    char *line = h->is_json ? json_line(message, data) : people_line(message, data);
    size_t len = strlen(line);
    line[len] = '\n'; // in place of its end
    cli_output_write(h->output, (mesh_bytes){(uint8_t *)line, len + 1});
    free(line);
    json_decref(data);
}

static void end_when_written(hearing *h) {
    int err = cli_output_error(h->output);
    if (err != 0) {
        if (err != -EPIPE) cli_say("cannot write the messages: %s", strerror(-err));
        cli_node_end(&h->node, err == -EPIPE ? 128 + SIGPIPE : CLI_FAILED);
    } else if (h->is_last && cli_output_queued(h->output) == 0) {
        cli_node_end(&h->node, CLI_DONE);
    }
}

static void on_written(void *user) {
    end_when_written(user);
}

static void on_message(warren *w, const warren_message *message, void *user) {
    hearing *h = user;
    (void)w;
    bool is_heard = !h->is_last && !h->node.is_over;
    if (is_heard && cli_output_queued(h->output) > CLI_OUTPUT_HIGH)
        h->dropped++; // whoever reads our output is slower than what comes
    else if (is_heard)
        print(h, message);
    if (is_heard) end_when_written(h);
}

static void on_end(cli_node *node) {
    cli_output_close(((hearing *)(void *)node)->output);
}

static int listen_to(hearing *h, const char *pattern, const char *queue) {
    int exit_code = cli_node_open(&h->node);
    if (exit_code != CLI_DONE) return exit_code;
    h->node.on_end = on_end;
    int err = cli_output_open(warren_loop(h->node.w), 1, on_written, h, &h->output);
    if (err != 0) {
        cli_say("cannot write to the standard output: %s", uv_strerror(err));
        cli_node_end(&h->node, CLI_FAILED);
        return cli_node_run(&h->node);
    }
    err = warren_listen(h->node.w, pattern, queue, on_message, h, NULL);
    if (err != 0) cli_node_end(&h->node, cli_node_refused(pattern, err));
    exit_code = cli_node_run(&h->node);
    if (h->dropped > 0)
        cli_say("%lu messages were dropped: the standard output is slower than they come",
                h->dropped);
    return exit_code;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_sub, .argc = argc, .argv = argv};
    hearing h = {0};
    const char *pattern = NULL, *queue = NULL;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        switch (arg) {
        case CLI_ARG_BAD: return cli_args_exit_code(&args);
        case CLI_ARG_WORD:
            if (!cli_args_target(&args, &pattern)) return CLI_USAGE;
            break;
        case OPTION_QUEUE: queue = args.value; break;
        case OPTION_COUNT:
            if (!cli_args_number(&args, "count", 1, UINT32_MAX, &h.wanted)) return CLI_USAGE;
            break;
        default: h.is_json = true;
        }
    }
    if (pattern == NULL) {
        cli_say("sub needs a subject, or a pattern like 'orders.*' or '>'");
        return CLI_USAGE;
    }
    return listen_to(&h, pattern, queue);
}

const cli_command cli_sub = {
    .name = "sub",
    .usage = "PATTERN [--queue GROUP] [-n N] [--json]",
    .summary = "Prints the messages of a subject as they come, until Ctrl-C",
    .example = "  warren sub 'orders.*'\n  warren sub '>' --json | jq .data\n",
    .options = options,
    .run = run,
};
