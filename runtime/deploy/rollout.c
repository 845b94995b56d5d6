#include "deploy/rollout.h"

#include "core/mem.h"

bool deploy_rollout_is_over(const deploy_rollout *r) {
    return r->phase >= DEPLOY_DONE;
}

static bool is_forward(const deploy_rollout *r) {
    return r->phase == DEPLOY_FORWARD || r->phase == DEPLOY_CANARY;
}

static void enter(deploy_slot *slot, deploy_step step, uint64_t at_ms) {
    slot->step = step;
    slot->at_ms = at_ms;
    if (step != DEPLOY_STARTING && step != DEPLOY_REVERTING) return;
    slot->attempt++;
    slot->is_told = false;
}

static uint32_t count(const deploy_rollout *r, deploy_step step, bool is_lost_too) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < r->options.instances; i++)
        found += r->slots[i].step == step && (is_lost_too || !r->slots[i].is_lost);
    return found;
}

// ---- forward

// Of those that nobody has begun, the first whose host is there; NULL: none may be begun.
static deploy_slot *next_old(deploy_rollout *r) {
    uint32_t under_way = count(r, DEPLOY_STARTING, false) + count(r, DEPLOY_SETTLING, false) +
                         count(r, DEPLOY_UNWELL, false);
    uint32_t begun = under_way + count(r, DEPLOY_NEW, false);
    bool is_enough = r->options.canaries > 0 && !r->is_promoted && begun >= r->options.canaries;
    if (under_way >= r->options.parallel || is_enough) return NULL;
    for (uint32_t i = 0; i < r->options.instances; i++)
        if (r->slots[i].step == DEPLOY_OLD && !r->slots[i].is_lost) return &r->slots[i];
    return NULL;
}

static uint32_t count_there(const deploy_rollout *r) {
    uint32_t there = 0;
    for (uint32_t i = 0; i < r->options.instances; i++)
        there += !r->slots[i].is_lost;
    return there;
}

static void look_at_canaries(deploy_rollout *r, uint64_t now_ms) {
    uint32_t there = count_there(r), well = count(r, DEPLOY_NEW, false);
    uint32_t wanted = r->options.canaries < there ? r->options.canaries : there;
    if (r->options.canaries == 0 || r->is_promoted || well == 0 || well < wanted) return;
    r->phase = DEPLOY_CANARY;
    r->promote_at_ms = r->options.promote_ms > 0 ? now_ms + r->options.promote_ms : 0;
}

// Who is lost is not waited for: it gets the release that all have when it is back. But there must
// be one that was seen to be well.
static bool is_done(const deploy_rollout *r) {
    uint32_t well = count(r, DEPLOY_NEW, false);
    bool is_promoted = r->options.canaries == 0 || r->is_promoted;
    return is_promoted && well == count_there(r) && (well > 0 || r->options.instances == 0);
}

static void go_forward(deploy_rollout *r, uint64_t now_ms) {
    deploy_slot *slot;
    while (r->phase == DEPLOY_FORWARD && (slot = next_old(r)) != NULL)
        enter(slot, DEPLOY_STARTING, now_ms + r->options.ready_ms);
    if (r->phase == DEPLOY_FORWARD) look_at_canaries(r, now_ms);
    if (r->phase == DEPLOY_FORWARD && is_done(r)) r->phase = DEPLOY_DONE;
}

// ---- back

static void revert(deploy_rollout *r, deploy_slot *slot, uint64_t now_ms) {
    enter(slot, slot->is_lost ? DEPLOY_OLD : DEPLOY_REVERTING,
          slot->is_lost ? 0 : now_ms + r->options.ready_ms);
}

// Where the old one still serves that is at once; where it has ended, a few at a time.
static void go_back(deploy_rollout *r, uint64_t now_ms) {
    for (uint32_t i = 0; i < r->options.instances; i++) {
        deploy_slot *slot = &r->slots[i];
        if (slot->step == DEPLOY_STARTING || (slot->is_lost && slot->step != DEPLOY_STUCK))
            revert(r, slot, now_ms);
        if (slot->step == DEPLOY_UNWELL) slot->at_ms = 0; // nobody waits for that any more
    }
    uint32_t under_way = count(r, DEPLOY_REVERTING, false);
    for (uint32_t i = 0; i < r->options.instances && under_way < r->options.parallel; i++) {
        deploy_slot *slot = &r->slots[i];
        bool is_begun = slot->step == DEPLOY_NEW || slot->step == DEPLOY_SETTLING ||
                        slot->step == DEPLOY_UNWELL;
        if (!is_begun) continue;
        revert(r, slot, now_ms);
        under_way++;
    }
    uint32_t old = count(r, DEPLOY_OLD, true), stuck = count(r, DEPLOY_STUCK, true);
    if (old + stuck == r->options.instances) r->phase = stuck > 0 ? DEPLOY_BROKEN : DEPLOY_RETURNED;
}

