// Pieces of releases on a host, and releases that are made of them: also when a piece is damaged,
// somebody means harm, or there is no room.
#include "agent/releases.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "core/error.h"
#include "core/mem.h"
#include "deploy/bundle_chunk.h"
#include "pki.h"
#include "test.h"

// ---- a host: what is asked is answered when the function returns

typedef struct host {
    uv_loop_t loop;
    char dir[64];
    agent_releases *releases;
    deploy_signer signer;
    pki_host member;
    agent_releases_result result;
    deploy_hash missing[64];
    bool is_answered;
} host;

static bool on_sign(void *user, deploy_signer *out) {
    *out = ((host *)user)->signer;
    return true;
}

static void begin(host *h) {
    uv_loop_init(&h->loop);
    h->releases = agent_releases_create(
        &(agent_releases_options){.loop = &h->loop, .dir = h->dir, .signer = on_sign, .user = h});
}

static void end(host *h) {
    agent_releases_destroy(h->releases);
    uv_run(&h->loop, UV_RUN_DEFAULT);
    EXPECT_OK(uv_loop_close(&h->loop));
}

static host *open_host(void) {
    host *h = mem_alloc(sizeof *h);
    uint8_t key[MESH_SIGN_KEY_LEN];
    (void)snprintf(h->dir, sizeof h->dir, "/tmp/releases-test.XXXXXX");
    EXPECT_TRUE(mkdtemp(h->dir) != NULL);
    (void)crypto_sign_keypair(key, h->signer.secret);
    begin(h);
    return h;
}

static void close_host(host *h) {
    char command[128];
    end(h);
    (void)snprintf(command, sizeof command, "rm -rf %s", h->dir);
    EXPECT_OK(system(command)); // NOLINT(cert-env33-c): a path of our own
    free(h);
}

static void restart(host *h) {
    end(h);
    begin(h);
}

static void on_answer(const agent_releases_result *result, void *user) {
    host *h = user;
    h->result = *result;
    for (size_t i = 0; i < result->missing_count && i < 64; i++)
        h->missing[i] = result->missing[i];
    h->is_answered = true;
}

static const agent_releases_result *answer(host *h) {
    while (!h->is_answered)
        uv_run(&h->loop, UV_RUN_ONCE);
    h->is_answered = false;
    return &h->result;
}

// ---- a release

typedef struct app {
    deploy_bundle bundle;
    deploy_record record;
    mesh_bytes manifest;
} app;

static void add(app *a, const char *path, const char *content) {
    mesh_bytes bytes = mesh_bytes_text(content);
    deploy_entry entry = {
        .path = path, .kind = DEPLOY_FILE, .len = bytes.len, .hash = deploy_hash_of(bytes)};
    deploy_bundle_add(&a->bundle, &entry);
}

static void finish(app *a) {
    char text[DEPLOY_TEXT_MAX];
    EXPECT_OK(deploy_bundle_finish(&a->bundle, text));
    a->manifest = deploy_bundle_encode(&a->bundle);
    a->record.manifest = deploy_hash_of(a->manifest);
    a->record.manifest_len = a->manifest.len;
    a->record.manifest_chunks[0] = a->record.manifest;
    a->record.manifest_chunk_count = 1;
    (void)snprintf(a->record.project, sizeof a->record.project, "shop");
}

static void free_app(app *a) {
    free((void *)(uintptr_t)a->manifest.data);
    deploy_bundle_deinit(&a->bundle);
}

static const agent_releases_result *put(host *h, mesh_bytes plain) {
    static uint8_t sealed[DEPLOY_SEALED_MAX];
    deploy_hash hash = deploy_hash_of(plain);
    size_t len = deploy_chunk_seal(plain, sealed);
    agent_releases_put(h->releases, &hash, (mesh_bytes){sealed, len}, on_answer, h);
    return answer(h);
}

static const agent_releases_result *put_text(host *h, const char *text) {
    return put(h, mesh_bytes_text(text));
}

static const agent_releases_result *plan(host *h, const app *a) {
    agent_releases_plan(h->releases, &a->record, on_answer, h);
    return answer(h);
}

static const agent_releases_result *commit(host *h, const app *a) {
    agent_releases_commit(h->releases, &a->record, on_answer, h);
    return answer(h);
}

static const agent_releases_result *collect(host *h, uint64_t budget) {
    agent_releases_collect(h->releases, budget, on_answer, h);
    return answer(h);
}

