// A node's way to nodes of other hosts: its own key and the certificate that the agent signs for
// it, and the handshakes that are under way. What comes out is a socket, two ciphers and a
// certificate. Made by the first such link; a node that never has one pays nothing.
#pragma once

#include <uv.h>

#include "io/greeting.h"

typedef struct mesh_abroad mesh_abroad;

typedef struct mesh_abroad_link {
    bool is_dialler;
    const mesh_cert *peer; // of the node at the other end
    mesh_cipher send, receive;
    int fd;
    mesh_bytes rest; // came already: belongs to the first record
} mesh_abroad_link;

// All but on_settled are called in the middle of things: they call nothing of this header.
typedef struct mesh_abroad_events {
    // Ask the agent for a certificate for this key: mesh_abroad_take_credentials follows.
    void (*on_ask)(const uint8_t link_key[MESH_LINK_KEY_LEN], void *user);
    // Both ends know each other. 0: taken, with its fd. MESH_ENOTFOUND: this node does not know
    // that peer yet; it is asked again after mesh_abroad_retry. MESH_EEXIST: the other link of the
    // two stays. The link is borrowed.
    int (*on_link)(const mesh_abroad_link *link, void *user);
    // It came to nothing; node_id 0 when nobody knows who it was.
    void (*on_failed)(uint64_t node_id, bool is_dialler, int err, void *user);
    void (*on_settled)(void *user); // last, after what the loop caused: anything may follow
} mesh_abroad_events;

mesh_abroad *mesh_abroad_create(uv_loop_t *loop, uint64_t node_id, const mesh_abroad_events *events,
                                void *user);
void mesh_abroad_destroy(mesh_abroad *abroad); // NULL is fine

// Takes fd: connected to the host with this id, for this node of it.
void mesh_abroad_dialled(mesh_abroad *abroad, int fd, uint64_t node_id,
                         const uint8_t host_id[MESH_ID_LEN]);
void mesh_abroad_accepted(mesh_abroad *abroad, int fd); // takes fd: another host has dialled

typedef struct mesh_abroad_credentials { // what the agent says; copied
    mesh_bytes chain[MESH_CHAIN_MAX];
    size_t chain_count;
    mesh_trust trust;
    uint8_t cluster_id[MESH_ID_LEN], link_psk[MESH_NOISE_KEY_LEN], knock_key[MESH_KNOCK_KEY_LEN];
    uint16_t psk_id;
} mesh_abroad_credentials;
// MESH_ECERT, MESH_ECERTTIME: they are not for us, or not good; what was there before stays.
int mesh_abroad_take_credentials(mesh_abroad *abroad, const mesh_abroad_credentials *given);

void mesh_abroad_retry(mesh_abroad *abroad); // peers became known; NULL is fine
