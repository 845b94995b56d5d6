// The hosts of deploy_sim: they take orders, run instances that fail and hang, and report; they
// die, come back, and lose the store.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "deploy_sim.h"

static deploy_key host_key(deploy_record_kind kind, uint32_t host, uint32_t service) {
    deploy_key key = {.kind = kind};
    (void)snprintf(key.owner, sizeof key.owner, "%s", sim_host_name(host));
    if (service < SIM_SERVICES)
        (void)snprintf(key.service, sizeof key.service, "%s", sim_service_name(service));
    return key;
}

static void delete_key(sim_world *w, deploy_key key) {
    char text[DEPLOY_KEY_MAX];
    deploy_key_write(&key, text);
    if (sim_store_get(&w->store, text) == NULL) return;
    sim_store_begin(w);
    sim_store_delete(w, text);
}

// ---- instances

static void stop(sim_world *w, sim_instance *i) {
    if (i->runs != 0 && i->stops_at_ms == 0)
        i->stops_at_ms = w->now_ms + 1 + sim_below(w, SIM_GRACE_MS);
    i->state = SIM_NONE;
    i->release = i->attempt = 0;
}

static uint32_t share_of(const sim_world *w, uint32_t service, uint64_t release) {
    const sim_project *p = &w->projects[sim_project_of(service)];
    uint32_t share = p->releases[release].of[service].share;
    return sim_is_calm(w) && share < 100 ? 0 : share;
}

static void begin(sim_world *w, uint32_t service, sim_instance *i) {
    uint32_t share = share_of(w, service, i->release);
    i->will_fail = sim_below(w, 100) < share;
    // Sometimes it hangs.
    bool hangs = i->will_fail && sim_below(w, 4) == 0;
    i->end_at_ms = w->now_ms + 100 + sim_below(w, 900) + (hangs ? 3ULL * SIM_READY_MS : 0);
    i->state = SIM_STARTING;
    i->restarts = 0;
    i->is_second_chance = false;
}

static void begin_again(sim_world *w, sim_instance *i, bool will_fail) {
    i->state = SIM_STARTING;
    i->end_at_ms = w->now_ms + 500;
    i->will_fail = will_fail;
    i->restarts++;
}

// A pair of the release and the attempt that it did not have.
static void tell(sim_world *w, uint32_t service, sim_instance *i, uint64_t release,
                 uint32_t attempt) {
    bool is_same_release = i->release == release;
    if (i->release == release && i->attempt == attempt) return;
    if (release == 0) {
        stop(w, i);
        return;
    }
    i->release = release;
    i->attempt = attempt;
    i->restarts = 0;
    // What it had before goes on.
    if (i->runs == release && i->stops_at_ms == 0 && !is_same_release)
        i->state = SIM_READY;
    else
        begin(w, service, i);
}

static void become_ready(sim_instance *i) {
    i->state = SIM_READY;
    i->runs = i->release;
    i->stops_at_ms = 0;
}

// Who takes nobody's place is started again by its host, once.
static void end_start(sim_world *w, uint32_t service, sim_instance *i) {
    bool is_again = i->will_fail && i->runs == 0 && i->restarts == 0 && sim_below(w, 2) == 0;
    if (is_again) {
        i->is_second_chance = true;
        begin_again(w, i, share_of(w, service, i->release) == 100);
    } else if (i->will_fail) {
        i->state = SIM_FAILED;
    } else {
        become_ready(i);
    }
}

static void live(sim_world *w, uint32_t service, sim_service *s, sim_instance *i) {
    if (i->stops_at_ms > 0 && i->stops_at_ms <= w->now_ms) {
        i->runs = i->stops_at_ms = 0;
        s->is_unsaid = true;
    }
    if (i->state == SIM_STARTING && i->end_at_ms <= w->now_ms) {
        end_start(w, service, i);
        s->is_unsaid = true;
    }
    bool crashes =
        w->has_faults && !sim_is_calm(w) && i->state == SIM_READY && sim_below(w, 2000) == 0;
    if (!crashes) return;
    i->runs = 0;
    if (sim_below(w, 2) == 0)
        i->state = SIM_FAILED;
    else
        begin_again(w, i, false);
    s->is_unsaid = true;
}

// ---- orders

static void take_prepare(sim_world *w, sim_service *s, const Warren__Deploy__Order *order) {
    uint64_t at_ms[DEPLOY_PREPARE_MAX] = {0};
    for (size_t i = 0; i < order->n_prepare; i++) {
        at_ms[i] = w->now_ms + sim_below(w, 1500);
        for (uint32_t j = 0; j < s->prepare_count; j++)
            if (s->prepare[j] == order->prepare[i]) at_ms[i] = s->prepared_at_ms[j];
    }
    s->prepare_count = (uint32_t)order->n_prepare;
    s->cannot_prepare = w->has_faults && !sim_is_calm(w) && sim_below(w, 60) == 0;
    for (uint32_t i = 0; i < s->prepare_count; i++) {
        s->prepare[i] = order->prepare[i];
        s->prepared_at_ms[i] = at_ms[i];
    }
}

