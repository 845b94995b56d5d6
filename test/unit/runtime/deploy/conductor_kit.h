// A conductor with a store and hosts around it that do at once what they are told, for stories.
#pragma once

#include "deploy/conductor.h"
#include "deploy/record.h"

enum { KIT_HOSTS_MAX = 8 };

void kit_open(void);
void kit_close(void);
extern uint64_t kit_now_ms;

// ---- what others write
void kit_put(deploy_record_kind kind, const char *owner, uint64_t number, const char *service,
             const ProtobufCMessage *message);
void kit_delete(deploy_record_kind kind, const char *owner, const char *service);
void kit_host(const char *name, uint64_t memory); // it is there
void kit_host_lost(const char *name);
void kit_drain(const char *name, bool is_drained);

typedef struct kit_service {
    const char *name;
    const char *args; // another one is another program
    uint64_t memory, disconnect_ms;
    uint32_t count, parallel, canaries, failures_max;
    int disconnect; // of a Spec
    bool is_spread;
} kit_service;
// Of project `p`; the same manifest is the same bundle.
void kit_release(uint64_t number, uint8_t manifest, const kit_service *services, size_t count);

typedef struct kit_wish {
    uint64_t release;
    bool is_promoted, is_aborted;
    const char *scaled; // a service, or NULL
    uint32_t instances;
} kit_wish;
void kit_want(uint64_t deployment, kit_wish wish);

// ---- what happens
// Turns and commits until there is nothing to write; gives how many transactions that were.
uint32_t kit_decide(void);
// Each host reports what it was told: ready, or as kit_fate says.
void kit_report(void);
void kit_settle(void);    // both, and time, until nothing changes
void kit_take_over(void); // another leader lists all
// Of every start of this release on this host (NULL: each): READY, STARTING or FAILED.
void kit_fate(const char *host, uint64_t release, Warren__Deploy__Present__State state);
// From now on each start of this release is the second one, for the first has ended.
void kit_first_lives_end(uint64_t release);
void kit_cannot_prepare(const char *host, const char *why); // NULL: it can
void kit_mute(const char *host, bool is_mute);              // it reports nothing
const deploy_transaction *kit_turn(void);                   // one, not committed; NULL: none
void kit_answer(bool is_done);                              // what became of it

// ---- what is there
const char *kit_order(const char *host, const char *service);   // "8 0 8", "" and "none"
const char *kit_prepare(const char *host, const char *service); // "8 7"
uint32_t kit_attempt(const char *host, const char *service, uint32_t index);
const char *
kit_placed(const char *service); // "0:a.0 1:b.0", a lost one with "!", a stand-in with "+"
const char *kit_state(void);     // "done 1>2 api 3/3/2": phase, from, to, ready, wanted, updated
const Warren__Deploy__State *kit_state_message(void); // borrowed until the next call
size_t kit_count(deploy_record_kind kind);
