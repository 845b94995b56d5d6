// How much of what nodes write is read, and when: all nodes together have so many bytes in each
// period, and those who want more than their share of it wait for the next one. Who writes little
// never waits, however much the others write; who writes without end is slowed by its full pipe.
// Pure: time comes in with every call.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    AGENT_FLOW_PERIOD_MS = 50,
    AGENT_FLOW_PERIOD_LEN = 3200 << 10, // 62.5 MiB/s of all nodes that write more than their share
    AGENT_FLOW_SHARE_MIN = 4 << 10,     // of one node, however many they are and whatever they take
};

typedef struct agent_flow { // of all; zeroed at first
    uint64_t period;
    size_t len;           // taken in this period
    uint32_t share_len;   // of each node, in this period
    uint32_t eager_count; // nodes that used up theirs in this period
} agent_flow;

typedef struct agent_flow_use { // of one node; zeroed at first
    uint64_t period;
    size_t len;
    bool is_eager; // it used up its share
} agent_flow_use;

// How many bytes may be read of this node now; 0: none before agent_flow_wait_ms.
size_t agent_flow_left(agent_flow *flow, agent_flow_use *use, uint64_t now_ms);
void agent_flow_take(agent_flow *flow, agent_flow_use *use, uint64_t now_ms, size_t len);
uint64_t agent_flow_wait_ms(uint64_t now_ms); // until the next period
