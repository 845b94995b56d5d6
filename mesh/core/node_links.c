// Links: asking for one, bytes in and out, and its end.
#include "core/error.h"
#include "core/mem.h"
#include "core/node_state.h"

static mesh_link *add_link(mesh_node *node, mesh_peer *peer) {
    mesh_link_options options = {
        .self_id = node->options.node_id,
        .peer_id = peer->info.node_id,
        .max_message = node->options.max_message_len,
        .window = node->options.credit,
        .shapes = &node->shapes,
        .assemblies = &node->assemblies,
    };
    peer->link = mesh_link_create(&options);
    peer->epoch++;
    peer->is_write_said = peer->is_close_said = false;
    node->linked =
        mem_grow(node->linked, sizeof(mesh_peer *), node->linked_count + 1, &node->linked_cap);
    peer->linked_index = node->linked_count;
    node->linked[node->linked_count++] = peer;
    return peer->link;
}

mesh_link *mesh_node_links_need(mesh_node *node, mesh_peer *peer) {
    if (peer->link) return peer->link;
    mesh_output *out = mesh_outbox_push(&node->outbox, MESH_OUT_CONNECT, NULL);
    out->peer = peer->handle;
    out->node_id = peer->info.node_id;
    return add_link(node, peer);
}

size_t mesh_node_links_unsent(const mesh_peer *peer) {
    return peer->link ? mesh_link_unsent(peer->link) : 0;
}

size_t mesh_node_links_queued(const mesh_node *node, const mesh_peer *peer, mesh_lane lane) {
    if (peer == &node->self) return node->self_held[lane];
    return peer->link ? mesh_link_queued(peer->link, lane) : 0;
}

void mesh_node_links_check_full(mesh_node *node, mesh_peer *peer) {
    for (mesh_lane lane = 0; lane < MESH_LANE_COUNT; lane++) {
        if (peer->is_full[lane] || mesh_node_links_queued(node, peer, lane) <= MESH_QUEUE_HIGH)
            continue;
        peer->is_full[lane] = true;
        node->full_count[lane]++;
    }
}

mesh_link_place mesh_node_links_send(mesh_node *node, mesh_peer *peer,
                                     const mesh_link_send_options *send) {
    mesh_link *link = mesh_node_links_need(node, peer);
    mesh_link_place place = mesh_link_send(link, send);
    node->stats.sent_messages++;
    // A message larger than the output's room waits in the queue though nothing is before it.
    if (place.is_queued) mesh_link_pump(link, node->now_ms);
    return place;
}

static void say(mesh_node *node, mesh_output_kind kind, const mesh_peer *peer) {
    mesh_output *out = mesh_outbox_push(&node->outbox, kind, NULL);
    out->peer = peer->handle;
    out->node_id = peer->info.node_id;
}

void mesh_node_links_check_drain(mesh_node *node, mesh_peer *peer) {
    for (mesh_lane lane = 0; lane < MESH_LANE_COUNT; lane++) {
        if (!peer->is_full[lane] || mesh_node_links_queued(node, peer, lane) >= MESH_QUEUE_LOW)
            continue;
        peer->is_full[lane] = false;
        if (--node->full_count[lane] > 0) continue;
        mesh_outbox_push(&node->outbox, MESH_OUT_DRAIN, NULL)->flags = mesh_lane_flags(lane);
    }
}

static void check_flushed(mesh_node *node) {
    if (!node->is_flush_asked) return;
    for (size_t i = 0; i < node->linked_count; i++)
        if (mesh_node_links_unsent(node->linked[i]) > 0) return;
    node->is_flush_asked = false;
    (void)mesh_outbox_push(&node->outbox, MESH_OUT_FLUSHED, NULL);
}

void mesh_node_flush(mesh_node *node) {
    node->is_flush_asked = true;
    check_flushed(node);
}

