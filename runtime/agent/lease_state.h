// What the files of the leases share. leases.c: which of them this host has, and what nodes say;
// lease.c: one of them, on its way through the store.
#pragma once

#include "agent/lease_line.h"
#include "agent/leases.h"
#include "store/hold.h"

typedef Warren__Node__Lease__Why lease_why;
#define LEASE_WHY(NAME) WARREN__NODE__LEASE__WHY__##NAME

typedef enum lease_phase {
    LEASE_QUEUED, // another node of this host is before it: one stands in the line for all of them
    LEASE_GRANTING, // its lease of the store is asked for
    LEASE_PUTTING,  // its place in the line
    LEASE_LOOKING,  // at the line
    LEASE_IN_LINE,
    LEASE_HELD,
    LEASE_RESUMING, // it was held of the agent before; nobody knows whether it still is
    LEASE_PAUSED,   // the store would not
    LEASE_ENDING,   // its place in the line is taken away
    LEASE_GONE,     // until nothing of it is under way
} lease_phase;

typedef struct lease {
    agent_leases *all;
    struct lease *next;
    agent_member *member; // NULL: nobody is told any more
    uint32_t id, ttl_s;
    bool is_waiting;
    char name[MESH_NAME_LEN_MAX + 1], key[AGENT_LEASE_KEY_CAP];
    lease_phase phase;
    store_hold *hold;
    int64_t token, store_lease;
    uint64_t told_ms; // until then it is valid, says the node
    bool is_seen;     // ... and has said so
    agent_lease_line line;
    int64_t line_revision;
    bool is_stale;  // the line has changed while it was looked at
    uint32_t asked; // of the store, without an answer yet
    uint32_t pause_ms;
    uv_timer_t timer;
    bool is_timer_closed;
} lease;

struct agent_leases {
    agent_leases_options options;
    lease *first, **last;
    store_watch *watch; // of all lines; NULL: nobody is in one
    uint32_t count, ending_count;
};

// leases.c: after whatever has happened to leases of this name
void leases_settle(agent_leases *a, const char *name);

// lease.c
void lease_begin(lease *l); // it gets into the line
void lease_resume(lease *l, const Warren__Node__LeaseTicket *had);
// The last word to its node, which then has it no more. Whoever calls it settles.
void lease_end(lease *l, lease_why reason, const char *text);
void lease_forget(lease *l);
void lease_free_if_over(lease *l);
void lease_tell_held(lease *l);
void lease_say_waiting(const lease *l, lease_why reason, const char *text);
const char *lease_judge_quorum(const agent_leases *a); // NULL: one can be promised