static void go_on(deploy_rollout *r, uint64_t now_ms) {
    if (r->phase == DEPLOY_FORWARD) go_forward(r, now_ms);
    if (r->phase == DEPLOY_BACK) go_back(r, now_ms);
}

void deploy_rollout_begin(deploy_rollout *r, const deploy_rollout_options *options,
                          uint64_t now_ms) {
    CHECK(options->instances <= DEPLOY_SLOTS_MAX && options->parallel > 0);
    *r = (deploy_rollout){.options = *options};
    go_on(r, now_ms);
}

// ---- what happens

// NULL: the news are of the past.
static deploy_slot *find(deploy_rollout *r, uint32_t slot, uint32_t attempt) {
    bool is_over = r->phase == DEPLOY_RETURNED || r->phase == DEPLOY_BROKEN;
    bool is_present = slot < r->options.instances && !is_over &&
                      r->slots[slot].attempt == attempt && !r->slots[slot].is_lost;
    return is_present ? &r->slots[slot] : NULL;
}

// It had been done, and one of those that were well is not: it is not done yet.
static void reopen(deploy_rollout *r, uint64_t now_ms) {
    if (r->phase != DEPLOY_DONE) return;
    r->phase = DEPLOY_FORWARD;
    for (uint32_t i = 0; i < r->options.instances; i++) {
        deploy_slot *s = &r->slots[i];
        // It came back after the end, and has the release since then: nobody has seen it well.
        if (s->step == DEPLOY_OLD && !s->is_lost)
            enter(s, DEPLOY_UNWELL, now_ms + r->options.ready_ms);
    }
}

void deploy_rollout_ready(deploy_rollout *r, uint64_t now_ms, uint32_t slot, uint32_t attempt) {
    deploy_slot *s = find(r, slot, attempt);
    if (s == NULL) return;
    if (s->step == DEPLOY_STARTING && r->options.settle_ms > 0)
        enter(s, DEPLOY_SETTLING, now_ms + r->options.settle_ms);
    else if (s->step == DEPLOY_STARTING || s->step == DEPLOY_UNWELL)
        enter(s, DEPLOY_NEW, 0);
    else if (s->step == DEPLOY_REVERTING)
        enter(s, DEPLOY_OLD, 0);
    go_on(r, now_ms);
}

static void fail_new(deploy_rollout *r, deploy_slot *s, uint64_t now_ms) {
    r->failures++;
    if (r->failures > r->options.failures_max)
        r->phase = DEPLOY_BACK;
    else // once more: also the one that was well already
        enter(s, DEPLOY_STARTING, now_ms + r->options.ready_ms);
}

static void fail(deploy_rollout *r, deploy_slot *s, uint64_t now_ms) {
    if (s->step == DEPLOY_REVERTING) {
        bool is_stuck = ++s->revert_count >= DEPLOY_REVERTS_MAX;
        enter(s, is_stuck ? DEPLOY_STUCK : DEPLOY_REVERTING,
              is_stuck ? 0 : now_ms + r->options.ready_ms);
    } else if (is_forward(r) && s->step != DEPLOY_OLD) {
        fail_new(r, s, now_ms);
        if (r->phase == DEPLOY_CANARY) r->phase = DEPLOY_FORWARD; // they are not all well
    }
}

void deploy_rollout_failed(deploy_rollout *r, uint64_t now_ms, uint32_t slot, uint32_t attempt) {
    deploy_slot *s = find(r, slot, attempt);
    if (s == NULL) return;
    if (s->step == DEPLOY_NEW) reopen(r, now_ms);
    fail(r, s, now_ms);
    go_on(r, now_ms);
}

