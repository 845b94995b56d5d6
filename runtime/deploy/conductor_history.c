// What became of each release of a project when it was deployed last: of those that are there, so
// that a person, and a rollback, can tell which of them served and which failed.
#include "deploy/conductor_state.h"

#include <stdio.h>

#include "core/mem.h"

typedef struct outcome { // an Outcome and its texts
    Warren__Deploy__Outcome is;
    char by[DEPLOY_OUTCOME_BY_MAX + 1], why[DEPLOY_OUTCOME_WHY_MAX + 1];
} outcome;

typedef struct history {
    Warren__Deploy__Outcome *told[DEPLOY_OUTCOMES_MAX]; // first: a State has it, and frees all
    outcome list[DEPLOY_OUTCOMES_MAX];                  // the latest at the end
    size_t count;
} history;

static void set_texts(outcome *o, const char *by, const char *why) {
    (void)snprintf(o->by, sizeof o->by, "%s", by);
    (void)snprintf(o->why, sizeof o->why, "%s", why);
}

static outcome *find(history *h, uint64_t release) {
    for (size_t i = 0; i < h->count; i++)
        if (h->list[i].is.release == release) return &h->list[i];
    return NULL;
}

static void drop(history *h, const outcome *o) {
    size_t at = (size_t)(o - h->list);
    h->count--;
    memmove(&h->list[at], &h->list[at + 1], (h->count - at) * sizeof h->list[0]);
}

// What a deployment that is still to come had is of a project of this name that was forgotten.
static bool is_of_now(const conductor_project *p, const Warren__Deploy__Outcome *o) {
    return o->deployment <= p->deployment;
}

static bool is_there(const conductor_view *v, const conductor_project *p, uint64_t release) {
    return conductor_find(v->c, DEPLOY_RECORD_RELEASE, p->name, release, "") != NULL;
}

// In place of what was known of that release, at the end. Copies the texts.
static void put(history *h, const Warren__Deploy__Outcome *from) {
    const outcome *known = find(h, from->release);
    if (known != NULL) drop(h, known);
    if (h->count == DEPLOY_OUTCOMES_MAX) drop(h, h->list);
    outcome *o = &h->list[h->count++];
    o->is = *from;
    set_texts(o, from->by, from->why);
}

// It served, and somebody went back to an older one.
static void take_back(history *h, uint64_t from, const Warren__Deploy__Outcome *to) {
    outcome *o = to->release < from ? find(h, from) : NULL;
    if (o == NULL) return;
    o->is.is_taken_back = true;
    o->is.at_ms = to->at_ms;
    set_texts(o, to->by, "");
}

// The deployment `o` of a release, that came from another one. Other numbers of instances of the
// same release say nothing of it, unless nothing is known yet.
static void end(const conductor_view *v, const conductor_project *p, uint64_t from,
                Warren__Deploy__Outcome *o, history *h) {
    const outcome *known = find(h, o->release);
    bool is_done = o->phase == WARREN__DEPLOY__STATE__PHASE__DONE;
    if (o->release == 0 || !is_there(v, p, o->release)) return;
    if (known != NULL && known->is.deployment >= o->deployment) return;
    if (from == o->release && (known != NULL || !is_done)) return;
    o->served = is_done ? o->deployment : known != NULL ? known->is.served : 0;
    put(h, o);
    if (is_done) take_back(h, from, o);
}

static void end_this(const conductor_view *v, const conductor_project *p,
                     const Warren__Deploy__State *was, history *h) {
    Warren__Deploy__Outcome o = WARREN__DEPLOY__OUTCOME__INIT;
    bool was_so = was != NULL && was->deployment == p->deployment &&
                  conductor_phase_is_final((conductor_phase)was->phase);
    o.release = p->to;
    o.deployment = p->deployment;
    o.phase = (Warren__Deploy__State__Phase)p->phase;
    o.is_aborted = p->phase != CONDUCTOR_DONE && p->wanted->is_aborted &&
                   p->wanted->deployment == p->deployment;
    o.at_ms = was_so ? was->at_ms : v->now_ms;
    o.by = p->wanted->by;
    o.why = (char *)(uintptr_t)p->why;
    end(v, p, p->from, &o, h);
}

// One that another took the place of before it came to its end.
static void end_cut_off(const conductor_view *v, const conductor_project *p,
                        const Warren__Deploy__State *was, history *h) {
    Warren__Deploy__Outcome o = WARREN__DEPLOY__OUTCOME__INIT;
    o.release = was->to;
    o.deployment = was->deployment;
    o.phase = WARREN__DEPLOY__STATE__PHASE__RETURNED;
    o.is_aborted = true;
    o.at_ms = v->now_ms;
    o.by = p->wanted->by;
    o.why = p->to == 0 ? "the project was taken down before it was done"
                       : "another release was deployed before it was done";
    end(v, p, was->from, &o, h);
}

void conductor_history_say(conductor_view *v, const conductor_project *p,
                           Warren__Deploy__State *out) {
    const Warren__Deploy__State *was =
        p->stored != NULL ? (const Warren__Deploy__State *)p->stored->message : NULL;
    history *h = mem_alloc(sizeof *h);
    for (size_t i = 0; was != NULL && i < was->n_outcomes; i++)
        if (is_there(v, p, was->outcomes[i]->release) && is_of_now(p, was->outcomes[i]))
            put(h, was->outcomes[i]);
    bool is_cut_off = was != NULL && was->deployment < p->deployment &&
                      !conductor_phase_is_final((conductor_phase)was->phase);
    if (is_cut_off) end_cut_off(v, p, was, h);
    if (conductor_phase_is_final(p->phase)) end_this(v, p, was, h);
    for (size_t i = 0; i < h->count; i++) {
        h->list[i].is.by = h->list[i].by;
        h->list[i].is.why = h->list[i].why;
        h->told[i] = &h->list[i].is;
    }
    out->outcomes = h->told;
    out->n_outcomes = h->count;
}

void conductor_history_deinit(Warren__Deploy__State *state) {
    free(state->outcomes);
}
