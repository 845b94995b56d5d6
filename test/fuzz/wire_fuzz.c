// Two ends of a link between hosts, and the fuzzer is the wire: it delivers, changes, repeats,
// drops and inserts bytes, while both ends send. Bit 0 of the first byte: from the first byte of
// the handshake on; else from the first record, under keys that are there already. Whatever the
// wire does, each end hears a beginning of what the other said, unchanged; when the wire did
// nothing to it, all of it.
#include "core/be.h"
#include "core/error.h"
#include "core/link.h"
#include "core/mem.h"
#include "fuzz.h"
#include "pki.h"
#include "secure/handshake.h"

enum { WIRE_MAX = 1 << 16, MESSAGES_MAX = 256, TEXT_MAX = 5000, HOST = 10, OTHER_HOST };

typedef struct end {
    mesh_handshake *handshake; // NULL: it is over
    mesh_link *link;           // NULL: not yet, or not any more
    uint8_t wire[WIRE_MAX];    // on its way to this end
    size_t wire_len;
    bool is_touched;      // the wire did something to what comes to this end
    bool is_gone;         // it has closed its socket
    uint32_t said, heard; // messages
    uint32_t pings;
    size_t lens[MESSAGES_MAX];
} end;

static end ends[2];

static void put_wire(end *to, const uint8_t *bytes, size_t len) {
    if (len == 0) return;
    if (len > WIRE_MAX - to->wire_len) { // it was lost
        to->is_touched = true;
        return;
    }
    memcpy(to->wire + to->wire_len, bytes, len);
    to->wire_len += len;
}

static void take_wire(end *e, size_t at, size_t len) {
    memmove(e->wire + at, e->wire + at + len, e->wire_len - at - len);
    e->wire_len -= len;
}

// ---- links

static void open_link(end *e, const mesh_cipher *send, const mesh_cipher *receive) {
    mesh_link_options options = {.self_id = (uint64_t)(e - ends) + 1,
                                 .peer_id = 2 - (uint64_t)(e - ends),
                                 .is_agent = true,
                                 .max_message = MESH_AGENT_MESSAGE_MAX,
                                 .window = MESH_CREDIT_DEFAULT};
    e->link = mesh_link_create(&options);
    mesh_link_encrypt(e->link, send, receive);
    mesh_link_up(e->link);
}

static void flush(end *e) {
    if (!e->link) return;
    mesh_link_pump(e->link, 0);
    mesh_bytes out = mesh_link_output(e->link);
    put_wire(&ends[e == ends], out.data, out.len);
    mesh_link_sent(e->link, out.len);
}

// Message n of an end is n, and then bytes that follow from it.
static void write_text(uint8_t *out, uint32_t number, size_t len) {
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(number + i * 7);
}

static void say(end *e, size_t len) {
    static uint8_t text[TEXT_MAX];
    if (!e->link || e->link->state == MESH_LINK_ENDING || e->said == MESSAGES_MAX) return;
    e->lens[e->said] = len;
    write_text(text, e->said++, len);
    (void)mesh_link_send(
        e->link, &(mesh_link_send_options){.type = MESH_FRAME_AGENT, .payload = {text, len}});
    flush(e);
}

// Not more than may wait for a peer that does not read: that ends a link.
static void ping(end *e) {
    if (!e->link || e->pings == MESH_LINK_PONGS_MAX) return;
    e->pings++;
    mesh_link_ping(e->link);
    flush(e);
}

static void hear(end *e, const mesh_link_message *message) {
    static uint8_t text[TEXT_MAX];
    const end *other = &ends[e == ends];
    if (message->type != MESH_FRAME_AGENT) return;
    CHECK(e->heard < other->said && message->body.len == other->lens[e->heard]);
    write_text(text, e->heard++, message->body.len);
    CHECK(message->body.len == 0 || memcmp(text, message->body.data, message->body.len) == 0);
    mesh_link_consumed(e->link, MESH_CHANNEL_PUBLISH, message->cost);
}

static void close_end(end *e) {
    mesh_handshake_destroy(e->handshake);
    mesh_link_destroy(e->link);
    e->handshake = NULL;
    e->link = NULL;
    e->is_gone = true;
}

static void read_link(end *e, size_t len) {
    uint8_t *buffer;
    size_t cap;
    mesh_link_input(e->link, &buffer, &cap);
    if (len > cap) len = cap;
    memcpy(buffer, e->wire, len);
    take_wire(e, 0, len);
    mesh_link_received(e->link, 0, len);
    mesh_link_message message;
    int result;
    while ((result = mesh_link_next(e->link, &message)) == 1) {
        hear(e, &message);
        free(message.owned);
    }
    CHECK(result == 0 || e->is_touched);
    if (result < 0) mesh_link_fail(e->link, result);
    flush(e);
    if (result < 0) close_end(e);
}

