#include "cli/deploy_plan.h"

#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/json.h"
#include "cli/plan.h"

// ---- paths

// "/srv/shop/api.js" in "/srv/shop" as "./api.js", in the same memory, which is longer. False: it
// is outside.
static bool shorten(char *path, const char *root) {
    size_t len = strlen(root);
    if (strncmp(path, root, len) != 0 || (path[len] != '/' && path[len] != '\0')) return false;
    const char *rest = path[len] == '/' ? path + len + 1 : path + len;
    size_t rest_len = strlen(rest);
    if (len == 0 || (rest == path + len && len < 2)) return false;
    memmove(path + 2, rest, rest_len + 1);
    memcpy(path, "./", 2);
    return true;
}

static int complain(const char *service, const char *what, const char *path, const char *root) {
    cli_say("%.63s: %s %.200s is outside of %.200s, and only what is in it is deployed (deploy the "
            "directory that has both: `warren deploy DIR --file FILE`)",
            service, what, path, root);
    return CLI_USAGE;
}

static int make_relative(cli_project_service *service, const char *root) {
    Warren__Agent__Run *run = &service->run;
    if (!shorten(run->entry, root)) return complain(run->name, "its entry", run->entry, root);
    if (!shorten(run->cwd, root)) return complain(run->name, "its cwd", run->cwd, root);
    for (size_t i = 0; i < run->n_preload; i++)
        if (run->preload[i][0] == '/' && !shorten(run->preload[i], root))
            return complain(run->name, "what it preloads,", run->preload[i], root);
    return CLI_DONE;
}

int cli_deploy_make_relative(cli_project *project, const char *root) {
    int exit_code = CLI_DONE;
    for (size_t i = 0; i < project->count && exit_code == CLI_DONE; i++)
        exit_code = make_relative(&project->services[i], root);
    return exit_code;
}

// ---- what differs

static void note_if(json_t *keys, bool differs, const char *key) {
    if (differs) json_array_append_new(keys, json_string(key));
}

static bool is_other_message(const ProtobufCMessage *a, const ProtobufCMessage *b) {
    size_t len = a != NULL ? protobuf_c_message_get_packed_size(a) : 0;
    if (len != (b != NULL ? protobuf_c_message_get_packed_size(b) : 0)) return true;
    uint8_t a_bytes[512], b_bytes[512];
    if (len == 0 || len > sizeof a_bytes) return len != 0;
    (void)protobuf_c_message_pack(a, a_bytes);
    (void)protobuf_c_message_pack(b, b_bytes);
    return memcmp(a_bytes, b_bytes, len) != 0;
}

static bool is_other_placement(const Warren__Deploy__Spec *a, const Warren__Deploy__Spec *b) {
    if (a->n_requires != b->n_requires || a->n_apart != b->n_apart ||
        a->is_spread != b->is_spread || strcmp(a->spread_label, b->spread_label) != 0 ||
        a->cpu_milli != b->cpu_milli || a->memory != b->memory)
        return true;
    for (size_t i = 0; i < a->n_requires; i++)
        if (is_other_message(&a->requires[i] -> base, &b -> requires[i] -> base)) return true;
    for (size_t i = 0; i < a->n_apart; i++)
        if (strcmp(a->apart[i], b->apart[i]) != 0) return true;
    return false;
}

static json_t *compare(const Warren__Deploy__Spec *a, const Warren__Deploy__Spec *b) {
    json_t *keys = cli_plan_compare(a->run, b->run);
    note_if(keys, a->kind != b->kind || a->count != b->count, "instances");
    note_if(keys, is_other_placement(a, b), "placement");
    note_if(keys,
            a->disconnect != b->disconnect || a->disconnect_ms != b->disconnect_ms ||
                a->reconcile != b->reconcile,
            "disconnect");
    note_if(keys,
            is_other_message(a->update != NULL ? &a->update->base : NULL,
                             b->update != NULL ? &b->update->base : NULL),
            "update");
    return keys;
}

// ---- as people and machines read it

static void put_count(char *out, size_t cap, const Warren__Deploy__Spec *spec) {
    if (spec->kind == WARREN__DEPLOY__SPEC__COUNT__MAX)
        (void)snprintf(out, cap, "one for each processor");
    else
        (void)snprintf(out, cap, "%u%s", spec->count,
                       spec->kind == WARREN__DEPLOY__SPEC__COUNT__PER_HOST ? " on each host" : "");
}

static void print_step(char mark, const char *name, const Warren__Deploy__Spec *spec,
                       const json_t *keys, bool is_json) {
    static const char *const actions[] = {"start", "update", "stop", "keep"};
    char count[48];
    size_t i;
    const json_t *key;
    if (is_json) {
        const char *action = actions[strchr("+~-=", mark) - "+~-="];
        cli_json_print(json_pack("{s:s, s:o, s:s, s:o}", "type", "planned", "service",
                                 cli_json_string(name), "action", action, "keys",
                                 keys != NULL ? json_deep_copy(keys) : json_array()));
        return;
    }
    (void)printf("%c %s", mark, name);
    if (mark == '+') {
        put_count(count, sizeof count, spec);
        (void)printf("  %s x %s", count, spec->run->entry);
    }
    if (mark == '-') (void)printf("  is stopped");
    if (mark == '=') (void)printf("  its settings are as they were");
    json_array_foreach(keys, i, key)(void)
        printf("%s %s", i == 0 ? " " : ",", json_string_value(key));
    (void)printf("\n");
}

static void plan_service(const cli_deployed *d, const char *project, uint64_t running,
                         const cli_project_service *wanted, bool is_json) {
    const char *name = wanted->run.name;
    Warren__Deploy__Spec *now = running != 0 ? cli_deployed_spec(d, project, running, name) : NULL;
    json_t *keys = now != NULL ? compare(now, &wanted->spec) : NULL;
    const char *mark = now == NULL ? "+" : json_array_size(keys) > 0 ? "~" : "=";
    print_step(*mark, name, &wanted->spec, keys, is_json);
    json_decref(keys);
    if (now != NULL) warren__deploy__spec__free_unpacked(now, NULL);
}

static bool is_wanted(const cli_project *project, const char *name) {
    for (size_t i = 0; i < project->count; i++)
        if (strcmp(project->services[i].run.name, name) == 0) return true;
    return false;
}

void cli_deploy_plan_print(const cli_project *project, const cli_deployed *d, bool is_json) {
    Warren__Deploy__Project *now = cli_deployed_project(d, project->name);
    Warren__Deploy__State *state = cli_deployed_state(d, project->name);
    uint64_t running = cli_deployed_running(now, state);
    Warren__Deploy__Release *release =
        running != 0 ? cli_deployed_release(d, project->name, running) : NULL;
    for (size_t i = 0; release != NULL && i < release->n_services; i++)
        if (!is_wanted(project, release->services[i]))
            print_step('-', release->services[i], NULL, NULL, is_json);
    for (size_t i = 0; i < project->count; i++)
        plan_service(d, project->name, running, &project->services[i], is_json);
    (void)fflush(stdout);
    if (now != NULL) warren__deploy__project__free_unpacked(now, NULL);
    if (state != NULL) warren__deploy__state__free_unpacked(state, NULL);
    if (release != NULL) warren__deploy__release__free_unpacked(release, NULL);
}
