#include "agent/roster.h"

#include "core/mem.h"

enum { PACKET_LEN = 100 << 10, HEAD_LEN = 8 }; // well below MESH_PACKET_LEN_MAX; of each element

static void flush(agent_roster *roster) {
    if (roster->up_count + roster->put_count == 0) return;
    Warren__Node__Registry registry = WARREN__NODE__REGISTRY__INIT;
    registry.up = mem_alloc(roster->up_count * sizeof(void *));
    registry.put = mem_alloc(roster->put_count * sizeof(void *));
    // Pointers are taken last: the arrays moved while they grew.
    while (registry.n_up < roster->up_count) {
        registry.up[registry.n_up] = &roster->up[registry.n_up];
        registry.n_up++;
    }
    while (registry.n_put < roster->put_count) {
        registry.put[registry.n_put] = &roster->put[registry.n_put];
        registry.n_put++;
    }
    roster->on_packet(&registry, roster->user);
    free(registry.up);
    free(registry.put);
    roster->up_count = roster->put_count = roster->len = 0;
}

void agent_roster_up(agent_roster *roster, const Warren__Node__Peer *peer) {
    roster->up = mem_grow(roster->up, sizeof *roster->up, roster->up_count + 1, &roster->up_cap);
    roster->up[roster->up_count++] = *peer;
    roster->len += warren__node__peer__get_packed_size(peer) + HEAD_LEN;
    if (roster->len >= PACKET_LEN) flush(roster);
}

void agent_roster_put(agent_roster *roster, uint64_t node_id, Warren__Node__Entry *entry) {
    Warren__Node__OwnedEntry owned = WARREN__NODE__OWNED_ENTRY__INIT;
    owned.node_id = node_id;
    owned.entry = entry;
    roster->put =
        mem_grow(roster->put, sizeof *roster->put, roster->put_count + 1, &roster->put_cap);
    roster->put[roster->put_count++] = owned;
    roster->len += warren__node__owned_entry__get_packed_size(&owned) + HEAD_LEN;
    if (roster->len >= PACKET_LEN) flush(roster);
}

void agent_roster_finish(agent_roster *roster) {
    flush(roster);
    free(roster->up);
    free(roster->put);
    *roster = (agent_roster){0};
}
