// Warren for C: a program joins the agent of its host and is a node like any other. It serves and
// calls, publishes and subscribes, sees who is there and hears who ends. docs/c-api.md shows how;
// docs/api.md has the rules that messages keep (order, at most once, deadlines, back-pressure).
//
//   pkg-config --cflags --libs warren
//
// Values are bytes of MessagePack, one value each; write and read them with msgpack-c. What comes
// is judged before you see it: one whole value, nested at most 64 deep, every length within it, and
// objects are always maps. What JavaScript has and MessagePack has not (Date, BigInt, Map, Error
// ...) comes as extension types: proto/wire.md, "Payload", lists them.
//
// Threads: a `warren` and all that belongs to it is used by one thread at a time, the one that runs
// its loop; callbacks are called there, from warren_run, warren_step or your own loop, never from
// inside another function. Every function may be called in a callback, but warren_run and
// warren_step, and warren_close of a loop of its own: these three end the process with a sentence.
// A timer or handle of your own on that loop is a callback too.
//
// Memory: what you pass is copied before the function returns. What a callback gets is valid until
// it returns, a warren_request until it is answered.
//
// Errors: functions return 0 or a warren_error. Limits: names and subjects have at most 255 bytes,
// subjects at most 16 tokens, all tags of one thing together 255 bytes; messages 1 MiB or what
// `max_message_len` says; 65,536 open calls; 4,096 services and subscriptions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WARREN_API __attribute__((visibility("default")))
#else
#define WARREN_API
#endif

struct uv_loop_s;
typedef struct warren warren;

typedef enum warren_error {
    WARREN_OK = 0,
    // What calls end with, and what warren_refuse may say.
    WARREN_APPLICATION = 1, // the handler failed: the payload is what it threw
    WARREN_NO_RESPONDERS,   // nobody serves it
    WARREN_TIMEOUT,
    WARREN_CANCELLED,
    WARREN_OVERLOADED, // too much waits, here or there: try later
    WARREN_CLOSED,     // the mesh is closed, here or there
    WARREN_NO_METHOD,
    WARREN_PEER_LOST,
    WARREN_FORBIDDEN, // this node's certificate does not allow it
    // What functions return, too.
    WARREN_NO_AGENT = 32, // none is running, or it refused
    WARREN_AGENT_LOST,    // it is gone; links to nodes go on
    WARREN_INVALID,       // a name, a subject, tags or a payload that are not allowed
    WARREN_TOO_LARGE,
    WARREN_EXISTS,
    WARREN_NOT_FOUND,
    WARREN_PROTOCOL, // what came is no value
    WARREN_STREAM,   // the answer is a stream, and the call has no on_item
    WARREN_WAIT,     // warren_item: the caller has not taken what was sent before
} warren_error;

// "ERR_WARREN_TIMEOUT", as in JavaScript; and a sentence. Static; never NULL.
WARREN_API const char *warren_error_name(int error);
WARREN_API const char *warren_error_text(int error);

typedef struct warren_bytes {
    const void *data;
    size_t len;
} warren_bytes;

// ---- joining and leaving
// ------------------------------------------------------------------------

typedef enum warren_event {
    WARREN_EVENT_JOINED,     // every service that there is now is known
    WARREN_EVENT_INSTANCES,  // some service's instances, or the peers, are others than before
    WARREN_EVENT_DRAIN,      // warren_is_full was true and is not any more
    WARREN_EVENT_AGENT_LOST, // nothing new will be known; links and messages go on
    WARREN_EVENT_CLOSED,     // the last one: `w` is freed when the callback returns
} warren_event;
typedef void (*warren_event_cb)(warren *w, warren_event event, void *user);

// So many publications in a row to the node `id` (`is_from`: from it) are lost, as
// warren_stats.lost_publications counts them. Told ahead of what comes after them, and of the end
// of that node. For a line in a log, or to ask that node for its state again.
typedef struct warren_gap {
    uint64_t id;
    bool is_from;
    uint32_t count;
} warren_gap;
typedef void (*warren_gap_cb)(warren *w, const warren_gap *gap, void *user);

typedef struct warren_options {
    const char *agent_path;   // NULL: $WARREN_DIR/agent.sock, or where `warren agent` is by default
    const char *name;         // shown in lists; NULL: "node-PID"
    const char *tags;         // "zone=a,disk=ssd", of all it offers; NULL: $WARREN_TAGS
    uint32_t max_message_len; // bytes of a payload, 64 KiB to 16 MiB; 0: 1 MiB
    struct uv_loop_s *loop;   // your libuv loop; NULL: it makes one of its own
    warren_event_cb on_event; // may be NULL
    warren_gap_cb on_gap;     // may be NULL
    void *user;               // of both
} warren_options;