void mesh_node_links_settle(mesh_node *node, mesh_peer *peer) {
    if (!peer->is_write_said && mesh_link_has_output(peer->link)) {
        peer->is_write_said = true;
        say(node, MESH_OUT_WRITE, peer);
    }
    if (peer->link->state == MESH_LINK_ENDING && !peer->is_close_said) {
        peer->is_close_said = true;
        say(node, MESH_OUT_CLOSE, peer);
    }
    mesh_node_links_check_full(node, peer);
    mesh_node_links_check_drain(node, peer);
    check_flushed(node);
}

void mesh_node_links_lose(mesh_node *node, const mesh_peer *peer, bool is_from, size_t count) {
    if (count == 0) return;
    node->stats.lost_publications += count;
    mesh_output *out = mesh_outbox_last(&node->outbox);
    bool goes_on = out && out->kind == MESH_OUT_GAP && out->peer == peer->handle;
    if (!goes_on || out->is_from != is_from) {
        out = mesh_outbox_push(&node->outbox, MESH_OUT_GAP, NULL);
        out->peer = peer->handle;
        out->is_from = is_from;
    }
    out->cost += (uint32_t)count; // each takes bytes of a queue, and there are fewer than 2^32
}

static size_t unsent_count(mesh_link *link) {
    size_t count = mesh_link_output_count(link, MESH_FRAME_PUB);
    // Given up: whether these have come, nobody knows.
    if (link->is_resuming) count += mesh_resume_kept_count(&link->resume, MESH_FRAME_PUB);
    for (mesh_lane lane = 0; lane < MESH_LANE_COUNT; lane++) {
        mesh_queue *queue = &link->queues[mesh_channel_of(MESH_FRAME_PUB, lane)];
        size_t cursor = 0;
        const mesh_queue_entry *entry;
        while ((entry = mesh_queue_each(queue, &cursor)))
            count += !entry->is_dropped;
    }
    return count;
}

// What the application holds of this link's publications gives no credit to the next one.
static void forget_stream(mesh_node *node, mesh_peer *peer) {
    mesh_node_calls_abort_of(node, peer, MESH_CALL_PEER_LOST);
    for (mesh_lane lane = 0; lane < MESH_LANE_COUNT; lane++) {
        peer->debt[lane] += peer->held_cost[lane];
        peer->held_cost[lane] = 0;
    }
    peer->serve_count = 0;
}

static uint32_t deadline_of(const mesh_peer *peer) {
    return MESH_NODE_DEADLINE_HOLD + (peer->handle & MESH_NODE_PEER_INDEX_MASK);
}

// It goes on, is begun again, or is over.
static void forget_broken(mesh_node *node, mesh_peer *peer) {
    if (peer->resume_until_ms != 0 && !peer->is_gone)
        mesh_deadlines_clear(&node->deadlines, deadline_of(peer));
    peer->resume_until_ms = 0;
}

void mesh_node_links_end(mesh_node *node, mesh_peer *peer) {
    mesh_link *link = peer->link;
    mesh_node_links_lose(node, peer, false, unsent_count(link));
    mesh_node_calls_fail_of(node, peer, false);
    forget_stream(node, peer);
    mesh_outbox_retire(&node->outbox, mesh_link_give_input(link));
    mesh_link_destroy(link);
    peer->link = NULL;
    forget_broken(node, peer);
    free(peer->cert);
    peer->cert = NULL;
    mesh_peer *last = node->linked[--node->linked_count];
    node->linked[peer->linked_index] = last;
    last->linked_index = peer->linked_index;
    mesh_node_links_check_drain(node, peer);
    check_flushed(node);
    if (peer->is_gone) mesh_node_peers_finish(node, peer);
}

