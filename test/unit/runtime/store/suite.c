// What every kind of store does.
#include <stdlib.h>

#include "depot.h"
#include "store/hold.h"

static depot d;
static depot_told told, more;

static void begin(void) {
    depot_open(&d, depot_begin());
}

static void end(void) {
    depot_close(&d);
    depot_end();
}

static store_op put_op(const char *key, const char *value) {
    return (store_op){STORE_PUT, mesh_bytes_text(key), mesh_bytes_text(value), 0};
}

static store_op delete_op(const char *key) {
    return (store_op){.kind = STORE_DELETE, .key = mesh_bytes_text(key)};
}

static const depot_answer *commit_if(const char *key, store_revision_kind kind, int64_t revision,
                                     store_op op) {
    store_compare compare = {mesh_bytes_text(key), kind, revision};
    return depot_commit(&d, &(store_transaction){&compare, 1, &op, 1});
}

// ---- pairs

TEST(what_was_put_is_read) {
    begin();
    EXPECT_EQ(0, depot_get(&d, "a")->pair_count);
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    int64_t first = d.answer.revision;
    EXPECT_TRUE(first > 0);
    EXPECT_EQ(1, depot_get(&d, "a")->pair_count);
    EXPECT_TEXT("1", d.answer.pairs[0].value);
    EXPECT_EQ(first, d.answer.pairs[0].created);
    EXPECT_EQ(first, d.answer.pairs[0].changed);
    EXPECT_TRUE(d.answer.revision >= first);
    end();
}

TEST(revisions_grow_and_a_key_that_is_made_again_is_created_later) {
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    int64_t first = d.answer.revision;
    EXPECT_DONE(depot_put(&d, "a", "2", 0));
    int64_t second = d.answer.revision;
    EXPECT_TRUE(second > first);
    EXPECT_EQ(first, depot_get(&d, "a")->pairs[0].created);
    EXPECT_EQ(second, d.answer.pairs[0].changed);
    EXPECT_DONE(depot_delete(&d, "a"));
    EXPECT_TRUE(d.answer.revision > second);
    EXPECT_EQ(0, depot_get(&d, "a")->pair_count);
    EXPECT_DONE(depot_put(&d, "a", "3", 0));
    EXPECT_TRUE(depot_get(&d, "a")->pairs[0].created > second);
    end();
}

static uint8_t large[STORE_VALUE_LEN_MAX + 1];
static uint8_t got[STORE_VALUE_LEN_MAX];
static size_t got_len;

static void on_large(const store_answer *answer, void *user) {
    EXPECT_EQ(1, answer->pair_count);
    got_len = answer->pairs[0].value.len;
    memcpy(got, answer->pairs[0].value.data, got_len);
    ((depot_answer *)user)->count++;
}

TEST(a_key_and_a_value_have_any_bytes_up_to_their_bounds) {
    begin();
    uint8_t key[STORE_KEY_LEN_MAX];
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(255 - i);
    store_op op = {STORE_PUT, {key, sizeof key}, {large, STORE_VALUE_LEN_MAX}, 0};
    EXPECT_DONE(depot_commit(&d, &(store_transaction){.ops = &op, .op_count = 1}));
    d.answer.count = 0;
    store_get(d.db, op.key, on_large, &d.answer);
    depot_wait_answer(&d, &d.answer, 1);
    EXPECT_EQ(STORE_VALUE_LEN_MAX, got_len);
    EXPECT_OK(memcmp(large, got, got_len));
    EXPECT_DONE(depot_put(&d, "empty", "", 0));
    EXPECT_EQ(1, depot_get(&d, "empty")->pair_count);
    EXPECT_EQ(0, d.answer.pairs[0].value_len);
    end();
}

