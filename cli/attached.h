// A terminal that shows what services write until they have ended, and asks them to end when it is
// interrupted, or when nobody reads on: what `run` and `up` in the foreground have in common.
#pragma once

#include "cli/client.h"
#include "cli/printer.h"

enum { CLI_ATTACHED_SIGNALS = 3 };

typedef struct cli_attached {
    // Set before it is opened.
    const char *name;                       // of what is stopped, for people
    void (*stop)(bool is_kill, void *user); // asks all of it to end
    cli_reply_cb on_reply;                  // shows the rest, and calls cli_attached_look
    void *user;                             // of both
    bool is_json, has_prefix, ends_on_hangup;
    // By whoever listens.
    bool is_started, is_ended; // there is something to stop; it has ended, and no more is to come
    int exit_code;             // of the programs
    // Its own.
    uv_loop_t loop;
    cli_client *client;
    cli_printer *printer;
    uv_signal_t signals[CLI_ATTACHED_SIGNALS];
    bool is_over, is_paused, is_discarding; // discarding: nobody reads what nodes write any more
    int asked;                              // how often we were asked to stop
    int own_exit_code; // goes before the programs': interrupted, or stdout was closed; 0: none
} cli_attached;

// Connects. 0, or what cli_client_explain explains: then finish it all the same.
int cli_attached_open(cli_attached *a);
// Shows output, what was skipped of it, and events. False: it is something else.
bool cli_attached_print(cli_attached *a, const Warren__Agent__Reply *reply);
// After each reply: holds the agent back while its output is not read, finishes when all is over.
void cli_attached_look(cli_attached *a);
// Ends cli_attached_run, once.
void cli_attached_finish(cli_attached *a, int exit_code);
int cli_attached_run(cli_attached *a); // until it is finished: the exit code
