// What the files of a reload of a service share. reloading.c: its beginning and end;
// reloading_lives.c: what it does to the lives of instances, and what becomes of them.
#pragma once

#include "agent/changing.h"
#include "agent/reloading.h"

struct agent_reloading {
    agent_service *service;
    uint32_t first, count; // of its instances
    agent_reload *core;    // counts from `first`
    agent_reloading *next_one;
    uint32_t attempt; // of the lives that it brings
    uint32_t drain_ms;
    agent_reload_watch watch;
    uv_timer_t timer;
    uint64_t began_at_ms;
    char why[AGENT_RELOAD_TEXT_MAX];     // it fails: of the first instance; or ""
    agent_last_lines words;              // of that one
    char failure[AGENT_RELOAD_TEXT_MAX]; // the same, of the way back when a change is rolled back
    const char *stopped;                 // what else ended it; or NULL
    bool is_stopped;                     // with the whole service
    bool is_refused;                     // one could not take the place of another
    bool is_carrying_out, is_over;
    agent_program *next;  // that it brings; NULL: each its own
    bool is_whole;        // to all of the service, which is trying it
    bool is_rolling_back; // from there
    pid_t by;             // who asked for it
};

static inline agent_services *reloading_services(const agent_reloading *r) {
    return r->service->services;
}

static inline uint64_t reloading_now_ms(const agent_reloading *r) {
    return uv_now(reloading_services(r)->loop);
}

// Which one the core means.
static inline uint32_t reloading_core_index(const agent_reloading *r, uint32_t instance) {
    return instance - r->first;
}

static inline bool reloading_is_about(const agent_reloading *r, uint32_t instance) {
    return instance >= r->first && instance - r->first < r->count;
}

// The life that is beside the one of the instance: the new one, then the old one.
static inline slot *reloading_beside(const agent_reloading *r, uint32_t instance) {
    return &r->service->slots[r->service->slot_cap + instance];
}

// reloading.c
agent_reloading *reloading_find(const agent_service *service, uint32_t instance);
agent_program *reloading_program(const agent_reloading *r, uint32_t instance); // that it brings
uint32_t reloading_attempt(const agent_reloading *r, uint32_t instance);
// From inside of other modules' work: the rest in the loop's next turn.
void reloading_carry_out_soon(agent_reloading *r);

// reloading_lives.c: what the core has decided
void reloading_carry_out_one(agent_reloading *r, const agent_reload_decision *d);
