// The links to other agents, as parts of this one use them (cluster_fetch.c, cluster_store.c). None
// of these calls back in the same call.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"
#include "secure/cert.h"

typedef void (*agent_link_host_cb)(const uint8_t host_id[MESH_ID_LEN], const char *name,
                                   bool is_linked, void *user);

typedef struct agent_link_net {
    void *user;
    // Each host that is up, but this one.
    void (*each_host)(void *user, agent_link_host_cb each, void *each_user);
    // False: there is no link, or its end comes next.
    bool (*send)(void *user, const uint8_t host_id[MESH_ID_LEN], mesh_bytes message);
    size_t (*queued)(void *user, const uint8_t host_id[MESH_ID_LEN]); // bytes on the way
    // It is told later whether there is a link now.
    void (*dial)(void *user, const uint8_t host_id[MESH_ID_LEN]);
} agent_link_net;
