#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/clean.h"
#include "cli/deployed.h"
#include "cli/duration.h"
#include "cli/json.h"
#include "cli/report.h"
#include "cli/status_json.h"
#include "cli/streams.h"
#include "cli/table.h"
#include "io/wall.h"

enum { OPTION_FOLLOW, OPTION_JSON };

static const cli_option options[] = {
    {'f', "follow", NULL, "again whenever something has changed, until Ctrl-C"},
    {0, "json", NULL, "as JSON, with -f one object per line (docs/deploy.md lists the fields)"},
    {0, NULL, NULL, NULL},
};

typedef struct status_command {
    const char *project; // NULL: all
    bool is_json, is_following;
    bool is_missing; // the project is not there
    cli_deployed deployed;
} status_command;

// ---- for people, from the same object as for machines

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static json_int_t number_of(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

static void add_row(cli_table *table, const char *const *cells) {
    for (size_t i = 0; i < table->column_count; i++)
        cli_table_add(table, cells[i]);
}

static void end_table(cli_table *table) {
    cli_table_print(table, cli_table_terminal_width());
    cli_table_deinit(table);
}

// "h1 2, h2": instances per host.
static void put_hosts(char *out, size_t cap, const json_t *instances) {
    size_t i, k, len = 0;
    const json_t *one, *other;
    out[0] = '\0';
    json_array_foreach(instances, i, one) {
        const char *host = text_of(one, "host");
        size_t count = 0;
        bool is_first = true;
        json_array_foreach(instances, k, other) {
            if (strcmp(text_of(other, "host"), host) != 0) continue;
            if (k < i) is_first = false;
            count++;
        }
        if (!is_first || len > cap - 160) continue;
        len += (size_t)snprintf(out + len, cap - len, "%s%.120s", len > 0 ? ", " : "", host);
        if (count > 1) len += (size_t)snprintf(out + len, cap - len, " %zu", count);
    }
}

// Whether the leader has begun with what is wanted, and has not come to an end of it.
static bool is_under_way(const json_t *p) {
    static const char *const phases[] = {"preparing", "rolling", "canary", "back"};
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
        if (strcmp(text_of(p, "phase"), phases[i]) == 0) return true;
    return false;
}

// How many are updated is told of what is under way, and of what got stuck there.
static void print_services(const json_t *p) {
    static const char *const heading[] = {"  SERVICE", "READY", "WANTED", "HOSTS", "UPDATED"};
    const json_t *services = json_object_get(p, "services"), *s;
    bool has_updated = is_under_way(p) || strcmp(text_of(p, "phase"), "broken") == 0;
    cli_table table = {.column_count = has_updated ? 5 : 4, .is_right = {[1] = true, true}};
    size_t i;
    if (json_array_size(services) == 0) return;
    add_row(&table, heading);
    json_array_foreach(services, i, s) {
        char name[80], ready[24], wanted[24], updated[32], hosts[512];
        (void)snprintf(name, sizeof name, "  %.63s", text_of(s, "service"));
        (void)snprintf(ready, sizeof ready, "%lld", (long long)number_of(s, "ready"));
        (void)snprintf(wanted, sizeof wanted, "%lld", (long long)number_of(s, "wanted"));
        (void)snprintf(updated, sizeof updated, "%lld of %lld", (long long)number_of(s, "updated"),
                       (long long)number_of(s, "wanted"));
        put_hosts(hosts, sizeof hosts, json_object_get(s, "instances"));
        const char *cells[] = {name, ready, wanted, hosts, updated};
        add_row(&table, cells);
    }
    end_table(&table);
    json_array_foreach(services, i, s) if (text_of(s, "unplaced")[0] != '\0')(void)
        printf("  %s: %s\n", text_of(s, "service"), text_of(s, "unplaced"));
}

// "release 7 -> 8" while 8 takes the place of 7, "release 8 -> 7" on the way back.
static void put_releases(char *out, size_t cap, const json_t *p) {
    long long runs = number_of(p, "running"), wanted = number_of(p, "release");
    bool is_back = strcmp(text_of(p, "phase"), "back") == 0;
    bool is_over = !is_under_way(p) && strcmp(text_of(p, "phase"), "waiting") != 0;
    char from[32], to[32];
    (void)snprintf(from, sizeof from, "%lld", is_back ? wanted : runs);
    (void)snprintf(to, sizeof to, "%lld", is_back ? runs : wanted);
    if (is_over && runs == 0)
        (void)snprintf(out, cap, "no release");
    else if (is_over || runs == wanted)
        (void)snprintf(out, cap, "release %lld", runs);
    else
        (void)snprintf(out, cap, "release %s -> %s", strcmp(from, "0") == 0 ? "none" : from,
                       strcmp(to, "0") == 0 ? "none" : to);
}

static void print_next_step(const json_t *p) {
    const char *name = text_of(p, "project");
    if (strcmp(text_of(p, "phase"), "canary") == 0)
        (void)printf("  the canaries are well: `warren promote %s` goes on with all others, "
                     "`warren abort %s` goes back\n",
                     name, name);
}

static void print_project(const json_t *p, uint64_t now_ms,
                          const Warren__Deploy__Project *project) {
    char age[CLI_DURATION_MAX], releases[96];
    put_releases(releases, sizeof releases, p);
    cli_duration_format(age, now_ms > project->at_ms ? now_ms - project->at_ms : 0);
    (void)printf("%s  %s, %s (deployment %lld by %s on %s, %s ago)\n", text_of(p, "project"),
                 releases, text_of(p, "phase"), (long long)number_of(p, "deployment"),
                 text_of(p, "by"), text_of(p, "host"), age);
    if (text_of(p, "why")[0] != '\0') (void)printf("  %s\n", text_of(p, "why"));
    print_services(p);
    print_next_step(p);
    (void)printf("\n");
}

static void print_host(const char *name, ProtobufCBinaryData value, void *user) {
    char cpus[24], memory[24], labels[512] = "";
    status_command *command = (status_command *)((void **)user)[0];
    cli_table *table = ((void **)user)[1];
    Warren__Deploy__Host *host = warren__deploy__host__unpack(NULL, value.len, value.data);
    size_t len = 0;
    if (host == NULL) return;
    for (size_t i = 0; i < host->n_labels && len < sizeof labels - 140; i++)
        len += (size_t)snprintf(labels + len, sizeof labels - len, "%s%.63s=%.63s",
                                len > 0 ? " " : "", host->labels[i]->key, host->labels[i]->value);
    (void)snprintf(cpus, sizeof cpus, "%g", (double)host->cpu_milli / 1000);
    (void)snprintf(memory, sizeof memory, "%.1f GiB", (double)host->memory / (1 << 30));
    const char *cells[] = {name, cli_status_host_state(&command->deployed, name), cpus, memory,
                           labels};
    add_row(table, cells);
    warren__deploy__host__free_unpacked(host, NULL);
}

static void print_hosts(status_command *command) {
    static const char *const heading[] = {"HOST", "STATE", "CPUS", "MEMORY", "LABELS"};
    cli_table table = {.column_count = 5, .is_right = {[2] = true, true}};
    void *user[] = {command, &table};
    add_row(&table, heading);
    cli_deployed_each(&command->deployed, "host/", print_host, user);
    end_table(&table);
}

static void print_for_people(status_command *command, const json_t *all) {
    const cli_deployed *d = &command->deployed;
    size_t i;
    const json_t *p;
    json_array_foreach(json_object_get(all, "projects"), i, p) {
        Warren__Deploy__Project *project = cli_deployed_project(d, text_of(p, "project"));
        if (project == NULL) continue;
        print_project(p, mesh_wall_ms(), project);
        warren__deploy__project__free_unpacked(project, NULL);
    }
    if (d->host[0] == '\0') {
        (void)printf("nothing was deployed here (`warren deploy DIR` deploys a project)\n");
        return;
    }
    print_hosts(command);
    const char *leader = text_of(all, "leader");
    if (d->trouble[0] != '\0')
        (void)printf("\nwhat runs, runs on, and changes wait for the store %s: %s\n", d->store,
                     d->trouble);
    else
        (void)printf("\nthe store %s answers; %s%s\n", d->store,
                     leader[0] != '\0' ? leader : "nobody",
                     leader[0] != '\0' ? " decides" : " decides yet");
}

static bool print(status_command *command) {
    json_t *all = cli_status_json(&command->deployed, command->project);
    command->is_missing =
        command->project != NULL && json_array_size(json_object_get(all, "projects")) == 0;
    if (command->is_missing && !command->is_following) {
        cli_say("no project %.63s was deployed here (`warren status` lists what was, `warren ps` "
                "what runs on this host)",
                command->project);
        json_decref(all);
    } else if (command->is_json) {
        cli_json_print(all);
    } else {
        print_for_people(command, all);
        json_decref(all);
        if (command->is_following) (void)printf("\n");
    }
    return cli_streams_flush();
}

static bool on_reply(const Warren__Agent__Reply *reply, void *user) {
    status_command *command = user;
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_DEPLOYED) return false;
    cli_deployed_take(&command->deployed, reply->deployed);
    if (reply->deployed->more) return false;
    return !print(command) || !command->is_following;
}

