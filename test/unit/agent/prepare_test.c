// A release from its record to a directory, with real stores of releases of several hosts on one
// loop, and messages that go from one to the other in its next turn.
#include "agent/prepare.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/error.h"
#include "core/mem.h"
#include "core/rng.h"
#include "deploy/bundle_chunk.h"
#include "pki.h"
#include "test.h"

enum { HOSTS = 3, LARGE_LEN = 3 << 20, GUARD_MS = 60000 };

typedef struct host {
    char dir[64], name[8];
    agent_releases *releases;
    agent_fetching *fetching;
    pki_host member;
    bool is_answered, is_there;
    char text[1024];
    size_t progress, asked;
    agent_preparing *preparing;
} host;

typedef struct message {
    struct message *next;
    int from, to;
    mesh_bytes bytes;
} message;

static uv_loop_t loop;
static uv_timer_t guard, carrier;
static host hosts[HOSTS];
static message *first, **last = &first;
static mesh_trust trust;

// ---- links between them

static void id_of(int which, uint8_t out[MESH_ID_LEN]) {
    memset(out, which + 1, MESH_ID_LEN);
}

static void on_carry(uv_timer_t *timer) {
    (void)timer;
    for (message *m; (m = first) != NULL;) {
        uint8_t id[MESH_ID_LEN];
        first = m->next;
        if (first == NULL) last = &first;
        id_of(m->from, id);
        agent_fetching *to = hosts[m->to].fetching;
        EXPECT_OK(agent_fetch_receive(agent_fetching_core(to), uv_now(&loop), id, m->bytes));
        agent_fetching_work(to);
        free((void *)(uintptr_t)m->bytes.data);
        free(m);
    }
}

static bool send_it(void *user, const uint8_t *id, mesh_bytes bytes) {
    message *m = mem_alloc(sizeof *m);
    *m = (message){.from = (int)((host *)user - hosts),
                   .to = id[0] - 1,
                   .bytes = {mem_copy(bytes.data, bytes.len), bytes.len}};
    hosts[m->to].asked++;
    *last = m;
    last = &m->next;
    (void)uv_timer_start(&carrier, on_carry, 0, 0);
    return true;
}

static void each_host(void *user, agent_link_host_cb each, void *each_user) {
    for (int i = 0; i < HOSTS; i++) {
        uint8_t id[MESH_ID_LEN];
        id_of(i, id);
        if (&hosts[i] != user) each(id, hosts[i].name, true, each_user);
    }
}

static size_t queued(void *user, const uint8_t *id) {
    (void)user;
    (void)id;
    return 0;
}

static void dial(void *user, const uint8_t *id) {
    (void)user;
    (void)id;
    fail_msg("all are linked");
}

// ---- hosts

static bool on_sign(void *user, deploy_signer *out) {
    const host *h = user;
    memcpy(out->secret, h->member.signer.secret, sizeof out->secret);
    memcpy(out->chain, h->member.chain, sizeof out->chain);
    out->chain_count = 2;
    return true;
}

static void on_guard(uv_timer_t *timer) {
    (void)timer;
    fail_msg("what was waited for has not come");
}

static void attach(host *h) {
    agent_link_net net = {h, each_host, send_it, queued, dial};
    agent_fetching_attach(h->fetching, &net, &trust);
}

static void begin(void) {
    uv_loop_init(&loop);
    uv_timer_init(&loop, &guard);
    uv_timer_init(&loop, &carrier);
    uv_timer_start(&guard, on_guard, GUARD_MS, 0);
    trust = pki_trust();
    memset(hosts, 0, sizeof hosts);
    for (int i = 0; i < HOSTS; i++) {
        host *h = &hosts[i];
        pki_host_init(&h->member, (uint8_t)(5 + i), (uint64_t)time(NULL), "*");
        (void)snprintf(h->name, sizeof h->name, "h%d", i % 10);
        (void)snprintf(h->dir, sizeof h->dir, "/tmp/prepare-test.XXXXXX");
        EXPECT_TRUE(mkdtemp(h->dir) != NULL);
        h->releases = agent_releases_create(
            &(agent_releases_options){.loop = &loop, .dir = h->dir, .signer = on_sign, .user = h});
        h->fetching = agent_fetching_create(&loop, h->releases);
        attach(h);
    }
}

