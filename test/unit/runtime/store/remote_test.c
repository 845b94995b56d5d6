// A store of another host: what the suite says, over a link that a test can cut, stop and fill; and
// what only that can do.
#include "store/remote.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/error.h"
#include "core/mem.h"
#include "depot.h"
#include "store/hold.h"
#include "store/remote_wire.h"
#include "store/server.h"

static const uint8_t peer[STORE_SERVER_PEER_LEN] = {7};

typedef struct piece { // on its way
    struct piece *next;
    bool is_to_server;
    mesh_bytes bytes;
} piece;

typedef struct world {
    uv_loop_t *loop;
    uv_timer_t carrier;
    store_db *client, *db; // db: the host's own
    store_server *server;
    piece *first, **last;
    size_t queued[2];                // bytes to the client, to the server
    bool is_open, is_up, is_stopped; // stopped: nothing arrives
    bool is_old;                     // the other agent knows nothing of stores
    int to_server;                   // pieces that arrived there
    int cut_after; // so many more arrive at the client, then the link is cut; -1: none
    const char *refusal, *hidden;
} world;

static world w = {.cut_after = -1};
static depot d;
static depot_told told;

// ---- the link

static void carry_on(void);

static void drop_pieces(void) {
    for (piece *p; (p = w.first) != NULL;) {
        w.first = p->next;
        free((void *)(uintptr_t)p->bytes.data);
        free(p);
    }
    w.last = &w.first;
    w.queued[0] = w.queued[1] = 0;
}

static void cut(void) {
    if (!w.is_up) return;
    w.is_up = false;
    w.cut_after = -1;
    drop_pieces();
    if (w.server != NULL) store_server_gone(w.server, peer);
    if (w.client != NULL) store_remote_down(w.client, "its link was cut");
}

static void mend(void) {
    w.is_up = true;
    if (w.client != NULL) store_remote_up(w.client);
    carry_on();
}

static bool send_piece(bool is_to_server, mesh_bytes bytes) {
    if (!w.is_up) return false;
    piece *p = mem_alloc(sizeof *p);
    EXPECT_TRUE(bytes.len > 0 && bytes.len <= STORE_WIRE_PIECE_MAX);
    *p = (piece){.is_to_server = is_to_server,
                 .bytes = {mem_copy(bytes.data, bytes.len), bytes.len}};
    *w.last = p;
    w.last = &p->next;
    w.queued[is_to_server] += bytes.len;
    EXPECT_TRUE(w.queued[is_to_server] <= STORE_WIRE_QUEUED_MAX);
    carry_on();
    return true;
}

static void deliver(const piece *p) {
    if (p->is_to_server) {
        w.to_server++;
        if (!w.is_old) EXPECT_OK(store_server_receive(w.server, peer, p->bytes));
    } else if (w.client != NULL) {
        EXPECT_OK(store_remote_receive(w.client, p->bytes));
        if (w.cut_after > 0 && --w.cut_after == 0) cut();
    }
}

static void on_carry(uv_timer_t *timer) {
    (void)timer;
    piece *p = w.first;
    if (p == NULL || w.is_stopped) return;
    w.first = p->next;
    if (w.first == NULL) w.last = &w.first;
    w.queued[p->is_to_server] -= p->bytes.len;
    deliver(p);
    free((void *)(uintptr_t)p->bytes.data);
    free(p);
    carry_on();
}

static void carry_on(void) {
    if (w.first != NULL && !w.is_stopped) (void)uv_timer_start(&w.carrier, on_carry, 0, 0);
}

static void on_begin(uv_timer_t *timer) {
    (void)timer;
    mend();
}

static void attach(void *user, store_db *db) {
    (void)user;
    w.client = db;
    if (db != NULL) (void)uv_timer_start(&w.carrier, on_begin, 0, 0);
}

static bool to_server(void *user, mesh_bytes bytes) {
    (void)user;
    return send_piece(true, bytes);
}

static size_t queued_to_server(void *user) {
    (void)user;
    return w.queued[1];
}

static bool to_client(void *user, const uint8_t id[STORE_SERVER_PEER_LEN], mesh_bytes bytes) {
    (void)user;
    EXPECT_OK(memcmp(peer, id, sizeof peer));
    return send_piece(false, bytes);
}

