// The rules that deployments keep:
// D1 no more than `parallel` instances of a service are being replaced
// D2 a release with a service that never starts is never called done
// D3 a service with `stop_after` runs on one host at a time
// D4 what serves does not become less than is wanted, but for `parallel` of them, without a fault
// D5 versions of an order grow, and an attempt has one release
// D6 a deployment ends, and what runs then is what its State says
// D7 what is settled is written no more, and nobody turns without a reason
// D8 transactions keep their bounds (deploy_leader.c)
// D9 when a deployment is done its new instances are well, as far as the leader could have heard,
//    and none of them needed a second life for that
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy_sim.h"

static const char *const project_names[SIM_PROJECTS] = {"p", "q"};

static deploy_key key_of(deploy_record_kind kind, const char *owner, const char *service) {
    deploy_key key = {.kind = kind};
    (void)snprintf(key.owner, sizeof key.owner, "%s", owner);
    (void)snprintf(key.service, sizeof key.service, "%s", service);
    return key;
}

static Warren__Deploy__State *state_of(const sim_world *w, uint32_t project) {
    return (Warren__Deploy__State *)sim_store_message(
        w, key_of(DEPLOY_RECORD_STATE, project_names[project], ""));
}

static Warren__Deploy__Placed *placed_of(const sim_world *w, uint32_t service) {
    return (Warren__Deploy__Placed *)sim_store_message(
        w, key_of(DEPLOY_RECORD_PLACED, sim_service_name(service), ""));
}

static Warren__Deploy__Order *order_of(const sim_world *w, uint32_t host, uint32_t service) {
    return (Warren__Deploy__Order *)sim_store_message(
        w, key_of(DEPLOY_RECORD_ORDER, sim_host_name(host), sim_service_name(service)));
}

static bool read_rollout(const sim_world *w, uint32_t service, deploy_rollout *out) {
    char text[DEPLOY_KEY_MAX];
    deploy_key key = key_of(DEPLOY_RECORD_ROLLOUT, sim_service_name(service), "");
    deploy_key_write(&key, text);
    const sim_pair *pair = sim_store_get(&w->store, text);
    return pair != NULL && deploy_rollout_read((mesh_bytes){pair->value, pair->len}, 0, out) == 0;
}

static bool is_reachable(const sim_world *w, uint32_t host) {
    const sim_host *h = &w->hosts[host];
    return h->is_up && !h->is_cut && h->has_key && !h->must_list;
}

static bool is_same(const sim_world *w, uint32_t service, uint64_t a, uint64_t b) {
    const sim_project *p = &w->projects[sim_project_of(service)];
    return p->releases[a].manifest == p->releases[b].manifest;
}

// ---- D1

// It has been told another program than the one that serves, which goes on until that is ready.
static uint32_t count_replaced(const sim_world *w, uint32_t service, uint64_t to) {
    uint32_t count = 0;
    for (uint32_t h = 0; h < SIM_HOSTS; h++) {
        Warren__Deploy__Order *order = order_of(w, h, service);
        for (size_t i = 0; order != NULL && is_reachable(w, h) && i < order->n_instances; i++) {
            const sim_instance *of = &w->hosts[h].services[service].instances[i];
            const Warren__Deploy__Wanted *wanted = order->instances[i];
            bool is_over = of->state == SIM_FAILED && of->attempt == wanted->attempt;
            count += wanted->release == to && of->runs != 0 && !is_over &&
                     !is_same(w, service, of->runs, to);
        }
        if (order != NULL) deploy_record_free(&order->base);
    }
    return count;
}

