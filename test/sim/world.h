// What the files of the simulator share. sim.c: which thing happens next; network.c: bytes on their
// way; abroad.c: those between hosts; agent.c: the model of the agent; member.c: driver and program
// of a node, program.c; calls.c: its calls; streams.c, inputs.c: answers and inputs that are
// streams; check.c: the rules; bug.c: bugs that are planted in what a core says and in its state.
#pragma once

#include "core/mem.h"
#include "core/node.h"
#include "core/rng.h"
#include "secure/cipher.h"
#include "sim.h"

enum {
    MEMBERS_MAX = 48, // lives of nodes in one run
    SLOTS_MAX = 16,
    CONNS_MAX = 4096,
    ENTRIES_MAX = 512,
    CALLS_MAX = 8192,
    SERVES_MAX = 512,
    SEQ_MAX = 8192,
    QUEUE_NAMES = 2,
    STAMP_LEN = 28, // what every payload begins with
    PAYLOAD_MAX = 300000,
    STEP_MS_MAX = 50, // time moves by less at once
};

typedef struct world world;

// ---- network.c
typedef struct pipe {
    uint8_t *data;
    size_t head, tail, cap;
    size_t room;     // bytes it holds at most: the socket's buffer
    bool is_closed;  // nothing more comes after what is in it
    uint8_t *record; // what the planted bugs collect until a record is whole
    size_t record_len, record_cap;
    uint8_t *held; // a record that waits to be overtaken
    size_t held_len;
} pipe;

typedef enum packet_kind {
    PACKET_UP,
    PACKET_PUT,
    PACKET_REMOVED,
    PACKET_DOWN,
    PACKET_LINK,
    PACKET_CONNECT_FAILED
} packet_kind;
typedef struct packet {
    packet_kind kind;
    uint32_t member, entry, conn, end;
    bool is_dialler;
} packet;

typedef struct conn {
    pipe pipes[2]; // [i]: to end i
    uint32_t members[2];
    uint32_t peers[2]; // what each end calls the other
    bool is_open[2], wants_write[2], is_ending[2], is_write_broken[2];
    packet next[2]; // a second socket to the same peer, that waits for the end of this one
    bool has_next[2];
    bool is_sealed;         // between hosts
    bool is_corrupt;        // a byte of it was changed on its way
    bool is_tight;          // a byte at a time gets through
    mesh_cipher ciphers[2]; // [i]: of what end i sends
    struct wire {           // what end i has sent of sealed records
        uint64_t begun;     // records
        uint32_t head, head_len;
        size_t left; // of the one at hand
    } wires[2];
} conn;

void pipe_deinit(pipe *p);
size_t pipe_write(world *w, pipe *p, mesh_bytes bytes); // as many as there is room for
size_t pipe_read(pipe *p, uint8_t *out, size_t len);
static inline size_t pipe_len(const pipe *p) {
    return p->tail - p->head;
}
uint32_t conn_create(world *w, uint32_t a, uint32_t b);
void conn_close_end(world *w, conn *c, int end);
void conn_break(world *w, conn *c); // at any byte, both ways

// ---- agent.c

typedef enum word_kind {
    WORD_JOIN,
    WORD_ANNOUNCE,
    WORD_WITHDRAW,
    WORD_CONNECT,
    WORD_LEAVE,
    WORD_DEATH
} word_kind;
typedef struct word { // to the agent
    word_kind kind;
    uint32_t member, target, links;
} word;

void agent_hear(world *w); // takes the next word
void agent_say(world *w, word said);

