// Which hosts are there (PROTOCOL: SWIM with signed statements; proto/wire.md, Membership). One of
// these per agent. Pure: datagrams, bytes of links and time in; datagrams, changes and wishes out.
//
// How a host gets in: its agent dials a member (a seed) by TCP with the handshake of hosts, and
// over that link both sides exchange intro pages: all they know of hosts, as signed records with
// their certificates. Only then do datagrams work, since their keys come from these records.
// Nothing that is not sealed by a known host is ever answered.
//
// The driver: opens a UDP socket; hands in each datagram (receive), the time when wake_at_ms is due
// (tick), and after either polls until there is nothing more.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cluster/addr.h"
#include "cluster/host_state.h"
#include "cluster/record.h"
#include "core/bytes.h"
#include "secure/cert.h"

typedef struct mesh_swim mesh_swim;

const char *mesh_host_state_text(mesh_host_state state); // "joining", "up" ...

typedef struct mesh_swim_host { // what is known of one; a copy
    uint8_t host_id[MESH_ID_LEN];
    char name[MESH_CERT_NAME_LEN_MAX + 1]; // of its certificate
    mesh_host_state state;
    bool is_self;
    mesh_stamp stamp;  // its generation is its boot: a higher one is another life
    uint64_t since_ms; // of the state
    uint64_t heard_ms; // when its last datagram came; 0: none has
    mesh_payload payload;
    char zone[MESH_ZONE_LEN_MAX + 1];
    mesh_addr addrs[MESH_HOST_ADDRS_MAX];
    size_t addr_count; // 0: it left before we heard where it was
    uint64_t not_after_s;
    uint16_t minor_min, minor_max; // of the protocol, that it speaks
} mesh_swim_host;

typedef struct mesh_swim_parameters { // all have a meaning of 0: the default in brackets
    uint32_t probe_ms;                // one host is probed per period [1000]
    uint32_t timeout_ms;              // of a direct probe, at most [500]
    uint32_t suspicion_ms;            // the least time between an accusation and death [8000]
    uint32_t gossip_ms;               // pace of news [200]
    uint32_t sync_ms;                 // how often all is compared with somebody [30000]
    uint32_t reconnect_ms;            // how often a host that is down is tried [30000]
    uint32_t tombstone_ms;            // how long one that is down or left is remembered [24 h]
} mesh_swim_parameters;

// How the expensive part is computed: libsodium, or (NULLs) a simulator's shorter ways.
typedef struct mesh_swim_crypto {
    void *user;
    mesh_verify verify;
    int (*chain)(void *user, const mesh_trust *trust, const mesh_bytes *certs, size_t count,
                 uint64_t now_s, mesh_chain *out);
    // X25519; MESH_EINVAL: the public key is of small order.
    int (*shared)(void *user, const uint8_t secret[32], const uint8_t public[32], uint8_t out[32]);
} mesh_swim_crypto;

typedef struct mesh_swim_options {
    mesh_bytes chain[2]; // own certificates: issuer, host; copied
    mesh_trust trust;
    uint8_t sign_secret[MESH_SIGN_SECRET_LEN]; // of the host's certificate
    uint8_t boot_secret[32];                   // X25519, random, new at each start of the agent
    uint8_t gossip_key[32];                    // of the cluster (MESH_KEY_GOSSIP)
    uint16_t psk_id;
    uint64_t
        generation; // of this start: durable, higher than all before, at least the wall clock in ms
    mesh_addr addrs[MESH_HOST_ADDRS_MAX]; // where others reach this agent, by UDP and TCP
    size_t addr_count;
    const char *zone; // or NULL
    uint16_t minor_min, minor_max;
    uint64_t features;
    bool is_founder; // needs no member to be up: `warren init`, or a cluster of one
    uint64_t seed;   // random: for choices, not for secrets
    void (*random)(void *user, uint8_t *out, size_t len); // random bytes for nonces; required
    void *random_user;
    uint64_t now_ms, now_s; // monotonic, and Unix time
    mesh_swim_parameters parameters;
    mesh_swim_crypto crypto;
} mesh_swim_options;

// MESH_ECERT, MESH_ECERTTIME: of the own chain. MESH_EINVAL: no address, a zone of more than
// MESH_ZONE_LEN_MAX bytes, the secret is not the certificate's. MESH_ETOOBIG: certificates that do
// not fit a datagram (more than about 850 bytes together).
int mesh_swim_create(const mesh_swim_options *options, mesh_swim **out);
void mesh_swim_destroy(mesh_swim *swim); // wipes keys; NULL is fine

// `from`: where the datagram came from; only a PONG goes back there, all else to signed addresses.
void mesh_swim_receive(mesh_swim *swim, uint64_t now_ms, uint64_t now_s, const mesh_addr *from,
                       mesh_bytes datagram);