TEST(a_list_has_the_keys_of_its_prefix_in_order_page_by_page) {
    begin();
    depot_fill(&d, "b/", 200);
    EXPECT_DONE(depot_put(&d, "b", "", 0));
    EXPECT_DONE(depot_put(&d, "b0", "", 0));
    EXPECT_DONE(depot_put(&d, "a/", "", 0));
    EXPECT_DONE(depot_put(&d, "b/\xff", "", 0));
    EXPECT_EQ(STORE_PAGE_MAX, depot_list(&d, "b/", "", 0)->pair_count);
    EXPECT_TRUE(d.answer.has_more);
    EXPECT_TEXT("b/00000", d.answer.pairs[0].key);
    EXPECT_TEXT("b/00127", d.answer.pairs[127].key);
    EXPECT_EQ(73, depot_list(&d, "b/", "b/00127", 0)->pair_count);
    EXPECT_FALSE(d.answer.has_more);
    EXPECT_TEXT("b/00128", d.answer.pairs[0].key);
    EXPECT_TEXT("b/\xff", d.answer.pairs[72].key);
    EXPECT_EQ(2, depot_list(&d, "", "", 2)->pair_count);
    EXPECT_TEXT("a/", d.answer.pairs[0].key);
    EXPECT_TEXT("b", d.answer.pairs[1].key);
    EXPECT_TRUE(d.answer.has_more);
    EXPECT_EQ(0, depot_list(&d, "c", "", 0)->pair_count);
    EXPECT_EQ(1, depot_list(&d, "", "b/\xff", 0)->pair_count);
    EXPECT_TEXT("b0", d.answer.pairs[0].key);
    end();
}

// ---- transactions

TEST(a_transaction_is_done_whole_in_one_revision_or_not_at_all) {
    begin();
    store_op ops[] = {put_op("a", "1"), put_op("b", "2"), delete_op("nothing")};
    EXPECT_DONE(depot_commit(&d, &(store_transaction){.ops = ops, .op_count = 3}));
    int64_t revision = d.answer.revision;
    EXPECT_EQ(revision, depot_get(&d, "a")->pairs[0].changed);
    EXPECT_EQ(revision, depot_get(&d, "b")->pairs[0].changed);
    store_compare compares[] = {{mesh_bytes_text("a"), STORE_CHANGED, revision},
                                {mesh_bytes_text("b"), STORE_CHANGED, revision + 1}};
    store_op wrong[] = {put_op("a", "x"), delete_op("b"), put_op("c", "x")};
    const depot_answer *answer = depot_commit(&d, &(store_transaction){compares, 2, wrong, 3});
    EXPECT_EQ(STORE_ECONFLICT, answer->error);
    EXPECT_FALSE(answer->is_maybe_done);
    EXPECT_EQ(2, depot_list(&d, "", "", 0)->pair_count);
    EXPECT_EQ(revision, d.answer.revision);
    EXPECT_TEXT("1", d.answer.pairs[0].value);
    end();
}

TEST(a_transaction_compares_when_a_key_was_changed_and_when_it_was_created) {
    begin();
    EXPECT_EQ(STORE_ECONFLICT, commit_if("a", STORE_CHANGED, 1, put_op("a", "1"))->error);
    EXPECT_DONE(commit_if("a", STORE_CHANGED, 0, put_op("a", "1")));
    int64_t first = d.answer.revision;
    EXPECT_EQ(STORE_ECONFLICT, commit_if("a", STORE_CREATED, 0, put_op("a", "2"))->error);
    EXPECT_DONE(commit_if("a", STORE_CHANGED, first, put_op("a", "2")));
    int64_t second = d.answer.revision;
    EXPECT_EQ(STORE_ECONFLICT, commit_if("a", STORE_CHANGED, first, put_op("a", "3"))->error);
    EXPECT_DONE(commit_if("a", STORE_CREATED, first, put_op("b", "1")));
    EXPECT_DONE(commit_if("a", STORE_CHANGED, second, delete_op("a")));
    EXPECT_EQ(STORE_ECONFLICT, commit_if("a", STORE_CREATED, first, put_op("b", "2"))->error);
    end();
}

TEST(to_delete_what_is_not_there_changes_nothing) {
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    int64_t revision = d.answer.revision;
    EXPECT_DONE(depot_delete(&d, "b"));
    EXPECT_EQ(revision, d.answer.revision);
    EXPECT_EQ(revision, depot_get(&d, "b")->revision);
    end();
}

TEST(a_transaction_without_changes_asks_whether_something_is_so) {
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    store_compare compare = {mesh_bytes_text("a"), STORE_CHANGED, d.answer.revision};
    EXPECT_DONE(depot_commit(&d, &(store_transaction){&compare, 1, NULL, 0}));
    compare.revision = 0;
    EXPECT_EQ(STORE_ECONFLICT, depot_commit(&d, &(store_transaction){&compare, 1, NULL, 0})->error);
    end();
}

