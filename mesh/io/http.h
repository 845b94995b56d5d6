// POST of JSON bodies, by libcurl on a libuv loop, one request at a time. libcurl is loaded
// when the first is opened, since it brings 30 libraries and 5 to 10 ms into every start of a
// program that is linked with it, and most never ask a store.
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "core/bytes.h"

enum {
    MESH_HTTP_BODY_LEN_MAX = 256 << 10, // of an answer
    MESH_HTTP_CONNECT_MS = 2000,
    MESH_HTTP_REQUEST_MS = 5000, // all of it, where nothing else is said
};

typedef struct mesh_http mesh_http;

typedef struct mesh_http_answer { // all borrowed
    const char *error;            // a sentence: no answer came; NULL: one did
    bool was_sent;                // the other end may have it, whatever came of it
    long status;
    mesh_bytes body;
} mesh_http_answer;

typedef void (*mesh_http_cb)(const mesh_http_answer *answer, void *user);

typedef void (*mesh_http_part_cb)(long status, mesh_bytes part, void *user);

// MESH_ENOTFOUND: libcurl.so.4 is not on this machine.
int mesh_http_open(uv_loop_t *loop, mesh_http **out);
typedef struct mesh_http_request { // all borrowed
    const char *url, *body;
    // "HOST:PORT:ADDRESS,ADDRESS" for the name in `url`, or NULL when that is numeric: libcurl asks
    // no name server.
    const char *resolve;
    const char *authorization; // the header's value; NULL: none
    const char *ca_path;       // who signs the server's certificate; NULL: as the system has it
    const char *cert_path, *key_path; // who asks; NULL: it does not say
    uint32_t timeout_ms;              // 0: MESH_HTTP_REQUEST_MS
    size_t body_len_max;              // of the answer; 0: MESH_HTTP_BODY_LEN_MAX
    // An answer that goes on is told as it comes, for any time, and its end has no body; the bound
    // is that of one part. NULL: the answer is told whole.
    mesh_http_part_cb on_part;
} mesh_http_request;

// Copies. Calls back once, from the loop; then the next may be posted.
// No redirect is followed, no proxy of the environment used.
void mesh_http_post(mesh_http *http, const mesh_http_request *request, mesh_http_cb cb, void *user);
// Ends the request without a call back; frees later from the loop. Fine with NULL.
void mesh_http_close(mesh_http *http);
