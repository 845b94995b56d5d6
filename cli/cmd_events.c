#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "agent/events.h"
#include "agent/target.h"
#include "cli/args.h"
#include "cli/clean.h"
#include "cli/client.h"
#include "cli/json.h"
#include "cli/since.h"
#include "core/mem.h"
#include "io/paths.h"

enum {
    OPTION_FOLLOW,
    OPTION_LINES,
    OPTION_SINCE,
    OPTION_JSON,
    LINES_DEFAULT = 50,
    LINES_MAX = 100000,
    SINCE_LEN_MAX = 32,
};

static const cli_option options[] = {
    {'f', "follow", NULL, "go on with what happens, until Ctrl-C"},
    {'n', "lines", "N", "the last N (default 50, at most 100000)"},
    {0, "since", "TIME", "only what was since, e.g. 10m, or 2026-11-23T10:51:49Z"},
    {0, "json", NULL, "as JSON, one object per line (docs/events.md)"},
    {0, NULL, NULL, NULL},
};

typedef struct events_command {
    const char *target; // a service, a node, or a project; NULL: all
    uint32_t count;
    char since[SINCE_LEN_MAX]; // as it is written in the events; "": all
    bool is_following, is_json;
    char dir[MESH_PATHS_LEN_MAX];
} events_command;

typedef struct ring { // of the last ones
    json_t **events;
    size_t count, at;
    bool is_met; // there was one of the target, whenever
} ring;

// ---- which

static bool is_it(const json_t *event, const char *key, const char *target) {
    const char *value = json_string_value(json_object_get(event, key));
    return value != NULL && strcmp(value, target) == 0;
}

// Times are written in one way, so that what is later is also greater as a text.
static bool is_late_enough(const json_t *event, const char *since) {
    const char *at = json_string_value(json_object_get(event, "at"));
    return since[0] == '\0' || (at != NULL && strcmp(at, since) >= 0);
}

static bool is_about(const events_command *command, const json_t *event) {
    const char *target = command->target;
    return target == NULL || is_it(event, "service", target) || is_it(event, "node", target) ||
           is_it(event, "project", target);
}

// ---- printing

static json_t *name_of(uid_t uid) {
    struct passwd entry, *found = NULL;
    char buffer[4096];
    if (getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) == 0 && found != NULL)
        return cli_json_string(entry.pw_name);
    (void)snprintf(buffer, sizeof buffer, "%u", (unsigned)uid);
    return json_string(buffer);
}

// Whose uid it is; the one before is mostly the same.
static void add_name(json_t *event) {
    static json_t *name;
    static json_int_t last = -1;
    const json_t *number = json_object_get(event, "uid");
    json_int_t uid = json_is_integer(number) ? json_integer_value(number) : -1;
    if (uid < 0 || uid > UINT32_MAX) return;
    if (uid != last) {
        json_decref(name);
        name = name_of((uid_t)uid);
        last = uid;
    }
    json_object_set(event, "by", name);
}

// Takes the event.
static void print(const events_command *command, json_t *event) {
    add_name(event);
    if (command->is_json) {
        cli_json_print(event);
        return;
    }
    const char *at = json_string_value(json_object_get(event, "at")),
               *by = json_string_value(json_object_get(event, "by")),
               *text = json_string_value(json_object_get(event, "text"));
    char *shown = cli_clean_text(strdup(text != NULL ? text : ""));
    (void)printf("%s  %s", at != NULL ? at : "", shown);
    json_int_t pid = json_integer_value(json_object_get(event, "pid"));
    if (by != NULL && pid > 0) (void)printf("  (%s, pid %d)", by, (int)pid);
    (void)printf("\n");
    free(shown);
    json_decref(event);
}

// ---- reading

// Takes the event.
static void keep(ring *r, json_t *event) {
    json_decref(r->events[r->at]);
    r->events[r->at] = event;
    r->at = (r->at + 1) % r->count;
}

// Each whole line from `*offset` on that is wanted; then that is behind them.
static void read_from(const events_command *command, FILE *file, long *offset, ring *r) {
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    (void)fseek(file, *offset, SEEK_SET);
    while ((len = getline(&line, &cap, file)) > 0) {
        if (line[len - 1] != '\n') break; // it is being written
        *offset += len;
        json_t *event =
            len <= AGENT_EVENTS_LINE_MAX ? json_loadb(line, (size_t)len, 0, NULL) : NULL;
        bool is_it_about = json_is_object(event) && is_about(command, event);
        if (r != NULL) r->is_met = r->is_met || is_it_about;
        if (!is_it_about || !is_late_enough(event, command->since))
            json_decref(event);
        else if (r != NULL)
            keep(r, event);
        else
            print(command, event);
    }
    free(line);
}

static FILE *open_file(const char *dir, uint32_t index) {
    char path[AGENT_EVENTS_PATH_MAX];
    agent_events_path(path, dir, index);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 ? fdopen(fd, "r") : NULL;
}

typedef struct following {
    const events_command *command;
    ino_t inode; // of the file that is read up to `offset`; 0: there was none
    long offset;
} following;

