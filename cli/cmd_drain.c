#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/deployed.h"
#include "cli/drain.h"
#include "cli/duration.h"
#include "cli/json.h"

enum {
    OPTION_WAIT,
    OPTION_TIMEOUT,
    OPTION_FORCE,
    OPTION_JSON,
    TIMEOUT_MAX_MS = 86400000,
    SHOWN_MAX = 3
};

static const cli_option options[] = {
    {'w', "wait", NULL, "until nothing that was deployed runs there any more"},
    {0, "timeout", "TIME", "wait so long at most; it goes on, and the exit code is 124"},
    {0, "force", NULL, "also when no other host may run what is there, so that it stops"},
    {0, "json", NULL, "as JSON: {\"drained\": HOST, \"instances\": N} (that are still there)"},
    {0, NULL, NULL, NULL},
};

typedef struct draining {
    const char *host;
    cli_deployed deployed;
    uint32_t instances; // there
    bool waits, is_forced, is_json;
} draining;

// ---- who would be left without a host

typedef struct leaving {
    const draining *of;
    const Warren__Deploy__Spec *spec; // of the service that is looked at
    bool has_other;                   // a host that may run it, too
    size_t count;
    char names[200]; // of services that have none
} leaving;

static bool has_label(const Warren__Deploy__Host *host, const Warren__Deploy__Label *label) {
    for (size_t i = 0; i < host->n_labels; i++)
        if (strcmp(host->labels[i]->key, label->key) == 0)
            return strcmp(host->labels[i]->value, label->value) == 0;
    return false;
}

static void look_at_host(const char *name, ProtobufCBinaryData value, void *user) {
    leaving *l = user;
    bool is_out =
        strcmp(name, l->of->host) == 0 || cli_deployed_has(&l->of->deployed, "drained", name);
    if (is_out || l->has_other) return;
    Warren__Deploy__Host *host = warren__deploy__host__unpack(NULL, value.len, value.data);
    l->has_other = host != NULL;
    for (size_t i = 0; l->has_other && i < l->spec->n_requires; i++)
        l->has_other = has_label(host, l->spec->requires[i]);
    if (host != NULL) warren__deploy__host__free_unpacked(host, NULL);
}

static bool is_on(const Warren__Deploy__Placed *placed, const char *host) {
    for (size_t i = 0; placed != NULL && i < placed->n_slots; i++)
        if (strcmp(placed->slots[i]->host, host) == 0) return true;
    return false;
}

static void look_at_service(const char *name, ProtobufCBinaryData value, void *user) {
    leaving *l = user;
    Warren__Deploy__Placed *placed = warren__deploy__placed__unpack(NULL, value.len, value.data);
    Warren__Deploy__Spec *spec =
        is_on(placed, l->of->host)
            ? cli_deployed_spec(&l->of->deployed, placed->project, placed->release, name)
            : NULL;
    l->spec = spec;
    l->has_other = spec == NULL; // it is not there, or being taken away
    cli_deployed_each(&l->of->deployed, "host/", look_at_host, l);
    size_t len = strlen(l->names);
    if (!l->has_other && l->count++ < SHOWN_MAX)
        (void)snprintf(l->names + len, sizeof l->names - len, "%s%.60s", len > 0 ? ", " : "", name);
    if (spec != NULL) warren__deploy__spec__free_unpacked(spec, NULL);
    if (placed != NULL) warren__deploy__placed__free_unpacked(placed, NULL);
}

// Services that only this host may run would stop, which is hardly ever meant.
static int judge(draining *d, cli_session *session) {
    static const char *const prefixes[] = {"host/", "drained/", "placed/", "spec/", NULL};
    leaving l = {.of = d};
    int exit_code = cli_deployed_read(session, prefixes, false, &d->deployed);
    bool is_there = exit_code == CLI_DONE && cli_deployed_has(&d->deployed, "host", d->host) &&
                    !cli_deployed_has(&d->deployed, "drained", d->host);
    if (is_there) cli_deployed_each(&d->deployed, "placed/", look_at_service, &l);
    cli_deployed_deinit(&d->deployed);
    if (l.count == 0) return exit_code;
    char more[40] = "";
    if (l.count > SHOWN_MAX)
        (void)snprintf(more, sizeof more, " and %zu more", l.count - SHOWN_MAX);
    cli_say("no other host may run %s%s now, so %s would stop, and nothing was done: `warren drain "
            "%.120s --force` drains it all the same, `warren undrain` brings back what was there",
            l.names, more, l.count == 1 ? "it" : "they", d->host);
    return CLI_FAILED;
}

// ---- what is there still

