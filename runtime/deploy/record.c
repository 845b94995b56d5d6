#include "deploy/record.h"

#include <inttypes.h>
#include <stdio.h>

#include "deploy/conductor.h"
#include "deploy/placement.h"

#define ROOT "deploy/"

enum { NUMBER_LEN = 10 };
static const uint64_t memory_max = 1ULL << 50, time_ms_max = 1ULL << 40;

typedef enum shape { OF_NONE, OF_OWNER, OF_NUMBER, OF_NUMBERED_SERVICE, OF_SERVICE } shape;

static const struct {
    const char *name;
    shape shape;
} kinds[DEPLOY_RECORD_KINDS] = {
    [DEPLOY_RECORD_DRAINED] = {"drained", OF_OWNER},
    [DEPLOY_RECORD_HOST] = {"host", OF_OWNER},
    [DEPLOY_RECORD_LEADER] = {"leader", OF_NONE},
    [DEPLOY_RECORD_ORDER] = {"order", OF_SERVICE},
    [DEPLOY_RECORD_PLACED] = {"placed", OF_OWNER},
    [DEPLOY_RECORD_PROJECT] = {"project", OF_OWNER},
    [DEPLOY_RECORD_RELEASE] = {"release", OF_NUMBER},
    [DEPLOY_RECORD_REPORT] = {"report", OF_SERVICE},
    [DEPLOY_RECORD_ROLLOUT] = {"rollout", OF_OWNER},
    [DEPLOY_RECORD_SPEC] = {"spec", OF_NUMBERED_SERVICE},
    [DEPLOY_RECORD_STATE] = {"state", OF_OWNER},
};

// ---- keys

static bool is_name(const char *text, size_t len) {
    if (len == 0 || len >= DEPLOY_NAME_MAX) return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '/') return false;
    return true;
}

// Up to the next "/" or the end, which it takes too.
static bool take_name(mesh_bytes *rest, char out[DEPLOY_NAME_MAX]) {
    const uint8_t *slash = rest->len > 0 ? memchr(rest->data, '/', rest->len) : NULL;
    size_t len = slash != NULL ? (size_t)(slash - rest->data) : rest->len;
    if (!is_name((const char *)rest->data, len)) return false;
    memcpy(out, rest->data, len);
    out[len] = '\0';
    *rest = mesh_bytes_skip(*rest, len + (slash != NULL));
    return slash == NULL || rest->len > 0; // nothing ends in "/"
}

static bool take_number(mesh_bytes *rest, uint64_t *out) {
    char digits[DEPLOY_NAME_MAX];
    if (!take_name(rest, digits) || strlen(digits) != NUMBER_LEN) return false;
    *out = 0;
    for (size_t i = 0; i < NUMBER_LEN; i++) {
        if (digits[i] < '0' || digits[i] > '9') return false;
        *out = *out * 10 + (uint64_t)(digits[i] - '0');
    }
    return *out > 0;
}

static bool take_kind(mesh_bytes *rest, deploy_record_kind *out) {
    char name[DEPLOY_NAME_MAX];
    if (!take_name(rest, name)) return false;
    for (int i = 0; i < DEPLOY_RECORD_KINDS; i++) {
        if (strcmp(kinds[i].name, name) != 0) continue;
        *out = (deploy_record_kind)i;
        return true;
    }
    return false;
}

bool deploy_key_read(mesh_bytes text, deploy_key *out) {
    deploy_key key = {0};
    size_t root_len = strlen(ROOT);
    if (text.len < root_len || memcmp(text.data, ROOT, root_len) != 0) return false;
    mesh_bytes rest = mesh_bytes_skip(text, root_len);
    if (!take_kind(&rest, &key.kind)) return false;
    shape is = kinds[key.kind].shape;
    bool has_number = is == OF_NUMBER || is == OF_NUMBERED_SERVICE;
    bool has_service = is == OF_SERVICE || is == OF_NUMBERED_SERVICE;
    if (is != OF_NONE && !take_name(&rest, key.owner)) return false;
    if (has_number && !take_number(&rest, &key.number)) return false;
    if (has_service && !take_name(&rest, key.service)) return false;
    if (rest.len > 0) return false;
    *out = key;
    return true;
}

