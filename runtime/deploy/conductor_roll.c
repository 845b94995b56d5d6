// Rollouts: begun, told what happened, and what an instance is to run because of them. Slot i of a
// rollout is slot i of Placed; one that is not placed is lost to it.
#include "deploy/conductor_state.h"

#include <stdio.h>

#include "core/mem.h"

bool conductor_rollout_is_new(const deploy_rollout *r, uint32_t slot) {
    if (r->phase == DEPLOY_DONE) return true;
    if (slot >= r->options.instances) return false;
    deploy_step step = r->slots[slot].step;
    return step == DEPLOY_STARTING || step == DEPLOY_SETTLING || step == DEPLOY_NEW ||
           step == DEPLOY_UNWELL;
}

// Who runs, of the two of a slot: who stands in, while the host of the original is down.
static void find_live(const conductor_view *v, conductor_service *s,
                      conductor_slot *live[DEPLOY_SLOTS_MAX]) {
    for (size_t i = 0; i < s->slot_count; i++) {
        conductor_slot *slot = &s->slots[i];
        if (live[slot->slot] == NULL || conductor_host_is_up(v, slot->host))
            live[slot->slot] = slot;
    }
}

static bool is_there(const conductor_view *v, const conductor_slot *slot) {
    return slot != NULL && !slot->is_stopping && conductor_host_is_up(v, slot->host);
}

// Attempts only grow, wherever the slot is.
static void raise_attempt(conductor_view *v, conductor_service *s, const conductor_slot *slot) {
    const conductor_order *o = conductor_order_find(v, s, slot->host, true);
    deploy_slot *of = &s->rollout->slots[slot->slot];
    if (of->attempt < o->version) of->attempt = (uint32_t)o->version;
}

static conductor_order *order_of(conductor_view *v, conductor_service *s,
                                 const conductor_slot *slot) {
    return conductor_order_find(v, s, slot->host, true);
}

// ---- begun

static void set_options(const conductor_service *s, deploy_rollout_options *o) {
    static const Warren__Deploy__Update none = WARREN__DEPLOY__UPDATE__INIT;
    const Warren__Deploy__Update *u = s->spec->update != NULL ? s->spec->update : &none;
    *o = (deploy_rollout_options){
        .from = s->before,
        .to = s->release,
        .parallel = u->parallel > 0 ? u->parallel : 1,
        .canaries = u->canaries,
        .failures_max = u->failures_max,
        .ready_ms = u->ready_ms > 0 ? u->ready_ms : CONDUCTOR_READY_MS,
        .settle_ms = u->settle_ms > 0 ? u->settle_ms : CONDUCTOR_SETTLE_MS,
        .promote_ms = u->promote_ms,
    };
}

static void begin_slot(conductor_view *v, conductor_service *s, conductor_slot *slot) {
    deploy_slot *of = &s->rollout->slots[slot->slot];
    conductor_order *o = order_of(v, s, slot);
    uint64_t told = conductor_told(o, slot->index).release;
    if (slot->is_new) told = 0;
    if (slot->before == 0) slot->before = told;
    of->step =
        conductor_is_same(v, s, slot->before, s->release) && conductor_is_ready(o, slot->index)
            ? DEPLOY_NEW
            : DEPLOY_OLD;
    of->is_lost = !is_there(v, slot);
    raise_attempt(v, s, slot);
}

// Another deployment has left it in the midst of something: it is the first, or one more than may
// be would be.
static bool is_in_flux(conductor_view *v, conductor_service *s, const conductor_slot *slot) {
    const conductor_order *o = order_of(v, s, slot);
    const Warren__Deploy__Present *present = conductor_heard(o, slot->index);
    bool is_quiet = present != NULL && present->state != WARREN__DEPLOY__PRESENT__STATE__STARTING;
    return is_there(v, slot) && !slot->is_new && !is_quiet &&
           conductor_told(o, slot->index).release != 0;
}

static void begin_again(conductor_view *v, conductor_service *s, uint32_t slot) {
    deploy_slot *of = &s->rollout->slots[slot];
    of->step = DEPLOY_STARTING;
    of->attempt++;
    of->at_ms = v->now_ms + s->rollout->options.ready_ms;
}

