// Who is in the mesh on this host: every process with a control socket, launched by the agent or
// attached by itself. Tells each member who the others are and what they serve, hands out links,
// and tells of ends. Messages between members never pass here.
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "agent/roster.h"
#include "agent/sockets.h"
#include "agent/supervisor.h"
#include "core/bytes.h"
#include "secure/handshake.h"

enum { AGENT_MEMBERS_MAX = 16384 };

typedef struct agent_members agent_members;
typedef struct agent_member agent_member;

typedef struct agent_member_info {
    uint64_t node_id, number; // the id is made of the number (agent_members_number)
    const char *name, *service;
    uint32_t instance, pid; // pid 0: set later; until then the member waits
    bool is_stalled;        // its loop does not turn, or it does not say that it is well
    bool is_attached;       // not ours to launch or to restart: its end is the end of its socket
} agent_member_info;

typedef struct agent_member_question { // whether it is well (node.proto, Check)
    uint32_t number, timeout_ms;
    const char *http, *call; // empty: not so
} agent_member_question;

enum { AGENT_MEMBER_WHY_MAX = 121 }; // with its end

typedef struct agent_member_checked {
    uint32_t number;
    bool is_healthy;
    const char *why;
} agent_member_checked;

typedef struct agent_members_events {
    // A launched member asks for a shared socket: a descriptor (borrowed), or -errno.
    int (*on_listen)(const agent_member *member, const agent_listen *request, void *user);
    void (*on_attached_end)(void *user); // one less
    // A launched member can do its work, as far as this sign says so. May come again. NULL: nobody
    // wants to know.
    void (*on_sign)(const agent_member *member, agent_sign sign, void *user);
    // What agent_member_drain asked for is done; so many connections did not end in time. May be
    // NULL.
    void (*on_drained)(const agent_member *member, uint32_t connections, void *user);
    // What it says to agent_member_check, or of itself; `why` is clean text. May be NULL.
    void (*on_checked)(const agent_member *member, const agent_member_checked *answer, void *user);
} agent_members_events;

agent_members *agent_members_create(uv_loop_t *loop, const char *host, uint64_t started_at_ms,
                                    const agent_members_events *events, void *user);
void agent_members_set_host(agent_members *members, const char *host); // for those to come
void agent_members_destroy(agent_members *members);                    // closes all sockets

// Whose nodes those to come are: this host's id (MESH_ID_LEN bytes), which it has before it has a
// cluster.
void agent_members_set_host_id(agent_members *members, const uint8_t *host_id);
// A number that was never given before, and the id that it makes on this host.
void agent_members_number(const agent_members *members, agent_member_info *out);

// Takes fd (also on failure), sends Welcome. The member ends with agent_members_end, or by itself
// when it is attached. MESH_EQUOTA, -errno.
int agent_members_add(agent_members *members, int fd, const agent_member_info *identity,
                      agent_member **out);
// One that another agent began: it knows its name and the others, and says anew what it wants.
// Until it has, it counts as a member. Takes fd; -1: its connection is closed, so that it never
// does.
int agent_members_adopt(agent_members *members, int fd, const agent_member_info *identity,
                        bool has_spoken, agent_member **out);
int agent_member_fd(const agent_member *member); // its socket, borrowed; -1: it is closed
// Refuses a node that becomes no member. Takes `fd`.
void agent_members_turn_away(int fd, const char *text);
// Asks a launched member to take nothing new and to finish what it has: on_drained follows. False:
// it has nothing that could be drained, as far as is known here, or hears nothing.
bool agent_member_drain(agent_member *member, uint32_t timeout_ms);
void agent_member_check(agent_member *member, const agent_member_question *question);
// Tells the others that its loop does not turn, or turns again; that it does not say that it is
// well, or does. For either they do not choose it.
void agent_member_set_stalled(agent_member *member, bool is_stalled);
void agent_member_set_unwell(agent_member *member, bool is_unwell);
void agent_members_set_pid(agent_member *member, uint32_t pid);

