// Bugs that are planted in what a core says, and in its state, behind its back.
#include "core/node_state.h"
#include "world.h"

static void hurt_sealed(world *w, mesh_link *link) {
    if (has_bug(w, SIM_BUG_NONCE_REPEATED) && link->seal.count > 1) link->seal.count--;
    if (has_bug(w, SIM_BUG_COUNTER_MOVED) && link->open.count > 1) link->open.count++;
    if (has_bug(w, SIM_BUG_SEAL_FORGOTTEN)) link->is_sealed = false;
}

// ---- what it says

typedef struct wrong {
    mesh_output_kind kind;
    sim_bug forgotten, twice;
} wrong;

static const wrong wrongs[] = {
    {MESH_OUT_REQUEST, SIM_BUG_NONE, SIM_BUG_REQUEST_TWICE},
    {MESH_OUT_ABORT, SIM_BUG_ABORT_FORGOTTEN, SIM_BUG_ABORT_TWICE},
    {MESH_OUT_REPLY, SIM_BUG_REPLY_FORGOTTEN, SIM_BUG_REPLY_TWICE},
    {MESH_OUT_ITEM, SIM_BUG_ITEM_FORGOTTEN, SIM_BUG_ITEM_TWICE},
    {MESH_OUT_INPUT, SIM_BUG_INPUT_FORGOTTEN, SIM_BUG_NONE},
    {MESH_OUT_SHAPE, SIM_BUG_SHAPE_FORGOTTEN, SIM_BUG_NONE},
    {MESH_OUT_DOWN, SIM_BUG_NONE, SIM_BUG_DOWN_TWICE},
    {MESH_OUT_DRAIN, SIM_BUG_DRAIN_FORGOTTEN, SIM_BUG_NONE},
    {MESH_OUT_GAP, SIM_BUG_GAP_FORGOTTEN, SIM_BUG_NONE},
};

uint32_t bug_tell(world *w, mesh_output *out) {
    if (w->options.bug == SIM_BUG_NONE) return 1;
    if (has_bug(w, SIM_BUG_DOUBT_DENIED) && out->kind == MESH_OUT_ERROR) out->is_maybe = false;
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        if (wrongs[i].kind != out->kind) continue;
        if (has_bug(w, wrongs[i].twice)) return 2;
        if (has_bug(w, wrongs[i].forgotten)) return chance(w, 50);
    }
    return 1;
}

// ---- what it is

static void hurt_calls(world *w, mesh_node *node) {
    for (uint32_t slot = 0; slot < node->calls.cap; slot++) {
        mesh_made_call *call = &node->calls.slots[slot];
        if (has_bug(w, SIM_BUG_DEADLINE_FORGOTTEN)) mesh_deadlines_clear(&node->deadlines, slot);
        if (has_bug(w, SIM_BUG_ID_REUSED) && !call->is_open) call->generation = 0;
    }
    for (uint32_t slot = 0; has_bug(w, SIM_BUG_ITEMS_UNASKED) && slot < node->serves.made; slot++)
        node->serves.slots[slot].stream.limit = UINT64_MAX;
}

static void hurt_queues(world *w, mesh_link *link) {
    for (uint32_t i = 0; has_bug(w, SIM_BUG_DEADLINE_GROWN) && i < MESH_CHANNEL_COUNT; i++) {
        size_t cursor = 0;
        mesh_queue_entry *waiting;
        while ((waiting = mesh_queue_each(&link->queues[i], &cursor)))
            if (waiting->expires_at_ms != UINT64_MAX) waiting->expires_at_ms += 5000;
    }
}

void bug_hurt(world *w, conn *c, int end) {
    if (w->options.bug == SIM_BUG_NONE) return;
    mesh_node *node = w->members[c->members[end]]->node;
    mesh_peer *peer = mesh_node_peers_get(node, c->peers[end]);
    if (!peer || !peer->link) return;
    hurt_calls(w, node);
    hurt_queues(w, peer->link);
    if (c->is_sealed) hurt_sealed(w, peer->link);
    if (!has_bug(w, SIM_BUG_CREDIT_IGNORED)) return;
    for (size_t i = 0; i < MESH_CHANNEL_COUNT; i++)
        peer->link->outbound[i].limit = UINT64_MAX;
}

// Right before a connection is told to have ended, or another one to be there.
void bug_hurt_session(world *w, uint32_t index, uint32_t handle) {
    if (w->options.bug == SIM_BUG_NONE) return;
    mesh_peer *peer = mesh_node_peers_get(w->members[index]->node, handle);
    if (!peer || !peer->link || !peer->link->resume.is_on) return;
    mesh_resume *resume = &peer->link->resume;
    if (has_bug(w, SIM_BUG_RECORD_FORGOTTEN)) peer->link->has_open_record = false;
    if (has_bug(w, SIM_BUG_KEPT_FORGOTTEN)) resume->acked += resume->tail - resume->head;
    if (has_bug(w, SIM_BUG_KEPT_FORGOTTEN)) resume->head = resume->tail;
    if (peer->link->state != MESH_LINK_BROKEN || resume->received < 64) return;
    if (has_bug(w, SIM_BUG_RESUMED_EARLY)) resume->received += 64;
    if (has_bug(w, SIM_BUG_RESUMED_LATE)) resume->received -= 64;
}
