#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "agent/identity.h"
#include "agent/place.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/json.h"
#include "io/paths.h"

enum { OPTION_NAME, OPTION_LISTEN, OPTION_ADVERTISE, OPTION_DISCOVER, OPTION_JSON };
enum { HEX_LEN = 2 * MESH_ID_LEN + 1 };

static const cli_option options[] = {
    {0, "name", "NAME", "of this host in the cluster (its host name)"},
    {0, "listen", "ADDR:PORT", "where it listens for other hosts (0.0.0.0:7400)"},
    {0, "advertise", "HOST:PORT", "where they reach it (the addresses of its network cards)"},
    {0, "discover", "SOURCE",
     "where hosts are found later on, e.g. dns:NAME:7400 (docs/discovery.md)"},
    {0, "json", NULL, "as JSON (docs/cli.md lists the fields)"},
    {0, NULL, NULL, NULL},
};

typedef struct wish {
    const char *name;
    agent_cluster_config config;
    bool is_json;
} wish;

// ---- words to wishes

static bool take(const cli_args *args, int option, wish *w) {
    switch (option) {
    case OPTION_NAME: w->name = args->value; return cli_cluster_name(args->value);
    case OPTION_LISTEN:
        return cli_cluster_address("listen", args->value, agent_is_listen_address,
                                   w->config.listen);
    case OPTION_ADVERTISE:
        return cli_cluster_address("advertise", args->value, mesh_is_address, w->config.advertise);
    case OPTION_DISCOVER: return cli_cluster_discover(args->value, &w->config);
    case OPTION_JSON: w->is_json = true; return true;
    default: cli_say("init takes no word: \"%.40s\"", args->value); return false;
    }
}

// ---- telling

static void tell_json(const agent_identity *id, const char *cluster, const char *host,
                      const char *root) {
    char addresses[MESH_TOKEN_ADDRESSES_MAX][MESH_ADDRESS_LEN_MAX + 1];
    size_t count = agent_cluster_addresses(&id->config, addresses);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(addresses[i]));
    cli_json_print(json_pack("{s:s, s:s, s:s, s:s, s:o, s:s}", "cluster", cluster, "host", host,
                             "name", id->host.cert.name, "listen", id->config.listen, "addresses",
                             list, "rootKey", root));
}

static void tell(const agent_identity *id, const char *cluster, const char *host,
                 const char *root) {
    char addresses[MESH_TOKEN_ADDRESSES_MAX][MESH_ADDRESS_LEN_MAX + 1];
    size_t count = agent_cluster_addresses(&id->config, addresses);
    (void)printf("This host is the first one of a new cluster.\n\n"
                 "  cluster    %s\n  host       %s, %s\n  listens    %s\n  reached    ",
                 cluster, id->host.cert.name, host, id->config.listen);
    for (size_t i = 0; i < count; i++)
        (void)printf("%s%s", i > 0 ? ", " : "", addresses[i]);
    (void)printf("%s\n  root key   %s\n\n", count == 0 ? "nowhere: --advertise says where" : "",
                 root);
    (void)printf("All trust comes from the root key, and this host does not need it: move it to a "
                 "safe place, off\nthis machine. `warren token create` lets the next host in.\n");
}

static int report(const char *dir, bool is_json) {
    char text[AGENT_VAULT_TEXT_MAX], cluster[HEX_LEN], host[HEX_LEN],
        root[AGENT_VAULT_PATH_MAX + sizeof AGENT_VAULT_ROOT];
    agent_identity *id;
    if (agent_identity_load(dir, &id, text) != 0) { // it has just been written
        cli_say("%s", text);
        return CLI_FAILED;
    }
    (void)sodium_bin2hex(cluster, HEX_LEN, id->credentials.cluster_id, MESH_ID_LEN);
    (void)sodium_bin2hex(host, HEX_LEN, id->host.cert.host_id, MESH_ID_LEN);
    (void)snprintf(root, sizeof root, "%s/" AGENT_VAULT_ROOT, id->vault);
    (is_json ? tell_json : tell)(id, cluster, host, root);
    agent_identity_free(id);
    return CLI_DONE;
}

static int init(const wish *w) {
    char dir[MESH_PATHS_LEN_MAX], path[MESH_PATHS_LEN_MAX], text[AGENT_VAULT_TEXT_MAX];
    int err = mesh_paths_socket(path);
    if (err == 0) err = mesh_paths_dir(dir);
    if (err != 0) return cli_client_explain(err);
    agent_new_host keys;
    err = agent_place_prepare(dir, text);
    if (err == 0) {
        int asked = cli_cluster_keys(&keys);
        if (asked != CLI_DONE) return asked;
        err = agent_identity_create_cluster(dir, w->name, &keys, &w->config, (uint64_t)time(NULL),
                                            text);
        sodium_memzero(&keys, sizeof keys);
    }
    if (err == 0) {
        int exit_code = report(dir, w->is_json);
        return exit_code == CLI_DONE ? cli_cluster_ask(CLI_CLUSTER_OPEN) : exit_code;
    }
    cli_say("%s", text);
    return err == -EINVAL ? CLI_USAGE : CLI_FAILED;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_init, .argc = argc, .argv = argv};
    wish w = {.name = cli_cluster_own_name(), .config.listen = "0.0.0.0:7400"};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (!take(&args, arg, &w)) return CLI_USAGE;
    }
    return init(&w);
}

const cli_command cli_init = {
    .name = "init",
    .usage = "[--name NAME] [--listen ADDR:PORT] [--advertise HOST:PORT] [--discover SOURCE]... "
             "[--json]",
    .summary = "Makes this host the first one of a new cluster",
    .example = "  warren init --advertise db-1.example.com:7400\n"
               "  warren token create        # lets the next host in\n",
    .options = options,
    .has_secrets = true,
    .run = run,
};