void mesh_swim_tick(mesh_swim *swim, uint64_t now_ms, uint64_t now_s);
uint64_t mesh_swim_wake_at_ms(const mesh_swim *swim); // when tick next has work

typedef enum mesh_swim_output_kind {
    MESH_SWIM_SEND,       // addr, bytes: a datagram (borrowed until the next poll)
    MESH_SWIM_HOST,       // host: new, or something about it changed
    MESH_SWIM_FORGOTTEN,  // host: was down or left for so long that it is no longer remembered
    MESH_SWIM_DIAL,       // addr: dial it by TCP, exchange intro pages; nothing need be told back
    MESH_SWIM_PROBE,      // host: try by TCP whether its agent answers; mesh_swim_probed says so
    MESH_SWIM_GENERATION, // host (self): has begun this generation; keep it before the next SEND
    MESH_SWIM_CLONED,     // somebody else is this host, with a higher generation: stop
} mesh_swim_output_kind;

typedef struct mesh_swim_output {
    mesh_swim_output_kind kind;
    mesh_addr addr;
    mesh_bytes bytes;
    mesh_swim_host host;
} mesh_swim_output;

bool mesh_swim_poll(mesh_swim *swim, mesh_swim_output *out); // until false

// An address where a member may be: a seed, or found by discovery. At most MESH_CANDIDATES_MAX, of
// which the oldest makes room.
void mesh_swim_add_candidate(mesh_swim *swim, const mesh_addr *addr);

// Intro pages, for a link to another agent. Set *cursor to 0 before the first page; each is at most
// MESH_INTRO_LEN_MAX bytes; 0: that was all. Hosts that come meanwhile travel as news.
size_t mesh_swim_intro(const mesh_swim *swim, uint32_t *cursor, uint8_t out[MESH_INTRO_LEN_MAX]);
// Takes a page of the other side. What cannot be believed is skipped. MESH_EPROTO: it is no page.
int mesh_swim_take_intro(mesh_swim *swim, uint64_t now_ms, uint64_t now_s, mesh_bytes page);
// Takes one Alive that came another way (over the overlay), with its chain.
int mesh_swim_learn(mesh_swim *swim, uint64_t now_ms, uint64_t now_s, mesh_bytes alive,
                    const mesh_bytes chain[2]);

void mesh_swim_probed(mesh_swim *swim, uint64_t now_ms, const uint8_t host_id[MESH_ID_LEN],
                      bool has_answered);

// Of this host, carried to all others: at once with every probe, and in a new Alive at most every
// minute (rarer in larger clusters).
void mesh_swim_set_payload(mesh_swim *swim, const mesh_payload *payload);
// A renewed chain, same key. Errors of mesh_swim_create.
int mesh_swim_renew(mesh_swim *swim, uint64_t now_ms, uint64_t now_s, const mesh_bytes chain[2]);
// Says good-bye. Keep going for a second so that it spreads, then destroy.
void mesh_swim_leave(mesh_swim *swim, uint64_t now_ms);

// Every known host, this one first. Set *cursor to 0 before the first call.
bool mesh_swim_each(const mesh_swim *swim, uint32_t *cursor, mesh_swim_host *out);
bool mesh_swim_find(const mesh_swim *swim, const uint8_t host_id[MESH_ID_LEN], mesh_swim_host *out);

// The Ed25519 key of a host that is known; borrowed until the next call that changes something.
// NULL: it is not.
const uint8_t *mesh_swim_key_of(const mesh_swim *swim, const uint8_t host_id[MESH_ID_LEN]);

// The same for its certificates, issuer first, which were good when it was met. False: it is not
// known.
bool mesh_swim_chain_of(const mesh_swim *swim, const uint8_t host_id[MESH_ID_LEN],
                        mesh_bytes out[2]);

typedef struct mesh_swim_stats {
    uint64_t received, sent;
    uint64_t strangers;        // datagrams that name no known host, or are no datagrams
    uint64_t unsealed;         // that did not open
    uint64_t repeated;         // that came before
    uint64_t malformed;        // from a known host, but not as wire.md says
    uint64_t disbelieved;      // records with a wrong signature or certificate
    uint64_t overflowed;       // hosts that were refused: MESH_HOSTS_MAX
    uint64_t accused, refuted; // accusations made; of ourselves, answered
    uint32_t health;           // 0 (fine) to 8: how slow this agent itself is
    uint32_t pauses;           // how often it was stopped or starved for over 200 ms
} mesh_swim_stats;
void mesh_swim_get_stats(const mesh_swim *swim, mesh_swim_stats *out);