typedef struct agent_member_end {
    const char *reason; // wire.md: normal, crash, killed, left
    int code, signal;
} agent_member_end;
// The process has ended: tells everybody (once), forgets it.
void agent_members_end(agent_members *members, agent_member *member, const agent_member_end *end);

const agent_member_info *agent_member_identity(const agent_member *member);
bool agent_member_is_joined(const agent_member *member);
bool agent_member_has_spoken(const agent_member *member);   // so it hears what it is asked
uint64_t agent_member_since_ms(const agent_member *member); // loop time

// ---- other hosts

// What happens here is said to other hosts in this order, and a newcomer here hears of theirs.
typedef struct agent_members_abroad {
    void (*on_up)(const agent_member_info *who, void *user);
    void (*on_entry)(const agent_member_info *who, const Warren__Node__Entry *entry, void *user);
    void (*on_removed)(const agent_member_info *who, uint32_t entry_id, void *user);
    void (*on_down)(const agent_member_info *who, const agent_member_end *end, void *user);
    // Tell a newcomer, by `say`, who is there on other hosts.
    void (*on_newcomer)(agent_roster_cb say, void *newcomer, void *user);
    // A link is wanted to a node of another host. False: there is none of this id.
    bool (*on_connect)(agent_member *member, uint64_t node_id, void *user);
    // It wants a certificate for this key: agent_member_give_credentials.
    void (*on_credentials)(agent_member *member, const uint8_t link_key[MESH_LINK_KEY_LEN],
                           void *user);
} agent_members_abroad;

// From now on; says at once what is known here. NULL: no longer. `abroad` is borrowed.
void agent_members_set_abroad(agent_members *members, const agent_members_abroad *abroad,
                              void *user);
// To all members here, of members of other hosts.
void agent_members_tell(agent_members *members, const Warren__Node__Registry *news);
void agent_members_tell_down(agent_members *members, uint64_t node_id, const agent_member_end *end);

// A connected socket to another host (borrowed): to `node_id`, which must prove that it is of this
// host; or of somebody there who dialled this member: 0 and NULL.
void agent_member_give_link(agent_member *member, uint64_t node_id, const uint8_t *host_id, int fd);
void agent_member_refuse_link(agent_member *member, uint64_t node_id, const char *why);
// `host`: this host's, whose keys and chain the member gets; `cert` its own. Nothing: it gets none.
void agent_member_give_credentials(agent_member *member, const mesh_credentials *host,
                                   mesh_bytes cert);

// ---- leases (leases.h)

typedef struct agent_members_leases {
    // NULL, or what is wrong with what it asks: it is refused then.
    const char *(*on_ask)(agent_member *member, const Warren__Node__LeaseAsk *ask, void *user);
    void (*on_seen)(agent_member *member, const Warren__Node__LeaseSeen *seen, void *user);
    void (*on_end)(agent_member *member, uint32_t lease_id, void *user);
    // It hears and says nothing more. `is_dead`: it has nothing any more, either; else it may
    // believe in what it was told last.
    void (*on_gone)(agent_member *member, bool is_dead, void *user);
} agent_members_leases;

// From now on; NULL: no longer, and no lease is given. `leases` is borrowed.
void agent_members_set_leases(agent_members *members, const agent_members_leases *leases,
                              void *user);
void agent_member_say_lease(agent_member *member, const Warren__Node__Lease *lease);
const char *agent_members_host(const agent_members *members); // its name

agent_member *agent_members_find(agent_members *members,
                                 uint64_t node_id); // NULL: not on this host

// All members, in the order they came.
typedef void (*agent_members_cb)(const agent_member *member, void *user);
void agent_members_each(const agent_members *members, agent_members_cb each, void *user);
uint32_t agent_members_attached_count(const agent_members *members);
