#include "store/hold.h"

#include <stdio.h>

#include "core/mem.h"
#include "io/steady.h"
#include "store/request.h"

struct store_hold {
    store_db *db; // NULL: the store is closed
    store_hold *next;
    store_hold_cb cb;
    void (*on_kept)(void *user);
    void *user;
    uv_timer_t timer; // the next keep-alive, or the end
    uint32_t ttl_ms;
    int64_t lease;                             // 0: none
    uint64_t sent_at_ms, keep_at_ms, until_ms; // until: 0 before it is held
    bool is_asked, is_closed, is_timer_closed;
    char why[STORE_SENTENCE_LEN_MAX + 1]; // the last keep-alive failed
};

// Of the lease's time: the store may count from a moment before ours, and its clock may be faster.
static uint64_t held_ms(const store_hold *hold) {
    return (uint64_t)hold->ttl_ms * 8 / 10;
}

uint64_t store_hold_until_ms(const store_hold *hold) {
    return hold->until_ms > mesh_steady_ms() ? hold->until_ms : 0;
}

bool store_hold_is_valid(const store_hold *hold) {
    return store_hold_until_ms(hold) > 0;
}

void store_hold_on_kept(store_hold *hold, void (*on_kept)(void *user)) {
    hold->on_kept = on_kept;
}

// ---- its end

static void free_if_over(store_hold *hold) {
    if (!hold->is_timer_closed || hold->is_asked) return;
    store_hold **at = hold->db != NULL ? &hold->db->holds : NULL;
    while (at != NULL && *at != hold)
        at = &(*at)->next;
    if (at != NULL) *at = hold->next;
    free(hold);
}

static void on_timer_closed(uv_handle_t *handle) {
    store_hold *hold = handle->data;
    hold->is_timer_closed = true;
    free_if_over(hold);
}

static void close_it(store_hold *hold) {
    hold->is_closed = true;
    hold->until_ms = 0;
    uv_close((uv_handle_t *)&hold->timer, on_timer_closed);
}

void store_hold_close(store_hold *hold) {
    if (hold == NULL || hold->is_closed) return;
    close_it(hold);
    if (hold->lease != 0) store_revoke(hold->db, hold->lease, NULL, NULL);
}

void store_hold_drop_all(store_db *db) {
    for (store_hold *hold = db->holds, *next; hold != NULL; hold = next) {
        next = hold->next;
        hold->db = NULL;
        hold->is_asked = false; // nobody answers any more
        if (hold->is_closed)
            free_if_over(hold);
        else
            close_it(hold);
    }
    db->holds = NULL;
}

static void lose(store_hold *hold, int error, const char *why) {
    hold->until_ms = 0;
    uv_timer_stop(&hold->timer);
    store_hold_cb cb = hold->cb;
    hold->cb = NULL;
    if (cb == NULL) return;
    cb(&(store_hold_news){.lease = hold->lease, .sentence = why, .error = error}, hold->user);
}

// ---- its life

static void on_timer(uv_timer_t *timer);

static void sleep_until_next(store_hold *hold) {
    uint64_t now_ms = mesh_steady_ms();
    uint64_t at_ms =
        !hold->is_asked && hold->keep_at_ms < hold->until_ms ? hold->keep_at_ms : hold->until_ms;
    uv_timer_start(&hold->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

static void on_kept(const store_answer *answer, void *user) {
    store_hold *hold = user;
    hold->is_asked = false;
    if (hold->is_closed) {
        free_if_over(hold);
    } else if (hold->cb == NULL) {
        return; // it is lost, and said so
    } else if (answer->error == STORE_EGONE) {
        lose(hold, answer->error, answer->sentence);
    } else {
        bool is_good = answer->error == 0;
        if (is_good) hold->until_ms = hold->sent_at_ms + held_ms(hold);
        (void)snprintf(hold->why, sizeof hold->why, "%s", answer->sentence);
        hold->keep_at_ms =
            (is_good ? hold->sent_at_ms : mesh_steady_ms()) + hold->ttl_ms / (is_good ? 3 : 10);
        sleep_until_next(hold);
        if (is_good && hold->on_kept != NULL) hold->on_kept(hold->user);
    }
}

static void on_timer(uv_timer_t *timer) {
    store_hold *hold = timer->data;
    uint64_t now_ms = mesh_steady_ms();
    uv_update_time(timer->loop);
    if (now_ms >= hold->until_ms) {
        lose(hold, STORE_EUNREACHABLE,
             hold->why[0] != '\0' ? hold->why
                                  : "the store did not answer a keep-alive in time: look at its "
                                    "disk or its network");
        return;
    }
    if (now_ms >= hold->keep_at_ms && !hold->is_asked) {
        hold->is_asked = true;
        hold->sent_at_ms = now_ms;
        store_keep(hold->db, hold->lease, on_kept, hold);
    }
    sleep_until_next(hold);
}

static void on_granted(const store_answer *answer, void *user) {
    store_hold *hold = user;
    hold->is_asked = false;
    hold->lease = answer->error == 0 ? answer->lease : 0;
    if (hold->is_closed) {
        if (hold->lease != 0) store_revoke(hold->db, hold->lease, NULL, NULL);
        free_if_over(hold);
        return;
    }
    if (answer->error != 0) {
        lose(hold, answer->error, answer->sentence);
        return;
    }
    hold->ttl_ms = answer->ttl_s * 1000;
    hold->until_ms = hold->sent_at_ms + held_ms(hold);
    hold->keep_at_ms = hold->sent_at_ms + hold->ttl_ms / 3;
    sleep_until_next(hold);
    hold->cb(&(store_hold_news){true, hold->lease, "", 0}, hold->user);
}

static store_hold *create(store_db *db, store_hold_cb cb, void *user) {
    store_hold *hold = mem_alloc(sizeof *hold);
    *hold = (store_hold){.db = db, .next = db->holds, .cb = cb, .user = user};
    db->holds = hold;
    uv_timer_init(db->loop, &hold->timer);
    hold->timer.data = hold;
    return hold;
}

store_hold *store_hold_resume(store_db *db, const store_hold_before *before, store_hold_cb cb,
                              void *user) {
    store_hold *hold = create(db, cb, user);
    uint64_t now_ms = mesh_steady_ms();
    hold->lease = before->lease;
    hold->ttl_ms = before->ttl_s * 1000;
    // Nobody can hold it for longer, whatever is said of it.
    uint64_t most_ms = now_ms + held_ms(hold);
    hold->until_ms = before->until_ms < most_ms ? before->until_ms : most_ms;
    hold->keep_at_ms = now_ms;
    sleep_until_next(hold);
    return hold;
}

store_hold *store_hold_open(store_db *db, uint32_t ttl_s, store_hold_cb cb, void *user) {
    store_hold *hold = create(db, cb, user);
    hold->is_asked = true;
    hold->sent_at_ms = mesh_steady_ms();
    store_grant(db, ttl_s, on_granted, hold);
    return hold;
}
