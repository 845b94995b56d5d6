// The inside of agent_members, for members.c (who is there, what is told) and member_requests.c
// (what members ask for).
#pragma once

#include "agent/members.h"
#include "core/mem.h"
#include "io/channel.h"
#include "io/packet.h"
#include "node.pb-c.h"

typedef struct agent_unseen { // a link that a member was handed and may not have noticed yet
    uint64_t peer;
    uint32_t number; // of its Link message
} agent_unseen;

struct agent_member {
    agent_members *members;
    agent_member_info identity;
    mesh_channel *channel; // NULL: it closed its end, or was cut
    bool is_joined;
    bool is_adopted; // by another agent, and has not restated yet
    uint64_t adoption;
    bool has_spoken;          // its program uses the mesh, or a shared socket
    bool is_stuck, is_unwell; // why the others are told that it has stalled
    bool has_left;            // others were told that it is gone: nothing more is said about it
    uint64_t since_ms;
    Warren__Node__Entry **entries;             // in the order announced
    size_t entry_count, entry_cap, told_count; // told_count of them are known to the others
    bool is_told;                              // so is the member itself
    uint32_t link_count;
    agent_unseen *unseen;
    size_t unseen_count, unseen_cap;
    agent_member *next;
};

struct agent_members {
    uv_loop_t *loop;
    uv_timer_t *news_timer;
    uint64_t news_at_ms; // when news was told last
    char host[256];
    uint8_t host_id[MESH_ID_LEN]; // of this host
    uint64_t incarnation;
    agent_members_events events;
    void *user;
    const agent_members_abroad *abroad; // NULL: there are no other hosts
    void *abroad_user;
    const agent_members_leases *leases; // NULL: none are given
    void *leases_user;
    agent_member *first, **last;
    uint32_t count, attached_count;
};

// A ToNode whose KIND is BODY, a pointer to that kind's struct.
#define AGENT_TO_NODE(NAME, KIND, MEMBER, BODY)                                                    \
    Warren__Node__ToNode NAME = WARREN__NODE__TO_NODE__INIT;                                       \
    NAME.kind_case = WARREN__NODE__TO_NODE__KIND_##KIND;                                           \
    NAME.MEMBER = (BODY)

// ---- members.c
void agent_member_send(agent_member *member, const Warren__Node__ToNode *message, int fd);
void agent_member_send_fds(agent_member *member, const Warren__Node__ToNode *message,
                           const int *fds, size_t fd_count);
void agent_member_say_all(agent_member *newcomer);     // who else is there, on all hosts
void agent_member_say_announced(agent_member *member); // of what all others know
void agent_member_say_removed(const agent_member *member, uint32_t entry_id);
void agent_member_give_sign(const agent_member *member, agent_sign sign);
void agent_members_tell_news(agent_members *members);
void agent_members_tell_news_soon(agent_members *members);
// Tells the others, once. After it nothing is said about this id.
void agent_member_leave(agent_member *member, const agent_member_end *end);
// It broke the protocol or a quota: out, with a sentence for it and one for our log.
void agent_member_refuse(agent_member *member, const char *text);

// ---- member_requests.c
void agent_member_on_packet(mesh_channel *channel, mesh_bytes bytes, mesh_packet *packet,
                            void *user);
