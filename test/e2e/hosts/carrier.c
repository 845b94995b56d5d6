// A host of a cluster that prepares one release, and nothing else: carrier STATE RECORD HOST, where
// RECORD is a file with the record of the release that HOST took in. It is in the cluster by the
// keys in STATE, where no agent runs meanwhile, and gets what it misses from the agents of others.
// Says "open", then "DONE of COUNT" for the chunks of files, then the directory, or why there is
// none.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sodium.h>

#include "agent/cluster.h"
#include "agent/prepare.h"
#include "core/mem.h"

static uv_loop_t loop;
static agent_prepare_options options;

static bool on_sign(void *user, deploy_signer *out) {
    (void)user;
    (void)out;
    return false;
}

static void on_prepared(const char *dir, const char *why, void *user) {
    (void)user;
    (void)printf("%s %s\n", dir != NULL ? "in" : "failed:", dir != NULL ? dir : why);
    (void)fflush(stdout);
    _exit(dir == NULL); // what it has of the cluster goes with it
}

static void on_progress(size_t done, size_t count, uint64_t len, void *user) {
    (void)user;
    (void)len;
    (void)printf("%zu of %zu\n", done, count);
    (void)fflush(stdout);
}

static void begin(void) {
    (void)printf("open\n");
    (void)fflush(stdout);
    (void)agent_prepare(&options);
}

static void on_opened(void *user, int err, const char *text) {
    (void)user;
    if (err == 0) {
        begin();
        return;
    }
    (void)fprintf(stderr, "%s\n", text);
    _exit(1);
}

static void on_changed(void *user) {
    (void)user;
}

static void on_lost(void *user, const char *text) {
    on_opened(user, -1, text);
}

static void on_closed(void *user) {
    (void)user;
}

static mesh_bytes read_file(const char *path) {
    static uint8_t bytes[DEPLOY_RECORD_LEN_MAX];
    FILE *file = fopen(path, "re");
    if (file == NULL) return (mesh_bytes){NULL, 0};
    size_t len = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    return (mesh_bytes){bytes, len};
}

int main(int argc, char **argv) {
    static agent_members_events no_events;
    char text[AGENT_VAULT_TEXT_MAX] = "";
    agent_cluster *cluster;
    if (argc != 4 || sodium_init() < 0) return 2;
    uv_loop_init(&loop);
    options = (agent_prepare_options){.releases = agent_releases_create(&(agent_releases_options){
                                          .loop = &loop, .dir = argv[1], .signer = on_sign}),
                                      .record = read_file(argv[2]),
                                      .host = argv[3],
                                      .cb = on_prepared,
                                      .on_progress = on_progress};
    options.fetching = agent_fetching_create(&loop, options.releases);
    agent_cluster_options cluster_options = {
        .loop = &loop,
        .dir = argv[1],
        .members = agent_members_create(&loop, "carrier", 1, &no_events, NULL),
        .fetching = options.fetching,
        .on_closed = on_closed,
        .on_opened = on_opened,
        .on_changed = on_changed,
        .on_lost = on_lost};
    int err = agent_cluster_open(&cluster_options, &cluster, text);
    if (err <= 0) on_opened(NULL, err, text);
    return uv_run(&loop, UV_RUN_DEFAULT);
}