static void check_parallel(sim_world *w, uint32_t service) {
    static deploy_rollout r;
    if (!read_rollout(w, service, &r)) return;
    const sim_program *of =
        &w->projects[sim_project_of(service)].releases[r.options.to].of[service];
    uint32_t parallel = of->parallel > 0 ? of->parallel : 1;
    if (w->rolled_to[service] != r.options.to) w->parallel_before[service] = w->parallel[service];
    w->rolled_to[service] = r.options.to;
    w->parallel[service] = r.options.parallel;
    if (r.phase != DEPLOY_FORWARD) return;
    // What another deployment has left in the midst goes on.
    if (parallel < w->parallel_before[service]) parallel = w->parallel_before[service];
    uint32_t count = count_replaced(w, service, r.options.to);
    if (count > parallel)
        sim_violate(w, "D1: %u instances of %s are replaced at a time, not %u", count,
                    sim_service_name(service), parallel);
}

// ---- D9

// What the log had of this key then; NULL: nothing.
static const sim_change *find_change(const sim_world *w, size_t known, deploy_key key) {
    char text[DEPLOY_KEY_MAX];
    deploy_key_write(&key, text);
    for (size_t i = known; i > 0; i--)
        if (strcmp(w->store.log[i - 1].key, text) == 0)
            return w->store.log[i - 1].is_delete ? NULL : &w->store.log[i - 1];
    return NULL;
}

static void check_new(sim_world *w, uint32_t service, const Warren__Deploy__Slot *slot,
                      uint32_t attempt, uint64_t began_at_ms, size_t known) {
    const char *why, *name = sim_service_name(service);
    const sim_change *change =
        find_change(w, known, key_of(DEPLOY_RECORD_REPORT, slot->host, name));
    const sim_host *host = &w->hosts[slot->host[1] - '0'];
    // Who was away may be given again what it had before, and is not looked at after the end.
    bool was_there = host->announced_at_ms < began_at_ms &&
                     find_change(w, known, key_of(DEPLOY_RECORD_HOST, slot->host, "")) != NULL;
    if (change == NULL || !was_there) return;
    ProtobufCMessage *message =
        deploy_record_decode(DEPLOY_RECORD_REPORT, (mesh_bytes){change->value, change->len}, &why);
    const Warren__Deploy__Report *report = (const Warren__Deploy__Report *)message;
    const Warren__Deploy__Present *present =
        slot->index < report->n_instances ? report->instances[slot->index] : NULL;
    bool is_it = present != NULL && present->attempt == attempt;
    const sim_instance *of = &host->services[service].instances[slot->index];
    if (is_it && present->state != WARREN__DEPLOY__PRESENT__STATE__READY)
        sim_violate(w, "D9: it is done, and %s.%u@%s is not well", name, slot->index, slot->host);
    if (is_it && of->attempt == attempt && of->is_second_chance)
        sim_violate(w, "D9: it is done, and %s.%u@%s had a second life", name, slot->index,
                    slot->host);
    deploy_record_free(message);
}

static void check_well(sim_world *w, uint32_t service, uint64_t began_at_ms, size_t known) {
    static deploy_rollout r;
    Warren__Deploy__Placed *placed = placed_of(w, service);
    bool has_rollout = placed != NULL && read_rollout(w, service, &r);
    for (size_t i = 0; has_rollout && i < placed->n_slots; i++) {
        const Warren__Deploy__Slot *slot = placed->slots[i];
        bool is_looked_at = slot->slot < r.options.instances && !slot->is_lost &&
                            !slot->is_stand_in && slot->lost_at_ms == 0;
        if (is_looked_at && r.slots[slot->slot].step == DEPLOY_NEW && !r.slots[slot->slot].is_lost)
            check_new(w, service, slot, r.slots[slot->slot].attempt, began_at_ms, known);
    }
    if (placed != NULL) deploy_record_free(&placed->base);
}

// ---- D2 and what becomes of a deployment