static void take_order(sim_world *w, uint32_t service, sim_service *s,
                       const Warren__Deploy__Order *order, bool is_known) {
    s->has_order = true;
    s->version = order->version;
    s->stop_after_ms = order->stop_after_ms;
    (void)snprintf(s->project, sizeof s->project, "%s", order->project);
    take_prepare(w, s, order);
    s->count = (uint32_t)order->n_instances;
    if (s->count > SIM_INDEXES) sim_violate(w, "an order has %u instances", s->count);
    for (uint32_t i = 0; i < SIM_INDEXES; i++) {
        // What never runs twice waits until all know that this host is there.
        bool is_wanted = i < s->count && (s->stop_after_ms == 0 || is_known);
        tell(w, service, &s->instances[i], is_wanted ? order->instances[i]->release : 0,
             is_wanted ? order->instances[i]->attempt : 0);
    }
    s->is_unsaid = true;
}

static void take_none(sim_world *w, sim_service *s) {
    for (uint32_t i = 0; i < SIM_INDEXES; i++)
        stop(w, &s->instances[i]);
    s->has_order = s->is_unsaid = false;
    s->version = s->stop_after_ms = s->count = s->prepare_count = 0;
}

static void read_order(sim_world *w, uint32_t host, uint32_t service) {
    sim_service *s = &w->hosts[host].services[service];
    ProtobufCMessage *message = sim_store_message(w, host_key(DEPLOY_RECORD_ORDER, host, service));
    if (message != NULL)
        take_order(w, service, s, (const Warren__Deploy__Order *)message, w->hosts[host].has_key);
    else
        take_none(w, s);
    deploy_record_free(message);
}

static void list(sim_world *w, uint32_t host) {
    sim_host *h = &w->hosts[host];
    h->must_list = false;
    h->cursor = w->store.log_count;
    for (uint32_t s = 0; s < SIM_SERVICES; s++)
        read_order(w, host, s);
}

static void watch(sim_world *w, uint32_t host) {
    sim_host *h = &w->hosts[host];
    for (; h->cursor < w->store.log_count; h->cursor++) {
        deploy_key key;
        const sim_change *change = &w->store.log[h->cursor];
        if (!deploy_key_read(mesh_bytes_text(change->key), &key) ||
            key.kind != DEPLOY_RECORD_ORDER || strcmp(key.owner, sim_host_name(host)) != 0)
            continue;
        const char *why;
        uint32_t service = sim_service_number(key.service);
        ProtobufCMessage *message =
            change->is_delete
                ? NULL
                : deploy_record_decode(DEPLOY_RECORD_ORDER,
                                       (mesh_bytes){change->value, change->len}, &why);
        if (message != NULL)
            take_order(w, service, &h->services[service], (const Warren__Deploy__Order *)message,
                       h->has_key);
        else
            take_none(w, &h->services[service]);
        deploy_record_free(message);
    }
}

// ---- reports

static void say_instance(sim_world *w, const sim_instance *i, Warren__Deploy__Present *out) {
    warren__deploy__present__init(out);
    out->release = i->release;
    out->attempt = i->attempt;
    out->state = (Warren__Deploy__Present__State)i->state;
    if (i->release == 0 && i->runs != 0) { // it is ending
        out->release = i->runs;
        out->pid = 1;
    }
    if (i->release != 0) out->restarts = i->restarts;
    if (i->state == SIM_FAILED && i->runs != 0) out->pid = 1; // what ran before runs still
    if (i->state == SIM_FAILED) out->why = (char *)"it exited with code 1";
    if (i->state == SIM_FAILED && sim_is_bug(w, SIM_BUG_READY_FORGED))
        out->state = WARREN__DEPLOY__PRESENT__STATE__READY;
}

static void report(sim_world *w, uint32_t host, uint32_t service) {
    sim_service *s = &w->hosts[host].services[service];
    Warren__Deploy__Report message = WARREN__DEPLOY__REPORT__INIT;
    Warren__Deploy__Present presents[SIM_INDEXES], *of[SIM_INDEXES];
    Warren__Deploy__Prepared prepared[DEPLOY_PREPARE_MAX], *prepared_of[DEPLOY_PREPARE_MAX];
    message.version = s->version;
    message.n_instances = s->count;
    message.instances = of;
    message.prepared = prepared_of;
    for (uint32_t i = 0; i < SIM_INDEXES; i++) {
        say_instance(w, &s->instances[i], &presents[i]);
        of[i] = &presents[i];
    }
    s->is_unsaid = false;
    for (uint32_t i = 0; i < s->prepare_count; i++) {
        if (s->prepared_at_ms[i] > w->now_ms) {
            s->is_unsaid = true;
            continue;
        }
        warren__deploy__prepared__init(&prepared[i]);
        prepared[i].release = s->prepare[i];
        if (s->cannot_prepare) prepared[i].why = (char *)"its disk is full";
        prepared_of[message.n_prepared++] = &prepared[i];
    }
    deploy_key key = host_key(DEPLOY_RECORD_REPORT, host, service);
    ProtobufCMessage *was = sim_store_message(w, key);
    size_t len = protobuf_c_message_get_packed_size(&message.base);
    bool is_same = was != NULL && protobuf_c_message_get_packed_size(was) == len;
    uint8_t a[8192], b[8192];
    if (is_same)
        is_same = protobuf_c_message_pack(was, a) == protobuf_c_message_pack(&message.base, b) &&
                  memcmp(a, b, len) == 0;
    deploy_record_free(was);
    if (is_same) return;
    sim_store_begin(w);
    sim_store_put_message(w, key, &message.base);
}