static size_t queued_to_client(void *user, const uint8_t id[STORE_SERVER_PEER_LEN]) {
    (void)user;
    (void)id;
    return w.queued[0];
}

// ---- the host that has it

static store_db *own_db(void *user) {
    (void)user;
    return w.db;
}

static void start_host(void) {
    store_place place = depot_place("sqlite:/x");
    (void)snprintf(place.path, sizeof place.path, "%s", depot_path("store"));
    w.db = store_open(&(store_options){.loop = w.loop, .place = &place});
    w.server = store_server_create(&(store_server_options){.loop = w.loop,
                                                           .hidden = w.hidden,
                                                           .db = own_db,
                                                           .send = to_client,
                                                           .queued = queued_to_client});
    store_server_refuse(w.server, w.refusal);
}

static void stop_host(void) {
    store_server_stop(w.server);
    store_close(w.db, NULL, NULL);
    store_server_destroy(w.server);
    w.server = NULL;
    w.db = NULL;
}

const store_link *depot_link(uv_loop_t *loop) {
    static const store_link link = {
        .attach = attach, .send = to_server, .queued = queued_to_server};
    w.loop = loop;
    w.last = &w.first;
    uv_timer_init(loop, &w.carrier);
    start_host();
    w.is_open = true;
    return &link;
}

void depot_unlink(void) {
    if (!w.is_open) return;
    w.is_up = w.is_open = false;
    drop_pieces();
    stop_host();
    uv_close((uv_handle_t *)&w.carrier, NULL);
}

static void remove_files(void) {
    char command[400];
    (void)snprintf(command, sizeof command, "rm -rf '%s'*", depot_path("store"));
    (void)!system(command); // NOLINT(cert-env33-c): a path of our own
}

static void remove_directory(void) {
    char path[300];
    (void)snprintf(path, sizeof path, "%s", depot_path(""));
    path[strlen(path) - 1] = '\0';
    (void)rmdir(path);
}

const char *depot_begin(void) {
    static bool is_known;
    if (!is_known) atexit(remove_directory);
    is_known = true;
    return "host:ada";
}

void depot_end(void) {
    remove_files();
    w.is_stopped = w.is_old = false;
    w.refusal = w.hidden = NULL;
    w.to_server = 0;
    w.cut_after = -1;
}

static void begin(void) {
    depot_open(&d, depot_begin());
}

static void end(void) {
    w.is_stopped = false;
    depot_close(&d);
    depot_end();
}

static void stop_line(void) {
    w.is_stopped = true;
}

static void start_line(void) {
    w.is_stopped = false;
    carry_on();
}

// ---- away

TEST(while_the_host_is_away_a_request_waits_and_then_says_why) {
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    cut();
    EXPECT_FALSE(store_status_get(d.db)->is_reachable);
    EXPECT_ERROR(STORE_EUNREACHABLE, "the store of host ada cannot be asked: its link was cut",
                 depot_put(&d, "a", "2", 0));
    EXPECT_FALSE(d.answer.is_maybe_done); // it was never sent
    mend();
    EXPECT_TEXT("1", depot_get(&d, "a")->pairs[0].value);
    EXPECT_TRUE(store_status_get(d.db)->is_reachable);
    end();
}

TEST(a_request_that_waits_is_carried_out_when_the_host_comes_in_time) {
    static depot_answer answer;
    answer.count = 0;
    begin();
    cut();
    store_op op = {STORE_PUT, mesh_bytes_text("a"), mesh_bytes_text("1"), 0};
    store_commit(d.db, &(store_transaction){.ops = &op, .op_count = 1}, depot_on_answer, &answer);
    mend();
    depot_wait_answer(&d, &answer, 1);
    EXPECT_DONE(&answer);
    end();
}

TEST(a_change_on_its_way_when_the_link_ends_may_be_done_and_a_read_is_asked_again) {
    static depot_answer change, read;
    change.count = read.count = 0;
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    stop_line();
    store_op op = {STORE_PUT, mesh_bytes_text("a"), mesh_bytes_text("2"), 0};
    store_commit(d.db, &(store_transaction){.ops = &op, .op_count = 1}, depot_on_answer, &change);
    store_get(d.db, mesh_bytes_text("a"), depot_on_answer, &read);
    cut();
    EXPECT_EQ(1, change.count);
    EXPECT_EQ(STORE_EUNREACHABLE, change.error);
    EXPECT_TRUE(change.is_maybe_done);
    EXPECT_EQ(0, read.count);
    start_line();
    mend();
    depot_wait_answer(&d, &read, 1);
    EXPECT_TEXT("1", read.pairs[0].value);
    end();
}

