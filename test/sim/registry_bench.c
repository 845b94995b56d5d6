// What the registry of many hosts costs one agent: registry_bench [HOSTS NODES ENTRIES]. Memory is
// what malloc has handed out; time is of one core, signatures included.
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <time.h>

#include "cluster/replica.h"
#include "core/mem.h"

enum { NEIGHBOURS = 6, DELTAS = 2000, DUPLICATES = 200000, SUMMARY_MS = 12001, DELTA_TAG = 0x0a };

typedef struct agent {
    uint8_t id[MESH_ID_LEN], key[MESH_SIGN_KEY_LEN], secret[MESH_SIGN_SECRET_LEN];
    mesh_replica *replica;
} agent;

static agent *agents; // 0 is measured, the others write
static uint32_t agent_count;
static uint64_t now_ms = 1000;

static const uint8_t *key_of(const uint8_t host_id[MESH_ID_LEN], void *user) {
    (void)user;
    for (uint32_t i = 0; i < agent_count; i++)
        if (memcmp(agents[i].id, host_id, MESH_ID_LEN) == 0) return agents[i].key;
    return NULL;
}

static double seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static size_t memory(void) {
    return mallinfo2().uordblks;
}

static void create(uint32_t at) {
    agent *a = &agents[at];
    uint8_t seed[crypto_sign_SEEDBYTES] = {(uint8_t)at, (uint8_t)(at >> 8), 1};
    (void)crypto_sign_seed_keypair(a->key, a->secret, seed);
    mesh_host_id_of(a->key, a->id);
    mesh_replica_options options = {.generation = 100, .seed = at, .key_of = key_of};
    memcpy(options.host_id, a->id, MESH_ID_LEN);
    memcpy(options.secret, a->secret, MESH_SIGN_SECRET_LEN);
    a->replica = mesh_replica_create(&options);
}

static void write(uint32_t at, const mesh_op *op) {
    CHECK(mesh_replica_write(agents[at].replica, op) == 0);
}

static void fill(uint32_t at, uint32_t nodes, uint32_t entries) {
    char name[64];
    for (uint32_t n = 1; n <= nodes; n++) {
        uint64_t id = (uint64_t)at << 32 | n;
        (void)snprintf(name, sizeof name, "search-worker.%u", n);
        write(at, &(mesh_op){.kind = MESH_OP_NODE,
                             .number = id,
                             .name = mesh_bytes_text(name),
                             .service = mesh_bytes_text("search-worker")});
        for (uint32_t e = 1; e <= entries; e++) {
            (void)snprintf(name, sizeof name, "orders.region-%u.created", e);
            write(at, &(mesh_op){.kind = MESH_OP_PUT,
                                 .number = id,
                                 .entry = {.entry_id = e,
                                           .kind = MESH_ENTRY_SUBSCRIPTION,
                                           .name = mesh_bytes_text(name)}});
        }
    }
}

// ---- two agents back to back

static size_t carried, told;

static void carry(uint32_t from, uint32_t to) {
    mesh_replica_output out;
    while (mesh_replica_poll(agents[from].replica, &out)) {
        if (out.kind != MESH_REPLICA_SEND) {
            told++;
            continue;
        }
        if (memcmp(out.host_id, agents[to].id, MESH_ID_LEN) != 0) continue;
        carried += out.bytes.len;
        CHECK(mesh_replica_receive(agents[to].replica, now_ms, agents[from].id, out.bytes) == 0);
    }
}

static bool is_complete(uint32_t at) {
    mesh_replica_stats stats = mesh_replica_stats_get(agents[at].replica);
    return stats.maps == agent_count - 1;
}

static void join(uint32_t hub) {
    mesh_replica *replica = agents[0].replica;
    size_t memory_before = memory();
    for (uint32_t i = 1; i < agent_count; i++)
        mesh_replica_host_state(replica, agents[i].id, 100, MESH_HOST_UP);
    mesh_replica_neighbour_up(replica, now_ms, agents[hub].id);
    mesh_replica_neighbour_up(agents[hub].replica, now_ms, agents[0].id);
    double before = seconds(), spent = 0;
    uint64_t from_ms = now_ms;
    while (!is_complete(0)) {
        carry(hub, 0);
        carry(0, hub);
        now_ms++;
        mesh_replica_tick(agents[0].replica, now_ms);
        mesh_replica_tick(agents[hub].replica, now_ms);
    }
    carry(0, hub);
    spent = seconds() - before;
    (void)printf("join: %zu facts told, %.1f MB sent to it and by it, %.0f ms for both sides, in "
                 "%llu ms or more\n",
                 told, (double)carried / 1e6, spent * 1e3, (unsigned long long)(now_ms - from_ms));
    (void)printf("memory: %.1f MB, %.0f bytes for each fact\n",
                 (double)(memory() - memory_before) / 1e6,
                 (double)(memory() - memory_before) / (double)told);
}

