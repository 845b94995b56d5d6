// Enrolment: a host with a token becomes one of the cluster. It dials an issuer with a link of kind
// ENROL, under the keys of its ticket, proves that it has its signing key, and gets its certificate
// and the secret of the cluster. One request, one answer, then the link is closed.
//
// Both roles, pure: bytes in, bytes out. The driver has the socket and closes it when an error is
// returned (says nothing), after 10 s, or when all is said: the joiner once it has its answer, the
// issuer once the answer is written.
#pragma once

#include "secure/handshake.h"
#include "secure/issue.h"

enum {
    MESH_ENROL_REQUEST_LEN_MAX = 512,
    MESH_ENROL_ANSWER_LEN_MAX = 4096,
    MESH_ENROL_SEEDS_MAX = 8,
    MESH_ENROL_REFUSAL_LEN_MAX = 255,
};

typedef struct mesh_enrol_request {
    uint8_t ed25519[MESH_SIGN_KEY_LEN], x25519[MESH_LINK_KEY_LEN]; // it has proved both
    char name[MESH_CERT_NAME_LEN_MAX + 1];                         // empty: the ticket says it
    bool is_name_open; // the ticket's name, when it has one, goes before
} mesh_enrol_request;

typedef struct mesh_enrol_answer {
    mesh_signed chain[2]; // issuer, host
    uint8_t secret[MESH_SECRET_LEN];
    uint16_t psk_id;
    char seeds[MESH_ENROL_SEEDS_MAX][MESH_ADDRESS_LEN_MAX + 1];
    size_t seed_count;
} mesh_enrol_answer;

typedef struct mesh_enrol mesh_enrol;

typedef struct mesh_enrol_dial_options { // all copied
    const mesh_token *token;
    const char *name;  // that the host wants; "": the ticket says it
    bool is_name_open; // it takes the ticket's as well
    uint8_t sign_secret[MESH_SIGN_SECRET_LEN];
    uint8_t link_secret[MESH_LINK_KEY_LEN];
    uint8_t ephemeral_secret[MESH_NOISE_KEY_LEN]; // random
    uint64_t salt;                                // random
    uint32_t minor_min, minor_max;
} mesh_enrol_dial_options;

mesh_enrol *mesh_enrol_dial(const mesh_enrol_dial_options *options);

// For a connection whose first 90 bytes mesh_knock_peek found to be of kind ENROL for this ticket,
// and mesh_knock_judge right with its key. `self` is the agent's, borrowed; the keys are copied.
mesh_enrol *mesh_enrol_listen(const mesh_credentials *self, const mesh_ticket_keys *ticket,
                              const uint8_t ephemeral_secret[MESH_NOISE_KEY_LEN]);
void mesh_enrol_destroy(mesh_enrol *enrol); // wipes all keys; NULL is fine

// Takes what it needs off the front of *input.
//   0              issuer: the request is there (mesh_enrol_asked): answer or refuse. Joiner: so is
//                  the answer, checked: its chain is of the token's cluster, valid, and for our
//                  keys
//   MESH_EAGAIN    more bytes are needed; write what output() has
//   MESH_EREFUSED  joiner: the issuer says no, and why (mesh_enrol_refusal)
//   else           as mesh_handshake_receive, and MESH_ETOOBIG, MESH_EPROTO for what comes after it
int mesh_enrol_receive(mesh_enrol *enrol, uint64_t now_s, mesh_bytes *input);
mesh_bytes mesh_enrol_output(const mesh_enrol *enrol); // borrowed until the next call
void mesh_enrol_sent(mesh_enrol *enrol, size_t len);

// Issuer, once.
const mesh_enrol_request *mesh_enrol_asked(const mesh_enrol *enrol);
void mesh_enrol_answer_with(mesh_enrol *enrol, const mesh_enrol_answer *answer); // copies
void mesh_enrol_refuse(mesh_enrol *enrol, const char *sentence); // copies, at most 255 bytes

// Joiner.
const mesh_enrol_answer *mesh_enrol_answered(const mesh_enrol *enrol);
const char *mesh_enrol_refusal(const mesh_enrol *enrol); // printable ASCII

// Whether the ticket lets this host in: 0 and its certificate, or MESH_EREFUSED and a sentence
// (static storage). The issuer marks the ticket used, on disk, before it answers with the
// certificate.
int mesh_enrol_judge(const mesh_signer *issuer, const mesh_ticket *ticket,
                     const mesh_enrol_request *request, const mesh_moment *at, mesh_signed *out,
                     const char **out_refusal);
