// What other agents say of chunks, to one that misses some and has others. The input is a list of
// commands: u8 kind, u16 len, that many bytes: a message as it is, an answer to what was just asked
// (so that what stands behind numbers is reached), time, or the end of a link. Bounds are kept, and
// a job ends once.
#include "agent/fetch.h"
#include "core/be.h"
#include "core/error.h"
#include "core/mem.h"
#include "fuzz.h"

enum { COMMAND_HEAD = 3, COMMANDS_MAX = 200, HASHES = 300 };

static const uint8_t other[MESH_ID_LEN] = {1};

typedef struct harness {
    agent_fetch *fetch;
    uint64_t now_ms;
    bool is_linked;
    int ends;
    uint32_t asked, wanted, missing, got, put; // the last of each; 0: none
    size_t asked_count;
} harness;

static void each_host(void *user, agent_link_host_cb each, void *each_user) {
    each(other, "other", ((harness *)user)->is_linked, each_user);
}

static bool send_it(void *user, const uint8_t *host_id, mesh_bytes wire) {
    harness *h = user;
    agent_fetch_message m;
    (void)host_id;
    CHECK(agent_fetch_read(wire, &m) == 0);
    if (m.kind == AGENT_FETCH_ASK) {
        h->asked = m.number;
        h->asked_count = m.bytes.len / AGENT_FETCH_HASH_LEN;
    }
    if (m.kind == AGENT_FETCH_WANT) h->wanted = m.number;
    agent_fetch_message_free(&m);
    return h->is_linked;
}

static size_t queued(void *user, const uint8_t *host_id) {
    (void)user;
    (void)host_id;
    return 0;
}

static void dial(void *user, const uint8_t *host_id) {
    (void)user;
    (void)host_id;
}

static void missing(void *user, uint32_t number, mesh_bytes hashes) {
    harness *h = user;
    CHECK(hashes.len > 0 && hashes.len / AGENT_FETCH_HASH_LEN <= AGENT_FETCH_ASK_MAX);
    h->missing = number;
}

static void get(void *user, uint32_t number, const uint8_t *hash) {
    (void)hash;
    ((harness *)user)->got = number;
}

static void put(void *user, uint32_t number, const uint8_t *hash, mesh_bytes sealed) {
    (void)hash;
    CHECK(sealed.len > 0 && sealed.len <= AGENT_FETCH_CHUNK_MAX);
    ((harness *)user)->put = number;
}

static size_t queued_puts(void *user) {
    (void)user;
    return 0;
}

static void on_end(int err, const char *sentence, void *user) {
    (void)err;
    CHECK(sentence != NULL);
    ((harness *)user)->ends++;
}

static void receive(harness *h, mesh_bytes wire) {
    if (agent_fetch_receive(h->fetch, h->now_ms, other, wire) == 0) return;
    agent_fetch_unlinked(h->fetch, h->now_ms, other); // as its driver does
}

static void say(harness *h, const agent_fetch_message *m) {
    static uint8_t wire[AGENT_FETCH_LEN_MAX];
    receive(h, (mesh_bytes){wire, agent_fetch_write(m, wire)});
}

static void answer(harness *h, mesh_bytes bytes) {
    agent_fetch_message have = {.kind = AGENT_FETCH_HAVE, .number = h->asked, .bytes = bytes};
    static uint8_t all[AGENT_FETCH_ASK_MAX / 8];
    memset(all, bytes.len > 0 ? bytes.data[0] : 0xff, sizeof all);
    have.bytes = (mesh_bytes){all, (h->asked_count + 7) / 8};
    if (h->asked != 0) say(h, &have);
}

static void piece(harness *h, mesh_bytes bytes) {
    if (bytes.len < 9) return;
    say(h, &(agent_fetch_message){.kind = AGENT_FETCH_PIECE,
                                  .number = h->wanted,
                                  .offset = load_be32(bytes.data),
                                  .total = load_be32(bytes.data + 4),
                                  .bytes = mesh_bytes_skip(bytes, 8)});
}

static void give(harness *h, mesh_bytes bytes) {
    uint8_t chunk[64] = {0};
    int err = bytes.len > 0 && bytes.data[0] > 200 ? MESH_EINVAL : 0;
    agent_fetch_missing(h->fetch, h->now_ms, h->missing, err, (mesh_bytes){0});
    agent_fetch_got(h->fetch, h->now_ms, h->got, err, (mesh_bytes){chunk, sizeof chunk});
    agent_fetch_put(h->fetch, h->now_ms, h->put, err, "no");
}

static void run(harness *h, uint8_t kind, mesh_bytes bytes) {
    switch (kind % 7) {
    case 0: receive(h, bytes); break;
    case 1: answer(h, bytes); break;
    case 2: piece(h, bytes); break;
    case 3: give(h, bytes); break;
    case 4:
        say(h, &(agent_fetch_message){
                   .kind = AGENT_FETCH_NO, .number = h->wanted, .is_busy = bytes.len % 2 == 1});
        break;
    case 5:
        h->is_linked = !h->is_linked;
        if (h->is_linked)
            agent_fetch_linked(h->fetch, h->now_ms, other);
        else
            agent_fetch_unlinked(h->fetch, h->now_ms, other);
        break;
    default:
        h->now_ms += bytes.len > 0 ? bytes.data[0] * 10U : 1;
        agent_fetch_tick(h->fetch, h->now_ms);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static harness h;
    static uint8_t hashes[HASHES][AGENT_FETCH_HASH_LEN];
    h = (harness){.now_ms = 1, .is_linked = true};
    for (size_t i = 0; i < HASHES; i++)
        store_be32(hashes[i], (uint32_t)i);
    agent_fetch_chunks chunks = {&h, missing, get, put, queued_puts};
    agent_link_net net = {&h, each_host, send_it, queued, dial};
    h.fetch = agent_fetch_create(&chunks, 1);
    agent_fetch_attach(h.fetch, &net);
    CHECK(agent_fetch_begin(h.fetch, h.now_ms,
                            &(agent_fetch_options){
                                .hashes = hashes, .count = HASHES, .cb = on_end, .user = &h}) != 0);
    agent_fetch_tick(h.fetch, h.now_ms);
    mesh_bytes input = {data, size};
    for (int i = 0; i < COMMANDS_MAX && input.len >= COMMAND_HEAD; i++) {
        uint8_t kind = input.data[0];
        size_t len = load_be16(input.data + 1);
        input = mesh_bytes_skip(input, COMMAND_HEAD);
        if (len > input.len) len = input.len;
        run(&h, kind, (mesh_bytes){input.data, len});
        input = mesh_bytes_skip(input, len);
        CHECK(h.ends <= 1 && agent_fetch_stats_get(h.fetch).askers <= AGENT_FETCH_ASKERS_MAX);
    }
    agent_fetch_destroy(h.fetch);
    return 0;
}
