#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/clean.h"
#include "cli/duration.h"
#include "cli/json.h"
#include "cli/node.h"
#include "cli/streams.h"
#include "cli/value.h"

enum {
    OPTION_WAIT,
    OPTION_TIMEOUT,
    OPTION_SUBJECT,
    OPTION_TO,
    OPTION_KEY,
    OPTION_TAG,
    OPTION_HEADER,
    OPTION_BULK,
    OPTION_JSON
};
enum {
    WORDS_MAX = 4, // one too many
    INDENT = 2
};

static const cli_option options[] = {
    {'w', "wait", "TIME", "first wait until somebody serves it, at most so long: 10s"},
    {'t', "timeout", "TIME", "how long to wait for the answer: 500ms, 5s, 2m (5s); 0: without end"},
    {0, "subject", NULL, "SERVICE is a subject: whoever subscribes to it answers"},
    {0, "to", "NODE", "this instance only: its name (app.2) or its id"},
    {0, "key", "KEY", "the same key, the same instance"},
    {0, "tag", "KEY=VALUE", "only instances that have this tag (again for more)"},
    {'H', "header", "KEY=VALUE", "a header of the call (again for more)"},
    {0, "bulk", NULL, "by the lane that never holds up others"},
    {0, "json", NULL, "one line of JSON, also for an error: {\"error\": {...}}"},
    {0, NULL, NULL, NULL},
};

typedef struct calling {
    cli_node node;
    const char *service, *method, *value, *to;
    cli_route route;
    uint64_t timeout_ms, wait_ms;
    uv_timer_t waiting; // while wait_ms is not 0
    bool is_subject, is_json;
} calling;

static void print_value(mesh_bytes payload, size_t indent) {
    json_t *value = cli_value_read(payload);
    if (value == NULL) {
        cli_say("the value is nested deeper than this command can show");
        return;
    }
    char *text = cli_json_text(value, indent);
    (void)printf("%s\n", text);
    free(text);
    json_decref(value);
}

static mesh_bytes bytes_of(warren_bytes bytes) {
    return (mesh_bytes){bytes.data, bytes.len};
}

static bool is_undefined(warren_bytes payload) {
    static const uint8_t undefined[] = {0xd4, 2, 0};
    return payload.len == sizeof undefined &&
           memcmp(payload.data, undefined, sizeof undefined) == 0;
}

static void print_error(const calling *c, const warren_answer *answer) {
    char *text = cli_clean_text(strdup(answer->text));
    warren_thrown thrown = {0};
    if (answer->error == WARREN_APPLICATION) (void)warren_thrown_read(answer->payload, &thrown);
    char *code = cli_clean_text(thrown.code);
    if (c->is_json) {
        json_t *value = answer->payload.len > 0 ? cli_value_read(bytes_of(answer->payload)) : NULL;
        json_t *error =
            json_pack("{s:o, s:o, s:s}", "code",
                      cli_json_string(*code ? code : warren_error_name(answer->error)), "message",
                      cli_json_string(text), "delivered", answer->is_maybe ? "maybe" : "no");
        if (value != NULL) (void)json_object_set_new(error, "value", value);
        cli_json_print(json_pack("{s:o}", "error", error));
    }
    cli_say("%.100s%s%.100s: %.500s%s%.64s%s", c->service, c->is_subject ? "" : " ",
            c->is_subject ? "" : c->method, text, *code ? " (" : "", code, *code ? ")" : "");
    free(text);
}

static int code_of(calling *c, const warren_answer *answer) {
    if (answer->error == WARREN_NO_RESPONDERS && c->route.tags[0] != '\0') {
        cli_say("nobody with these tags serves %.100s (`warren services` lists who does)",
                c->service);
        return CLI_NOT_FOUND;
    }
    if (answer->error == WARREN_NO_RESPONDERS && !c->is_subject)
        return cli_node_no_service(c->node.w, c->service);
    print_error(c, answer);
    switch (answer->error) {
    case WARREN_TIMEOUT: return CLI_TIMED_OUT;
    case WARREN_NO_RESPONDERS:
    case WARREN_NO_METHOD: return CLI_NOT_FOUND;
    case WARREN_FORBIDDEN: return CLI_NO_AGENT; // denied
    default: return CLI_FAILED;
    }
}

static void on_answer(warren *w, const warren_answer *answer, void *user) {
    calling *c = user;
    (void)w;
    int exit_code = CLI_DONE;
    if (answer->error != WARREN_OK)
        exit_code = code_of(c, answer);
    else if (!is_undefined(answer->payload) || c->is_json)
        print_value(bytes_of(answer->payload), !c->is_json && isatty(STDOUT_FILENO) ? INDENT : 0);
    cli_node_end(&c->node, exit_code);
}

static void on_item(warren *w, warren_bytes payload, void *user) {
    calling *c = user;
    (void)w;
    print_value(bytes_of(payload), 0);
    if (!cli_streams_flush()) cli_node_end(&c->node, CLI_DONE); // cli_streams_close says why
}

