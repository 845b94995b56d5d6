// One agent leads: the one that has put "deploy/leader" in the store, by its lease. What it writes
// is compared with the revision at which that was created, so that nothing is done by one that was
// the leader once and does not know better.
#include <string.h>

#include "agent/deployer_state.h"
#include "agent/say.h"
#include "io/wall.h"

#define LEADER "deploy/leader"

// ---- which one it is

static void on_lead_asked(const store_answer *answer, void *user) {
    agent_deployer *d = user;
    d->is_lead_asked = false;
    (void)answer; // the mirror tells who it is now
}

// Puts it where there is none; takes away that of an agent of this host that has ended.
static void ask_lead(agent_deployer *d, const agent_mirror_pair *pair) {
    store_compare compare = {.key = mesh_bytes_text(LEADER),
                             .kind = STORE_CREATED,
                             .revision = pair != NULL ? pair->created : 0};
    store_op op = {.kind = pair != NULL ? STORE_DELETE : STORE_PUT,
                   .key = mesh_bytes_text(LEADER),
                   .value = pair != NULL ? (mesh_bytes){NULL, 0} : mesh_bytes_text(d->host),
                   .lease = pair != NULL ? 0 : d->lease};
    d->is_lead_asked = true;
    store_commit(
        d->db,
        &(store_transaction){.compares = &compare, .compare_count = 1, .ops = &op, .op_count = 1},
        on_lead_asked, d);
}

static void set_token(agent_deployer *d, int64_t token) {
    if (token == d->token) return;
    bool was_leading = d->token != 0;
    d->token = token;
    deploy_conductor_destroy(d->conductor);
    d->conductor = NULL;
    d->reading_awaited = 0;
    if (token == 0) uv_timer_stop(&d->wake);
    if (was_leading != (token != 0))
        agent_say(token != 0 ? "this host decides on deployments from now on"
                             : "this host decides on deployments no longer");
}

void deployer_lead_look(agent_deployer *d) {
    if (d->lease == 0 || d->host[0] == '\0' || !agent_mirror_is_whole(d->mirror)) {
        set_token(d, 0);
        return;
    }
    const agent_mirror_pair *pair = agent_mirror_get(d->mirror, LEADER);
    bool is_of_host = pair != NULL && pair->value.len == strlen(d->host) &&
                      memcmp(pair->value.data, d->host, pair->value.len) == 0;
    bool is_ours = is_of_host && pair->lease == d->lease;
    set_token(d, is_ours ? pair->created : 0);
    bool may_ask = !d->is_lead_asked && store_hold_is_valid(d->hold);
    if (may_ask && !is_ours && (pair == NULL || is_of_host)) ask_lead(d, pair);
}

// ---- what it decides

static void on_wake(uv_timer_t *timer) {
    deployer_lead_on(timer->data);
}

void deployer_lead_open(agent_deployer *d) {
    uv_timer_init(d->options.loop, &d->wake);
    d->wake.data = d;
}

static void feed(const agent_mirror_pair *pair, void *user) {
    agent_deployer *d = user;
    const char *trouble = deploy_conductor_put(d->conductor, pair->key, pair->value, pair->changed);
    if (trouble != NULL) agent_say("of deployments is left out: %s", trouble);
}

// Not before all is read that whoever led before has written: the key is later than that.
static void begin_anew(agent_deployer *d) {
    d->conductor = deploy_conductor_create();
    d->has_to_wait = false;
    agent_mirror_each(d->mirror, "deploy/", feed, d);
}

void deployer_lead_pair(agent_deployer *d, const agent_mirror_pair *pair, bool is_gone) {
    if (d->conductor == NULL) return;
    if (is_gone)
        deploy_conductor_delete(d->conductor, pair->key, pair->changed);
    else
        feed(pair, d);
}

static void on_committed(const store_answer *answer, void *user) {
    agent_deployer *d = user;
    d->is_commit_open = false;
    if (d->commit_token != d->token || d->conductor == NULL) { // it leads anew, or no longer
        deployer_lead_on(d);
        return;
    }
    if (answer->error != 0 && answer->is_maybe_done) {
        deploy_conductor_destroy(d->conductor);
        d->conductor = NULL;
        d->reading_awaited = agent_mirror_readings(d->mirror) + 1;
        agent_mirror_read_again(d->mirror);
        return;
    }
    if (answer->error != 0 && answer->error != STORE_ECONFLICT)
        agent_say("a decision on deployments cannot be written: %s", answer->sentence);
    deploy_conductor_committed(d->conductor, answer->error == 0 ? answer->revision : 0);
    d->has_to_wait = answer->error != 0; // for the next tick
    deployer_lead_on(d);
}

static void commit(agent_deployer *d, const deploy_transaction *t) {
    store_op ops[DEPLOY_OPS_MAX];
    store_compare compares[1 + DEPLOY_ABSENT_MAX] = {
        {.key = mesh_bytes_text(LEADER), .kind = STORE_CREATED, .revision = d->token}};
    for (size_t i = 0; i < t->absent_count; i++)
        compares[1 + i] = (store_compare){.key = t->absent[i], .kind = STORE_CREATED};
    for (size_t i = 0; i < t->op_count; i++)
        ops[i] = (store_op){.kind = t->ops[i].is_delete ? STORE_DELETE : STORE_PUT,
                            .key = t->ops[i].key,
                            .value = t->ops[i].value};
    d->is_commit_open = true;
    d->commit_token = d->token;
    store_commit(d->db,
                 &(store_transaction){.compares = compares,
                                      .compare_count = 1 + t->absent_count,
                                      .ops = ops,
                                      .op_count = t->op_count},
                 on_committed, d);
}

static void sleep_until_next(agent_deployer *d, uint64_t now_ms) {
    uint64_t at_ms = deploy_conductor_wake_at_ms(d->conductor);
    if (at_ms != UINT64_MAX)
        uv_timer_start(&d->wake, on_wake, at_ms > now_ms ? at_ms - now_ms : 1, 0);
    else
        uv_timer_stop(&d->wake);
}

void deployer_lead_on(agent_deployer *d) {
    deploy_transaction transaction;
    if (d->token == 0 || d->is_commit_open || d->has_to_wait) return;
    if (d->conductor == NULL && agent_mirror_readings(d->mirror) < d->reading_awaited) return;
    if (d->conductor == NULL) begin_anew(d);
    uint64_t now_ms = mesh_wall_ms();
    if (deploy_conductor_turn(d->conductor, now_ms, &transaction))
        commit(d, &transaction);
    else
        sleep_until_next(d, now_ms);
}

void deployer_lead_tick(agent_deployer *d) {
    d->has_to_wait = false;
    deployer_lead_on(d);
}

void deployer_lead_close(agent_deployer *d, uv_close_cb cb) {
    deploy_conductor_destroy(d->conductor);
    uv_close((uv_handle_t *)&d->wake, cb);
}