// ---- handshakes

static pki_host hosts[2];

static void begin_handshakes(void) {
    static bool is_made;
    for (uint8_t i = 0; i < 2 && !is_made; i++)
        pki_host_init(&hosts[i], HOST + i, PKI_NOW_S, "*");
    is_made = true;
    for (int i = 0; i < 2; i++) {
        mesh_handshake_options options = {.self = &hosts[i].self,
                                          .is_dialler = i == 0,
                                          .ephemeral_secret = {(uint8_t)(40 + 8 * i)},
                                          .kind = MESH_KIND_AGENT,
                                          .is_any_host = true};
        ends[i].handshake = mesh_handshake_create(&options);
    }
}

static void flush_handshake(end *e) {
    mesh_bytes out = mesh_handshake_output(e->handshake);
    put_wire(&ends[e == ends], out.data, out.len);
    mesh_handshake_sent(e->handshake, out.len);
}

static void read_handshake(end *e, size_t len) {
    mesh_bytes input = {e->wire, len};
    int err = mesh_handshake_receive(e->handshake, PKI_NOW_S, &input);
    take_wire(e, 0, len - input.len);
    if (err < 0 && err != MESH_EAGAIN) {
        CHECK(e->is_touched);
        close_end(e);
        return;
    }
    flush_handshake(e);
    if (err == MESH_EAGAIN) return;
    mesh_cipher send, receive;
    mesh_handshake_split(e->handshake, &send, &receive);
    mesh_handshake_destroy(e->handshake);
    e->handshake = NULL;
    open_link(e, &send, &receive);
    flush(e);
}

static void deliver(end *e, size_t len) {
    if (len > e->wire_len) len = e->wire_len;
    if (len == 0 || e->is_gone) return;
    if (e->handshake)
        read_handshake(e, len);
    else
        read_link(e, len);
}

// ---- what the wire does

static size_t touch(end *e, uint8_t command, mesh_bytes args) {
    uint8_t *wire = e->wire;
    if (args.len < 3 || e->wire_len == 0) return args.len < 3 ? args.len : 3;
    size_t at = load_be16(args.data) % e->wire_len, len = 1 + args.data[2] % 32U;
    if (len > e->wire_len - at) len = e->wire_len - at;
    e->is_touched = true;
    switch (command) {
    case 0: wire[at] ^= (uint8_t)(1U << args.data[2] % 8); break;
    case 1: take_wire(e, at, len); break;
    case 2: // again
        if (WIRE_MAX - e->wire_len < len) break;
        memmove(wire + at + len, wire + at, e->wire_len - at);
        e->wire_len += len;
        break;
    default: wire[at] = args.data[2]; break;
    }
    return 3;
}

static size_t step(uint8_t command, mesh_bytes args) {
    end *e = &ends[command & 1];
    switch (command >> 1 & 7) {
    case 0: deliver(e, 1 + (size_t)(command >> 4) * 8); return 0;
    case 1: deliver(e, WIRE_MAX); return 0;
    case 2:
        if (args.len == 0) return 0;
        say(e, (size_t)args.data[0] * (TEXT_MAX / 256));
        return 1;
    case 3: ping(e); return 0;
    default: return touch(e, command >> 1 & 3, args);
    }
}

static void begin(bool has_handshake) {
    for (int i = 0; i < 2; i++)
        ends[i].wire_len = ends[i].said = ends[i].heard = ends[i].pings = ends[i].is_touched =
            ends[i].is_gone = 0;
    if (has_handshake) {
        begin_handshakes();
        flush_handshake(&ends[0]);
        return;
    }
    static const uint8_t keys[2][MESH_CIPHER_KEY_LEN] = {{1}, {2}};
    mesh_cipher ciphers[2];
    for (int i = 0; i < 2; i++)
        mesh_cipher_init(&ciphers[i], keys[i]);
    for (int i = 0; i < 2; i++) {
        open_link(&ends[i], &ciphers[i], &ciphers[1 - i]);
        flush(&ends[i]);
    }
}

// The wire does nothing more: what is on it arrives.
static void finish(void) {
    for (bool has_moved = true; has_moved;) {
        has_moved = false;
        for (int i = 0; i < 2; i++) {
            size_t before = ends[i].wire_len;
            deliver(&ends[i], WIRE_MAX);
            has_moved |= ends[i].wire_len != before;
        }
    }
    bool is_clean = !ends[0].is_touched && !ends[1].is_touched;
    for (int i = 0; i < 2; i++)
        if (is_clean) CHECK(ends[i].link && ends[i].heard == ends[1 - i].said);
    close_end(&ends[0]);
    close_end(&ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    begin(data[0] & 1);
    for (size_t at = 1; at < size;) {
        uint8_t command = data[at++];
        at += step(command, (mesh_bytes){data + at, size - at});
    }
    finish();
    return 0;
}
