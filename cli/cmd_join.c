#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "agent/identity.h"
#include "agent/place.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/duration.h"
#include "cli/enrol.h"
#include "cli/json.h"
#include "core/error.h"
#include "io/paths.h"

enum { ROOM_LEN = 64 << 10 }; // more than the keys take
enum { OPTION_NAME, OPTION_LISTEN, OPTION_ADVERTISE, OPTION_DISCOVER, OPTION_JSON };

static const cli_option options[] = {
    {0, "name", "NAME",
     "what this host is called (default: its host name, or what the token says)"},
    {0, "listen", "ADDR:PORT", "where it listens for other hosts (default 0.0.0.0:7400)"},
    {0, "advertise", "HOST:PORT", "under which address others reach it (default: its own)"},
    {0, "discover", "SOURCE",
     "where hosts are found later on, e.g. dns:NAME:7400 (docs/discovery.md)"},
    {0, "json", NULL, "as JSON: {\"cluster\", \"host\", \"name\"}"},
    {0, NULL, NULL, NULL},
};

typedef struct join_request {
    const char *token_text;
    char name[MESH_CERT_NAME_LEN_MAX + 1];
    agent_cluster_config config;
    bool is_named, is_json;
    mesh_token token;
} join_request;

// ---- the words

static bool take_option(join_request *r, const cli_args *args, int option) {
    switch (option) {
    case OPTION_NAME:
        (void)snprintf(r->name, sizeof r->name, "%s", args->value);
        r->is_named = true;
        return cli_cluster_name(args->value);
    case OPTION_LISTEN:
        return cli_cluster_address("listen", args->value, agent_is_listen_address,
                                   r->config.listen);
    case OPTION_ADVERTISE:
        return cli_cluster_address("advertise", args->value, mesh_is_address, r->config.advertise);
    case OPTION_DISCOVER: return cli_cluster_discover(args->value, &r->config);
    default: r->is_json = true; return true;
    }
}

static int take_words(join_request *r, int argc, char **argv) {
    cli_args args = {.command = &cli_join, .argc = argc, .argv = argv};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (arg != CLI_ARG_WORD) {
            if (!take_option(r, &args, arg)) return CLI_USAGE;
        } else if (r->token_text == NULL) {
            r->token_text = args.value;
        } else {
            cli_say("join takes one token: what is \"%.40s\"?", args.value);
            return CLI_USAGE;
        }
    }
    if (r->token_text != NULL) return CLI_DONE;
    cli_say(
        "join with which token? `warren token create` on a host of the cluster makes one, `warren "
        "join TOKEN` uses it here");
    return CLI_USAGE;
}

// "-" is stdin: there nobody sees it in the list of processes.
static bool read_token(join_request *r, uint64_t now_s) {
    char bytes[MESH_TOKEN_LEN_MAX + 64];
    mesh_bytes text = mesh_bytes_text(r->token_text);
    if (strcmp(r->token_text, "-") == 0)
        text = (mesh_bytes){(uint8_t *)bytes, fread(bytes, 1, sizeof bytes, stdin)};
    int err = mesh_token_parse(text, &r->token);
    sodium_memzero(bytes, sizeof bytes);
    if (err == MESH_EVERSION) {
        cli_say("the token was made by a newer Warren: install that version here too");
        return false;
    }
    if (err != 0) {
        cli_say("that is not a whole token: it begins with warren1: and is one line (`warren token "
                "create` makes a new one)");
        return false;
    }
    if (now_s <= r->token.expires_s) return true;
    char ago[CLI_DURATION_MAX];
    cli_duration_format(ago, (now_s - r->token.expires_s) * 1000);
    cli_say("the token expired %s ago, or the clock here is wrong: `warren token create` makes a "
            "new one",
            ago);
    return false;
}

// ---- the join

static void say_try(const char *address) {
    cli_say("asks %s", address);
}

static void tell(const agent_identity *identity, bool is_json) {
    char id[2 * MESH_ID_LEN + 1], cluster[2 * MESH_ID_LEN + 1];
    const char *name = identity->host.cert.name;
    (void)sodium_bin2hex(id, sizeof id, identity->host.cert.host_id, MESH_ID_LEN);
    (void)sodium_bin2hex(cluster, sizeof cluster, identity->host.cert.cluster_id, MESH_ID_LEN);
    if (is_json)
        cli_json_print(json_pack("{s:s, s:s, s:s}", "cluster", cluster, "host", id, "name", name));
    else
        (void)printf("This host is %s in cluster %s.\n", name, cluster);
}

