#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/deployer.h"
#include "agent/keeper.h"
#include "agent/store.h"
#include "agent/successor.h"
#include "cli/agent_install.h"
#include "cli/agent_replace.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/ephemeral.h"
#include "io/paths.h"

enum {
    OPTION_STORE,
    OPTION_LABEL,
    OPTION_STOP,
    OPTION_USER,
    OPTION_PRINT,
    OPTION_FORCE,
    OPTION_JSON
};
enum { END_TRIES = 500, LABELS_LEN_MAX = 4096 };

static const cli_option options[] = {
    {0, "store", "PLACE",
     "what must be agreed upon is there: etcd://HOST:2379,HOST:2379, host:NAME or "
     "sqlite:/FILE "
     "(docs/store.md); "
     "kept in the state directory"},
    {0, "label", "KEY=VALUE",
     "by which services choose this host (docs/placement.md); as often as needed; kept in the "
     "state "
     "directory, until others are said (\"\": none)"},
    {0, "stop", NULL, "stop all services, then the agent that is running"},
    {0, "user", NULL, "(un)install: for this user's systemd, not the whole system's"},
    {0, "print", NULL, "install: print the unit, and do nothing"},
    {0, "force", NULL,
     "restart: also when runs in the foreground end with it; (un)install: also over a unit that "
     "somebody else wrote"},
    {0, "json", NULL, "what was done, as JSON"},
    {0, NULL, NULL, NULL},
};

typedef enum word { WORD_NONE, WORD_RESTART, WORD_INSTALL, WORD_UNINSTALL } word;

static const char *const words[] = {"", "restart", "install", "uninstall"};

typedef struct wish {
    word word;                   // what to do with the agent; WORD_NONE: be it
    const char *store;           // NULL: what is kept
    char labels[LABELS_LEN_MAX]; // "zone=a,disk=ssd"
    bool has_labels;             // else: what is kept
    bool is_stop, is_user, is_print, is_forced, is_json;
} wish;

static bool on_reply(const Warren__Agent__Reply *reply, void *user) {
    (void)reply;
    (void)user;
    return false; // Done ends it
}

// It has answered, and says good-bye to other hosts: whoever starts the next one needs its lock.
static void wait_for_end(const char *dir) {
    static const struct timespec pause = {.tv_nsec = 10 * 1000000L};
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/agent.lock", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return;
    for (int i = 0; i < END_TRIES && flock(fd, LOCK_SH | LOCK_NB) != 0; i++)
        (void)nanosleep(&pause, NULL);
    close(fd);
}

static int stop(void) {
    Warren__Agent__Shutdown shutdown = WARREN__AGENT__SHUTDOWN__INIT;
    CLI_REQUEST(request, SHUTDOWN, shutdown, &shutdown);
    int exit_code = cli_client_ask(&request, on_reply, NULL);
    char dir[MESH_PATHS_LEN_MAX];
    if (exit_code == CLI_DONE && mesh_paths_dir(dir) == 0) wait_for_end(dir);
    return exit_code;
}

// What no person says: `warren` starts itself so.
typedef struct hidden {
    const char *word;
    int (*main)(const char *dir);
} hidden;

static const hidden hidden_words[] = {
    {CLI_EPHEMERAL_WORD, cli_ephemeral_main},
    {AGENT_KEEPER_WORD, agent_keeper_main},
    {AGENT_CHECK_WORD, agent_successor_check_main},
};

static const hidden *find_hidden(int argc, char **argv) {
    for (size_t i = 0; i < sizeof hidden_words / sizeof hidden_words[0]; i++)
        if (argc == 1 && strcmp(argv[0], hidden_words[i].word) == 0) return &hidden_words[i];
    return NULL;
}

static bool take_word(const char *text, wish *w) {
    for (word i = WORD_RESTART; i <= WORD_UNINSTALL && w->word == WORD_NONE; i++)
        if (strcmp(text, words[i]) == 0) w->word = i;
    if (w->word != WORD_NONE && strcmp(text, words[w->word]) == 0) return true;
    cli_say("agent: `restart`, `install` or `uninstall` is what it can be told, not \"%.40s\" "
            "(`warren run` runs programs)",
            text);
    return false;
}

static bool take_store(const char *text, wish *w) {
    char why[STORE_SENTENCE_LEN_MAX + 1];
    store_place place;
    w->store = text;
    if (agent_store_parse(text, &place, why) == 0) return true;
    cli_say("--store \"%.200s\": %s", text, why);
    return false;
}

