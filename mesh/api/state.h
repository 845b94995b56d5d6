// What the files of the C API share. warren.c: life, the loop, events; peers.c: who is there;
// calls.c: calls made; serve.c: what is offered, requests and messages that come; payload and error
// helpers: values.c.
#pragma once

#include <uv.h>

#include "core/map.h"
#include "core/payload.h"
#include "io/member.h"
#include "warren.h"

typedef struct api_monitor {
    warren_down_cb on_down;
    void *user;
    struct api_monitor *next;
} api_monitor;

typedef struct api_peer {
    uint32_t handle;
    warren_peer peer; // its strings are copies
    mesh_shapes shapes;
    char **services;
    size_t service_count, service_cap;
    api_monitor *monitors;
} api_peer;

// A service or a subscription.
typedef struct api_endpoint {
    uint32_t id;
    bool is_service;
    warren_request_cb on_request;
    warren_message_cb on_message;
    void *user;
} api_endpoint;

typedef struct api_call {
    warren_answer_cb on_answer;
    warren_item_cb on_item;
    void *user;
    uint32_t generation; // so that an id is not used again
    bool is_open;
    int stopped; // a stream that was refused: what its call ends with
} api_call;

typedef struct api_request {
    warren_request face; // the first: callers give a pointer to it
    warren *w;
    uint32_t slot;
    bool is_stream;   // an item was sent
    uint8_t memory[]; // name, payload, headers
} api_request;

struct warren {
    uv_loop_t *loop;
    uv_loop_t own_loop;
    uv_prepare_t prepare;
    mesh_member *member;
    warren_event_cb on_event;
    warren_gap_cb on_gap;
    void *user;
    uint32_t max_message_len;
    bool has_own_loop, is_turning, is_joined, is_lost, is_closing, is_closed, is_changed;
    mesh_map peers;     // api_peer, by handle
    mesh_map endpoints; // api_endpoint, by id
    mesh_map requests;  // api_request that are not answered, by slot
    api_peer *self;
    uint32_t last_endpoint_id;
    api_call *calls;
    size_t call_count, call_cap;
    uint32_t *free_calls; // the slots that are not open
    size_t free_count, free_cap;
    mesh_payload_buffer plain[2]; // headers and payload of what is being told
    uint64_t bad_payloads;
};

// ---- warren.c
void api_tell(warren *w, warren_event event);
// Times count from when the program asks, which may be long after its turn of the loop began.
uint64_t api_now_ms(warren *w);

// ---- peers.c
api_peer *api_peers_get(const warren *w, uint32_t handle); // NULL: not there
api_peer *api_peers_find(const warren *w, uint64_t id);
void api_peers_take(warren *w, const mesh_output *out); // PEER, SERVICE, SHAPE and DOWN
void api_peers_add_self(warren *w);
void api_peers_free(warren *w);
uint64_t api_peers_id(const warren *w, uint32_t handle); // 0: not there

// ---- calls.c
void api_calls_take(warren *w, const mesh_output *out); // REPLY, ERROR and ITEM

// ---- serve.c
void api_serve_take(warren *w, const mesh_output *out); // REQUEST, MESSAGE, ABORT and GRANT
void api_serve_free(warren *w);

// ---- values.c
// Headers and payload of an event, plain: valid until the next call. MESH_EPROTO, MESH_ETOOBIG.
typedef struct api_content {
    warren_bytes headers, payload;
} api_content;
int api_content_read(warren *w, const mesh_output *out, api_content *content);
// The two as one payload of the wire, with the flag for it. *out_memory: to free, or NULL. A
// warren_error: what the program gave is no value, or too large.
typedef struct api_message {
    mesh_bytes payload;
    uint32_t flags;
    void *memory;
} api_message;
int api_message_write(const warren *w, warren_bytes payload, warren_bytes headers, bool is_bulk,
                      api_message *out);
// A name or subject as JavaScript allows it: UTF-8, 1 to 255 bytes, no blanks and controls.
bool api_is_name(const char *name, mesh_bytes *out);
// key and tags of options; both may be NULL.
int api_pick(const char *key, const char *tags, mesh_pick *out);
int api_error(int mesh_error); // to a warren_error
// The value that a handler's failure travels as. To free.
mesh_bytes api_error_value(const char *code, const char *message);
