// The inside of a `mesh_member`, for member.c (the agent, the application, time) and member_links.c
// (the sockets of its links).
#pragma once

#include "io/agent_link.h"
#include "io/member.h"
#include "io/statement.h"
#include "node.pb-c.h"

typedef struct peer_link peer_link; // member_links.c

struct mesh_member {
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_async_t keep; // an active handle that keeps the loop alive while it is referenced; sent to
                     // go on in the next turn
    mesh_channel *control;
    mesh_statement *said; // to the agent
    mesh_leases *leases;
    mesh_node *node;
    mesh_member_self self;
    char *self_text[3];
    char *tags;
    mesh_member_output_cb on_output;
    mesh_member_agent_cb on_agent;
    void *user;
    mesh_abroad *abroad; // links to other hosts; NULL: there was none yet
    uv_timer_t *sweep;   // looks after them; NULL too
    peer_link **links;   // by the low bits of their peers' handles
    uint32_t link_cap, link_count;
    peer_link **dirty;
    uint32_t dirty_count, dirty_cap;
    uint64_t *connecting; // node ids asked for at the agent
    uint32_t connecting_count, connecting_cap;
    uint64_t *held; // node ids: mesh_member_hold
    uint32_t held_count, held_cap;
    uint32_t links_received;
    uint32_t handle_count; // not closed yet
    uint64_t close_at_ms, armed_at_ms;
    bool is_delivering, has_told, is_wanted, is_agent_lost, is_closing, is_leaving, is_closed,
        is_destroyed;
};

// ---- member.c
// What the core has to say goes to the application, what it has to write to the sockets; me may be
// destroyed in it.
void mesh_member_deliver(mesh_member *me);

// ---- member_links.c
void mesh_member_links_connect(mesh_member *me, uint64_t node_id); // asks the agent
void mesh_member_links_connect_failed(mesh_member *me, uint64_t node_id);
void mesh_member_links_agent_lost(mesh_member *me); // whatever was asked for does not come
void mesh_member_links_add(mesh_member *me, const Warren__Node__Link *link,
                           int fd); // takes fd; -1: none came
void mesh_member_links_take_credentials(mesh_member *me, const Warren__Node__Credentials *given);
void mesh_member_links_mark(mesh_member *me, uint32_t peer);     // it has something to write
void mesh_member_links_end_soon(mesh_member *me, uint32_t peer); // once that is written
void mesh_member_links_write_marked(mesh_member *me);
void mesh_member_links_end_all(mesh_member *me);   // each link is down
void mesh_member_links_close_all(mesh_member *me); // frees all, tells nobody