static void begin(conductor_view *v, conductor_service *s) {
    deploy_rollout *r = mem_alloc(sizeof *r);
    conductor_slot *live[DEPLOY_SLOTS_MAX] = {NULL};
    uint32_t replaced = 0, unchanged = 0, begun = 0;
    s->rollout = r;
    set_options(s, &r->options);
    find_live(v, s, live);
    for (size_t i = 0; i < s->slot_count; i++) { // who is not live too goes back to what it runs
        begin_slot(v, s, &s->slots[i]);
        if (s->slots[i].slot >= r->options.instances) r->options.instances = s->slots[i].slot + 1;
    }
    for (uint32_t i = 0; i < r->options.instances; i++) {
        r->slots[i].is_lost = !is_there(v, live[i]);
        if (live[i] == NULL) continue;
        begin_slot(v, s, live[i]);
        if (begun < r->options.parallel && is_in_flux(v, s, live[i])) {
            begin_again(v, s, i);
            begun++;
        }
        bool is_same = r->slots[i].step == DEPLOY_NEW;
        unchanged += is_same;
        replaced += !is_same && live[i]->before != 0;
    }
    // Who takes nobody's place harms nobody: all at once.
    if (replaced == 0 && r->options.instances > r->options.parallel)
        r->options.parallel = r->options.instances;
    bool has_canaries = replaced > 0 && r->options.canaries > 0;
    r->options.canaries = has_canaries ? r->options.canaries + unchanged : 0;
    deploy_rollout_tick(r, v->now_ms);
}

// ---- what happened

typedef struct failure { // the last one
    const conductor_slot *slot;
    const char *why;
    ProtobufCBinaryData last_lines;
    bool is_late, was_well;
} failure;

static bool goes_forward(const deploy_rollout *r) {
    return r->phase == DEPLOY_FORWARD || r->phase == DEPLOY_CANARY || r->phase == DEPLOY_DONE;
}

// Slots that came in the midst: a host that is new, and has its own.
static void grow(conductor_view *v, conductor_service *s) {
    deploy_rollout *r = s->rollout;
    for (size_t i = 0; i < s->slot_count; i++) {
        uint32_t slot = s->slots[i].slot;
        while (slot >= r->options.instances)
            r->slots[r->options.instances++] = (deploy_slot){.is_lost = true};
        if (s->slots[i].is_new || s->slots[i].is_back) raise_attempt(v, s, &s->slots[i]);
    }
}

static void hear_presence(conductor_view *v, conductor_service *s,
                          conductor_slot *live[DEPLOY_SLOTS_MAX]) {
    deploy_rollout *r = s->rollout;
    for (uint32_t i = 0; i < r->options.instances; i++) {
        // Who was away may take over again from who stood in for it.
        bool has_moved = live[i] != NULL && (live[i]->is_new || live[i]->is_back);
        if (!r->slots[i].is_lost && (!is_there(v, live[i]) || has_moved))
            deploy_rollout_lost(r, v->now_ms, i);
        if (r->slots[i].is_lost && is_there(v, live[i])) deploy_rollout_back(r, v->now_ms, i);
        // What is over is heard of all the same.
        if (deploy_rollout_is_over(r)) r->slots[i].is_lost = !is_there(v, live[i]);
    }
}

static bool has_come_back(const conductor_order *o, const conductor_slot *slot) {
    return slot->before == 0 && conductor_has_ended(o, slot->index);
}

// What its host says of the attempt of the rollout; NULL: nothing.
static const Warren__Deploy__Present *heard_of(conductor_view *v, conductor_service *s,
                                               const conductor_slot *slot) {
    const deploy_slot *of = &s->rollout->slots[slot->slot];
    const Warren__Deploy__Present *present = conductor_heard(order_of(v, s, slot), slot->index);
    // Who came back after the end was told no attempt.
    bool is_of_that =
        present != NULL && (present->attempt == of->attempt || of->step == DEPLOY_UNWELL);
    return is_of_that ? present : NULL;
}

// Its first life is the one that counts: a host that starts it again does not make it good.
static bool has_failed(const deploy_slot *of, const Warren__Deploy__Present *present) {
    bool is_first = of->step == DEPLOY_STARTING || of->step == DEPLOY_SETTLING;
    bool has_ended = present->state == WARREN__DEPLOY__PRESENT__STATE__NONE;
    return present->state == WARREN__DEPLOY__PRESENT__STATE__FAILED ||
           (is_first && present->restarts > 0) || (of->step == DEPLOY_SETTLING && has_ended);
}

// Who was ready and starts, without having ended there: it begins anew with its host, which has
// died and was there again before anybody missed it. If it has ended after all its next life says
// so.
static bool begins_anew(const deploy_slot *of, const Warren__Deploy__Present *present) {
    return of->step == DEPLOY_SETTLING &&
           present->state == WARREN__DEPLOY__PRESENT__STATE__STARTING;
}

