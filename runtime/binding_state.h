// What the files of the binding share. binding.c: the functions that JavaScript calls;
// binding_events.c: what comes from the mesh, for JavaScript; binding_commands.c: what JavaScript
// wants of it.
#pragma once

#include <uv.h>

#include "binding.h"
#include "io/member.h"

enum { BINDING_HEAD_LEN = BINDING_WORDS * sizeof(uint32_t) };

typedef struct binding {
    napi_env env;
    napi_ref on_events, receiver;
    napi_async_context async;
    mesh_member *w;
    uv_prepare_t prepare;
    uint8_t *inbox, *outbox;
    uint32_t *state;
    size_t box_len, inbox_len;
    uint32_t turn_calls;       // requests and replies in the inbox
    uint32_t listening_memory; // 1 + descriptor, for the LISTENING that follows
    bool is_in_js;
    bool is_message_likely; // one came, or an answer was asked for, since the loop last slept
} binding;

// binding_events.c
typedef struct binding_entry { // of the inbox
    uint32_t kind, flags, id, peer, arg, extra;
    mesh_bytes name, payload;
} binding_entry;
void binding_events_put(binding *b, const binding_entry *e);
// JavaScript gets what is in the inbox, and what it then wants is carried out.
void binding_events_deliver(binding *b);
void binding_events_update_state(binding *b);
void binding_events_on_output(const mesh_output *out, void *user);
void binding_events_on_agent(mesh_member_agent_event kind, uint32_t id, int status,
                             const char *text, void *user);

// binding_commands.c: all that is in the outbox
void binding_commands_run(binding *b);
