// All that is another than the store has it, as one transaction, as far as it fits.
#include "deploy/conductor_state.h"

#include <stdio.h>

#include "core/mem.h"

// ---- the transaction

// What does not fit, and all behind it, comes with the next.
static bool has_room(conductor_view *v, size_t ops, size_t len) {
    const deploy_conductor *c = v->c;
    if (c->write_count + ops > DEPLOY_OPS_MAX || c->write_len + len > DEPLOY_TRANSACTION_LEN_MAX)
        v->is_full = true;
    return !v->is_full;
}

static conductor_write *add(conductor_view *v, const deploy_key *key) {
    conductor_write *w = &v->c->writes[v->c->write_count++];
    *w = (conductor_write){.key = *key};
    deploy_key_write(key, w->text);
    v->c->write_len += strlen(w->text);
    return w;
}

// Takes `value`.
static conductor_write *put(conductor_view *v, const deploy_key *key, mesh_bytes value) {
    conductor_write *w = add(v, key);
    w->value = (uint8_t *)(uintptr_t)value.data;
    w->len = value.len;
    v->c->write_len += value.len;
    return w;
}

void conductor_write_delete(conductor_view *v, const deploy_key *key) {
    if (has_room(v, 1, DEPLOY_KEY_MAX)) add(v, key)->is_delete = true;
}

static mesh_bytes pack(const ProtobufCMessage *message) {
    uint8_t *data = mem_alloc(protobuf_c_message_get_packed_size(message));
    return (mesh_bytes){data, protobuf_c_message_pack(message, data)};
}

static bool is_stored(const conductor_record *record, mesh_bytes value) {
    return record != NULL && record->len == value.len &&
           memcmp(record->value, value.data, value.len) == 0;
}

static deploy_key key_of(deploy_record_kind kind, const char *owner, const char *service) {
    deploy_key key = {.kind = kind};
    (void)snprintf(key.owner, sizeof key.owner, "%s", owner);
    (void)snprintf(key.service, sizeof key.service, "%s", service);
    return key;
}

// ---- State

void conductor_write_project(conductor_view *v, conductor_project *p) {
    Warren__Deploy__State state;
    deploy_key key = key_of(DEPLOY_RECORD_STATE, p->name, "");
    const Warren__Deploy__State *was =
        p->stored != NULL ? (const Warren__Deploy__State *)p->stored->message : NULL;
    conductor_say(v, p, &state);
    state.at_ms = was != NULL ? was->at_ms : v->now_ms; // the time alone is no news
    mesh_bytes value = pack(&state.base);
    if (!is_stored(p->stored, value)) {
        free((void *)(uintptr_t)value.data);
        state.at_ms = v->now_ms;
        value = pack(&state.base);
        if (has_room(v, 1, DEPLOY_KEY_MAX + value.len)) {
            (void)put(v, &key, value);
            value.data = NULL;
        }
    }
    free((void *)(uintptr_t)value.data);
    conductor_say_deinit(&state);
}

// ---- Placed and rollouts

static mesh_bytes pack_placed(const conductor_service *s) {
    Warren__Deploy__Placed placed = WARREN__DEPLOY__PLACED__INIT;
    Warren__Deploy__Scaled scaled = WARREN__DEPLOY__SCALED__INIT, scaled_before = scaled;
    Warren__Deploy__Slot *slots = mem_alloc(s->slot_count * sizeof *slots);
    placed.slots = mem_alloc(s->slot_count * sizeof(Warren__Deploy__Slot *));
    placed.n_slots = s->slot_count;
    for (size_t i = 0; i < s->slot_count; i++) {
        const conductor_slot *slot = &s->slots[i];
        warren__deploy__slot__init(&slots[i]);
        slots[i].slot = slot->slot;
        slots[i].host = (char *)(uintptr_t)slot->host;
        slots[i].index = slot->index;
        slots[i].since_ms = slot->since_ms;
        slots[i].is_lost = slot->lost_at_ms > 0;
        slots[i].is_stand_in = slot->is_stand_in;
        slots[i].lost_at_ms = slot->lost_at_ms;
        slots[i].before = slot->before;
        placed.slots[i] = &slots[i];
    }
    placed.project = (char *)(uintptr_t)s->project_name;
    placed.release = s->release;
    placed.is_changed = s->is_changed;
    placed.before = s->before;
    scaled.instances = s->scaled;
    scaled_before.instances = s->scaled_before;
    placed.scaled = s->has_scaled ? &scaled : NULL;
    placed.scaled_before = s->has_scaled_before ? &scaled_before : NULL;
    mesh_bytes value = pack(&placed.base);
    free(placed.slots);
    free(slots);
    return value;
}