static int send_call(calling *c) {
    warren_bytes payload = {0};
    if (!cli_node_read_value(c->value, &payload)) return CLI_USAGE;
    mesh_bytes headers = cli_value_headers(c->route.headers, c->route.header_count);
    warren_callee callee = {.service = c->service,
                            .method = c->method,
                            .subject = c->is_subject ? c->service : NULL,
                            .key = c->route.key,
                            .tags = c->route.tags[0] ? c->route.tags : NULL,
                            .timeout_ms =
                                c->timeout_ms == 0 ? WARREN_NO_TIMEOUT : (uint32_t)c->timeout_ms,
                            .headers = {headers.data, headers.len},
                            .is_bulk = c->route.is_bulk,
                            .on_item = on_item};
    int exit_code = CLI_DONE;
    if (c->to != NULL && (callee.node = cli_node_find(c->node.w, c->to)) == 0)
        exit_code = CLI_NOT_FOUND;
    int err =
        exit_code == CLI_DONE ? warren_call(c->node.w, &callee, payload, on_answer, c, NULL) : 0;
    if (err != 0) exit_code = cli_node_refused(c->service, err);
    free((void *)payload.data);
    free((void *)headers.data);
    return exit_code;
}

static void start(calling *c) {
    int exit_code = send_call(c);
    if (exit_code != CLI_DONE) cli_node_end(&c->node, exit_code);
}

// ---- waiting for an instance

static void count_one(const char *service, const warren_peer *peer, void *user) {
    (void)service, (void)peer;
    ++*(size_t *)user;
}

static void look(cli_node *node, warren_event event) {
    calling *c = (calling *)(void *)node;
    size_t count = 0;
    (void)event;
    warren_each_instance(node->w, c->service, count_one, &count);
    if (count == 0) return;
    node->on_event = NULL;
    (void)uv_timer_stop(&c->waiting);
    start(c);
}

static void on_wait_over(uv_timer_t *timer) {
    calling *c = timer->data;
    (void)cli_node_no_service(c->node.w, c->service);
    cli_node_end(&c->node, CLI_TIMED_OUT);
}

static void close_timer(cli_node *node) {
    uv_close((uv_handle_t *)&((calling *)(void *)node)->waiting, NULL);
}

static void start_when_served(calling *c) {
    (void)uv_timer_init(warren_loop(c->node.w), &c->waiting); // never fails
    c->waiting.data = c;
    c->node.on_end = close_timer;
    c->node.on_event = look;
    (void)uv_timer_start(&c->waiting, on_wait_over, c->wait_ms, 0);
    look(&c->node, WARREN_EVENT_INSTANCES);
}

static bool take_option(calling *c, const cli_args *args, int option) {
    switch (option) {
    case OPTION_WAIT: return cli_duration_parse("wait", args->value, UINT32_MAX, &c->wait_ms);
    case OPTION_TIMEOUT:
        return cli_duration_parse("timeout", args->value, UINT32_MAX - 1, &c->timeout_ms);
    case OPTION_SUBJECT: c->is_subject = true; return true;
    case OPTION_TO: c->to = args->value; return true;
    case OPTION_KEY: c->route.key = args->value; return true;
    case OPTION_TAG: return cli_route_add_tag(&c->route, args->value);
    case OPTION_HEADER: return cli_route_add_header(&c->route, args->value);
    case OPTION_BULK: c->route.is_bulk = true; return true;
    default: c->is_json = true; return true;
    }
}

// SERVICE METHOD [VALUE], or SUBJECT [VALUE]
static bool take_words(calling *c, const char *const *words, size_t count) {
    size_t names = c->is_subject ? 1 : 2;
    if (count < names || count > names + 1) {
        const char *dot = count == 1 ? strrchr(words[0], '.') : NULL;
        if (dot != NULL && !c->is_subject)
            cli_say("call takes the service and its method as two words: did you mean `warren call "
                    "%.*s %.60s`?",
                    (int)(dot - words[0]), words[0], dot + 1);
        else
            cli_say("call takes %s and at most one value: `warren call --help` shows how",
                    c->is_subject ? "a subject" : "a service, its method");
        return false;
    }
    if (c->is_subject && c->wait_ms > 0) {
        cli_say("--wait is for services: nobody serves a subject");
        return false;
    }
    c->service = words[0];
    if (!c->is_subject) c->method = words[1];
    if (count > names) c->value = words[names];
    return true;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_call, .argc = argc, .argv = argv};
    calling c = {.timeout_ms = 5000};
    const char *words[WORDS_MAX];
    size_t count = 0;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (arg == CLI_ARG_WORD) {
            if (count < WORDS_MAX) words[count++] = args.value;
        } else if (!take_option(&c, &args, arg)) {
            return CLI_USAGE;
        }
    }
    if (!take_words(&c, words, count)) return CLI_USAGE;
    int exit_code = cli_node_open(&c.node);
    if (exit_code != CLI_DONE) return exit_code;
    if (c.wait_ms > 0)
        start_when_served(&c);
    else
        start(&c);
    return cli_node_run(&c.node);
}

const cli_command cli_call = {
    .name = "call",
    .usage = "SERVICE METHOD [VALUE | -] [--timeout TIME] [--to NODE] [--key KEY] [--tag "
             "KEY=VALUE]... [--json]",
    .summary = "Calls a method of a service and prints its answer",
    .example = "  warren call greeter hello '{\"name\": \"Ada\"}'\n"
               "  echo '{\"sku\": 7}' | warren call shop quote - --timeout 500ms --json\n"
               "  warren call --subject prices.get 7\n",
    .options = options,
    .run = run,
};
