#include "cli/agent_install.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "agent/successor.h"
#include "cli/agent_unit.h"
#include "cli/args.h"
#include "cli/json.h"
#include "cli/systemctl.h"
#include "cli/unit_file.h"

typedef struct outcome {
    bool is_written, is_enabled, is_started;
} outcome;

static char *make_text(const cli_agent_install_options *options) {
    agent_successor_note(); // as this one was called, so that a link leads to what comes later
    return cli_agent_unit_text(&(cli_agent_unit){agent_successor_program(), options->is_user,
                                                 options->store, options->labels});
}

int cli_agent_install_print(const cli_agent_install_options *options) {
    char *text = make_text(options);
    if (text == NULL) return CLI_FAILED;
    (void)fputs(text, stdout);
    free(text);
    return CLI_DONE;
}

// ---- the agent that the unit starts

static void find_state_dir(bool is_user, char out[PATH_MAX]) {
    const char *dir = getenv("WARREN_DIR"), *home = getenv("HOME");
    if (dir != NULL && dir[0] != '\0')
        (void)snprintf(out, PATH_MAX, "%s", dir);
    else if (is_user)
        (void)snprintf(out, PATH_MAX, "%s/.warren", home != NULL ? home : "");
    else
        (void)snprintf(out, PATH_MAX, CLI_AGENT_UNIT_STATE_DIR);
}