// ---- abroad.c
bool abroad_is(const world *w, uint32_t a, uint32_t b); // on two hosts
void abroad_host_id(const world *w, uint32_t index, uint8_t out[MESH_ID_LEN]);
void abroad_connect(world *w, conn *c); // a handshake has made its keys
int abroad_link_up(world *w, uint32_t index, uint32_t *out_handle, const packet *p);
void abroad_notice_session(world *w, uint32_t index, uint32_t other);
bool abroad_is_resuming(const world *w, uint32_t index, uint32_t handle);
bool abroad_is_any_resuming(const world *w);
bool abroad_is_session_whole(const world *w, uint32_t a, uint32_t b);
// `len` bytes of end `end` were written into the pipe to the other.
void abroad_carry(world *w, conn *c, int end, mesh_bytes bytes);

// ---- bug.c
void bug_hurt_session(world *w, uint32_t index, uint32_t handle);
void bug_hurt(world *w, conn *c, int end);
// How often an event is told: once, but for planted bugs, which may change it, too.
uint32_t bug_tell(world *w, mesh_output *out);

// ---- member.c
typedef struct entry {
    uint32_t member, entry_id;
    mesh_entry_kind kind;
    const char *name, *queue;
    int queue_index; // -1: none
    bool is_withdrawn;
} entry;

typedef struct known_peer {
    uint32_t handle;
    bool is_known, is_down, is_monitored, was_down_told;
    bool is_stalled; // the agent said so
    uint32_t shapes; // received in the session at hand
    uint32_t epoch;  // which that is
    // Bytes not consumed: in all, and of the link at hand.
    uint64_t held[MESH_LANE_COUNT], link_held[MESH_LANE_COUNT];
} known_peer;

typedef struct served {
    uint32_t slot, call;
    bool is_used, is_aborted;
    uint64_t until_ms; // the handler has time
} served;

typedef struct expected { // of one sender by one subscription
    uint32_t *seqs;
    size_t count, cap, next, received;
} expected;

typedef struct member {
    mesh_node *node;
    uint64_t id;
    uint32_t host;
    bool is_alive, is_leaving, has_joined, is_dead_to_agent;
    packet *inbox;
    size_t inbox_head, inbox_count, inbox_cap;
    uint64_t deaf_until_ms;
    known_peer peers[MEMBERS_MAX];
    bool knows[ENTRIES_MAX];
    uint32_t slots[SLOTS_MAX]; // call + 1, or 0
    served serves[SERVES_MAX];
    uint32_t serve_count, last_answered;
    size_t answer_due; // of `serves`, 1 more; 0: none
    uint32_t next_entry_id, shapes, noproc_due;
    uint32_t links_received[MEMBERS_MAX], links_sent[MEMBERS_MAX];
    uint32_t seq;
    bool awaits_drain[MESH_LANE_COUNT];
    uint64_t lost;                            // publications, as GAP told
    uint8_t queue_hits[SEQ_MAX][QUEUE_NAMES]; // deliveries of own publications by group
    expected expectations[ENTRIES_MAX][MESH_LANE_COUNT];
} member;

void member_start(world *w);
void member_kill(world *w, uint32_t index);
void member_leave(world *w, uint32_t index);
bool member_hear(world *w, uint32_t index); // takes the next packet of the agent
void member_poll(world *w, uint32_t index);
bool member_read(world *w, uint32_t conn, int end); // false: nothing to do
bool member_write(world *w, uint32_t conn, int end);
void member_tick(world *w, uint32_t index);

// ---- program.c
void program_act(world *w, uint32_t index);                          // one random thing
void program_take(world *w, uint32_t index, const mesh_output *out); // an event for the application
void program_consume(world *w, uint32_t index, uint32_t peer_member);
void program_monitor(world *w, uint32_t index, uint32_t peer_member);

uint32_t program_member_of(const world *w, uint32_t index, uint32_t handle); // or MEMBERS_MAX
const char *program_subject(world *w);
const char *program_service(world *w);
size_t program_len(world *w); // of a payload