static void hear_slot(conductor_view *v, conductor_service *s, const conductor_slot *slot,
                      failure *last) {
    deploy_rollout *r = s->rollout;
    deploy_slot *of = &r->slots[slot->slot];
    if (of->step == DEPLOY_REVERTING && has_come_back(order_of(v, s, slot), slot))
        deploy_rollout_ready(r, v->now_ms, slot->slot, of->attempt);
    const Warren__Deploy__Present *present = heard_of(v, s, slot);
    if (present == NULL) return;
    if (has_failed(of, present)) {
        *last = (failure){slot, present->why, present->last_lines, false, false};
        if (present->why[0] == '\0')
            last->why = of->step == DEPLOY_STARTING ? "it ended before it was ready"
                                                    : "it ended soon after it had been ready";
        deploy_rollout_failed(r, v->now_ms, slot->slot, of->attempt);
    } else if (present->state == WARREN__DEPLOY__PRESENT__STATE__READY) {
        deploy_rollout_ready(r, v->now_ms, slot->slot, of->attempt);
    } else if (begins_anew(of, present)) {
        of->step = DEPLOY_STARTING;
        of->at_ms = v->now_ms + r->options.ready_ms;
    } else {
        deploy_rollout_unwell(r, v->now_ms, slot->slot, of->attempt);
    }
}

static void hear_time(conductor_view *v, conductor_service *s,
                      conductor_slot *live[DEPLOY_SLOTS_MAX], failure *last) {
    deploy_rollout *r = s->rollout;
    for (uint32_t i = 0; i < r->options.instances; i++) {
        const deploy_slot *of = &r->slots[i];
        bool is_late = of->step != DEPLOY_SETTLING && of->at_ms > 0 && of->at_ms <= v->now_ms;
        if (!is_late || live[i] == NULL) continue;
        const Warren__Deploy__Present *present = heard_of(v, s, live[i]);
        *last = (failure){.slot = live[i], .why = "", .is_late = true};
        last->was_well = of->step == DEPLOY_UNWELL;
        if (present == NULL) continue;
        last->why = present->why;
        last->last_lines = present->last_lines;
    }
    deploy_rollout_tick(r, v->now_ms);
}

static void tell_failure(conductor_service *s, const failure *last) {
    conductor_project *p = s->project;
    bool is_known = p->why[0] != '\0';
    const conductor_slot *slot = last->slot;
    if (slot == NULL)
        conductor_project_end(p, CONDUCTOR_BACK, "%s goes back", s->name);
    else if (last->is_late)
        conductor_project_end(p, CONDUCTOR_BACK, "%s.%u@%s: not ready%s within %u ms%s%.250s",
                              s->name, slot->index, slot->host, last->was_well ? " again" : "",
                              s->rollout->options.ready_ms, last->why[0] != '\0' ? ": " : "",
                              last->why);
    else
        conductor_project_end(p, CONDUCTOR_BACK, "%s.%u@%s: %.300s", s->name, slot->index,
                              slot->host, last->why);
    if (is_known || last->last_lines.len == 0) return;
    memcpy(p->last_lines, last->last_lines.data, last->last_lines.len);
    p->last_lines_len = last->last_lines.len;
}

static void hear(conductor_view *v, conductor_service *s) {
    deploy_rollout *r = s->rollout;
    conductor_slot *live[DEPLOY_SLOTS_MAX] = {NULL};
    failure last = {0};
    bool was_forward = goes_forward(r);
    grow(v, s);
    find_live(v, s, live);
    hear_presence(v, s, live);
    for (uint32_t i = 0; i < r->options.instances; i++)
        if (live[i] != NULL && is_there(v, live[i])) hear_slot(v, s, live[i], &last);
    hear_time(v, s, live, &last);
    if (was_forward && !goes_forward(r)) tell_failure(s, &last);
}

bool conductor_roll_is_well(conductor_view *v, conductor_service *s) {
    conductor_slot *live[DEPLOY_SLOTS_MAX] = {NULL};
    if (s->rollout == NULL || s->is_frozen) return true;
    find_live(v, s, live);
    for (uint32_t i = 0; i < s->rollout->options.instances; i++) {
        if (live[i] == NULL || !is_there(v, live[i])) continue;
        const Warren__Deploy__Present *present = heard_of(v, s, live[i]);
        bool is_new = s->rollout->slots[i].step == DEPLOY_NEW;
        if (is_new && present != NULL && present->state != WARREN__DEPLOY__PRESENT__STATE__READY)
            return false;
    }
    return true;
}

// Slots that are new, and stay, for others that went: they have what those had.
static void give_before(conductor_service *s) {
    bool goes_back = s->rollout->phase >= DEPLOY_BACK && s->rollout->phase != DEPLOY_DONE;
    for (size_t i = 0; goes_back && i < s->slot_count; i++)
        if (s->slots[i].before == 0) s->slots[i].before = s->before;
}

