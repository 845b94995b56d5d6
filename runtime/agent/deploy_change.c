#include "agent/deploy_change.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/supervisor.h"
#include "core/error.h"

enum { FAILED = 1, USAGE = 2, NOT_FOUND = 3 };

__attribute__((format(printf, 3, 4))) static int refuse(agent_refusal *refusal, uint32_t exit_code,
                                                        const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(refusal->text, sizeof refusal->text, format, args);
    va_end(args);
    refusal->exit_code = exit_code;
    return exit_code == NOT_FOUND ? MESH_ENOTFOUND : MESH_EINVAL;
}

static bool is_final(const Warren__Deploy__State *state) {
    return state->phase >= WARREN__DEPLOY__STATE__PHASE__DONE;
}

bool agent_deploy_is_open(const agent_deploy_change *c) {
    if (c->now == NULL) return false;
    return c->state == NULL || c->state->deployment != c->now->deployment || !is_final(c->state);
}

uint64_t agent_deploy_running(const agent_deploy_change *c) {
    if (c->now == NULL) return 0;
    bool is_done =
        !agent_deploy_is_open(c) && c->state->phase == WARREN__DEPLOY__STATE__PHASE__DONE;
    return is_done ? c->now->release : c->now->before;
}

// The release that ran before that one.
static uint64_t previous_of(const agent_deploy_change *c) {
    if (c->now == NULL) return 0;
    bool is_other = agent_deploy_running(c) != c->now->before;
    return is_other ? c->now->before : c->now->previous;
}

static int no_project(const agent_deploy_change *c, agent_refusal *refusal) {
    return refuse(refusal, NOT_FOUND,
                  "no project %.63s was deployed here (`warren status` lists what was)",
                  c->project);
}

// What it is now, as the next deployment.
static void begin(const agent_deploy_change *c, agent_deploy_wanted *out) {
    warren__deploy__project__init(&out->project);
    Warren__Deploy__Project *p = &out->project;
    p->by = (char *)(uintptr_t)c->by;
    p->host = (char *)(uintptr_t)c->host;
    p->at_ms = c->at_ms;
    p->deployment = c->now != NULL ? c->now->deployment + 1 : 1;
    p->release = c->now != NULL ? c->now->release : 0;
    p->before = agent_deploy_running(c);
    p->previous = previous_of(c);
    p->scaled = out->list;
    out->from = p->before;
    size_t count = c->now != NULL ? c->now->n_scaled : 0;
    for (size_t i = 0; i < count && i < AGENT_DEPLOY_SCALED_MAX; i++) {
        out->scaled[i] = *c->now->scaled[i];
        out->list[i] = &out->scaled[i];
        p->n_scaled = i + 1;
    }
}

static int judge_open(const agent_deploy_change *c, agent_refusal *refusal) {
    if (!agent_deploy_is_open(c)) return 0;
    return refuse(refusal, FAILED,
                  "%.63s is being changed already (deployment %llu, asked for by %.60s on %.60s): "
                  "wait for it (`warren status %.63s -f` shows how far it is), or `warren abort "
                  "%.63s` takes it back",
                  c->project, (unsigned long long)c->now->deployment, c->now->by, c->now->host,
                  c->project, c->project);
}

int agent_deploy_release(const agent_deploy_change *c, uint64_t release, agent_deploy_wanted *out,
                         agent_refusal *refusal) {
    int err = judge_open(c, refusal);
    if (err != 0) return err;
    begin(c, out);
    out->project.release = release;
    return 0;
}

int agent_deploy_promote(const agent_deploy_change *c, agent_deploy_wanted *out,
                         agent_refusal *refusal) {
    if (c->now == NULL) return no_project(c, refusal);
    bool is_canary = agent_deploy_is_open(c) && c->state != NULL &&
                     c->state->deployment == c->now->deployment &&
                     c->state->phase == WARREN__DEPLOY__STATE__PHASE__CANARY;
    if (!is_canary)
        return refuse(refusal, FAILED,
                      "no canaries of %.63s wait to be promoted (`warren status %.63s` shows what "
                      "it does)",
                      c->project, c->project);
    begin(c, out);
    out->project.deployment = c->now->deployment; // the same one goes on
    out->project.before = c->now->before;
    out->project.previous = c->now->previous;
    out->project.is_promoted = true;
    return 0;
}

int agent_deploy_abort(const agent_deploy_change *c, agent_deploy_wanted *out,
                       agent_refusal *refusal) {
    if (c->now == NULL) return no_project(c, refusal);
    if (!agent_deploy_is_open(c))
        return refuse(refusal, FAILED,
                      "nothing of %.63s is under way: `warren rollback %.63s` goes back to the "
                      "release before",
                      c->project, c->project);
    begin(c, out);
    out->project.deployment = c->now->deployment;
    out->project.before = c->now->before;
    out->project.previous = c->now->previous;
    out->project.is_aborted = true;
    return 0;
}

// ---- back

static const Warren__Deploy__Outcome *outcome_of(const agent_deploy_change *c, uint64_t release) {
    for (size_t i = 0; c->state != NULL && i < c->state->n_outcomes; i++)
        if (c->state->outcomes[i]->release == release) return c->state->outcomes[i];
    return NULL;
}

static bool has_failed(const Warren__Deploy__Outcome *outcome) {
    return outcome != NULL && outcome->phase != WARREN__DEPLOY__STATE__PHASE__DONE;
}

static bool is_same(const agent_deploy_change *c, uint64_t a, uint64_t b) {
    return a == b || (a != 0 && b != 0 && c->history.is_same(c->history.user, a, b));
}

