// What is asked about deployments: changing what the store has of them (deploy_reading.c reads it).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/deploy_client.h"
#include "agent/deploy_stored.h"
#include "core/error.h"
#include "core/mem.h"
#include "io/wall.h"

enum {
    SPEC_LEN_MAX = 60 << 10,
    SPECS_AT_ONCE = 8, // in one transaction
    NAME_LEN_MAX = 63,
    NOTE_LEN_MAX = 200,
    PROJECT_LEN_MAX = 40 << 10,
};

static void free_specs(agent_client_deploy *c) {
    for (size_t i = 0; i < c->spec_count; i++) {
        free(c->specs[i].service);
        free(c->specs[i].bytes);
    }
    c->spec_count = 0;
}

static void free_all(agent_client_deploy *c) {
    deploy_reading_free(c);
    free_specs(c);
    if (c->request != NULL) warren__agent__request__free_unpacked(c->request, NULL);
    free(c->wanted);
    free(c);
}

agent_client_deploy *deploy_client_of(agent_client *client) {
    if (client->deploy == NULL) {
        client->deploy = mem_alloc(sizeof *client->deploy);
        client->deploy->client = client;
        client->deploy->deployer = client->clients->options.deployer;
        deploy_reading_init(client->deploy);
    }
    return client->deploy;
}

void agent_client_forget_deploy(agent_client *client) {
    agent_client_deploy *c = client->deploy;
    if (c == NULL) return;
    client->deploy = NULL;
    c->client = NULL;
    deploy_reading_end(c);
    agent_deployer_forget(c->deployer, c);
    if (!c->is_busy) free_all(c);
}

void deploy_client_say_error(agent_client_deploy *c, uint32_t exit_code, const char *text) {
    if (c->client != NULL) agent_client_say_error(c->client, exit_code, text);
}

// ---- changing

static bool is_name(const char *text) {
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t len = strlen(text);
    return len > 0 && len <= NAME_LEN_MAX && strspn(text, good) == len;
}

void deploy_client_end(agent_client_deploy *c) {
    c->is_busy = false;
    free_specs(c);
    if (c->request != NULL) warren__agent__request__free_unpacked(c->request, NULL);
    c->request = NULL;
    free(c->wanted);
    c->wanted = NULL;
    c->has_specs = false;
    if (c->client == NULL) free_all(c);
}

void deploy_client_fail(agent_client_deploy *c, uint32_t exit_code, const char *text) {
    deploy_client_say_error(c, exit_code, text);
    deploy_client_end(c);
}

static const char *project_of(const agent_client_deploy *c) {
    return c->request->kind_case == WARREN__AGENT__REQUEST__KIND_DEPLOY
               ? c->request->deploy->project
               : c->request->change_project->project;
}

const agent_mirror_pair *deploy_client_get(const agent_client_deploy *c, const char *kind,
                                           const char *name) {
    char key[STORE_KEY_LEN_MAX];
    (void)snprintf(key, sizeof key, "deploy/%s/%.200s", kind, name);
    return agent_mirror_get(agent_deployer_mirror(c->deployer), key);
}

void deploy_client_print_conflict(const char *project, const char *what,
                                  char out[AGENT_DEPLOYER_TEXT_MAX]) {
    (void)snprintf(out, AGENT_DEPLOYER_TEXT_MAX,
                   "somebody else has changed %.63s at the same moment, and %s: look at it "
                   "(`warren status %.63s`), then try again",
                   project, what, project);
}

// Tells what the store said; true: it was an error.
static bool has_failed(agent_client_deploy *c, const store_answer *answer) {
    char text[AGENT_DEPLOYER_TEXT_MAX];
    if (answer->error == 0) return false;
    if (answer->error == STORE_ECONFLICT)
        deploy_client_print_conflict(project_of(c), "nothing was done", text);
    else
        (void)snprintf(text, sizeof text, "%s%.400s",
                       answer->is_maybe_done
                           ? "it is not known whether it was done (`warren status` tells): "
                           : "",
                       answer->sentence);
    deploy_client_fail(c, 1, text);
    return true;
}