static void check_done(sim_world *w, uint32_t project, const Warren__Deploy__State *state,
                       size_t known) {
    uint64_t release = state->to;
    for (uint32_t s = 0; s < SIM_SERVICES && release > 0; s++)
        if (sim_project_of(s) == project) check_well(w, s, state->began_at_ms, known);
    for (uint32_t s = 0; s < SIM_SERVICES && release > 0; s++) {
        const sim_program *of = &w->projects[project].releases[release].of[s];
        if (sim_project_of(s) != project || !of->is_there || of->share < 100) continue;
        Warren__Deploy__Placed *placed = placed_of(w, s);
        if (placed != NULL && placed->n_slots > 0)
            sim_violate(w, "D2: release %" PRIu64 " of %s is done, and %s never starts", release,
                        project_names[project], sim_service_name(s));
        if (placed != NULL) deploy_record_free(&placed->base);
    }
}

static void check_state(sim_world *w, uint32_t project, size_t known) {
    Warren__Deploy__State *state = state_of(w, project);
    sim_project *p = &w->projects[project];
    if (state == NULL) return;
    bool is_news = state->deployment != p->state_deployment || state->phase != p->phase;
    if (is_news) {
        static const char *const names[] = {"preparing", "rolling",  "canary", "back",
                                            "done",      "returned", "broken"};
        sim_say(w, "%s: deployment %" PRIu64 " is %s %s", project_names[project], state->deployment,
                names[state->phase], state->why);
        w->done += state->phase == WARREN__DEPLOY__STATE__PHASE__DONE;
        w->returned += state->phase == WARREN__DEPLOY__STATE__PHASE__RETURNED;
        w->broken += state->phase == WARREN__DEPLOY__STATE__PHASE__BROKEN;
        if (state->phase == WARREN__DEPLOY__STATE__PHASE__DONE)
            check_done(w, project, state, known);
        if (state->phase > WARREN__DEPLOY__STATE__PHASE__DONE && state->why[0] == '\0')
            sim_violate(w, "D6: it went back, and nothing says why");
    }
    if (state->deployment != p->state_deployment) {
        p->is_clean = p->state_deployment == 0 || p->phase == WARREN__DEPLOY__STATE__PHASE__DONE;
        p->clean_from = state->from;
    }
    p->state_deployment = state->deployment;
    p->phase = state->phase;
    deploy_record_free(&state->base);
}

// ---- D3

static void check_single(sim_world *w) {
    uint32_t hosts = 0;
    for (uint32_t h = 0; h < SIM_HOSTS; h++) {
        bool runs = false;
        for (uint32_t i = 0; w->hosts[h].is_up && i < SIM_INDEXES; i++) {
            const sim_instance *of = &w->hosts[h].services[SIM_SINGLE].instances[i];
            runs |= of->runs != 0 || of->state == SIM_STARTING;
        }
        hosts += runs;
    }
    if (hosts > 1) sim_violate(w, "D3: %s runs on %u hosts", sim_service_name(SIM_SINGLE), hosts);
}

// ---- D4

static uint32_t parallel_of(const sim_world *w, uint32_t service) {
    static deploy_rollout r;
    if (!read_rollout(w, service, &r)) return 0;
    const sim_project *p = &w->projects[sim_project_of(service)];
    uint32_t parallel = p->releases[r.options.to].of[service].parallel;
    return parallel > 0 ? parallel : 1;
}

static void lower_floor(sim_world *w, uint32_t service) {
    Warren__Deploy__Placed *placed = placed_of(w, service);
    uint32_t count = placed != NULL ? (uint32_t)placed->n_slots : 0;
    if (placed != NULL) deploy_record_free(&placed->base);
    if (w->floor[service] > count) w->floor[service] = count;
}

// As the leader has said it.
static uint32_t count_ready(const sim_world *w, uint32_t service) {
    Warren__Deploy__State *state = state_of(w, sim_project_of(service));
    uint32_t ready = 0;
    for (size_t i = 0; state != NULL && i < state->n_services; i++)
        if (strcmp(state->services[i]->service, sim_service_name(service)) == 0)
            ready = state->services[i]->ready;
    if (state != NULL) deploy_record_free(&state->base);
    return ready;
}