static int show(status_command *command) {
    static const char *const prefixes[] = {"host/",  "drained/", "leader", "project/",
                                           "state/", "placed/",  "report/"};
    Warren__Agent__ReadDeployed body = WARREN__AGENT__READ_DEPLOYED__INIT;
    body.prefixes = (char **)(uintptr_t)prefixes;
    body.n_prefixes = sizeof prefixes / sizeof prefixes[0];
    body.watch = command->is_following;
    body.if_any = !command->is_following;
    CLI_REQUEST(request, READ_DEPLOYED, read_deployed, &body);
    int exit_code = cli_client_ask(&request, on_reply, command);
    cli_deployed_deinit(&command->deployed);
    return exit_code == CLI_DONE && command->is_missing ? CLI_NOT_FOUND : exit_code;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_status, .argc = argc, .argv = argv};
    status_command command = {0};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        switch (arg) {
        case CLI_ARG_BAD: return cli_args_exit_code(&args);
        case CLI_ARG_WORD:
            if (!cli_args_target(&args, &command.project)) return CLI_USAGE;
            break;
        case OPTION_FOLLOW: command.is_following = true; break;
        default: command.is_json = true;
        }
    }
    return show(&command);
}

const cli_command cli_status = {
    .name = "status",
    .usage = "[PROJECT] [-f] [--json]",
    .summary = "Shows what is deployed: hosts, services, releases, and what is under way",
    .example = "  warren status\n  warren status shop -f\n",
    .options = options,
    .run = run,
};
