// The inside of mesh_swim, for swim*.c alone.
#pragma once

#include "cluster/body.h"
#include "cluster/news.h"
#include "cluster/swim.h"
#include "core/deadline.h"
#include "core/map.h"
#include "core/mem.h"
#include "core/rng.h"

enum {
    PROBES_MAX = 16,
    RELAYS = 3, // who is asked to pass a probe on
    JURY = 5,   // who probes an accused host at once
    HEALTH_MAX = 8,
    NOT_LIVE = UINT32_MAX,
    GOSSIP_PEERS = 3,
    WANTS_MAX = 32,
    ASKED_MAX = 64,
    ADDRESSED_MS = 500, // between two hints to a host about itself
};

// Ids in `timers`. A host's is TIMER_HOSTS + index: the end of its trial.
enum {
    TIMER_PERIOD,
    TIMER_GOSSIP,
    TIMER_SYNC,
    TIMER_RECONNECT,
    TIMER_DIAL,
    TIMER_REFUTE,
    TIMER_REFRESH,
    TIMER_SWEEP,
    TIMER_PROBES,
    TIMER_HOSTS = TIMER_PROBES + PROBES_MAX,
};

typedef struct mesh_pair { // what datagrams with one host need
    uint8_t send_key[MESH_DGRAM_KEY_LEN], receive_key[MESH_DGRAM_KEY_LEN];
    uint64_t counter;
    mesh_window window;
} mesh_pair;

typedef struct mesh_trial { // of a host that is accused, or was found dead
    bool is_over;           // its time was up: from now on enough witnesses are death
    bool is_closed;         // the host is down
    bool is_checked;        // asked once more before the end
    uint64_t began_ms, ends_ms;
    size_t count;
    mesh_witness witnesses[MESH_WITNESSES_MAX];
    mesh_news news[MESH_WITNESSES_MAX];
} mesh_trial;

typedef struct mesh_host {
    uint32_t index, live_at; // places in hosts and live
    uint64_t short_id;
    mesh_host_state state;
    bool is_expired; // LEFT by its certificate, not by its word
    mesh_stamp stamp;
    uint64_t since_ms, learned_ms, heard_ms, addressed_ms; // heard: 0 never
    mesh_alive alive;
    uint8_t *record; // the Alive as it came
    size_t record_len;
    uint32_t record_hash;
    uint8_t *left; // the Left as it came, or NULL
    size_t left_len;
    uint8_t *certs; // issuer's and host's, one behind the other
    size_t cert_lens[2];
    char name[MESH_CERT_NAME_LEN_MAX + 1];
    uint8_t sign_key[MESH_SIGN_KEY_LEN];
    uint64_t not_after_s;
    mesh_trial *trial; // or NULL
    mesh_pair *pair;   // or NULL
    mesh_news news;    // of its Alive, or its end
    size_t addr_at;    // which of its addresses is used
    uint32_t accusing; // open trials that it is a witness of
    uint32_t doubts;   // false statements that it brought since doubted_ms
    uint64_t doubted_ms;
} mesh_host;

typedef struct mesh_probe {
    bool is_used, is_indirect;
    uint32_t host, sequence, relay_sequence;
    uint32_t asked, confirmed; // relays
    uint32_t relays[RELAYS];   // host indices
    uint64_t began_ms, ends_ms;
} mesh_probe;

typedef struct mesh_swim_item { // an output that waits
    mesh_swim_output output;
    uint8_t *owned;
} mesh_swim_item;

