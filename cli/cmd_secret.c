#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <sodium.h>

#include "agent/secrets.h"
#include "agent/target.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/duration.h"
#include "cli/ephemeral.h"
#include "cli/json.h"
#include "cli/table.h"
#include "io/wall.h"

enum { OPTION_CLUSTER, OPTION_JSON };

static const cli_option options[] = {
    {0, "cluster", NULL, "of set and rm: of all hosts of the cluster, not of this one alone"},
    {0, "json", NULL, "as JSON (docs/secrets.md has the fields)"},
    {0, NULL, NULL, NULL},
};

typedef enum verb { NONE, SET, LIST, RM, REVOKE, VERB_COUNT } verb;
static const char *const verbs[VERB_COUNT] = {"", "set", "list", "rm", "revoke"};

static const char *const heading[] = {"NAME", "FROM", "SET", "BY", "HOSTS"};
enum { COLUMN_COUNT = sizeof heading / sizeof heading[0] };

typedef struct secret_command {
    verb verb;
    const char *name; // or of the host
    bool is_json, is_shared;
    bool is_alone; // set: one for this host, which could have been for the cluster
} secret_command;

// ---- the value

static bool set_echo(bool is_on) {
    struct termios mode;
    if (tcgetattr(STDIN_FILENO, &mode) != 0) return false;
    mode.c_lflag = is_on ? mode.c_lflag | ECHO : mode.c_lflag & ~(tcflag_t)ECHO;
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &mode) == 0;
}

// All of stdin, but for one newline at its end; from a terminal one line, unseen. -1 after a
// sentence.
static ssize_t read_value(const char *name, char *out, size_t cap) {
    bool is_terminal = isatty(STDIN_FILENO), is_hidden = is_terminal && set_echo(false);
    size_t len = 0;
    ssize_t got = 1;
    if (is_terminal) (void)fprintf(stderr, "value of %s: ", name);
    while (len < cap && got > 0 && !(is_terminal && len > 0 && out[len - 1] == '\n')) {
        got = read(STDIN_FILENO, out + len, cap - len);
        if (got > 0) len += (size_t)got;
        if (got < 0 && errno == EINTR) got = 1;
    }
    if (is_hidden) (void)set_echo(true);
    if (is_terminal) (void)fprintf(stderr, "\n");
    if (got < 0) {
        cli_say("cannot read the value of %s: %s", name, strerror(errno));
        return -1;
    }
    if (len == cap) {
        cli_say("the value of a secret has at most %d KiB", AGENT_SECRET_LEN_MAX >> 10);
        return -1;
    }
    return (ssize_t)(len > 0 && out[len - 1] == '\n' ? len - 1 : len);
}

// ---- asking

static bool is_own(const Warren__Agent__Secrets *list, const char *name) {
    for (size_t i = 0; i < list->n_names; i++)
        if (strcmp(list->names[i], name) == 0) return true;
    return false;
}

static void add_row(cli_table *table, const char *const cells[COLUMN_COUNT]) {
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        cli_table_add(table, cells[i]);
}

static void add_shared(cli_table *table, const Warren__Agent__Secrets *list,
                       const Warren__Agent__SharedSecret *s) {
    char set[CLI_DURATION_MAX], hosts[64];
    uint64_t now_ms = mesh_wall_ms();
    cli_duration_format(set, now_ms > s->at_ms ? now_ms - s->at_ms : 0);
    (void)snprintf(hosts, sizeof hosts, "%u of %zu", s->hosts, list->n_hosts);
    const char *from = is_own(list, s->name) ? "cluster (hidden here)"
                       : s->is_readable      ? "cluster"
                                             : "cluster (not readable here yet)";
    const char *const cells[COLUMN_COUNT] = {s->name, from, set, s->by, hosts};
    add_row(table, cells);
}

static void print_table(const Warren__Agent__Secrets *list) {
    cli_table table = {.column_count = COLUMN_COUNT};
    add_row(&table, heading);
    for (size_t i = 0; i < list->n_names; i++) {
        const char *const cells[COLUMN_COUNT] = {list->names[i], "host", "", "", ""};
        add_row(&table, cells);
    }
    for (size_t i = 0; i < list->n_shared; i++)
        add_shared(&table, list, list->shared[i]);
    cli_table_print(&table, cli_table_terminal_width());
    cli_table_deinit(&table);
}

