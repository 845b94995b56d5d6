#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/project.h"
#include "core/mem.h"

enum { SHOWN_MAX = 4 };

static char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return (char *)(uintptr_t)(text != NULL ? text : "");
}

static uint64_t number_of(const json_t *object, const char *key) {
    return (uint64_t)json_number_value(json_object_get(object, key));
}

static int index_of(const char *name, const char *const *names) {
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], name) == 0) return i;
    return 0; // the schema knows no other
}

static void take_labels(Warren__Deploy__Spec *spec, json_t *labels) {
    const char *key;
    json_t *value;
    Warren__Deploy__Label **list = mem_alloc((json_object_size(labels) + 1) * sizeof(void *));
    json_object_foreach(labels, key, value) {
        Warren__Deploy__Label *label = mem_alloc(sizeof *label);
        warren__deploy__label__init(label);
        label->key = (char *)(uintptr_t)key;
        label->value = (char *)(uintptr_t)json_string_value(value);
        list[spec->n_requires++] = label;
    }
    spec->requires = list;
}

static void take_apart(Warren__Deploy__Spec *spec, const json_t *names) {
    size_t i;
    const json_t *name;
    spec->apart = mem_alloc((json_array_size(names) + 1) * sizeof *spec->apart);
    json_array_foreach(names, i, name) spec->apart[spec->n_apart++] =
        (char *)(uintptr_t)json_string_value(name);
}

static void take_placement(Warren__Deploy__Spec *spec, const json_t *placement) {
    const json_t *spread = json_object_get(placement, "spread");
    take_labels(spec, json_object_get(placement, "labels"));
    take_apart(spec, json_object_get(placement, "antiAffinity"));
    spec->is_spread = json_is_true(spread) || json_is_string(spread);
    spec->spread_label = text_of(placement, "spread");
    spec->cpu_milli = (uint32_t)(json_number_value(json_object_get(placement, "cpu")) * 1000 + 0.5);
    spec->memory = number_of(placement, "memoryBytes");
}

static void take_disconnect(Warren__Deploy__Spec *spec, const json_t *disconnect) {
    static const char *const policies[] = {"keep", "replace", "stopAfter", NULL};
    static const char *const reconciles[] = {"original", "standIn", "longest", NULL};
    spec->disconnect =
        (Warren__Deploy__Spec__Disconnect)index_of(text_of(disconnect, "policy"), policies);
    spec->disconnect_ms = number_of(disconnect, "afterMs");
    spec->reconcile =
        (Warren__Deploy__Spec__Reconcile)index_of(text_of(disconnect, "reconcile"), reconciles);
}

static void take_update(Warren__Deploy__Update *to, const json_t *update) {
    warren__deploy__update__init(to);
    to->parallel = (uint32_t)number_of(update, "parallel");
    to->drain_ms = (uint32_t)number_of(update, "drainMs");
    to->canaries = (uint32_t)number_of(update, "canary");
    to->promote_ms = (uint32_t)number_of(update, "promoteMs");
    to->failures_max = (uint32_t)number_of(update, "failures");
    to->ready_ms = (uint32_t)number_of(update, "deadlineMs");
    to->settle_ms = (uint32_t)number_of(update, "settleMs");
}

void cli_project_take_spec(cli_project_service *service, const json_t *json) {
    static const char *const kinds[] = {"count", "perHost", "max", NULL};
    Warren__Deploy__Spec *spec = &service->spec;
    const json_t *scale = json_object_get(json, "scale");
    warren__deploy__spec__init(spec);
    spec->run = &service->run;
    spec->kind = (Warren__Deploy__Spec__Count)index_of(text_of(scale, "kind"), kinds);
    spec->count = (uint32_t)number_of(scale, "count");
    take_placement(spec, json_object_get(json, "placement"));
    take_disconnect(spec, json_object_get(json, "disconnect"));
    take_update(&service->update, json_object_get(json, "update"));
    spec->update = &service->update;
}

void cli_project_free_spec(cli_project_service *service) {
    Warren__Deploy__Label **labels = service->spec.requires;
    for (size_t i = 0; i < service->spec.n_requires; i++)
        free(labels[i]);
    free(labels);
    free(service->spec.apart);
}

void cli_project_say_deploy_only(const cli_project *project) {
    const json_t *keys = json_object_get(project->json, "deployOnly"), *key;
    size_t count = json_array_size(keys), i;
    char text[1024];
    int len = 0;
    if (count == 0) return;
    json_array_foreach(keys, i, key) {
        if (i == SHOWN_MAX) break;
        len += snprintf(text + len, sizeof text - (size_t)len, "%s%.200s", i > 0 ? ", " : "",
                        json_string_value(key));
    }
    if (count > SHOWN_MAX)
        (void)snprintf(text + len, sizeof text - (size_t)len, " and %zu more", count - SHOWN_MAX);
    cli_say("`warren up` runs all on this host, and does without %s: `warren deploy` follows %s",
            text, count == 1 ? "it" : "them");
}
