// Publications: to whom they go, queues that are full, credit for what the application took.
#include "core/error.h"
#include "core/mem.h"
#include "core/node_state.h"
#include "core/tags.h"

// What a publication of this node to itself counts beside its bytes, about as on a link: else very
// many small ones would be none.
enum { OWN_HEAD_LEN = 32 };

static int compare_targets(const void *left, const void *right) {
    const mesh_target *a = left, *b = right;
    if (a->tag != b->tag) return a->tag < b->tag ? -1 : 1;
    return a->entry_id < b->entry_id ? -1 : a->entry_id > b->entry_id;
}

// The subscriptions without a queue group, and one member of each group; keeps the order by peer.
static size_t pick_targets(mesh_node *node, const mesh_route *route, const mesh_pick *pick) {
    node->targets = mem_grow(node->targets, sizeof *node->targets,
                             route->plain_count + route->group_count, &node->target_cap);
    size_t count = 0;
    for (uint32_t i = 0; i < route->plain_count; i++)
        if (mesh_tags_has(route->targets[i].entry->tags, pick->tags))
            node->targets[count++] = route->targets[i];
    uint32_t start = route->plain_count;
    for (uint32_t i = 0; i < route->group_count; i++) {
        uint32_t end = route->group_ends[i];
        // A call that finds none fails at once; a message would be lost without a word.
        const mesh_target *chosen =
            mesh_node_choose(node, route->targets + start, end - start, pick, true);
        if (chosen) node->targets[count++] = *chosen;
        start = end;
    }
    if (count > 1) qsort(node->targets, count, sizeof *node->targets, compare_targets);
    return count;
}

// The targets that belong to one peer, at most `count_max` of them.
static size_t run_len(const mesh_target *targets, size_t count, size_t count_max) {
    size_t len = 1;
    while (len < count && len < count_max && targets[len].tag == targets[0].tag)
        len++;
    return len;
}

static int judge_target(mesh_node *node, uint32_t tag, const mesh_publication *pub) {
    const mesh_peer *peer = mesh_node_peers_get(node, tag);
    bool fits = !peer->link || mesh_link_fits(peer->link, MESH_MESSAGE_HEAD_MAX + pub->payload.len);
    if (!fits) return MESH_ETOOBIG;
    return mesh_node_links_queued(node, peer, mesh_lane_of_flags(pub->flags)) > MESH_QUEUE_MAX
               ? MESH_EQUOTA
               : 0;
}

static int judge_targets(mesh_node *node, const mesh_target *targets, size_t count,
                         const mesh_publication *pub) {
    for (size_t at = 0; at < count;) {
        int err = judge_target(node, targets[at].tag, pub);
        if (err != 0) return err;
        at += run_len(targets + at, count - at, count);
    }
    return 0;
}

static void send_to_self(mesh_node *node, const mesh_target *targets, size_t count,
                         const mesh_publication *pub) {
    size_t len = pub->subject.len + pub->payload.len;
    uint8_t *copy = mem_check(malloc(len));
    memcpy(copy, pub->subject.data, pub->subject.len);
    if (pub->payload.len > 0) memcpy(copy + pub->subject.len, pub->payload.data, pub->payload.len);
    mesh_output *out = NULL;
    for (size_t i = 0; i < count; i++) {
        out = mesh_outbox_push(&node->outbox, MESH_OUT_MESSAGE, NULL);
        out->peer = MESH_PEER_SELF;
        out->endpoint = targets[i].entry_id;
        out->name = (mesh_bytes){copy, pub->subject.len};
        out->flags = pub->flags & (MESH_MESSAGE_HAS_HEADERS | MESH_IS_BULK);
        out->payload = (mesh_bytes){copy + pub->subject.len, pub->payload.len};
    }
    CHECK(out);
    out->cost = (uint32_t)(OWN_HEAD_LEN + len);
    node->self_held[mesh_lane_of_flags(pub->flags)] += out->cost;
    mesh_outbox_retire(&node->outbox, copy);
    mesh_node_links_check_full(node, &node->self);
}

static void send_to_peer(mesh_node *node, const mesh_target *targets, size_t count,
                         const mesh_publication *pub) {
    mesh_peer *peer = mesh_node_peers_get(node, targets[0].tag);
    uint32_t ids[MESH_PUB_TARGETS_MAX];
    for (size_t i = 0; i < count; i++)
        ids[i] = targets[i].entry_id;
    uint8_t head[MESH_MESSAGE_HEAD_MAX], flags = pub->flags & MESH_MESSAGE_HAS_HEADERS;
    mesh_link_send_options send = {
        .type = MESH_FRAME_PUB,
        .lane = mesh_lane_of_flags(pub->flags),
        .expires_at_ms = UINT64_MAX,
        .head = {head, mesh_pub_write(head, flags, ids, count, pub->subject)},
        .payload = pub->payload,
    };
    (void)mesh_node_links_send(node, peer, &send);
    mesh_node_links_settle(node, peer);
}

int mesh_node_publish_to(mesh_node *node, uint64_t now_ms, const mesh_publication *pub) {
    node->now_ms = now_ms;
    if (node->is_closed) return MESH_ECLOSED;
    if (pub->payload.len > node->options.max_message_len) return MESH_ETOOBIG;
    const mesh_route *route = mesh_registry_route(node->registry, pub->subject);
    if (!route || !mesh_node_pick_is_valid(&pub->pick)) return MESH_EINVAL;
    const mesh_target *targets = route->targets;
    size_t count = route->count;
    if (route->group_count > 0 || pub->pick.tags.len > 0) {
        count = pick_targets(node, route, &pub->pick);
        targets = node->targets;
    }
    int err = judge_targets(node, targets, count, pub);
    if (err != 0) return err;
    for (size_t at = 0; at < count;) {
        size_t len = run_len(targets + at, count - at, MESH_PUB_TARGETS_MAX);
        if (targets[at].tag == MESH_PEER_SELF)
            send_to_self(node, targets + at, len, pub);
        else
            send_to_peer(node, targets + at, len, pub);
        at += len;
    }
    return 0;
}

int mesh_node_publish(mesh_node *node, uint64_t now_ms, mesh_bytes subject, uint32_t flags,
                      mesh_bytes payload) {
    return mesh_node_publish_to(
        node, now_ms, &(mesh_publication){.subject = subject, .flags = flags, .payload = payload});
}

void mesh_node_consumed(mesh_node *node, uint32_t handle, mesh_lane lane, size_t cost) {
    mesh_peer *peer = mesh_node_peers_get(node, handle);
    if (!peer) return;
    if (peer == &node->self) {
        node->self_held[lane] -= cost < node->self_held[lane] ? cost : node->self_held[lane];
        mesh_node_links_check_drain(node, peer);
        return;
    }
    uint64_t paid = cost < peer->debt[lane] ? cost : peer->debt[lane];
    peer->debt[lane] -= paid;
    uint64_t fresh = cost - paid;
    if (fresh > peer->held_cost[lane]) fresh = peer->held_cost[lane];
    peer->held_cost[lane] -= fresh;
    if (!peer->link || fresh == 0) return;
    mesh_link_consumed(peer->link, mesh_channel_of(MESH_FRAME_PUB, lane), fresh);
    mesh_link_pump(peer->link, node->now_ms);
    mesh_node_links_settle(node, peer);
}
