#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/deployed.h"
#include "cli/drain.h"
#include "cli/duration.h"
#include "cli/json.h"

enum { OPTION_WAIT, OPTION_TIMEOUT, OPTION_JSON, TIMEOUT_MAX_MS = 86400000 };

static const cli_option options[] = {
    {'w', "wait", NULL, "until nothing that was deployed runs there any more"},
    {0, "timeout", "TIME", "wait so long at most; it goes on, and the exit code is 124"},
    {0, "json", NULL, "as JSON: {\"drained\": HOST, \"instances\": N} (that are still there)"},
    {0, NULL, NULL, NULL},
};

typedef struct draining {
    const char *host;
    cli_deployed deployed;
    uint32_t instances; // there
    bool waits, is_json;
} draining;

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
    int exit_code = cli_drain_ask(session, d->host, false);
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
    .usage = "HOST [--wait] [--timeout TIME] [--json]",
    .summary = "Has everything that was deployed leave a host, and nothing new come there",
    .example = "  warren drain h2 --wait && ssh h2 reboot\n",
    .options = options,
    .run = run,
};
