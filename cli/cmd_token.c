#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/tickets.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/duration.h"
#include "cli/json.h"
#include "io/paths.h"

enum { OPTION_TTL, OPTION_NAME, OPTION_SCOPE, OPTION_JSON };
enum { TTL_DEFAULT_S = 3600, TTL_MAX_S = 30 * 86400 };

static const cli_option options[] = {
    {0, "ttl", "TIME", "how long it is valid: 90s, 30m, 1h, 7d (1h); at most 30d"},
    {0, "name", "HOST", "only for a host of this name"},
    {0, "scope", "SCOPE", "one thing that the host may do: serve:db, call:*, ... (everything)"},
    {0, "json", NULL, "as JSON: {\"token\", \"expiresAt\"}"},
    {0, NULL, NULL, NULL},
};

typedef struct wish {
    agent_ticket_wish ticket;
    const char *scopes[MESH_SCOPES_MAX];
    bool is_json, has_create;
} wish;

// ---- words to wishes

static bool take_ttl(const char *text, uint64_t *out_s) {
    uint64_t ms;
    if (!cli_duration_parse("ttl", text, (uint64_t)TTL_MAX_S * 1000, &ms)) return false;
    *out_s = ms / 1000;
    if (*out_s > 0) return true;
    cli_say("--ttl is at least 1s");
    return false;
}

static bool take_word(const char *word, wish *w) {
    bool is_create = strcmp(word, "create") == 0;
    if (is_create && !w->has_create) {
        w->has_create = true;
        return true;
    }
    cli_say("`warren token create` is all there is, not \"%.40s\"", word);
    return false;
}

static bool take_scope(const char *text, wish *w) {
    if (!mesh_scope_is_valid(text)) {
        cli_say("--scope: a scope is *, or serve:, call:, subscribe: or publish: and a pattern, at "
                "most 64 letters, not \"%.80s\"",
                text);
        return false;
    }
    if (w->ticket.scope_count == MESH_SCOPES_MAX) {
        cli_say("--scope: there are at most %d scopes", MESH_SCOPES_MAX);
        return false;
    }
    w->scopes[w->ticket.scope_count++] = text;
    return true;
}

static bool take(const cli_args *args, int option, wish *w) {
    switch (option) {
    case OPTION_TTL: w->ticket.life_s = 0; return take_ttl(args->value, &w->ticket.life_s);
    case OPTION_NAME: w->ticket.name = args->value; return cli_cluster_name(args->value);
    case OPTION_SCOPE: return take_scope(args->value, w);
    case OPTION_JSON: w->is_json = true; return true;
    default: return take_word(args->value, w);
    }
}

// ---- doing

static int load(agent_identity **out) {
    char dir[MESH_PATHS_LEN_MAX], path[MESH_PATHS_LEN_MAX], text[AGENT_VAULT_TEXT_MAX];
    int err = mesh_paths_socket(path);
    if (err == 0) err = mesh_paths_dir(dir);
    if (err != 0) return cli_client_explain(err);
    err = agent_identity_load(dir, out, text);
    if (err == 0) return CLI_DONE;
    if (err == -ENOENT && text[0] == '\0')
        cli_say("this host is in no cluster (`warren init` makes one)");
    else
        cli_say("%s", text);
    return CLI_FAILED;
}

static void tell(const char *token, uint64_t expires_s, bool is_json) {
    if (is_json) {
        cli_json_print(
            json_pack("{s:s, s:o}", "token", token, "expiresAt", cli_json_time(expires_s * 1000)));
        return;
    }
    char until[32];
    struct tm parts;
    time_t seconds = (time_t)expires_s;
    localtime_r(&seconds, &parts);
    (void)strftime(until, sizeof until, "%Y-%m-%d %H:%M:%S %Z", &parts);
    (void)printf("%s\n", token);
    (void)fprintf(
        stderr,
        "It lets one host in, until %s: `warren join TOKEN` there. Whoever has it can use "
        "it.\n",
        until);
}

static int create(const wish *w) {
    agent_identity *id = NULL;
    char token[MESH_TOKEN_LEN_MAX + 1], text[AGENT_VAULT_TEXT_MAX];
    int exit_code = load(&id);
    if (exit_code != CLI_DONE) return exit_code;
    uint64_t now_s = (uint64_t)time(NULL);
    int err = agent_tickets_create(id, &w->ticket, now_s, token, text);
    agent_identity_free(id);
    if (err == 0)
        tell(token, now_s + w->ticket.life_s, w->is_json);
    else
        cli_say("%s", text);
    return err == 0 ? CLI_DONE : CLI_FAILED;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_token, .argc = argc, .argv = argv};
    wish w = {.ticket.life_s = TTL_DEFAULT_S};
    w.ticket.scopes = w.scopes;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (!take(&args, arg, &w)) return CLI_USAGE;
    }
    if (w.has_create) return create(&w);
    cli_say("say `warren token create`");
    return CLI_USAGE;
}

const cli_command cli_token = {
    .name = "token",
    .usage = "create [--ttl TIME] [--name HOST] [--scope SCOPE]... [--json]",
    .summary = "Makes a token that lets one more host into the cluster",
    .example = "  warren token create --name db-1 --scope serve:db --scope 'call:*'\n"
               "  warren join warren1:...    # on that host\n",
    .options = options,
    .has_secrets = true,
    .run = run,
};
