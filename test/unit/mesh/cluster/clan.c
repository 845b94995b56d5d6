#include "clan.h"

#include <inttypes.h>
#include <sodium.h>

#include "core/mem.h"
#include "test.h"

enum { STEP_MS = 100 };

static const uint8_t *key_of(const uint8_t host_id[MESH_ID_LEN], void *user) {
    clan *c = user;
    for (int i = 0; i < c->count; i++)
        if (memcmp(c->ids[i], host_id, MESH_ID_LEN) == 0) return c->keys[i];
    return NULL;
}

static size_t queued(const uint8_t neighbour[MESH_ID_LEN], void *user) {
    (void)neighbour;
    return ((clan *)user)->queued;
}

static int index_of(const clan *c, const uint8_t id[MESH_ID_LEN]) {
    for (int i = 0; i < c->count; i++)
        if (memcmp(c->ids[i], id, MESH_ID_LEN) == 0) return i;
    fail_msg("no such host");
    return -1;
}

static mesh_replica *create_host(clan *c, int host) {
    mesh_replica_options options = {.generation = c->generations[host],
                                    .seed = (uint64_t)host,
                                    .key_of = key_of,
                                    .queued = queued,
                                    .user = c};
    memcpy(options.host_id, c->ids[host], MESH_ID_LEN);
    memcpy(options.secret, c->secrets[host], MESH_SIGN_SECRET_LEN);
    return mesh_replica_create(&options);
}

clan *clan_create(int count) {
    clan *c = mem_alloc(sizeof *c);
    c->count = count;
    c->now_ms = 1000000;
    for (int i = 0; i < count; i++) {
        uint8_t seed[crypto_sign_SEEDBYTES] = {(uint8_t)(i + 1)};
        (void)crypto_sign_seed_keypair(c->keys[i], c->secrets[i], seed);
        mesh_host_id_of(c->keys[i], c->ids[i]);
        c->generations[i] = 100;
        c->hosts[i] = create_host(c, i);
    }
    for (int at = 0; at < count; at++)
        for (int of = 0; of < count; of++)
            if (at != of) clan_state(c, at, of, MESH_HOST_UP);
    return c;
}

void clan_destroy(clan *c) {
    for (int i = 0; i < c->count; i++)
        mesh_replica_destroy(c->hosts[i]);
    for (size_t i = 0; i < c->message_count; i++)
        free(c->messages[i].bytes);
    free(c);
}

void clan_state(clan *c, int at, int of, mesh_host_state state) {
    mesh_replica_host_state(c->hosts[at], c->ids[of], c->generations[of], state);
}

void clan_link(clan *c, int a, int b) {
    c->is_linked[a][b] = c->is_linked[b][a] = true;
    mesh_replica_neighbour_up(c->hosts[a], c->now_ms, c->ids[b]);
    mesh_replica_neighbour_up(c->hosts[b], c->now_ms, c->ids[a]);
}

static void drop(clan *c, size_t at) {
    free(c->messages[at].bytes);
    c->message_count--;
    memmove(c->messages + at, c->messages + at + 1, (c->message_count - at) * sizeof *c->messages);
}

void clan_lose(clan *c) {
    while (c->message_count > 0)
        drop(c, 0);
}

void clan_unlink(clan *c, int a, int b) {
    clan_collect(c);
    c->is_linked[a][b] = c->is_linked[b][a] = false;
    for (size_t i = c->message_count; i-- > 0;) {
        const clan_message *m = &c->messages[i];
        if ((m->from == a && m->to == b) || (m->from == b && m->to == a)) drop(c, i);
    }
    mesh_replica_neighbour_down(c->hosts[a], c->ids[b]);
    mesh_replica_neighbour_down(c->hosts[b], c->ids[a]);
}

void clan_restart(clan *c, int host, uint64_t generation) {
    for (int i = 0; i < c->count; i++)
        if (c->is_linked[host][i]) clan_unlink(c, host, i);
    mesh_replica_destroy(c->hosts[host]);
    c->generations[host] = generation;
    c->told[host][0] = 0;
    c->hosts[host] = create_host(c, host);
    for (int i = 0; i < c->count; i++)
        if (i != host) clan_state(c, host, i, MESH_HOST_UP);
}

// ---- words

static void write(clan *c, int host, mesh_op op) {
    EXPECT_OK(mesh_replica_write(c->hosts[host], &op));
}

void clan_up(clan *c, int host, uint64_t number, const char *name) {
    write(c, host,
          (mesh_op){.kind = MESH_OP_NODE,
                    .number = number,
                    .name = mesh_bytes_text(name),
                    .service = mesh_bytes_text("app"),
                    .pid = 9});
}