TEST(what_was_given_up_before_it_was_sent_is_not_done_later) {
    static uint8_t large[STORE_VALUE_LEN_MAX];
    static depot_answer answers[12];
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    stop_line();
    for (size_t i = 0; i < 12; i++) { // more than fits on the line
        answers[i].count = 0;
        char key[2] = {(char)('b' + i), 0};
        store_op op = {STORE_PUT, mesh_bytes_text(key), {large, sizeof large}, 0};
        store_commit(d.db, &(store_transaction){.ops = &op, .op_count = 1}, depot_on_answer,
                     &answers[i]);
    }
    for (size_t i = 0; i < 12; i++)
        depot_wait_answer(&d, &answers[i], 1);
    EXPECT_TRUE(answers[0].is_maybe_done);
    EXPECT_FALSE(answers[11].is_maybe_done);
    EXPECT_TRUE(strstr(answers[0].sentence, "has not answered for 5 s") != NULL);
    start_line();
    EXPECT_EQ(0, depot_get(&d, "m")->pair_count); // the last
    EXPECT_EQ(1, depot_get(&d, "b")->pair_count);
    end();
}

TEST(a_host_whose_agent_knows_nothing_of_stores_is_named) {
    w.is_old = true;
    begin();
    EXPECT_ERROR(STORE_EUNREACHABLE, "host ada cannot be asked: its agent does not answer",
                 depot_get(&d, "a"));
    end();
}

TEST(a_host_that_keeps_its_store_to_itself_says_so) {
    w.refusal = "it is for that host alone";
    begin();
    EXPECT_ERROR(STORE_EUNREACHABLE, "host ada cannot be asked: it is for that host alone",
                 depot_get(&d, "a"));
    end();
}

TEST(what_the_host_keeps_to_itself_is_neither_read_nor_changed_nor_watched) {
    w.hidden = "secrets/";
    begin();
    EXPECT_DONE(depot_put(&d, "secret", "1", 0));
    EXPECT_ERROR(STORE_EDENIED, "of the host that has the store alone", depot_get(&d, "secrets/a"));
    EXPECT_ERROR(STORE_EDENIED, "alone", depot_put(&d, "secrets/a", "", 0));
    EXPECT_ERROR(STORE_EDENIED, "alone", depot_delete(&d, "secrets/a"));
    EXPECT_ERROR(STORE_EDENIED, "alone", depot_list(&d, "secrets/", "", 0));
    EXPECT_ERROR(STORE_EDENIED, "alone", depot_list(&d, "secrets/a", "", 0));
    EXPECT_ERROR(STORE_EDENIED, "alone", depot_list(&d, "s", "", 0));
    EXPECT_ERROR(STORE_EDENIED, "alone", depot_list(&d, "", "", 0));
    EXPECT_EQ(1,
              depot_list(&d, "secret0", "", 0)->pair_count + depot_get(&d, "secret")->pair_count);
    store_compare compare = {mesh_bytes_text("secrets/a"), STORE_CHANGED, 0};
    EXPECT_ERROR(STORE_EDENIED, "alone",
                 depot_commit(&d, &(store_transaction){.compares = &compare, .compare_count = 1}));
    depot_watch(&d, &told, "secrets", 0);
    depot_wait_error(&d, &told, STORE_EDENIED);
    end();
}

// ---- watches

static void put_on_host(const char *key, const char *value, size_t count) {
    static depot_answer answer;
    for (size_t i = 0; i < count; i++) {
        store_op op = {STORE_PUT, mesh_bytes_text(key), mesh_bytes_text(value), 0};
        answer.count = 0;
        store_commit(w.db, &(store_transaction){.ops = &op, .op_count = 1}, depot_on_answer,
                     &answer);
        depot_wait_answer(&d, &answer, 1);
        EXPECT_DONE(&answer);
    }
}

