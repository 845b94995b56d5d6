#include "cli/apply.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/args.h"
#include "cli/json.h"
#include "cli/reload_print.h"
#include "cli/report.h"
#include "core/mem.h"

typedef struct applying {
    cli_session *session;
    const cli_apply_options *options;
    const cli_plan_step *step;
} applying;

static bool print_reply(const Warren__Agent__Reply *reply, void *user) {
    const applying *a = user;
    switch (reply->kind_case) {
    case WARREN__AGENT__REPLY__KIND_EVENT:
        if (a->options->is_json)
            cli_json_print(cli_json_event(reply->event));
        else if (reply->event->text[0] != '\0')
            cli_say("%s", reply->event->text);
        return false;
    case WARREN__AGENT__REPLY__KIND_STARTED: return true; // no more is answered to a Run
    case WARREN__AGENT__REPLY__KIND_RELOADED:
        if (!a->options->is_json && !reply->reloaded->is_failed && reply->reloaded->wanted == 0) {
            (void)printf("%s has its new rules, and no instance is replaced for them\n",
                         reply->reloaded->service);
            return false;
        }
        break;
    default: break;
    }
    cli_reload_print(reply, a->options->is_json);
    return false;
}

static int ask(applying *a, const Warren__Agent__Request *request) {
    return cli_session_ask(a->session, request, print_reply, a);
}

static char *borrow(const char *text) {
    return (char *)(uintptr_t)text;
}

static int stop(applying *a) {
    Warren__Agent__Stop body = WARREN__AGENT__STOP__INIT;
    body.target = borrow(a->step->name);
    CLI_REQUEST(request, STOP, stop, &body);
    return ask(a, &request);
}

static int start(applying *a) {
    CLI_REQUEST(request, RUN, run, &a->step->wanted->run);
    return ask(a, &request);
}

static int update(applying *a) {
    Warren__Agent__Reload body = WARREN__AGENT__RELOAD__INIT;
    body.target = borrow(a->step->name);
    body.parallel = a->step->wanted->parallel;
    body.drain_ms = a->step->wanted->drain_ms;
    body.run = &a->step->wanted->run;
    CLI_REQUEST(request, RELOAD, reload, &body);
    return ask(a, &request);
}

static int revive(applying *a) {
    int exit_code = CLI_DONE;
    for (size_t i = 0; i < a->step->missing_count && exit_code == CLI_DONE; i++) {
        char target[160];
        (void)snprintf(target, sizeof target, "%s.%u", a->step->name, a->step->missing[i]);
        Warren__Agent__Restart body = WARREN__AGENT__RESTART__INIT;
        body.target = target;
        CLI_REQUEST(request, RESTART, restart, &body);
        exit_code = ask(a, &request);
    }
    return exit_code;
}

static int scale(applying *a) {
    Warren__Agent__Scale body = WARREN__AGENT__SCALE__INIT;
    body.target = borrow(a->step->name);
    body.count = (int32_t)a->step->to;
    body.drain_ms = a->step->wanted->drain_ms;
    CLI_REQUEST(request, SCALE, scale, &body);
    return ask(a, &request);
}

static int begin(applying *a) {
    const cli_plan_step *step = a->step;
    bool is_less = step->to<step->from, is_more = step->to> step->from;
    int exit_code = CLI_DONE;
    switch (step->action) {
    case CLI_PLAN_STOP: return stop(a);
    case CLI_PLAN_START: return start(a);
    case CLI_PLAN_REPLACE: exit_code = stop(a); return exit_code == CLI_DONE ? start(a) : exit_code;
    default: break;
    }
    // Nothing new is started only to be stopped, and what is added is new already.
    if (is_less) exit_code = scale(a);
    if (exit_code == CLI_DONE && step->action == CLI_PLAN_UPDATE) exit_code = update(a);
    if (exit_code == CLI_DONE && step->action == CLI_PLAN_REVIVE) exit_code = revive(a);
    if (exit_code == CLI_DONE && is_more) exit_code = scale(a);
    return exit_code;
}

// ---- how it went

static bool print_report(const Warren__Agent__Reply *reply, void *user) {
    (void)user;
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_NODES) return false;
    for (size_t i = 0; i < reply->nodes->n_nodes; i++) {
        const Warren__Agent__NodeInfo *info = reply->nodes->nodes[i];
        if (!info->is_ready && info->last_exit != NULL) {
            cli_report_print(stderr, info);
            return true; // one of them says it
        }
    }
    return !reply->nodes->more;
}

static void tell_failure(applying *a) {
    Warren__Agent__Ps body = WARREN__AGENT__PS__INIT;
    body.target = borrow(a->step->name);
    CLI_REQUEST(request, PS, ps, &body);
    if (!a->options->is_json) (void)cli_session_ask(a->session, &request, print_report, NULL);
}

static int await(applying *a) {
    Warren__Agent__Await body = WARREN__AGENT__AWAIT__INIT;
    body.target = borrow(a->step->name);
    CLI_REQUEST(request, AWAIT, await, &body);
    int exit_code = ask(a, &request);
    if (exit_code == CLI_FAILED) tell_failure(a);
    return exit_code;
}

static bool is_interrupted(int exit_code) {
    return exit_code > CLI_TIMED_OUT || exit_code == CLI_NO_AGENT;
}

int cli_apply(cli_session *session, const cli_plan *plan, const cli_apply_options *options) {
    applying a = {.session = session, .options = options};
    int worst = CLI_DONE;
    bool *has_begun = mem_alloc((plan->count + 1) * sizeof *has_begun);
    for (size_t i = 0; i < plan->count && !is_interrupted(worst); i++) {
        a.step = &plan->steps[i];
        int exit_code = begin(&a);
        has_begun[i] = exit_code == CLI_DONE && a.step->action != CLI_PLAN_STOP;
        if (exit_code != CLI_DONE) worst = exit_code;
    }
    for (size_t i = 0; i < plan->count && options->waits && !is_interrupted(worst); i++) {
        a.step = &plan->steps[i];
        int exit_code = has_begun[i] ? await(&a) : CLI_DONE;
        if (exit_code != CLI_DONE) worst = exit_code;
    }
    free(has_begun);
    return worst;
}