static bool take_label(const char *text, wish *w) {
    char why[AGENT_DEPLOYER_TEXT_MAX];
    size_t len = strlen(w->labels);
    w->has_labels = true;
    if (text[0] == '\0') return true;
    if (!agent_deployer_labels_parse(text, why)) {
        cli_say("%s", why);
        return false;
    }
    if (len + strlen(text) + 2 > sizeof w->labels) {
        cli_say("these are too many labels: a host has at most %d", AGENT_DEPLOYER_LABELS_MAX);
        return false;
    }
    (void)snprintf(w->labels + len, sizeof w->labels - len, "%s%s", len > 0 ? "," : "", text);
    return true;
}

static bool take(const cli_args *args, int option, wish *w) {
    switch (option) {
    case OPTION_STORE: return take_store(args->value, w);
    case OPTION_LABEL: return take_label(args->value, w);
    case OPTION_STOP: w->is_stop = true; return true;
    case OPTION_USER: w->is_user = true; return true;
    case OPTION_PRINT: w->is_print = true; return true;
    case OPTION_FORCE: w->is_forced = true; return true;
    case OPTION_JSON: w->is_json = true; return true;
    default: return take_word(args->value, w);
    }
}

static bool judge(const wish *w) {
    bool is_unit = w->word == WORD_INSTALL || w->word == WORD_UNINSTALL;
    if (w->is_stop && w->word != WORD_NONE)
        cli_say("--stop and `%s`: say one of them", words[w->word]);
    else if ((w->store != NULL || w->has_labels) &&
             (w->is_stop || (w->word != WORD_NONE && w->word != WORD_INSTALL)))
        cli_say("%s belongs to `warren agent` and `warren agent install`",
                w->store != NULL ? "--store" : "--label");
    else if (w->is_user && !is_unit)
        cli_say("--user belongs to `warren agent install` and `uninstall`");
    else if (w->is_print && w->word != WORD_INSTALL)
        cli_say("--print belongs to `warren agent install`");
    else if (w->is_print && (w->is_json || w->is_forced))
        cli_say("--print prints the unit and nothing else: leave %s out",
                w->is_json ? "--json" : "--force");
    else if ((w->is_forced || w->is_json) && w->word == WORD_NONE)
        cli_say("%s belongs to `warren agent restart`, `install` and `uninstall`",
                w->is_forced ? "--force" : "--json");
    else
        return true;
    return false;
}

static int be_agent(const hidden *role, const wish *w) {
    char dir[MESH_PATHS_LEN_MAX], path[MESH_PATHS_LEN_MAX];
    int err = mesh_paths_socket(path);
    if (err == 0) err = mesh_paths_dir(dir);
    if (err != 0) return cli_client_explain(err);
    if (role != NULL) return role->main(dir);
    return agent_run(&(agent_options){
        .dir = dir, .store = w->store, .labels = w->has_labels ? w->labels : NULL, .ready_fd = -1});
}

static int obey(const wish *w) {
    const cli_agent_install_options unit = {w->is_user, w->is_forced, w->is_json, w->store,
                                            w->has_labels ? w->labels : NULL};
    switch (w->word) {
    case WORD_RESTART: return cli_agent_replace(w->is_forced, w->is_json);
    case WORD_INSTALL:
        return w->is_print ? cli_agent_install_print(&unit) : cli_agent_install(&unit);
    case WORD_UNINSTALL: return cli_agent_uninstall(&unit);
    default: return be_agent(NULL, w);
    }
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_agent, .argc = argc, .argv = argv};
    static wish w;
    const hidden *role = find_hidden(argc, argv);
    if (role != NULL) return be_agent(role, &w);
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (!take(&args, arg, &w)) return CLI_USAGE;
    }
    if (!judge(&w)) return CLI_USAGE;
    return w.is_stop ? stop() : obey(&w);
}

const cli_command cli_agent = {
    .name = "agent",
    .usage = "[--store PLACE] [--label KEY=VALUE] [--stop | restart [--force] | install [--user] "
             "[--print] [--force] | "
             "uninstall [--user] [--force]] [--json]",
    .summary = "Runs the agent of this host in the foreground, until SIGTERM or Ctrl-C; `restart` "
               "replaces the one that runs by the program that is on disk now, and nodes run on; "
               "`install` makes it a service of systemd",
    .example = "  warren agent &            # for this session\n"
               "  warren run -d app.js -i 4\n"
               "  warren agent restart      # after a new version was installed\n"
               "  warren agent --stop\n"
               "  warren agent install      # from now on systemd runs it\n",
    .options = options,
    .run = run,
};