static void on_accepted(const store_answer *answer, void *user) {
    agent_client_deploy *c = user;
    if (has_failed(c, answer)) return;
    Warren__Agent__Accepted accepted = WARREN__AGENT__ACCEPTED__INIT;
    accepted.deployment = c->wanted->project.deployment;
    accepted.release = c->wanted->project.release;
    accepted.from = c->wanted->from;
    Warren__Agent__Reply reply = WARREN__AGENT__REPLY__INIT;
    reply.kind_case = WARREN__AGENT__REPLY__KIND_ACCEPTED;
    reply.accepted = &accepted;
    if (c->client != NULL) agent_client_send(c->client, &reply);
    deploy_client_end(c);
}

typedef struct changing {
    agent_client_deploy *c;
    Warren__Deploy__Project *now;
    Warren__Deploy__State *state;
    int64_t revision; // of the project
    agent_refusal refusal;
} changing;

static void commit(changing *ch, const store_op *release) {
    agent_client_deploy *c = ch->c;
    char key[STORE_KEY_LEN_MAX];
    uint8_t *value = mem_alloc(PROJECT_LEN_MAX);
    (void)snprintf(key, sizeof key, "deploy/project/%s", project_of(c));
    CHECK(warren__deploy__project__get_packed_size(&c->wanted->project) <= PROJECT_LEN_MAX);
    store_op ops[2] = {
        {.kind = STORE_PUT,
         .key = mesh_bytes_text(key),
         .value = {value, warren__deploy__project__pack(&c->wanted->project, value)}}};
    store_compare compares[2] = {
        {.key = mesh_bytes_text(key), .kind = STORE_CHANGED, .revision = ch->revision}};
    size_t count = 1;
    if (release != NULL) {
        ops[count] = *release;
        compares[count++] = (store_compare){.key = release->key, .kind = STORE_CREATED};
    }
    store_commit(agent_deployer_store(c->deployer),
                 &(store_transaction){
                     .compares = compares, .compare_count = count, .ops = ops, .op_count = count},
                 on_accepted, c);
    free(value);
}

// ---- of a project that is there

typedef struct counting {
    const char *service;
    uint32_t instances;
    bool is_there;
} counting;

// How many the release says.
static bool count_of(const agent_client_deploy *c, uint64_t release, const char *service,
                     uint32_t *out) {
    char name[STORE_KEY_LEN_MAX];
    (void)snprintf(name, sizeof name, "%.63s/%010llu/%.63s", project_of(c),
                   (unsigned long long)release, service);
    const agent_mirror_pair *pair = deploy_client_get(c, "spec", name);
    Warren__Deploy__Spec *spec =
        pair != NULL ? warren__deploy__spec__unpack(NULL, pair->value.len, pair->value.data) : NULL;
    if (spec == NULL) return false;
    *out = spec->count;
    warren__deploy__spec__free_unpacked(spec, NULL);
    return true;
}

static int scale(changing *ch, const agent_deploy_change *change,
                 const Warren__Agent__ChangeProject *body) {
    uint32_t count = 0;
    uint64_t running = agent_deploy_running(change);
    if (change->now != NULL && !count_of(ch->c, running, body->service, &count)) {
        (void)snprintf(ch->refusal.text, sizeof ch->refusal.text,
                       "%.63s has no service %.63s in what runs of it", project_of(ch->c),
                       body->service);
        ch->refusal.exit_code = 3;
        return MESH_ENOTFOUND;
    }
    return agent_deploy_scale(change, body, count, ch->c->wanted, &ch->refusal);
}

static int change_it(changing *ch, const agent_deploy_change *change) {
    const Warren__Agent__ChangeProject *body = ch->c->request->change_project;
    switch (body->what) {
    case WARREN__AGENT__CHANGE_PROJECT__WHAT__PROMOTE:
        return agent_deploy_promote(change, ch->c->wanted, &ch->refusal);
    case WARREN__AGENT__CHANGE_PROJECT__WHAT__ABORT:
        return agent_deploy_abort(change, ch->c->wanted, &ch->refusal);
    case WARREN__AGENT__CHANGE_PROJECT__WHAT__ROLLBACK:
        return agent_deploy_rollback(change, body->release, ch->c->wanted, &ch->refusal);
    case WARREN__AGENT__CHANGE_PROJECT__WHAT__SCALE: return scale(ch, change, body);
    default: return agent_deploy_down(change, ch->c->wanted, &ch->refusal);
    }
}

