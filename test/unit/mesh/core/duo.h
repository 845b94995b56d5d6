// Two members of one mesh, back to back without sockets: what a driver and an agent would do for
// them, done at once. Records what each application sees.
#pragma once

#include "core/error.h"
#include "core/node.h"
#include "test.h"

enum { DUO_EVENTS_MAX = 4096, DUO_TEXT_MAX = 64 };

typedef struct duo_event {
    mesh_output out; // its borrowed fields are not valid any more: see name and payload
    char name[DUO_TEXT_MAX];
    char payload[DUO_TEXT_MAX]; // what fits
    size_t payload_len;
} duo_event;

typedef struct duo_side {
    mesh_node *node;
    uint64_t id;
    uint32_t peer; // how this side calls the other
    bool is_linked, is_close_asked;
    int link_error; // of the last link_received
    duo_event events[DUO_EVENTS_MAX];
    size_t count, read;
} duo_side;

typedef struct duo {
    duo_side sides[2];
    uint64_t now_ms;
    bool is_connect_refused; // CONNECT gets no answer
    bool is_stopped[2];      // this side's output stays where it is
    size_t chunk;            // at most so many bytes at once; 0: all
} duo;

// Both know each other; nothing is linked.
duo *duo_create(
    const mesh_node_options *options); // NULL: the defaults; ids and seeds are the duo's
duo *duo_create_unlike(uint32_t max_message_left, uint32_t max_message_right);
void duo_destroy(duo *d);
void duo_run(duo *d);            // until nothing moves
void duo_link_down(duo *d);      // both ends at once
void duo_kill(duo *d, int side); // its process ends: the link, then the agent's word
void duo_announce(duo *d, int side, uint32_t entry_id, mesh_entry_kind kind, const char *name,
                  const char *queue);
int duo_call(duo *d, int side, uint32_t slot, const char *service, const char *payload);
int duo_publish(duo *d, int side, const char *subject, const char *payload);
// Raw frames for `side`, as a peer that breaks rules would send them: one record. The result of
// link_received.
int duo_inject(duo *d, int side, const void *frames, size_t len);

// The next event of that kind, skipping others; fails the test when there is none.
const duo_event *duo_expect(duo *d, int side, mesh_output_kind kind);
size_t duo_count(const duo *d, int side, mesh_output_kind kind); // of all events so far