static bool is_way_back(const agent_deploy_change *c, uint64_t release) {
    return release != 0 && c->history.has(c->history.user, release) &&
           !has_failed(outcome_of(c, release)) && !is_same(c, release, agent_deploy_running(c));
}

uint64_t agent_deploy_last_served(const agent_deploy_change *c) {
    const Warren__Deploy__Outcome *last = NULL;
    for (size_t i = 0; c->state != NULL && i < c->state->n_outcomes; i++) {
        const Warren__Deploy__Outcome *o = c->state->outcomes[i];
        bool is_later = o->served > (last != NULL ? last->served : 0);
        if (is_later && is_way_back(c, o->release)) last = o;
    }
    if (last != NULL) return last->release;
    // Deployed before outcomes were written down.
    uint64_t known[] = {previous_of(c), c->now != NULL ? c->now->previous : 0};
    for (size_t i = 0; i < 2; i++)
        if (is_way_back(c, known[i])) return known[i];
    return 0;
}

static int judge_way_back(const agent_deploy_change *c, uint64_t release, agent_refusal *refusal) {
    const Warren__Deploy__Outcome *outcome = outcome_of(c, release);
    unsigned long long number = release, running = agent_deploy_running(c);
    if (!c->history.has(c->history.user, release))
        return refuse(refusal, NOT_FOUND,
                      "%.63s has no release %llu (`warren releases %.63s` lists them)", c->project,
                      number, c->project);
    if (release == running)
        return refuse(refusal, FAILED, "release %llu of %.63s runs already", number, c->project);
    if (is_same(c, release, running))
        return refuse(
            refusal, FAILED,
            "release %llu of %.63s is the same as release %llu, which runs: nothing would "
            "change (`warren releases %.63s` lists others)",
            number, c->project, running, c->project);
    if (has_failed(outcome) && outcome->served == 0)
        return refuse(refusal, FAILED,
                      "release %llu of %.63s never served (%.120s): `warren deploy` in its "
                      "directory tries it anew, `warren releases %.63s` lists those that served",
                      number, c->project, outcome->why, c->project);
    return 0;
}

int agent_deploy_rollback(const agent_deploy_change *c, uint64_t release, agent_deploy_wanted *out,
                          agent_refusal *refusal) {
    if (c->now == NULL) return no_project(c, refusal);
    int err = judge_open(c, refusal);
    if (err == 0 && release != 0) err = judge_way_back(c, release, refusal);
    if (err != 0) return err;
    if (release == 0) release = agent_deploy_last_served(c);
    if (release == 0)
        return refuse(refusal, FAILED,
                      "no other release of %.63s has served before, so there is none to go back "
                      "to: `warren deploy` brings a new one (`warren releases %.63s` lists what "
                      "there is, `warren rollback %.63s --to N` takes one of them)",
                      c->project, c->project, c->project);
    begin(c, out);
    out->project.release = release;
    out->project.is_promoted = true; // it ran before: nobody waits for its canaries
    return 0;
}

// ----

static Warren__Deploy__Scaled *scaled_of(agent_deploy_wanted *out, const char *service) {
    Warren__Deploy__Project *p = &out->project;
    for (size_t i = 0; i < p->n_scaled; i++)
        if (strcmp(p->scaled[i]->service, service) == 0) return p->scaled[i];
    if (p->n_scaled == AGENT_DEPLOY_SCALED_MAX) return NULL;
    Warren__Deploy__Scaled *scaled = &out->scaled[p->n_scaled];
    warren__deploy__scaled__init(scaled);
    out->list[p->n_scaled++] = scaled;
    return scaled;
}

int agent_deploy_scale(const agent_deploy_change *c, const Warren__Agent__ChangeProject *body,
                       uint32_t instances, agent_deploy_wanted *out, agent_refusal *refusal) {
    if (c->now == NULL) return no_project(c, refusal);
    int err = judge_open(c, refusal);
    if (err != 0) return err;
    begin(c, out);
    out->project.before = out->project.release = agent_deploy_running(c);
    Warren__Deploy__Scaled *scaled = scaled_of(out, body->service);
    if (scaled == NULL)
        return refuse(refusal, FAILED, "more than %d services of %.63s are scaled by hand",
                      AGENT_DEPLOY_SCALED_MAX, c->project);
    uint32_t now = scaled->service[0] != '\0' ? scaled->instances : instances;
    int64_t wanted = body->is_relative ? (int64_t)now + body->count : body->count;
    if (wanted < 0 || wanted > AGENT_INSTANCES_MAX)
        return refuse(refusal, USAGE, "%.63s can have 0 to %d instances, not %lld", body->service,
                      AGENT_INSTANCES_MAX, (long long)wanted);
    scaled->service = body->service;
    scaled->instances = (uint32_t)wanted;
    return 0;
}

int agent_deploy_down(const agent_deploy_change *c, agent_deploy_wanted *out,
                      agent_refusal *refusal) {
    if (c->now == NULL) return no_project(c, refusal);
    begin(c, out);
    out->project.release = 0;
    out->project.n_scaled = 0;
    return 0;
}

int agent_deploy_forget(const agent_deploy_change *c, bool has_more, agent_refusal *refusal) {
    if (c->now == NULL) return has_more ? 0 : no_project(c, refusal);
    int err = judge_open(c, refusal);
    if (err != 0) return err;
    uint64_t running = agent_deploy_running(c);
    if (running == 0) return 0;
    return refuse(refusal, FAILED,
                  "release %llu of %.63s runs, and what runs is not forgotten: `warren down "
                  "--project %.63s` ends it first",
                  (unsigned long long)running, c->project, c->project);
}