// What was on the socket is over: calls fail, and what is half sent is lost.
static void forget_sent(mesh_node *node, mesh_peer *peer) {
    mesh_node_calls_fail_of(node, peer, true);
    forget_stream(node, peer);
    peer->epoch++;
    size_t count = mesh_resume_kept_count(&peer->link->resume, MESH_FRAME_PUB) +
                   mesh_link_output_count(peer->link, MESH_FRAME_PUB);
    for (mesh_lane lane = 0; lane < MESH_LANE_COUNT; lane++) {
        size_t cursor = 0;
        const mesh_queue_entry *front =
            mesh_queue_each(&peer->link->queues[mesh_channel_of(MESH_FRAME_PUB, lane)], &cursor);
        count += front && front->done > 0;
    }
    mesh_node_links_lose(node, peer, false, count);
}

// Another socket takes the place of the one that the link has.
static void take_place(mesh_node *node, mesh_peer *peer) {
    bool has_session = peer->link->state != MESH_LINK_GREETING || peer->link->is_resuming;
    if (has_session) forget_sent(node, peer);
    forget_broken(node, peer);
    mesh_link_replace(peer->link);
}

// A second socket to the same peer. Both ends see the same two ids, so both keep the same one.
static int replace(mesh_node *node, mesh_peer *peer, bool is_dialler) {
    bool is_self_smaller = node->options.node_id < peer->info.node_id;
    bool is_same_dialler = is_dialler == peer->is_dialler;
    if (!is_same_dialler && is_dialler != is_self_smaller) return MESH_EEXIST;
    take_place(node, peer);
    return 0;
}

// ---- links that broke

static void redial_later(mesh_node *node, const mesh_peer *peer) {
    uint64_t again_ms = node->now_ms + MESH_NODE_REDIAL_MS;
    bool is_in_time = again_ms < peer->resume_until_ms;
    mesh_deadlines_set(&node->deadlines, deadline_of(peer),
                       is_in_time ? again_ms : peer->resume_until_ms);
}

static void redial(mesh_node *node, const mesh_peer *peer) {
    mesh_deadlines_set(&node->deadlines, deadline_of(peer), peer->resume_until_ms);
    if (peer->is_dialler) say(node, MESH_OUT_CONNECT, peer);
}

// True: it waits for another connection. Whoever asked for the one that broke asks again.
static bool keep_broken(mesh_node *node, mesh_peer *peer) {
    bool is_again = peer->resume_until_ms != 0;
    bool is_late = is_again && node->now_ms >= peer->resume_until_ms;
    if (node->is_closed || peer->is_gone || is_late || !mesh_link_break(peer->link)) return false;
    peer->is_write_said = peer->is_close_said = false;
    if (!is_again) peer->resume_until_ms = node->now_ms + MESH_NODE_RESUME_MS;
    if (is_again && peer->is_dialler) // the other end does not want it now
        redial_later(node, peer);
    else
        redial(node, peer);
    return true;
}

// On this host the agent hands a socket to each end. When it dies between the two, or the other end
// cannot take its one, this one ends before anybody has said a word on it: all that waits still can
// go. True: another socket is asked for.
static bool ask_again(mesh_node *node, mesh_peer *peer) {
    mesh_link *link = peer->link;
    bool is_again = peer->resume_until_ms != 0;
    if (node->is_closed || peer->is_gone || link->is_sealed || link->state != MESH_LINK_GREETING)
        return false;
    if (is_again && node->now_ms >= peer->resume_until_ms) return false;
    mesh_link_replace(link);
    if (mesh_link_unsent(link) == 0) return false;
    peer->is_write_said = peer->is_close_said = false;
    if (is_again) {
        mesh_deadlines_set(&node->deadlines, deadline_of(peer), node->now_ms + MESH_NODE_REDIAL_MS);
    } else {
        peer->resume_until_ms = node->now_ms + MESH_NODE_RESUME_MS;
        say(node, MESH_OUT_CONNECT, peer);
    }
    return true;
}

void mesh_node_links_expire(mesh_node *node, mesh_peer *peer) {
    if (peer->link->state == MESH_LINK_WAITING) { // on this host: see ask_again
        say(node, MESH_OUT_CONNECT, peer);
    } else if (node->now_ms < peer->resume_until_ms) { // a connection failed a moment ago
        redial(node, peer);
    } else if (peer->link->state == MESH_LINK_BROKEN) {
        mesh_node_links_end(node, peer);
    } else { // another connection is there, and its other end says nothing
        mesh_link_mute(peer->link);
        peer->is_close_said = true;
        say(node, MESH_OUT_CLOSE, peer);
    }
}

