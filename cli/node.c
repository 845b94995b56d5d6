#include "cli/node.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/target.h"
#include "cli/args.h"
#include "cli/clean.h"
#include "cli/client.h"
#include "cli/value.h"
#include "core/limits.h"
#include "core/mem.h"

enum {
    LEAVE_TIMEOUT_MS = 2000,
    STDIN_LEN_MAX = 4 << 20, // JSON is seldom so much longer than the message it becomes
};

// ---- life

static void on_event(warren *w, warren_event event, void *user) {
    cli_node *node = user;
    if (node->w == NULL) return; // it is being opened: cli_node_open() says how that ends
    (void)w;
    if (event == WARREN_EVENT_AGENT_LOST) {
        cli_say("the agent ended");
        cli_node_end(node, CLI_NO_AGENT);
    } else if (node->on_event != NULL && !node->is_over) {
        node->on_event(node, event);
    }
}

static void on_gap(warren *w, const warren_gap *gap, void *user) {
    (void)user;
    const warren_peer *peer = warren_find_peer(w, gap->id);
    char *name = cli_clean_text(strdup(peer != NULL ? peer->name : "a node that ended"));
    if (gap->is_from)
        cli_say("messages that %s published were lost, %u of them: they came unfinished, and more "
                "than there is memory for",
                name, gap->count);
    else
        cli_say("messages to %s were lost, %u of them: it ended, or its link broke, before they "
                "were known to have come",
                name, gap->count);
    free(name);
}

static void on_signal(uv_signal_t *handle, int number) {
    cli_node_end(handle->data, 128 + number);
}

static void watch(cli_node *node, uv_signal_t *handle, int number) {
    (void)uv_signal_init(warren_loop(node->w), handle);
    handle->data = node;
    (void)uv_signal_start(handle, on_signal, number); // without it the signal just ends us
    uv_unref((uv_handle_t *)handle);
}

// Who it is that does not answer, the client of the agent's other socket knows better.
static int explain(void) {
    uv_loop_t loop;
    cli_client *client = NULL;
    (void)uv_loop_init(&loop);
    int err = cli_client_open(&loop, NULL, NULL, &client);
    if (err == 0) cli_client_close(client);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
    if (err != 0) return cli_client_explain(err);
    cli_say("the agent does not let this command join: it is ending, or has all nodes it can have");
    return CLI_NO_AGENT;
}

int cli_node_open(cli_node *node) {
    char name[32];
    (void)snprintf(name, sizeof name, "cli-%d", (int)getpid());
    warren_options options = {.name = name, .on_event = on_event, .on_gap = on_gap, .user = node};
    int err = warren_open(&options, &node->w);
    if (err == WARREN_INVALID) {
        cli_say("WARREN_TAGS must be key=value pairs with commas between them");
        return CLI_USAGE;
    }
    if (err != 0) return explain();
    watch(node, &node->interrupt, SIGINT);
    watch(node, &node->terminate, SIGTERM);
    return CLI_DONE;
}

int cli_node_run(cli_node *node) {
    while (!node->is_over)
        warren_run(node->w);
    uv_close((uv_handle_t *)&node->interrupt, NULL);
    uv_close((uv_handle_t *)&node->terminate, NULL);
    if (node->on_end != NULL) node->on_end(node);
    warren *w = node->w;
    node->w = NULL;
    warren_close(w, LEAVE_TIMEOUT_MS);
    return node->exit_code;
}

void cli_node_end(cli_node *node, int exit_code) {
    if (node->is_over) return; // leaving, its open calls end as well
    node->exit_code = exit_code;
    node->is_over = true;
    warren_stop(node->w);
}

// ---- routes

static bool is_pair(const char *option, const char *word) {
    const char *equals = strchr(word, '=');
    if (equals != NULL && equals != word) return true;
    cli_say("--%s is KEY=VALUE, not \"%.40s\"", option, word);
    return false;
}

