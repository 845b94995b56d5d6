#include "cli/args.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/target.h"

enum { OPTIONS_MAX = 32, HELP_COLUMN = 28 };

void cli_say(const char *format, ...) {
    char text[4096];
    va_list args;
    va_start(args, format);
    // A longer sentence is cut. NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)fprintf(stderr, "warren: %s\n", text);
}

static void print_option(const cli_option *option) {
    char left[64];
    int len = option->letter != 0 ? snprintf(left, sizeof left, "-%c, ", option->letter)
                                  : snprintf(left, sizeof left, "    ");
    (void)snprintf(left + len, sizeof left - (size_t)len, "--%s%s%s", option->name,
                   option->value != NULL ? " " : "", option->value != NULL ? option->value : "");
    (void)printf("  %-*s %s\n", HELP_COLUMN, left, option->help);
}

void cli_print_help(const cli_command *command) {
    (void)printf("%s\n\nUsage: warren %s %s\n\nOptions:\n", command->summary, command->name,
                 command->usage);
    for (const cli_option *option = command->options; option->name != NULL; option++)
        print_option(option);
    print_option(&(cli_option){'h', "help", NULL, "this help"});
    (void)printf("\nExample:\n%s", command->example);
}

static int bad(const cli_args *args, const char *what, const char *typed, size_t typed_len) {
    const char *names[OPTIONS_MAX] = {"help"};
    char word[64];
    size_t count = 1;
    for (const cli_option *option = args->command->options; option->name != NULL; option++)
        if (count < OPTIONS_MAX) names[count++] = option->name;
    (void)snprintf(word, sizeof word, "%.*s", (int)typed_len, typed);
    const char *nearest = agent_target_nearest(word, names, count);
    if (nearest != NULL && word[0] != '\0' && word[1] != '\0')
        cli_say("%s --%s: did you mean --%s?", what, word, nearest);
    else
        cli_say("%s %s%s (`warren %s --help` lists the options)", what,
                word[0] != '\0' && word[1] != '\0' ? "--" : "-", word, args->command->name);
    return CLI_ARG_BAD;
}

static int missing_value(const char *name, const char *value) {
    cli_say("--%s needs a value: --%s %s", name, name, value);
    return CLI_ARG_BAD;
}

static int help(cli_args *args) {
    cli_print_help(args->command);
    args->wants_help_only = true;
    return CLI_ARG_BAD;
}

static int take_long(cli_args *args, const char *text) {
    const char *equals = strchr(text, '=');
    size_t len = equals != NULL ? (size_t)(equals - text) : strlen(text);
    if (len == 4 && strncmp(text, "help", 4) == 0) return help(args);
    const cli_option *options = args->command->options;
    int i = 0;
    while (options[i].name != NULL &&
           (strlen(options[i].name) != len || strncmp(options[i].name, text, len) != 0))
        i++;
    if (options[i].name == NULL) return bad(args, "there is no option", text, len);
    if (options[i].value == NULL) {
        if (equals == NULL) return i;
        cli_say("--%s takes no value", options[i].name);
        return CLI_ARG_BAD;
    }
    if (equals == NULL && args->argc == 0) return missing_value(options[i].name, options[i].value);
    args->value = equals != NULL ? equals + 1 : args->argv[0];
    if (equals == NULL) {
        args->argv++;
        args->argc--;
    }
    return i;
}

static int take_letter(cli_args *args) {
    char letter = *args->cluster++;
    const cli_option *options = args->command->options;
    int i = 0;
    if (letter == 'h') return help(args);
    while (options[i].name != NULL && options[i].letter != letter)
        i++;
    if (options[i].name == NULL) return bad(args, "there is no option", &letter, 1);
    if (options[i].value == NULL) return i;
    if (*args->cluster != '\0') {
        args->value = args->cluster;
    } else {
        if (args->argc == 0) return missing_value(options[i].name, options[i].value);
        args->value = args->argv[0];
        args->argv++;
        args->argc--;
    }
    args->cluster = "";
    return i;
}

int cli_args_next(cli_args *args) {
    if (args->cluster != NULL && *args->cluster != '\0') return take_letter(args);
    if (args->argc == 0) return CLI_ARG_END;
    const char *word = args->argv[0];
    args->argv++;
    args->argc--;
    if (!args->is_rest && strcmp(word, "--") == 0) {
        args->is_rest = true;
        return cli_args_next(args);
    }
    args->value = word;
    bool is_number = word[0] == '-' && word[1] >= '0' && word[1] <= '9';
    if (args->is_rest || word[0] != '-' || word[1] == '\0' || is_number) return CLI_ARG_WORD;
    if (word[1] == '-') return take_long(args, word + 2);
    args->cluster = word + 1;
    return take_letter(args);
}

int cli_args_exit_code(const cli_args *args) {
    return args->wants_help_only ? CLI_DONE : CLI_USAGE;
}

bool cli_args_target(const cli_args *args, const char **target) {
    if (*target == NULL) {
        *target = args->value;
        return true;
    }
    cli_say("%s takes one target: \"%.40s\" is one too many", args->command->name, args->value);
    return false;
}

bool cli_args_number(const cli_args *args, const char *option, uint32_t min, uint32_t max,
                     uint32_t *out) {
    char *end;
    unsigned long value = strtoul(args->value, &end, 10);
    bool is_digits = args->value[0] >= '0' && args->value[0] <= '9';
    if (is_digits && *end == '\0' && value >= min && value <= max) {
        *out = (uint32_t)value;
        return true;
    }
    cli_say("--%s is a number from %u to %u, not \"%.40s\"", option, min, max, args->value);
    return false;
}
