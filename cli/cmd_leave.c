#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "agent/identity.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/json.h"
#include "io/paths.h"

enum { OPTION_FORCE, OPTION_JSON };

static const cli_option options[] = {
    {0, "force", NULL, "also when this host lets others in"},
    {0, "json", NULL, "as JSON: {\"left\": NAME, \"keys\": DIRECTORY}"},
    {0, NULL, NULL, NULL},
};

static bool may_go(const agent_identity *identity, bool is_forced) {
    if (!identity->is_issuer || is_forced) return true;
    cli_say("this host lets hosts into the cluster and renews their certificates: when it has "
            "left, the "
            "others end within %d days (`warren leave --force` does it all the same)",
            MESH_HOST_LIFE_S / 86400);
    return false;
}

static int leave(const agent_identity *identity, const char *dir, bool is_json) {
    char aside[AGENT_VAULT_PATH_MAX], text[AGENT_VAULT_TEXT_MAX] = "";
    int exit_code = cli_cluster_ask(CLI_CLUSTER_LEAVE);
    if (exit_code != CLI_DONE) return exit_code;
    if (agent_vault_retire(dir, (uint64_t)time(NULL), aside, text) != 0) {
        cli_say("%s", text);
        return CLI_FAILED;
    }
    if (is_json)
        cli_json_print(json_pack("{s:s, s:s}", "left", identity->host.cert.name, "keys", aside));
    else
        (void)printf(
            "This host is in no cluster any more. Its keys are in %s: remove them when nobody "
            "needs them.\n",
            aside);
    return CLI_DONE;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_leave, .argc = argc, .argv = argv};
    bool is_forced = false, is_json = false;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        switch (arg) {
        case CLI_ARG_BAD: return cli_args_exit_code(&args);
        case CLI_ARG_WORD: cli_say("leave takes no word: \"%.40s\"", args.value); return CLI_USAGE;
        case OPTION_FORCE: is_forced = true; break;
        default: is_json = true;
        }
    }
    char dir[MESH_PATHS_LEN_MAX], text[AGENT_VAULT_TEXT_MAX] = "";
    agent_identity *identity;
    int err = mesh_paths_dir(dir);
    if (err != 0) return cli_client_explain(err);
    err = agent_identity_load(dir, &identity, text);
    if (err != 0) {
        cli_say("%s", err == -ENOENT ? "this host is in no cluster" : text);
        return CLI_FAILED;
    }
    int exit_code = may_go(identity, is_forced) ? leave(identity, dir, is_json) : CLI_FAILED;
    agent_identity_free(identity);
    return exit_code;
}

const cli_command cli_leave = {
    .name = "leave",
    .usage = "[--force] [--json]",
    .summary = "Takes this host out of its cluster, and puts its keys aside",
    .example = "  warren leave\n",
    .options = options,
    .has_secrets = true,
    .run = run,
};
