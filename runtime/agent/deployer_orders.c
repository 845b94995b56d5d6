// What the leader orders this host, from the store to orders.h; and what became of it, back.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/deploy_stored.h"
#include "agent/deployer_state.h"
#include "agent/prepare.h"
#include "agent/say.h"
#include "core/mem.h"

// ---- what they need

typedef struct deployer_prepare { // of one release that is being brought to the disk
    agent_deployer *d;
    agent_preparing *preparing;
    char *project;
    uint64_t number;
    struct deployer_prepare *next;
} deployer_prepare;

typedef struct deployer_asked { // for what the store may have: it is not read yet
    char *project, *service;    // service NULL: for the release
    uint64_t number;
    struct deployer_asked *next;
} deployer_asked;

// Orders that are on the disk ask before anything was read, and so do those that are read before
// the release that they name. False: what is not there now is nowhere.
static bool waits(agent_deployer *d, const char *project, uint64_t number, const char *service) {
    if (agent_mirror_is_settled(d->mirror)) return false;
    deployer_asked *a = mem_alloc(sizeof *a);
    *a =
        (deployer_asked){.project = mem_copy(project, strlen(project) + 1),
                         .service = service != NULL ? mem_copy(service, strlen(service) + 1) : NULL,
                         .number = number,
                         .next = d->asked};
    d->asked = a;
    return true;
}

static void free_asked(deployer_asked *a) {
    free(a->project);
    free(a->service);
    free(a);
}

static void free_prepare(deployer_prepare *p) {
    for (deployer_prepare **at = &p->d->prepares; *at != NULL; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            break;
        }
    free(p->project);
    free(p);
}

// ---- room for them

enum { WAYS_BACK = 4 };

typedef struct keeping { // what stays on the disk
    const agent_deployer *d;
    char project[STORE_KEY_LEN_MAX + 1]; // whose releases are looked at
    uint64_t wanted[WAYS_BACK];          // of them
    char (*ids)[DEPLOY_ID_MAX];
    size_t count, cap;
} keeping;

static const agent_mirror_pair *get(const agent_deployer *d, const char *kind,
                                    const char *project) {
    char key[STORE_KEY_LEN_MAX];
    (void)snprintf(key, sizeof key, "deploy/%s/%.100s", kind, project);
    return agent_mirror_get(d->mirror, key);
}

// What is wanted of the project, and what somebody may want to go back to.
static void look_at_project(keeping *k) {
    const agent_mirror_pair *project = get(k->d, "project", k->project),
                            *state = get(k->d, "state", k->project);
    deploy_stored stored = {k->d->mirror, k->project};
    agent_deploy_change c = {.project = k->project, .history = deploy_stored_history(&stored)};
    Warren__Deploy__Project *p =
        project != NULL
            ? warren__deploy__project__unpack(NULL, project->value.len, project->value.data)
            : NULL;
    Warren__Deploy__State *s =
        state != NULL ? warren__deploy__state__unpack(NULL, state->value.len, state->value.data)
                      : NULL;
    memset(k->wanted, 0, sizeof k->wanted);
    c.now = p;
    c.state = s;
    if (p != NULL) {
        uint64_t wanted[WAYS_BACK] = {p->release, p->before, p->previous,
                                      agent_deploy_last_served(&c)};
        memcpy(k->wanted, wanted, sizeof wanted);
        warren__deploy__project__free_unpacked(p, NULL);
    }
    if (s != NULL) warren__deploy__state__free_unpacked(s, NULL);
}

static bool is_wanted(const keeping *k, uint64_t number) {
    for (size_t i = 0; i < WAYS_BACK; i++)
        if (k->wanted[i] == number) return true;
    return false;
}

static void keep_id(keeping *k, const char *id) {
    k->ids = mem_grow(k->ids, DEPLOY_ID_MAX, k->count + 1, &k->cap);
    (void)snprintf(k->ids[k->count++], DEPLOY_ID_MAX, "%s", id);
}

