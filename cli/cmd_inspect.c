#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/client.h"
#include "cli/json.h"

enum { OPTION_JSON };

static const cli_option options[] = {
    {0, "json", NULL, "as JSON, one object per node (docs/cli.md lists the fields)"},
    {0, NULL, NULL, NULL},
};

static void print(const Warren__Agent__Inspected *found) {
    (void)printf("%s (pid %u) ", found->node, found->pid);
    if (found->stalled_ms > 0)
        (void)printf("is stalled, its loop has not turned for %.1f s; it ",
                     (double)found->stalled_ms / 1000);
    if (strcmp(found->activity, "running") == 0)
        (void)printf(found->text[0] != '\0' ? "runs:\n%s" : "runs no function at this moment\n%s",
                     found->text);
    else if (strcmp(found->activity, "waiting") == 0)
        (void)printf("waits for events\n");
    else if (strcmp(found->activity, "blocked") == 0)
        (void)printf("runs no JavaScript:\n%s", found->text);
    else
        (void)printf("has just ended\n");
}

// "    at f (file:1:2)\n..." as an array of its lines.
static json_t *lines_of(const char *text) {
    json_t *lines = json_array();
    while (*text != '\0') {
        text += strspn(text, " ");
        size_t len = strcspn(text, "\n");
        json_array_append_new(lines, cli_json_text_of(text, len));
        text += len + (text[len] == '\n');
    }
    return lines;
}

static bool on_reply(const Warren__Agent__Reply *reply, void *user) {
    const bool *is_json = user;
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_INSPECTED) return false; // Done ends it
    const Warren__Agent__Inspected *found = reply->inspected;
    if (!*is_json) {
        print(found);
        return false;
    }
    json_t *object = json_object();
    json_object_set_new(object, "node", json_string(found->node));
    json_object_set_new(object, "pid", json_integer(found->pid));
    json_object_set_new(object, "activity", json_string(found->activity));
    json_object_set_new(object, "stalledMs", json_integer((json_int_t)found->stalled_ms));
    json_object_set_new(object, "stack", lines_of(found->text));
    cli_json_print(object);
    return false;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_inspect, .argc = argc, .argv = argv};
    const char *target = NULL;
    bool is_json = false;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        switch (arg) {
        case CLI_ARG_BAD: return cli_args_exit_code(&args);
        case CLI_ARG_WORD:
            if (!cli_args_target(&args, &target)) return CLI_USAGE;
            break;
        default: is_json = true;
        }
    }
    if (target == NULL) {
        cli_say("inspect what? `warren inspect NAME.INSTANCE`, or `warren inspect NAME` for all of "
                "a service");
        return CLI_USAGE;
    }
    Warren__Agent__Inspect body = WARREN__AGENT__INSPECT__INIT;
    body.target = (char *)(uintptr_t)target;
    CLI_REQUEST(request, INSPECT, inspect, &body);
    return cli_client_ask(&request, on_reply, &is_json);
}

const cli_command cli_inspect = {
    .name = "inspect",
    .usage = "TARGET [--json]",
    .summary = "Shows the JavaScript stack of a node, also of one whose loop does not turn",
    .example = "  warren inspect app.2    # where it is right now\n"
               "  warren inspect app      # all instances\n",
    .options = options,
    .run = run,
};
