// The driver of one member between a hand-made agent (the other end of its control socket) and a
// hand-made peer (the other end of a link). Every test ends with as many descriptors as it began.
#pragma once

#include "core/error.h"
#include "core/frame.h"
#include "core/message.h"
#include "io/member.h"
#include "node.pb-c.h"
#include "test.h"

enum { SELF_ID = 11, PEER_ID = 22, SERVICE_ID = 3, SUBSCRIPTION_ID = 4, GUARD_MS = 10000 };

typedef struct fixture {
    uv_loop_t loop;
    uv_timer_t guard;
    mesh_member *w;
    int agent, peer; // our ends
    int fd_count;
    bool is_over; // destroyed in a callback
    uint32_t told[MESH_MEMBER_CLOSED + 1];
    uint32_t peer_handle, batches, replies, errors, error_code, messages;
    char payloads[8]; // of the messages, one byte of each
    bool is_maybe;
    int listening;
    int destroy_at; // a mesh_member_agent_event, AT_OUTPUT or AT_BATCH
} fixture;

enum { NOWHERE = -1, AT_OUTPUT = 100, AT_BATCH = 101 };

void on_output(const mesh_output *out, void *user);
void on_agent(mesh_member_agent_event event, uint32_t id, int status, const char *text, void *user);
void run_until(fixture *f, const uint32_t *count); // it is more than 0
bool is_at_end(int fd);

// ---- the agent

void say_with(fixture *f, const Warren__Node__ToNode *message, const int *fds, size_t fd_count);
#define SAY(F, FDS, FD_COUNT, KIND, MEMBER, BODY)                                                  \
    do {                                                                                           \
        Warren__Node__ToNode message = WARREN__NODE__TO_NODE__INIT;                                \
        message.kind_case = WARREN__NODE__TO_NODE__KIND_##KIND;                                    \
        message.MEMBER = (BODY);                                                                   \
        say_with(F, &message, FDS, FD_COUNT);                                                      \
    } while (0)

void say_joined(fixture *f);
void say_down(fixture *f);
void say_link(fixture *f, uint64_t node_id, int fd);
void hand_out_link(fixture *f); // whose other end is the peer's
// The node's next message to the agent, freed by the caller.
Warren__Node__ToAgent *heard(fixture *f);

// ---- the peer

void peer_writes(fixture *f, uint8_t type, uint32_t channel, mesh_bytes body);
void peer_greets(fixture *f);
void peer_answers(fixture *f, uint64_t call_id);
void peer_publishes(fixture *f, const char *payload);
// Runs the loop until the node has written a frame of this type to the peer; false: the end came.
bool peer_sees(fixture *f, uint8_t type, mesh_request *out_request);

// ---- the node

fixture *opened(uint64_t self_id);
fixture *met(void); // knows the peer and what it serves
// The link is open; a call waits for its answer.
fixture *linked(mesh_request *out_request);
// Has a subscription, and an open link to the peer, on which nothing was said yet.
fixture *subscribed(uint64_t self_id);
void make_call(fixture *f, uint32_t slot);
void fill(fixture *f); // more than the socket takes waits for a peer that does not read
void finish(fixture *f);
