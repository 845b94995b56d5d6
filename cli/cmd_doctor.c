// Looks at everything that keeps hosts apart, says of each thing whether it is well, and if not,
// what to do.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "agent/identity.h"
#include "agent/place.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/enrol.h"
#include "cli/json.h"
#include "io/packet.h"
#include "io/paths.h"

enum { OPTION_JSON, OPEN_FILES_GOOD = 4096, TEXT_MAX = 512 };

static const cli_option options[] = {
    {0, "json", NULL, "as JSON: {\"checks\": [{\"check\", \"state\", \"text\"}]}"},
    {0, NULL, NULL, NULL},
};

typedef enum verdict { WELL, DOUBTFUL, ILL } verdict;

typedef struct doctor {
    json_t *checks; // NULL: lines for people
    bool is_ill;
} doctor;

__attribute__((format(printf, 4, 5))) static void tell(doctor *d, verdict state, const char *check,
                                                       const char *format, ...) {
    static const char *const words[] = {"ok", "warning", "problem"};
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    d->is_ill |= state == ILL;
    if (d->checks != NULL)
        json_array_append_new(d->checks, json_pack("{s:s, s:s, s:s}", "check", check, "state",
                                                   words[state], "text", text));
    else
        (void)printf("%-8s %-12s %s\n", words[state], check, text);
    (void)fflush(stdout); // some checks take seconds
}

// ---- this machine

static void check_limits(doctor *d) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    bool is_low = files.rlim_max != RLIM_INFINITY && files.rlim_max < OPEN_FILES_GOOD;
    tell(d, is_low ? DOUBTFUL : WELL, "open files", "at most %llu%s",
         (unsigned long long)files.rlim_max,
         is_low ? ": a node needs 5 in the agent (`ulimit -Hn`, or LimitNOFILE= of systemd)" : "");
}

static void check_clock(doctor *d) {
    struct timex state = {0};
    char now[40];
    struct tm parts;
    time_t seconds = time(NULL);
    gmtime_r(&seconds, &parts);
    (void)strftime(now, sizeof now, "%Y-%m-%d %H:%M:%S UTC", &parts);
    bool is_kept = adjtimex(&state) != TIME_ERROR;
    tell(d, is_kept ? WELL : DOUBTFUL, "clock", "%s%s", now,
         is_kept ? ", kept by a time service"
                 : ", and no time service keeps it: certificates end by the clock, which may be "
                   "wrong by 5 minutes at most");
}

static bool check_agent(doctor *d, const char *dir) {
    char path[MESH_PATHS_LEN_MAX], text[AGENT_PLACE_TEXT_MAX];
    int fd;
    tell(d, WELL, "version", "%s", WARREN_VERSION);
    int err = agent_place_look(dir, text);
    if (err != 0 && err != -ENOENT) {
        tell(d, ILL, "state", "%s", text);
        return false;
    }
    tell(d, WELL, "state", "%s%s", dir, err == -ENOENT ? " (not made yet)" : "");
    if (mesh_paths_socket(path) != 0 || mesh_packet_connect(path, &fd) != 0) {
        tell(d, ILL, "agent", "none is running: `warren agent` starts one");
        return false;
    }
    close(fd);
    tell(d, WELL, "agent", "is running");
    return true;
}

static bool on_self(const Warren__Agent__Reply *reply, void *user) {
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_SELF) return true;
    const Warren__Agent__Self *self = reply->self;
    bool is_well = self->store_trouble[0] == '\0';
    if (self->store[0] == '\0') return true; // an agent of a version before
    tell(user, is_well ? WELL : ILL, "store", "%.200s%s%s", self->store,
         !self->is_store_open ? ": nobody needed it yet"
         : is_well            ? ": it answers"
                              : ": ",
         self->store_trouble);
    return true;
}

static void check_store(doctor *d) {
    Warren__Agent__About about = WARREN__AGENT__ABOUT__INIT;
    CLI_REQUEST(request, ABOUT, about, &about);
    (void)cli_client_ask(&request, on_self, d);
}

// ---- the cluster

static void check_certificate(doctor *d, const agent_identity *id) {
    uint64_t now_s = (uint64_t)time(NULL), end_s = id->host.cert.not_after_s;
    bool is_issuer = id->is_issuer;
    tell(d, WELL, "cluster", "this host is %s%s", id->host.cert.name,
         is_issuer ? ", and lets hosts in" : "");
    if (now_s > end_s)
        tell(d, ILL, "certificate",
             "has expired, or the clock is wrong: `warren leave`, and `warren join` with a new "
             "token");
    else if (now_s + MESH_CERT_TOLERANCE_S < id->host.cert.not_before_s)
        tell(d, ILL, "certificate", "is not valid yet: the clock of this host is behind");
    else
        tell(d, now_s > mesh_cert_renew_at_s(&id->host.cert) ? DOUBTFUL : WELL, "certificate",
             "valid for %llu more hours%s", (unsigned long long)(end_s - now_s) / 3600,
             now_s > mesh_cert_renew_at_s(&id->host.cert)
                 ? ": it should have been renewed, is the host that lets hosts in up?"
                 : "");
}

// Whether something takes connections there. `but` is what is wrong even so, or NULL.
static void check_address(doctor *d, const char *check, const char *address, const char *what,
                          const char *but) {
    char text[CLI_ENROL_TEXT_MAX] = "";
    int fd = cli_enrol_connect(address, text);
    if (fd < 0) {
        tell(d, ILL, check, "%s: %s", what, text);
        return;
    }
    close(fd);
    tell(d, but == NULL ? WELL : ILL, check, "%s: %s takes connections%s", what, address,
         but == NULL ? "" : but);
}

