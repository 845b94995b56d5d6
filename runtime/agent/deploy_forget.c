// A project that is over: what the store has of it goes. What is wanted and what became of it
// first, so that the leader decides nothing of it any more; then its settings and its releases, a
// transaction at a time. One that was cut off there is asked for again.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/deploy_client.h"
#include "agent/events.h"
#include "core/mem.h"

enum { FORGET_AT_ONCE = STORE_OPS_MAX / 2 };

typedef struct forgetting {
    agent_client_deploy *c;
    char project[64];
    char (*keys)[STORE_KEY_LEN_MAX + 1]; // of specs, then of releases
    size_t count, cap, done;
    uint32_t releases;
} forgetting;

static void end(forgetting *f) {
    deploy_client_end(f->c);
    free(f->keys);
    free(f);
}

static bool has_failed(forgetting *f, const store_answer *answer) {
    char text[AGENT_DEPLOYER_TEXT_MAX];
    if (answer->error == 0) return false;
    if (answer->error == STORE_ECONFLICT)
        deploy_client_print_conflict(f->project, "nothing of it is forgotten", text);
    else
        (void)snprintf(text, sizeof text, "%.63s is not forgotten, or not all of it: %.400s",
                       f->project, answer->sentence);
    deploy_client_say_error(f->c, 1, text);
    end(f);
    return true;
}

static void finish(forgetting *f) {
    agent_client *client = f->c->client;
    const Warren__Agent__ForgetProject *body = f->c->request->forget_project;
    Warren__Agent__Forgotten forgotten = WARREN__AGENT__FORGOTTEN__INIT;
    Warren__Agent__Reply reply = WARREN__AGENT__REPLY__INIT;
    agent_events_add(&(agent_entry){.type = "forget", .project = f->project, .who = body->by},
                     "%.63s is forgotten, with %u of its releases", f->project, f->releases);
    forgotten.releases = f->releases;
    reply.kind_case = WARREN__AGENT__REPLY__KIND_FORGOTTEN;
    reply.forgotten = &forgotten;
    if (client != NULL) agent_client_send(client, &reply);
    end(f);
}

static void next(forgetting *f);

static void on_deleted(const store_answer *answer, void *user) {
    forgetting *f = user;
    if (!has_failed(f, answer)) next(f);
}

static void next(forgetting *f) {
    store_op ops[FORGET_AT_ONCE];
    size_t count = 0;
    for (; count < FORGET_AT_ONCE && f->done < f->count; f->done++)
        ops[count++] = (store_op){.kind = STORE_DELETE, .key = mesh_bytes_text(f->keys[f->done])};
    if (count == 0)
        finish(f);
    else
        store_commit(agent_deployer_store(f->c->deployer),
                     &(store_transaction){.ops = ops, .op_count = count}, on_deleted, f);
}

// ---- what there is

static void take_key(const agent_mirror_pair *pair, void *user) {
    forgetting *f = user;
    f->keys = mem_grow(f->keys, sizeof f->keys[0], f->count + 1, &f->cap);
    memcpy(f->keys[f->count], pair->key.data, pair->key.len);
    f->keys[f->count++][pair->key.len] = '\0';
}

static void take_keys(forgetting *f, const char *kind) {
    char prefix[STORE_KEY_LEN_MAX];
    (void)snprintf(prefix, sizeof prefix, "deploy/%s/%s/", kind, f->project);
    agent_mirror_each(agent_deployer_mirror(f->c->deployer), prefix, take_key, f);
}

static Warren__Deploy__State *state_of(const forgetting *f) {
    char key[STORE_KEY_LEN_MAX];
    (void)snprintf(key, sizeof key, "deploy/state/%s", f->project);
    const agent_mirror_pair *pair = agent_mirror_get(agent_deployer_mirror(f->c->deployer), key);
    return pair != NULL ? warren__deploy__state__unpack(NULL, pair->value.len, pair->value.data)
                        : NULL;
}

// As the store has it now. False: a sentence was said.
static bool may_forget(forgetting *f, const store_answer *answer) {
    agent_refusal refusal;
    agent_deploy_change change = {.project = f->project};
    Warren__Deploy__Project *now = NULL;
    Warren__Deploy__State *state = state_of(f);
    if (answer->pair_count > 0) {
        mesh_bytes value = answer->pairs[0].value;
        now = warren__deploy__project__unpack(NULL, value.len, value.data);
    }
    change.now = now;
    change.state = state;
    int err = agent_deploy_forget(&change, state != NULL || f->count > 0, &refusal);
    if (now != NULL) warren__deploy__project__free_unpacked(now, NULL);
    if (state != NULL) warren__deploy__state__free_unpacked(state, NULL);
    if (err == 0) return true;
    deploy_client_say_error(f->c, refusal.exit_code, refusal.text);
    end(f);
    return false;
}

static void on_project(const store_answer *answer, void *user) {
    forgetting *f = user;
    char project[STORE_KEY_LEN_MAX], state[STORE_KEY_LEN_MAX];
    if (has_failed(f, answer)) return;
    take_keys(f, "spec");
    size_t specs = f->count;
    take_keys(f, "release");
    f->releases = (uint32_t)(f->count - specs);
    if (!may_forget(f, answer)) return;
    (void)snprintf(project, sizeof project, "deploy/project/%s", f->project);
    (void)snprintf(state, sizeof state, "deploy/state/%s", f->project);
    store_op ops[2] = {{.kind = STORE_DELETE, .key = mesh_bytes_text(project)},
                       {.kind = STORE_DELETE, .key = mesh_bytes_text(state)}};
    store_compare same = {.key = ops[0].key,
                          .kind = STORE_CHANGED,
                          .revision = answer->pair_count > 0 ? answer->pairs[0].changed : 0};
    store_commit(
        agent_deployer_store(f->c->deployer),
        &(store_transaction){.compares = &same, .compare_count = 1, .ops = ops, .op_count = 2},
        on_deleted, f);
}

static void on_joined(const char *sentence, void *user) {
    agent_client_deploy *c = user;
    char key[STORE_KEY_LEN_MAX];
    if (sentence[0] != '\0') {
        deploy_client_fail(c, 1, sentence);
        return;
    }
    forgetting *f = mem_alloc(sizeof *f);
    f->c = c;
    (void)snprintf(f->project, sizeof f->project, "%s", c->request->forget_project->project);
    (void)snprintf(key, sizeof key, "deploy/project/%s", f->project);
    store_get(agent_deployer_store(c->deployer), mesh_bytes_text(key), on_project, f);
}

void deploy_forget_begin(agent_client *client, Warren__Agent__Request *request) {
    deploy_client_begin(client, request, request->forget_project->project,
                        request->forget_project->by, on_joined);
}