void mesh_node_links_ready(mesh_node *node, mesh_peer *peer, bool is_restart) {
    forget_broken(node, peer);
    if (!is_restart) return;
    forget_sent(node, peer);
    mesh_link_restart(peer->link);
}

// Makes the peer's link ready for a new socket.
static int prepare(mesh_node *node, mesh_peer *peer, bool is_dialler) {
    // A link that is ending cannot be kept, whoever dialled.
    if (peer->link && peer->link->state == MESH_LINK_ENDING) mesh_node_links_end(node, peer);
    if (!peer->link) (void)add_link(node, peer);
    if (peer->link->state == MESH_LINK_WAITING || peer->link->state == MESH_LINK_BROKEN) return 0;
    // The other end knows already that the connection broke.
    if (is_dialler == peer->is_dialler && keep_broken(node, peer)) return 0;
    return replace(node, peer, is_dialler);
}

static mesh_peer *linked_peer(mesh_node *node, uint32_t handle) {
    mesh_peer *peer = mesh_node_peers_get(node, handle);
    bool has_socket = peer && peer->link && peer->link->state != MESH_LINK_WAITING &&
                      peer->link->state != MESH_LINK_BROKEN;
    return has_socket ? peer : NULL;
}

static void keep_cert(mesh_peer *peer, const mesh_cert *cert) {
    if (!peer->cert) peer->cert = mem_alloc(sizeof *cert);
    *peer->cert = *cert;
}

// `secrets` NULL: on this host.
static void begin(mesh_node *node, mesh_peer *peer, bool is_dialler,
                  const mesh_link_secrets *secrets) {
    if (secrets) {
        keep_cert(peer, secrets->peer);
        mesh_link_encrypt(peer->link, &secrets->send, &secrets->receive);
    } else {
        mesh_deadlines_clear(&node->deadlines, deadline_of(peer)); // of ask_again: here it is
    }
    mesh_link_up(peer->link);
    peer->is_dialler = is_dialler;
    peer->is_write_said = false;
    mesh_node_links_settle(node, peer);
}

static int link_up(mesh_node *node, mesh_peer *peer, bool is_dialler,
                   const mesh_link_secrets *secrets) {
    int err = prepare(node, peer, is_dialler);
    if (err == 0) begin(node, peer, is_dialler, secrets);
    return err;
}

int mesh_node_link_up(mesh_node *node, uint64_t now_ms, uint32_t *out_peer, uint64_t node_id,
                      bool is_dialler) {
    node->now_ms = now_ms;
    if (node->is_closed) return MESH_ECLOSED;
    mesh_peer *peer = mesh_node_peers_find(node, node_id);
    if (!peer || peer->is_gone) return MESH_ENOTFOUND;
    int err = link_up(node, peer, is_dialler, NULL);
    if (err == 0) *out_peer = peer->handle;
    return err;
}

int mesh_node_link_up_sealed(mesh_node *node, uint64_t now_ms, uint32_t *out_peer, bool is_dialler,
                             const mesh_link_secrets *secrets) {
    node->now_ms = now_ms;
    if (node->is_closed) return MESH_ECLOSED;
    mesh_peer *peer = mesh_node_peers_find(node, secrets->peer->node_id);
    if (!peer || peer->is_gone) return MESH_ENOTFOUND;
    // Any host can sign a certificate for any node id: whose it is, the registry says.
    if (memcmp(peer->info.host_id, secrets->peer->host_id, MESH_ID_LEN) != 0)
        return MESH_EWRONGPEER;
    int err = link_up(node, peer, is_dialler, secrets);
    if (err == 0) *out_peer = peer->handle;
    return err;
}