static void check_own_addresses(doctor *d, const agent_identity *id) {
    char addresses[MESH_TOKEN_ADDRESSES_MAX][MESH_ADDRESS_LEN_MAX + 1];
    size_t count = agent_cluster_addresses(&id->config, addresses);
    tell(d, WELL, "listens", "on %s, TCP and UDP", id->config.listen);
    if (count == 0)
        tell(d, ILL, "address", "others cannot reach this host: `advertise` in %.200s/config.json",
             id->vault);
    for (size_t i = 0; i < count; i++)
        check_address(d, "address", addresses[i], "advertised", NULL);
}

static void check_host(doctor *d, const Warren__Agent__HostInfo *host) {
    bool is_gone = strcmp(host->state, "down") == 0 || strcmp(host->state, "unreachable") == 0;
    char what[TEXT_MAX];
    (void)snprintf(what, sizeof what, "%.63s is %s", host->name, host->state);
    // The kernel takes connections for an agent that is stuck, too.
    check_address(d, "host", host->address, what,
                  is_gone ? ", but its agent is not heard: say `warren doctor` there (is it stuck, "
                            "has another program the port?), and open UDP, same port as TCP"
                          : NULL);
}

static bool on_hosts(const Warren__Agent__Reply *reply, void *user) {
    doctor *d = user;
    if (reply->kind_case == WARREN__AGENT__REPLY__KIND_ERROR) {
        tell(d, ILL, "hosts", "%s", reply->error->text);
        return true;
    }
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_HOSTS) return false;
    for (size_t i = 0; i < reply->hosts->n_hosts; i++) {
        const Warren__Agent__HostInfo *host = reply->hosts->hosts[i];
        if (host->is_self || strcmp(host->state, "left") == 0) continue;
        check_host(d, host);
        if (host->is_foreign)
            tell(d, ILL, "release",
                 "%.63s speaks no version of the protocol that this host speaks, so there are no "
                 "links between them: run the same release of Warren on both",
                 host->name);
        if (host->is_unheard)
            tell(d, ILL, "datagrams",
                 "none comes from %.63s: open UDP, same port as TCP, between it and this host",
                 host->name);
    }
    return !reply->hosts->more;
}

static bool on_sources(const Warren__Agent__Reply *reply, void *user) {
    doctor *d = user;
    if (reply->kind_case == WARREN__AGENT__REPLY__KIND_ERROR) return true; // on_hosts tells it
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_SOURCES) return false;
    for (size_t i = 0; i < reply->sources->n_sources; i++) {
        const Warren__Agent__SourceInfo *source = reply->sources->sources[i];
        bool is_well = source->error[0] == '\0';
        tell(d, is_well ? WELL : DOUBTFUL, "discovery", "%.200s: %u addresses%s%s%.200s",
             source->text, source->candidates, source->is_from_disk ? ", of another day" : "",
             is_well ? "" : "; ", source->error);
    }
    return true;
}

static void check_others(doctor *d) {
    Warren__Agent__ListSources sources = WARREN__AGENT__LIST_SOURCES__INIT;
    CLI_REQUEST(ask_sources, LIST_SOURCES, list_sources, &sources);
    (void)cli_client_ask(&ask_sources, on_sources, d);
    Warren__Agent__ListHosts hosts = WARREN__AGENT__LIST_HOSTS__INIT;
    CLI_REQUEST(ask_hosts, LIST_HOSTS, list_hosts, &hosts);
    if (cli_client_ask(&ask_hosts, on_hosts, d) == CLI_NO_AGENT)
        tell(d, ILL, "hosts", "the agent does not answer");
}

static void check_cluster(doctor *d, const char *dir, bool is_agent_there) {
    char text[AGENT_VAULT_TEXT_MAX] = "";
    agent_identity *id;
    int err = agent_identity_load(dir, &id, text);
    if (err == -ENOENT) {
        tell(d, WELL, "cluster",
             "none: this host is alone (`warren init`, or `warren join TOKEN`)");
        return;
    }
    if (err != 0) {
        tell(d, ILL, "cluster", "%s", text);
        return;
    }
    check_certificate(d, id);
    check_own_addresses(d, id);
    agent_identity_free(id);
    if (is_agent_there) check_others(d);
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_doctor, .argc = argc, .argv = argv};
    doctor d = {0};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (arg == CLI_ARG_WORD) {
            cli_say("doctor takes no word: \"%.40s\"", args.value);
            return CLI_USAGE;
        }
        if (d.checks == NULL) d.checks = json_array();
    }
    char dir[MESH_PATHS_LEN_MAX];
    int err = mesh_paths_dir(dir);
    if (err != 0) return cli_client_explain(err);
    bool is_agent_there = check_agent(&d, dir);
    check_limits(&d);
    check_clock(&d);
    if (is_agent_there) check_store(&d);
    check_cluster(&d, dir, is_agent_there);
    if (d.checks != NULL) cli_json_print(json_pack("{s:o}", "checks", d.checks));
    return d.is_ill ? CLI_FAILED : CLI_DONE;
}

const cli_command cli_doctor = {
    .name = "doctor",
    .usage = "[--json]",
    .summary = "Looks for what keeps this host from its cluster, and says what to do",
    .example = "  warren doctor\n",
    .options = options,
    .has_secrets = true,
    .run = run,
};
