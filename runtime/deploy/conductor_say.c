// What has become of a project: its State.
#include "deploy/conductor_state.h"

#include <stdio.h>

#include "core/mem.h"

enum {
    UNPLACED_LEN_MAX = 200,
    SERVICE_LEN = 32, // of what is told of one, without its texts
    SERVICES_LEN_MAX = DEPLOY_VALUE_LEN_MAX - DEPLOY_LINES_LEN_MAX - 2 * DEPLOY_WHY_LEN_MAX -
                       DEPLOY_OUTCOMES_LEN_MAX,
};

static void count_slot(conductor_view *v, conductor_service *s, const conductor_slot *slot,
                       Warren__Deploy__ServiceState *out) {
    const conductor_order *o = conductor_order_find(v, s, slot->host, false);
    const Warren__Deploy__Present *present = conductor_heard(o, slot->index);
    if (!slot->is_stand_in) out->wanted++;
    if (present == NULL || !o->is_up) return;
    if (present->state == WARREN__DEPLOY__PRESENT__STATE__READY) {
        out->ready++;
        out->updated += conductor_is_same(v, s, present->release, s->project->to);
    } else if (present->state == WARREN__DEPLOY__PRESENT__STATE__FAILED &&
               out->unplaced[0] == '\0') {
        (void)snprintf(out->unplaced, UNPLACED_LEN_MAX + 1, "%s.%u@%s: %s", s->name, slot->index,
                       slot->host, present->why);
    }
}

static Warren__Deploy__ServiceState *say_service(conductor_view *v, conductor_service *s) {
    Warren__Deploy__ServiceState *out = mem_alloc(sizeof *out);
    warren__deploy__service_state__init(out);
    out->service = (char *)(uintptr_t)s->name;
    out->wanted = s->unplaced;
    out->unplaced = mem_alloc(UNPLACED_LEN_MAX + 1);
    if (s->why_unplaced != NULL)
        (void)snprintf(out->unplaced, UNPLACED_LEN_MAX + 1, "%s", s->why_unplaced);
    for (size_t i = 0; i < s->slot_count; i++)
        count_slot(v, s, &s->slots[i], out);
    return out;
}

static bool is_told_of(const conductor_service *s, const conductor_project *p) {
    return s->project == p && !s->is_frozen &&
           (s->release != 0 || s->slot_count > 0 || s->order_count > 0);
}

// As far as the record can hold it: first the texts are left out, then services.
static void add_service(conductor_view *v, conductor_service *s, Warren__Deploy__State *out,
                        size_t *room) {
    size_t len = SERVICE_LEN + strlen(s->name);
    if (len > *room) return;
    Warren__Deploy__ServiceState *service = say_service(v, s);
    *room -= len;
    if (strlen(service->unplaced) > *room / 2) service->unplaced[0] = '\0';
    *room -= strlen(service->unplaced);
    out->services[out->n_services++] = service;
}

void conductor_say(conductor_view *v, conductor_project *p, Warren__Deploy__State *out) {
    warren__deploy__state__init(out);
    out->deployment = p->deployment;
    out->phase = (Warren__Deploy__State__Phase)p->phase;
    out->from = p->from;
    out->to = p->to;
    out->began_at_ms = p->began_at_ms;
    out->why = p->why;
    out->last_lines = (ProtobufCBinaryData){p->last_lines_len, p->last_lines};
    out->services = mem_alloc(v->service_count * sizeof(Warren__Deploy__ServiceState *));
    conductor_history_say(v, p, out);
    size_t room = SERVICES_LEN_MAX;
    for (size_t i = 0; i < v->service_count; i++)
        if (is_told_of(&v->services[i], p)) add_service(v, &v->services[i], out, &room);
}

void conductor_say_deinit(Warren__Deploy__State *state) {
    for (size_t i = 0; i < state->n_services; i++) {
        free(state->services[i]->unplaced);
        free(state->services[i]);
    }
    free(state->services);
    conductor_history_deinit(state);
}
