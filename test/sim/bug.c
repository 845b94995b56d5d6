// Bugs that are planted in the state of a core, behind its back.
#include "core/node_state.h"
#include "world.h"

static void hurt_sealed(world *w, mesh_link *link) {
    if (has_bug(w, SIM_BUG_NONCE_REPEATED) && link->seal.count > 1) link->seal.count--;
    if (has_bug(w, SIM_BUG_COUNTER_MOVED) && link->open.count > 1) link->open.count++;
    if (has_bug(w, SIM_BUG_SEAL_FORGOTTEN)) link->is_sealed = false;
}

void bug_hurt(world *w, conn *c, int end) {
    mesh_peer *peer = mesh_node_peers_get(w->members[c->members[end]]->node, c->peers[end]);
    if (!peer || !peer->link) return;
    if (c->is_sealed) hurt_sealed(w, peer->link);
    if (!has_bug(w, SIM_BUG_CREDIT_IGNORED)) return;
    for (size_t i = 0; i < MESH_CHANNEL_COUNT; i++)
        peer->link->outbound[i].limit = UINT64_MAX;
}