static void keep_if_needed(const agent_mirror_pair *pair, void *user) {
    keeping *k = user;
    char project[STORE_KEY_LEN_MAX + 1], id[DEPLOY_ID_MAX];
    Warren__Deploy__Release *release =
        warren__deploy__release__unpack(NULL, pair->value.len, pair->value.data);
    bool is_sound = release != NULL && release->manifest_hash.len == sizeof(deploy_hash) &&
                    deployer_key_rest(pair->key, "deploy/release/", project) &&
                    strchr(project, '/') != NULL;
    if (is_sound) {
        *strchr(project, '/') = '\0';
        if (strcmp(project, k->project) != 0) { // they come in the order of their keys
            memcpy(k->project, project, sizeof project);
            look_at_project(k);
        }
        if (is_wanted(k, release->number) ||
            agent_orders_needs(k->d->orders, project, release->number)) {
            deploy_hash hash;
            memcpy(&hash, release->manifest_hash.data, sizeof hash);
            deploy_bundle_id(&hash, id);
            keep_id(k, id);
        }
    }
    if (release != NULL) warren__deploy__release__free_unpacked(release, NULL);
}

static void keep_any(const agent_release *release, void *user) {
    keep_id(user, release->id);
}

void agent_deployer_keep(agent_deployer *d) {
    keeping k = {.d = d};
    if (d == NULL) return; // the agent is just starting
    if (d->mirror != NULL && agent_mirror_is_whole(d->mirror))
        agent_mirror_each(d->mirror, "deploy/release/", keep_if_needed, &k);
    else if (d->mirror != NULL) // nobody knows now what is needed
        agent_releases_each(d->options.releases, keep_any, &k);
    const char **list = mem_alloc(k.count * sizeof(void *));
    for (size_t i = 0; i < k.count; i++)
        list[i] = k.ids[i];
    agent_releases_keep(d->options.releases, "deployments", list, k.count);
    free(list);
    free(k.ids);
}

static void on_collected(const agent_releases_result *result, void *user) {
    (void)user;
    if (result->err != 0)
        agent_say("releases that nobody needs stay on the disk: %s", result->text);
    else if (result->freed > 0)
        agent_say("releases that nobody needs are gone: %.1f MiB of disk are free again",
                  (double)result->freed / (1 << 20));
}

static void on_prepared(const char *dir, const char *why, void *user) {
    deployer_prepare *p = user;
    agent_orders_prepared(p->d->orders, p->project, p->number, dir, why);
    if (dir != NULL && p->d->prepares == p && p->next == NULL) // the last one
        agent_releases_collect(p->d->options.releases, AGENT_RELEASES_BUDGET, on_collected, p->d);
    free_prepare(p);
}

static void begin_prepare(agent_deployer *d, const char *project, uint64_t number,
                          const Warren__Deploy__Release *release) {
    deployer_prepare *p = mem_alloc(sizeof *p);
    *p = (deployer_prepare){.d = d,
                            .project = mem_copy(project, strlen(project) + 1),
                            .number = number,
                            .next = d->prepares};
    d->prepares = p;
    p->preparing = agent_prepare(
        &(agent_prepare_options){.releases = d->options.releases,
                                 .fetching = d->options.fetching,
                                 .record = {release->signature.data, release->signature.len},
                                 .host = release->host,
                                 .cb = on_prepared,
                                 .user = p});
}

static void prepare(void *user, const char *project, uint64_t number) {
    agent_deployer *d = user;
    char key[STORE_KEY_LEN_MAX], why[256];
    (void)snprintf(key, sizeof key, "deploy/release/%s/%010llu", project,
                   (unsigned long long)number);
    const agent_mirror_pair *pair = agent_mirror_get(d->mirror, key);
    Warren__Deploy__Release *release =
        pair != NULL ? warren__deploy__release__unpack(NULL, pair->value.len, pair->value.data)
                     : NULL;
    if (release != NULL && release->signature.len > 0) {
        begin_prepare(d, project, number, release);
    } else if (pair != NULL || !waits(d, project, number, NULL)) {
        (void)snprintf(why, sizeof why, "the store does not say what release %llu of %.63s is",
                       (unsigned long long)number, project);
        agent_orders_prepared(d->orders, project, number, NULL, why);
    }
    if (release != NULL) warren__deploy__release__free_unpacked(release, NULL);
}