// ---- a new release

static void begin_specs(agent_client_deploy *c);
static void next_specs(agent_client_deploy *c);

static int release_it(changing *ch, const agent_deploy_change *change) {
    return agent_deploy_release(change, ch->c->number, ch->c->wanted, &ch->refusal);
}

static const agent_release *find_shipped(const agent_client_deploy *c) {
    const agent_releases *releases = agent_deployer_releases(c->deployer);
    return agent_releases_find(releases, c->request->deploy->release_id);
}

static void commit_release(changing *ch) {
    agent_client_deploy *c = ch->c;
    const Warren__Agent__Deploy *body = c->request->deploy;
    char key[STORE_KEY_LEN_MAX], *services[DEPLOY_CLIENT_SPECS_MAX];
    uint8_t *value = mem_alloc(STORE_VALUE_LEN_MAX);
    Warren__Deploy__Release release = WARREN__DEPLOY__RELEASE__INIT;
    const agent_release *shipped = find_shipped(c);
    if (shipped == NULL) {
        deploy_client_fail(
            c, 1, "the release that is to be deployed is not on this host any more: say it again");
        free(value);
        return;
    }
    for (size_t i = 0; i < c->spec_count; i++)
        services[i] = c->specs[i].service;
    release.manifest_hash = (ProtobufCBinaryData){sizeof shipped->record.manifest,
                                                  (uint8_t *)(uintptr_t)&shipped->record.manifest};
    release.signature =
        (ProtobufCBinaryData){shipped->bytes.len, (uint8_t *)(uintptr_t)shipped->bytes.data};
    release.file_count = shipped->record.file_count;
    release.len = shipped->record.len;
    release.number = c->number;
    release.services = services;
    release.n_services = c->spec_count;
    release.by = body->by;
    release.host = (char *)(uintptr_t)agent_deployer_host(c->deployer);
    release.at_ms = mesh_wall_ms();
    release.note = body->note;
    (void)snprintf(key, sizeof key, "deploy/release/%s/%010llu", body->project,
                   (unsigned long long)c->number);
    store_op op = {.kind = STORE_PUT,
                   .key = mesh_bytes_text(key),
                   .value = {value, warren__deploy__release__pack(&release, value)}};
    commit(ch, &op);
    free(value);
}

// ---- both

// The project as the store has it now: the mirror may be a moment behind.
static void on_project(const store_answer *answer, void *user) {
    agent_client_deploy *c = user;
    if (has_failed(c, answer)) return;
    changing ch = {.c = c};
    const agent_mirror_pair *state = deploy_client_get(c, "state", project_of(c));
    if (answer->pair_count > 0) {
        const store_pair *pair = &answer->pairs[0];
        ch.now = warren__deploy__project__unpack(NULL, pair->value.len, pair->value.data);
        ch.revision = pair->changed;
    }
    if (state != NULL)
        ch.state = warren__deploy__state__unpack(NULL, state->value.len, state->value.data);
    bool is_deploy = c->request->kind_case == WARREN__AGENT__REQUEST__KIND_DEPLOY;
    deploy_stored stored = {agent_deployer_mirror(c->deployer), project_of(c)};
    agent_deploy_change change = {.project = project_of(c),
                                  .now = ch.now,
                                  .state = ch.state,
                                  .by = is_deploy ? c->request->deploy->by
                                                  : c->request->change_project->by,
                                  .host = agent_deployer_host(c->deployer),
                                  .at_ms = mesh_wall_ms(),
                                  .history = deploy_stored_history(&stored)};
    c->wanted = mem_alloc(sizeof *c->wanted);
    int err = is_deploy ? release_it(&ch, &change) : change_it(&ch, &change);
    if (err != 0)
        deploy_client_fail(c, ch.refusal.exit_code, ch.refusal.text);
    else if (is_deploy && !c->has_specs) // nothing is written for one that is refused
        begin_specs(c);
    else if (is_deploy)
        commit_release(&ch);
    else
        commit(&ch, NULL);
    if (ch.now != NULL) warren__deploy__project__free_unpacked(ch.now, NULL);
    if (ch.state != NULL) warren__deploy__state__free_unpacked(ch.state, NULL);
}

