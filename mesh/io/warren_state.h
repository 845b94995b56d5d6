// The inside of a `warren`, for warren.c (the agent, the application, time) and warren_links.c (the
// sockets of its links).
#pragma once

#include "io/agent_link.h"
#include "node.pb-c.h"
#include "warren.h"

typedef struct peer_link peer_link; // warren_links.c

struct warren {
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_async_t
        keep; // never sent: an active handle that keeps the loop alive while it is referenced
    mesh_channel *control;
    mesh_node *node;
    warren_self self;
    char *self_text[3];
    char *tags;
    warren_output_cb on_output;
    warren_agent_cb on_agent;
    void *user;
    mesh_abroad *abroad; // links to other hosts; NULL: there was none yet
    uv_timer_t *sweep;   // looks after them; NULL too
    peer_link **links;   // by peer handle
    uint32_t link_cap, link_count;
    peer_link **dirty;
    uint32_t dirty_count, dirty_cap;
    uint64_t *connecting; // node ids asked for at the agent
    uint32_t connecting_count, connecting_cap;
    uint64_t *held; // node ids: warren_hold
    uint32_t held_count, held_cap;
    uint32_t links_received;
    uint32_t handle_count; // not closed yet
    uint64_t close_at_ms, armed_at_ms;
    bool is_delivering, has_told, is_wanted, is_agent_lost, is_closing, is_closed, is_destroyed;
};

// ---- warren.c
// What the core has to say goes to the application, what it has to write to the sockets; w may be
// destroyed in it.
void warren_deliver(warren *w);

// ---- warren_links.c
void warren_links_connect(warren *w, uint64_t node_id); // asks the agent
void warren_links_connect_failed(warren *w, uint64_t node_id);
void warren_links_agent_lost(warren *w); // whatever was asked for does not come
void warren_links_add(warren *w, const Warren__Node__Link *link, int fd); // takes fd; -1: none came
void warren_links_take_credentials(warren *w, const Warren__Node__Credentials *given);
void warren_links_mark(warren *w, uint32_t peer);     // it has something to write
void warren_links_end_soon(warren *w, uint32_t peer); // once that is written
void warren_links_write_marked(warren *w);
void warren_links_end_all(warren *w);   // each link is down
void warren_links_close_all(warren *w); // frees all, tells nobody