static void check_serving(sim_world *w, uint32_t service) {
    static deploy_rollout r;
    if (w->has_faults || service == SIM_SINGLE) return;
    // It did not run before, and so it goes back to nothing, however many of it are ready.
    if (read_rollout(w, service, &r) && r.options.from == 0 && r.phase >= DEPLOY_BACK &&
        r.phase != DEPLOY_DONE) {
        w->floor[service] = 0;
        return;
    }
    uint32_t serving = sim_serving(w, service), parallel = parallel_of(w, service);
    Warren__Deploy__Placed *placed = placed_of(w, service);
    uint32_t count = placed != NULL ? (uint32_t)placed->n_slots : 0;
    if (placed != NULL) deploy_record_free(&placed->base);
    if (serving + parallel < w->floor[service])
        sim_violate(w, "D4: %u of %s serve, %u did and are wanted", serving,
                    sim_service_name(service), w->floor[service]);
    if (count_ready(w, service) >= count) w->floor[service] = count;
}

// ---- D5

static bool is_attempt_reused(const Warren__Deploy__Order *before,
                              const Warren__Deploy__Order *after) {
    for (size_t i = 0; i < before->n_instances && i < after->n_instances; i++) {
        const Warren__Deploy__Wanted *was = before->instances[i], *is = after->instances[i];
        if (is->release == 0 || was->release == 0) continue;
        if (is->attempt < was->attempt) return true;
        if (is->attempt == was->attempt && is->release != was->release) return true;
    }
    return false;
}

static void check_versions(sim_world *w) {
    const sim_store *s = &w->store;
    for (size_t i = s->log_count; i > 0 && s->log[i - 1].revision == s->revision; i--) {
        const sim_change *change = &s->log[i - 1];
        deploy_key key;
        if (change->is_delete || !deploy_key_read(mesh_bytes_text(change->key), &key) ||
            key.kind != DEPLOY_RECORD_ORDER)
            continue;
        size_t j = i - 1;
        while (j > 0 && strcmp(s->log[j - 1].key, change->key) != 0)
            j--;
        if (j == 0 || s->log[j - 1].is_delete) continue;
        const char *why;
        const sim_change *was = &s->log[j - 1];
        ProtobufCMessage *before = deploy_record_decode(key.kind,
                                                        (mesh_bytes){was->value, was->len}, &why),
                         *after = deploy_record_decode(
                             key.kind, (mesh_bytes){change->value, change->len}, &why);
        const Warren__Deploy__Order *x = (const Warren__Deploy__Order *)before,
                                    *y = (const Warren__Deploy__Order *)after;
        if (x != NULL && y != NULL && (y->version <= x->version || is_attempt_reused(x, y)))
            sim_violate(w, "D5: %s has version %" PRIu64 " after %" PRIu64, change->key, y->version,
                        x->version);
        deploy_record_free(before);
        deploy_record_free(after);
    }
}

// ---- while it goes on

void sim_check_commit(sim_world *w, size_t known) {
    check_versions(w);
    for (uint32_t p = 0; p < SIM_PROJECTS; p++)
        check_state(w, p, known);
    for (uint32_t s = 0; s < SIM_SERVICES; s++) {
        check_parallel(w, s);
        lower_floor(w, s);
    }
}

void sim_check_step(sim_world *w) {
    check_single(w);
    for (uint32_t s = 0; s < SIM_SERVICES; s++)
        check_serving(w, s);
}

// ---- at the end

bool sim_is_settled(const sim_world *w) {
    for (uint32_t i = 0; i < SIM_PROJECTS; i++) {
        const sim_project *p = &w->projects[i];
        bool is_final = p->phase >= WARREN__DEPLOY__STATE__PHASE__DONE;
        if (p->last > 0 && (p->state_deployment != p->deployment || !is_final)) return false;
    }
    return true;
}

static const Warren__Deploy__ServiceState *said_of(const Warren__Deploy__State *state,
                                                   uint32_t service) {
    for (size_t i = 0; state != NULL && i < state->n_services; i++)
        if (strcmp(state->services[i]->service, sim_service_name(service)) == 0)
            return state->services[i];
    return NULL;
}