static void end(void) {
    char command[128];
    on_carry(&carrier);
    for (int i = 0; i < HOSTS; i++) {
        agent_prepare_cancel(hosts[i].preparing);
        agent_fetching_destroy(hosts[i].fetching);
        agent_releases_destroy(hosts[i].releases);
    }
    for (message *m; (m = first) != NULL;) {
        first = m->next;
        free((void *)(uintptr_t)m->bytes.data);
        free(m);
    }
    last = &first;
    uv_close((uv_handle_t *)&guard, NULL);
    uv_close((uv_handle_t *)&carrier, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    EXPECT_OK(uv_loop_close(&loop));
    for (int i = 0; i < HOSTS; i++) {
        (void)snprintf(command, sizeof command, "rm -rf %.60s", hosts[i].dir);
        EXPECT_OK(system(command)); // NOLINT(cert-env33-c): a path of our own
    }
}

static void wait_for(host *h) {
    while (!h->is_answered)
        uv_run(&loop, UV_RUN_ONCE);
    h->is_answered = false;
}

// ---- a release: two files, one of several chunks

static uint8_t large[LARGE_LEN];

static void on_result(const agent_releases_result *result, void *user) {
    host *h = user;
    EXPECT_TEXT("", result->text);
    h->is_answered = true;
}

static void put(host *h, mesh_bytes plain) {
    static uint8_t sealed[DEPLOY_SEALED_MAX];
    deploy_hash hash = deploy_hash_of(plain);
    size_t len = deploy_chunk_seal(plain, sealed);
    agent_releases_put(h->releases, &hash, (mesh_bytes){sealed, len}, on_result, h);
    wait_for(h);
}

static void add_large(deploy_bundle *bundle, host *h) {
    static deploy_hash chunks[LARGE_LEN / DEPLOY_CHUNK_LEN];
    mesh_rng rng;
    mesh_rng_init(&rng, 7);
    for (size_t i = 0; i < LARGE_LEN; i++)
        large[i] = (uint8_t)mesh_rng_next(&rng);
    for (size_t i = 0; i < LARGE_LEN / DEPLOY_CHUNK_LEN; i++) {
        mesh_bytes chunk = {large + i * DEPLOY_CHUNK_LEN, DEPLOY_CHUNK_LEN};
        chunks[i] = deploy_hash_of(chunk);
        put(h, chunk);
    }
    deploy_bundle_add(bundle,
                      &(deploy_entry){.path = "large",
                                      .kind = DEPLOY_FILE,
                                      .len = LARGE_LEN,
                                      .hash = deploy_hash_of((mesh_bytes){large, LARGE_LEN}),
                                      .chunks = chunks,
                                      .chunk_count = LARGE_LEN / DEPLOY_CHUNK_LEN});
}

// Taken in by `h`; gives the id.
static const char *take_in(host *h) {
    static char id[DEPLOY_ID_MAX];
    char text[DEPLOY_TEXT_MAX];
    mesh_bytes small = mesh_bytes_text("console.log(1)\n");
    deploy_bundle bundle = {.count = 0};
    deploy_record record = {.project = "shop", .manifest_chunk_count = 1};
    add_large(&bundle, h);
    put(h, small);
    deploy_bundle_add(&bundle, &(deploy_entry){.path = "main.js",
                                               .kind = DEPLOY_FILE,
                                               .len = small.len,
                                               .hash = deploy_hash_of(small)});
    EXPECT_OK(deploy_bundle_finish(&bundle, text));
    mesh_bytes manifest = deploy_bundle_encode(&bundle);
    put(h, manifest);
    record.manifest = record.manifest_chunks[0] = deploy_hash_of(manifest);
    record.manifest_len = manifest.len;
    agent_releases_commit(h->releases, &record, on_result, h);
    wait_for(h);
    deploy_bundle_id(&record.manifest, id);
    free((void *)(uintptr_t)manifest.data);
    deploy_bundle_deinit(&bundle);
    return id;
}

static void on_prepared(const char *dir, const char *why, void *user) {
    host *h = user;
    EXPECT_FALSE(h->is_answered);
    h->preparing = NULL;
    h->is_answered = true;
    h->is_there = dir != NULL;
    (void)snprintf(h->text, sizeof h->text, "%s", dir != NULL ? dir : why);
}

static void on_progress(size_t done, size_t count, uint64_t len, void *user) {
    EXPECT_TRUE(done <= count && len > 0);
    ((host *)user)->progress = done;
}

static void start(host *h, mesh_bytes record) {
    h->preparing = agent_prepare(&(agent_prepare_options){.releases = h->releases,
                                                          .fetching = h->fetching,
                                                          .record = record,
                                                          .host = "h0",
                                                          .cb = on_prepared,
                                                          .on_progress = on_progress,
                                                          .user = h});
    EXPECT_FALSE(h->is_answered); // later
}

static void prepare(host *h, mesh_bytes record) {
    start(h, record);
    wait_for(h);
}

static mesh_bytes record_of(const host *h, const char *id) {
    return agent_releases_find(h->releases, id)->bytes;
}

static void expect_whole(const host *h) {
    static uint8_t got[LARGE_LEN];
    char path[2048];
    EXPECT_TRUE(h->is_there);
    (void)snprintf(path, sizeof path, "%s/large", h->text);
    FILE *file = fopen(path, "re");
    EXPECT_TRUE(file != NULL);
    EXPECT_EQ(LARGE_LEN, fread(got, 1, LARGE_LEN, file));
    (void)fclose(file);
    EXPECT_OK(memcmp(large, got, LARGE_LEN));
}

TEST(a_release_of_another_host_comes_whole_and_is_unpacked) {
    begin();
    const char *id = take_in(&hosts[0]);
    prepare(&hosts[1], record_of(&hosts[0], id));
    expect_whole(&hosts[1]);
    EXPECT_EQ(4, hosts[1].progress);
    end();
}

TEST(a_release_that_is_here_is_not_asked_for) {
    begin();
    const char *id = take_in(&hosts[0]);
    agent_fetching_attach(hosts[0].fetching, NULL, NULL); // in no cluster
    prepare(&hosts[0], record_of(&hosts[0], id));
    expect_whole(&hosts[0]);
    EXPECT_EQ(0, hosts[1].asked);
    end();
}

TEST(who_has_fetched_a_release_gives_it_on) {
    begin();
    const char *id = take_in(&hosts[0]);
    prepare(&hosts[1], record_of(&hosts[0], id));
    agent_fetching_attach(hosts[0].fetching, NULL, NULL); // it has left
    prepare(&hosts[2], record_of(&hosts[0], id));
    expect_whole(&hosts[2]);
    end();
}

TEST(a_chunk_that_is_damaged_where_it_lies_comes_from_another_host) {
    char command[512], hex[2 * DEPLOY_HASH_LEN + 1];
    begin();
    const char *id = take_in(&hosts[0]);
    prepare(&hosts[1], record_of(&hosts[0], id));
    deploy_hash hash = deploy_hash_of((mesh_bytes){large, DEPLOY_CHUNK_LEN});
    for (size_t i = 0; i < DEPLOY_HASH_LEN; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", hash.bytes[i]);
    (void)snprintf(
        command, sizeof command,
        "chmod u+w %.60s/releases/chunks/%.2s/%s && printf x > %.60s/releases/chunks/%.2s/%s",
        hosts[0].dir, hex, hex + 2, hosts[0].dir, hex, hex + 2);
    EXPECT_OK(system(command)); // NOLINT(cert-env33-c): a path of our own
    prepare(&hosts[2], record_of(&hosts[0], id));
    expect_whole(&hosts[2]);
    end();
}

TEST(what_nobody_of_the_cluster_has_signed_is_refused) {
    uint8_t forged[DEPLOY_RECORD_LEN_MAX];
    begin();
    const char *id = take_in(&hosts[0]);
    mesh_bytes record = record_of(&hosts[0], id);
    memcpy(forged, record.data, record.len);
    deploy_record opened;
    EXPECT_OK(deploy_record_open(record, NULL, &opened));
    deploy_signer stranger = {.chain_count = 0}; // a key of its own, without certificates
    memcpy(stranger.secret, hosts[0].member.signer.secret, sizeof stranger.secret);
    size_t len = deploy_record_sign(&opened, &stranger, forged);
    prepare(&hosts[1], (mesh_bytes){forged, len});
    EXPECT_FALSE(hosts[1].is_there);
    EXPECT_TRUE(strstr(hosts[1].text, "signed by no host of this cluster") != NULL);
    EXPECT_EQ(0, hosts[0].asked); // and nothing was fetched for it
    prepare(&hosts[1], (mesh_bytes){forged, 3});
    EXPECT_TEXT("what the store has of the release cannot be read: deploy it again", hosts[1].text);
    end();
}

TEST(a_host_without_a_cluster_says_where_it_could_come_from) {
    begin();
    const char *id = take_in(&hosts[0]);
    agent_fetching_attach(hosts[1].fetching, NULL, NULL);
    prepare(&hosts[1], record_of(&hosts[0], id));
    EXPECT_FALSE(hosts[1].is_there);
    EXPECT_TRUE(strstr(hosts[1].text, "deploy it from a command line here") != NULL);
    end();
}

TEST(what_is_cancelled_in_the_midst_calls_nobody_back) {
    begin();
    const char *id = take_in(&hosts[0]);
    start(&hosts[1], record_of(&hosts[0], id));
    while (hosts[1].progress == 0)
        uv_run(&loop, UV_RUN_ONCE);
    agent_prepare_cancel(hosts[1].preparing);
    hosts[1].preparing = NULL;
    prepare(&hosts[2], record_of(&hosts[0], id));
    expect_whole(&hosts[2]);
    EXPECT_FALSE(hosts[1].is_answered);
    end();
}
