// How many connections each instance of a service has on one shared port: memory that the agent
// makes with the listening socket, and that every instance that listens on it maps. Each writes its
// own place only; whoever reads a number a moment too old accepts one connection more or less.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    BALANCE_PLACES = 2048, // instances of a service, twice: old and new ones of a reload
    BALANCE_CLOSED = 0,    // a place that accepts nothing: free, or its instance is being replaced
};

typedef struct balance_place {
    _Atomic uint32_t pid;   // whose it is; 0: nobody's
    _Atomic uint32_t load;  // BALANCE_CLOSED, or 1 + connections
    _Atomic uint32_t turns; // grows whenever it looks for a connection: it is not stuck
    uint32_t unused;
} balance_place;

typedef struct balance {
    _Atomic uint32_t count; // places from here on were never used
    uint32_t unused[3];
    balance_place places[BALANCE_PLACES];
} balance;

// A place for this process; BALANCE_PLACES: all are taken.
uint32_t balance_take(balance *balance, uint32_t pid);
// The process has ended, or has closed its server: its place is free, its connections do not count.
void balance_free(balance *balance, uint32_t pid);

// Whether the instance at `own` should take the next connection, or leave it to one with fewer.
// Sets *out_turns to the sum of the turns of those: unchanged for long, they are stuck.
bool balance_is_my_turn(const balance *balance, uint32_t own, uint32_t *out_turns);