// Where all are of this host there is nothing to tell but names.
static void print_list(const Warren__Agent__Secrets *list) {
    if (list->n_shared > 0) {
        print_table(list);
        return;
    }
    for (size_t i = 0; i < list->n_names; i++)
        (void)printf("%s\n", list->names[i]);
}

static json_t *texts(char **list, size_t count) {
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, cli_json_string(list[i]));
    return array;
}

static void print_json(const Warren__Agent__Secrets *list) {
    json_t *shared = json_array();
    for (size_t i = 0; i < list->n_shared; i++) {
        const Warren__Agent__SharedSecret *s = list->shared[i];
        json_array_append_new(shared,
                              json_pack("{s:o, s:o, s:I, s:I, s:i, s:b, s:b}", "name",
                                        cli_json_string(s->name), "by", cli_json_string(s->by),
                                        "at", (json_int_t)s->at_ms, "version",
                                        (json_int_t)s->version, "hosts", (int)s->hosts, "readable",
                                        s->is_readable, "hidden", is_own(list, s->name)));
    }
    cli_json_print(json_pack("{s:o, s:o, s:o}", "secrets", texts(list->names, list->n_names),
                             "cluster", shared, "hosts", texts(list->hosts, list->n_hosts)));
}

static bool on_reply(const Warren__Agent__Reply *reply, void *user) {
    secret_command *command = user;
    if (reply->kind_case == WARREN__AGENT__REPLY__KIND_DONE)
        command->is_alone = reply->done->is_sharing && !command->is_shared;
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_SECRETS) return false;
    if (command->is_json)
        print_json(reply->secrets);
    else
        print_list(reply->secrets);
    return true;
}

static int ask(secret_command *command, const Warren__Agent__Request *request) {
    int exit_code = cli_ephemeral_ensure();
    return exit_code == CLI_DONE ? cli_client_ask(request, on_reply, command) : exit_code;
}

static void say_set(const secret_command *command) {
    const char *name = command->name;
    if (command->is_shared)
        (void)printf("%s is set on all hosts of the cluster; services that have it get the new "
                     "value when they are started again (`warren reload NAME`)\n",
                     name);
    else
        (void)printf("%s is set%s; services that have it get the new value when they are started "
                     "again (`warren reload NAME`)\n",
                     name,
                     command->is_alone ? " on this host alone (--cluster: on all of them)" : "");
}

static int set(secret_command *command) {
    static char value[AGENT_SECRET_LEN_MAX + 2];
    ssize_t len = read_value(command->name, value, sizeof value);
    if (len < 0) return CLI_USAGE;
    Warren__Agent__SetSecret body = WARREN__AGENT__SET_SECRET__INIT;
    body.name = (char *)(uintptr_t)command->name;
    body.value = (ProtobufCBinaryData){(size_t)len, (uint8_t *)value};
    body.is_shared = command->is_shared;
    CLI_REQUEST(request, SET_SECRET, set_secret, &body);
    int exit_code = ask(command, &request);
    sodium_memzero(value, sizeof value);
    if (exit_code == CLI_DONE && command->is_json)
        cli_json_print(json_pack("{s:o, s:b}", "set", cli_json_string(command->name), "cluster",
                                 command->is_shared));
    else if (exit_code == CLI_DONE)
        say_set(command);
    return exit_code;
}

static int list(secret_command *command) {
    Warren__Agent__ListSecrets body = WARREN__AGENT__LIST_SECRETS__INIT;
    CLI_REQUEST(request, LIST_SECRETS, list_secrets, &body);
    return ask(command, &request);
}

