// What an agent is told about hosts. Bits 0 and 1 of the first byte choose: 0 and 1 are the insides
// of datagrams (u16 len, body), one after the other, from a member that seals them and says
// whatever it likes; 2 is an intro page; 3 is datagrams as they come from anybody. With bit 2 every
// signature is believed, so that what lies behind the signatures is reached.
#include "cluster/swim_state.h"
#include "cluster_world.h"
#include "core/be.h"
#include "fuzz.h"

enum { SELF, PEER, OTHER, MACHINES, STEP_MS = 700, END_MS = 40000 };

static world *w; // keys and certificates, once
static uint8_t alives[MACHINES][MESH_INTRO_LEN_MAX];
static size_t alive_lens[MACHINES];

static bool believe(void *user, mesh_bytes text, const uint8_t *signature, const uint8_t *key) {
    (void)user;
    (void)text;
    (void)signature;
    (void)key;
    return true;
}

static void set_up(void) {
    if (w != NULL) return;
    w = mem_alloc(sizeof *w);
    world_init(w, 1, MACHINES);
    for (uint32_t i = 0; i < MACHINES; i++) {
        uint32_t cursor = 0;
        world_start(w, i, true);
        alive_lens[i] = mesh_swim_intro(w->machines[i].swim, &cursor, alives[i]);
    }
}

static void drain(mesh_swim *s) {
    mesh_swim_output output;
    while (mesh_swim_poll(s, &output))
        if (output.kind == MESH_SWIM_SEND) CHECK(output.bytes.len <= MESH_DATAGRAM_LEN_MAX);
}

static mesh_swim *create(bool is_believing) {
    w->verify = is_believing ? believe : NULL;
    if (w->machines[SELF].swim != NULL) world_kill(w, SELF);
    w->now_ms = 1000;
    w->machines[SELF].generation = 0; // the same each time
    mesh_rng_init(&w->rng, 1);
    world_start(w, SELF, true);
    mesh_swim *s = w->machines[SELF].swim;
    for (uint32_t i = PEER; i < MACHINES; i++)
        CHECK(mesh_swim_take_intro(s, 1000, WORLD_NOW_S, (mesh_bytes){alives[i], alive_lens[i]}) ==
              0);
    drain(s);
    return s;
}

static void receive(mesh_swim *s, uint64_t now_ms, mesh_bytes datagram) {
    mesh_swim_receive(s, now_ms, WORLD_NOW_S, &w->machines[PEER].addr, datagram);
    drain(s);
    for (uint64_t at_ms; (at_ms = mesh_swim_wake_at_ms(s)) <= now_ms;) {
        mesh_swim_tick(s, at_ms, WORLD_NOW_S);
        drain(s);
    }
}

static void receive_body(mesh_swim *s, uint64_t now_ms, mesh_bytes body, uint64_t counter) {
    static const uint8_t salt[MESH_DGRAM_SALT_LEN];
    uint8_t datagram[MESH_DATAGRAM_LEN_MAX];
    mesh_host *peer = mesh_swim_hosts_find(s, w->machines[PEER].host_id);
    if (peer == NULL || peer->record == NULL || !mesh_swim_out_pair(s, peer)) return;
    mesh_dgram_head head = {
        .source = peer->short_id, .target = s->self->short_id, .counter = counter};
    size_t len = mesh_dgram_seal(&head, salt, peer->pair->receive_key, body, datagram);
    receive(s, now_ms, (mesh_bytes){datagram, len});
}

static void receive_all(mesh_swim *s, mesh_bytes input, bool is_sealed) {
    uint64_t now_ms = 1000, counter = 1;
    while (input.len >= 2) {
        size_t len = load_be16(input.data), max = MESH_DGRAM_BODY_MAX;
        input = mesh_bytes_skip(input, 2);
        if (len > input.len) len = input.len;
        if (len > max) len = max;
        mesh_bytes body = {input.data, len};
        now_ms += STEP_MS;
        if (is_sealed)
            receive_body(s, now_ms, body, counter++);
        else
            receive(s, now_ms, body);
        input = mesh_bytes_skip(input, len);
    }
    for (uint64_t at_ms; (at_ms = mesh_swim_wake_at_ms(s)) <= now_ms + END_MS;) {
        mesh_swim_tick(s, at_ms, WORLD_NOW_S);
        drain(s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    set_up();
    mesh_bytes input = {data + 1, size - 1};
    mesh_swim *s = create(data[0] & 4);
    uint32_t kind = data[0] & 3;
    if (kind == 2) (void)mesh_swim_take_intro(s, 1000, WORLD_NOW_S, input);
    receive_all(s, kind == 2 ? (mesh_bytes){0} : input, kind != 3);
    return 0;
}