// Who still is what it goes back to, since the release has the same for it, is not begun anew.
static void skip_unchanged(conductor_view *v, conductor_service *s) {
    deploy_rollout *r = s->rollout;
    conductor_slot *live[DEPLOY_SLOTS_MAX] = {NULL};
    bool goes_on = r->phase == DEPLOY_BACK;
    find_live(v, s, live);
    while (goes_on) {
        goes_on = false;
        for (uint32_t i = 0; i < r->options.instances && r->phase == DEPLOY_BACK; i++) {
            if (r->slots[i].step != DEPLOY_REVERTING || live[i] == NULL) continue;
            const conductor_order *o = order_of(v, s, live[i]);
            const Warren__Deploy__Present *present = conductor_heard(o, live[i]->index);
            if (present == NULL || present->release != live[i]->before ||
                present->state != WARREN__DEPLOY__PRESENT__STATE__READY)
                continue;
            deploy_rollout_ready(r, v->now_ms, i, r->slots[i].attempt);
            goes_on = true;
        }
    }
}

static void order_back(conductor_view *v, deploy_rollout *r) {
    if (deploy_rollout_abort(r, v->now_ms)) return;
    // It had been done, and goes back with the others.
    if (r->phase == DEPLOY_DONE) r->phase = DEPLOY_BACK;
    deploy_rollout_tick(r, v->now_ms);
}

// Nothing of it could be placed, and so nobody has seen it to be well. Now something can.
static void reopen(const conductor_service *s, conductor_project *p) {
    deploy_rollout *r = s->rollout;
    if (r->phase != DEPLOY_DONE || r->options.instances > 0 || s->slot_count == 0) return;
    r->phase = DEPLOY_FORWARD;
    if (p->phase == CONDUCTOR_DONE) p->phase = CONDUCTOR_ROLLING;
}

void conductor_roll(conductor_view *v, conductor_service *s) {
    conductor_project *p = s->project;
    if (p == NULL || s->is_frozen) return;
    if (s->is_begun) begin(v, s);
    if (s->rollout == NULL) return;
    reopen(s, p);
    if (s->is_back) order_back(v, s->rollout);
    if (!s->is_begun && !conductor_phase_is_final(p->phase)) hear(v, s);
    if (s->rollout->phase == DEPLOY_CANARY && p->wanted->is_promoted && !s->is_back)
        (void)deploy_rollout_promote(s->rollout, v->now_ms);
    give_before(s);
    skip_unchanged(v, s);
    conductor_wake_at(v, deploy_rollout_wake_at_ms(s->rollout));
}

// ---- what follows

conductor_wanted conductor_fresh(conductor_service *s, uint32_t slot, const conductor_order *o,
                                 uint64_t release) {
    uint64_t attempt = o->version < UINT32_MAX ? o->version : UINT32_MAX;
    if (s->rollout != NULL && slot < s->rollout->options.instances) {
        deploy_slot *of = &s->rollout->slots[slot];
        if (of->attempt < attempt) of->attempt = (uint32_t)attempt;
        attempt = of->attempt;
    }
    return (conductor_wanted){.release = release, .attempt = (uint32_t)attempt};
}

// It is away, and the rollout has to do with the one that stands in for it.
static bool is_stood_in_for(const conductor_view *v, const conductor_service *s,
                            const conductor_slot *slot) {
    const conductor_slot *next = slot + 1;
    return !is_there(v, slot) && next < s->slots + s->slot_count && next->slot == slot->slot;
}

conductor_wanted conductor_roll_wanted(conductor_view *v, conductor_service *s,
                                       const conductor_slot *slot, bool *is_exact) {
    const deploy_rollout *r = s->rollout;
    conductor_order *o = order_of(v, s, slot);
    conductor_wanted told = conductor_told(o, slot->index);
    uint64_t release = slot->before != 0 ? slot->before : s->release;
    *is_exact = false;
    if (slot->is_stopping) return (conductor_wanted){0};
    if (r != NULL) {
        bool is_new = r->phase == DEPLOY_DONE ||
                      (conductor_rollout_is_new(r, slot->slot) && !is_stood_in_for(v, s, slot));
        release = is_new ? r->options.to : slot->before;
        deploy_step step =
            slot->slot < r->options.instances ? r->slots[slot->slot].step : DEPLOY_OLD;
        bool is_acted = step == DEPLOY_STARTING || step == DEPLOY_REVERTING;
        *is_exact = is_acted && is_there(v, slot) && !r->slots[slot->slot].is_lost;
        if (*is_exact && release != 0)
            return (conductor_wanted){.release = release, .attempt = r->slots[slot->slot].attempt};
    }
    if (release == 0) return (conductor_wanted){0};
    if (conductor_is_same(v, s, told.release, release)) return told;
    return conductor_fresh(s, slot->slot, o, release);
}