static void get_project(agent_client_deploy *c) {
    char key[STORE_KEY_LEN_MAX];
    (void)snprintf(key, sizeof key, "deploy/project/%s", project_of(c));
    store_get(agent_deployer_store(c->deployer), mesh_bytes_text(key), on_project, c);
}

static void on_specs(const store_answer *answer, void *user) {
    agent_client_deploy *c = user;
    if (!has_failed(c, answer)) next_specs(c);
}

// A few at a time, then the release that has them: what was left by one who died before that is no
// release, and its number is not taken again.
static void next_specs(agent_client_deploy *c) {
    char keys[SPECS_AT_ONCE][STORE_KEY_LEN_MAX];
    store_op ops[SPECS_AT_ONCE];
    store_compare compares[SPECS_AT_ONCE];
    size_t count = 0;
    for (; count < SPECS_AT_ONCE && c->specs_put < c->spec_count; count++) {
        const deploy_client_spec *spec = &c->specs[c->specs_put++];
        (void)snprintf(keys[count], sizeof keys[count], "deploy/spec/%s/%010llu/%s", project_of(c),
                       (unsigned long long)c->number, spec->service);
        ops[count] = (store_op){.kind = STORE_PUT,
                                .key = mesh_bytes_text(keys[count]),
                                .value = {spec->bytes, spec->len}};
        compares[count] = (store_compare){.key = ops[count].key, .kind = STORE_CREATED};
    }
    if (count == 0) {
        c->has_specs = true;
        get_project(c);
        return;
    }
    store_commit(agent_deployer_store(c->deployer),
                 &(store_transaction){
                     .compares = compares, .compare_count = count, .ops = ops, .op_count = count},
                 on_specs, c);
}

typedef struct numbering {
    size_t prefix_len;
    uint64_t largest;
} numbering;

static void take_number(const agent_mirror_pair *pair, void *user) {
    numbering *n = user;
    char text[11] = "";
    if (pair->key.len < n->prefix_len + 10) return;
    memcpy(text, pair->key.data + n->prefix_len, 10);
    uint64_t number = strtoull(text, NULL, 10);
    if (number > n->largest) n->largest = number;
}

static uint64_t next_number(const agent_client_deploy *c) {
    static const char *const kinds[] = {"release", "spec"};
    numbering n = {0};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char prefix[STORE_KEY_LEN_MAX];
        n.prefix_len =
            (size_t)snprintf(prefix, sizeof prefix, "deploy/%s/%s/", kinds[i], project_of(c));
        agent_mirror_each(agent_deployer_mirror(c->deployer), prefix, take_number, &n);
    }
    return n.largest + 1;
}

static void begin_specs(agent_client_deploy *c) {
    free(c->wanted);
    c->wanted = NULL;
    c->number = next_number(c);
    c->specs_put = 0;
    next_specs(c);
}

static void on_joined(const char *sentence, void *user) {
    agent_client_deploy *c = user;
    if (sentence[0] != '\0') {
        deploy_client_fail(c, 1, sentence);
        return;
    }
    get_project(c);
}

static bool judge_text(agent_client *client, const char *text, size_t len_max, const char *what) {
    char sentence[160];
    if (strlen(text) <= len_max) return true;
    (void)snprintf(sentence, sizeof sentence, "%s has at most %zu bytes", what, len_max);
    agent_client_say_error(client, 2, sentence);
    return false;
}

void deploy_client_join(agent_client_deploy *c, Warren__Agent__Request *request,
                        agent_deployer_cb ready) {
    char text[AGENT_DEPLOYER_TEXT_MAX];
    c->request = mem_alloc(sizeof *c->request);
    *c->request = *request;
    warren__agent__request__init(request);
    c->is_busy = true;
    int exit_code = agent_deployer_join(c->deployer, ready, c, text);
    if (exit_code != 0) deploy_client_fail(c, (uint32_t)exit_code, text);
}

