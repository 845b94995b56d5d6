// The operators of deploy_sim, and what befalls hosts.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "deploy_sim.h"

static const char *const project_names[SIM_PROJECTS] = {"p", "q"};

static deploy_key key_of(deploy_record_kind kind, const char *owner, uint64_t number,
                         const char *service) {
    deploy_key key = {.kind = kind, .number = number};
    (void)snprintf(key.owner, sizeof key.owner, "%s", owner);
    (void)snprintf(key.service, sizeof key.service, "%s", service);
    return key;
}

// ---- releases

static void change_program(sim_world *w, sim_project *p, sim_program *of) {
    static const uint32_t shares[] = {0, 0, 0, 15, 100};
    of->program = ++p->programs;
    of->share = shares[sim_below(w, 5)];
}

static void change_options(sim_world *w, uint32_t service, sim_program *of) {
    of->count = service == SIM_SINGLE ? 1 : sim_below(w, 7);
    of->parallel = sim_below(w, 4);
    of->canaries = sim_below(w, 4) == 0 ? 1 + sim_below(w, 2) : 0;
    of->failures_max = sim_below(w, 3);
    of->is_spread = sim_below(w, 2) == 0;
    of->needs_label = sim_below(w, 5) == 0;
    of->kind = service != SIM_SINGLE && sim_below(w, 6) == 0 ? 1 : 0;
    if (of->kind == 1) of->count = 1;
    of->disconnect = service == SIM_SINGLE ? 2 : sim_below(w, 2);
}

// Like the last one, more or less.
static uint64_t make_release(sim_world *w, uint32_t project) {
    sim_project *p = &w->projects[project];
    sim_release *r = &p->releases[p->last + 1];
    *r = p->releases[p->last];
    bool is_new = p->last == 0 || sim_below(w, 3) > 0;
    p->last++;
    r->manifest += is_new;
    for (uint32_t s = 0; s < SIM_SERVICES; s++) {
        sim_program *of = &r->of[s];
        if (sim_project_of(s) != project) continue;
        if (is_new) change_program(w, p, of);
        if (p->last == 1 || sim_below(w, 3) == 0) change_options(w, s, of);
        of->is_there = sim_below(w, 8) > 0;
    }
    return p->last;
}

static void put_spec(sim_world *w, uint32_t project, uint64_t number, uint32_t service) {
    const sim_program *of = &w->projects[project].releases[number].of[service];
    Warren__Deploy__Spec spec = WARREN__DEPLOY__SPEC__INIT;
    Warren__Deploy__Update update = WARREN__DEPLOY__UPDATE__INIT;
    Warren__Agent__Run run = WARREN__AGENT__RUN__INIT;
    Warren__Deploy__Label label = WARREN__DEPLOY__LABEL__INIT, *labels[] = {&label};
    label.key = (char *)"disk";
    label.value = (char *)"fast";
    run.name = (char *)sim_service_name(service);
    run.entry = (char *)"./main.js";
    run.grace_ms = SIM_GRACE_MS;
    run.instances = of->count;
    spec.run = &run;
    spec.update = &update;
    spec.count = of->count;
    spec.kind = (Warren__Deploy__Spec__Count)of->kind;
    spec.requires = labels;
    spec.n_requires = of->needs_label;
    spec.is_spread = of->is_spread;
    spec.disconnect = (Warren__Deploy__Spec__Disconnect)of->disconnect;
    spec.disconnect_ms = of->disconnect == 2 ? SIM_STOP_AFTER_MS : 3000;
    update.parallel = of->parallel + (sim_is_bug(w, SIM_BUG_PARALLEL) ? 3 : 0);
    update.canaries = of->canaries;
    update.promote_ms = of->canaries == 2 ? 3000 : 0;
    update.failures_max = of->failures_max;
    update.ready_ms = SIM_READY_MS;
    update.settle_ms = 300;
    sim_store_put_message(
        w, key_of(DEPLOY_RECORD_SPEC, project_names[project], number, sim_service_name(service)),
        &spec.base);
}

static void put_release(sim_world *w, uint32_t project, uint64_t number) {
    Warren__Deploy__Release release = WARREN__DEPLOY__RELEASE__INIT;
    const sim_release *r = &w->projects[project].releases[number];
    char *names[SIM_SERVICES];
    uint8_t hash[32] = {(uint8_t)r->manifest, (uint8_t)project};
    release.number = number;
    release.manifest_hash = (ProtobufCBinaryData){sizeof hash, hash};
    release.services = names;
    sim_store_begin(w);
    for (uint32_t s = 0; s < SIM_SERVICES; s++) {
        if (sim_project_of(s) != project || !r->of[s].is_there) continue;
        names[release.n_services++] = (char *)sim_service_name(s);
        put_spec(w, project, number, s);
    }
    sim_store_put_message(w, key_of(DEPLOY_RECORD_RELEASE, project_names[project], number, ""),
                          &release.base);
}

// ---- what is wanted