// ---- what changes

static mesh_bytes next_delta(uint32_t at, uint32_t entry_id) {
    static uint8_t room[MESH_OVERLAY_LEN_MAX];
    write(at, &(mesh_op){.kind = MESH_OP_PUT,
                         .number = (uint64_t)at << 32 | 1,
                         .entry = {.entry_id = entry_id, .name = mesh_bytes_text("prices")}});
    now_ms += MESH_REPLICA_GATHER_MS;
    mesh_replica_tick(agents[at].replica, now_ms);
    mesh_replica_output out;
    size_t len = 0;
    while (mesh_replica_poll(agents[at].replica, &out)) {
        if (out.kind != MESH_REPLICA_SEND || out.bytes.data[0] != DELTA_TAG) continue;
        memcpy(room, out.bytes.data, len = out.bytes.len);
    }
    return (mesh_bytes){room, len};
}

static void drain(void) {
    mesh_replica_output out;
    while (mesh_replica_poll(agents[0].replica, &out)) {
    }
}

static void change(uint32_t hub) {
    for (uint32_t i = 2; i < 2 + NEIGHBOURS - 1; i++)
        mesh_replica_neighbour_up(agents[0].replica, now_ms, agents[i].id);
    drain();
    double own = 0, others = 0, before;
    mesh_bytes delta = {0};
    for (uint32_t i = 0; i < DELTAS; i++) {
        before = seconds();
        delta = next_delta(hub, 1000 + i % 100);
        own += seconds() - before;
        before = seconds();
        CHECK(mesh_replica_receive(agents[0].replica, now_ms, agents[hub].id, delta) == 0);
        drain();
        others += seconds() - before;
    }
    CHECK(mesh_replica_stats_get(agents[0].replica).deltas == DELTAS);
    before = seconds();
    for (uint32_t i = 0; i < DUPLICATES; i++)
        (void)mesh_replica_receive(agents[0].replica, now_ms, agents[2].id, delta);
    (void)printf(
        "one change (%zu bytes): %.0f us at its host, %.0f us at each other (6 neighbours), "
        "%.2f us once more\n",
        delta.len, own / DELTAS * 1e6, others / DELTAS * 1e6,
        (seconds() - before) / DUPLICATES * 1e6);
    before = seconds();
    for (uint32_t i = 0; i < 100; i++) {
        mesh_replica_tick(agents[0].replica, now_ms += SUMMARY_MS);
        drain();
    }
    (void)printf("summaries to 6 neighbours: %.1f us every 10 s\n",
                 (seconds() - before) / 100 * 1e6);
}

int main(int argc, char **argv) {
    agent_count = argc == 4 ? (uint32_t)strtoul(argv[1], NULL, 10) : 300;
    uint32_t nodes = argc == 4 ? (uint32_t)strtoul(argv[2], NULL, 10) : 10;
    uint32_t entries = argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 34;
    agents = mem_alloc(agent_count * sizeof *agents);
    for (uint32_t i = 0; i < agent_count; i++)
        create(i);
    const uint32_t hub = 1; // knows all
    for (uint32_t i = 1; i < agent_count; i++) {
        mesh_replica_host_state(agents[hub].replica, agents[i].id, 100, MESH_HOST_UP);
        mesh_replica_neighbour_up(agents[i].replica, now_ms, agents[hub].id);
        mesh_replica_neighbour_up(agents[hub].replica, now_ms, agents[i].id);
        fill(i, nodes, entries);
        mesh_replica_tick(agents[i].replica, now_ms);
        for (int round = 0; round < 4; round++) {
            carry(i, hub);
            carry(hub, i);
        }
        mesh_replica_neighbour_down(agents[hub].replica, agents[i].id);
    }
    told = carried = 0;
    join(hub);
    change(hub);
    for (uint32_t i = 0; i < agent_count; i++)
        mesh_replica_destroy(agents[i].replica);
    free(agents);
    return 0;
}