// Gives nothing when it is stored so.
static mesh_bytes write_rollout(const conductor_service *s) {
    if (s->rollout == NULL) return (mesh_bytes){0};
    mesh_bytes text = mesh_bytes_text(deploy_rollout_write(s->rollout));
    if (!is_stored(s->rollout_record, text)) return text;
    free((void *)(uintptr_t)text.data);
    return (mesh_bytes){0};
}

// A rollout and where its slots are, in one transaction.
void conductor_write_service(conductor_view *v, conductor_service *s) {
    deploy_key placed_key = key_of(DEPLOY_RECORD_PLACED, s->name, ""),
               rollout_key = key_of(DEPLOY_RECORD_ROLLOUT, s->name, "");
    bool is_nothing = s->release == 0 && s->slot_count == 0 && !s->is_changed;
    if (s->is_frozen) return;
    if (!s->exists || (is_nothing && s->order_count == 0)) {
        if (s->placed_record != NULL) conductor_write_delete(v, &placed_key);
        if (s->rollout_record != NULL) conductor_write_delete(v, &rollout_key);
        return;
    }
    mesh_bytes placed = pack_placed(s), rollout = write_rollout(s);
    bool is_placed = !is_stored(s->placed_record, placed);
    if (has_room(v, 2, 2UL * DEPLOY_KEY_MAX + placed.len + rollout.len)) {
        if (is_placed) (void)put(v, &placed_key, placed);
        if (is_placed) placed.data = NULL;
        if (rollout.data != NULL)
            put(v, &rollout_key, rollout)->rollout = mem_copy(s->rollout, sizeof *s->rollout);
        rollout.data = NULL;
        if (s->rollout == NULL && s->rollout_record != NULL) add(v, &rollout_key)->is_delete = true;
    }
    free((void *)(uintptr_t)placed.data);
    free((void *)(uintptr_t)rollout.data);
}

// ---- orders

void conductor_add_release(uint64_t *list, size_t *count, size_t max, uint64_t release) {
    if (release == 0 || *count >= max) return;
    for (size_t i = 0; i < *count; i++)
        if (list[i] == release) return;
    list[(*count)++] = release;
}

static bool has_release(const Warren__Deploy__Order *order, uint64_t release) {
    for (size_t i = 0; i < order->n_prepare; i++)
        if (order->prepare[i] == release) return true;
    return false;
}

// What it may be told to run next, and to go back to. Afterwards it stays as it is, for the way
// back by hand.
static size_t set_prepare(const conductor_service *s, const conductor_order *o,
                          uint64_t list[DEPLOY_PREPARE_MAX]) {
    size_t count = 0;
    bool is_enough = o->stored != NULL;
    if (o->prospect != NULL)
        conductor_add_release(list, &count, DEPLOY_PREPARE_MAX, o->prospect->to);
    if (s->is_changed || o->stored == NULL)
        conductor_add_release(list, &count, DEPLOY_PREPARE_MAX, s->release);
    for (size_t i = 0; count > 0 && i < o->run_count; i++)
        conductor_add_release(list, &count, DEPLOY_PREPARE_MAX, o->runs[i]);
    for (size_t i = 0; is_enough && i < count; i++)
        is_enough = has_release(o->stored, list[i]);
    if (!is_enough) return count;
    count = o->stored->n_prepare;
    if (count > 0) memcpy(list, o->stored->prepare, count * sizeof *list);
    return count;
}

static void set_times(const conductor_service *s, Warren__Deploy__Order *order,
                      const Warren__Deploy__Order *stored) {
    const Warren__Deploy__Spec *spec = s->spec;
    if (spec == NULL) {
        order->drain_ms = stored != NULL ? stored->drain_ms : CONDUCTOR_DRAIN_MS;
        order->stop_after_ms = stored != NULL ? stored->stop_after_ms : 0;
        return;
    }
    bool has_drain = spec->update != NULL && spec->update->drain_ms > 0;
    order->drain_ms = has_drain ? spec->update->drain_ms : CONDUCTOR_DRAIN_MS;
    if (spec->disconnect == WARREN__DEPLOY__SPEC__DISCONNECT__STOP_AFTER)
        order->stop_after_ms = spec->disconnect_ms > 0 ? spec->disconnect_ms : 1;
}

// Without those at the end that do not run.
static size_t count_running(const Warren__Deploy__Order *order) {
    size_t count = order->n_instances;
    while (count > 0 && order->instances[count - 1]->release == 0)
        count--;
    return count;
}

