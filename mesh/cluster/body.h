// The inside of a datagram (wire.md, Datagrams): items of a type and a length, one after the other.
// Unknown types are skipped. Pure.
#pragma once

#include "cluster/dgram.h"
#include "cluster/record.h"

typedef enum mesh_item {
    MESH_ITEM_PING = 1, // mesh_ping: answer with PONG
    MESH_ITEM_PONG,
    MESH_ITEM_RELAY,   // pass these sealed bytes on to another host
    MESH_ITEM_RELAYED, // u32: that RELAY came
    MESH_ITEM_RECORD,  // a signed record
    MESH_ITEM_HOST,    // an Alive with the certificates to check it
    MESH_ITEM_WANT,    // short ids: send me HOST of these
    MESH_ITEM_DIGEST,  // sums over all hosts, to find where two hosts differ
    MESH_ITEM_LIST,    // the hosts of one part of the digest
} mesh_item;

enum {
    MESH_ITEM_HEAD_LEN = 3,
    MESH_WANT_MAX = 8,          // ids in one WANT
    MESH_DIGEST_SUMS_MAX = 128, // a power of two
    MESH_LIST_MAX = 40,
};

typedef struct mesh_body {
    uint8_t data[MESH_DGRAM_BODY_MAX];
    size_t len;
} mesh_body;

static inline size_t mesh_body_room(const mesh_body *body) { // for the content of one more item
    size_t used = body->len + MESH_ITEM_HEAD_LEN;
    return used < sizeof body->data ? sizeof body->data - used : 0;
}

// False: there is no room, and nothing is changed.
bool mesh_body_put(mesh_body *body, mesh_item type, mesh_bytes content);
// Takes the next item off the front of *rest. False: there is none, or what is left is none.
bool mesh_body_take(mesh_bytes *rest, mesh_item *out_type, mesh_bytes *out_content);

typedef struct mesh_ping { // PONG too: what the sender is now, and which PING
    uint32_t sequence;
    mesh_stamp stamp;
    mesh_payload payload;
    bool is_relayed; // PING: send the PONG back through `relay`
    uint8_t relay[MESH_ID_LEN];
} mesh_ping;

bool mesh_body_put_ping(mesh_body *body, mesh_item type, const mesh_ping *ping);
int mesh_ping_parse(mesh_bytes content, mesh_ping *out); // MESH_EPROTO

typedef struct mesh_relay {
    uint32_t sequence;
    uint8_t target[MESH_ID_LEN];
    mesh_bytes datagram; // borrowed
} mesh_relay;

enum { MESH_RELAY_FIXED_LEN = 4 + MESH_ID_LEN, MESH_RELAY_DATAGRAM_MAX = 512 };

bool mesh_body_put_relay(mesh_body *body, const mesh_relay *relay);
int mesh_relay_parse(mesh_bytes content, mesh_relay *out); // MESH_EPROTO

// HOST: an Alive and its chain (issuer, host).
typedef struct mesh_introduction {
    mesh_bytes alive, certs[2]; // borrowed
} mesh_introduction;

bool mesh_body_put_host(mesh_body *body, const mesh_introduction *host);
int mesh_introduction_parse(mesh_bytes content, mesh_introduction *out); // MESH_EPROTO

bool mesh_body_put_want(mesh_body *body, const uint64_t *ids, size_t count);
int mesh_want_parse(mesh_bytes content, uint64_t out[MESH_WANT_MAX], size_t *out_count);

typedef struct mesh_digest { // sums[i]: of the hosts whose short id has i as its highest bits
    uint64_t sums[MESH_DIGEST_SUMS_MAX];
    size_t count; // a power of two
} mesh_digest;

bool mesh_body_put_digest(mesh_body *body, const mesh_digest *digest);
int mesh_digest_parse(mesh_bytes content, mesh_digest *out); // MESH_EPROTO

typedef struct mesh_list { // every host with a short id in [from, to]
    uint64_t from, to;
    struct mesh_listed {
        uint64_t id;
        mesh_stamp stamp;
        uint8_t rank;  // mesh_rank
        uint32_t hash; // of the Alive
    } hosts[MESH_LIST_MAX];
    size_t count;
} mesh_list;

bool mesh_body_put_list(mesh_body *body, const mesh_list *list);
int mesh_list_parse(mesh_bytes content, mesh_list *out); // MESH_EPROTO