// Many that count up one number at the same time: each reads, and puts when nobody did meanwhile.
enum { COUNTERS = 8, COUNTS = 10 };

typedef struct counter {
    int left, number;
    char text[16];
} counter;

static int counting;

static void count_on(counter *c);

static void on_counted(const store_answer *answer, void *user) {
    counter *c = user;
    EXPECT_TRUE(answer->error == 0 || answer->error == STORE_ECONFLICT);
    if (answer->error == 0) c->left--;
    count_on(c);
}

static void on_number(const store_answer *answer, void *user) {
    counter *c = user;
    int64_t changed = 0;
    int number = 0;
    EXPECT_EQ(0, answer->error);
    if (answer->pair_count == 1) {
        changed = answer->pairs[0].changed;
        char text[16];
        (void)snprintf(text, sizeof text, "%.*s", (int)answer->pairs[0].value.len,
                       (const char *)answer->pairs[0].value.data);
        number = atoi(text);
    }
    (void)snprintf(c->text, sizeof c->text, "%d", number + 1);
    store_compare compare = {mesh_bytes_text("n"), STORE_CHANGED, changed};
    store_op op = put_op("n", c->text);
    store_commit(d.db, &(store_transaction){&compare, 1, &op, 1}, on_counted, c);
}

static void count_on(counter *c) {
    if (c->left > 0)
        store_get(d.db, mesh_bytes_text("n"), on_number, c);
    else
        counting--;
}

static bool is_counted(const depot *of, const void *what) {
    (void)of;
    (void)what;
    return counting == 0;
}

TEST(no_count_is_lost_of_many_that_count_at_once) {
    static counter counters[COUNTERS];
    begin();
    counting = COUNTERS;
    for (int i = 0; i < COUNTERS; i++) {
        counters[i].left = COUNTS;
        count_on(&counters[i]);
    }
    depot_wait(&d, is_counted, NULL);
    char text[16];
    (void)snprintf(text, sizeof text, "%d", COUNTERS * COUNTS);
    EXPECT_TEXT(text, depot_get(&d, "n")->pairs[0].value);
    end();
}

// ---- bounds

TEST(what_is_over_a_bound_is_refused_and_nothing_is_done) {
    static store_op ops[STORE_OPS_MAX + 1];
    static char keys[STORE_OPS_MAX + 1][16];
    char key[STORE_KEY_LEN_MAX + 2];
    begin();
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    EXPECT_ERROR(STORE_ETOOLARGE, "a key of the store has at most 512 bytes", depot_get(&d, key));
    EXPECT_ERROR(STORE_EINVAL, "at least one byte", depot_get(&d, ""));
    EXPECT_ERROR(STORE_ETOOLARGE, "shorten it", depot_put(&d, key, "", 0));
    EXPECT_ERROR(STORE_ETOOLARGE, "shorten it", depot_list(&d, key, "", 0));
    ops[0] = (store_op){STORE_PUT, mesh_bytes_text("v"), {large, STORE_VALUE_LEN_MAX + 1}, 0};
    store_transaction t = {.ops = ops, .op_count = 1};
    EXPECT_ERROR(STORE_ETOOLARGE, "that of 'v' has 65537: split it", depot_commit(&d, &t));
    for (size_t i = 0; i <= STORE_OPS_MAX; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "%zu", i);
        ops[i] = put_op(keys[i], "");
    }
    t.op_count = STORE_OPS_MAX + 1;
    EXPECT_ERROR(STORE_ETOOLARGE, "at most 128 comparisons and 128 changes", depot_commit(&d, &t));
    for (size_t i = 0; i < 17; i++)
        ops[i].value = (mesh_bytes){large, STORE_VALUE_LEN_MAX};
    t.op_count = 17;
    EXPECT_ERROR(STORE_ETOOLARGE, "at most 1048576 bytes", depot_commit(&d, &t));
    ops[0] = put_op("twice", "1");
    ops[1] = delete_op("twice");
    t.op_count = 2;
    EXPECT_ERROR(STORE_EINVAL, "changes 'twice' twice", depot_commit(&d, &t));
    EXPECT_ERROR(STORE_EINVAL, "a lease lasts from 2 to 3600 seconds", depot_grant(&d, 1));
    EXPECT_EQ(0, depot_list(&d, "", "", 0)->pair_count);
    end();
}