static int keep(const join_request *r, const char *dir, const agent_new_host *keys,
                const mesh_enrol_answer *answer) {
    char text[AGENT_VAULT_TEXT_MAX] = "";
    agent_identity *identity;
    int err = agent_identity_create_member(dir, keys, &r->token.trust, answer, &r->config, text);
    if (err == 0) err = agent_identity_load(dir, &identity, text);
    if (err != 0) {
        cli_say("%s", text);
        return CLI_FAILED;
    }
    tell(identity, r->is_json);
    agent_identity_free(identity);
    return CLI_DONE;
}

// A token is good for one time: before it is used it must be sure that its fruit can be kept, and
// that nobody else joins here. A descriptor that holds the place, or a negative error and a
// sentence.
static int hold_place(const char *dir, char text[CLI_ENROL_TEXT_MAX]) {
    static const char room[ROOM_LEN];
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/join.lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int err = fd < 0 ? errno : flock(fd, LOCK_EX | LOCK_NB) != 0 ? errno : 0;
    if (err == EWOULDBLOCK) {
        (void)snprintf(text, CLI_ENROL_TEXT_MAX, "another join is under way here");
        close(fd);
        return -err;
    }
    if (err == 0 && (write(fd, room, sizeof room) != (ssize_t)sizeof room || fsync(fd) != 0))
        err = errno != 0 ? errno : ENOSPC;
    if (fd >= 0) (void)!ftruncate(fd, 0);
    if (err == 0) return fd;
    (void)snprintf(text, CLI_ENROL_TEXT_MAX,
                   "no keys could be kept in %.200s: %s (the token is not "
                   "used yet)",
                   dir, strerror(err));
    if (fd >= 0) close(fd);
    return -err;
}

static int enrol(const join_request *r, const char *dir) {
    char text[CLI_ENROL_TEXT_MAX] = "";
    agent_new_host keys;
    mesh_enrol_answer answer;
    int asked = cli_cluster_keys(&keys);
    if (asked != CLI_DONE) return asked;
    const cli_enrol_options asking = {.token = &r->token,
                                      .name = r->name,
                                      .is_name_open = !r->is_named,
                                      .sign_secret = keys.sign_secret,
                                      .link_secret = keys.link_secret,
                                      .on_try = say_try};
    int err = cli_enrol(&asking, &answer, text), exit_code = CLI_FAILED;
    if (err == 0)
        exit_code = keep(r, dir, &keys, &answer);
    else
        cli_say("not joined: %s%s", text,
                err > MESH_EAGAIN ? " (the issuer's agent must run there: `warren agent`)" : "");
    sodium_memzero(&keys, sizeof keys);
    sodium_memzero(&answer, sizeof answer);
    return exit_code;
}

static int join(join_request *r) {
    char dir[MESH_PATHS_LEN_MAX], text[AGENT_VAULT_TEXT_MAX] = "";
    int err = mesh_paths_dir(dir);
    if (err != 0) return cli_client_explain(err);
    if (agent_place_prepare(dir, text) != 0) {
        cli_say("%s", text);
        return CLI_FAILED;
    }
    agent_identity *identity;
    err = agent_identity_load(dir, &identity, text);
    if (err == 0) {
        cli_say("this host (%s) is in a cluster already: `warren leave` first%s",
                identity->host.cert.name,
                identity->is_issuer ? ", but it is the host that lets others in: when it has left, "
                                      "that cluster ends"
                                    : "");
        agent_identity_free(identity);
        return CLI_FAILED;
    }
    if (err != -ENOENT) {
        cli_say("%s", text);
        return CLI_FAILED;
    }
    char why[CLI_ENROL_TEXT_MAX] = "";
    int place = hold_place(dir, why);
    if (place < 0) {
        cli_say("not joined: %s", why);
        return CLI_FAILED;
    }
    int exit_code = enrol(r, dir);
    close(place);
    return exit_code == CLI_DONE ? cli_cluster_ask(CLI_CLUSTER_OPEN) : exit_code;
}

static int run(int argc, char **argv) {
    static join_request r; // large
    (void)snprintf(r.config.listen, sizeof r.config.listen, "0.0.0.0:%d", AGENT_CLUSTER_PORT);
    int exit_code = take_words(&r, argc, argv);
    if (exit_code != CLI_DONE || r.token_text == NULL) return exit_code;
    if (!read_token(&r, (uint64_t)time(NULL))) return CLI_USAGE;
    if (!r.is_named) (void)snprintf(r.name, sizeof r.name, "%s", cli_cluster_own_name());
    exit_code = join(&r);
    sodium_memzero(&r, sizeof r);
    return exit_code;
}

const cli_command cli_join = {
    .name = "join",
    .usage = "TOKEN|- [--name NAME] [--listen ADDR:PORT] [--advertise HOST:PORT] "
             "[--discover SOURCE]... [--json]",
    .summary = "Makes this host one of a cluster, with a token from `warren token create`",
    .example = "  warren join warren1:CiBx...\n  ssh ada warren token create | warren join -\n",
    .options = options,
    .has_secrets = true,
    .run = run,
};
