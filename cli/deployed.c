#include "cli/deployed.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "core/mem.h"

enum { KEY_MAX = 600 };

// ---- the pairs

static size_t find(const cli_deployed *d, const char *key) {
    size_t low = 0, high = d->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(d->pairs[middle]->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const cli_deployed *d, size_t at, const char *key) {
    return at < d->count && strcmp(d->pairs[at]->key, key) == 0;
}

static Warren__Agent__Pair *copy(const Warren__Agent__Pair *from) {
    Warren__Agent__Pair *pair = mem_alloc(sizeof *pair);
    warren__agent__pair__init(pair);
    pair->key = mem_copy(from->key, strlen(from->key) + 1);
    pair->value =
        (ProtobufCBinaryData){from->value.len, mem_copy(from->value.data, from->value.len)};
    return pair;
}

static void take_pair(cli_deployed *d, const Warren__Agent__Pair *pair) {
    size_t at = find(d, pair->key);
    bool is_there = is_at(d, at, pair->key);
    if (is_there) {
        warren__agent__pair__free_unpacked(d->pairs[at], NULL);
        if (pair->is_gone) {
            d->count--;
            memmove(&d->pairs[at], &d->pairs[at + 1], (d->count - at) * sizeof(void *));
        } else {
            d->pairs[at] = copy(pair);
        }
    } else if (!pair->is_gone) {
        d->pairs = mem_grow(d->pairs, sizeof(void *), d->count + 1, &d->cap);
        memmove(&d->pairs[at + 1], &d->pairs[at], (d->count - at) * sizeof(void *));
        d->pairs[at] = copy(pair);
        d->count++;
    }
}

void cli_deployed_take(cli_deployed *d, const Warren__Agent__Deployed *news) {
    for (size_t i = 0; i < news->n_pairs; i++)
        take_pair(d, news->pairs[i]);
    (void)snprintf(d->store, sizeof d->store, "%.190s", news->store);
    (void)snprintf(d->trouble, sizeof d->trouble, "%.500s", news->trouble);
    (void)snprintf(d->host, sizeof d->host, "%.120s", news->host);
}

void cli_deployed_deinit(cli_deployed *d) {
    for (size_t i = 0; i < d->count; i++)
        warren__agent__pair__free_unpacked(d->pairs[i], NULL);
    free(d->pairs);
    *d = (cli_deployed){0};
}

static bool on_reply(const Warren__Agent__Reply *reply, void *user) {
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_DEPLOYED) return false;
    cli_deployed_take(user, reply->deployed);
    return !reply->deployed->more;
}

int cli_deployed_read(cli_session *session, const char *const *prefixes, bool if_any,
                      cli_deployed *out) {
    Warren__Agent__ReadDeployed body = WARREN__AGENT__READ_DEPLOYED__INIT;
    body.prefixes = (char **)(uintptr_t)prefixes;
    while (prefixes != NULL && prefixes[body.n_prefixes] != NULL)
        body.n_prefixes++;
    body.if_any = if_any;
    CLI_REQUEST(request, READ_DEPLOYED, read_deployed, &body);
    return cli_session_ask(session, &request, on_reply, out);
}

void cli_deployed_each(const cli_deployed *d, const char *prefix, cli_deployed_cb each,
                       void *user) {
    size_t len = strlen(prefix);
    for (size_t i = find(d, prefix); i < d->count; i++) {
        if (strncmp(d->pairs[i]->key, prefix, len) != 0) break;
        each(d->pairs[i]->key + len, d->pairs[i]->value, user);
    }
}

// ---- what they are