static int rm(secret_command *command) {
    Warren__Agent__RemoveSecret body = WARREN__AGENT__REMOVE_SECRET__INIT;
    body.name = (char *)(uintptr_t)command->name;
    body.is_shared = command->is_shared;
    CLI_REQUEST(request, REMOVE_SECRET, remove_secret, &body);
    int exit_code = ask(command, &request);
    if (exit_code == CLI_DONE && command->is_json)
        cli_json_print(json_pack("{s:o, s:b}", "removed", cli_json_string(command->name), "cluster",
                                 command->is_shared));
    else if (exit_code == CLI_DONE)
        (void)printf("%s is removed%s\n", command->name,
                     command->is_shared ? " from all hosts of the cluster" : "");
    return exit_code;
}

static int revoke_host(secret_command *command) {
    Warren__Agent__RevokeHost body = WARREN__AGENT__REVOKE_HOST__INIT;
    body.host = (char *)(uintptr_t)command->name;
    CLI_REQUEST(request, REVOKE_HOST, revoke_host, &body);
    int exit_code = ask(command, &request);
    if (exit_code == CLI_DONE && command->is_json)
        cli_json_print(json_pack("{s:o}", "revoked", cli_json_string(command->name)));
    else if (exit_code == CLI_DONE)
        (void)printf("%s gets no secret that is set from now on; those that it had it may know "
                     "for ever: set them anew (`warren secret list`)\n",
                     command->name);
    return exit_code;
}

// ---- words

static bool take_verb(secret_command *command, const char *word) {
    for (verb i = SET; i < VERB_COUNT; i++)
        if (strcmp(word, verbs[i]) == 0) command->verb = i;
    if (command->verb != NONE) return true;
    const char *nearest = agent_target_nearest(word, verbs + 1, VERB_COUNT - 1);
    cli_say("secret can set, list, rm or revoke, not \"%.40s\"%s%s%s", word,
            nearest != NULL ? ": did you mean " : "", nearest != NULL ? nearest : "",
            nearest != NULL ? "?" : "");
    return false;
}

static bool take_word(secret_command *command, const cli_args *args) {
    if (command->verb == NONE) return take_verb(command, args->value);
    if (command->verb == SET && command->name != NULL) {
        cli_say("the value of a secret is read from stdin, so that no list of processes and no "
                "history of a shell has it: `warren secret set %s < FILE`",
                command->name);
        return false;
    }
    return cli_args_target(args, &command->name);
}

static int judge(const secret_command *command) {
    bool needs_name = command->verb != NONE && command->verb != LIST;
    if (command->verb == NONE)
        cli_say("secret what? `warren secret set NAME`, `warren secret list`, `warren secret rm "
                "NAME` or `warren secret revoke HOST`");
    else if (needs_name && command->name == NULL)
        cli_say("secret %s: %s", verbs[command->verb],
                command->verb == REVOKE ? "which host?" : "of which name?");
    else if (command->is_shared && command->verb != SET && command->verb != RM)
        cli_say("--cluster is of set and rm: secret %s is about the cluster already",
                verbs[command->verb]);
    else if (!needs_name && command->name != NULL)
        cli_say("secret list has all of them, and no value: \"%.40s\" is one word too many",
                command->name);
    else
        return CLI_DONE;
    return CLI_USAGE;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_secret, .argc = argc, .argv = argv};
    secret_command command = {0};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (arg == OPTION_JSON)
            command.is_json = true;
        else if (arg == OPTION_CLUSTER)
            command.is_shared = true;
        else if (!take_word(&command, &args))
            return CLI_USAGE;
    }
    int exit_code = judge(&command);
    if (exit_code != CLI_DONE) return exit_code;
    switch (command.verb) {
    case SET: return set(&command);
    case RM: return rm(&command);
    case REVOKE: return revoke_host(&command);
    default: return list(&command);
    }
}

const cli_command cli_secret = {
    .name = "secret",
    .usage = "set NAME [--cluster] | list | rm NAME [--cluster] | revoke HOST [--json]",
    .summary = "Keeps values that services get as variables and nothing prints",
    .example = "  warren secret set DB_PASSWORD < password.txt\n"
               "  warren secret set --cluster API_KEY < key.txt    # for every host, and those "
               "that join later\n"
               "  warren secret list          # names, and where they are from\n"
               "  warren secret revoke bob    # that host gets none that is set from now on\n",
    .options = options,
    .has_secrets = true,
    .run = run,
};
