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
#include "cli/ephemeral.h"
#include "cli/json.h"

enum { OPTION_JSON };

static const cli_option options[] = {
    {0, "json", NULL, "as JSON: {\"set\": NAME}, {\"secrets\": [NAME, ...]}, {\"removed\": NAME}"},
    {0, NULL, NULL, NULL},
};

typedef enum verb { NONE, SET, LIST, RM, VERB_COUNT } verb;
static const char *const verbs[VERB_COUNT] = {"", "set", "list", "rm"};

typedef struct secret_command {
    verb verb;
    const char *name;
    bool is_json;
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

static bool on_reply(const Warren__Agent__Reply *reply, void *user) {
    const secret_command *command = user;
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_SECRETS) return false;
    const Warren__Agent__Secrets *list = reply->secrets;
    json_t *names = json_array();
    for (size_t i = 0; i < list->n_names; i++) {
        json_array_append_new(names, cli_json_string(list->names[i]));
        if (!command->is_json) (void)printf("%s\n", list->names[i]);
    }
    if (command->is_json)
        cli_json_print(json_pack("{s:o}", "secrets", names));
    else
        json_decref(names);
    return true;
}

static int ask(secret_command *command, const Warren__Agent__Request *request) {
    int exit_code = cli_ephemeral_ensure();
    return exit_code == CLI_DONE ? cli_client_ask(request, on_reply, command) : exit_code;
}

static int set(secret_command *command) {
    static char value[AGENT_SECRET_LEN_MAX + 2];
    ssize_t len = read_value(command->name, value, sizeof value);
    if (len < 0) return CLI_USAGE;
    Warren__Agent__SetSecret body = WARREN__AGENT__SET_SECRET__INIT;
    body.name = (char *)(uintptr_t)command->name;
    body.value = (ProtobufCBinaryData){(size_t)len, (uint8_t *)value};
    CLI_REQUEST(request, SET_SECRET, set_secret, &body);
    int exit_code = ask(command, &request);
    sodium_memzero(value, sizeof value);
    if (exit_code == CLI_DONE && command->is_json)
        cli_json_print(json_pack("{s:o}", "set", cli_json_string(command->name)));
    else if (exit_code == CLI_DONE)
        (void)printf(
            "%s is set; services that have it get the new value when they are started again "
            "(`warren reload NAME`)\n",
            command->name);
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
    CLI_REQUEST(request, REMOVE_SECRET, remove_secret, &body);
    int exit_code = ask(command, &request);
    if (exit_code == CLI_DONE && command->is_json)
        cli_json_print(json_pack("{s:o}", "removed", cli_json_string(command->name)));
    else if (exit_code == CLI_DONE)
        (void)printf("%s is removed\n", command->name);
    return exit_code;
}

// ---- words

static bool take_verb(secret_command *command, const char *word) {
    for (verb i = SET; i < VERB_COUNT; i++)
        if (strcmp(word, verbs[i]) == 0) command->verb = i;
    if (command->verb != NONE) return true;
    const char *nearest = agent_target_nearest(word, verbs + 1, VERB_COUNT - 1);
    cli_say("secret can set, list or rm, not \"%.40s\"%s%s%s", word,
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
    bool needs_name = command->verb == SET || command->verb == RM;
    if (command->verb == NONE)
        cli_say("secret what? `warren secret set NAME`, `warren secret list` or `warren secret rm "
                "NAME`");
    else if (needs_name && command->name == NULL)
        cli_say("secret %s: of which name?", verbs[command->verb]);
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
        else if (!take_word(&command, &args))
            return CLI_USAGE;
    }
    int exit_code = judge(&command);
    if (exit_code != CLI_DONE) return exit_code;
    if (command.verb == SET) return set(&command);
    return command.verb == LIST ? list(&command) : rm(&command);
}

const cli_command cli_secret = {
    .name = "secret",
    .usage = "set NAME | list | rm NAME [--json]",
    .summary = "Keeps values that services get as variables and nothing prints",
    .example = "  warren secret set DB_PASSWORD < password.txt\n"
               "  warren secret list    # names only\n",
    .options = options,
    .has_secrets = true,
    .run = run,
};