// Two files, one of them `content`, and a link.
static void make(app *a, const char *content) {
    deploy_entry directory = {.path = "lib", .kind = DEPLOY_DIRECTORY};
    deploy_entry link = {.path = "lib/main", .kind = DEPLOY_LINK, .target = "../main.js"};
    *a = (app){.bundle = {.count = 0}};
    deploy_bundle_add(&a->bundle, &directory);
    deploy_bundle_add(&a->bundle, &link);
    add(a, "main.js", content);
    add(a, "lib/same.js", "the same");
    finish(a);
}

static const agent_releases_result *bring(host *h, const app *a, const char *content) {
    EXPECT_OK(put(h, a->manifest)->err);
    EXPECT_OK(put_text(h, content)->err);
    EXPECT_OK(put_text(h, "the same")->err);
    return commit(h, a);
}

static void expect_file(const char *dir, const char *name, const char *content) {
    char path[512], text[256];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) fail_msg("%s is not there", path);
    size_t len = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[len] = '\0';
    EXPECT_TEXT(content, text);
}

static void path_of_chunk(const host *h, const char *content, char out[256]) {
    deploy_hash hash = deploy_hash_of(mesh_bytes_text(content));
    int len = snprintf(out, 256, "%s/releases/chunks/%02x/", h->dir, hash.bytes[0]);
    for (size_t i = 1; i < DEPLOY_HASH_LEN; i++)
        len += snprintf(out + len, 256 - (size_t)len, "%02x", hash.bytes[i]);
}

// ---- how one comes

TEST(first_the_list_is_missing_then_the_files_then_nothing) {
    host *h = open_host();
    app a;
    make(&a, "one");
    EXPECT_EQ(MESH_EAGAIN, plan(h, &a)->err);
    EXPECT_EQ(1, h->result.missing_count);
    EXPECT_TRUE(deploy_hash_equal(&a.record.manifest, &h->missing[0]));
    EXPECT_OK(put(h, a.manifest)->err);
    EXPECT_OK(plan(h, &a)->err);
    EXPECT_EQ(2, h->result.missing_count);
    EXPECT_EQ(11, h->result.missing_len);
    EXPECT_EQ(MESH_EAGAIN, commit(h, &a)->err);
    EXPECT_EQ(2, h->result.missing_count);
    EXPECT_OK(put_text(h, "one")->err);
    EXPECT_OK(put_text(h, "the same")->err);
    EXPECT_OK(plan(h, &a)->err);
    EXPECT_EQ(0, h->result.missing_count);
    EXPECT_OK(commit(h, &a)->err);
    free_app(&a);
    close_host(h);
}

TEST(what_is_committed_lies_there_and_is_known_after_a_restart) {
    host *h = open_host();
    app a;
    make(&a, "one");
    EXPECT_OK(bring(h, &a, "one")->err);
    EXPECT_TEXT(agent_releases_dir(h->releases, h->result.id), h->result.path);
    expect_file(h->result.path, "main.js", "one");
    expect_file(h->result.path, "lib/main", "one");
    EXPECT_EQ(2, h->result.file_count);
    restart(h);
    const agent_release *found = agent_releases_find(h->releases, h->result.id);
    EXPECT_TRUE(found != NULL && found->is_unpacked);
    EXPECT_TEXT("shop", found->record.project);
    EXPECT_EQ(11, found->record.len);
    EXPECT_OK(commit(h, &a)->err); // again: nothing is written twice
    free_app(&a);
    close_host(h);
}

TEST(a_program_that_writes_to_its_file_damages_no_piece) {
    host *h = open_host();
    app a;
    char path[512];
    make(&a, "one");
    EXPECT_OK(bring(h, &a, "one")->err);
    (void)snprintf(path, sizeof path, "%s/main.js", h->result.path);
    EXPECT_OK(chmod(path, 0600));
    FILE *file = fopen(path, "we");
    (void)fputs("two", file);
    (void)fclose(file);
    deploy_hash hash = deploy_hash_of(mesh_bytes_text("one"));
    agent_releases_get(h->releases, &hash, on_answer, h);
    EXPECT_OK(answer(h)->err);
    free_app(&a);
    close_host(h);
}

