// Memory that the agent makes for each node it launches, and that the node maps: how often its loop
// has turned, and what its JavaScript is doing, which the node writes there when it is asked even
// while that JavaScript runs. The agent reads and writes it as the file it is (memfd).
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum {
    HEARTBEAT_TEXT_MAX = 12 << 10,
    HEARTBEAT_STACK = 1,     // tell what runs
    HEARTBEAT_TERMINATE = 2, // and end
};

// Each side writes a line of its own: the loop's is written at every turn.
typedef struct heartbeat {
    _Atomic uint64_t turns; // odd: something runs; even: the loop waits for events
    uint64_t unused[7];
    _Atomic uint32_t asked; // by the agent: the number of its last question
    _Atomic uint32_t order; // HEARTBEAT_*
    uint64_t unused_too[7];
    _Atomic uint32_t answered; // the question that `text` belongs to
    _Atomic uint32_t text_len;
    char text[HEARTBEAT_TEXT_MAX];
} heartbeat;