TEST(a_watch_is_told_once_what_came_while_the_link_was_down) {
    static const char *const texts[] = {"w/a=1", "w/a=2", "w/b=3"};
    begin();
    depot_watch(&d, &told, "w/", depot_now(&d));
    EXPECT_DONE(depot_put(&d, "w/a", "1", 0));
    depot_wait_told(&d, &told, 1);
    cut();
    put_on_host("w/a", "2", 1);
    mend();
    cut();
    mend();
    EXPECT_DONE(depot_put(&d, "w/b", "3", 0));
    depot_wait_told(&d, &told, 3);
    expect_told(&told, texts, 3);
    end();
}

// "PREFIX0000" and on, many in one transaction.
static void put_many(const char *prefix, size_t count, int64_t lease) {
    static char keys[STORE_OPS_MAX][24];
    static store_op ops[STORE_OPS_MAX];
    for (size_t done = 0; done < count;) {
        size_t n = 0;
        for (; n < STORE_OPS_MAX && done < count; n++, done++) {
            (void)snprintf(keys[n], sizeof keys[n], "%s%04zu", prefix, done);
            ops[n] = (store_op){STORE_PUT, mesh_bytes_text(keys[n]), mesh_bytes_text(""), lease};
        }
        EXPECT_DONE(depot_commit(&d, &(store_transaction){.ops = ops, .op_count = n}));
    }
}

// One revision with more changes than are told at once, and the link is cut between these.
TEST(a_watch_that_is_cut_in_the_midst_of_a_revision_is_told_each_change_once) {
    enum { COUNT = 2 * STORE_BATCH_MAX + 50 };
    static bool seen[COUNT];
    begin();
    EXPECT_DONE(depot_grant(&d, 60));
    int64_t lease = d.answer.lease;
    (void)memset(seen, 0, sizeof seen);
    put_many("m/", COUNT, lease);
    depot_watch(&d, &told, "m/", depot_now(&d));
    static depot_answer answer;
    answer.count = 0;
    w.cut_after = 1; // the first batch is one piece
    store_revoke(w.db, lease, depot_on_answer, &answer);
    depot_wait_answer(&d, &answer, 1);
    depot_wait_told(&d, &told, STORE_BATCH_MAX);
    EXPECT_FALSE(w.is_up);
    mend();
    depot_wait_told(&d, &told, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        size_t at = (size_t)atoi(told.texts[i] + 3);
        EXPECT_FALSE(seen[at]);
        seen[at] = true;
    }
    end();
}

TEST(a_watch_is_told_when_the_host_does_not_remember_that_far_back) {
    begin();
    depot_watch(&d, &told, "a", depot_now(&d));
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    depot_wait_told(&d, &told, 1);
    cut();
    store_db *remote = d.db;
    d.db = w.db;
    (void)depot_fill(&d, "f/", STORE_HISTORY_MAX + 500);
    d.db = remote;
    mend();
    depot_wait_error(&d, &told, STORE_ECOMPACTED);
    EXPECT_TRUE(strstr(told.sentence, "list again") != NULL);
    end();
}

TEST(a_watch_and_a_lease_outlive_the_agent_of_the_host) {
    static const char *const texts[] = {"r/a=1", "r/b=2"};
    begin();
    EXPECT_DONE(depot_grant(&d, 30));
    int64_t lease = d.answer.lease;
    depot_watch(&d, &told, "r/", depot_now(&d));
    EXPECT_DONE(depot_put(&d, "r/a", "1", lease));
    depot_wait_told(&d, &told, 1);
    cut();
    stop_host();
    start_host();
    mend();
    EXPECT_DONE(depot_keep(&d, lease));
    EXPECT_EQ(lease, depot_get(&d, "r/a")->pairs[0].lease);
    EXPECT_DONE(depot_put(&d, "r/b", "2", lease));
    depot_wait_told(&d, &told, 2);
    expect_told(&told, texts, 2);
    end();
}

typedef struct keeper {
    store_hold *hold;
    bool is_held, is_lost;
} keeper;

static void on_hold(const store_hold_news *news, void *user) {
    keeper *k = user;
    k->is_held = news->is_held;
    k->is_lost = !news->is_held;
}

static bool is_held(const depot *of, const void *what) {
    (void)of;
    return ((const keeper *)what)->is_held;
}

static bool is_lost(const depot *of, const void *what) {
    (void)of;
    return ((const keeper *)what)->is_lost;
}

