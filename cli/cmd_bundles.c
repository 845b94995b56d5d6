#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "agent/releases.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/ephemeral.h"
#include "cli/json.h"
#include "cli/size.h"
#include "cli/table.h"

enum { OPTION_COLLECT, OPTION_JSON };

static const cli_option options[] = {
    {0, "collect", "SIZE", "let releases that nobody needs go, the oldest first, down to SIZE"},
    {0, "json", NULL, "as JSON: {\"bundles\": [...]}, or {\"freed\": BYTES}"},
    {0, NULL, NULL, NULL},
};

typedef struct bundles_command {
    bool is_json, collects;
    uint64_t budget;
    json_t *list;
} bundles_command;

static json_t *hex_of(ProtobufCBinaryData bytes) {
    char text[2 * DEPLOY_HASH_LEN + 1] = "";
    for (size_t i = 0; i < bytes.len && i < DEPLOY_HASH_LEN; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes.data[i]);
    return json_string(text);
}

static json_t *json_of(const Warren__Agent__ReleaseInfo *info) {
    json_t *path = info->is_unpacked ? cli_json_string(info->path) : json_null();
    return json_pack("{s:s, s:o, s:o, s:o, s:i, s:I, s:o, s:o, s:b}", "id", info->id, "project",
                     cli_json_string(info->project), "manifest", hex_of(info->manifest), "at",
                     cli_json_time(info->at_ms), "files", (int)info->files, "bytes",
                     (json_int_t)info->len, "path", path, "key", hex_of(info->key), "cluster",
                     (int)info->has_chain);
}

static bool on_reply(const Warren__Agent__Reply *reply, void *user) {
    bundles_command *command = user;
    if (reply->kind_case == WARREN__AGENT__REPLY__KIND_COLLECTED) {
        char size[CLI_SIZE_MAX];
        cli_size_print(reply->collected->freed, size);
        if (command->is_json)
            cli_json_print(json_pack("{s:I}", "freed", (json_int_t)reply->collected->freed));
        else
            (void)printf("%s freed\n", size);
        return true;
    }
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_RELEASES) return false;
    for (size_t i = 0; i < reply->releases->n_releases; i++)
        json_array_append_new(command->list, json_of(reply->releases->releases[i]));
    return !reply->releases->more;
}

static int by_time(const void *a, const void *b) { // the newest first
    const json_t *one = *(json_t *const *)a, *other = *(json_t *const *)b;
    return strcmp(json_string_value(json_object_get(other, "at")),
                  json_string_value(json_object_get(one, "at")));
}

// Gives (decref it); takes the list.
static json_t *sort(json_t *list) {
    size_t count = json_array_size(list);
    json_t **items = calloc(count + 1, sizeof(json_t *)), *sorted = json_array();
    for (size_t i = 0; i < count; i++)
        items[i] = json_array_get(list, i);
    qsort(items, count, sizeof(json_t *), by_time);
    for (size_t i = 0; i < count; i++)
        json_array_append(sorted, items[i]);
    free(items);
    json_decref(list);
    return sorted;
}

static void add_row(cli_table *table, const json_t *item) {
    char files[24], size[CLI_SIZE_MAX];
    (void)snprintf(files, sizeof files, "%lld", json_integer_value(json_object_get(item, "files")));
    cli_size_print((uint64_t)json_integer_value(json_object_get(item, "bytes")), size);
    const char *path = json_string_value(json_object_get(item, "path"));
    cli_table_add(table, json_string_value(json_object_get(item, "id")));
    cli_table_add(table, json_string_value(json_object_get(item, "project")));
    cli_table_add(table, json_string_value(json_object_get(item, "at")));
    cli_table_add(table, files);
    cli_table_add(table, size);
    cli_table_add(table, path != NULL ? path : "(not unpacked)");
}

static void print_table(const json_t *list) {
    static const char *const heads[] = {"ID", "PROJECT", "TAKEN IN", "FILES", "SIZE", "PATH"};
    cli_table table = {.column_count = 6, .is_right = {[3] = true, [4] = true}};
    if (json_array_size(list) == 0) {
        (void)printf("this host has no releases (`warren bundle` makes one)\n");
        return;
    }
    for (size_t i = 0; i < 6; i++)
        cli_table_add(&table, heads[i]);
    for (size_t i = 0; i < json_array_size(list); i++)
        add_row(&table, json_array_get(list, i));
    cli_table_print(&table, cli_table_terminal_width());
    cli_table_deinit(&table);
}

static int list(bundles_command *command) {
    Warren__Agent__ListReleases body = WARREN__AGENT__LIST_RELEASES__INIT;
    CLI_REQUEST(request, LIST_RELEASES, list_releases, &body);
    command->list = json_array();
    int exit_code = cli_client_ask(&request, on_reply, command);
    json_t *sorted = sort(command->list);
    if (exit_code == CLI_DONE && command->is_json)
        cli_json_print(json_pack("{s:O}", "bundles", sorted));
    else if (exit_code == CLI_DONE)
        print_table(sorted);
    json_decref(sorted);
    return exit_code;
}

static int collect(bundles_command *command) {
    Warren__Agent__CollectReleases body = WARREN__AGENT__COLLECT_RELEASES__INIT;
    body.budget = command->budget;
    CLI_REQUEST(request, COLLECT_RELEASES, collect_releases, &body);
    return cli_client_ask(&request, on_reply, command);
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_bundles, .argc = argc, .argv = argv};
    bundles_command command = {.is_json = false};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (arg == CLI_ARG_WORD) {
            cli_say("bundles: what is \"%.80s\"? It takes no words", args.value);
            return CLI_USAGE;
        }
        if (arg == OPTION_JSON) command.is_json = true;
        if (arg != OPTION_COLLECT) continue;
        command.collects = true;
        if (!cli_size_parse("collect", args.value, 0, UINT64_C(1) << 50, &command.budget))
            return CLI_USAGE;
    }
    int exit_code = cli_ephemeral_ensure();
    if (exit_code != CLI_DONE) return exit_code;
    return command.collects ? collect(&command) : list(&command);
}

const cli_command cli_bundles = {
    .name = "bundles",
    .usage = "[--collect SIZE] [--json]",
    .summary = "Lists the releases that are on this host's disk",
    .example = "  warren bundles\n"
               "  warren bundles --collect 1G    # what nobody needs goes, down to 1 GiB\n",
    .options = options,
    .run = run,
};