static void give_spec(void *user, const char *project, uint64_t release, const char *service) {
    agent_deployer *d = user;
    char key[STORE_KEY_LEN_MAX], why[256] = "";
    (void)snprintf(key, sizeof key, "deploy/spec/%s/%010llu/%s", project,
                   (unsigned long long)release, service);
    const agent_mirror_pair *pair = agent_mirror_get(d->mirror, key);
    if (pair == NULL && waits(d, project, release, service)) return;
    Warren__Deploy__Spec *spec =
        pair != NULL ? warren__deploy__spec__unpack(NULL, pair->value.len, pair->value.data) : NULL;
    if (spec == NULL)
        (void)snprintf(why, sizeof why, "the store %s %.80s of release %llu of %.80s",
                       pair == NULL ? "does not say anything of" : "has something unreadable of",
                       service, (unsigned long long)release, project);
    agent_orders_spec(d->orders, project, release, service, spec, spec == NULL ? why : NULL);
    if (spec != NULL) warren__deploy__spec__free_unpacked(spec, NULL);
}

void deployer_orders_settled(agent_deployer *d) {
    deployer_asked *all = d->asked;
    d->asked = NULL;
    for (deployer_asked *a; (a = all) != NULL; free_asked(a)) {
        all = a->next;
        if (a->service != NULL)
            give_spec(d, a->project, a->number, a->service);
        else
            prepare(d, a->project, a->number);
    }
}

// ---- reports

static void write_report(deployer_report *r);

static void on_written(const store_answer *answer, void *user) {
    deployer_report *r = user;
    r->is_asked = false;
    if (answer->error != 0) {
        r->is_new = true; // with the next tick
        return;
    }
    if (r->is_new) write_report(r);
}

// What an agent before this one wrote. What this one did comes to the mirror later.
static bool is_there(const deployer_report *r, const char *key) {
    if (r->is_written) return false;
    const agent_mirror_pair *pair = agent_mirror_get(r->deployer->mirror, key);
    if (pair == NULL || r->bytes == NULL) return pair == NULL && r->bytes == NULL;
    return pair->value.len == r->len && memcmp(pair->value.data, r->bytes, r->len) == 0;
}

static void write_report(deployer_report *r) {
    agent_deployer *d = r->deployer;
    char key[STORE_KEY_LEN_MAX];
    if (d->host[0] == '\0' || !agent_mirror_is_whole(d->mirror)) return;
    (void)snprintf(key, sizeof key, "deploy/report/%s/%s", d->host, r->service);
    r->is_new = false;
    if (is_there(r, key)) return;
    r->is_written = true;
    store_op op = {.kind = r->bytes != NULL ? STORE_PUT : STORE_DELETE,
                   .key = mesh_bytes_text(key),
                   .value = {r->bytes, r->len}};
    r->is_asked = true;
    store_commit(d->db, &(store_transaction){.ops = &op, .op_count = 1}, on_written, r);
}

static deployer_report *report_of(agent_deployer *d, const char *service) {
    for (deployer_report *r = d->reports; r != NULL; r = r->next)
        if (strcmp(r->service, service) == 0) return r;
    deployer_report *r = mem_alloc(sizeof *r);
    r->service = mem_copy(service, strlen(service) + 1);
    r->deployer = d;
    r->next = d->reports;
    d->reports = r;
    return r;
}