void deploy_rollout_unwell(deploy_rollout *r, uint64_t now_ms, uint32_t slot, uint32_t attempt) {
    deploy_slot *s = find(r, slot, attempt);
    if (s == NULL || s->step != DEPLOY_NEW || r->phase == DEPLOY_BACK) return;
    reopen(r, now_ms);
    enter(s, DEPLOY_UNWELL, now_ms + r->options.ready_ms);
    if (r->phase == DEPLOY_CANARY) r->phase = DEPLOY_FORWARD;
    go_on(r, now_ms);
}

// That is no fault of the release: what it had begun is begun again when it is back.
void deploy_rollout_lost(deploy_rollout *r, uint64_t now_ms, uint32_t slot) {
    if (slot >= r->options.instances || deploy_rollout_is_over(r)) return;
    deploy_slot *s = &r->slots[slot];
    s->is_lost = true;
    s->attempt++; // whatever it says of the past
    bool is_under_way = s->step == DEPLOY_STARTING || s->step == DEPLOY_SETTLING ||
                        s->step == DEPLOY_REVERTING || s->step == DEPLOY_UNWELL;
    if (is_under_way) enter(s, DEPLOY_OLD, 0);
    if (r->phase == DEPLOY_CANARY) r->phase = DEPLOY_FORWARD;
    go_on(r, now_ms);
}

void deploy_rollout_back(deploy_rollout *r, uint64_t now_ms, uint32_t slot) {
    if (slot >= r->options.instances || !r->slots[slot].is_lost) return;
    deploy_slot *s = &r->slots[slot];
    s->is_lost = false;
    if (deploy_rollout_is_over(r)) return;
    // What it runs now nobody has seen to be well: it is begun again in its turn.
    if (s->step == DEPLOY_NEW) enter(s, DEPLOY_OLD, 0);
    go_on(r, now_ms);
}

bool deploy_rollout_promote(deploy_rollout *r, uint64_t now_ms) {
    if (r->phase != DEPLOY_CANARY) return false;
    r->is_promoted = true;
    r->phase = DEPLOY_FORWARD;
    go_on(r, now_ms);
    return true;
}

bool deploy_rollout_abort(deploy_rollout *r, uint64_t now_ms) {
    if (!is_forward(r)) return false;
    r->phase = DEPLOY_BACK;
    go_on(r, now_ms);
    return true;
}

void deploy_rollout_tick(deploy_rollout *r, uint64_t now_ms) {
    for (uint32_t i = 0; i < r->options.instances && !deploy_rollout_is_over(r); i++) {
        deploy_slot *s = &r->slots[i];
        if (s->at_ms == 0 || s->at_ms > now_ms) continue;
        if (s->step == DEPLOY_SETTLING)
            enter(s, DEPLOY_NEW, 0);
        else
            fail(r, s, now_ms); // it is late
    }
    bool is_time = r->promote_at_ms > 0 && r->promote_at_ms <= now_ms;
    if (r->phase == DEPLOY_CANARY && is_time) (void)deploy_rollout_promote(r, now_ms);
    go_on(r, now_ms);
}

// ---- what follows

uint64_t deploy_rollout_wake_at_ms(const deploy_rollout *r) {
    uint64_t first = UINT64_MAX;
    if (deploy_rollout_is_over(r)) return first;
    if (r->phase == DEPLOY_CANARY && r->promote_at_ms > 0) first = r->promote_at_ms;
    for (uint32_t i = 0; i < r->options.instances; i++)
        if (r->slots[i].at_ms > 0 && r->slots[i].at_ms < first) first = r->slots[i].at_ms;
    return first;
}

uint64_t deploy_rollout_release(const deploy_rollout *r, uint32_t slot) {
    deploy_step step = r->slots[slot].step;
    bool is_new = step == DEPLOY_STARTING || step == DEPLOY_SETTLING || step == DEPLOY_NEW ||
                  step == DEPLOY_UNWELL;
    return is_new || r->phase == DEPLOY_DONE ? r->options.to : r->options.from;
}

bool deploy_rollout_poll(deploy_rollout *r, deploy_action *out) {
    for (uint32_t i = 0; i < r->options.instances; i++) {
        deploy_slot *s = &r->slots[i];
        bool is_asked = s->step == DEPLOY_STARTING || s->step == DEPLOY_REVERTING;
        if (!is_asked || s->is_told || s->is_lost) continue;
        s->is_told = true;
        *out = (deploy_action){i, s->attempt, deploy_rollout_release(r, i)};
        return true;
    }
    return false;
}