// False: no event there is names the target.
static bool print_last(const events_command *command, following *f) {
    ring r = {.count = command->count};
    r.events = mem_alloc((r.count + 1) * sizeof(void *));
    for (uint32_t i = AGENT_EVENTS_FILES; i-- > 0;) {
        FILE *file = open_file(command->dir, i);
        long offset = 0;
        if (file == NULL) continue;
        if (r.count > 0)
            read_from(command, file, &offset, &r);
        else if (fseek(file, 0, SEEK_END) == 0)
            offset = ftell(file);
        struct stat info;
        if (i == 0 && fstat(fileno(file), &info) == 0) {
            f->inode = info.st_ino;
            f->offset = offset;
        }
        (void)fclose(file);
    }
    for (size_t i = 0; i < r.count; i++) {
        json_t *event = r.events[(r.at + i) % r.count];
        if (event != NULL) print(command, event);
    }
    free(r.events);
    (void)fflush(stdout);
    return r.is_met || r.count == 0;
}

// ---- following

static void follow_on(following *f) {
    struct stat info;
    FILE *file = open_file(f->command->dir, 0);
    if (file == NULL) return;
    if (fstat(fileno(file), &info) == 0 && info.st_ino != f->inode) { // it was turned
        FILE *old = f->inode != 0 ? open_file(f->command->dir, 1) : NULL;
        if (old != NULL) {
            read_from(f->command, old, &f->offset, NULL);
            (void)fclose(old);
        }
        f->inode = info.st_ino;
        f->offset = 0;
    }
    read_from(f->command, file, &f->offset, NULL);
    (void)fclose(file);
    (void)fflush(stdout);
}

static void on_change(uv_fs_event_t *handle, const char *name, int events, int status) {
    (void)events;
    if (status == 0 && (name == NULL || strncmp(name, "events.jsonl", 12) == 0))
        follow_on(handle->data);
    if (ferror(stdout)) uv_stop(handle->loop);
}

static void on_interrupt(uv_signal_t *handle, int number) {
    *(int *)handle->data = 128 + number;
    uv_stop(handle->loop);
}

static int follow(following *f) {
    int exit_code = CLI_FAILED; // stdout is gone
    uv_loop_t loop;
    uv_fs_event_t watch;
    uv_signal_t interrupt;
    uv_loop_init(&loop);
    uv_fs_event_init(&loop, &watch);
    uv_signal_init(&loop, &interrupt);
    watch.data = f;
    interrupt.data = &exit_code;
    (void)uv_signal_start(&interrupt, on_interrupt, SIGINT);
    int err = uv_fs_event_start(&watch, on_change, f->command->dir, 0);
    if (err == 0) {
        follow_on(f); // what came before the watch was there
        uv_run(&loop, UV_RUN_DEFAULT);
    } else {
        cli_say("cannot watch %s: %s", f->command->dir, uv_strerror(err));
    }
    uv_close((uv_handle_t *)&watch, NULL);
    uv_close((uv_handle_t *)&interrupt, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return exit_code;
}

static int list(events_command *command) {
    struct stat info;
    following f = {.command = command};
    char path[MESH_PATHS_LEN_MAX];
    int err = mesh_paths_socket(path);
    if (err == 0) err = mesh_paths_dir(command->dir);
    if (err != 0) return cli_client_explain(err);
    if (stat(command->dir, &info) != 0 && errno == ENOENT) return cli_client_explain(-ENOENT);
    bool is_met = print_last(command, &f);
    if (command->is_following) return follow(&f); // it may come yet
    if (is_met || command->target == NULL) return CLI_DONE;
    cli_say("no event names %.63s: `warren events` prints all, `warren ps` and `warren status` "
            "what there is",
            command->target);
    return CLI_NOT_FOUND;
}

static bool take_since(events_command *command, const char *value) {
    uint64_t since_ms;
    if (!cli_since_parse(value, &since_ms)) return false;
    command->count = LINES_MAX;
    json_t *since = cli_json_time(since_ms);
    (void)snprintf(command->since, sizeof command->since, "%s", json_string_value(since));
    json_decref(since);
    return true;
}

static bool take(events_command *command, const cli_args *args, int option) {
    switch (option) {
    case CLI_ARG_WORD: return cli_args_target(args, &command->target);
    case OPTION_FOLLOW: command->is_following = true; return true;
    case OPTION_LINES: return cli_args_number(args, "lines", 0, LINES_MAX, &command->count);
    case OPTION_SINCE: return take_since(command, args->value);
    default: command->is_json = true; return true;
    }
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_events, .argc = argc, .argv = argv};
    events_command command = {.count = LINES_DEFAULT};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (!take(&command, &args, arg)) return CLI_USAGE;
    }
    return list(&command);
}

const cli_command cli_events = {
    .name = "events",
    .usage = "[SERVICE|NODE|PROJECT] [-f] [-n N] [--since TIME] [--json]",
    .summary = "Prints what was done to services, by whom, and what became of them",
    .example = "  warren events api --since 1h\n"
               "  warren events -f --json | jq 'select(.type == \"failed\")'\n",
    .options = options,
    .run = run,
};