TEST(what_is_not_what_it_is_called_is_refused_and_not_kept) {
    host *h = open_host();
    uint8_t sealed[256];
    deploy_hash hash = deploy_hash_of(mesh_bytes_text("one"));
    size_t len = deploy_chunk_seal(mesh_bytes_text("two"), sealed);
    agent_releases_put(h->releases, &hash, (mesh_bytes){sealed, len}, on_answer, h);
    EXPECT_EQ(MESH_EINVAL, answer(h)->err);
    agent_releases_missing(h->releases, &hash, 1, on_answer, h);
    EXPECT_EQ(1, answer(h)->missing_count);
    agent_releases_get(h->releases, &hash, on_answer, h);
    EXPECT_EQ(MESH_ENOTFOUND, answer(h)->err);
    close_host(h);
}

TEST(a_piece_that_was_damaged_on_the_disk_is_asked_for_again) {
    host *h = open_host();
    app a;
    char path[256];
    make(&a, "one");
    EXPECT_OK(put(h, a.manifest)->err);
    EXPECT_OK(put_text(h, "one")->err);
    EXPECT_OK(put_text(h, "the same")->err);
    path_of_chunk(h, "one", path);
    EXPECT_OK(truncate(path, 3));
    EXPECT_EQ(MESH_EAGAIN, commit(h, &a)->err);
    EXPECT_EQ(1, h->result.missing_count);
    EXPECT_OK(put_text(h, "one")->err);
    EXPECT_OK(commit(h, &a)->err);
    expect_file(h->result.path, "main.js", "one");
    free_app(&a);
    close_host(h);
}

TEST(another_platform_is_refused_with_both_names) {
    host *h = open_host();
    app a = {.bundle = {.platform = "linux-z80-node1"}};
    add(&a, "addon.node", "code");
    finish(&a);
    EXPECT_OK(put(h, a.manifest)->err);
    EXPECT_OK(put_text(h, "code")->err);
    EXPECT_EQ(MESH_EINVAL, commit(h, &a)->err);
    EXPECT_TRUE(strstr(h->result.text, "linux-z80-node1") != NULL);
    EXPECT_TRUE(strstr(h->result.text, deploy_platform) != NULL);
    free_app(&a);
    close_host(h);
}

TEST(what_a_killed_agent_left_is_cleared_up_at_the_next_start) {
    host *h = open_host();
    app a;
    char path[256];
    make(&a, "one");
    EXPECT_OK(bring(h, &a, "one")->err);
    (void)snprintf(path, sizeof path, "%s/releases/tmp/77", h->dir);
    EXPECT_OK(mkdir(path, 0700));
    (void)snprintf(path, sizeof path, "%s/releases/0123456789abcdef", h->dir);
    EXPECT_OK(mkdir(path, 0700)); // renamed, and its record was not written any more
    restart(h);
    EXPECT_OK(plan(h, &a)->err); // behind the clearing up
    EXPECT_TRUE(access(path, F_OK) != 0);
    EXPECT_TRUE(agent_releases_dir(h->releases, "0123456789abcdef") == NULL);
    (void)snprintf(path, sizeof path, "%s/releases/tmp/77", h->dir);
    EXPECT_TRUE(access(path, F_OK) != 0);
    free_app(&a);
    close_host(h);
}

TEST(a_release_that_was_removed_by_hand_is_unpacked_again) {
    host *h = open_host();
    app a;
    char path[256], id[DEPLOY_ID_MAX];
    make(&a, "one");
    EXPECT_OK(bring(h, &a, "one")->err);
    memcpy(id, h->result.id, sizeof id);
    (void)snprintf(path, sizeof path, "%.200s.away", h->result.path);
    EXPECT_OK(rename(h->result.path, path));
    restart(h);
    EXPECT_TRUE(agent_releases_dir(h->releases, id) == NULL);
    agent_releases_unpack(h->releases, id, on_answer, h);
    EXPECT_OK(answer(h)->err);
    expect_file(agent_releases_dir(h->releases, id), "main.js", "one");
    agent_releases_unpack(h->releases, "0123456789abcdef", on_answer, h);
    EXPECT_EQ(MESH_ENOTFOUND, answer(h)->err);
    free_app(&a);
    close_host(h);
}

// ---- from another host

