// Names -> addresses (A, AAAA, /etc/hosts) and services -> names (SRV), by c-ares on a libuv loop:
// nothing waits for a name server that is silent. A truncated answer is asked for again by TCP.
#pragma once

#include <uv.h>

#include "discovery/answer.h"

typedef struct mesh_resolver mesh_resolver;

// `servers`: "127.0.0.1:53,[::1]:53", or NULL for those of /etc/resolv.conf, which is read again
// when it changes. 0, MESH_EINVAL (`servers` is no such list) or UV_ENOMEM.
int mesh_resolver_open(uv_loop_t *loop, const char *servers, mesh_resolver **out);
// Ends what is under way without a call back; frees later from the loop. Fine with NULL.
void mesh_resolver_close(mesh_resolver *resolver);

// Both call back once: from the loop or, for what needs no server, from inside the call. An answer
// has an error or endpoints, not both.

// Endpoints with numeric addresses as hosts and `port`.
void mesh_resolver_addresses(mesh_resolver *resolver, const char *host, uint16_t port,
                             mesh_answer_cb cb, void *user);
// By priority, the smallest first. Targets that are no names are left out.
void mesh_resolver_services(mesh_resolver *resolver, const char *name, mesh_answer_cb cb,
                            void *user);