static void announce(sim_world *w, uint32_t host) {
    Warren__Deploy__Host message = WARREN__DEPLOY__HOST__INIT;
    Warren__Deploy__Label label = WARREN__DEPLOY__LABEL__INIT, *labels[] = {&label};
    label.key = (char *)"disk";
    label.value = (char *)(host % 2 == 0 ? "fast" : "slow");
    message.labels = labels;
    message.n_labels = 1;
    message.cpu_milli = 8000;
    message.memory = 1ULL << 30;
    message.since_ms = w->hosts[host].since_ms;
    sim_store_begin(w);
    sim_store_put_message(w, host_key(DEPLOY_RECORD_HOST, host, SIM_SERVICES), &message.base);
    w->hosts[host].has_key = true;
    w->hosts[host].announced_at_ms = w->now_ms;
}

// ---- a host

void sim_host_lose(sim_world *w, uint32_t host) {
    sim_host *h = &w->hosts[host];
    if (!h->is_up) return;
    sim_say(w, "%s is lost", sim_host_name(host));
    h->is_up = false;
    h->must_list = true;
    h->back_at_ms = w->now_ms + 500 + sim_below(w, 12000);
    for (uint32_t s = 0; s < SIM_SERVICES; s++)
        h->services[s] = (sim_service){0};
}

void sim_host_cut(sim_world *w, uint32_t host, uint64_t for_ms) {
    sim_host *h = &w->hosts[host];
    if (!h->is_up || h->is_cut) return;
    sim_say(w, "%s is cut off", sim_host_name(host));
    h->is_cut = true;
    h->back_at_ms = w->now_ms + for_ms;
}

static void come_back(sim_world *w, uint32_t host) {
    sim_host *h = &w->hosts[host];
    if ((h->is_up && !h->is_cut) || h->back_at_ms > w->now_ms) return;
    sim_say(w, "%s is back", sim_host_name(host));
    if (!h->is_up) h->since_ms = w->now_ms;
    h->must_list = true;
    h->is_up = true;
    h->is_cut = false;
}

static void end_alone(sim_world *w, sim_host *h) {
    for (uint32_t i = 0; i < SIM_SERVICES; i++) {
        sim_service *s = &h->services[i];
        bool is_time = s->stop_after_ms > 0 && w->now_ms >= h->contact_at_ms + s->stop_after_ms;
        if (!is_time || sim_is_bug(w, SIM_BUG_STOP_FORGOTTEN)) continue;
        for (uint32_t j = 0; j < SIM_INDEXES; j++)
            stop(w, &s->instances[j]);
        h->must_list = true;
    }
}

static void talk(sim_world *w, uint32_t host) {
    sim_host *h = &w->hosts[host];
    h->contact_at_ms = w->now_ms;
    if (h->must_list) {
        list(w, host);
        return;
    }
    if (sim_below(w, 2) == 0) watch(w, host);
    for (uint32_t s = 0; s < SIM_SERVICES; s++)
        if (h->services[s].has_order && (h->services[s].is_unsaid || !h->has_key) &&
            (sim_below(w, 2) == 0 || !h->has_key))
            report(w, host, s);
    if (h->has_key) return;
    announce(w, host);
    h->must_list = true;
}

void sim_host_step(sim_world *w, uint32_t host) {
    sim_host *h = &w->hosts[host];
    come_back(w, host);
    if (h->has_key && h->contact_at_ms + SIM_LEASE_MS <= w->now_ms) {
        h->has_key = false;
        delete_key(w, host_key(DEPLOY_RECORD_HOST, host, SIM_SERVICES));
    }
    if (!h->is_up) return;
    for (uint32_t s = 0; s < SIM_SERVICES; s++)
        for (uint32_t i = 0; i < SIM_INDEXES; i++)
            live(w, s, &h->services[s], &h->services[s].instances[i]);
    if (h->is_cut)
        end_alone(w, h);
    else
        talk(w, host);
}

uint32_t sim_serving(const sim_world *w, uint32_t service) {
    uint32_t count = 0;
    for (uint32_t h = 0; h < SIM_HOSTS; h++)
        for (uint32_t i = 0; w->hosts[h].is_up && i < SIM_INDEXES; i++) {
            const sim_instance *of = &w->hosts[h].services[service].instances[i];
            count += of->runs != 0 && of->stops_at_ms == 0;
        }
    return count;
}