static bool is_placed(const Warren__Deploy__Placed *placed, uint32_t host, uint32_t index) {
    for (size_t i = 0; placed != NULL && i < placed->n_slots; i++)
        if (placed->slots[i]->index == index &&
            strcmp(placed->slots[i]->host, sim_host_name(host)) == 0)
            return true;
    return false;
}

static void check_instance(sim_world *w, uint32_t service, uint32_t host, uint32_t index,
                           const Warren__Deploy__State *state) {
    const sim_instance *of = &w->hosts[host].services[service].instances[index];
    const sim_project *p = &w->projects[sim_project_of(service)];
    if (of->state != SIM_READY) return;
    if (of->runs != of->release)
        sim_violate(w, "D6: %s.%u@%s runs release %" PRIu64 ", not %" PRIu64,
                    sim_service_name(service), index, sim_host_name(host), of->runs, of->release);
    uint64_t release = state->phase == WARREN__DEPLOY__STATE__PHASE__DONE ? state->to : state->from;
    bool is_known = state->phase == WARREN__DEPLOY__STATE__PHASE__DONE ||
                    (p->is_clean && state->phase == WARREN__DEPLOY__STATE__PHASE__RETURNED);
    if (is_known && !is_same(w, service, of->runs, release))
        sim_violate(w, "D6: %s.%u@%s runs release %" PRIu64 ", and all of it should be %" PRIu64,
                    sim_service_name(service), index, sim_host_name(host), of->runs, release);
}

static void check_service(sim_world *w, uint32_t service, const Warren__Deploy__State *state) {
    Warren__Deploy__Placed *placed = placed_of(w, service);
    const Warren__Deploy__ServiceState *said = said_of(state, service);
    uint32_t serving = 0, leaving = 0;
    for (uint32_t h = 0; h < SIM_HOSTS; h++)
        for (uint32_t i = 0; i < SIM_INDEXES; i++) {
            const sim_instance *of = &w->hosts[h].services[service].instances[i];
            if (is_placed(placed, h, i)) {
                serving += of->state == SIM_READY;
                if (state != NULL) check_instance(w, service, h, i, state);
            } else {
                leaving += of->runs != 0 || of->state != SIM_NONE;
            }
        }
    uint32_t count = placed != NULL ? (uint32_t)placed->n_slots : 0;
    uint32_t wanted = said != NULL ? said->wanted : 0, ready = said != NULL ? said->ready : 0;
    if (ready != serving)
        sim_violate(w, "D6: %u of %s are ready, and %u serve", ready, sim_service_name(service),
                    serving);
    if (count > wanted)
        sim_violate(w, "D6: %u of %s are wanted, and %u placed", wanted, sim_service_name(service),
                    count);
    // One that cannot begin leaves who was there before it.
    if (leaving > count - serving)
        sim_violate(w, "D6: %u of %s run where none should", leaving, sim_service_name(service));
    bool is_short = said != NULL && said->ready < said->wanted && said->unplaced[0] == '\0';
    if (is_short)
        sim_violate(w, "D6: %u of %u of %s are ready, and nothing says why", ready, wanted,
                    sim_service_name(service));
    if (placed != NULL) deploy_record_free(&placed->base);
}

void sim_check_end(sim_world *w) {
    if (!sim_is_settled(w)) {
        sim_violate(w, "D6: it does not end");
        return;
    }
    if (w->now_ms < w->written_at_ms + SIM_QUIET_MS) {
        sim_violate(w, "D7: it writes on and on");
        return;
    }
    for (uint32_t p = 0; p < SIM_PROJECTS; p++) {
        Warren__Deploy__State *state = state_of(w, p);
        for (uint32_t s = 0; s < SIM_SERVICES; s++)
            if (sim_project_of(s) == p) check_service(w, s, state);
        if (state != NULL) deploy_record_free(&state->base);
    }
}
