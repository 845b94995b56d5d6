// What a look at a source, or a question to DNS, found.
#pragma once

#include "discovery/endpoint.h"

typedef struct mesh_answer {
    const char *error; // a sentence, or NULL; both an error and endpoints: a part was wrong
    const mesh_endpoint *endpoints; // at most MESH_ENDPOINTS_MAX
    size_t count;
    uint32_t ttl_s; // how long it holds; 0: nothing says so
} mesh_answer;

// All of `answer` is borrowed.
typedef void (*mesh_answer_cb)(const mesh_answer *answer, void *user);
