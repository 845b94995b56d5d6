// Bugs, planted one at a time: wrong answers of the cryptography, wrong parameters, a state that is
// changed behind the core's back, a driver that misses something.
#include <string.h>

#include "cluster/swim_state.h"
#include "cluster_run.h"

enum { NEVER_MS = 1000000000, KIND_AT = sizeof "warren-member-v1" + MESH_ID_LEN };

const char *cluster_bug_name(cluster_bug bug) {
    static const char *const names[CLUSTER_BUG_COUNT] = {
        [CLUSTER_BUG_NONE] = "none",
        [CLUSTER_BUG_LEFT_UNSIGNED] = "left-unsigned",
        [CLUSTER_BUG_ALIVE_UNSIGNED] = "alive-unsigned",
        [CLUSTER_BUG_ACCUSED_UNSIGNED] = "accused-unsigned",
        [CLUSTER_BUG_STAMP_RAISED] = "stamp-raised",
        [CLUSTER_BUG_REFUTE_LOST] = "refute-lost",
        [CLUSTER_BUG_GENERATION_FORGOTTEN] = "generation-forgotten",
        [CLUSTER_BUG_SUSPICION_SHORT] = "suspicion-short",
        [CLUSTER_BUG_TOMBSTONE_SHORT] = "tombstone-short",
        [CLUSTER_BUG_RECONNECT_FORGOTTEN] = "reconnect-forgotten",
        [CLUSTER_BUG_SYNC_FORGOTTEN] = "sync-forgotten",
        [CLUSTER_BUG_TICK_FORGOTTEN] = "tick-forgotten",
        [CLUSTER_BUG_SEND_FORGOTTEN] = "send-forgotten",
        [CLUSTER_BUG_CHANGE_FORGOTTEN] = "change-forgotten",
        [CLUSTER_BUG_PAGE_FORGOTTEN] = "page-forgotten",
        [CLUSTER_BUG_WINDOW_FORGOTTEN] = "window-forgotten",
        [CLUSTER_BUG_NONCE_REPEATED] = "nonce-repeated",
        [CLUSTER_BUG_SYNC_STORM] = "sync-storm",
    };
    return names[bug];
}

// ---- in the cryptography: one kind of record is believed unsigned

static uint8_t believed_kind;

static bool believe(void *user, mesh_bytes text, const uint8_t *signature, const uint8_t *key) {
    if (text.len > KIND_AT && text.data[KIND_AT] == believed_kind) return true;
    return world_crypto().verify(user, text, signature, key);
}

static void believe_kind(run *r, mesh_record_kind kind) {
    believed_kind = (uint8_t)kind;
    r->world.verify = believe;
}

void bug_plant(run *r) {
    mesh_swim_parameters *p = &r->world.parameters;
    machine *m = &r->world.machines[r->bug_at];
    switch (r->options.bug) {
    case CLUSTER_BUG_LEFT_UNSIGNED: believe_kind(r, MESH_RECORD_LEFT); return;
    case CLUSTER_BUG_ALIVE_UNSIGNED: believe_kind(r, MESH_RECORD_ALIVE); return;
    case CLUSTER_BUG_ACCUSED_UNSIGNED: believe_kind(r, MESH_RECORD_SUSPECT); return;
    case CLUSTER_BUG_GENERATION_FORGOTTEN: r->world.has_no_disk = true; return;
    case CLUSTER_BUG_SUSPICION_SHORT: p->suspicion_ms = 1000; return;
    case CLUSTER_BUG_TOMBSTONE_SHORT: p->tombstone_ms = 1; return;
    case CLUSTER_BUG_RECONNECT_FORGOTTEN:
        p->reconnect_ms = NEVER_MS;
        r->world.misses_dials = true;
        return;
    case CLUSTER_BUG_SYNC_FORGOTTEN: p->sync_ms = NEVER_MS; return;
    case CLUSTER_BUG_SYNC_STORM: p->sync_ms = 20; return;
    case CLUSTER_BUG_TICK_FORGOTTEN: m->misses_ticks = true; return;
    case CLUSTER_BUG_SEND_FORGOTTEN: m->is_mute = true; return;
    case CLUSTER_BUG_PAGE_FORGOTTEN: m->misses_pages = true; return;
    case CLUSTER_BUG_NONCE_REPEATED: r->world.has_no_random = true; return;
    default: return;
    }
}

// ---- behind the core's back

static void hurt(run *r, machine *m) {
    mesh_swim *s = m->swim;
    if (r->options.bug == CLUSTER_BUG_REFUTE_LOST) s->refuted_ms = s->now_ms + NEVER_MS;
    for (size_t i = 0; i < s->host_cap; i++) {
        mesh_host *host = s->hosts[i];
        if (host == NULL || host->pair == NULL) continue;
        if (r->options.bug == CLUSTER_BUG_WINDOW_FORGOTTEN)
            host->pair->window = (mesh_window){.top = 0};
        if (r->options.bug == CLUSTER_BUG_NONCE_REPEATED) host->pair->counter = 1;
    }
    if (r->options.bug != CLUSTER_BUG_STAMP_RAISED || s->live_count == 0) return;
    mesh_host *host = s->hosts[s->live[run_pick(r, (uint32_t)s->live_count)]];
    host->stamp.incarnation++;
    mesh_swim_hosts_set_state(s, host, host->state);
    world_carry_out(&r->world, m);
}

void bug_hurt(run *r) {
    if (r->options.bug == CLUSTER_BUG_NONE) return;
    for (uint32_t i = 0; i < r->world.machine_count; i++)
        if (r->world.machines[i].swim != NULL) hurt(r, &r->world.machines[i]);
}

bool bug_eats(run *r, const machine *m, const mesh_swim_output *output) {
    return r->options.bug == CLUSTER_BUG_CHANGE_FORGOTTEN && m->index == r->bug_at &&
           output->kind == MESH_SWIM_HOST && run_chance(r, 200);
}