void deploy_key_write(const deploy_key *key, char out[DEPLOY_KEY_MAX]) {
    const char *name = kinds[key->kind].name;
    switch (kinds[key->kind].shape) {
    case OF_NONE: (void)snprintf(out, DEPLOY_KEY_MAX, ROOT "%s", name); break;
    case OF_OWNER: (void)snprintf(out, DEPLOY_KEY_MAX, ROOT "%s/%s", name, key->owner); break;
    case OF_NUMBER:
        (void)snprintf(out, DEPLOY_KEY_MAX, ROOT "%s/%s/%010" PRIu64, name, key->owner,
                       key->number);
        break;
    case OF_NUMBERED_SERVICE:
        (void)snprintf(out, DEPLOY_KEY_MAX, ROOT "%s/%s/%010" PRIu64 "/%s", name, key->owner,
                       key->number, key->service);
        break;
    case OF_SERVICE:
        (void)snprintf(out, DEPLOY_KEY_MAX, ROOT "%s/%s/%s", name, key->owner, key->service);
        break;
    }
}

// ---- values: each gives what is wrong, or NULL

static bool is_text_name(const char *text) {
    return is_name(text, strlen(text));
}

static const char *judge_labels(Warren__Deploy__Label *const *labels, size_t count) {
    if (count > DEPLOY_LABELS_MAX) return "it has more than 32 labels";
    for (size_t i = 0; i < count; i++)
        if (strlen(labels[i]->key) >= DEPLOY_NAME_MAX ||
            strlen(labels[i]->value) >= DEPLOY_NAME_MAX)
            return "a label is longer than 63 bytes";
    return NULL;
}

static const char *judge_host(const Warren__Deploy__Host *host) {
    if (host->memory > memory_max) return "it has too much memory";
    return judge_labels(host->labels, host->n_labels);
}

static const char *judge_project(const Warren__Deploy__Project *project) {
    if (project->n_scaled > DEPLOY_SERVICES_MAX) return "it scales too many services";
    for (size_t i = 0; i < project->n_scaled; i++)
        if (!is_text_name(project->scaled[i]->service) ||
            project->scaled[i]->instances > DEPLOY_COUNT_MAX)
            return "it scales to more than 1,000 instances, or what is no service";
    return NULL;
}

static const char *judge_release(const Warren__Deploy__Release *release) {
    if (release->manifest_hash.len != 32) return "the hash of its manifest is not 32 bytes long";
    if (release->n_services > DEPLOY_SERVICES_MAX) return "it has more than 1,024 services";
    for (size_t i = 0; i < release->n_services; i++) {
        if (!is_text_name(release->services[i])) return "one of its services has no name";
        for (size_t j = 0; j < i; j++)
            if (strcmp(release->services[i], release->services[j]) == 0)
                return "two of its services have one name";
    }
    return NULL;
}

static const char *judge_spec(const Warren__Deploy__Spec *spec) {
    if (spec->run == NULL) return "it does not say what to run";
    if (spec->count > DEPLOY_COUNT_MAX) return "it has more than 1,000 instances";
    if (spec->kind > WARREN__DEPLOY__SPEC__COUNT__MAX ||
        spec->disconnect > WARREN__DEPLOY__SPEC__DISCONNECT__STOP_AFTER ||
        spec->reconcile > WARREN__DEPLOY__SPEC__RECONCILE__LONGEST)
        return "it says what only a newer Warren knows";
    if (spec->n_apart > DEPLOY_APART_MAX) return "it is apart from more than 64 services";
    if (spec->memory > memory_max || spec->disconnect_ms > time_ms_max)
        return "it asks for too much";
    if (strlen(spec->spread_label) >= DEPLOY_NAME_MAX) return "a label is longer than 63 bytes";
    return judge_labels(spec->requires, spec->n_requires);
}

static const char *judge_state(const Warren__Deploy__State *state) {
    if (state->phase > WARREN__DEPLOY__STATE__PHASE__BROKEN)
        return "it says what only a newer Warren knows";
    if (state->n_services > DEPLOY_SERVICES_MAX) return "it has more than 1,024 services";
    if (state->n_outcomes > DEPLOY_OUTCOMES_MAX) return "it has outcomes of more than 24 releases";
    if (strlen(state->why) > DEPLOY_WHY_LEN_MAX || state->last_lines.len > DEPLOY_LINES_LEN_MAX)
        return "it says too much";
    return NULL;
}

