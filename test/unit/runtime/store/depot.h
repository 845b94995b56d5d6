// A store on a loop of its own, for tests: what is asked here is answered when the function
// returns. What a test waits for longer than 20 s fails it. suite.c has the tests that all kinds
// of store pass; each kind's own file has depot_begin and depot_end.
#pragma once

#include <stdio.h>

#include "store/store.h"
#include "test.h"

enum { DEPOT_PAIRS_MAX = STORE_PAGE_MAX, DEPOT_TOLD_MAX = 4096, DEPOT_TEXT_MAX = 24 };

typedef struct depot_pair {
    char key[DEPOT_TEXT_MAX], value[DEPOT_TEXT_MAX]; // as far as they fit
    size_t value_len;
    int64_t created, changed, lease;
} depot_pair;

typedef struct depot_answer {
    int64_t revision, lease;
    depot_pair pairs[DEPOT_PAIRS_MAX];
    size_t pair_count;
    int count; // of call backs
    int error;
    uint32_t ttl_s;
    bool is_maybe_done, has_more;
    char sentence[STORE_SENTENCE_LEN_MAX + 1];
} depot_answer;

typedef struct depot {
    uv_loop_t loop;
    uv_timer_t limit;
    store_db *db;
    depot_answer answer; // the last of the functions below
    int status_count;
    bool is_closed;
} depot;

typedef struct depot_told { // what a watch was told, as "key=value" and "-key"
    char texts[DEPOT_TOLD_MAX][2 * DEPOT_TEXT_MAX];
    int64_t revisions[DEPOT_TOLD_MAX];
    size_t count;
    int error;
    char sentence[STORE_SENTENCE_LEN_MAX + 1];
    store_watch *watch;
    bool closes_itself;
} depot_told;

// ---- of each kind
const char *depot_begin(void); // its place as text: of an empty store, the same until depot_end
void depot_end(void);
const store_link *depot_link(uv_loop_t *loop); // by which it is reached; NULL: by itself
void depot_unlink(void);                       // the store is being closed

void depot_open(depot *d, const char *place);
void depot_close(depot *d); // and the loop, which must be empty then
void depot_wait(depot *d, bool (*is_so)(const depot *d, const void *what), const void *what);
void depot_wait_reachable(depot *d, bool is_reachable);
store_place depot_place(const char *text);

// A place in a directory of this process's own; static storage until the next call.
const char *depot_path(const char *name);

void depot_on_answer(const store_answer *answer, void *user); // a depot_answer
void depot_wait_answer(depot *d, const depot_answer *answer, int count);

const depot_answer *depot_get(depot *d, const char *key);
int64_t depot_now(depot *d); // its revision
const depot_answer *depot_list(depot *d, const char *prefix, const char *after, uint32_t limit);
const depot_answer *depot_commit(depot *d, const store_transaction *transaction);
const depot_answer *depot_put(depot *d, const char *key, const char *value, int64_t lease);
const depot_answer *depot_delete(depot *d, const char *key);
const depot_answer *depot_grant(depot *d, uint32_t ttl_s);
const depot_answer *depot_keep(depot *d, int64_t lease);
const depot_answer *depot_revoke(depot *d, int64_t lease);
// `count` pairs "PREFIX00000" and on, many in one transaction.
int64_t depot_fill(depot *d, const char *prefix, size_t count);

void depot_watch(depot *d, depot_told *told, const char *prefix, int64_t after);
void depot_wait_told(depot *d, const depot_told *told, size_t count);
void depot_wait_error(depot *d, const depot_told *told, int error);
void expect_told(const depot_told *told, const char *const *texts, size_t count);

#define EXPECT_ERROR(ERROR, PART, ANSWER)                                                          \
    do {                                                                                           \
        const depot_answer *was = (ANSWER);                                                        \
        EXPECT_EQ(ERROR, was->error);                                                              \
        if (strstr(was->sentence, PART) == NULL)                                                   \
            fail_msg("'%s' has no '%s'", was->sentence, PART);                                     \
    } while (0)
#define EXPECT_DONE(ANSWER) EXPECT_TEXT("", (ANSWER)->sentence)
