// Chunks of releases between hosts, in a world of one thread: each host has a line of its own, by
// which all that it says goes out at so many bytes a millisecond, and time is what the test says.
#pragma once

#include "agent/fetch.h"

enum { HOSTS_MAX = 64, CHUNKS_MAX = 600 };

typedef struct host {
    agent_fetch *fetch;
    uint64_t line_free_at_ms;
    uint64_t rate; // bytes per ms
    size_t queued[HOSTS_MAX], queued_most, progress;
    uint64_t given_to[HOSTS_MAX];
    int wants_heard, err;
    bool has[CHUNKS_MAX], links[HOSTS_MAX];
    bool is_done, is_gone, is_liar, is_full;
    bool is_old;  // knows nothing of chunks
    bool is_mean; // says that it has none
    char sentence[AGENT_FETCH_TEXT_MAX];
} host;

extern host hosts[HOSTS_MAX];
extern uint64_t now_ms;

void open_world(int count);
void close_world(void);
void step(void); // until the next event
void link_up(int a, int b);
void cut(int a, int b);
void kill_host(int which);

// Chunks: their hash says which it is, and how long.
size_t length_of(int chunk);
void hash_of(int chunk, uint8_t out[AGENT_FETCH_HASH_LEN]);
void id_of(int which, uint8_t out[MESH_ID_LEN]);

void give(int which, int from, int to); // it has them from now on
uint64_t fetch_from(int which, int from, int to, const char *hint);
void wait_done(int which);
void wait_progress(int which, size_t count);
void expect_has(int which, int from, int to);
