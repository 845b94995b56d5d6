// Bugs planted to see that the checks find them.
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "deploy_sim.h"

static const char *const names[SIM_BUG_COUNT] = {
    [SIM_BUG_NONE] = "none",
    [SIM_BUG_FENCE] = "fence",
    [SIM_BUG_TORN] = "torn",
    [SIM_BUG_ORDER_LOST] = "order-lost",
    [SIM_BUG_PLACED_LOST] = "placed-lost",
    [SIM_BUG_ROLLOUT_LOST] = "rollout-lost",
    [SIM_BUG_DONE_EARLY] = "done-early",
    [SIM_BUG_READY_FORGED] = "ready-forged",
    [SIM_BUG_REPORT_LOST] = "report-lost",
    [SIM_BUG_DELETE_LOST] = "delete-lost",
    [SIM_BUG_PARALLEL] = "parallel",
    [SIM_BUG_LEAVER_CUT] = "leaver-cut",
    [SIM_BUG_STOP_FORGOTTEN] = "stop-forgotten",
    [SIM_BUG_VERSION] = "version",
    [SIM_BUG_CHATTER] = "chatter",
    [SIM_BUG_WAKE_FORGOTTEN] = "wake-forgotten",
};

const char *sim_bug_name(uint32_t bug) {
    return names[bug];
}

bool sim_is_bug(sim_world *w, sim_bug bug) {
    return w->run.bug == bug && w->now_ms >= w->bug_at_ms;
}

static mesh_bytes pack(const ProtobufCMessage *message) {
    uint8_t *value = mem_alloc(protobuf_c_message_get_packed_size(message));
    return (mesh_bytes){value, protobuf_c_message_pack(message, value)};
}

static void hurt_state(sim_world *w, mesh_bytes *value) {
    const char *why;
    Warren__Deploy__State *state =
        (Warren__Deploy__State *)deploy_record_decode(DEPLOY_RECORD_STATE, *value, &why);
    if (sim_is_bug(w, SIM_BUG_DONE_EARLY) && state->phase == WARREN__DEPLOY__STATE__PHASE__ROLLING)
        state->phase = WARREN__DEPLOY__STATE__PHASE__DONE;
    *value = pack(&state->base);
    deploy_record_free(&state->base);
}

static void hurt_order(sim_world *w, mesh_bytes *value) {
    const char *why;
    Warren__Deploy__Order *order =
        (Warren__Deploy__Order *)deploy_record_decode(DEPLOY_RECORD_ORDER, *value, &why);
    if (sim_is_bug(w, SIM_BUG_VERSION)) order->version = 7;
    if (sim_is_bug(w, SIM_BUG_LEAVER_CUT) && order->n_instances > 0)
        order->instances[order->n_instances - 1]->release = 0;
    *value = pack(&order->base);
    deploy_record_free(&order->base);
}

bool sim_hurt(sim_world *w, const deploy_key *key, bool is_delete, mesh_bytes *value) {
    deploy_record_kind lost = DEPLOY_RECORD_KINDS;
    if (sim_is_bug(w, SIM_BUG_ORDER_LOST)) lost = DEPLOY_RECORD_ORDER;
    if (sim_is_bug(w, SIM_BUG_PLACED_LOST)) lost = DEPLOY_RECORD_PLACED;
    if (sim_is_bug(w, SIM_BUG_ROLLOUT_LOST)) lost = DEPLOY_RECORD_ROLLOUT;
    if (key->kind == lost && !w->is_bug_done) {
        w->is_bug_done = true; // once
        return false;
    }
    if (is_delete) return true;
    bool hurts_state = sim_is_bug(w, SIM_BUG_DONE_EARLY);
    bool hurts_order = sim_is_bug(w, SIM_BUG_VERSION) || sim_is_bug(w, SIM_BUG_LEAVER_CUT);
    if (key->kind == DEPLOY_RECORD_STATE && hurts_state) hurt_state(w, value);
    if (key->kind == DEPLOY_RECORD_ORDER && hurts_order) hurt_order(w, value);
    return true;
}
