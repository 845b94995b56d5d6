// A rollout as it is stored: JSON, so that people can read it there too.
#include <jansson.h>

#include "core/error.h"
#include "core/mem.h"
#include "deploy/rollout.h"

enum { FORMAT = 1, GRACE_MS = 1000 };

char *deploy_rollout_write(const deploy_rollout *r) {
    const deploy_rollout_options *o = &r->options;
    json_t *slots = json_array();
    for (uint32_t i = 0; i < o->instances; i++) {
        const deploy_slot *s = &r->slots[i];
        json_array_append_new(slots, json_pack("[i, I, I, b, I]", (int)s->step,
                                               (json_int_t)s->attempt, (json_int_t)s->revert_count,
                                               (int)s->is_lost, (json_int_t)s->at_ms));
    }
    json_t *root = json_pack(
        "{s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:I, s:b, s:I, s:o}", "format", FORMAT,
        "from", (json_int_t)o->from, "to", (json_int_t)o->to, "parallel", (json_int_t)o->parallel,
        "canaries", (json_int_t)o->canaries, "failuresMax", (json_int_t)o->failures_max, "readyMs",
        (json_int_t)o->ready_ms, "settleMs", (json_int_t)o->settle_ms, "promoteMs",
        (json_int_t)o->promote_ms, "phase", (int)r->phase, "failures", (json_int_t)r->failures,
        "promoted", (int)r->is_promoted, "promoteAt", (json_int_t)r->promote_at_ms, "slots", slots);
    char *text = mem_check(json_dumps(root, JSON_COMPACT));
    json_decref(root);
    return text;
}

static bool is_u32(json_int_t number) {
    return number >= 0 && number <= UINT32_MAX;
}

static bool read_slot(const json_t *item, uint64_t now_ms, uint64_t longest_ms, deploy_slot *out) {
    int step, is_lost;
    json_int_t attempt, reverts, at_ms;
    if (json_unpack((json_t *)(uintptr_t)item, "[i, I, I, b, I!]", &step, &attempt, &reverts,
                    &is_lost, &at_ms) != 0 ||
        step < 0 || step >= DEPLOY_STEPS || !is_u32(attempt) || !is_u32(reverts) || at_ms < 0)
        return false;
    *out = (deploy_slot){.step = (deploy_step)step,
                         .attempt = (uint32_t)attempt,
                         .revert_count = (uint32_t)reverts,
                         .is_lost = is_lost != 0,
                         .at_ms = (uint64_t)at_ms};
    // News may have come while nobody listened, and clocks of two hosts differ.
    if (out->at_ms > 0 && out->at_ms < now_ms + GRACE_MS) out->at_ms = now_ms + GRACE_MS;
    if (out->at_ms > now_ms + GRACE_MS + longest_ms) out->at_ms = now_ms + GRACE_MS + longest_ms;
    return true;
}

static bool read_options(json_t *root, deploy_rollout *out) {
    json_int_t from, to, parallel, canaries, failures_max, ready_ms, settle_ms, promote_ms;
    if (json_unpack(root, "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "from", &from, "to", &to,
                    "parallel", &parallel, "canaries", &canaries, "failuresMax", &failures_max,
                    "readyMs", &ready_ms, "settleMs", &settle_ms, "promoteMs", &promote_ms) != 0)
        return false;
    if (from < 0 || to < 0 || parallel == 0 || !is_u32(parallel) || !is_u32(canaries) ||
        !is_u32(failures_max) || !is_u32(ready_ms) || !is_u32(settle_ms) || !is_u32(promote_ms))
        return false;
    out->options = (deploy_rollout_options){
        .from = (uint64_t)from,
        .to = (uint64_t)to,
        .parallel = (uint32_t)parallel,
        .canaries = (uint32_t)canaries,
        .failures_max = (uint32_t)failures_max,
        .ready_ms = (uint32_t)ready_ms,
        .settle_ms = (uint32_t)settle_ms,
        .promote_ms = (uint32_t)promote_ms,
    };
    return true;
}

static bool read_all(json_t *root, uint64_t now_ms, deploy_rollout *out) {
    int format, phase, is_promoted;
    json_int_t failures, promote_at_ms;
    json_t *slots, *item;
    size_t i;
    if (json_unpack(root, "{s:i, s:i, s:I, s:b, s:I, s:o}", "format", &format, "phase", &phase,
                    "failures", &failures, "promoted", &is_promoted, "promoteAt", &promote_at_ms,
                    "slots", &slots) != 0)
        return false;
    if (format != FORMAT || phase < 0 || phase >= DEPLOY_PHASES || !is_u32(failures) ||
        promote_at_ms < 0 || !json_is_array(slots) || json_array_size(slots) > DEPLOY_SLOTS_MAX ||
        !read_options(root, out))
        return false;
    out->phase = (deploy_phase)phase;
    out->failures = (uint32_t)failures;
    out->is_promoted = is_promoted != 0;
    out->promote_at_ms = (uint64_t)promote_at_ms;
    out->options.instances = (uint32_t)json_array_size(slots);
    uint64_t longest_ms = out->options.ready_ms > out->options.settle_ms ? out->options.ready_ms
                                                                         : out->options.settle_ms;
    json_array_foreach(slots, i, item) {
        if (!read_slot(item, now_ms, longest_ms, &out->slots[i])) return false;
    }
    return true;
}

int deploy_rollout_read(mesh_bytes text, uint64_t now_ms, deploy_rollout *out) {
    if (text.len > DEPLOY_ROLLOUT_LEN_MAX) return MESH_EPROTO;
    json_t *root = json_loadb((const char *)text.data, text.len, 0, NULL);
    deploy_rollout *read = mem_alloc(sizeof *read);
    bool is_good = json_is_object(root) && read_all(root, now_ms, read);
    if (is_good) *out = *read;
    free(read);
    json_decref(root);
    return is_good ? 0 : MESH_EPROTO;
}