struct mesh_swim {
    mesh_swim_options options;
    uint8_t cluster_id[MESH_ID_LEN], boot_public[32];
    mesh_rng rng;
    uint64_t now_ms, now_s; // now_ms: the time that this agent was running, see swim.c enter()
    uint64_t paused_ms;     // by which it is behind the clock
    bool is_joined, is_leaving, is_stopped;
    mesh_host *self;   // hosts[0]
    mesh_host **hosts; // by index; NULL: free
    size_t host_count, host_cap;
    mesh_map by_id; // short id -> host
    uint32_t *live; // indices of all but ourselves that are not down or left: the order of probes
    size_t live_count, live_cap, live_next;
    mesh_news_queue news;
    mesh_deadlines timers;
    mesh_probe probes[PROBES_MAX];
    uint32_t sequence, health, rtt_ms;
    uint64_t refuted_ms;                // when last, 0: never
    uint64_t refreshed_ms, stranger_ms; // stranger: when last a member was asked about one
    bool is_changed;                    // the payload, since the last Alive
    mesh_addr candidates[MESH_CANDIDATES_MAX];
    size_t candidate_count, candidate_next;
    uint32_t dials;        // in vain, while joining
    mesh_swim_item *items; // a ring
    size_t item_head, item_count, item_cap;
    uint8_t *polled;           // memory of the last output
    uint64_t wants[WANTS_MAX]; // what the datagram in hand made us curious of
    size_t want_count, served; // served: what it wanted
    struct mesh_asked {
        uint64_t short_id, at_ms;
    } asked[ASKED_MAX]; // a ring: what was wanted of anybody lately
    size_t asked_next;
    mesh_swim_stats stats;
};

static inline uint64_t mesh_swim_since(const mesh_swim *s, uint64_t at_ms) {
    return s->now_ms > at_ms ? s->now_ms - at_ms : 0;
}
static inline bool mesh_swim_same_id(const uint8_t *a, const uint8_t *b) {
    return memcmp(a, b, MESH_ID_LEN) == 0;
}
static inline mesh_verifier mesh_swim_verifier(const mesh_swim *s) {
    return (mesh_verifier){s->cluster_id, s->options.crypto.verify, s->options.crypto.user};
}
static inline bool mesh_host_is_accused(const mesh_host *host) {
    return host->state == MESH_HOST_SUSPECT || host->state == MESH_HOST_UNREACHABLE;
}

// swim_hosts.c: the table
uint64_t mesh_swim_hosts_short(const uint8_t host_id[MESH_ID_LEN]);
mesh_host *mesh_swim_hosts_by_short(const mesh_swim *s, uint64_t short_id);
mesh_host *mesh_swim_hosts_find(const mesh_swim *s, const uint8_t host_id[MESH_ID_LEN]);
// NULL: full, or the short id is taken.
mesh_host *mesh_swim_hosts_add(mesh_swim *s, const uint8_t host_id[MESH_ID_LEN]);
void mesh_swim_hosts_remove(mesh_swim *s, mesh_host *host);
void mesh_swim_hosts_free(mesh_host *host);
void mesh_swim_hosts_set_state(mesh_swim *s, mesh_host *host, mesh_host_state state);
size_t mesh_swim_hosts_count(const mesh_swim *s); // those that count for votes, ourselves included
// Up to `max` different live hosts, not `but` (NULL: any); returns how many.
size_t mesh_swim_hosts_pick(mesh_swim *s, const mesh_host *but, size_t max, mesh_host **out);
mesh_host *mesh_swim_hosts_next(mesh_swim *s); // whose turn it is to be probed; NULL: nobody
void mesh_swim_hosts_view(const mesh_swim *s, const mesh_host *host, mesh_swim_host *out);

// swim_out.c: what goes out
void mesh_swim_out_say(mesh_swim *s, mesh_swim_output_kind kind, const mesh_host *host,
                       const mesh_addr *addr);
void mesh_swim_out_forget(mesh_swim *s);
size_t mesh_swim_out_seal(mesh_swim *s, mesh_host *to, const mesh_body *body,
                          uint8_t out[MESH_DATAGRAM_LEN_MAX]); // 0: no keys with it
void mesh_swim_out_send_raw(mesh_swim *s, const mesh_addr *addr, mesh_bytes datagram);
// Adds what `to` should know of itself and as much news as fits, seals and sends. `addr` NULL: the
// host's own.
void mesh_swim_out_send(mesh_swim *s, mesh_host *to, mesh_body *body, const mesh_addr *addr);
// `host` is about to be another life of its own, and perhaps elsewhere: the one that was known so
// far hears of it where it was, sealed with keys that only it has. If it still runs, one of the two
// is a copy; nothing else would ever reach it again.
void mesh_swim_out_tell_former(mesh_swim *s, mesh_host *host, mesh_bytes record);
bool mesh_swim_out_put_fate(mesh_swim *s, const mesh_host *host, mesh_body *body);
bool mesh_swim_out_put_host(const mesh_host *host, mesh_body *body);
size_t mesh_swim_out_dead(const mesh_host *host, uint8_t out[MESH_RECORD_SIGNED_MAX]);
void mesh_swim_out_gossip(mesh_swim *s);
bool mesh_swim_out_pair(mesh_swim *s, mesh_host *host); // makes the keys when there are none
void mesh_swim_out_tell(mesh_swim *s, mesh_news *news); // is news from now on
const mesh_addr *mesh_swim_out_addr(const mesh_host *host);

