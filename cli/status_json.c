#include "cli/status_json.h"

#include <stdio.h>
#include <string.h>

#include "cli/json.h"

const char *cli_status_phase(const Warren__Deploy__State *state) {
    static const char *const phases[] = {"preparing", "rolling",  "canary", "back",
                                         "done",      "returned", "broken"};
    size_t phase = (size_t)state->phase;
    return phase < sizeof phases / sizeof phases[0] ? phases[phase] : "unknown";
}

const char *cli_status_host_state(const cli_deployed *d, const char *host) {
    if (!cli_deployed_has(d, "host", host)) return "down";
    return cli_deployed_has(d, "drained", host) ? "draining" : "up";
}

// ---- hosts

typedef struct hosts {
    const cli_deployed *deployed;
    json_t *list;
} hosts;

static void add_host(const char *name, ProtobufCBinaryData value, void *user) {
    hosts *h = user;
    Warren__Deploy__Host *host = warren__deploy__host__unpack(NULL, value.len, value.data);
    if (host == NULL) return;
    json_t *labels = json_object();
    for (size_t i = 0; i < host->n_labels; i++)
        json_object_set_new(labels, host->labels[i]->key, cli_json_string(host->labels[i]->value));
    json_array_append_new(
        h->list,
        json_pack("{s:o, s:s, s:o, s:f, s:I, s:o, s:o, s:o}", "name", cli_json_string(name),
                  "state", cli_status_host_state(h->deployed, name), "labels", labels, "cpus",
                  (double)host->cpu_milli / 1000, "memoryBytes", (json_int_t)host->memory, "since",
                  cli_json_time(host->since_ms), "version", cli_json_string(host->version),
                  "platform", cli_json_string(host->platform)));
    warren__deploy__host__free_unpacked(host, NULL);
}

// ---- a project

static const char *state_of(const Warren__Deploy__Present *present) {
    if (present->state == WARREN__DEPLOY__PRESENT__STATE__READY && present->pid == 0) return "done";
    static const char *const states[] = {"none", "starting", "ready", "failed"};
    return (size_t)present->state < 4 ? states[present->state] : "unknown";
}

static json_t *instance(const cli_deployed *d, const char *service,
                        const Warren__Deploy__Slot *slot) {
    json_t *object =
        json_pack("{s:o, s:I, s:b, s:b}", "host", cli_json_string(slot->host), "instance",
                  (json_int_t)slot->index, "lost", slot->is_lost, "standIn", slot->is_stand_in);
    Warren__Deploy__Report *report = cli_deployed_report(d, slot->host, service);
    if (report != NULL && slot->index < report->n_instances) {
        const Warren__Deploy__Present *p = report->instances[slot->index];
        json_object_set_new(object, "release", json_integer((json_int_t)p->release));
        json_object_set_new(object, "state", json_string(state_of(p)));
        json_object_set_new(object, "pid", json_integer(p->pid));
        json_object_set_new(object, "why", cli_json_string(p->why));
    }
    if (report != NULL) warren__deploy__report__free_unpacked(report, NULL);
    return object;
}

static json_t *service(const cli_deployed *d, const Warren__Deploy__ServiceState *s) {
    json_t *instances = json_array();
    Warren__Deploy__Placed *placed = cli_deployed_placed(d, s->service);
    for (size_t i = 0; placed != NULL && i < placed->n_slots; i++)
        json_array_append_new(instances, instance(d, s->service, placed->slots[i]));
    if (placed != NULL) warren__deploy__placed__free_unpacked(placed, NULL);
    return json_pack("{s:o, s:I, s:I, s:I, s:o, s:o}", "service", cli_json_string(s->service),
                     "wanted", (json_int_t)s->wanted, "ready", (json_int_t)s->ready, "updated",
                     (json_int_t)s->updated, "unplaced", cli_json_string(s->unplaced), "instances",
                     instances);
}

static void add_state(json_t *object, const cli_deployed *d, const Warren__Deploy__State *state) {
    json_t *services = json_array();
    for (size_t i = 0; state != NULL && i < state->n_services; i++)
        json_array_append_new(services, service(d, state->services[i]));
    json_object_set_new(object, "services", services);
    json_object_set_new(object, "why", cli_json_string(state != NULL ? state->why : ""));
}

typedef struct projects {
    const cli_deployed *deployed;
    const char *only; // NULL: all
    json_t *list;
} projects;

static void add_project(const char *name, ProtobufCBinaryData value, void *user) {
    projects *p = user;
    if (p->only != NULL && strcmp(p->only, name) != 0) return;
    Warren__Deploy__Project *project = warren__deploy__project__unpack(NULL, value.len, value.data);
    if (project == NULL) return;
    Warren__Deploy__State *state = cli_deployed_state(p->deployed, name);
    bool is_seen = state != NULL && state->deployment == project->deployment;
    json_t *object =
        json_pack("{s:o, s:I, s:I, s:I, s:I, s:s, s:o, s:o, s:o}", "project", cli_json_string(name),
                  "deployment", (json_int_t)project->deployment, "release",
                  (json_int_t)project->release, "before", (json_int_t)project->before, "running",
                  (json_int_t)cli_deployed_running(project, state), "phase",
                  is_seen ? cli_status_phase(state) : "waiting", "by", cli_json_string(project->by),
                  "host", cli_json_string(project->host), "at", cli_json_time(project->at_ms));
    add_state(object, p->deployed, state);
    json_array_append_new(p->list, object);
    if (state != NULL) warren__deploy__state__free_unpacked(state, NULL);
    warren__deploy__project__free_unpacked(project, NULL);
}

static void take_leader(const char *rest, ProtobufCBinaryData value, void *user) {
    json_t **out = user;
    (void)rest;
    json_decref(*out);
    *out = cli_json_text_of((const char *)value.data, value.len);
}

json_t *cli_status_json(const cli_deployed *d, const char *project) {
    hosts h = {.deployed = d, .list = json_array()};
    projects p = {.deployed = d, .only = project, .list = json_array()};
    json_t *leader = json_string("");
    cli_deployed_each(d, "host/", add_host, &h);
    cli_deployed_each(d, "project/", add_project, &p);
    cli_deployed_each(d, "leader", take_leader, &leader);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "store", cli_json_string(d->store),
                     "storeTrouble", cli_json_string(d->trouble), "host", cli_json_string(d->host),
                     "leader", leader, "hosts", h.list, "projects", p.list);
}
