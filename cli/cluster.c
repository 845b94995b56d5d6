#include "cli/cluster.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/client.h"
#include "io/packet.h"
#include "io/paths.h"

const char *cli_cluster_own_name(void) {
    static char name[MESH_CERT_NAME_LEN_MAX + 1];
    if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "host";
    for (char *at = name; *at != '\0'; at++)
        if (strchr(MESH_NAME_LETTERS, *at) == NULL) *at = '-';
    return name;
}

bool cli_cluster_name(const char *value) {
    if (mesh_cert_name_is_valid(value)) return true;
    cli_say("--name: a host's name is 1 to 63 letters, digits, '-', '_' and '.', not \"%.80s\"",
            value);
    return false;
}

bool cli_cluster_address(const char *option, const char *value, bool (*is_right)(const char *),
                         char out[MESH_ADDRESS_LEN_MAX + 1]) {
    (void)snprintf(out, MESH_ADDRESS_LEN_MAX + 1, "%s", value);
    if (is_right == mesh_is_address &&
        (strcmp(value, "0.0.0.0") == 0 || agent_is_any_address(out))) {
        cli_say("--%s says where others find this host, and nobody is found at %.40s", option,
                value);
        return false;
    }
    if (is_right(out) && strlen(value) <= MESH_ADDRESS_LEN_MAX) return true;
    int len = snprintf(out, MESH_ADDRESS_LEN_MAX + 1, "%s:%d", value, AGENT_CLUSTER_PORT);
    if (len <= MESH_ADDRESS_LEN_MAX && is_right(out)) return true;
    cli_say("--%s is like %s, not \"%.80s\"", option,
            is_right == mesh_is_address ? "db-1.example.com:7400 or [2001:db8::1]:7400"
                                        : "0.0.0.0:7400 or [::]:7400",
            value);
    return false;
}

bool cli_cluster_discover(const char *source, agent_cluster_config *config) {
    char text[AGENT_VAULT_TEXT_MAX];
    if (agent_cluster_config_discover(config, source, text)) return true;
    cli_say("--discover: %s", text);
    return false;
}

static bool on_reply(const Warren__Agent__Reply *reply, void *user) {
    (void)reply;
    (void)user;
    return false; // Done ends it
}

static bool is_agent_there(void) {
    char path[MESH_PATHS_LEN_MAX];
    int fd;
    if (mesh_paths_socket(path) != 0 || mesh_packet_connect(path, &fd) != 0) return false;
    close(fd);
    return true;
}

static bool on_keys(const Warren__Agent__Reply *reply, void *user) {
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_KEYS) return false;
    const Warren__Agent__Keys *keys = reply->keys;
    if (keys->sign_seed.len == AGENT_SEED_LEN && keys->link_secret.len == MESH_LINK_KEY_LEN)
        agent_new_host_take(user, keys->sign_seed.data, keys->link_secret.data);
    return true;
}

int cli_cluster_keys(agent_new_host *out) {
    agent_new_host_make(out);
    if (!is_agent_there()) return CLI_DONE;
    Warren__Agent__ListKeys body = WARREN__AGENT__LIST_KEYS__INIT;
    CLI_REQUEST(request, LIST_KEYS, list_keys, &body);
    return cli_client_ask(&request, on_keys, out);
}

int cli_cluster_ask(cli_cluster_news news) {
    if (!is_agent_there()) {
        if (news == CLI_CLUSTER_OPEN)
            cli_say("no agent is running yet: `warren agent` takes part in the cluster");
        return CLI_DONE;
    }
    if (news == CLI_CLUSTER_LEAVE) {
        Warren__Agent__LeaveCluster body = WARREN__AGENT__LEAVE_CLUSTER__INIT;
        CLI_REQUEST(request, LEAVE_CLUSTER, leave_cluster, &body);
        return cli_client_ask(&request, on_reply, NULL);
    }
    Warren__Agent__OpenCluster body = WARREN__AGENT__OPEN_CLUSTER__INIT;
    CLI_REQUEST(request, OPEN_CLUSTER, open_cluster, &body);
    return cli_client_ask(&request, on_reply, NULL);
}
