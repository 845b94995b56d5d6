// How far each deployment is: what comes next, forward and back.
#include "deploy/conductor_state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/mem.h"

void conductor_project_end(conductor_project *p, conductor_phase phase, const char *format, ...) {
    va_list args;
    p->phase = phase;
    if (p->why[0] != '\0') return; // the first cause is the one to know
    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started
    (void)vsnprintf(p->why, sizeof p->why, format, args);
    va_end(args);
}

const uint32_t *conductor_scaled_to(const conductor_project *p, const char *service) {
    for (size_t i = 0; i < p->wanted->n_scaled; i++)
        if (strcmp(p->wanted->scaled[i]->service, service) == 0)
            return &p->wanted->scaled[i]->instances;
    return NULL;
}

static bool has_service(const conductor_project *p, const char *name) {
    for (size_t i = 0; p->release != NULL && i < p->release->n_services; i++)
        if (strcmp(p->release->services[i], name) == 0) return true;
    return false;
}

// ---- a deployment is over, or another one takes its place

// What a slot goes on with when nobody looks after the rollout any more.
static uint64_t runs_now(conductor_view *v, conductor_service *s, const conductor_slot *slot,
                         bool is_done) {
    const conductor_order *o = conductor_order_find(v, s, slot->host, false);
    uint64_t release = slot->before;
    if (is_done) return 0;
    if (conductor_is_ready(o, slot->index))
        release = conductor_told(o, slot->index).release;
    else if (s->rollout != NULL && conductor_rollout_is_new(s->rollout, slot->slot) &&
             s->rollout->slots[slot->slot].step != DEPLOY_STARTING)
        release = s->rollout->options.to;
    return release == s->release ? 0 : release;
}

static void settle(conductor_view *v, conductor_service *s, bool is_done) {
    for (size_t i = 0; i < s->slot_count; i++)
        s->slots[i].before = runs_now(v, s, &s->slots[i], is_done);
    free(s->rollout);
    s->rollout = NULL;
    s->is_changed = s->has_scaled_before = false;
    s->before = s->scaled_before = 0;
}

static bool settle_all(conductor_view *v, conductor_project *p, bool is_done) {
    bool was_changed = false;
    for (size_t i = 0; i < v->service_count; i++) {
        conductor_service *s = &v->services[i];
        if (s->project != p || !(s->is_changed || s->rollout != NULL)) continue;
        settle(v, s, is_done);
        was_changed = true;
    }
    return was_changed;
}

static void start(conductor_view *v, conductor_project *p) {
    bool is_first = p->stored == NULL;
    // What was not seen to be well is nothing to go back to.
    p->from = is_first ? 0 : p->phase == CONDUCTOR_DONE ? p->to : p->from;
    p->to = p->wanted->release;
    p->deployment = p->wanted->deployment;
    p->phase = CONDUCTOR_PREPARING;
    p->began_at_ms = v->now_ms;
    p->why[0] = '\0';
    p->last_lines_len = 0;
    p->release =
        p->to == 0 ? NULL : conductor_message(v->c, DEPLOY_RECORD_RELEASE, p->name, p->to, "");
}

// ---- forward

static const conductor_service *find_foreign(const conductor_view *v, const conductor_project *p) {
    for (size_t i = 0; p->release != NULL && i < p->release->n_services; i++) {
        const conductor_service *s = conductor_service_find(v, p->release->services[i]);
        bool is_foreign = s->exists && s->project != p && (s->release != 0 || s->slot_count > 0);
        if (is_foreign || s->is_frozen) return s;
    }
    return NULL;
}

static const char *find_missing(const conductor_view *v, const conductor_project *p) {
    if (p->to > 0 && p->release == NULL) return "the release itself";
    for (size_t i = 0; p->release != NULL && i < p->release->n_services; i++)
        if (conductor_spec(v->c, p->name, p->to, p->release->services[i]) == NULL)
            return p->release->services[i];
    return NULL;
}

static void look_before(conductor_view *v, conductor_project *p) {
    const conductor_service *foreign = find_foreign(v, p);
    const char *missing = find_missing(v, p);
    if (p->wanted->is_aborted)
        conductor_project_end(p, CONDUCTOR_RETURNED, "aborted by %.100s", p->wanted->by);
    else if (missing != NULL)
        conductor_project_end(p, CONDUCTOR_RETURNED,
                              "release %" PRIu64 " of %s is not whole in the store: %s is missing "
                              "or cannot be read (deploy it anew)",
                              p->to, p->name, missing);
    else if (foreign != NULL)
        conductor_project_end(
            p, CONDUCTOR_RETURNED, "%s is a service of project %s already (give it another name)",
            foreign->name, foreign->project_name != NULL ? foreign->project_name : "?");
    else
        p->is_prospect = true;
}