bool cli_route_add_tag(cli_route *route, const char *word) {
    size_t len = strlen(route->tags);
    if (!is_pair("tag", word)) return false;
    int more =
        snprintf(route->tags + len, sizeof route->tags - len, "%s%s", len > 0 ? "," : "", word);
    if (more >= 0 && (size_t)more < sizeof route->tags - len) return true;
    cli_say("all tags together have at most %d bytes", MESH_TAGS_LEN_MAX);
    return false;
}

bool cli_route_add_header(cli_route *route, const char *word) {
    if (!is_pair("header", word)) return false;
    if (route->header_count == CLI_HEADERS_MAX) {
        cli_say("there are at most %d headers", CLI_HEADERS_MAX);
        return false;
    }
    route->headers[route->header_count++] = word;
    return true;
}

// ---- values

static char *read_stdin(size_t *out_len) {
    size_t cap = 0, len = 0;
    char *text = NULL;
    for (;;) {
        text = mem_grow(text, 1, len + (64 << 10), &cap);
        ssize_t got = read(STDIN_FILENO, text + len, cap - len);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) cli_say("cannot read the value from the standard input: %s", strerror(errno));
        if (got > 0) len += (size_t)got;
        if (len > STDIN_LEN_MAX)
            cli_say("the value on the standard input is larger than a message may be");
        bool is_bad = got < 0 || len > STDIN_LEN_MAX;
        if (!is_bad && got > 0) continue;
        *out_len = len;
        if (!is_bad) return text;
        free(text);
        return NULL;
    }
}

bool cli_node_read_value(const char *word, warren_bytes *out) {
    static const uint8_t undefined[] = {0xd4, 2, 0};
    if (word == NULL) {
        *out = (warren_bytes){mem_copy(undefined, sizeof undefined), sizeof undefined};
        return true;
    }
    mesh_bytes value;
    if (strcmp(word, "-") == 0) {
        size_t len;
        char *text = read_stdin(&len);
        if (text == NULL) return false;
        value = cli_value_parse("the standard input", text, len);
        free(text);
    } else {
        value = cli_value_parse("the value", word, strlen(word));
    }
    *out = (warren_bytes){value.data, value.len};
    return value.data != NULL;
}

int cli_node_refused(const char *what, int error) {
    if (error == WARREN_INVALID)
        cli_say(
            "%.100s: the name, the tags or the value is not allowed here: docs/api.md says what is",
            what);
    else
        cli_say("%.100s: %s", what, warren_error_text(error));
    return error == WARREN_INVALID || error == WARREN_TOO_LARGE ? CLI_USAGE : CLI_FAILED;
}

// ---- who is there

typedef struct names {
    const char **all;
    size_t count, cap;
} names;

static void add_name(const char *service, const warren_peer *peer, void *user) {
    names *n = user;
    (void)peer;
    n->all = mem_grow(n->all, sizeof *n->all, n->count + 1, &n->cap);
    n->all[n->count++] = service;
}

int cli_node_no_service(warren *w, const char *service) {
    names n = {0};
    warren_each_instance(w, NULL, add_name, &n);
    const char *nearest = agent_target_nearest(service, n.all, n.count);
    if (nearest != NULL)
        cli_say("nobody serves %.100s: did you mean %.100s?", service, nearest);
    else
        cli_say("nobody serves %.100s (`warren services` lists what is served)", service);
    free(n.all);
    return CLI_NOT_FOUND;
}

typedef struct search {
    const char *name;
    uint64_t id;
} search;

static void compare(const warren_peer *peer, void *user) {
    search *s = user;
    char id[17];
    (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)peer->id);
    if (strcmp(s->name, peer->name) == 0 || strcmp(s->name, id) == 0) s->id = peer->id;
}

uint64_t cli_node_find(warren *w, const char *name) {
    search s = {.name = name};
    warren_each_peer(w, compare, &s);
    if (s.id == 0)
        cli_say("there is no node %.60s (`warren services` and `warren ps` list them)", name);
    return s.id;
}