// Blocks until the agent has answered, at most 2 s; without `loop` also until WARREN_EVENT_JOINED.
// WARREN_NO_AGENT, WARREN_INVALID.
WARREN_API int warren_open(const warren_options *options, warren **out);

// A loop of its own: runs until warren_stop, or until the agent of this host is gone and nothing is
// left to do.
WARREN_API void warren_run(warren *w);
WARREN_API void warren_stop(warren *w);
// Or as a part of another loop: wait until `fd` is readable or the time is over, then step. The
// timeout first sends what was said since; -1: without end.
WARREN_API int warren_fd(const warren *w);
WARREN_API int warren_timeout_ms(warren *w);
WARREN_API void warren_step(warren *w);
// The loop, for timers of yours. Handles that are open when a loop of its own ends are closed.
WARREN_API struct uv_loop_s *warren_loop(const warren *w);

// Leaves: open calls end with WARREN_CLOSED, what is queued is written for at most so long. A loop
// of its own: returns when that is done and `w` is freed. Your loop: WARREN_EVENT_CLOSED follows.
WARREN_API void warren_close(warren *w, uint32_t timeout_ms);

// ---- who is there
// ------------------------------------------------------------------------------

typedef struct warren_peer {
    uint64_t id; // a node's, never used again; JavaScript shows it as 16 hexadecimal digits
    const char *name, *service, *host;
    uint32_t instance, pid;
    bool is_self;
} warren_peer;

WARREN_API const warren_peer *warren_self(const warren *w);
// NULL: it is not there (any more). Valid until the callback returns, or the loop runs again.
WARREN_API const warren_peer *warren_find_peer(const warren *w, uint64_t id);
// Each node; each instance of each service (a node may have several services). `service` NULL: all.
typedef void (*warren_peer_cb)(const warren_peer *peer, void *user);
typedef void (*warren_instance_cb)(const char *service, const warren_peer *peer, void *user);
WARREN_API void warren_each_peer(warren *w, warren_peer_cb on_peer, void *user);
WARREN_API void warren_each_instance(warren *w, const char *service, warren_instance_cb on_instance,
                                     void *user);

// Told once, behind the last message of that node: how it ended. "noproc": it was not there.
typedef struct warren_down {
    uint64_t id;
    const char *reason;
    int exit_code, exit_signal;
} warren_down;
typedef void (*warren_down_cb)(warren *w, const warren_down *down, void *user);
WARREN_API int warren_monitor(warren *w, uint64_t id, warren_down_cb on_down, void *user);

// ---- serving
// -----------------------------------------------------------------------------------

// A call to answer, once. It belongs to the handler until then, also when nobody waits any more;
// the end of `w` frees those that are left.
typedef struct warren_request {
    const char *name;              // of the method, or the subject
    warren_bytes payload, headers; // headers: a map of texts, or nothing
    uint64_t from;
    uint32_t timeout_ms; // that were left when it came; 0: no deadline
    bool is_aborted;     // nobody waits: the deadline passed, the caller cancelled or is gone
    void *data;          // the handler's
    void (*on_abort)(struct warren_request *request); // the handler's, may be NULL: once, when
                                                      // is_aborted becomes true
    void (*on_room)(struct warren_request *request);  // the same: after WARREN_WAIT
} warren_request;
typedef void (*warren_request_cb)(warren *w, warren_request *request, void *user);

// Offers a service under a name that others call. `tags`: beside those of the node; may be NULL.
// `out_id` (may be NULL) is for warren_withdraw. WARREN_INVALID, WARREN_OVERLOADED (4,096 things
// are offered), WARREN_AGENT_LOST, WARREN_CLOSED.
WARREN_API int warren_serve(warren *w, const char *service, const char *tags,
                            warren_request_cb on_request, void *user, uint32_t *out_id);
// No new requests or messages; those that came are still to be answered.
WARREN_API void warren_withdraw(warren *w, uint32_t id);

// Each ends the request and frees it. A payload that is no value, or too large, becomes a failure
// that says so, and is returned.
WARREN_API int warren_reply(warren_request *request, const void *payload, size_t len);
// The caller gets an Error with this `code` (a property, as Node.js has it; may be NULL) and
// message.
WARREN_API void warren_fail(warren_request *request, const char *code, const char *message);
// For a request that was not carried out: one of the outcomes above, WARREN_NO_RESPONDERS to
// WARREN_NO_METHOD. Behind an item, or with another error, it is a failure with that name as its
// code.
WARREN_API void warren_refuse(warren_request *request, warren_error error);
// Before the reply: an item of an answer that is a stream. From the first one on there is no
// deadline. WARREN_WAIT: not sent; on_room follows, or on_abort. WARREN_CANCELLED: nobody waits any
// more; on_abort follows, or was called.
WARREN_API int warren_item(warren_request *request, const void *payload, size_t len);