int mesh_node_link_next(mesh_node *node, uint64_t now_ms, uint32_t handle, bool is_dialler) {
    node->now_ms = now_ms;
    if (node->is_closed) return MESH_ECLOSED;
    mesh_peer *peer = linked_peer(node, handle);
    if (!peer || peer->is_gone) return MESH_ENOTFOUND;
    if (peer->link->state == MESH_LINK_ENDING) {
        mesh_node_links_end(node, peer);
        (void)add_link(node, peer);
    } else {
        take_place(node, peer);
    }
    begin(node, peer, is_dialler, NULL);
    return 0;
}

void mesh_node_connect_failed(mesh_node *node, uint64_t now_ms, uint64_t node_id) {
    node->now_ms = now_ms;
    mesh_peer *peer = mesh_node_peers_find(node, node_id);
    if (!peer || !peer->link) return;
    if (peer->link->state == MESH_LINK_WAITING) {
        mesh_node_links_end(node, peer);
    } else if (peer->link->state == MESH_LINK_BROKEN && peer->is_dialler) {
        redial_later(node, peer);
    }
}

// ---- bytes

void mesh_node_link_input(mesh_node *node, uint32_t handle, uint8_t **out_buffer, size_t *out_cap) {
    mesh_peer *peer = linked_peer(node, handle);
    CHECK(peer);
    mesh_link_input(peer->link, out_buffer, out_cap);
}

int mesh_node_link_received(mesh_node *node, uint64_t now_ms, uint32_t handle, size_t len) {
    node->now_ms = now_ms;
    mesh_peer *peer = linked_peer(node, handle);
    CHECK(peer);
    mesh_link *link = peer->link;
    mesh_link_received(link, now_ms, len);
    mesh_link_message message;
    int result;
    while ((result = mesh_link_next(link, &message)) == 1) {
        result = mesh_node_receive(node, peer, &message);
        if (result != 0) break;
    }
    // What was changed on its way is not what the peer said: another connection brings it.
    if (result == MESH_ESEAL && keep_broken(node, peer)) return result;
    if (result < 0) {
        peer->is_close_said = true; // the caller is told by the result
        mesh_link_fail(link, result);
    }
    mesh_link_pump(link, now_ms);
    mesh_node_links_settle(node, peer);
    return result;
}

mesh_bytes mesh_node_link_output(mesh_node *node, uint32_t handle) {
    mesh_peer *peer = linked_peer(node, handle);
    return peer ? mesh_link_output(peer->link) : (mesh_bytes){0};
}

void mesh_node_link_sent(mesh_node *node, uint64_t now_ms, uint32_t handle, size_t len) {
    node->now_ms = now_ms;
    mesh_peer *peer = linked_peer(node, handle);
    CHECK(peer);
    mesh_link_sent(peer->link, len);
    if (!mesh_link_has_output(peer->link)) peer->is_write_said = false;
    mesh_link_pump(peer->link, now_ms);
    mesh_node_links_settle(node, peer);
}

void mesh_node_link_down(mesh_node *node, uint64_t now_ms, uint32_t handle) {
    node->now_ms = now_ms;
    mesh_peer *peer = linked_peer(node, handle);
    if (peer && !keep_broken(node, peer) && !ask_again(node, peer)) mesh_node_links_end(node, peer);
}

void mesh_node_link_eof(mesh_node *node, uint64_t now_ms, uint32_t handle) {
    mesh_peer *peer = linked_peer(node, handle);
    mesh_node_link_down(node, now_ms, handle);
    uint64_t until_ms = now_ms + MESH_NODE_RESUME_EOF_MS;
    bool is_kept = peer && mesh_node_peers_get(node, handle) == peer && peer->link &&
                   peer->link->state == MESH_LINK_BROKEN && peer->resume_until_ms > until_ms;
    if (!is_kept) return;
    peer->resume_until_ms = until_ms;
    mesh_deadlines_set(&node->deadlines, deadline_of(peer), until_ms);
}
