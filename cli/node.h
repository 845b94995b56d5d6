// The command line as a node of the mesh (warren.h), for the commands that send messages.
#pragma once

#include <stdbool.h>
#include <uv.h>
#include <warren.h>

typedef struct cli_node {
    warren *w;
    uv_signal_t interrupt, terminate;
    void (*on_event)(struct cli_node *node, warren_event event); // DRAIN and INSTANCES; or NULL
    void (*on_end)(struct cli_node *node); // what else is on its loop must be closed; or NULL
    int exit_code;
    bool is_over;
} cli_node;

// Joins. 0, or the exit code after a sentence.
int cli_node_open(cli_node *node);
// Runs until cli_node_end, Ctrl-C (130) or the end of the agent; leaves. Returns the exit code.
int cli_node_run(cli_node *node);
void cli_node_end(cli_node *node, int exit_code); // the first one counts

// ---- what calls and publications have in common

enum { CLI_HEADERS_MAX = 16, CLI_TAGS_MAX = 256 };

typedef struct cli_route { // zero memory is an empty one
    const char *key;
    char tags[CLI_TAGS_MAX];
    const char *headers[CLI_HEADERS_MAX];
    size_t header_count;
    bool is_bulk;
} cli_route;

// A word key=value. False after a sentence.
bool cli_route_add_tag(cli_route *route, const char *word);
bool cli_route_add_header(cli_route *route, const char *word);

// A JSON value of the command line; "-": all of stdin; NULL: undefined. False after a sentence.
// Free out->data.
bool cli_node_read_value(const char *word, warren_bytes *out);
// A sentence for what warren_call and warren_publish refuse; returns the exit code.
int cli_node_refused(const char *what, int error);
// "nobody serves greter: did you mean greeter?" Returns the exit code.
int cli_node_no_service(warren *w, const char *service);
// A node by its name ("app.2") or id; 0 after a sentence.
uint64_t cli_node_find(warren *w, const char *name);