// ---- calling
// -----------------------------------------------------------------------------------

enum { WARREN_NO_TIMEOUT = 0xffffffff };

typedef struct warren_answer {
    int error; // WARREN_OK: a reply
    // The request may have been carried out. False: it certainly was not.
    bool is_maybe;
    warren_bytes payload; // the reply's value, or what the handler threw
    const char *text;     // of an error: a sentence for people; never NULL
    uint64_t from;        // 0: nobody
} warren_answer;
typedef void (*warren_answer_cb)(warren *w, const warren_answer *answer, void *user);
// An item of an answer that is a stream: more come, then the answer.
typedef void (*warren_item_cb)(warren *w, warren_bytes payload, void *user);

// Whom to call, and how. A service and its method, or a subject, is all that must be there.
typedef struct warren_callee {
    const char *service, *method;
    const char *subject;  // whoever subscribes to it, in place of a service
    uint64_t node;        // the one that must answer; 0: by key, tags, or load
    const char *key;      // the same key, the same instance (as long as instances stay)
    const char *tags;     // "zone=a": only instances that have these
    uint32_t timeout_ms;  // until the answer (of a stream: the first item); 0: 5 s
    warren_bytes headers; // a map of texts, or nothing
    bool is_bulk;         // never holds up what is not
    warren_item_cb on_item;
} warren_callee;

// on_answer is called once, whatever happens, and never from inside this function. `out_call` (for
// warren_cancel) may be NULL. WARREN_INVALID, WARREN_TOO_LARGE, WARREN_OVERLOADED (65,536 calls are
// open), WARREN_CLOSED, WARREN_NOT_FOUND (`node`): on_answer is not called.
WARREN_API int warren_call(warren *w, const warren_callee *callee, warren_bytes payload,
                           warren_answer_cb on_answer, void *user, uint64_t *out_call);
// The handler is told to stop. WARREN_CANCELLED follows, unless the answer has come. A call that is
// over is ignored.
WARREN_API void warren_cancel(warren *w, uint64_t call);
// Class, message and code of an Error that a handler threw, as far as they are there and fit;
// false: `thrown` is another value, or an Error with values nested deeper than 30.
typedef struct warren_thrown {
    char class_name[64], code[64], message[512];
} warren_thrown;
WARREN_API bool warren_thrown_read(warren_bytes thrown, warren_thrown *out);

// ---- subjects
// ----------------------------------------------------------------------------------

typedef struct warren_publish_options {
    const char *key, *tags; // of members of queue groups; of all subscriptions
    warren_bytes headers;
    bool is_bulk;
} warren_publish_options;

// To every subscription that matches, and one of each queue group. WARREN_OVERLOADED: 8 MiB wait
// for one of them, nothing was sent. WARREN_INVALID, WARREN_TOO_LARGE, WARREN_CLOSED.
WARREN_API int warren_publish(warren *w, const char *subject, warren_bytes payload,
                              const warren_publish_options *options);
// More than 1 MiB waits for a peer: better go on after WARREN_EVENT_DRAIN.
WARREN_API bool warren_is_full(const warren *w, bool is_bulk);

typedef struct warren_message {
    const char *subject;
    warren_bytes payload, headers;
    uint64_t from;
    warren_request *request; // not NULL: it was called (mesh.request), answer it
} warren_message;
typedef void (*warren_message_cb)(warren *w, const warren_message *message, void *user);

// `pattern`: `*` stands for one token, `>` for the rest. `queue` (NULL: none): one of the group
// gets each message. Errors as for warren_serve.
WARREN_API int warren_subscribe(warren *w, const char *pattern, const char *queue,
                                warren_message_cb on_message, void *user, uint32_t *out_id);
// The same, for who answers nothing: requests to these subjects go to others.
WARREN_API int warren_listen(warren *w, const char *pattern, const char *queue,
                             warren_message_cb on_message, void *user, uint32_t *out_id);

// ---- figures
// -----------------------------------------------------------------------------------

typedef struct warren_stats {
    uint64_t sent_messages, received_messages;
    uint64_t unsent_bytes;      // not yet handed to the operating system
    uint64_t late_replies;      // of calls that were over
    uint64_t lost_publications; // in both directions: warren_gap
    uint64_t bad_payloads;      // that came and were no value
} warren_stats;
WARREN_API warren_stats warren_stats_get(const warren *w);

#ifdef __cplusplus
}
#endif