// Nobody waits for a host that is away. But one, and all others, have to be seen to be well: what
// has only begun may be what another deployment left behind.
static bool is_well(conductor_view *v, conductor_service *s, uint64_t release) {
    size_t ready = 0;
    for (size_t i = 0; i < s->slot_count; i++) {
        conductor_slot *slot = &s->slots[i];
        const conductor_order *o = conductor_order_find(v, s, slot->host, false);
        uint64_t runs = slot->before != 0 ? slot->before : conductor_told(o, slot->index).release;
        bool is_away = !conductor_host_is_up(v, slot->host);
        if (!conductor_is_same(v, s, runs, release)) return false;
        if (!is_away && !conductor_is_ready(o, slot->index)) return false;
        ready += !is_away;
    }
    return ready > 0 || s->slot_count == 0;
}

static bool is_spec_same(const conductor_view *v, const conductor_service *s, uint64_t a,
                         uint64_t b) {
    const conductor_record *x = conductor_find(v->c, DEPLOY_RECORD_SPEC, s->project_name, a,
                                               s->name),
                           *y = conductor_find(v->c, DEPLOY_RECORD_SPEC, s->project_name, b,
                                               s->name);
    return a == b ||
           (x != NULL && y != NULL && x->len == y->len && memcmp(x->value, y->value, x->len) == 0);
}

static void change(conductor_view *v, conductor_project *p, conductor_service *s) {
    const uint32_t *scaled = conductor_scaled_to(p, s->name);
    if (!s->is_changed) {
        s->before = s->release;
        s->has_scaled_before = s->has_scaled;
        s->scaled_before = s->scaled;
    }
    s->is_changed = s->exists = true;
    s->project = p;
    s->project_name = p->name;
    s->has_scaled = scaled != NULL;
    s->scaled = scaled != NULL ? *scaled : 0;
    conductor_set_release(v, s, p->to);
}

// Nothing of it is another than before: it has no rollout.
static bool is_unchanged(conductor_view *v, const conductor_project *p, conductor_service *s) {
    const uint32_t *scaled = conductor_scaled_to(p, s->name);
    bool is_scaled_same =
        s->has_scaled == (scaled != NULL) && (scaled == NULL || *scaled == s->scaled);
    return s->exists && s->project == p && s->release != 0 && is_scaled_same &&
           is_spec_same(v, s, s->release, p->to) && is_well(v, s, p->to);
}

// True: it has what it should, and the next one may begin.
static bool go_forward(conductor_view *v, conductor_project *p, conductor_service *s) {
    bool is_foreign = s->exists && s->project != p && s->release != 0;
    if (s->is_frozen || is_foreign || conductor_spec(v->c, p->name, p->to, s->name) == NULL) {
        conductor_project_end(p, CONDUCTOR_BACK, "%s is another project's, or cannot be read",
                              s->name);
        return false;
    }
    if (s->rollout != NULL) {
        if (s->rollout->phase == DEPLOY_CANARY) p->phase = CONDUCTOR_CANARY;
        if (s->rollout->phase != DEPLOY_DONE && s->rollout->phase >= DEPLOY_BACK)
            conductor_project_end(p, CONDUCTOR_BACK, "%s could not take release %" PRIu64, s->name,
                                  p->to);
        return s->rollout->phase == DEPLOY_DONE;
    }
    if (is_unchanged(v, p, s)) {
        if (s->release != p->to) change(v, p, s);
        return true;
    }
    change(v, p, s);
    s->is_begun = true;
    return false;
}

static bool is_gone(const conductor_service *s) {
    return s->slot_count == 0 && s->order_count == 0;
}

// Services that the release does not have any more. True: nothing is left of them.
static bool take_away(conductor_view *v, conductor_project *p) {
    bool are_gone = true;
    for (size_t i = 0; i < v->service_count; i++) {
        conductor_service *s = &v->services[i];
        if (s->project != p || s->is_frozen || has_service(p, s->name)) continue;
        if (s->release != 0) {
            change(v, p, s);
            s->has_scaled = false;
            conductor_set_release(v, s, 0);
        }
        are_gone &= is_gone(s);
    }
    return are_gone;
}

// News that came since its rollout was done are heard in this turn.
static bool are_well(conductor_view *v, const conductor_project *p) {
    for (size_t i = 0; i < v->service_count; i++)
        if (v->services[i].project == p && !conductor_roll_is_well(v, &v->services[i]))
            return false;
    return true;
}

static void roll(conductor_view *v, conductor_project *p) {
    if (p->wanted->is_aborted) {
        conductor_project_end(p, CONDUCTOR_BACK, "aborted by %.100s", p->wanted->by);
        return;
    }
    p->phase = CONDUCTOR_ROLLING;
    for (size_t i = 0; p->release != NULL && i < p->release->n_services; i++) {
        conductor_service *s = conductor_service_find(v, p->release->services[i]);
        if (!go_forward(v, p, s)) return;
    }
    if (take_away(v, p) && are_well(v, p)) p->phase = CONDUCTOR_DONE;
}