// Somebody has an agent there.
static bool has_agent(const char *state_dir) {
    char path[PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/agent.lock", state_dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool is_held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fd >= 0) close(fd);
    return is_held;
}

// ---- systemd

static const char *user_word(bool is_user) {
    return is_user ? "--user " : "";
}

// False after a sentence.
static bool ask_systemd(bool is_user, const char *first, const char *second, const char *third) {
    const char *const words[CLI_SYSTEMCTL_WORDS_MAX] = {first, second, third};
    int code = cli_systemctl_run(is_user, words);
    if (code == 0) return true;
    char why[PATH_MAX];
    if (code < 0)
        (void)snprintf(why, sizeof why, "%s", strerror(-code));
    else
        (void)snprintf(why, sizeof why,
                       "exit code %d (`journalctl %s-u " CLI_AGENT_UNIT_NAME "` may say more)",
                       code, user_word(is_user));
    cli_say("`systemctl %s%s%s%s%s%s` failed: %s", user_word(is_user), first,
            second != NULL ? " " : "", second != NULL ? second : "", third != NULL ? " " : "",
            third != NULL ? third : "", why);
    return false;
}

static bool is_active(bool is_user) {
    const char *const words[CLI_SYSTEMCTL_WORDS_MAX] = {"is-active", "--quiet",
                                                        CLI_AGENT_UNIT_NAME};
    return cli_systemctl_run(is_user, words) == 0;
}

static int start(bool is_user, const char *state_dir, outcome *out) {
    if (!ask_systemd(is_user, "daemon-reload", NULL, NULL)) return CLI_FAILED;
    if (has_agent(state_dir) && !is_active(is_user)) {
        if (!ask_systemd(is_user, "enable", CLI_AGENT_UNIT_NAME, NULL)) return CLI_FAILED;
        out->is_enabled = true;
        cli_say("an agent that systemd did not start runs in %s: end it (`warren agent --stop`), "
                "then `systemctl %sstart " CLI_AGENT_UNIT_NAME "`",
                state_dir, user_word(is_user));
        return CLI_FAILED;
    }
    out->is_started = out->is_enabled =
        ask_systemd(is_user, "enable", "--now", CLI_AGENT_UNIT_NAME);
    return out->is_started ? CLI_DONE : CLI_FAILED;
}

// ---- install

static void tell(const cli_unit_file *file, const char *state_dir, const outcome *o) {
    (void)printf("%s %s\n  it runs   %s agent\n  state in  %s\n",
                 o->is_written ? "wrote" : "nothing to change in", file->path,
                 agent_successor_program(), state_dir);
    const char *dir = getenv("WARREN_DIR");
    if (!file->is_user && (dir == NULL || dir[0] == '\0'))
        (void)printf("  commands find this agent with  export WARREN_DIR=%s\n", state_dir);
    (void)fflush(stdout); // before what systemctl says
}

static void tell_next(const cli_unit_file *file, const outcome *o) {
    const char *word = user_word(file->is_user);
    if (o->is_started)
        (void)printf("the agent runs, and starts with %s\n",
                     file->is_user ? "your session (`loginctl enable-linger`: with the system)"
                                   : "the system");
    else if (!o->is_enabled)
        (void)printf("systemd does not run here; where it does:\n  systemctl %sdaemon-reload && "
                     "systemctl %senable --now " CLI_AGENT_UNIT_NAME "\n",
                     word, word);
}

static void print_json(const cli_unit_file *file, const char *state_dir, const outcome *o) {
    cli_json_print(json_pack("{s:o, s:o, s:o, s:b, s:b, s:b}", "unit", cli_json_string(file->path),
                             "program", cli_json_string(agent_successor_program()), "stateDir",
                             cli_json_string(state_dir), "written", o->is_written, "enabled",
                             o->is_enabled, "started", o->is_started));
}

static int write_unit(const cli_unit_file *file, const cli_agent_install_options *options,
                      outcome *out) {
    char *text = make_text(options);
    if (text == NULL) return CLI_FAILED;
    cli_unit_owner owner = cli_unit_file_owner(file);
    int exit_code = CLI_DONE;
    if (owner == CLI_UNIT_OTHERS && !options->is_forced) {
        cli_say("%s was not written by `warren agent install`: --force replaces it all the same",
                file->path);
        exit_code = CLI_FAILED;
    } else if (owner != CLI_UNIT_OURS || !cli_unit_file_has(file, text)) {
        exit_code = cli_unit_file_write(file, text);
        out->is_written = exit_code == CLI_DONE;
    }
    free(text);
    return exit_code;
}

int cli_agent_install(const cli_agent_install_options *options) {
    cli_unit_file file;
    char state_dir[PATH_MAX];
    outcome o = {0};
    int exit_code = cli_unit_file_find(options->is_user, &file);
    if (exit_code == CLI_DONE) exit_code = write_unit(&file, options, &o);
    if (exit_code != CLI_DONE) return exit_code;
    find_state_dir(options->is_user, state_dir);
    if (!options->is_json) tell(&file, state_dir, &o);
    bool has_systemd = cli_systemctl_is_there();
    if (has_systemd) exit_code = start(options->is_user, state_dir, &o);
    if (options->is_json)
        print_json(&file, state_dir, &o);
    else if (exit_code == CLI_DONE)
        tell_next(&file, &o);
    return exit_code;
}

// ---- uninstall

static int remove_unit(const cli_unit_file *file) {
    bool has_systemd = cli_systemctl_is_there();
    if (has_systemd && !ask_systemd(file->is_user, "disable", "--now", CLI_AGENT_UNIT_NAME))
        return CLI_FAILED;
    int exit_code = cli_unit_file_remove(file);
    if (exit_code != CLI_DONE || !has_systemd) return exit_code;
    return ask_systemd(file->is_user, "daemon-reload", NULL, NULL) ? CLI_DONE : CLI_FAILED;
}

static void tell_removed(const cli_unit_file *file, bool is_removed, bool is_json) {
    if (is_json)
        cli_json_print(
            json_pack("{s:o, s:b}", "unit", cli_json_string(file->path), "removed", is_removed));
    else if (is_removed)
        (void)printf("removed %s; what the agent kept stays in its state directory\n", file->path);
    else
        (void)printf("there is no %s: nothing to remove\n", file->path);
}

int cli_agent_uninstall(const cli_agent_install_options *options) {
    cli_unit_file file;
    int exit_code = cli_unit_file_find(options->is_user, &file);
    if (exit_code != CLI_DONE) return exit_code;
    cli_unit_owner owner = cli_unit_file_owner(&file);
    if (owner == CLI_UNIT_OTHERS && !options->is_forced) {
        cli_say("%s was not written by `warren agent install`: --force removes it all the same",
                file.path);
        return CLI_FAILED;
    }
    if (owner != CLI_UNIT_NONE) exit_code = remove_unit(&file);
    if (exit_code == CLI_DONE) tell_removed(&file, owner != CLI_UNIT_NONE, options->is_json);
    return exit_code;
}
