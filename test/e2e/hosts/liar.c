// A host of the cluster, with its keys, that lies: liar STATE. It answers as an agent does, and
// besides: says by gossip what a simulated liar says (test/sim/lies.h), and over its links that it
// speaks for other hosts, what was true once, and rubbish; and it claims the nodes of others. Says
// each second, as JSON, how many lies it told.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "agent/cluster_state.h"
#include "cluster/body.h"
#include "cluster/swim_state.h"
#include "core/mem.h"
#include "lies.h"

enum {
    EVERY_MS = 10,
    AT_ONCE = 5,
    LINK_LIES_EVERY = 20, // turns: they cost the link, which must come again first
    INTRO = 1,            // kinds of messages, as in cluster_links.c
    REGISTRY,
    RENEWED = 6,
};

static uv_loop_t loop;
static agent_cluster *cluster;
static mesh_rng rng;
static mesh_body old; // HOST items as they were: what was true once
static uint64_t told;

static void send_on_links(uint8_t kind, mesh_bytes body) {
    uint8_t message[MESH_AGENT_MESSAGE_MAX];
    mesh_swim_host host;
    message[0] = kind;
    memcpy(message + 1, body.data, body.len);
    for (uint32_t cursor = 0; mesh_swim_each(cluster->swim, &cursor, &host);)
        if (mesh_agent_peers_send(agent_links_peers(cluster->links), host.host_id,
                                  (mesh_bytes){message, 1 + body.len}) == 0)
            told++;
}

// A map of another host, by our own hand.
static void speak_for(const mesh_host *victim) {
    mesh_ops ops = {0};
    mesh_op op = {.kind = MESH_OP_END, .number = 1};
    mesh_ops_add(&ops, &op);
    mesh_head head = {.generation = victim->stamp.generation, .from = 1, .version = 1 << 20};
    memcpy(head.host_id, victim->alive.host_id, MESH_ID_LEN);
    mesh_ops_hash(mesh_ops_bytes(&ops), head.ops_hash);
    mesh_head_sign(&head, cluster->swim->options.sign_secret);
    Warren__Overlay__Head text = mesh_head_message(&head);
    Warren__Overlay__Overlay message = WARREN__OVERLAY__OVERLAY__INIT;
    Warren__Overlay__Delta delta = WARREN__OVERLAY__DELTA__INIT;
    uint8_t bytes[MESH_OP_LEN_MAX + 1024];
    delta.head = &text;
    delta.ops = (ProtobufCBinaryData){ops.len, ops.data};
    message.kind_case = WARREN__OVERLAY__OVERLAY__KIND_DELTA;
    message.delta = &delta;
    size_t len = warren__overlay__overlay__pack(&message, bytes);
    send_on_links(REGISTRY, (mesh_bytes){bytes, len});
    free(ops.data);
}

static void talk_rubbish(void) {
    static const uint8_t kinds[] = {INTRO, REGISTRY, RENEWED};
    uint8_t bytes[512];
    size_t len = 1 + mesh_rng_below(&rng, sizeof bytes - 1);
    randombytes_buf(bytes, len);
    send_on_links(kinds[mesh_rng_below(&rng, sizeof kinds)], (mesh_bytes){bytes, len});
}

static void claim(const mesh_replica_output *entry, void *user) {
    (void)user;
    if (entry->kind != MESH_REPLICA_PEER_UP) return;
    mesh_op op = entry->op;
    told += mesh_replica_write(cluster->replica, &op) == 0;
    op.number = entry->node_id;
    told += mesh_replica_write(cluster->replica, &op) == 0;
}

// What others said of themselves a while ago, sealed anew: they may have left since.
static void repeat(void) {
    if (old.len == 0 || mesh_rng_below(&rng, 500) == 0) {
        mesh_host *host;
        if (mesh_swim_hosts_pick(cluster->swim, NULL, 1, &host) == 1)
            (void)mesh_swim_out_put_host(host, &old);
    }
    for (size_t i = 0; i < cluster->swim->live_count; i++) {
        mesh_body body = old;
        mesh_swim_out_send(cluster->swim, cluster->swim->hosts[cluster->swim->live[i]], &body,
                           NULL);
    }
}

static void on_turn(uv_timer_t *timer) {
    static uint32_t turn;
    static uint64_t said_ms;
    mesh_host *victim;
    (void)timer;
    for (uint32_t i = 0; i < AT_ONCE; i++)
        told += lies_tell(cluster->swim, &rng) != NULL;
    repeat();
    if (++turn % LINK_LIES_EVERY == 0 &&
        mesh_swim_hosts_pick(cluster->swim, NULL, 1, &victim) == 1) {
        switch (mesh_rng_below(&rng, 3)) {
        case 0: speak_for(victim); break;
        case 1: talk_rubbish(); break;
        default: mesh_replica_each(cluster->replica, claim, NULL);
        }
    }
    cluster_work(cluster);
    if (uv_now(&loop) < said_ms + 1000) return;
    said_ms = uv_now(&loop);
    (void)printf("{\"told\":%llu}\n", (unsigned long long)told);
}

static void on_changed(void *user) {
    (void)user;
}

static void on_lost(void *user, const char *text) {
    (void)user;
    (void)printf("lost: %s\n", text);
}

static int on_listen(const agent_member *member, const agent_listen *request, void *user) {
    (void)member;
    (void)request;
    (void)user;
    return -1;
}

static void on_attached_end(void *user) {
    (void)user;
}

int main(int argc, char **argv) {
    static const agent_members_events events = {.on_listen = on_listen,
                                                .on_attached_end = on_attached_end};
    char text[AGENT_VAULT_TEXT_MAX] = "";
    uv_timer_t timer;
    setvbuf(stdout, NULL, _IOLBF, 0); // a test waits for its lines
    CHECK(argc == 2 && sodium_init() >= 0 && uv_loop_init(&loop) == 0);
    mesh_rng_init(&rng, (uint64_t)time(NULL));
    agent_cluster_options options = {
        .loop = &loop, .dir = argv[1], .on_changed = on_changed, .on_lost = on_lost};
    options.members = agent_members_create(&loop, "liar", 0, &events, NULL);
    if (agent_cluster_open(&options, &cluster, text) != 0) {
        (void)printf("%s\n", text);
        return 1;
    }
    (void)uv_timer_init(&loop, &timer);
    (void)uv_timer_start(&timer, on_turn, EVERY_MS, EVERY_MS);
    return uv_run(&loop, UV_RUN_DEFAULT);
}