static void on_report(void *user, const char *service, const Warren__Deploy__Report *report) {
    deployer_report *r = report_of(user, service);
    free(r->bytes);
    r->bytes = NULL;
    r->len = report != NULL ? warren__deploy__report__get_packed_size(report) : 0;
    if (report != NULL) {
        r->bytes = mem_alloc(r->len);
        warren__deploy__report__pack(report, r->bytes);
    }
    r->is_new = true;
    if (!r->is_asked) write_report(r);
}

bool deployer_orders_tick(agent_deployer *d) {
    bool is_all = true;
    for (deployer_report *r = d->reports; r != NULL; r = r->next) {
        if (r->is_new && !r->is_asked) write_report(r);
        is_all = is_all && !r->is_new && !r->is_asked;
    }
    return is_all;
}

// ---- orders

static void take(agent_deployer *d, const char *service, const agent_mirror_pair *pair) {
    Warren__Deploy__Order *order =
        pair != NULL ? warren__deploy__order__unpack(NULL, pair->value.len, pair->value.data)
                     : NULL;
    if (pair != NULL && order == NULL) return; // of a later version: the one before stays
    (void)agent_orders_take(d->orders, service, order);
    if (order != NULL) warren__deploy__order__free_unpacked(order, NULL);
}

static void prefix_of(const agent_deployer *d, char out[STORE_KEY_LEN_MAX]) {
    (void)snprintf(out, STORE_KEY_LEN_MAX, "deploy/order/%s/", d->host);
}

void deployer_orders_pair(agent_deployer *d, const agent_mirror_pair *pair, bool is_gone) {
    char prefix[STORE_KEY_LEN_MAX], service[STORE_KEY_LEN_MAX + 1];
    prefix_of(d, prefix);
    if (d->host[0] != '\0' && deployer_key_rest(pair->key, prefix, service))
        take(d, service, is_gone ? NULL : pair);
}

typedef struct reading {
    agent_deployer *d;
    const char *prefix;
    char **services;
    size_t count, cap;
} reading;

static void read_one(const agent_mirror_pair *pair, void *user) {
    reading *r = user;
    char service[STORE_KEY_LEN_MAX + 1];
    if (!deployer_key_rest(pair->key, r->prefix, service)) return;
    take(r->d, service, pair);
    r->services = mem_grow(r->services, sizeof(char *), r->count + 1, &r->cap);
    r->services[r->count++] = mem_copy(service, strlen(service) + 1);
}

void deployer_orders_read(agent_deployer *d) {
    char prefix[STORE_KEY_LEN_MAX];
    reading *r = mem_alloc(sizeof *r);
    if (d->host[0] != '\0') {
        prefix_of(d, prefix);
        r->d = d;
        r->prefix = prefix;
        agent_mirror_each(d->mirror, prefix, read_one, r);
        agent_orders_only(d->orders, (const char *const *)r->services, r->count);
    }
    for (size_t i = 0; i < r->count; i++)
        free(r->services[i]);
    free(r->services);
    free(r);
}

void deployer_orders_begin(agent_deployer *d) {
    d->orders = agent_orders_create(&(agent_orders_options){.loop = d->options.loop,
                                                            .services = d->options.services,
                                                            .dir = d->options.dir,
                                                            .prepare = prepare,
                                                            .spec = give_spec,
                                                            .on_report = on_report,
                                                            .user = d});
}

void deployer_orders_end(agent_deployer *d) {
    for (deployer_asked *a; (a = d->asked) != NULL; free_asked(a))
        d->asked = a->next;
    for (deployer_prepare *p; (p = d->prepares) != NULL;) {
        d->prepares = p->next;
        agent_prepare_cancel(p->preparing);
        free(p->project);
        free(p);
    }
    agent_orders_destroy(d->orders);
    d->orders = NULL;
}

void deployer_orders_close(agent_deployer *d) {
    for (deployer_report *r; (r = d->reports) != NULL;) {
        d->reports = r->next;
        free(r->bytes);
        free(r->service);
        free(r);
    }
}
