// A cluster in one thread: real mesh_node cores, a fake network, a model of the agent and of
// programs that use the mesh. One seed decides everything, so any run replays. Every event is
// checked against the message rules.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Bugs to plant in everything around the core, to see that the checks find them.
typedef enum sim_bug {
    SIM_BUG_NONE,
    SIM_BUG_RECORD_TWICE,       // the network delivers a record two times
    SIM_BUG_RECORD_LOST,        // or not at all
    SIM_BUG_RECORDS_SWAPPED,    // or after the next one
    SIM_BUG_BYTE_CHANGED,       // or with another payload
    SIM_BUG_CREDIT_LOST,        // it swallows credit
    SIM_BUG_CANCEL_LOST,        // or the word that nobody waits any more
    SIM_BUG_DOWN_FORGOTTEN,     // the agent does not say that a node is gone
    SIM_BUG_DOWN_INVENTED,      // or says it of one that lives
    SIM_BUG_END_FORGOTTEN,      // the driver does not tell the core that a link ended
    SIM_BUG_TICK_FORGOTTEN,     // the driver does not tell the time
    SIM_BUG_WRITE_FORGOTTEN,    // the driver misses a WRITE
    SIM_BUG_WRONG_ANSWER,       // a program answers another call than it handled
    SIM_BUG_CONSUMED_FORGOTTEN, // a program never says that it took a publication
    SIM_BUG_ANSWERED_TWICE,     // a program answers a slot again when it may have been given to the
                                // next call
    SIM_BUG_DOWN_TWICE,         // the driver tells a death two times
    SIM_BUG_CREDIT_IGNORED,     // a core sends more than it may
    SIM_BUG_NONCE_REPEATED,     // a core seals two records of a link with one nonce
    SIM_BUG_COUNTER_MOVED,      // or moves the counter of what it opens, as for a forged one
    SIM_BUG_SEAL_FORGOTTEN,     // or does not seal what leaves the host
    SIM_BUG_REQUEST_TWICE,      // a request is told two times
    SIM_BUG_ABORT_FORGOTTEN,    // an abort is not told
    SIM_BUG_ABORT_TWICE,        // or two times
    SIM_BUG_REPLY_FORGOTTEN,    // a reply is not told
    SIM_BUG_REPLY_TWICE,        // or two times
    SIM_BUG_DOUBT_DENIED,       // it is said that a call did not run, when that is not known
    SIM_BUG_ITEM_FORGOTTEN,     // an item of a stream is not told
    SIM_BUG_ITEM_TWICE,         // or two times
    SIM_BUG_INPUT_FORGOTTEN,    // an item of an input is not told
    SIM_BUG_DRAIN_FORGOTTEN,    // a drain is not told
    SIM_BUG_SHAPE_FORGOTTEN,    // a shape is not told
    SIM_BUG_GAP_FORGOTTEN,      // a loss is counted and not told
    SIM_BUG_DEADLINE_FORGOTTEN, // a core forgets the deadlines of its calls
    SIM_BUG_DEADLINE_GROWN,     // or gives them time for having waited
    SIM_BUG_ID_REUSED,          // it uses the id of a call again
    SIM_BUG_ITEMS_UNASKED,      // it sends items without credit
    SIM_BUG_STALL_FORGOTTEN,    // the driver does not tell that a node is stalled
    SIM_BUG_REMOVAL_FORGOTTEN,  // or that a service is no longer there
    SIM_BUG_KEPT_FORGOTTEN,     // a link that breaks does not keep what the peer may not have
    SIM_BUG_RECORD_FORGOTTEN,   // or not the record at hand
    SIM_BUG_RESUMED_EARLY,      // it goes on behind what has come
    SIM_BUG_RESUMED_LATE,       // or before it
    SIM_BUG_COUNT,
} sim_bug;

const char *sim_bug_name(sim_bug bug);

enum { SIM_VIOLATION_MAX = 256 };

typedef struct sim_result {
    uint64_t hash; // of all events
    uint64_t steps, events, calls, publications, received, items, deaths, breaks, replaced, resumed,
        half_told, corruptions;
    char violation[SIM_VIOLATION_MAX]; // a sentence; empty: every rule held
} sim_result;

typedef struct sim_options {
    uint64_t seed;
    sim_bug bug;
    bool is_verbose; // prints each event
} sim_options;

sim_result sim_run(const sim_options *options);