void clan_node(clan *c, int host, uint64_t number, const char *name, mesh_node_state state) {
    write(c, host,
          (mesh_op){.kind = MESH_OP_NODE,
                    .number = number,
                    .name = mesh_bytes_text(name),
                    .service = mesh_bytes_text("app"),
                    .pid = 9,
                    .state = state});
}

void clan_put(clan *c, int host, uint64_t number, uint32_t entry_id, const char *service) {
    write(c, host,
          (mesh_op){.kind = MESH_OP_PUT,
                    .number = number,
                    .entry = {.entry_id = entry_id, .name = mesh_bytes_text(service)}});
}

void clan_removed(clan *c, int host, uint64_t number, uint32_t entry_id) {
    write(c, host,
          (mesh_op){.kind = MESH_OP_REMOVED, .number = number, .entry = {.entry_id = entry_id}});
}

void clan_end(clan *c, int host, uint64_t number, const char *reason, int code) {
    write(c, host,
          (mesh_op){.kind = MESH_OP_END,
                    .number = number,
                    .reason = mesh_bytes_text(reason),
                    .code = code});
}

// ---- the world

#define TEXT(BYTES) (int)(BYTES).len, (const char *)(BYTES).data

// Tests speak of numbers, as the host of a node does.
static uint64_t number_of(const mesh_replica_output *out) {
    EXPECT_EQ(mesh_node_id_of(out->host_id, out->op.number), out->node_id);
    return out->op.number;
}

static void note(clan *c, int host, const mesh_replica_output *out) {
    char line[600];
    const mesh_op *op = &out->op;
    uint64_t number = number_of(out);
    switch (out->kind) {
    case MESH_REPLICA_PEER_UP:
        (void)snprintf(line, sizeof line, "%s %" PRIu64 " %.*s\n",
                       op->state == MESH_NODE_STALLED ? "stalled" : "up", number, TEXT(op->name));
        break;
    case MESH_REPLICA_ENTRY_PUT:
        (void)snprintf(line, sizeof line, "put %" PRIu64 " %u %.*s\n", number, op->entry.entry_id,
                       TEXT(op->entry.name));
        break;
    case MESH_REPLICA_ENTRY_REMOVED:
        (void)snprintf(line, sizeof line, "removed %" PRIu64 " %u\n", number, op->entry.entry_id);
        break;
    default:
        (void)snprintf(line, sizeof line, "down %" PRIu64 " %.*s %d\n", number, TEXT(op->reason),
                       op->code);
        break;
    }
    size_t len = strlen(c->told[host]);
    if (len + strlen(line) < CLAN_TOLD_MAX) memcpy(c->told[host] + len, line, strlen(line) + 1);
}

void clan_note_again(const mesh_replica_output *told, void *user) {
    note(user, 1, told);
}

static void collect_from(clan *c, int host) {
    mesh_replica_output out;
    while (mesh_replica_poll(c->hosts[host], &out)) {
        if (out.kind != MESH_REPLICA_SEND) {
            note(c, host, &out);
            continue;
        }
        int to = index_of(c, out.host_id);
        EXPECT_TRUE(out.bytes.len <= MESH_OVERLAY_LEN_MAX);
        if (!c->is_linked[host][to]) continue; // it is on its way into a closed link
        CHECK(c->message_count < CLAN_MESSAGES_MAX);
        c->messages[c->message_count++] =
            (clan_message){host, to, mem_copy(out.bytes.data, out.bytes.len), out.bytes.len};
        c->sent++;
    }
}

void clan_collect(clan *c) {
    for (int i = 0; i < c->count; i++)
        collect_from(c, i);
}

void clan_deliver(clan *c) {
    CHECK(c->message_count > 0);
    clan_message m = c->messages[0];
    memmove(c->messages, c->messages + 1, --c->message_count * sizeof *c->messages);
    int err = mesh_replica_receive(c->hosts[m.to], c->now_ms, c->ids[m.from],
                                   (mesh_bytes){m.bytes, m.len});
    if (err != 0) c->last_error = err;
    free(m.bytes);
    clan_collect(c);
}

void clan_settle(clan *c) {
    for (;;) {
        c->now_ms += MESH_REPLICA_GATHER_MS;
        for (int i = 0; i < c->count; i++)
            if (mesh_replica_wake_at_ms(c->hosts[i]) <= c->now_ms)
                mesh_replica_tick(c->hosts[i], c->now_ms);
        clan_collect(c);
        if (c->message_count == 0) return;
        while (c->message_count > 0)
            clan_deliver(c);
    }
}

void clan_wait(clan *c, uint64_t ms) {
    for (uint64_t until_ms = c->now_ms + ms; c->now_ms < until_ms; c->now_ms += STEP_MS)
        clan_settle(c);
}

const char *clan_told(clan *c, int at) {
    static char told[CLAN_TOLD_MAX];
    memcpy(told, c->told[at], CLAN_TOLD_MAX);
    c->told[at][0] = 0;
    return told;
}
