// The inside of agent_fetch: fetch.c (what comes in, and jobs), fetch_peers.c (the hosts that a job
// asks), fetch_serve.c (what is given to others).
#pragma once

#include <string.h>

#include "agent/fetch.h"
#include "core/rng.h"

enum {
    FETCH_WINDOW = AGENT_FETCH_ASK_MAX, // chunks of a job that hosts are asked about at a time
    FETCH_LOOK_MS = 500,                // how often a job is looked at when nothing happens
};

typedef enum fetch_slot_state {
    FETCH_EMPTY,
    FETCH_OPEN,   // nobody has been asked for it
    FETCH_WANTED, // one host has
    FETCH_STORED, // it is on its way to the disk
} fetch_slot_state;

typedef struct fetch_slot {
    uint8_t hash[AGENT_FETCH_HASH_LEN];
    fetch_slot_state state;
    uint32_t serial;           // of its chunk: grows when another one comes in
    uint32_t put;              // STORED: the number of that
    uint8_t from[MESH_ID_LEN]; // STORED: who gave it
} fetch_slot;

typedef enum fetch_has { FETCH_UNKNOWN, FETCH_ABSENT, FETCH_PRESENT } fetch_has;

typedef struct fetch_want {
    uint32_t number; // 0: free
    size_t slot;
    uint8_t *bytes; // as many as came
    size_t len, cap;
    uint32_t total;
} fetch_want;

typedef enum fetch_peer_state { FETCH_FREE, FETCH_DIALLED, FETCH_LINKED } fetch_peer_state;

typedef struct fetch_peer { // a host that a job asks
    fetch_peer_state state;
    uint8_t host_id[MESH_ID_LEN];
    char name[MESH_CERT_NAME_LEN_MAX + 1];
    uint8_t has[FETCH_WINDOW]; // fetch_has
    fetch_want wants[AGENT_FETCH_WANTS_MAX];
    size_t want_count;
    uint32_t ask; // the number of a question that is not answered; 0: none
    size_t ask_count;
    uint16_t ask_slots[FETCH_WINDOW];
    uint32_t ask_serials[FETCH_WINDOW];
    uint64_t asked_at_ms, heard_at_ms; // heard: the last piece, or when the first was wanted
    uint64_t again_at_ms;              // it has nothing: when it is asked again; 0: it has
    uint64_t wait_until_ms;            // it is busy
    uint32_t vain_count;               // answers in a row with nothing in them
} fetch_peer;

typedef struct fetch_met { // a host that was asked
    uint8_t host_id[MESH_ID_LEN];
    bool is_banned;
    uint64_t not_before_ms;
} fetch_met;

typedef struct fetch_job {
    struct fetch_job *next;
    agent_fetch *fetch;
    uint64_t id;
    uint8_t (*hashes)[AGENT_FETCH_HASH_LEN]; // in an order of its own
    size_t count, next_hash, done;
    uint64_t len;
    char host[MESH_CERT_NAME_LEN_MAX + 1];
    void (*cb)(int err, const char *sentence, void *user);
    void (*on_progress)(size_t done, size_t count, uint64_t len, void *user);
    void *user;
    bool is_active, is_over, has_news;
    int err;
    char text[AGENT_FETCH_TEXT_MAX];
    uint64_t progress_at_ms;
    fetch_slot slots[FETCH_WINDOW];
    fetch_peer peers[AGENT_FETCH_PEERS_MAX];
    fetch_met *met;
    size_t met_count, met_cap;
} fetch_job;

typedef struct fetch_wanted {
    uint32_t number;
    uint8_t hash[AGENT_FETCH_HASH_LEN];
} fetch_wanted;

typedef struct fetch_asker { // a host that is given to
    struct fetch_asker *next;
    uint8_t host_id[MESH_ID_LEN];
    fetch_wanted wanted[AGENT_FETCH_ASKER_WANTS_MAX]; // the first is loaded or given
    size_t wanted_count;
    uint32_t get; // the number under which it is loaded; 0: it is not
    uint8_t *chunk;
    uint32_t len, sent;
    size_t window;          // bytes that may be on the way to it
    uint64_t full_since_ms; // 0: not full
    bool is_stopped;        // the first is not wanted any more
} fetch_asker;

typedef struct fetch_question { // which of these are here?
    struct fetch_question *next;
    uint8_t host_id[MESH_ID_LEN];
    uint32_t number; // of the host
    uint32_t ours;
    uint8_t *hashes;
    size_t len;
} fetch_question;

struct agent_fetch {
    agent_fetch_chunks chunks;
    agent_link_net net;
    bool is_attached;
    mesh_rng rng;
    uint32_t last_number;
    uint64_t last_job;
    fetch_job *jobs; // the oldest first
    fetch_asker *askers, **last_asker;
    size_t asker_count;
    fetch_question *questions;
    size_t question_count;
    uint64_t look_at_ms, serve_at_ms; // UINT64_MAX: no work
    bool is_telling;
    agent_fetch_stats stats;
};

static inline bool fetch_is_same(const uint8_t *a, const uint8_t *b) {
    return memcmp(a, b, MESH_ID_LEN) == 0;
}

// ---- fetch.c
uint32_t fetch_number(agent_fetch *f); // the next
bool fetch_send(agent_fetch *f, const uint8_t *host_id, const agent_fetch_message *message);
void fetch_fail(fetch_job *job, int err, const char *text); // it is over, and told so later

// ---- fetch_peers.c
void fetch_peers_work(fetch_job *job, uint64_t now_ms); // asks, wants, finds others
fetch_peer *fetch_peers_find(fetch_job *job, const uint8_t *host_id);
// It is not asked any more before that time; what was wanted of it others are asked for.
void fetch_peers_drop(fetch_job *job, fetch_peer *peer, uint64_t not_before_ms);
void fetch_peers_ban(fetch_job *job, const uint8_t *host_id, const char *why); // never again
void fetch_peers_look(fetch_job *job, uint64_t now_ms);                        // who is late
void fetch_peers_close(fetch_job *job);
void fetch_peers_have(fetch_job *job, fetch_peer *peer, uint64_t now_ms,
                      const agent_fetch_message *message);
void fetch_peers_piece(fetch_job *job, fetch_peer *peer, const agent_fetch_message *message);
void fetch_peers_no(fetch_job *job, fetch_peer *peer, uint64_t now_ms,
                    const agent_fetch_message *message);

// ---- fetch_serve.c
void fetch_serve(agent_fetch *f, uint64_t now_ms); // what can go out now
void fetch_serve_ask(agent_fetch *f, const uint8_t *host_id, const agent_fetch_message *message);
void fetch_serve_want(agent_fetch *f, uint64_t now_ms, const uint8_t *host_id,
                      const agent_fetch_message *message);
void fetch_serve_stop(agent_fetch *f, const uint8_t *host_id, uint32_t number);
void fetch_serve_forget(agent_fetch *f, const uint8_t *host_id);
void fetch_serve_close(agent_fetch *f);
bool fetch_serve_is_for(const agent_fetch *f, const uint8_t *host_id);
