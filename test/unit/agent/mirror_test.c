#include "agent/mirror.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "depot.h"

static depot d;
static char news[65536]; // "key=value ", "-key ", "| " where all of it was told
static agent_mirror *mirror;
static bool forgets; // when the first page is there, the store forgets what comes before the next

// The kind of depot.h: by itself.
const store_link *depot_link(uv_loop_t *loop) {
    (void)loop;
    return NULL;
}

void depot_unlink(void) {}

static void on_forgotten(const store_answer *answer, void *user) {
    (void)user;
    EXPECT_EQ(0, answer->error);
}

// a/00000 goes, and more changes follow than the store remembers.
static void forget(void) {
    char keys[STORE_OPS_MAX][8];
    store_op ops[STORE_OPS_MAX], gone = {.kind = STORE_DELETE, .key = mesh_bytes_text("a/00000")};
    store_commit(d.db, &(store_transaction){.ops = &gone, .op_count = 1}, on_forgotten, NULL);
    for (size_t i = 0; i < STORE_OPS_MAX; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "b/%zu", i);
        ops[i] = (store_op){STORE_PUT, mesh_bytes_text(keys[i]), mesh_bytes_text("x"), 0};
    }
    for (size_t count = 0; count <= STORE_HISTORY_MAX; count += STORE_OPS_MAX)
        store_commit(d.db, &(store_transaction){.ops = ops, .op_count = STORE_OPS_MAX},
                     on_forgotten, NULL);
}

static void on_pair(const agent_mirror_pair *pair, bool is_gone, void *user) {
    (void)user;
    if (forgets) forget();
    forgets = false;
    size_t len = strlen(news);
    if (is_gone)
        (void)snprintf(news + len, sizeof news - len, "-%.*s ", (int)pair->key.len,
                       (const char *)pair->key.data);
    else
        (void)snprintf(news + len, sizeof news - len, "%.*s=%.*s ", (int)pair->key.len,
                       (const char *)pair->key.data, (int)pair->value.len,
                       (const char *)pair->value.data);
}

static void on_settled(void *user) {
    (void)user;
    (void)strcat(news, "| "); // NOLINT(clang-analyzer-security.insecureAPI.strcpy)
}

static bool is_told(const depot *of, const void *what) {
    (void)of;
    return strcmp(news, what) == 0;
}

static bool is_whole(const depot *of, const void *what) {
    (void)of;
    return agent_mirror_is_whole(what);
}

static void wait_for(const char *text) {
    depot_wait(&d, is_told, text);
    news[0] = '\0';
}

static void remove_directory(void) {
    (void)rmdir(depot_path(""));
}

static void begin(void) {
    static bool is_begun;
    if (!is_begun) (void)atexit(remove_directory);
    is_begun = true;
    char place[256];
    (void)snprintf(place, sizeof place, "sqlite:%s", depot_path("mirror.db"));
    (void)unlink(depot_path("mirror.db"));
    depot_open(&d, place);
    news[0] = '\0';
}

static void look(const char *prefix) {
    mirror = agent_mirror_create(&(agent_mirror_options){.loop = &d.loop,
                                                         .db = d.db,
                                                         .prefix = prefix,
                                                         .on_pair = on_pair,
                                                         .on_settled = on_settled});
}

// The loop ends when the mirror has: nothing of it is left behind.
static void end(void) {
    store_close(d.db, NULL, NULL);
    agent_mirror_destroy(mirror);
    uv_close((uv_handle_t *)&d.limit, NULL);
    uv_run(&d.loop, UV_RUN_DEFAULT);
    EXPECT_OK(uv_loop_close(&d.loop));
    (void)unlink(depot_path("mirror.db"));
}

static void count(const agent_mirror_pair *pair, void *user) {
    (void)pair;
    ++*(size_t *)user;
}

TEST(it_has_what_the_store_had_and_follows_what_becomes_of_it) {
    begin();
    depot_put(&d, "a/1", "one", 0);
    depot_put(&d, "b/1", "other", 0);
    look("a/");
    wait_for("a/1=one | ");
    EXPECT_TRUE(agent_mirror_is_whole(mirror));
    depot_put(&d, "a/2", "two", 0);
    depot_put(&d, "b/2", "other", 0);
    depot_put(&d, "a/1", "uno", 0);
    depot_delete(&d, "a/2");
    wait_for("a/2=two | a/1=uno | -a/2 | ");
    const agent_mirror_pair *pair = agent_mirror_get(mirror, "a/1");
    EXPECT_BYTES("uno", pair->value);
    EXPECT_EQ(depot_get(&d, "a/1")->pairs[0].created, pair->created);
    EXPECT_EQ(depot_get(&d, "a/1")->pairs[0].changed, pair->changed);
    EXPECT_TRUE(agent_mirror_get(mirror, "a/2") == NULL);
    end();
}

TEST(more_than_one_page_is_read_whole) {
    enum { MANY = 3 * STORE_PAGE_MAX + 7 };
    size_t counted = 0;
    begin();
    depot_fill(&d, "a/", MANY);
    look("a/");
    depot_wait(&d, is_whole, mirror);
    agent_mirror_each(mirror, "a/", count, &counted);
    EXPECT_EQ(MANY, counted);
    counted = 0;
    agent_mirror_each(mirror, "a/0000", count, &counted);
    EXPECT_EQ(10, counted);
    EXPECT_BYTES("a/00390", agent_mirror_get(mirror, "a/00390")->key);
    end();
}

static bool is_read_twice(const depot *of, const void *what) {
    (void)of;
    return agent_mirror_readings(what) == 2;
}

TEST(what_the_store_has_forgotten_before_the_watch_asks_for_it_is_read_anew) {
    begin();
    depot_fill(&d, "a/", 2 * (size_t)STORE_PAGE_MAX);
    forgets = true;
    look("a/");
    depot_wait(&d, is_whole, mirror);
    EXPECT_TRUE(agent_mirror_get(mirror, "a/00000") != NULL); // it was there on the first page
    depot_wait(&d, is_read_twice, mirror);
    EXPECT_TRUE(agent_mirror_get(mirror, "a/00000") == NULL);
    EXPECT_TRUE(strstr(news, "-a/00000 ") != NULL);
    news[0] = '\0';
    depot_put(&d, "a/00001", "new", 0);
    wait_for("a/00001=new | "); // and is followed again
    end();
}

TEST(all_changes_of_one_transaction_are_told_before_it_has_settled) {
    begin();
    look("a/");
    wait_for("| ");
    store_op ops[] = {
        {.kind = STORE_PUT, .key = mesh_bytes_text("a/1"), .value = mesh_bytes_text("x")},
        {.kind = STORE_PUT, .key = mesh_bytes_text("a/2"), .value = mesh_bytes_text("y")}};
    depot_commit(&d, &(store_transaction){.ops = ops, .op_count = 2});
    wait_for("a/1=x a/2=y | ");
    end();
}
