// What is asked for and what becomes of it, as every host of the cluster sees it in the store, for
// `warren events`. What was so when this agent began is no event.
#include <stdlib.h>
#include <string.h>

#include "agent/deployer_state.h"
#include "agent/events.h"
#include "core/mem.h"

static deployer_known *known_of(agent_deployer *d, const char *project) {
    for (deployer_known *k = d->known; k != NULL; k = k->next)
        if (strcmp(k->project, project) == 0) return k;
    deployer_known *k = mem_alloc(sizeof *k);
    k->project = mem_copy(project, strlen(project) + 1);
    k->next = d->known;
    d->known = k;
    return k;
}

// With %s: the project, and its release.
static void tell_project(const deployer_known *k, const char *name,
                         const Warren__Deploy__Project *now) {
    agent_entry entry = {.type = "deploy", .project = name, .who = now->by};
    unsigned long long release = now->release;
    if (now->is_aborted && !k->is_aborted) {
        entry.type = "abort";
        agent_events_add(&entry, "%.63s: its deployment %llu is taken back, says %.60s on %.63s",
                         name, (unsigned long long)now->deployment, now->by, now->host);
    } else if (now->is_promoted && !k->is_promoted && now->deployment == k->deployment) {
        entry.type = "promote";
        agent_events_add(&entry,
                         "%.63s: the canaries of release %llu are good, says %.60s on "
                         "%.63s",
                         name, release, now->by, now->host);
    } else if (now->deployment == k->deployment) {
        return;
    } else if (now->release == 0) {
        entry.type = "down";
        agent_events_add(&entry, "%.63s is taken down by %.60s on %.63s", name, now->by, now->host);
    } else if (now->release == now->before) {
        entry.type = "scale";
        agent_events_add(&entry, "%.63s is scaled by %.60s on %.63s", name, now->by, now->host);
    } else if (now->release < k->release || now->release <= now->before) {
        entry.type = "rollback";
        agent_events_add(&entry, "%.63s goes back to release %llu, says %.60s on %.63s", name,
                         release, now->by, now->host);
    } else {
        agent_events_add(&entry, "%.63s: release %llu is deployed by %.60s on %.63s", name, release,
                         now->by, now->host);
    }
}

static void take_project(agent_deployer *d, const char *name, mesh_bytes value) {
    Warren__Deploy__Project *now = warren__deploy__project__unpack(NULL, value.len, value.data);
    if (now == NULL) return;
    deployer_known *k = known_of(d, name);
    if (!d->is_settling) tell_project(k, name, now);
    k->deployment = now->deployment;
    k->release = now->release;
    k->is_promoted = now->is_promoted;
    k->is_aborted = now->is_aborted;
    warren__deploy__project__free_unpacked(now, NULL);
}

static void tell_state(const char *name, const Warren__Deploy__State *state) {
    unsigned long long to = state->to, from = state->from;
    double took_s =
        state->at_ms > state->began_at_ms ? (double)(state->at_ms - state->began_at_ms) / 1000 : 0;
    if (state->phase == WARREN__DEPLOY__STATE__PHASE__DONE && state->to == 0)
        agent_events_add(&(agent_entry){.type = "deployed", .project = name},
                         "%.63s is down, after %.1f s", name, took_s);
    else if (state->phase == WARREN__DEPLOY__STATE__PHASE__DONE)
        agent_events_add(&(agent_entry){.type = "deployed", .project = name},
                         "%.63s runs release %llu everywhere, after %.1f s", name, to, took_s);
    else if (state->phase == WARREN__DEPLOY__STATE__PHASE__RETURNED && from == 0)
        agent_events_add(&(agent_entry){.type = "deploy-failed", .project = name},
                         "%.63s: release %llu failed, and nothing of it runs: %.500s", name, to,
                         state->why);
    else if (state->phase == WARREN__DEPLOY__STATE__PHASE__RETURNED)
        agent_events_add(&(agent_entry){.type = "deploy-failed", .project = name},
                         "%.63s: release %llu failed, and release %llu runs as before: %.500s",
                         name, to, from, state->why);
    else
        agent_events_add(&(agent_entry){.type = "deploy-failed", .project = name},
                         "%.63s: release %llu failed, and not all could be brought back to release "
                         "%llu: %.500s",
                         name, to, from, state->why);
}

static void take_state(agent_deployer *d, const char *name, mesh_bytes value) {
    Warren__Deploy__State *state = warren__deploy__state__unpack(NULL, value.len, value.data);
    if (state == NULL) return;
    deployer_known *k = known_of(d, name);
    bool is_final = state->phase >= WARREN__DEPLOY__STATE__PHASE__DONE;
    bool is_news = is_final && state->deployment != k->told_deployment;
    if (is_news && !d->is_settling) tell_state(name, state);
    if (is_final) k->told_deployment = state->deployment;
    warren__deploy__state__free_unpacked(state, NULL);
}

// It is forgotten: one of its name that comes later begins anew, with deployment 1.
static void forget(agent_deployer *d, const char *name) {
    deployer_known *k = known_of(d, name);
    k->deployment = k->release = k->told_deployment = 0;
    k->is_promoted = k->is_aborted = false;
}

void deployer_events_pair(agent_deployer *d, const agent_mirror_pair *pair, bool is_gone) {
    char name[STORE_KEY_LEN_MAX + 1];
    if (is_gone && deployer_key_rest(pair->key, "deploy/project/", name))
        forget(d, name);
    else if (is_gone)
        return;
    else if (deployer_key_rest(pair->key, "deploy/project/", name))
        take_project(d, name, pair->value);
    else if (deployer_key_rest(pair->key, "deploy/state/", name))
        take_state(d, name, pair->value);
}

void deployer_events_close(agent_deployer *d) {
    for (deployer_known *k; (k = d->known) != NULL;) {
        d->known = k->next;
        free(k->project);
        free(k);
    }
}
