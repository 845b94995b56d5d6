#include "conductor_kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"
#include "test.h"

enum { PAIRS_MAX = 4096, FATES_MAX = 16, TEXT_LEN = 512 };

typedef struct pair {
    deploy_key key;
    uint8_t *value;
    size_t len;
    int64_t revision;
} pair;

typedef struct fate {
    const char *host;
    uint64_t release;
    Warren__Deploy__Present__State state;
} fate;

uint64_t kit_now_ms;
static deploy_conductor *c;
static pair pairs[PAIRS_MAX];
static size_t pair_count;
static int64_t revision;
static fate fates[FATES_MAX];
static size_t fate_count;
static uint64_t restarted_release;
static const char *cannot_prepare_host, *cannot_prepare_why, *mute_host;
static deploy_transaction transaction;
static Warren__Deploy__State *state;

void kit_open(void) {
    kit_now_ms = 1000000;
    c = deploy_conductor_create();
}

void kit_close(void) {
    deploy_conductor_destroy(c);
    for (size_t i = 0; i < pair_count; i++)
        free(pairs[i].value);
    pair_count = fate_count = 0;
    cannot_prepare_host = mute_host = NULL;
    restarted_release = 0;
    if (state != NULL) deploy_record_free(&state->base);
    state = NULL;
}

// ---- the store

static deploy_key key_of(deploy_record_kind kind, const char *owner, uint64_t number,
                         const char *service) {
    deploy_key key = {.kind = kind, .number = number};
    (void)snprintf(key.owner, sizeof key.owner, "%s", owner);
    (void)snprintf(key.service, sizeof key.service, "%s", service);
    return key;
}

static bool is_key(const deploy_key *a, const deploy_key *b) {
    return a->kind == b->kind && a->number == b->number && strcmp(a->owner, b->owner) == 0 &&
           strcmp(a->service, b->service) == 0;
}

static pair *find(const deploy_key *key) {
    for (size_t i = 0; i < pair_count; i++)
        if (is_key(&pairs[i].key, key)) return &pairs[i];
    return NULL;
}

static void store(const deploy_key *key, mesh_bytes value) {
    pair *to = find(key);
    if (to == NULL) {
        CHECK(pair_count < PAIRS_MAX);
        to = &pairs[pair_count++];
        *to = (pair){.key = *key};
    }
    free(to->value);
    to->value = mem_copy(value.data, value.len);
    to->len = value.len;
    to->revision = revision;
}

static void drop(const deploy_key *key) {
    pair *of = find(key);
    if (of == NULL) return;
    free(of->value);
    *of = pairs[--pair_count];
}

static void tell(const pair *of) {
    char text[DEPLOY_KEY_MAX];
    deploy_key_write(&of->key, text);
    const char *why = deploy_conductor_put(c, mesh_bytes_text(text),
                                           (mesh_bytes){of->value, of->len}, of->revision);
    EXPECT_TRUE(why == NULL);
}

void kit_put(deploy_record_kind kind, const char *owner, uint64_t number, const char *service,
             const ProtobufCMessage *message) {
    deploy_key key = key_of(kind, owner, number, service);
    uint8_t *value = mem_alloc(protobuf_c_message_get_packed_size(message));
    revision++;
    store(&key, (mesh_bytes){value, protobuf_c_message_pack(message, value)});
    free(value);
    tell(find(&key));
}

void kit_delete(deploy_record_kind kind, const char *owner, const char *service) {
    deploy_key key = key_of(kind, owner, 0, service);
    char text[DEPLOY_KEY_MAX];
    deploy_key_write(&key, text);
    drop(&key);
    deploy_conductor_delete(c, mesh_bytes_text(text), ++revision);
}

void kit_take_over(void) {
    deploy_conductor_destroy(c);
    c = deploy_conductor_create();
    for (size_t i = 0; i < pair_count; i++)
        tell(&pairs[i]);
}

// ---- what others write

void kit_host(const char *name, uint64_t memory) {
    Warren__Deploy__Host host = WARREN__DEPLOY__HOST__INIT;
    host.cpu_milli = 8000;
    host.memory = memory;
    host.since_ms = kit_now_ms;
    kit_put(DEPLOY_RECORD_HOST, name, 0, "", &host.base);
}