__attribute__((format(printf, 2, 3))) static const Warren__Agent__Pair *
get(const cli_deployed *d, const char *format, ...) {
    char key[KEY_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(key, sizeof key, format, args);
    va_end(args);
    size_t at = find(d, key);
    return is_at(d, at, key) ? d->pairs[at] : NULL;
}

#define UNPACK(KIND, PAIR)                                                                         \
    ((PAIR) != NULL                                                                                \
         ? warren__deploy__##KIND##__unpack(NULL, (PAIR)->value.len, (PAIR)->value.data)           \
         : NULL)

Warren__Deploy__Project *cli_deployed_project(const cli_deployed *d, const char *project) {
    const Warren__Agent__Pair *pair = get(d, "project/%.100s", project);
    return UNPACK(project, pair);
}

Warren__Deploy__State *cli_deployed_state(const cli_deployed *d, const char *project) {
    const Warren__Agent__Pair *pair = get(d, "state/%.100s", project);
    return UNPACK(state, pair);
}

Warren__Deploy__Release *cli_deployed_release(const cli_deployed *d, const char *project,
                                              uint64_t number) {
    const Warren__Agent__Pair *pair =
        get(d, "release/%.100s/%010llu", project, (unsigned long long)number);
    return UNPACK(release, pair);
}

Warren__Deploy__Spec *cli_deployed_spec(const cli_deployed *d, const char *project, uint64_t number,
                                        const char *service) {
    const Warren__Agent__Pair *pair =
        get(d, "spec/%.100s/%010llu/%.100s", project, (unsigned long long)number, service);
    return UNPACK(spec, pair);
}

Warren__Deploy__Placed *cli_deployed_placed(const cli_deployed *d, const char *service) {
    const Warren__Agent__Pair *pair = get(d, "placed/%.100s", service);
    return UNPACK(placed, pair);
}

Warren__Deploy__Report *cli_deployed_report(const cli_deployed *d, const char *host,
                                            const char *service) {
    const Warren__Agent__Pair *pair = get(d, "report/%.120s/%.100s", host, service);
    return UNPACK(report, pair);
}

Warren__Deploy__Order *cli_deployed_order(const cli_deployed *d, const char *host,
                                          const char *service) {
    const Warren__Agent__Pair *pair = get(d, "order/%.120s/%.100s", host, service);
    return UNPACK(order, pair);
}

bool cli_deployed_has(const cli_deployed *d, const char *kind, const char *name) {
    return get(d, "%s/%.120s", kind, name) != NULL;
}

bool cli_deployed_is_over(const Warren__Deploy__Project *project,
                          const Warren__Deploy__State *state) {
    return state != NULL && state->deployment == project->deployment &&
           state->phase >= WARREN__DEPLOY__STATE__PHASE__DONE;
}

uint64_t cli_deployed_running(const Warren__Deploy__Project *project,
                              const Warren__Deploy__State *state) {
    if (project == NULL) return 0;
    bool is_done =
        cli_deployed_is_over(project, state) && state->phase == WARREN__DEPLOY__STATE__PHASE__DONE;
    return is_done ? project->release : project->before;
}

bool cli_deployed_is_deployed(const cli_deployed *d, const char *name) {
    Warren__Deploy__Project *project = cli_deployed_project(d, name);
    Warren__Deploy__State *state = cli_deployed_state(d, name);
    bool is_it = project != NULL && (cli_deployed_running(project, state) != 0 ||
                                     !cli_deployed_is_over(project, state));
    if (project != NULL) warren__deploy__project__free_unpacked(project, NULL);
    if (state != NULL) warren__deploy__state__free_unpacked(state, NULL);
    return is_it;
}

typedef struct owning {
    const cli_deployed *deployed;
    const char *service;
    char *project;
} owning;

static bool has_service(const cli_deployed *d, const char *project, uint64_t release,
                        const char *service) {
    Warren__Deploy__Release *r = release != 0 ? cli_deployed_release(d, project, release) : NULL;
    bool is_there = false;
    for (size_t i = 0; r != NULL && i < r->n_services; i++)
        is_there = is_there || strcmp(r->services[i], service) == 0;
    if (r != NULL) warren__deploy__release__free_unpacked(r, NULL);
    return is_there;
}

static void look_into(const char *name, ProtobufCBinaryData value, void *user) {
    owning *o = user;
    (void)value;
    Warren__Deploy__Project *project = cli_deployed_project(o->deployed, name);
    Warren__Deploy__State *state = cli_deployed_state(o->deployed, name);
    if (o->project == NULL && project != NULL &&
        has_service(o->deployed, name, cli_deployed_running(project, state), o->service))
        o->project = mem_copy(name, strlen(name) + 1);
    if (project != NULL) warren__deploy__project__free_unpacked(project, NULL);
    if (state != NULL) warren__deploy__state__free_unpacked(state, NULL);
}

char *cli_deployed_project_of(const cli_deployed *d, const char *service) {
    owning o = {.deployed = d, .service = service};
    cli_deployed_each(d, "project/", look_into, &o);
    return o.project;
}

// ---- who

typedef struct naming {
    const char *first;
    size_t count;
    char all[400];
} naming;

static void name_one(const char *rest, ProtobufCBinaryData value, void *user) {
    naming *n = user;
    size_t len = strlen(n->all);
    (void)value;
    if (n->count++ == 0) n->first = rest;
    if (len < sizeof n->all - 70)
        (void)snprintf(n->all + len, sizeof n->all - len, "%s%.63s", len > 0 ? ", " : "", rest);
}

const char *cli_deployed_only_project(const cli_deployed *d, const char *verb) {
    naming n = {0};
    cli_deployed_each(d, "project/", name_one, &n);
    if (n.count == 1) return n.first;
    if (n.count == 0)
        cli_say("no project was deployed here: `warren deploy DIR` deploys one");
    else
        cli_say("%s which project? %s", verb, n.all);
    return NULL;
}

// Who logged in, whatever he became since (sudo), as in docs/events.md.
const char *cli_deployed_who(void) {
    static char name[61];
    unsigned uid = UINT32_MAX;
    FILE *file = fopen("/proc/self/loginuid", "re");
    if (file != NULL) {
        if (fscanf(file, "%u", &uid) != 1) uid = UINT32_MAX;
        (void)fclose(file);
    }
    if (uid == UINT32_MAX) uid = getuid();
    const struct passwd *entry = getpwuid(uid);
    if (entry != NULL)
        (void)snprintf(name, sizeof name, "%.60s", entry->pw_name);
    else
        (void)snprintf(name, sizeof name, "%u", uid);
    return name;
}
