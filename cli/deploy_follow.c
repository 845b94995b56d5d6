#include "cli/deploy_follow.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/deployed.h"
#include "cli/json.h"
#include "cli/report.h"
#include "io/wall.h"

enum { LINE_MAX_LEN = 1024 };

typedef struct following {
    const cli_deploy_follow *wanted;
    cli_deployed deployed;
    char line[LINE_MAX_LEN]; // that was shown last
    bool is_shown;           // on the terminal, and to be written over
    bool is_canary_told, is_over, is_well;
    char trouble[512];
} following;

static const char *const phases[] = {"preparing", "rolling",  "canary", "back",
                                     "done",      "returned", "broken"};

static const char *phase_of(const Warren__Deploy__State *state) {
    size_t phase = (size_t)state->phase;
    return phase < sizeof phases / sizeof phases[0] ? phases[phase] : "unknown";
}

// ---- progress

static void clear(following *f) {
    if (f->is_shown) (void)fprintf(stderr, "\r\033[K");
    f->is_shown = false;
}

static json_t *json_of(const following *f, const Warren__Deploy__State *state, const char *type) {
    json_t *services = json_array();
    for (size_t i = 0; i < state->n_services; i++) {
        const Warren__Deploy__ServiceState *s = state->services[i];
        json_array_append_new(
            services,
            json_pack("{s:o, s:I, s:I, s:I, s:o}", "service", cli_json_string(s->service), "wanted",
                      (json_int_t)s->wanted, "ready", (json_int_t)s->ready, "updated",
                      (json_int_t)s->updated, "unplaced", cli_json_string(s->unplaced)));
    }
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:o, s:o}", "type", type, "project",
                     f->wanted->project, "deployment", (json_int_t)state->deployment, "release",
                     (json_int_t)state->to, "from", (json_int_t)state->from, "phase",
                     phase_of(state), "services", services, "why", cli_json_string(state->why));
}

static void put_line(char out[LINE_MAX_LEN], const Warren__Deploy__State *state) {
    size_t len = (size_t)snprintf(out, LINE_MAX_LEN, "%s", phase_of(state));
    for (size_t i = 0; i < state->n_services && len < LINE_MAX_LEN - 120; i++) {
        const Warren__Deploy__ServiceState *s = state->services[i];
        len += (size_t)snprintf(out + len, LINE_MAX_LEN - len, "  %.63s %u/%u", s->service,
                                s->updated, s->wanted);
        if (s->ready != s->updated)
            len += (size_t)snprintf(out + len, LINE_MAX_LEN - len, " (%u ready)", s->ready);
    }
}

static void show_unplaced(following *f, const Warren__Deploy__State *state) {
    for (size_t i = 0; i < state->n_services; i++) {
        if (state->services[i]->unplaced[0] == '\0') continue;
        clear(f);
        cli_say("%.63s: %.400s", state->services[i]->service, state->services[i]->unplaced);
    }
}

static void show(following *f, const Warren__Deploy__State *state) {
    char line[LINE_MAX_LEN];
    put_line(line, state);
    if (strcmp(line, f->line) == 0) return;
    memcpy(f->line, line, sizeof line);
    if (f->wanted->is_json) {
        cli_json_print(json_of(f, state, "deploying"));
        (void)fflush(stdout);
        return;
    }
    show_unplaced(f, state);
    if (isatty(STDERR_FILENO)) {
        clear(f);
        (void)fprintf(stderr, "%s", line);
        (void)fflush(stderr);
        f->is_shown = true;
    }
    if (state->phase == WARREN__DEPLOY__STATE__PHASE__CANARY && !f->is_canary_told) {
        f->is_canary_told = true;
        clear(f);
        cli_say("the canaries of release %llu are well: `warren promote %s` goes on with all "
                "others, `warren abort %s` goes back",
                (unsigned long long)state->to, f->wanted->project, f->wanted->project);
    }
}

// ---- the end

static void tell_end_json(const following *f, const Warren__Deploy__State *state) {
    json_t *object = json_of(f, state, "deployed");
    json_object_set_new(object, "ok", json_boolean(f->is_well));
    json_object_set_new(object, "lastLines", cli_json_lines(state->last_lines));
    json_object_set_new(object, "afterMs",
                        json_integer((json_int_t)(mesh_wall_ms() - f->wanted->began_at_ms)));
    cli_json_print(object);
}

static void tell_failure(const following *f, const Warren__Deploy__State *state) {
    const char *name = f->wanted->project;
    unsigned long long to = state->to, from = state->from;
    if (state->phase == WARREN__DEPLOY__STATE__PHASE__BROKEN)
        cli_say("release %llu of %s failed, and not all could be brought back to what ran before "
                "(`warren status %s` shows it): %s",
                to, name, name, state->why);
    else if (from != 0)
        cli_say("release %llu of %s failed, and release %llu runs as before: %s", to, name, from,
                state->why);
    else
        cli_say("release %llu of %s failed, and nothing of it runs: %s", to, name, state->why);
    cli_report_print_lines(stderr, state->last_lines);
}