void kit_host_lost(const char *name) {
    kit_delete(DEPLOY_RECORD_HOST, name, "");
}

void kit_drain(const char *name, bool is_drained) {
    Warren__Deploy__Drained drained = WARREN__DEPLOY__DRAINED__INIT;
    if (is_drained)
        kit_put(DEPLOY_RECORD_DRAINED, name, 0, "", &drained.base);
    else
        kit_delete(DEPLOY_RECORD_DRAINED, name, "");
}

static void put_spec(uint64_t number, const kit_service *of) {
    Warren__Deploy__Spec spec = WARREN__DEPLOY__SPEC__INIT;
    Warren__Deploy__Update update = WARREN__DEPLOY__UPDATE__INIT;
    Warren__Agent__Run run = WARREN__AGENT__RUN__INIT;
    char *args[] = {(char *)(uintptr_t)of->args};
    update.parallel = of->parallel;
    update.canaries = of->canaries;
    update.failures_max = of->failures_max;
    update.ready_ms = 10000;
    update.settle_ms = 100;
    run.name = (char *)(uintptr_t)of->name;
    run.args = args;
    run.n_args = of->args != NULL;
    run.instances = of->count;
    run.grace_ms = 1000;
    spec.run = &run;
    spec.update = &update;
    spec.count = of->count;
    spec.memory = of->memory;
    spec.disconnect = (Warren__Deploy__Spec__Disconnect)of->disconnect;
    spec.disconnect_ms = of->disconnect_ms;
    spec.is_spread = of->is_spread;
    kit_put(DEPLOY_RECORD_SPEC, "p", number, of->name, &spec.base);
}

void kit_release(uint64_t number, uint8_t manifest, const kit_service *services, size_t count) {
    Warren__Deploy__Release release = WARREN__DEPLOY__RELEASE__INIT;
    uint8_t hash[32] = {manifest};
    char *names[32];
    release.number = number;
    release.manifest_hash = (ProtobufCBinaryData){sizeof hash, hash};
    release.services = names;
    for (size_t i = 0; i < count; i++) {
        names[release.n_services++] = (char *)(uintptr_t)services[i].name;
        put_spec(number, &services[i]);
    }
    kit_put(DEPLOY_RECORD_RELEASE, "p", number, "", &release.base);
}

void kit_want(uint64_t deployment, kit_wish wish) {
    Warren__Deploy__Project project = WARREN__DEPLOY__PROJECT__INIT;
    Warren__Deploy__Scaled scaled = WARREN__DEPLOY__SCALED__INIT, *of[] = {&scaled};
    project.deployment = deployment;
    project.release = wish.release;
    project.is_promoted = wish.is_promoted;
    project.is_aborted = wish.is_aborted;
    project.by = (char *)"ann";
    scaled.service = (char *)(uintptr_t)(wish.scaled != NULL ? wish.scaled : "");
    scaled.instances = wish.instances;
    project.scaled = of;
    project.n_scaled = wish.scaled != NULL;
    kit_put(DEPLOY_RECORD_PROJECT, "p", 0, "", &project.base);
}

// ---- turns

const deploy_transaction *kit_turn(void) {
    return deploy_conductor_turn(c, kit_now_ms, &transaction) ? &transaction : NULL;
}

void kit_answer(bool is_done) {
    if (is_done) revision++;
    for (size_t i = 0; is_done && i < transaction.op_count; i++) {
        deploy_key key;
        const deploy_op *op = &transaction.ops[i];
        EXPECT_TRUE(deploy_key_read(op->key, &key));
        if (op->is_delete)
            drop(&key);
        else
            store(&key, op->value);
    }
    deploy_conductor_committed(c, is_done ? revision : 0);
}

uint32_t kit_decide(void) {
    uint32_t count = 0;
    for (; kit_turn() != NULL; count++) {
        CHECK(count < 1000);
        kit_answer(true);
    }
    return count;
}

// ---- hosts

