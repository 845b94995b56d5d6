// A link between hosts, from the first byte until both ends know each other: preamble and knock,
// then Noise XXpsk3 whose payloads carry the certificates (proto/handshake.proto). Pure: bytes in,
// bytes out; the driver has the socket and ends what is not over after 3 s.
//
// What is wrong is never told to the other end before it has proved who it is: on any error close
// the socket.
#pragma once

#include "secure/cert.h"
#include "secure/cipher.h"
#include "secure/knock.h"
#include "secure/noise.h"
#include "secure/ticket.h"

enum { MESH_HANDSHAKE_LEN_MAX = 4096 }; // of one message: judged before it is waited for

typedef struct mesh_credentials { // who we are: an agent's, or a node's that its agent made
    const mesh_bytes *chain;      // SignedCerts, issuer first; borrowed. None: a host that enrols
    size_t chain_count;
    uint8_t link_secret[MESH_LINK_KEY_LEN]; // X25519, of the last certificate
    uint8_t link_psk[MESH_NOISE_KEY_LEN], knock_key[MESH_KNOCK_KEY_LEN]; // of the cluster
    uint16_t psk_id;
    uint8_t cluster_id[MESH_ID_LEN];
    mesh_trust trust;
    uint64_t node_id; // 0: an agent
    uint64_t boot_id;
    uint32_t minor_min, minor_max;
    uint64_t features_offered, features_required;
} mesh_credentials;

typedef struct mesh_handshake_options {
    const mesh_credentials *self; // borrowed for the life of the handshake
    bool is_dialler;
    uint8_t ephemeral_secret[MESH_NOISE_KEY_LEN]; // random, for this handshake alone
    // Of the dialler only: whom it wants. A listener learns the kind from the preamble.
    mesh_link_kind kind;
    uint64_t salt; // random
    uint8_t peer_host_id[MESH_ID_LEN];
    bool is_any_host;      // whichever host of the cluster answers: only its address was known
    uint64_t peer_node_id; // 0: the agent
    // Of kind ENROL only, which is then the only kind a listener takes: the ticket, whose keys
    // stand in place of the cluster's. Borrowed as `self` is. The dialler sends no certificate and
    // takes any host of the cluster, for only one that knows the ticket can answer.
    const mesh_ticket_keys *ticket;
} mesh_handshake_options;

typedef struct mesh_handshake mesh_handshake;

mesh_handshake *mesh_handshake_create(const mesh_handshake_options *options);
void mesh_handshake_destroy(mesh_handshake *handshake); // wipes all keys; NULL is fine

// Takes what it needs off the front of *input.
//   0              done: what is left of *input is the first record; write what output() still has
//   MESH_EAGAIN    more bytes are needed; write what output() has
//   MESH_ESEAL     not somebody with the keys of this cluster     MESH_ETOOBIG   announced more
//   than MESH_HANDSHAKE_LEN_MAX     MESH_ECERT, MESH_ECERTTIME   its chain     MESH_EWRONGPEER  not
//   the peer that was dialled, or it wants another one than us, or its role does not fit the kind
//   of link     MESH_EVERSION   no common minor, or a feature is missing     MESH_EPROTO   cannot
//   be read
int mesh_handshake_receive(mesh_handshake *handshake, uint64_t now_s, mesh_bytes *input);
// Bytes to write now (borrowed until the next call); `sent` says how many went.
mesh_bytes mesh_handshake_output(const mesh_handshake *handshake);
void mesh_handshake_sent(mesh_handshake *handshake, size_t len);

typedef struct mesh_identity { // the other end, as its certificates say
    mesh_chain chain;
    uint64_t boot_id, features;
    uint32_t minor;
} mesh_identity;

// Once it is done. Of the dialler of an enrolment nothing is known but its key.
const mesh_identity *mesh_handshake_peer(const mesh_handshake *handshake);
mesh_link_kind mesh_handshake_kind(const mesh_handshake *handshake);
const uint8_t *mesh_handshake_peer_key(const mesh_handshake *handshake); // X25519, that it proved
// MESH_NOISE_HASH_LEN bytes, borrowed: the name of this handshake, for both sides the same.
const uint8_t *mesh_handshake_hash(const mesh_handshake *handshake);
void mesh_handshake_split(const mesh_handshake *handshake, mesh_cipher *out_send,
                          mesh_cipher *out_receive);