static uint32_t instances_of(const Warren__Deploy__State *state) {
    uint32_t count = 0;
    for (size_t i = 0; i < state->n_services; i++)
        count += state->services[i]->wanted;
    return count;
}

static uint32_t ready_of(const Warren__Deploy__State *state) {
    uint32_t count = 0;
    for (size_t i = 0; i < state->n_services; i++)
        count += state->services[i]->ready;
    return count;
}

// It was well, and at the end some instance was not any more.
static void tell_not_ready(const following *f, const Warren__Deploy__State *state) {
    cli_say("%s runs release %llu, but only %u of its %u instances are ready: `warren status %s` "
            "and `warren events` say more, `warren rollback %s` goes back",
            f->wanted->project, (unsigned long long)state->to, ready_of(state), instances_of(state),
            f->wanted->project, f->wanted->project);
}

static void tell_end(following *f, const Warren__Deploy__State *state) {
    bool is_done = state->phase == WARREN__DEPLOY__STATE__PHASE__DONE;
    bool is_ready = ready_of(state) >= instances_of(state);
    bool is_returned = state->phase == WARREN__DEPLOY__STATE__PHASE__RETURNED;
    double took_s = (double)(mesh_wall_ms() - f->wanted->began_at_ms) / 1000;
    f->is_over = true;
    f->is_well = f->wanted->is_abort ? is_returned : is_done && is_ready;
    clear(f);
    if (f->wanted->is_json) {
        tell_end_json(f, state);
        return;
    }
    if (f->wanted->is_abort && is_returned)
        (void)printf("%s is as it was before: release %llu\n", f->wanted->project,
                     (unsigned long long)state->from);
    else if (f->wanted->is_abort && is_done)
        cli_say("it was too late: release %llu of %s runs everywhere (`warren rollback %s` goes "
                "back)",
                (unsigned long long)state->to, f->wanted->project, f->wanted->project);
    else if (is_done && state->to == 0)
        (void)printf("%s is down\n", f->wanted->project);
    else if (is_done && !is_ready)
        tell_not_ready(f, state);
    else if (is_done)
        (void)printf("%s runs release %llu: %u %s of %zu %s, in %.1f s (`warren status %s`)\n",
                     f->wanted->project, (unsigned long long)state->to, instances_of(state),
                     instances_of(state) == 1 ? "instance" : "instances", state->n_services,
                     state->n_services == 1 ? "service" : "services", took_s, f->wanted->project);
    else
        tell_failure(f, state);
}

static void tell_trouble(following *f) {
    if (strcmp(f->trouble, f->deployed.trouble) == 0) return;
    memcpy(f->trouble, f->deployed.trouble, sizeof f->trouble);
    if (f->wanted->is_json) return;
    clear(f);
    if (f->trouble[0] != '\0')
        cli_say("what runs, runs on, and the deployment waits for the store: %s", f->trouble);
    else
        cli_say("the store answers again");
}

// True: that was all.
static bool look(following *f) {
    Warren__Deploy__Project *project = cli_deployed_project(&f->deployed, f->wanted->project);
    Warren__Deploy__State *state = cli_deployed_state(&f->deployed, f->wanted->project);
    tell_trouble(f);
    bool is_it = state != NULL && state->deployment == f->wanted->deployment;
    if (is_it && state->phase >= WARREN__DEPLOY__STATE__PHASE__DONE) {
        tell_end(f, state);
    } else if (project != NULL && project->deployment > f->wanted->deployment) {
        clear(f);
        cli_say("another deployment of %s (%llu, by %.60s on %.60s) took the place of this one",
                f->wanted->project, (unsigned long long)project->deployment, project->by,
                project->host);
        f->is_over = true;
    } else if (is_it) {
        show(f, state);
    }
    if (project != NULL) warren__deploy__project__free_unpacked(project, NULL);
    if (state != NULL) warren__deploy__state__free_unpacked(state, NULL);
    return f->is_over;
}

static bool on_reply(const Warren__Agent__Reply *reply, void *user) {
    following *f = user;
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_DEPLOYED) return false;
    cli_deployed_take(&f->deployed, reply->deployed);
    return !reply->deployed->more && look(f);
}

static int watch(following *f, cli_session *session) {
    char project[128], state[128];
    (void)snprintf(project, sizeof project, "project/%.100s", f->wanted->project);
    (void)snprintf(state, sizeof state, "state/%.100s", f->wanted->project);
    char *prefixes[] = {project, state};
    Warren__Agent__ReadDeployed body = WARREN__AGENT__READ_DEPLOYED__INIT;
    body.prefixes = prefixes;
    body.n_prefixes = 2;
    body.watch = true;
    CLI_REQUEST(request, READ_DEPLOYED, read_deployed, &body);
    if (f->wanted->timeout_ms != 0) cli_session_limit(session, f->wanted->timeout_ms);
    return cli_session_ask(session, &request, on_reply, f);
}