static void count_there(const char *rest, ProtobufCBinaryData value, void *user) {
    draining *d = user;
    const char *slash = strrchr(rest, '/');
    if (slash == NULL || (size_t)(slash - rest) != strlen(d->host) ||
        strncmp(rest, d->host, (size_t)(slash - rest)) != 0)
        return;
    Warren__Deploy__Report *report = warren__deploy__report__unpack(NULL, value.len, value.data);
    if (report == NULL) return;
    for (size_t i = 0; i < report->n_instances; i++)
        d->instances += report->instances[i]->pid != 0; // one that drains is there too
    warren__deploy__report__free_unpacked(report, NULL);
}

static bool on_reply(const Warren__Agent__Reply *reply, void *user) {
    draining *d = user;
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_DEPLOYED) return false;
    cli_deployed_take(&d->deployed, reply->deployed);
    if (reply->deployed->more) return false;
    d->instances = 0;
    cli_deployed_each(&d->deployed, "report/", count_there, d);
    return d->instances == 0 || !d->waits;
}

static int watch(draining *d, cli_session *session) {
    char prefix[] = "report/", *prefixes[] = {prefix};
    Warren__Agent__ReadDeployed body = WARREN__AGENT__READ_DEPLOYED__INIT;
    body.prefixes = prefixes;
    body.n_prefixes = 1;
    body.watch = d->waits;
    CLI_REQUEST(request, READ_DEPLOYED, read_deployed, &body);
    return cli_session_ask(session, &request, on_reply, d);
}

static bool on_done(const Warren__Agent__Reply *reply, void *user) {
    (void)reply;
    (void)user;
    return false; // Done or Error is all there is
}

int cli_drain_ask(cli_session *session, const char *host, bool is_undo) {
    Warren__Agent__DrainHost body = WARREN__AGENT__DRAIN_HOST__INIT;
    body.host = (char *)(uintptr_t)host;
    body.is_undo = is_undo;
    body.by = (char *)(uintptr_t)cli_deployed_who();
    CLI_REQUEST(request, DRAIN_HOST, drain_host, &body);
    return cli_session_ask(session, &request, on_done, NULL);
}

static void tell(const draining *d) {
    if (d->is_json)
        cli_json_print(json_pack("{s:o, s:I}", "drained", cli_json_string(d->host), "instances",
                                 (json_int_t)d->instances));
    else if (d->instances == 0)
        (void)printf(
            "nothing that was deployed runs on %s (`warren undrain %s` lets it come back)\n",
            d->host, d->host);
    else
        (void)printf("%u %s %s (`warren drain %s --wait` waits for them, `warren undrain %s` "
                     "lets them come back)\n",
                     d->instances, d->instances == 1 ? "instance leaves" : "instances leave",
                     d->host, d->host, d->host);
}

static int drain(draining *d, uint64_t timeout_ms) {
    cli_session *session;
    int err = cli_session_open(&session);
    if (err != 0) return cli_client_explain(err);
    int exit_code = d->is_forced ? CLI_DONE : judge(d, session);
    if (exit_code == CLI_DONE) exit_code = cli_drain_ask(session, d->host, false);
    if (timeout_ms != 0) cli_session_limit(session, timeout_ms);
    if (exit_code == CLI_DONE) exit_code = watch(d, session);
    if (exit_code == CLI_TIMED_OUT)
        cli_say("%u %s still on %s, and leaving goes on (`warren status` shows where others cannot "
                "take them)",
                d->instances, d->instances == 1 ? "instance is" : "instances are", d->host);
    if (exit_code == CLI_DONE) tell(d);
    cli_deployed_deinit(&d->deployed);
    cli_session_close(session);
    return exit_code;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_drain, .argc = argc, .argv = argv};
    draining d = {0};
    uint64_t timeout_ms = 0;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        switch (arg) {
        case CLI_ARG_BAD: return cli_args_exit_code(&args);
        case CLI_ARG_WORD:
            if (!cli_args_target(&args, &d.host)) return CLI_USAGE;
            break;
        case OPTION_WAIT: d.waits = true; break;
        case OPTION_FORCE: d.is_forced = true; break;
        case OPTION_TIMEOUT:
            if (!cli_duration_parse("timeout", args.value, TIMEOUT_MAX_MS, &timeout_ms))
                return CLI_USAGE;
            break;
        default: d.is_json = true;
        }
    }
    if (d.host == NULL) {
        cli_say("drain which host? `warren status` lists them");
        return CLI_USAGE;
    }
    if (timeout_ms != 0 && !d.waits) {
        cli_say("--timeout says how long --wait waits: `warren drain %.120s --wait --timeout TIME`",
                d.host);
        return CLI_USAGE;
    }
    return drain(&d, timeout_ms);
}

const cli_command cli_drain = {
    .name = "drain",
    .usage = "HOST [--wait] [--timeout TIME] [--force] [--json]",
    .summary = "Has everything that was deployed leave a host, and nothing new come there",
    .example = "  warren drain h2 --wait && ssh h2 reboot\n",
    .options = options,
    .run = run,
};