void deploy_client_begin(agent_client *client, Warren__Agent__Request *request, const char *project,
                         const char *by, agent_deployer_cb ready) {
    agent_client_deploy *c = deploy_client_of(client);
    if (c->is_busy)
        agent_client_say_error(client, 2, "this connection is changing a deployment already");
    else if (!is_name(project))
        agent_client_say_error(client, 2,
                               "a project is called by 1 to 63 letters, digits, - and _");
    else if (judge_text(client, by, DEPLOY_CLIENT_BY_LEN_MAX, "the name of who asks"))
        deploy_client_join(c, request, ready);
}

static void begin_change(agent_client *client, Warren__Agent__Request *request) {
    const Warren__Agent__ChangeProject *body = request->change_project;
    deploy_client_begin(client, request, body->project, body->by, on_joined);
}

static void begin_deploy(agent_client *client, Warren__Agent__Request *request) {
    const Warren__Agent__Deploy *body = request->deploy;
    if (deploy_client_of(client)->spec_count == 0)
        agent_client_say_error(client, 2, "a release without services runs nothing");
    else if (judge_text(client, body->note, NOTE_LEN_MAX, "a note"))
        deploy_client_begin(client, request, body->project, body->by, on_joined);
}

static void put_spec(agent_client *client, Warren__Agent__PutSpec *body) {
    agent_client_deploy *c = deploy_client_of(client);
    Warren__Deploy__Spec *spec =
        warren__deploy__spec__unpack(NULL, body->spec.len, body->spec.data);
    bool is_sound = spec != NULL && spec->run != NULL && is_name(body->service) &&
                    strcmp(spec->run->name, body->service) == 0 && body->spec.len <= SPEC_LEN_MAX;
    if (spec != NULL) warren__deploy__spec__free_unpacked(spec, NULL);
    if (!is_sound || c->is_busy || c->spec_count == DEPLOY_CLIENT_SPECS_MAX) {
        char text[200];
        (void)snprintf(text, sizeof text,
                       "%.63s cannot be deployed: a service has a name, and at most %d KiB of "
                       "settings, and a project has at most %d of them",
                       body->service, SPEC_LEN_MAX >> 10, DEPLOY_CLIENT_SPECS_MAX);
        agent_client_say_error(client, 2, text);
        return;
    }
    deploy_client_spec *part = &c->specs[c->spec_count++];
    part->service = mem_copy(body->service, strlen(body->service) + 1);
    part->bytes = mem_copy(body->spec.data, body->spec.len);
    part->len = body->spec.len;
    agent_client_say_done(client);
}

// ---- the store

static void on_backed_up(const store_answer *answer, void *user) {
    agent_client_deploy *c = user;
    if (answer->error != 0)
        deploy_client_say_error(c, 1, answer->sentence);
    else if (c->client != NULL)
        agent_client_say_done(c->client);
    deploy_client_end(c);
}

static void back_up(agent_client *client, const char *path) {
    agent_client_deploy *c = deploy_client_of(client);
    agent_store *store = client->clients->options.store;
    if (path[0] != '/' || c->is_busy) {
        agent_client_say_error(client, 2, "a backup needs the whole path of a file");
        return;
    }
    c->is_busy = true;
    store_backup(agent_store_local(store), path, on_backed_up, c);
}

bool agent_client_handle_deploy(agent_client *client, Warren__Agent__Request *request) {
    switch (request->kind_case) {
    case WARREN__AGENT__REQUEST__KIND_READ_DEPLOYED:
        deploy_reading_begin(client, request->read_deployed);
        return true;
    case WARREN__AGENT__REQUEST__KIND_PUT_SPEC: put_spec(client, request->put_spec); return true;
    case WARREN__AGENT__REQUEST__KIND_DEPLOY: begin_deploy(client, request); return true;
    case WARREN__AGENT__REQUEST__KIND_CHANGE_PROJECT: begin_change(client, request); return true;
    case WARREN__AGENT__REQUEST__KIND_FORGET_PROJECT:
        deploy_forget_begin(client, request);
        return true;
    case WARREN__AGENT__REQUEST__KIND_DRAIN_HOST: deploy_drain_begin(client, request); return true;
    case WARREN__AGENT__REQUEST__KIND_BACK_UP_STORE:
        back_up(client, request->back_up_store->path);
        return true;
    default: return false;
    }
}