void kit_fate(const char *host, uint64_t release, Warren__Deploy__Present__State fate_state) {
    for (size_t i = 0; i < fate_count; i++)
        if (fates[i].release == release && fates[i].host == host) fates[i] = fates[--fate_count];
    CHECK(fate_count < FATES_MAX);
    fates[fate_count++] = (fate){host, release, fate_state};
}

void kit_first_lives_end(uint64_t release) {
    restarted_release = release;
}

void kit_cannot_prepare(const char *host, const char *why) {
    cannot_prepare_host = host;
    cannot_prepare_why = why;
}

void kit_mute(const char *host, bool is_mute) {
    mute_host = is_mute ? host : NULL;
}

static Warren__Deploy__Present__State fate_of(const char *host, uint64_t release) {
    if (release == 0) return WARREN__DEPLOY__PRESENT__STATE__NONE;
    for (size_t i = 0; i < fate_count; i++)
        if (fates[i].release == release &&
            (fates[i].host == NULL || strcmp(fates[i].host, host) == 0))
            return fates[i].state;
    return WARREN__DEPLOY__PRESENT__STATE__READY;
}

static void report(const deploy_key *key, const Warren__Deploy__Order *order) {
    Warren__Deploy__Report message = WARREN__DEPLOY__REPORT__INIT;
    Warren__Deploy__Present *presents = mem_alloc(order->n_instances * sizeof *presents);
    Warren__Deploy__Prepared prepared[DEPLOY_PREPARE_MAX], *prepared_of[DEPLOY_PREPARE_MAX];
    message.version = order->version;
    message.instances = mem_alloc(order->n_instances * sizeof(Warren__Deploy__Present *));
    message.n_instances = order->n_instances;
    for (size_t i = 0; i < order->n_instances; i++) {
        warren__deploy__present__init(&presents[i]);
        presents[i].release = order->instances[i]->release;
        presents[i].attempt = order->instances[i]->attempt;
        presents[i].state = fate_of(key->owner, presents[i].release);
        if (presents[i].state == WARREN__DEPLOY__PRESENT__STATE__FAILED) {
            presents[i].why = (char *)"it exited with code 1";
            presents[i].last_lines = (ProtobufCBinaryData){4, (uint8_t *)(uintptr_t) "oops"};
        }
        if (presents[i].release != 0 && presents[i].release == restarted_release) {
            presents[i].restarts = 1;
            presents[i].why = (char *)"api.0 was started again (exit code 1)";
        }
        message.instances[i] = &presents[i];
    }
    message.prepared = prepared_of;
    message.n_prepared = order->n_prepare;
    bool cannot = cannot_prepare_host != NULL && strcmp(key->owner, cannot_prepare_host) == 0;
    for (size_t i = 0; i < order->n_prepare; i++) {
        warren__deploy__prepared__init(&prepared[i]);
        prepared[i].release = order->prepare[i];
        if (cannot) prepared[i].why = (char *)(uintptr_t)cannot_prepare_why;
        prepared_of[i] = &prepared[i];
    }
    kit_put(DEPLOY_RECORD_REPORT, key->owner, 0, key->service, &message.base);
    free(message.instances);
    free(presents);
}

static bool is_there(const char *host) {
    deploy_key key = key_of(DEPLOY_RECORD_HOST, host, 0, "");
    return find(&key) != NULL && (mute_host == NULL || strcmp(mute_host, host) != 0);
}

void kit_report(void) {
    for (size_t i = 0; i < pair_count; i++) {
        const char *why;
        deploy_key key = pairs[i].key;
        if (key.kind != DEPLOY_RECORD_ORDER || !is_there(key.owner)) continue;
        ProtobufCMessage *message =
            deploy_record_decode(key.kind, (mesh_bytes){pairs[i].value, pairs[i].len}, &why);
        report(&key, (const Warren__Deploy__Order *)message);
        deploy_record_free(message);
    }
}

void kit_settle(void) {
    for (uint32_t quiet = 0, i = 0; quiet < 12; i++) {
        CHECK(i < 1000);
        quiet = kit_decide() == 0 ? quiet + 1 : 0;
        kit_report();
        kit_now_ms += 100;
    }
}

