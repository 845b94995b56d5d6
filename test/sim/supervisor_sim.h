// One host's supervisor in virtual time: real decisions, and in place of processes, an operator and
// a driver what the seed says. Rules: docs/testing.md, S1 to S10.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Bugs to plant around the supervisor and in its state, to see that the checks find them.
typedef enum supervisor_bug {
    SUPERVISOR_BUG_NONE,
    SUPERVISOR_BUG_LAUNCH_TWICE,       // a launch is said twice
    SUPERVISOR_BUG_LAUNCH_FORGOTTEN,   // or not at all
    SUPERVISOR_BUG_SIGNAL_FORGOTTEN,   // nobody is told to end
    SUPERVISOR_BUG_END_FORGOTTEN,      // nothing follows the end of a life
    SUPERVISOR_BUG_ENDED_FORGOTTEN,    // nobody hears that a service is over
    SUPERVISOR_BUG_ENDED_WRONG,        // or with another exit code
    SUPERVISOR_BUG_READY_FORGOTTEN,    // that an instance is ready is not said
    SUPERVISOR_BUG_READY_EARLY,        // or is believed too early
    SUPERVISOR_BUG_LATE_FORGOTTEN,     // who is not ready in time lives on
    SUPERVISOR_BUG_TICK_FORGOTTEN,     // the time is not heard
    SUPERVISOR_BUG_BACKOFF_IGNORED,    // it waits for nothing
    SUPERVISOR_BUG_BACKOFF_FORGOTTEN,  // it waits for ever
    SUPERVISOR_BUG_BOOKINGS_FORGOTTEN, // restarts cost nothing
    SUPERVISOR_BUG_BOOKINGS_INVENTED,  // or too much
    SUPERVISOR_BUG_STOP_FORGOTTEN,     // a stop is taken back
    SUPERVISOR_BUG_KILL_FORGOTTEN,     // the grace time never ends
    SUPERVISOR_BUG_KILL_EARLY,         // or too soon
    SUPERVISOR_BUG_POLICY_CHANGED,     // another policy than was asked for
    SUPERVISOR_BUG_FIRST_FORGOTTEN,    // a first life is taken for a later one
    SUPERVISOR_BUG_GROUP_SWAPPED,      // a group forgets the order in which it was joined
    SUPERVISOR_BUG_GROUP_SMALLER,      // fewer are restarted than the strategy says
    SUPERVISOR_BUG_GROUP_STUCK,        // a restart of a group never goes on
    SUPERVISOR_BUG_GROUP_HASTY,        // it does not wait for the backoff
    SUPERVISOR_BUG_GROUP_AT_ONCE,      // nor for who goes before
    SUPERVISOR_BUG_GROUP_KEPT,         // who should be given up with a group is restarted
    SUPERVISOR_BUG_HELD_FORGOTTEN,     // one that waits for its group is taken for running
    SUPERVISOR_BUG_WANTED_SMALLER,     // fewer instances are wanted than somebody asked for
    SUPERVISOR_BUG_DRAIN_FORGOTTEN,    // one that has finished what it had is never told to end
    SUPERVISOR_BUG_RULES_SHARED,       // an instance is held to the rules of another's program
    SUPERVISOR_BUG_CHECK_FORGOTTEN,    // nobody asks whether a node is well
    SUPERVISOR_BUG_CHECK_UNSAID,       // the supervisor does, and its driver does not
    SUPERVISOR_BUG_ANSWER_FORGOTTEN,   // a good answer is not heard
    SUPERVISOR_BUG_ILL_FORGOTTEN,      // bad answers are not counted
    SUPERVISOR_BUG_ILL_INVENTED,       // or more than there were
    SUPERVISOR_BUG_UNHEALTHY_CLEAN,    // that it ended as it was told is taken for a success
    SUPERVISOR_BUG_COUNT,
} supervisor_bug;

const char *supervisor_bug_name(supervisor_bug bug);

enum { SUPERVISOR_VIOLATION_MAX = 256 };

typedef struct supervisor_options {
    uint64_t seed;
    supervisor_bug bug;
    bool is_verbose;
} supervisor_options;

typedef struct supervisor_result {
    uint64_t hash; // of all decisions
    uint64_t decisions, launches, failures, restarts, given_up, late, unhealthy, virtual_ms;
    char violation[SUPERVISOR_VIOLATION_MAX]; // a sentence; empty: every rule held
} supervisor_result;

supervisor_result supervisor_run(const supervisor_options *options);