static void put_project(sim_world *w, uint32_t project) {
    sim_project *p = &w->projects[project];
    Warren__Deploy__Project message = WARREN__DEPLOY__PROJECT__INIT;
    Warren__Deploy__Scaled scaled[SIM_SERVICES], *of[SIM_SERVICES];
    message.deployment = p->deployment;
    message.release = p->release;
    message.before = p->before;
    message.by = (char *)"somebody";
    message.is_promoted = p->is_promoted;
    message.is_aborted = p->is_aborted;
    message.scaled = of;
    for (uint32_t s = 0; s < SIM_SERVICES; s++) {
        if (!p->is_scaled[s]) continue;
        warren__deploy__scaled__init(&scaled[s]);
        scaled[s].service = (char *)sim_service_name(s);
        scaled[s].instances = p->scaled[s];
        of[message.n_scaled++] = &scaled[s];
    }
    sim_store_begin(w);
    sim_store_put_message(w, key_of(DEPLOY_RECORD_PROJECT, project_names[project], 0, ""),
                          &message.base);
}

static bool can_be_deployed(const sim_world *w, uint32_t project, uint64_t number) {
    char text[DEPLOY_KEY_MAX];
    deploy_key key = key_of(DEPLOY_RECORD_RELEASE, project_names[project], number, "");
    deploy_key_write(&key, text);
    return sim_store_get(&w->store, text) != NULL;
}

static void want(sim_world *w, uint32_t project, uint64_t release) {
    sim_project *p = &w->projects[project];
    p->deployment++;
    p->before = p->release;
    p->release = release;
    p->is_promoted = p->is_aborted = false;
    put_project(w, project);
    sim_say(w, "deployment %" PRIu64 " of %s: release %" PRIu64, p->deployment,
            project_names[project], release);
}

static void deploy(sim_world *w, uint32_t project) {
    sim_project *p = &w->projects[project];
    if (p->last + 1 >= SIM_RELEASES) return;
    uint64_t number = make_release(w, project);
    put_release(w, project, number);
    for (uint32_t s = 0; s < SIM_SERVICES; s++)
        if (sim_below(w, 2) == 0) p->is_scaled[s] = false;
    want(w, project, number);
}

static void roll_back(sim_world *w, uint32_t project) {
    uint64_t number = 1 + sim_below(w, (uint32_t)w->projects[project].last);
    if (can_be_deployed(w, project, number)) want(w, project, number);
}

static void scale(sim_world *w, uint32_t project) {
    sim_project *p = &w->projects[project];
    uint32_t service = project == 0 ? sim_below(w, 2) : 3;
    if (!can_be_deployed(w, project, p->release)) return;
    p->is_scaled[service] = true;
    p->scaled[service] = sim_below(w, 7);
    sim_say(w, "%s is scaled to %u", sim_service_name(service), p->scaled[service]);
    want(w, project, p->release);
}

static void flag(sim_world *w, uint32_t project, bool is_abort) {
    sim_project *p = &w->projects[project];
    sim_say(w, "%s of %s", is_abort ? "abort" : "promote", project_names[project]);
    p->is_aborted |= is_abort;
    p->is_promoted |= !is_abort;
    put_project(w, project);
}

static void drain(sim_world *w, uint32_t host, bool is_over) {
    Warren__Deploy__Drained message = WARREN__DEPLOY__DRAINED__INIT;
    char text[DEPLOY_KEY_MAX];
    deploy_key key = key_of(DEPLOY_RECORD_DRAINED, sim_host_name(host), 0, "");
    deploy_key_write(&key, text);
    bool is_drained = sim_store_get(&w->store, text) != NULL;
    if (is_drained == !is_over) return;
    sim_say(w, "%s %s", is_over ? "undrain" : "drain", sim_host_name(host));
    sim_store_begin(w);
    if (is_over)
        sim_store_delete(w, text);
    else
        sim_store_put_message(w, key, &message.base);
}

static void befall(sim_world *w) {
    uint32_t host = sim_below(w, SIM_HOSTS);
    switch (sim_below(w, 4)) {
    case 0: sim_host_lose(w, host); break;
    case 1: sim_host_cut(w, host, 500 + sim_below(w, 12000)); break;
    default: break;
    }
}

static void operate(sim_world *w) {
    uint32_t project = sim_below(w, 4) == 0;
    const sim_project *p = &w->projects[project];
    uint32_t what = sim_below(w, 14);
    if (p->last == 0) {
        deploy(w, project);
        return;
    }
    switch (what) {
    case 0:
    case 1:
    case 2: deploy(w, project); break;
    case 3: roll_back(w, project); break;
    case 4: scale(w, project); break;
    case 5: flag(w, project, true); break;
    case 6:
    case 7: flag(w, project, false); break;
    case 8:
    case 9: drain(w, sim_below(w, SIM_HOSTS), false); break;
    case 10: drain(w, sim_below(w, SIM_HOSTS), true); break;
    case 11:
        if (sim_below(w, 3) == 0) want(w, project, 0);
        break;
    default: break;
    }
}

static void calm_down(sim_world *w) {
    for (uint32_t h = 0; h < SIM_HOSTS; h++)
        drain(w, h, true);
    for (uint32_t p = 0; p < SIM_PROJECTS; p++)
        if (w->projects[p].last > 0 && !w->projects[p].is_promoted) flag(w, p, false);
}

void sim_operator_step(sim_world *w) {
    if (w->now_ms == SIM_CHAOS_MS) calm_down(w);
    if (sim_is_calm(w)) return;
    if (sim_below(w, 15) == 0) operate(w);
    if (w->has_faults && sim_below(w, 20) == 0) befall(w);
}