TEST(the_largest_transaction_is_done) {
    static store_op ops[STORE_OPS_MAX];
    static char keys[STORE_OPS_MAX][16];
    begin();
    for (size_t i = 0; i < STORE_OPS_MAX; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "%08zu", i);
        ops[i] = put_op(keys[i], "");
        ops[i].value = (mesh_bytes){large, STORE_TRANSACTION_LEN_MAX / STORE_OPS_MAX - 8};
    }
    EXPECT_DONE(depot_commit(&d, &(store_transaction){.ops = ops, .op_count = STORE_OPS_MAX}));
    EXPECT_EQ(STORE_OPS_MAX, depot_list(&d, "", "", 0)->pair_count);
    end();
}

TEST(too_many_requests_at_once_are_refused_and_the_others_answered) {
    static depot_answer answers[STORE_REQUESTS_MAX + 10];
    int refused = 0;
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    for (size_t i = 0; i < STORE_REQUESTS_MAX + 10; i++)
        store_get(d.db, mesh_bytes_text("a"), depot_on_answer, &answers[i]);
    for (size_t i = 0; i < STORE_REQUESTS_MAX + 10; i++) {
        depot_wait_answer(&d, &answers[i], 1);
        refused += answers[i].error == STORE_EFULL;
    }
    EXPECT_TRUE(refused >= 10 && refused < 20);
    EXPECT_TEXT("1", depot_get(&d, "a")->pairs[0].value);
    end();
}

// ---- watches

TEST(a_watch_is_told_every_change_of_its_prefix_once_and_in_order) {
    static const char *const texts[] = {"w/a=1", "w/b=2", "w/a=3", "-w/b", "w/c=4", "w/d=5"};
    begin();
    EXPECT_DONE(depot_put(&d, "w/before", "0", 0));
    depot_watch(&d, &told, "w/", d.answer.revision);
    EXPECT_DONE(depot_put(&d, "w/a", "1", 0));
    EXPECT_DONE(depot_put(&d, "x", "0", 0));
    EXPECT_DONE(depot_put(&d, "w/b", "2", 0));
    EXPECT_DONE(depot_put(&d, "w/a", "3", 0));
    EXPECT_DONE(depot_delete(&d, "w/b"));
    store_op ops[] = {put_op("w/c", "4"), put_op("v", "0"), put_op("w/d", "5")};
    EXPECT_DONE(depot_commit(&d, &(store_transaction){.ops = ops, .op_count = 3}));
    depot_wait_told(&d, &told, 6);
    expect_told(&told, texts, 6);
    EXPECT_EQ(told.revisions[4], told.revisions[5]);
    end();
}

TEST(a_watch_from_an_earlier_revision_is_told_what_came_since) {
    static const char *const texts[] = {"a=2", "b=3", "a=4"};
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    int64_t first = d.answer.revision;
    EXPECT_DONE(depot_put(&d, "a", "2", 0));
    EXPECT_DONE(depot_put(&d, "b", "3", 0));
    depot_watch(&d, &told, "", first);
    depot_watch(&d, &more, "b", first);
    EXPECT_DONE(depot_put(&d, "a", "4", 0));
    depot_wait_told(&d, &told, 3);
    expect_told(&told, texts, 3);
    depot_wait_told(&d, &more, 1);
    expect_told(&more, texts + 1, 1);
    end();
}

TEST(a_watch_is_told_more_changes_than_fit_into_one_message) {
    enum { COUNT = 3 * STORE_BATCH_MAX };
    char text[64];
    begin();
    depot_watch(&d, &told, "f/", depot_now(&d));
    depot_fill(&d, "f/", COUNT);
    depot_wait_told(&d, &told, COUNT);
    for (size_t i = 0; i < told.count; i++) {
        (void)snprintf(text, sizeof text, "f/%05zu=f/%05zu", i, i);
        EXPECT_TEXT(text, told.texts[i]);
    }
    end();
}