TEST(a_hold_goes_on_through_a_short_cut_and_is_lost_in_a_long_one) {
    keeper k = {.hold = NULL};
    begin();
    k.hold = store_hold_open(d.db, STORE_TTL_MIN_S, on_hold, &k);
    depot_wait(&d, is_held, &k);
    for (int i = 0; i < 5; i++) {
        cut();
        mend();
        EXPECT_DONE(depot_put(&d, "a", "", 0));
    }
    EXPECT_TRUE(store_hold_is_valid(k.hold));
    cut();
    depot_wait(&d, is_lost, &k); // before the host ends the lease
    EXPECT_FALSE(store_hold_is_valid(k.hold));
    store_hold_close(k.hold);
    end();
}

static bool is_paused(const depot *of, const void *what) {
    (void)of;
    (void)what;
    return w.queued[0] + STORE_WIRE_PIECE_MAX > STORE_WIRE_QUEUED_MAX;
}

TEST(a_host_that_reads_slowly_is_told_all_of_it_later) {
    enum { COUNT = 150 };
    static char value[60000];
    memset(value, 'v', sizeof value - 1);
    begin();
    depot_watch(&d, &told, "s/", depot_now(&d));
    (void)depot_now(&d); // the watch is open there
    stop_line();
    store_db *remote = d.db;
    d.db = w.db;
    for (int i = 0; i < COUNT; i++) {
        char key[24];
        (void)snprintf(key, sizeof key, "s/%05d", i);
        EXPECT_DONE(depot_put(&d, key, value, 0));
    }
    depot_wait(&d, is_paused, NULL);
    d.db = remote;
    // One batch may be told when it is nearly too much.
    EXPECT_TRUE(store_server_waiting(w.server, peer) <=
                STORE_SERVER_BEHIND_MAX + STORE_BATCH_LEN_MAX + 2 * STORE_VALUE_LEN_MAX);
    start_line();
    depot_wait_told(&d, &told, COUNT);
    end();
}

// ---- bounds

TEST(a_host_has_so_many_leases_and_no_more) {
    begin();
    for (int i = 0; i < STORE_SERVER_LEASES_MAX; i++)
        EXPECT_DONE(depot_grant(&d, 60));
    int64_t lease = d.answer.lease;
    EXPECT_ERROR(STORE_EFULL, "has 256 leases of the store already", depot_grant(&d, 60));
    cut();
    mend();
    EXPECT_ERROR(STORE_EFULL, "256 leases", depot_grant(&d, 60));
    EXPECT_DONE(depot_revoke(&d, lease));
    EXPECT_DONE(depot_grant(&d, 60));
    end();
}

TEST(changes_that_wait_for_the_host_are_bounded_in_bytes) {
    static uint8_t large[STORE_VALUE_LEN_MAX];
    static depot_answer answers[200];
    int refused = 0;
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    stop_line();
    for (size_t i = 0; i < 200; i++) {
        answers[i].count = 0;
        store_op op = {STORE_PUT, mesh_bytes_text("large"), {large, sizeof large}, 0};
        store_commit(d.db, &(store_transaction){.ops = &op, .op_count = 1}, depot_on_answer,
                     &answers[i]);
    }
    start_line();
    for (size_t i = 0; i < 200; i++) {
        depot_wait_answer(&d, &answers[i], 1);
        refused += answers[i].error == STORE_EFULL;
    }
    EXPECT_TRUE(refused >= 60 && refused < 100);
    EXPECT_TRUE(strstr(answers[199].sentence, "changes of more than 8 MiB wait") != NULL);
    end();
}

static bool is_refused(const char *bytes, size_t len) {
    return store_server_receive(w.server, peer, (mesh_bytes){(const uint8_t *)bytes, len}) != 0;
}

TEST(what_cannot_be_read_closes_the_link) {
    static char large[STORE_WIRE_PIECE_MAX];
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    EXPECT_TRUE(is_refused("", 0));
    EXPECT_TRUE(is_refused("\0", 1));
    EXPECT_TRUE(is_refused("\4x", 2));
    EXPECT_TRUE(is_refused("\0junk", 5));
    large[0] = 1;
    size_t taken = 0;
    cut();
    for (; !is_refused(large, sizeof large); taken += sizeof large - 1)
        EXPECT_TRUE(taken <= STORE_WIRE_LEN_MAX);
    store_server_gone(w.server, peer); // as the driver does
    mend();
    EXPECT_TEXT("1", depot_get(&d, "a")->pairs[0].value);
    end();
}
