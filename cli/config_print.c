#include "cli/config_print.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/clean.h"
#include "cli/json.h"
#include "core/mem.h"

enum { KEY_COLUMN = 16 };

static const char *const hidden[] = {"name", "env", NULL}; // they have their own place

const char *cli_config_path(const char *path) {
    char here[PATH_MAX];
    if (getcwd(here, sizeof here) == NULL) return path;
    size_t len = strlen(here);
    return strncmp(path, here, len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static void print_one(FILE *to, const json_t *problem, const char *kind) {
    const char *file = text_of(problem, "file");
    json_int_t line = json_integer_value(json_object_get(problem, "line"));
    json_int_t column = json_integer_value(json_object_get(problem, "column"));
    char *text =
        cli_clean_text(mem_copy(text_of(problem, "text"), strlen(text_of(problem, "text")) + 1));
    // Without a file it is no place to click at, but what this command has to say.
    (void)fprintf(to, "%s:", file[0] != '\0' ? cli_config_path(file) : "warren");
    if (line > 0) (void)fprintf(to, "%d:", (int)line);
    if (line > 0 && column > 0) (void)fprintf(to, "%d:", (int)column);
    (void)fprintf(to, " %s%s\n", kind, text);
    free(text);
}

static void print_list(FILE *to, const json_t *result, const char *key, const char *kind) {
    size_t i;
    const json_t *problem;
    json_array_foreach(json_object_get(result, key), i, problem) print_one(to, problem, kind);
}

void cli_config_print_problems(FILE *to, const json_t *result) {
    print_list(to, result, "problems", "");
}

void cli_config_print_warnings(FILE *to, const json_t *result) {
    print_list(to, result, "warnings", "warning: ");
}

void cli_config_print_planned(FILE *to, const json_t *result) {
    print_list(to, result, "planned", "warning: ");
}

static bool is_in(const char *const *names, const char *name) {
    for (; *names != NULL; names++)
        if (strcmp(*names, name) == 0) return true;
    return false;
}

static void print_setting(const char *key, const json_t *value) {
    bool is_empty = json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0) ||
                    (json_is_object(value) && json_object_size(value) == 0);
    if (is_empty || is_in(hidden, key)) return;
    char *text = json_is_string(value) ? cli_clean_text(strdup(json_string_value(value)))
                                       : cli_json_text(value, 0);
    (void)printf("  %-*s %s\n", KEY_COLUMN, key, text);
    free(text);
}

static void print_env(const json_t *env) {
    const char *name;
    const json_t *variable;
    if (json_object_size(env) > 0) (void)printf("  env\n");
    json_object_foreach((json_t *)(uintptr_t)env, name, variable) {
        char *value = cli_json_text(json_object_get(variable, "value"), 0);
        char *origin = cli_clean_text(strdup(cli_config_path(text_of(variable, "origin"))));
        (void)printf("    %s=%s  (%s)\n", name, value, origin);
        free(value);
        free(origin);
    }
}

void cli_config_print_project(const json_t *project) {
    size_t i;
    const char *key;
    json_t *service, *value;
    (void)printf("project %s (%s)\n", text_of(project, "name"),
                 cli_config_path(text_of(project, "file")));
    json_array_foreach(json_object_get(project, "services"), i, service) {
        (void)printf("\n%s\n", text_of(service, "name"));
        json_object_foreach(service, key, value) print_setting(key, value);
        print_env(json_object_get(service, "env"));
    }
}