int cli_deploy_follow_it(const cli_deploy_follow *wanted) {
    following f = {.wanted = wanted};
    cli_session *session;
    int err = cli_session_open(&session);
    if (err != 0) return cli_client_explain(err);
    int exit_code = watch(&f, session);
    clear(&f);
    if (exit_code == CLI_TIMED_OUT)
        cli_say("%s is not as it should be yet, and goes on: `warren status %s -f` shows it, "
                "`warren abort %s` takes it back",
                wanted->project, wanted->project, wanted->project);
    else if (exit_code == CLI_INTERRUPTED)
        cli_say("the deployment of %s goes on: `warren status %s -f` shows it, `warren abort %s` "
                "takes it back",
                wanted->project, wanted->project, wanted->project);
    else if (exit_code == CLI_NO_AGENT)
        cli_say("the deployment of %s goes on when an agent is there again", wanted->project);
    else if (exit_code == CLI_DONE && !f.is_well)
        exit_code = CLI_FAILED;
    cli_deployed_deinit(&f.deployed);
    cli_session_close(session);
    return exit_code;
}

// ---- what has to go

typedef struct going {
    char *const *services;
    size_t count;
    cli_deployed deployed;
    bool is_any; // still there
} going;

// Whether it runs more than its host was ordered.
static bool has_more(const Warren__Deploy__Report *report, const Warren__Deploy__Order *order) {
    if (order == NULL) return true;
    for (size_t i = 0; i < report->n_instances; i++) {
        bool is_wanted = i < order->n_instances && order->instances[i]->release != 0;
        const Warren__Deploy__Present *p = report->instances[i];
        bool is_gone = p->state == WARREN__DEPLOY__PRESENT__STATE__NONE && p->pid == 0;
        if (!is_wanted && !is_gone) return true;
    }
    return report->version < order->version;
}

static bool is_of(const going *g, const char *service) {
    for (size_t i = 0; i < g->count; i++)
        if (strcmp(service, g->services[i]) == 0) return true;
    return false;
}

static void look_at_report(const char *rest, ProtobufCBinaryData value, void *user) {
    going *g = user;
    const char *slash = strrchr(rest, '/');
    char host[128];
    if (slash == NULL || (size_t)(slash - rest) >= sizeof host || !is_of(g, slash + 1)) return;
    (void)snprintf(host, sizeof host, "%.*s", (int)(slash - rest), rest);
    if (!cli_deployed_has(&g->deployed, "host", host)) return; // nobody hears from it
    Warren__Deploy__Report *report = warren__deploy__report__unpack(NULL, value.len, value.data);
    Warren__Deploy__Order *order = cli_deployed_order(&g->deployed, host, slash + 1);
    g->is_any = g->is_any || (report != NULL && has_more(report, order));
    if (report != NULL) warren__deploy__report__free_unpacked(report, NULL);
    if (order != NULL) warren__deploy__order__free_unpacked(order, NULL);
}

static bool on_going(const Warren__Agent__Reply *reply, void *user) {
    going *g = user;
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_DEPLOYED) return false;
    cli_deployed_take(&g->deployed, reply->deployed);
    if (reply->deployed->more) return false;
    g->is_any = false;
    cli_deployed_each(&g->deployed, "report/", look_at_report, g);
    return !g->is_any;
}

int cli_deploy_await_gone(char *const *services, size_t count) {
    static const char *const prefixes[] = {"host/", "order/", "report/"};
    going g = {.services = services, .count = count};
    Warren__Agent__ReadDeployed body = WARREN__AGENT__READ_DEPLOYED__INIT;
    body.prefixes = (char **)(uintptr_t)prefixes;
    body.n_prefixes = 3;
    body.watch = true;
    CLI_REQUEST(request, READ_DEPLOYED, read_deployed, &body);
    int exit_code = cli_client_ask(&request, on_going, &g);
    cli_deployed_deinit(&g.deployed);
    return exit_code;
}

// ---- a change

static bool on_accepted(const Warren__Agent__Reply *reply, void *user) {
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_ACCEPTED) return false;
    *(Warren__Agent__Accepted *)user = *reply->accepted;
    return true;
}

int cli_deploy_change_it(const cli_deploy_change *change) {
    Warren__Agent__Accepted accepted = WARREN__AGENT__ACCEPTED__INIT;
    uint64_t began_at_ms = mesh_wall_ms();
    change->body->by = (char *)(uintptr_t)cli_deployed_who();
    CLI_REQUEST(request, CHANGE_PROJECT, change_project, change->body);
    int exit_code = cli_client_ask(&request, on_accepted, &accepted);
    if (exit_code != CLI_DONE || !change->waits) return exit_code;
    return cli_deploy_follow_it(&(cli_deploy_follow){
        .project = change->body->project,
        .deployment = accepted.deployment,
        .is_json = change->is_json,
        .is_abort = change->body->what == WARREN__AGENT__CHANGE_PROJECT__WHAT__ABORT,
        .began_at_ms = began_at_ms,
        .timeout_ms = change->timeout_ms});
}
