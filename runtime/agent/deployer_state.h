// What the files of the deployer share. deployer.c: whether it takes part, and what it says of this
// host; deployer_orders.c: what it is ordered; deployer_lead.c: what it orders.
#pragma once

#include "agent/deployer.h"
#include "agent/orders.h"
#include "deploy/conductor.h"
#include "store/hold.h"

enum { DEPLOYER_HOST_MAX = 128, DEPLOYER_TICK_MS = 1000, DEPLOYER_FIRST_MS = 250 };

typedef struct deployer_waiter {
    agent_deployer_cb ready;
    void *user;
    struct deployer_waiter *next;
} deployer_waiter;

typedef struct deployer_known { // of one project: what was told of it
    char *project;
    uint64_t deployment, release;
    bool is_promoted, is_aborted;
    uint64_t told_deployment; // whose end was told
    struct deployer_known *next;
} deployer_known;

typedef struct deployer_report { // of one service: the last, on its way to the store or there
    char *service;
    uint8_t *bytes; // NULL: it goes
    size_t len;
    bool is_asked, is_new; // is_new: not written yet, or another one than is being written
    bool is_written;       // by this agent, some time
    struct agent_deployer *deployer;
    struct deployer_report *next;
} deployer_report;

struct agent_deployer {
    agent_deployer_options options;
    store_db *db; // NULL: it takes no part
    agent_mirror *mirror;
    agent_orders *orders;
    uv_timer_t tick;
    char host[DEPLOYER_HOST_MAX]; // "": not known yet
    uint64_t since_ms;            // wall clock
    store_hold *hold;
    int64_t lease; // 0: it is not held
    bool is_stopped;
    bool is_settling; // is_whole was not told yet
    bool is_host_asked, is_lead_asked;
    bool is_host_there;
    bool is_host_late; // a tick has passed since it has its lease
    // While it leads.
    int64_t token; // its own: the revision at which the key was created; 0: it does not lead
    deploy_conductor *conductor; // NULL: all is read anew first
    uint64_t reading_awaited;    // of the mirror
    uv_timer_t wake;
    bool is_commit_open, has_to_wait;
    int64_t commit_token; // of the one that is open
    uint32_t open_count;  // of what has to be closed
    deployer_known *known;
    char trouble[STORE_SENTENCE_LEN_MAX + 1];
    deployer_waiter *waiters;
    agent_deployer_watch *watches;
    deployer_report *reports;
    struct deployer_prepare *prepares; // that are under way
    struct deployer_asked *asked;      // that wait until the store is read
};

// Whether a key begins so; the rest of it.
bool deployer_key_rest(mesh_bytes key, const char *prefix, char out[STORE_KEY_LEN_MAX + 1]);

// deployer_orders.c
void deployer_orders_begin(agent_deployer *d); // what is kept on disk runs
void deployer_orders_read(agent_deployer *d);  // all of them: the mirror is whole, or the name new
void deployer_orders_pair(agent_deployer *d, const agent_mirror_pair *pair, bool is_gone);
void deployer_orders_settled(agent_deployer *d); // what they need and the store has is known now
// What could not be written. True: all is.
bool deployer_orders_tick(agent_deployer *d);
void deployer_orders_end(agent_deployer *d);   // nothing more is carried out
void deployer_orders_close(agent_deployer *d); // the store is closed

// deployer_lead.c
void deployer_lead_open(agent_deployer *d);
void deployer_lead_look(agent_deployer *d); // whether it leads, or could
void deployer_lead_pair(agent_deployer *d, const agent_mirror_pair *pair, bool is_gone);
void deployer_lead_on(agent_deployer *d); // something has changed, or time has
void deployer_lead_tick(agent_deployer *d);
void deployer_lead_close(agent_deployer *d, uv_close_cb cb);

// deployer_events.c: for `warren events`
void deployer_events_pair(agent_deployer *d, const agent_mirror_pair *pair, bool is_gone);
void deployer_events_close(agent_deployer *d);

// labels.c
size_t deployer_labels_read(const char *dir, Warren__Deploy__Label ***out); // free with:
void deployer_labels_free(Warren__Deploy__Label **labels, size_t count);
