#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/identity.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/json.h"
#include "io/paths.h"

enum { OPTION_ROOT_KEY, OPTION_JSON };

static const cli_option options[] = {
    {0, "root-key", "FILE", "the root.key that `warren init` made (where it is now)"},
    {0, "json", NULL, "as JSON: {\"validUntil\": TIME}"},
    {0, NULL, NULL, NULL},
};

static void tell(uint64_t until_s, bool is_json) {
    char day[32];
    struct tm parts;
    time_t seconds = (time_t)until_s;
    if (is_json) {
        cli_json_print(json_pack("{s:o}", "validUntil", cli_json_time(until_s * 1000)));
        return;
    }
    localtime_r(&seconds, &parts);
    (void)strftime(day, sizeof day, "%Y-%m-%d", &parts);
    (void)printf("This host's right to let others in is valid until %s.\nAn agent that is running "
                 "uses it once it is started again. Put the root key back to its safe place.\n",
                 day);
}

static int renew(const char *root, bool is_json) {
    char dir[MESH_PATHS_LEN_MAX], text[AGENT_VAULT_TEXT_MAX] = "";
    agent_identity *id = NULL;
    int err = mesh_paths_dir(dir);
    if (err != 0) return cli_client_explain(err);
    err = agent_identity_load(dir, &id, text);
    if (err != 0) {
        cli_say("%s", text[0] != '\0' ? text : "this host is in no cluster");
        return CLI_FAILED;
    }
    err = agent_identity_renew_issuer(id, root, (uint64_t)time(NULL), text);
    if (err == 0)
        tell(id->issuer.cert.not_after_s, is_json);
    else
        cli_say("%s", text);
    agent_identity_free(id);
    return err == 0 ? CLI_DONE : err == -EINVAL ? CLI_USAGE : CLI_FAILED;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_issuer, .argc = argc, .argv = argv};
    const char *root = NULL, *word = NULL;
    bool is_json = false;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        switch (arg) {
        case CLI_ARG_BAD: return cli_args_exit_code(&args);
        case CLI_ARG_WORD:
            if (!cli_args_target(&args, &word)) return CLI_USAGE;
            break;
        case OPTION_ROOT_KEY: root = args.value; break;
        default: is_json = true;
        }
    }
    if (word != NULL && strcmp(word, "renew") == 0 && root != NULL) return renew(root, is_json);
    cli_say("say `warren issuer renew --root-key FILE`");
    return CLI_USAGE;
}

const cli_command cli_issuer = {
    .name = "issuer",
    .usage = "renew --root-key FILE [--json]",
    .summary = "Renews, once a year, this host's right to let others in",
    .example = "  warren issuer renew --root-key /media/safe/root.key\n",
    .options = options,
    .has_secrets = true,
    .run = run,
};