// ---- calls.c
void calls_make(world *w, uint32_t index);
void calls_cancel(world *w, uint32_t index);
void calls_serve(world *w, uint32_t index, size_t at); // something that a handler does
void calls_answer(world *w, uint32_t index, size_t at);
served *calls_served(world *w, uint32_t index, uint32_t slot); // NULL: none
void calls_take_request(world *w, uint32_t index, const mesh_output *out);
void calls_take_abort(world *w, uint32_t index, const mesh_output *out);
void calls_take_outcome(world *w, uint32_t index, const mesh_output *out);
void calls_check_awaited(world *w);

// ---- inputs.c
void inputs_send(world *w, uint32_t index);
void inputs_read(world *w, uint32_t index, const served *s); // poll then
void inputs_take(world *w, uint32_t index, const mesh_output *out);
void inputs_take_room(world *w, uint32_t index, const mesh_output *out);

// ---- streams.c
void streams_send(world *w, uint32_t index, size_t at); // items of a call that is served
void streams_grant(world *w, uint32_t index);
void streams_take(world *w, uint32_t index, const mesh_output *out);

// ---- check.c
typedef struct call_record {
    uint32_t caller;
    uint8_t outcome_count, run_count;
    bool is_certainly_not_run;
    bool is_stream;
    uint32_t ran_at;
    uint32_t items_sent, items_received;
    uint32_t held; // bytes of items that the caller has not taken
    uint64_t deadline_ms;
    uint32_t timeout_ms;
    uint32_t parent; // the call that it is part of, or UINT32_MAX
    bool has_input, is_input_over, is_input_read, is_input_stopped, has_input_ended;
    uint32_t inputs_sent, inputs_received;
    uint64_t input_allowed, input_received; // bytes
} call_record;

// A rule does not hold. The first time is the one to look at.
#define check_fail(W, ...)                                                                         \
    do {                                                                                           \
        if ((W)->result.violation[0]) break;                                                       \
        (void)snprintf((W)->result.violation, SIM_VIOLATION_MAX, __VA_ARGS__);                     \
    } while (0)
void check_event(world *w, uint32_t member, const mesh_output *out); // hash, and what holds for all
void check_message(world *w, uint32_t member, uint32_t sender, const mesh_output *out);
void check_published(world *w, uint32_t sender, const char *subject, mesh_lane lane, uint32_t seq);
void check_bounds(world *w, uint32_t member);
void check_end(world *w);
size_t stamp_write(uint8_t *out, uint32_t a, uint32_t b, uint32_t c, size_t len);
bool stamp_read(mesh_bytes payload, uint32_t *a, uint32_t *b, uint32_t *c);

struct world {
    sim_options options;
    sim_result result;
    mesh_rng rng;
    uint64_t now_ms;
    uint32_t credit, host_count;
    uint32_t assembled_max;
    uint32_t corrupt; // per mille of writes between hosts
    bool is_calm;     // no more faults and no new work: everything must come to an end
    bool is_dedup;    // the agent knows of crossing dials
    bool has_bug_struck;
    member *members[MEMBERS_MAX];
    uint32_t member_count, alive_max;
    conn conns[CONNS_MAX];
    uint32_t conn_count;
    entry entries[ENTRIES_MAX];
    uint32_t entry_count;
    word *words;
    size_t word_head, word_count, word_cap;
    call_record calls[CALLS_MAX];
    uint32_t call_count;
    bool is_disturbed[MEMBERS_MAX][MEMBERS_MAX]; // a link between the two broke: losses are allowed
    uint8_t payload[PAYLOAD_MAX];
};

static inline uint32_t pick(world *w, uint32_t bound) {
    return mesh_rng_below(&w->rng, bound);
}
static inline bool chance(world *w, uint32_t percent) {
    return pick(w, 100) < percent;
}
static inline bool has_bug(const world *w, sim_bug bug) {
    return w->options.bug == bug;
}
static inline bool is_record_bug(const world *w) {
    return w->options.bug >= SIM_BUG_RECORD_TWICE && w->options.bug <= SIM_BUG_CANCEL_LOST;
}