static const char *judge_placed(const Warren__Deploy__Placed *placed) {
    if (placed->n_slots > 2UL * DEPLOY_COUNT_MAX) return "it has too many instances";
    if (!is_text_name(placed->project)) return "it is of no project";
    for (size_t i = 0; i < placed->n_slots; i++) {
        const Warren__Deploy__Slot *slot = placed->slots[i];
        if (slot->slot >= DEPLOY_COUNT_MAX || slot->index >= DEPLOY_AT_HOST_MAX ||
            !is_text_name(slot->host))
            return "one of its instances is out of bounds";
    }
    return NULL;
}

static const char *judge_order(const Warren__Deploy__Order *order) {
    if (order->n_instances > DEPLOY_AT_HOST_MAX) return "it has more than 500 instances";
    if (order->n_prepare > DEPLOY_PREPARE_MAX) return "it prepares more than 4 releases";
    return is_text_name(order->project) ? NULL : "it is of no project";
}

static const char *judge_report(const Warren__Deploy__Report *report) {
    if (report->n_instances > DEPLOY_AT_HOST_MAX) return "it has more than 500 instances";
    if (report->n_prepared > 4UL * DEPLOY_PREPARE_MAX) return "it prepared too many releases";
    for (size_t i = 0; i < report->n_instances; i++) {
        const Warren__Deploy__Present *present = report->instances[i];
        if (present->state > WARREN__DEPLOY__PRESENT__STATE__FAILED)
            return "it says what only a newer Warren knows";
        if (present->last_lines.len > DEPLOY_LINES_LEN_MAX) return "it says too much";
    }
    return NULL;
}

static const char *judge(deploy_record_kind kind, const void *message) {
    switch (kind) {
    case DEPLOY_RECORD_HOST: return judge_host(message);
    case DEPLOY_RECORD_ORDER: return judge_order(message);
    case DEPLOY_RECORD_PLACED: return judge_placed(message);
    case DEPLOY_RECORD_PROJECT: return judge_project(message);
    case DEPLOY_RECORD_RELEASE: return judge_release(message);
    case DEPLOY_RECORD_REPORT: return judge_report(message);
    case DEPLOY_RECORD_SPEC: return judge_spec(message);
    case DEPLOY_RECORD_STATE: return judge_state(message);
    default: return NULL;
    }
}

static const ProtobufCMessageDescriptor *descriptor_of(deploy_record_kind kind) {
    switch (kind) {
    case DEPLOY_RECORD_DRAINED: return &warren__deploy__drained__descriptor;
    case DEPLOY_RECORD_HOST: return &warren__deploy__host__descriptor;
    case DEPLOY_RECORD_ORDER: return &warren__deploy__order__descriptor;
    case DEPLOY_RECORD_PLACED: return &warren__deploy__placed__descriptor;
    case DEPLOY_RECORD_PROJECT: return &warren__deploy__project__descriptor;
    case DEPLOY_RECORD_RELEASE: return &warren__deploy__release__descriptor;
    case DEPLOY_RECORD_REPORT: return &warren__deploy__report__descriptor;
    case DEPLOY_RECORD_SPEC: return &warren__deploy__spec__descriptor;
    case DEPLOY_RECORD_STATE: return &warren__deploy__state__descriptor;
    default: return NULL;
    }
}

ProtobufCMessage *deploy_record_decode(deploy_record_kind kind, mesh_bytes value,
                                       const char **why) {
    const ProtobufCMessageDescriptor *descriptor = descriptor_of(kind);
    *why = "it is longer than 64 KiB";
    if (value.len > DEPLOY_VALUE_LEN_MAX) return NULL;
    *why = "it does not decode";
    if (descriptor == NULL) return NULL;
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, NULL, value.len, value.data);
    if (message == NULL) return NULL;
    *why = judge(kind, message);
    if (*why == NULL) return message;
    deploy_record_free(message);
    return NULL;
}

void deploy_record_free(ProtobufCMessage *message) {
    if (message != NULL) protobuf_c_message_free_unpacked(message, NULL);
}