// ---- back

static void undo(conductor_view *v, conductor_service *s) {
    s->has_scaled = s->has_scaled_before;
    s->scaled = s->scaled_before;
    conductor_set_release(v, s, s->before);
}

// True: it is as it was, or as near to it as could be.
static bool go_back(conductor_view *v, conductor_service *s) {
    if (!s->is_changed) return true;
    undo(v, s);
    if (s->rollout == NULL) return s->release != 0 || is_gone(s);
    s->is_back = !deploy_rollout_is_over(s->rollout) || s->rollout->phase == DEPLOY_DONE;
    return !s->is_back && (s->release != 0 || is_gone(s));
}

static void return_all(conductor_view *v, conductor_project *p) {
    bool is_broken = false;
    for (size_t i = 0; i < v->service_count; i++) // taken away last
        if (v->services[i].project == p && v->services[i].is_changed &&
            !has_service(p, v->services[i].name))
            undo(v, &v->services[i]);
    for (size_t i = p->release != NULL ? p->release->n_services : 0; i > 0; i--) {
        conductor_service *s = conductor_service_find(v, p->release->services[i - 1]);
        if (s->project != p || s->is_frozen) continue;
        if (!go_back(v, s)) return;
        is_broken |= s->rollout != NULL && s->rollout->phase == DEPLOY_BROKEN;
    }
    p->phase = is_broken ? CONDUCTOR_BROKEN : CONDUCTOR_RETURNED;
}

// ---- the whole

void conductor_project_decide(conductor_view *v, conductor_project *p) {
    bool is_newer = p->stored == NULL || p->deployment != p->wanted->deployment;
    if (is_newer || conductor_phase_is_final(p->phase)) {
        // Rollouts are of the deployment that the State names: they go before it has another one.
        if (settle_all(v, p, p->phase == CONDUCTOR_DONE) || !is_newer) return;
        start(v, p);
    }
    if (p->phase == CONDUCTOR_PREPARING)
        look_before(v, p);
    else if (p->phase == CONDUCTOR_BACK)
        return_all(v, p);
    else
        roll(v, p);
}

// ---- prepared

static const Warren__Deploy__Prepared *find_prepared(const conductor_order *o, uint64_t release) {
    for (size_t i = 0; o->report != NULL && i < o->report->n_prepared; i++)
        if (o->report->prepared[i]->release == release) return o->report->prepared[i];
    return NULL;
}

// Whether it was asked for the release, and has answered: what it says of another time is no news.
static bool has_answered(const conductor_order *o, uint64_t release) {
    bool is_asked = false;
    for (size_t i = 0; o->stored != NULL && i < o->stored->n_prepare; i++)
        is_asked |= o->stored->prepare[i] == release;
    return is_asked && find_prepared(o, release) != NULL &&
           o->report->version >= o->stored->version;
}

// The host that everybody waits for, or that cannot (`why`); NULL: all have it.
static const conductor_order *find_unprepared(const conductor_view *v, const conductor_project *p,
                                              const char **why) {
    const conductor_order *waited_for = NULL;
    *why = NULL;
    for (size_t i = 0; p->release != NULL && i < p->release->n_services; i++) {
        const conductor_service *s = conductor_service_find(v, p->release->services[i]);
        for (size_t j = 0; j < s->order_count && *why == NULL; j++) {
            const conductor_order *o = &s->orders[j];
            if (o->prospect != p || !o->is_up) continue;
            bool is_known = has_answered(o, p->to);
            if (is_known && find_prepared(o, p->to)->why[0] == '\0') continue;
            waited_for = o;
            if (is_known) *why = find_prepared(o, p->to)->why;
        }
        if (*why != NULL) break;
    }
    return waited_for;
}

void conductor_project_prepare(conductor_view *v, conductor_project *p) {
    const char *why;
    if (!p->is_prospect || p->phase != CONDUCTOR_PREPARING || p->is_waiting) return;
    const conductor_order *o = find_unprepared(v, p, &why);
    uint64_t until_ms = p->began_at_ms + DEPLOY_PREPARE_MS;
    if (o == NULL)
        p->phase = CONDUCTOR_ROLLING;
    else if (why != NULL)
        conductor_project_end(p, CONDUCTOR_RETURNED, "%s: %.300s", o->host, why);
    else if (v->now_ms >= until_ms)
        conductor_project_end(p, CONDUCTOR_RETURNED,
                              "%s has not said within %d s whether it has release %" PRIu64
                              " (is its agent well?)",
                              o->host, DEPLOY_PREPARE_MS / 1000, p->to);
    else
        conductor_wake_at(v, until_ms);
}
