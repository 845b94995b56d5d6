// What neighbours send to a replica. The input is a list of commands: u8 kind, u16 len, that many
// bytes: a message as it is, or the inside of a delta or page, with a head that fits, so that what
// stands behind hashes and signatures is reached. What the replica tells must be in order.
#include "cluster/replica.h"
#include "core/be.h"
#include "core/mem.h"
#include "fuzz.h"

enum { COMMAND_HEAD = 3, COMMANDS_MAX = 200, NODES_MAX = 4096, ROOM = 64 << 10, BOOT = 100 };

static const uint8_t self[MESH_ID_LEN] = {1}, other[MESH_ID_LEN] = {2}, near[MESH_ID_LEN] = {3};

typedef struct told_node {
    uint64_t id;
    uint32_t state;
} told_node;

typedef struct harness {
    mesh_replica *replica;
    uint64_t now_ms, generation, version; // of `other`
    told_node up[NODES_MAX];              // that are told
    size_t up_count;
} harness;

static const uint8_t *key_of(const uint8_t host_id[MESH_ID_LEN], void *user) {
    (void)user;
    static const uint8_t key[MESH_SIGN_KEY_LEN] = {1};
    return host_id[0] == other[0] ? key : NULL;
}

static bool verify(const uint8_t signature[MESH_SIGNATURE_LEN], mesh_bytes text,
                   const uint8_t key[MESH_SIGN_KEY_LEN], void *user) {
    (void)text;
    (void)key;
    (void)user;
    return signature[0] == 0;
}

// ---- what it tells

static size_t place_of(const harness *h, uint64_t node_id) {
    size_t at = 0;
    while (at < h->up_count && h->up[at].id != node_id)
        at++;
    return at;
}

// A node that is new, or has another state than was told.
static void take_up(harness *h, const mesh_replica_output *out, size_t at) {
    CHECK(at < NODES_MAX && (at == h->up_count || h->up[at].state != out->op.state));
    if (at == h->up_count) h->up_count++;
    h->up[at] = (told_node){out->node_id, out->op.state};
}

static void take(harness *h, const mesh_replica_output *out) {
    size_t at = place_of(h, out->node_id);
    switch (out->kind) {
    case MESH_REPLICA_SEND:
        CHECK(out->bytes.len > 0 && out->bytes.len <= MESH_OVERLAY_LEN_MAX);
        break;
    case MESH_REPLICA_PEER_UP: take_up(h, out, at); break;
    case MESH_REPLICA_PEER_DOWN:
        CHECK(at < h->up_count);
        h->up[at] = h->up[--h->up_count];
        break;
    default: CHECK(at < h->up_count); break;
    }
}

static void poll(harness *h) {
    mesh_replica_output out;
    while (mesh_replica_poll(h->replica, &out))
        take(h, &out);
    CHECK(mesh_replica_stats_get(h->replica).nodes == h->up_count);
}

// ---- commands

static void receive(harness *h, mesh_bytes message) {
    (void)mesh_replica_receive(h->replica, h->now_ms, near, message);
    poll(h);
}

static void receive_message(harness *h, const Warren__Overlay__Overlay *message) {
    static uint8_t room[2 * ROOM];
    size_t len = warren__overlay__overlay__get_packed_size(message);
    if (len <= sizeof room)
        receive(h, (mesh_bytes){room, warren__overlay__overlay__pack(message, room)});
}

static mesh_head head_of(const harness *h, mesh_bytes ops) {
    mesh_head head = {.generation = h->generation, .from = h->version, .version = h->version + 1};
    memcpy(head.host_id, other, MESH_ID_LEN);
    mesh_ops_hash(ops, head.ops_hash);
    mesh_host_map *map = mesh_host_map_create();
    mesh_op op;
    Warren__Overlay__Ops *list = warren__overlay__ops__unpack(NULL, ops.len, ops.data);
    for (size_t i = 0; list != NULL && i < list->n_op; i++)
        if (mesh_ops_read(list->op[i], &op)) (void)mesh_host_map_apply(map, &op);
    if (list != NULL) warren__overlay__ops__free_unpacked(list, NULL);
    mesh_host_map_hash(map, head.state_hash);
    mesh_host_map_destroy(map);
    return head;
}