TEST(a_watch_that_is_closed_from_its_own_call_is_told_nothing_more) {
    begin();
    more.closes_itself = true;
    depot_watch(&d, &more, "a", depot_now(&d));
    depot_watch(&d, &told, "a", depot_now(&d));
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    depot_wait_told(&d, &more, 1);
    more.closes_itself = false;
    EXPECT_DONE(depot_put(&d, "a", "2", 0));
    depot_wait_told(&d, &told, 2);
    EXPECT_EQ(1, more.count);
    end();
}

TEST(two_watches_of_the_same_keys_are_told_the_same) {
    static const char *const texts[] = {"a=1"};
    begin();
    depot_watch(&d, &told, "", depot_now(&d));
    depot_watch(&d, &more, "", depot_now(&d));
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    depot_wait_told(&d, &told, 1);
    depot_wait_told(&d, &more, 1);
    expect_told(&told, texts, 1);
    expect_told(&more, texts, 1);
    end();
}

// ---- leases

TEST(with_a_lease_goes_what_it_bound) {
    static const char *const texts[] = {"l/a=1", "l/b=2", "l/b=3", "-l/a"};
    begin();
    depot_watch(&d, &told, "l/", depot_now(&d));
    EXPECT_DONE(depot_grant(&d, 60));
    int64_t lease = d.answer.lease;
    EXPECT_TRUE(lease > 0 && d.answer.ttl_s >= 60);
    EXPECT_DONE(depot_put(&d, "l/a", "1", lease));
    EXPECT_EQ(lease, depot_get(&d, "l/a")->pairs[0].lease);
    EXPECT_DONE(depot_put(&d, "l/b", "2", lease));
    EXPECT_DONE(depot_put(&d, "l/b", "3", 0)); // no longer bound
    EXPECT_DONE(depot_keep(&d, lease));
    EXPECT_TRUE(d.answer.ttl_s >= 60);
    EXPECT_DONE(depot_revoke(&d, lease));
    EXPECT_EQ(0, depot_get(&d, "l/a")->pair_count);
    EXPECT_EQ(1, depot_get(&d, "l/b")->pair_count);
    depot_wait_told(&d, &told, 4);
    expect_told(&told, texts, 4);
    EXPECT_ERROR(STORE_EGONE, "has ended", depot_keep(&d, lease));
    EXPECT_ERROR(STORE_EGONE, "has ended", depot_revoke(&d, lease));
    EXPECT_ERROR(STORE_EGONE, "has ended", depot_put(&d, "l/c", "", lease));
    EXPECT_EQ(0, depot_get(&d, "l/c")->pair_count);
    end();
}

TEST(a_lease_that_nobody_keeps_ends_and_the_next_holder_has_a_larger_token) {
    begin();
    EXPECT_DONE(depot_grant(&d, STORE_TTL_MIN_S));
    EXPECT_DONE(depot_put(&d, "lock", "one", d.answer.lease));
    int64_t token = d.answer.revision;
    EXPECT_EQ(STORE_ECONFLICT, commit_if("lock", STORE_CREATED, 0, put_op("lock", "two"))->error);
    depot_watch(&d, &told, "lock", token);
    depot_wait_told(&d, &told, 1);
    EXPECT_TEXT("-lock", told.texts[0]);
    EXPECT_DONE(commit_if("lock", STORE_CREATED, 0, put_op("lock", "two")));
    EXPECT_TRUE(depot_get(&d, "lock")->pairs[0].created > token);
    // What the first holder does with its token is refused now.
    EXPECT_EQ(STORE_ECONFLICT, commit_if("lock", STORE_CREATED, token, put_op("x", ""))->error);
    end();
}

typedef struct keeper { // what a hold has said
    store_hold *hold;
    int64_t lease;
    bool is_lost;
    char sentence[STORE_SENTENCE_LEN_MAX + 1];
} keeper;

static void on_hold(const store_hold_news *news, void *user) {
    keeper *k = user;
    k->lease = news->lease;
    k->is_lost = !news->is_held;
    (void)snprintf(k->sentence, sizeof k->sentence, "%s", news->sentence);
}

static bool is_held(const depot *of, const void *what) {
    (void)of;
    return ((const keeper *)what)->lease != 0;
}

static bool is_lost(const depot *of, const void *what) {
    (void)of;
    return ((const keeper *)what)->is_lost;
}