// swim_belief.c: records in, states of hosts out
void mesh_swim_belief_take(mesh_swim *s, mesh_host *from, mesh_bytes record);
// MESH_ECERT...: not believed. `from`: NULL when not from a datagram.
int mesh_swim_belief_take_host(mesh_swim *s, mesh_host *from, const mesh_introduction *host);
void mesh_swim_belief_issue(mesh_swim *s, bool is_newer); // our own Alive, signed anew
void mesh_swim_belief_refute(mesh_swim *s);
void mesh_swim_belief_sweep(mesh_swim *s);
void mesh_swim_belief_want(mesh_swim *s, uint64_t short_id);
uint8_t mesh_swim_belief_rank(const mesh_host *host);
int mesh_swim_belief_take_chain(mesh_swim *s, const mesh_bytes certs[2], mesh_chain *out);
void mesh_swim_belief_keep_chain(mesh_host *host, const mesh_bytes certs[2],
                                 const mesh_chain *chain);
void mesh_swim_belief_hash_certs(const mesh_bytes certs[2], uint8_t out[MESH_CERT_HASH_LEN]);

// swim_trial.c: accusations
void mesh_swim_trial_accuse(mesh_swim *s, mesh_host *host); // by ourselves
void mesh_swim_trial_take(mesh_swim *s, mesh_host *from, const mesh_record *record);
void mesh_swim_trial_end(mesh_swim *s, mesh_host *host); // its time is up
void mesh_swim_trial_review(mesh_swim *s);               // fewer hosts are there than a moment ago
void mesh_swim_trial_drop(mesh_swim *s, mesh_host *host);
size_t mesh_swim_trial_votes(const mesh_swim *s); // how many witnesses are death

// swim_probe.c: who answers
void mesh_swim_probe_period(mesh_swim *s);
void mesh_swim_probe_begin(mesh_swim *s, mesh_host *host);
void mesh_swim_probe_timeout(mesh_swim *s, uint32_t slot);
void mesh_swim_probe_take_ping(mesh_swim *s, mesh_host *from, const mesh_addr *addr,
                               const mesh_ping *ping);
void mesh_swim_probe_take_pong(mesh_swim *s, mesh_host *from, const mesh_ping *pong);
void mesh_swim_probe_take_relay(mesh_swim *s, mesh_host *from, const mesh_relay *relay);
void mesh_swim_probe_take_relayed(mesh_swim *s, const mesh_host *from, uint32_t sequence);
void mesh_swim_probe_answered(mesh_swim *s, mesh_host *host);
void mesh_swim_probe_worse(mesh_swim *s);
uint64_t mesh_swim_probe_stretch(const mesh_swim *s, uint64_t ms); // by our own health

// swim_sync.c: what hosts know and others don't
void mesh_swim_sync_begin(mesh_swim *s);
void mesh_swim_sync_reconnect(mesh_swim *s);
void mesh_swim_sync_dial(mesh_swim *s);
void mesh_swim_sync_take_digest(mesh_swim *s, mesh_host *from, const mesh_digest *digest);
void mesh_swim_sync_take_list(mesh_swim *s, mesh_host *from, const mesh_list *list);
void mesh_swim_sync_take_want(mesh_swim *s, mesh_host *from, const uint64_t *ids, size_t count);
void mesh_swim_sync_ask_about(mesh_swim *s, uint64_t short_id);
void mesh_swim_sync_send_wants(mesh_swim *s, mesh_host *from);

// swim_intro.c
int mesh_swim_intro_take(mesh_swim *s, mesh_bytes page);

void mesh_swim_join(mesh_swim *s); // swim.c: the first member was met