// The first delta of a life, so that the map it leads to is known here.
static void delta(harness *h, mesh_bytes ops) {
    h->version = 1;
    mesh_replica_host_state(h->replica, other, ++h->generation, MESH_HOST_UP);
    mesh_head head = head_of(h, ops);
    Warren__Overlay__Head head_message = mesh_head_message(&head);
    Warren__Overlay__Delta body = WARREN__OVERLAY__DELTA__INIT;
    body.head = &head_message;
    body.ops = (ProtobufCBinaryData){ops.len, (uint8_t *)(uintptr_t)ops.data};
    Warren__Overlay__Overlay message = WARREN__OVERLAY__OVERLAY__INIT;
    message.kind_case = WARREN__OVERLAY__OVERLAY__KIND_DELTA;
    message.delta = &body;
    receive_message(h, &message);
    h->version = 2;
}

static void have(harness *h) {
    Warren__Overlay__Version version = WARREN__OVERLAY__VERSION__INIT, *versions[] = {&version};
    version.host_id = (ProtobufCBinaryData){MESH_ID_LEN, (uint8_t *)(uintptr_t)other};
    version.generation = h->generation;
    version.version = h->version + 1;
    Warren__Overlay__Have body = WARREN__OVERLAY__HAVE__INIT;
    body.n_version = 1;
    body.version = versions;
    Warren__Overlay__Overlay message = WARREN__OVERLAY__OVERLAY__INIT;
    message.kind_case = WARREN__OVERLAY__OVERLAY__KIND_HAVE;
    message.have = &body;
    receive_message(h, &message);
}

// A whole map in one page.
static void page(harness *h, mesh_bytes ops) {
    have(h);
    mesh_head head = head_of(h, ops);
    Warren__Overlay__Head head_message = mesh_head_message(&head);
    Warren__Overlay__Page body = WARREN__OVERLAY__PAGE__INIT;
    body.head = &head_message;
    body.is_last = true;
    body.ops = (ProtobufCBinaryData){ops.len, (uint8_t *)(uintptr_t)ops.data};
    Warren__Overlay__Overlay message = WARREN__OVERLAY__OVERLAY__INIT;
    message.kind_case = WARREN__OVERLAY__OVERLAY__KIND_PAGE;
    message.page = &body;
    receive_message(h, &message);
    h->version++;
}

static void run(harness *h, uint8_t kind, mesh_bytes bytes) {
    uint8_t number = bytes.len > 0 ? bytes.data[0] : 0;
    switch (kind % 7) {
    case 0: receive(h, bytes); break;
    case 1: delta(h, bytes); break;
    case 2: page(h, bytes); break;
    case 3:
        mesh_replica_host_state(h->replica, other, h->generation,
                                (mesh_host_state)(number % (MESH_HOST_LEFT + 1)));
        break;
    case 4:
        mesh_replica_neighbour_down(h->replica, near);
        mesh_replica_neighbour_up(h->replica, h->now_ms, near);
        break;
    case 5: {
        mesh_op op = {.kind = MESH_OP_NODE, .number = number};
        (void)mesh_replica_write(h->replica, &op);
        break;
    }
    default: mesh_replica_tick(h->replica, h->now_ms += (uint64_t)number * 100); break;
    }
    poll(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static harness h;
    h = (harness){.generation = BOOT, .version = 1};
    mesh_replica_options options = {.generation = BOOT, .key_of = key_of, .verify = verify};
    memcpy(options.host_id, self, MESH_ID_LEN);
    h.replica = mesh_replica_create(&options);
    mesh_replica_host_state(h.replica, other, h.generation, MESH_HOST_UP);
    mesh_replica_neighbour_up(h.replica, 0, near);
    mesh_bytes input = {data, size};
    for (int i = 0; i < COMMANDS_MAX && input.len >= COMMAND_HEAD; i++) {
        uint8_t kind = input.data[0];
        size_t len = load_be16(input.data + 1);
        input = mesh_bytes_skip(input, COMMAND_HEAD);
        if (len > input.len) len = input.len;
        run(&h, kind, (mesh_bytes){input.data, len});
        input = mesh_bytes_skip(input, len);
    }
    mesh_replica_destroy(h.replica);
    return 0;
}