static void hold(keeper *k, uint32_t ttl_s) {
    *k = (keeper){.hold = store_hold_open(d.db, ttl_s, on_hold, k)};
    depot_wait(&d, is_held, k);
    EXPECT_TRUE(store_hold_is_valid(k->hold));
}

TEST(a_lease_that_is_held_outlives_one_that_is_not) {
    keeper k;
    begin();
    depot_watch(&d, &told, "h/", depot_now(&d));
    hold(&k, STORE_TTL_MIN_S);
    EXPECT_DONE(depot_put(&d, "h/held", "", k.lease));
    for (size_t i = 0; i < 2; i++) { // twice as long as it was asked for
        EXPECT_DONE(depot_grant(&d, STORE_TTL_MIN_S));
        EXPECT_DONE(depot_put(&d, "h/other", "", d.answer.lease));
        depot_wait_told(&d, &told, 3 + 2 * i);
    }
    EXPECT_TEXT("-h/other", told.texts[4]);
    EXPECT_FALSE(k.is_lost);
    store_hold_close(k.hold);
    depot_wait_told(&d, &told, 6); // at once
    EXPECT_TEXT("-h/held", told.texts[5]);
    end();
}

TEST(a_hold_is_told_that_another_has_ended_its_lease) {
    keeper k;
    begin();
    hold(&k, STORE_TTL_MIN_S);
    EXPECT_DONE(depot_revoke(&d, k.lease));
    depot_wait(&d, is_lost, &k);
    EXPECT_FALSE(store_hold_is_valid(k.hold));
    EXPECT_TRUE(strstr(k.sentence, "has ended") != NULL);
    store_hold_close(k.hold);
    end();
}

TEST(a_hold_that_cannot_be_had_is_told_why) {
    keeper k = {.hold = NULL};
    begin();
    k.hold = store_hold_open(d.db, 1, on_hold, &k);
    depot_wait(&d, is_lost, &k);
    EXPECT_TRUE(strstr(k.sentence, "a lease lasts from 2") != NULL);
    end(); // which closes it
}

// ---- its life

TEST(a_store_that_answers_is_reachable) {
    begin();
    EXPECT_FALSE(store_status_get(d.db)->is_reachable);
    EXPECT_TEXT("it has not answered yet", store_status_get(d.db)->sentence);
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    EXPECT_TRUE(store_status_get(d.db)->is_reachable);
    EXPECT_TEXT("", store_status_get(d.db)->sentence);
    EXPECT_EQ(d.answer.revision, store_status_get(d.db)->revision);
    end();
}

TEST(a_store_that_is_closed_in_the_midst_calls_nobody_back) {
    static depot_answer answers[10];
    begin();
    depot_watch(&d, &told, "", depot_now(&d));
    for (size_t i = 0; i < 10; i++)
        store_get(d.db, mesh_bytes_text("a"), depot_on_answer, &answers[i]);
    end();
    for (size_t i = 0; i < 10; i++)
        EXPECT_EQ(0, answers[i].count);
}

static void on_answer_close(const store_answer *answer, void *user) {
    (void)user;
    EXPECT_EQ(0, answer->error);
    store_close(d.db, NULL, NULL);
    d.db = NULL;
}

static bool has_closed(const depot *of, const void *what) {
    (void)what;
    return of->db == NULL;
}

TEST(a_store_is_closed_from_a_call_back) {
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    store_get(d.db, mesh_bytes_text("a"), on_answer_close, NULL);
    depot_wait(&d, has_closed, NULL);
    d.is_closed = true;
    end();
}

TEST(what_is_there_is_there_when_it_is_opened_again) {
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    int64_t revision = d.answer.revision;
    depot_close(&d);
    depot_open(&d, depot_begin());
    EXPECT_TEXT("1", depot_get(&d, "a")->pairs[0].value);
    EXPECT_EQ(revision, d.answer.pairs[0].changed);
    EXPECT_DONE(depot_put(&d, "a", "2", 0));
    EXPECT_TRUE(d.answer.revision > revision);
    depot_watch(&d, &told, "", revision);
    depot_wait_told(&d, &told, 1);
    EXPECT_TEXT("a=2", told.texts[0]);
    end();
}
