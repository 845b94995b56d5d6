#include "agent/prepare.h"

#include <stdio.h>

#include "core/error.h"
#include "core/mem.h"
#include "deploy/bundle_chunk.h"

enum { ROUNDS_MAX = 5 }; // a chunk that is damaged on the disk is found when it is needed

struct agent_preparing {
    agent_prepare_options options;
    mesh_bytes bytes; // of the record
    deploy_record record;
    char id[DEPLOY_ID_MAX];
    char host[MESH_CERT_NAME_LEN_MAX + 1];
    uint64_t job; // 0: nothing is fetched
    int rounds;
    bool has_plan; // its manifest is here
};

static void free_it(agent_preparing *p) {
    agent_releases_hold(p->options.releases, -1);
    free((void *)(uintptr_t)p->bytes.data);
    free(p);
}

static void finish(agent_preparing *p, const char *dir, const char *why) {
    agent_prepare_options options = p->options;
    options.cb(dir, why, options.user);
    free_it(p); // `why` may be its
}

void agent_prepare_cancel(agent_preparing *p) {
    if (p == NULL) return;
    agent_releases_forget(p->options.releases, p);
    if (p->job != 0) agent_fetching_cancel(p->options.fetching, p->job);
    free_it(p);
}

// ---- what is missing

static void plan(agent_preparing *p);
static void unpack(agent_preparing *p);

static void on_fetched(int err, const char *sentence, void *user) {
    agent_preparing *p = user;
    p->job = 0;
    if (err != 0)
        finish(p, NULL, sentence);
    else if (p->has_plan)
        unpack(p);
    else
        plan(p);
}

static void on_progress(size_t done, size_t count, uint64_t len, void *user) {
    const agent_preparing *p = user;
    if (p->options.on_progress != NULL && p->has_plan)
        p->options.on_progress(done, count, len, p->options.user);
}

static void fetch(agent_preparing *p, const deploy_hash *hashes, size_t count) {
    p->job = agent_fetching_begin(
        p->options.fetching,
        &(agent_fetch_options){.hashes =
                                   (const uint8_t(*)[AGENT_FETCH_HASH_LEN])(const void *)hashes,
                               .count = count,
                               .host = p->host,
                               .cb = on_fetched,
                               .on_progress = on_progress,
                               .user = p});
    if (p->job == 0)
        finish(p, NULL, "too many releases are being fetched at once: try again later");
}

static void on_planned(const agent_releases_result *result, void *user) {
    agent_preparing *p = user;
    if (result->err == MESH_EAGAIN && ++p->rounds <= ROUNDS_MAX) {
        p->has_plan = false;
        fetch(p, result->missing, result->missing_count);
    } else if (result->err != 0) {
        finish(p, NULL, result->text);
    } else {
        p->has_plan = true;
        fetch(p, result->missing, result->missing_count);
    }
}

static void plan(agent_preparing *p) {
    agent_releases_plan(p->options.releases, &p->record, on_planned, p);
}

// ---- unpacking

static void on_unpacked(const agent_releases_result *result, void *user) {
    agent_preparing *p = user;
    if (result->err == MESH_EAGAIN && ++p->rounds <= ROUNDS_MAX)
        plan(p);
    else if (result->err != 0)
        finish(p, NULL, result->text);
    else
        finish(p, result->path, "");
}

// NULL: it is not, or another one has the same id here.
static const agent_release *known_here(const agent_preparing *p) {
    const agent_release *known = agent_releases_find(p->options.releases, p->id);
    bool is_it = known != NULL && deploy_hash_equal(&known->record.manifest, &p->record.manifest);
    return is_it ? known : NULL;
}

static void unpack(agent_preparing *p) {
    const mesh_trust *trust = agent_fetching_trust(p->options.fetching);
    if (known_here(p) != NULL)
        agent_releases_unpack(p->options.releases, p->id, on_unpacked, p);
    else if (trust != NULL)
        agent_releases_adopt(p->options.releases, p->bytes, trust, on_unpacked, p);
    else
        finish(p, NULL,
               "the release is not on this host, and this host is in no cluster that could have "
               "it: deploy it from a command line here");
}

static void on_begun(const agent_releases_result *result, void *user) {
    agent_preparing *p = user;
    (void)result; // nothing was asked
    bool is_unpacked = known_here(p) != NULL && known_here(p)->is_unpacked;
    if (p->id[0] == '\0')
        finish(p, NULL, "what the store has of the release cannot be read: deploy it again");
    else if (is_unpacked)
        finish(p, agent_releases_dir(p->options.releases, p->id), "");
    else
        unpack(p);
}

agent_preparing *agent_prepare(const agent_prepare_options *options) {
    agent_preparing *p = mem_alloc(sizeof *p);
    p->options = *options;
    p->bytes =
        (mesh_bytes){mem_copy(options->record.data, options->record.len), options->record.len};
    if (options->host != NULL) (void)snprintf(p->host, sizeof p->host, "%s", options->host);
    agent_releases_hold(options->releases, 1);
    // Who signed it is judged before it is unpacked; until then only chunks come that are what
    // their names say.
    if (deploy_record_open(p->bytes, NULL, &p->record) == 0)
        deploy_bundle_id(&p->record.manifest, p->id);
    agent_releases_missing(options->releases, NULL, 0, on_begun, p); // later, from the loop
    return p;
}