static bool is_order_same(const Warren__Deploy__Order *a, const Warren__Deploy__Order *b) {
    size_t count = count_running(a);
    bool is_same = count == count_running(b) && a->n_prepare == b->n_prepare &&
                   a->drain_ms == b->drain_ms && a->stop_after_ms == b->stop_after_ms &&
                   strcmp(a->project, b->project) == 0;
    for (size_t i = 0; is_same && i < count; i++)
        is_same = a->instances[i]->release == b->instances[i]->release &&
                  a->instances[i]->attempt == b->instances[i]->attempt;
    for (size_t i = 0; is_same && i < a->n_prepare; i++)
        is_same = a->prepare[i] == b->prepare[i];
    return is_same;
}

// It has prepared what the deployment that is under way may bring there.
static bool is_awaited(const conductor_view *v, const conductor_order *o) {
    for (size_t i = 0; i < v->project_count; i++) {
        const conductor_project *p = &v->projects[i];
        if (strcmp(p->name, o->stored->project) == 0)
            return p->phase < CONDUCTOR_BACK && p->to != 0 && has_release(o->stored, p->to);
    }
    return false;
}

static bool has_all_ended(const conductor_order *o) {
    uint32_t most = o->report != NULL ? (uint32_t)o->report->n_instances : 0;
    if (o->stored == NULL) return false;
    if (!o->is_up) return true; // it looks when it is back
    if (count_running(o->stored) > 0 || o->report == NULL) return false;
    for (uint32_t i = 0; i < most; i++)
        if (!conductor_has_ended(o, i)) return false;
    return o->report->version >= o->stored->version;
}

// Nothing is there any more, nor will be.
static void delete_order(conductor_view *v, const conductor_service *s, const conductor_order *o) {
    deploy_key order = key_of(DEPLOY_RECORD_ORDER, o->host, s->name),
               report = key_of(DEPLOY_RECORD_REPORT, o->host, s->name);
    if (!has_room(v, 2, 2UL * DEPLOY_KEY_MAX)) return;
    conductor_write_delete(v, &order);
    if (o->report != NULL) conductor_write_delete(v, &report);
}

static void pack_order(conductor_view *v, const conductor_service *s, const conductor_order *o,
                       Warren__Deploy__Order *order) {
    deploy_key key = key_of(DEPLOY_RECORD_ORDER, o->host, s->name);
    order->version = o->version;
    for (size_t i = 0; i < order->n_instances; i++)
        if (order->instances[i]->attempt > order->version)
            order->version = order->instances[i]->attempt;
    mesh_bytes value = pack(&order->base);
    if (has_room(v, 1, DEPLOY_KEY_MAX + value.len))
        (void)put(v, &key, value);
    else
        free((void *)(uintptr_t)value.data);
}

static const char *project_of(const conductor_service *s, const conductor_order *o) {
    if (s->project_name != NULL) return s->project_name;
    return o->prospect != NULL ? o->prospect->name : o->stored->project; // nobody's any more
}

void conductor_write_order(conductor_view *v, conductor_service *s, conductor_order *o) {
    Warren__Deploy__Order order = WARREN__DEPLOY__ORDER__INIT;
    uint64_t prepare[DEPLOY_PREPARE_MAX];
    bool is_nothing = !o->is_needed && o->prospect == NULL;
    for (size_t i = 0; i < o->count; i++)
        is_nothing &= o->instances[i].release == 0;
    o->is_written = true;
    if (s->is_frozen || v->is_full || (is_nothing && o->stored == NULL)) return;
    if (is_nothing && has_all_ended(o) && !is_awaited(v, o)) {
        delete_order(v, s, o);
        return;
    }
    Warren__Deploy__Wanted *wanted = mem_alloc(o->count * sizeof *wanted);
    order.instances = mem_alloc(o->count * sizeof(Warren__Deploy__Wanted *));
    order.n_instances = o->count;
    for (size_t i = 0; i < o->count; i++) {
        warren__deploy__wanted__init(&wanted[i]);
        wanted[i].release = o->instances[i].release;
        wanted[i].attempt = o->instances[i].attempt;
        order.instances[i] = &wanted[i];
    }
    order.project = (char *)(uintptr_t)project_of(s, o);
    order.prepare = prepare;
    order.n_prepare = set_prepare(s, o, prepare);
    set_times(s, &order, o->stored);
    if (o->stored == NULL || !is_order_same(&order, o->stored)) pack_order(v, s, o, &order);
    free(order.instances);
    free(wanted);
}