// ---- what is there

static ProtobufCMessage *read(deploy_record_kind kind, const char *owner, const char *service) {
    const char *why;
    deploy_key key = key_of(kind, owner, 0, service);
    const pair *of = find(&key);
    return of != NULL ? deploy_record_decode(kind, (mesh_bytes){of->value, of->len}, &why) : NULL;
}

static const char *say_numbers(const ProtobufCMessage *message, bool is_prepare) {
    static char text[2][TEXT_LEN];
    static uint32_t next;
    char *to = text[next++ % 2];
    size_t len = 0;
    const Warren__Deploy__Order *order = (const Warren__Deploy__Order *)message;
    to[0] = '\0';
    if (order == NULL) return "none";
    size_t count = is_prepare ? order->n_prepare : order->n_instances;
    while (!is_prepare && count > 0 && order->instances[count - 1]->release == 0)
        count--;
    for (size_t i = 0; i < count && len < TEXT_LEN; i++)
        len += (size_t)snprintf(to + len, TEXT_LEN - len, "%s%" PRIu64, len > 0 ? " " : "",
                                is_prepare ? order->prepare[i] : order->instances[i]->release);
    return to;
}

const char *kit_order(const char *host, const char *service) {
    ProtobufCMessage *message = read(DEPLOY_RECORD_ORDER, host, service);
    const char *text = say_numbers(message, false);
    deploy_record_free(message);
    return text;
}

const char *kit_prepare(const char *host, const char *service) {
    ProtobufCMessage *message = read(DEPLOY_RECORD_ORDER, host, service);
    const char *text = say_numbers(message, true);
    deploy_record_free(message);
    return text;
}

uint32_t kit_attempt(const char *host, const char *service, uint32_t index) {
    ProtobufCMessage *message = read(DEPLOY_RECORD_ORDER, host, service);
    const Warren__Deploy__Order *order = (const Warren__Deploy__Order *)message;
    uint32_t attempt =
        order != NULL && index < order->n_instances ? order->instances[index]->attempt : 0;
    deploy_record_free(message);
    return attempt;
}

const char *kit_placed(const char *service) {
    static char text[TEXT_LEN];
    size_t len = 0;
    ProtobufCMessage *message = read(DEPLOY_RECORD_PLACED, service, "");
    const Warren__Deploy__Placed *placed = (const Warren__Deploy__Placed *)message;
    text[0] = '\0';
    if (placed == NULL) return "none";
    for (size_t i = 0; i < placed->n_slots && len < TEXT_LEN; i++) {
        const Warren__Deploy__Slot *slot = placed->slots[i];
        len += (size_t)snprintf(text + len, TEXT_LEN - len, "%s%u:%s.%u%s%s", len > 0 ? " " : "",
                                slot->slot, slot->host, slot->index, slot->is_lost ? "!" : "",
                                slot->is_stand_in ? "+" : "");
    }
    deploy_record_free(message);
    return text;
}

const Warren__Deploy__State *kit_state_message(void) {
    if (state != NULL) deploy_record_free(&state->base);
    state = (Warren__Deploy__State *)read(DEPLOY_RECORD_STATE, "p", "");
    return state;
}

const char *kit_state(void) {
    static const char *const names[] = {"preparing", "rolling",  "canary", "back",
                                        "done",      "returned", "broken"};
    static char text[TEXT_LEN];
    const Warren__Deploy__State *s = kit_state_message();
    if (s == NULL) return "none";
    size_t len = (size_t)snprintf(text, sizeof text, "%s %" PRIu64 ">%" PRIu64, names[s->phase],
                                  s->from, s->to);
    for (size_t i = 0; i < s->n_services && len < TEXT_LEN; i++)
        len += (size_t)snprintf(text + len, TEXT_LEN - len, " %s %u/%u/%u", s->services[i]->service,
                                s->services[i]->ready, s->services[i]->wanted,
                                s->services[i]->updated);
    return text;
}

size_t kit_count(deploy_record_kind kind) {
    size_t count = 0;
    for (size_t i = 0; i < pair_count; i++)
        count += pairs[i].key.kind == kind;
    return count;
}
