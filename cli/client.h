// A connection to the agent, on a libuv loop.
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "agent.pb-c.h"

typedef struct cli_client cli_client;

// NULL: the connection is over (the agent ended, or would not have us).
typedef void (*cli_reply_cb)(const Warren__Agent__Reply *reply, void *user);

// Connects to $WARREN_DIR/agent.sock, says Hello and waits for the agent's first word (it blocks at
// most 10 s). 0 or -errno, also -ENAMETOOLONG, and -ETIMEDOUT when the agent is stopped or stuck.
int cli_client_open(uv_loop_t *loop, cli_reply_cb on_reply, void *user, cli_client **out);
// MESH_ETOOBIG: it does not fit in a packet. The descriptor (-1: none) is duplicated.
int cli_client_send(cli_client *client, const Warren__Agent__Request *request, int fd);
void cli_client_pause(cli_client *client, bool is_paused); // no replies while paused
void cli_client_close(cli_client *client);                 // NULL is fine

// The request whose KIND is BODY, a pointer to that kind's struct.
#define CLI_REQUEST(NAME, KIND, MEMBER, BODY)                                                      \
    Warren__Agent__Request NAME = WARREN__AGENT__REQUEST__INIT;                                    \
    NAME.kind_case = WARREN__AGENT__REQUEST__KIND_##KIND;                                          \
    NAME.MEMBER = (BODY)

// Prints why there is no connection and what to do; returns the exit code.
int cli_client_explain(int err);

// Sends one request and hands over each reply until Done, Error, or `on_reply` says that it has
// all. Prints an Error unless `on_reply` says that it has; returns the exit code. Ctrl-C ends it
// with 130.
typedef bool (*cli_answer_cb)(const Warren__Agent__Reply *reply, void *user); // true: that was all
int cli_client_ask(const Warren__Agent__Request *request, cli_answer_cb on_reply, void *user);

// Several of them, one after the other, on one connection: an agent that runs for a command stays
// as long as it is open. 0, or what cli_client_explain explains.
typedef struct cli_session cli_session;
int cli_session_open(cli_session **out);
int cli_session_ask(cli_session *session, const Warren__Agent__Request *request,
                    cli_answer_cb on_reply, void *user); // after a Ctrl-C 130 at once
// Sends one whose answers whoever waits next gets; it must fit in a packet.
void cli_session_send(cli_session *session, const Warren__Agent__Request *request);
int cli_session_await(cli_session *session, cli_answer_cb on_reply, void *user); // as after an ask
// For who does something else for a while: 0, or what the next question would end with (130: Ctrl-C
// was pressed).
int cli_session_look(cli_session *session);
void cli_session_close(cli_session *session); // NULL is fine
// All that is asked from now on has so long together, then it ends with 124.
void cli_session_limit(cli_session *session, uint64_t ms);