TEST(what_a_host_of_the_cluster_signed_is_adopted_and_nothing_else) {
    host *first = open_host(), *second = open_host();
    mesh_trust trust = pki_trust();
    app a;
    make(&a, "one");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    pki_host_init(&first->member, 5, (uint64_t)now.tv_sec, "*");
    memcpy(first->signer.secret, first->member.signer.secret, sizeof first->signer.secret);
    memcpy(first->signer.chain, first->member.chain, sizeof first->member.chain);
    first->signer.chain_count = 2;
    EXPECT_OK(bring(first, &a, "one")->err);
    const agent_release *release = agent_releases_find(first->releases, first->result.id);
    EXPECT_OK(put(second, a.manifest)->err);
    EXPECT_OK(put_text(second, "one")->err);
    EXPECT_OK(put_text(second, "the same")->err);
    agent_releases_adopt(second->releases, release->bytes, &trust, on_answer, second);
    EXPECT_OK(answer(second)->err);
    expect_file(second->result.path, "lib/same.js", "the same");
    EXPECT_TEXT(first->result.id, second->result.id);
    trust.roots[0][0] ^= 1;
    agent_releases_adopt(second->releases, release->bytes, &trust, on_answer, second);
    EXPECT_EQ(MESH_ECERT, answer(second)->err);
    free_app(&a);
    close_host(first);
    close_host(second);
}

// ---- room

TEST(pieces_of_nothing_go_first_and_what_is_needed_stays) {
    host *h = open_host();
    app a;
    char path[256];
    make(&a, "one");
    EXPECT_OK(bring(h, &a, "one")->err);
    agent_releases_keep(h->releases, "test", (const char *const[]){h->result.id}, 1);
    EXPECT_OK(put_text(h, "of nothing")->err);
    EXPECT_OK(collect(h, 0)->err);
    EXPECT_TRUE(h->result.freed > 0);
    path_of_chunk(h, "of nothing", path);
    EXPECT_TRUE(access(path, F_OK) != 0);
    path_of_chunk(h, "one", path);
    EXPECT_OK(access(path, F_OK));
    free_app(&a);
    close_host(h);
}

TEST(nothing_goes_while_there_is_room_and_pieces_stay_while_somebody_holds) {
    host *h = open_host();
    char path[256];
    EXPECT_OK(put_text(h, "on its way")->err);
    path_of_chunk(h, "on its way", path);
    EXPECT_EQ(0, collect(h, 1 << 20)->freed);
    agent_releases_hold(h->releases, 1);
    EXPECT_EQ(0, collect(h, 0)->freed);
    EXPECT_OK(access(path, F_OK));
    agent_releases_hold(h->releases, -1);
    EXPECT_TRUE(collect(h, 0)->freed > 0);
    EXPECT_TRUE(access(path, F_OK) != 0);
    close_host(h);
}

TEST(the_oldest_release_goes_and_what_it_shares_stays) {
    host *h = open_host();
    app a, b;
    char path[256], first[DEPLOY_ID_MAX], second[DEPLOY_ID_MAX];
    make(&a, "one");
    make(&b, "two");
    EXPECT_OK(bring(h, &a, "one")->err);
    memcpy(first, h->result.id, sizeof first);
    EXPECT_OK(bring(h, &b, "two")->err);
    memcpy(second, h->result.id, sizeof second);
    agent_releases_keep(h->releases, "test", (const char *const[]){second}, 1);
    EXPECT_OK(collect(h, 0)->err);
    EXPECT_TRUE(agent_releases_find(h->releases, first) == NULL);
    EXPECT_TRUE(agent_releases_dir(h->releases, second) != NULL);
    path_of_chunk(h, "one", path);
    EXPECT_TRUE(access(path, F_OK) != 0);
    path_of_chunk(h, "the same", path);
    EXPECT_OK(access(path, F_OK));
    agent_releases_keep(h->releases, "test", NULL, 0);
    EXPECT_OK(collect(h, 0)->err);
    EXPECT_TRUE(agent_releases_find(h->releases, second) == NULL);
    EXPECT_TRUE(access(path, F_OK) != 0);
    restart(h);
    EXPECT_TRUE(agent_releases_find(h->releases, second) == NULL);
    free_app(&a);
    free_app(&b);
    close_host(h);
}

TEST(who_is_gone_is_not_called) {
    host *h = open_host();
    deploy_hash hash = deploy_hash_of(mesh_bytes_text("one"));
    agent_releases_missing(h->releases, &hash, 1, on_answer, h);
    agent_releases_forget(h->releases, h);
    uv_run(&h->loop, UV_RUN_DEFAULT);
    EXPECT_FALSE(h->is_answered);
    agent_releases_get(h->releases, &hash, on_answer, h);
    close_host(h); // with one under way
}
