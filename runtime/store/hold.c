#include "store/hold.h"

#include <stdio.h>

#include "core/mem.h"
#include "store/request.h"

struct store_hold {
    store_db *db; // NULL: the store is closed
    store_hold *next;
    store_hold_cb cb;
    void *user;
    uv_timer_t timer; // the next keep-alive, or the end
    uint32_t ttl_ms;
    int64_t lease;                             // 0: none
    uint64_t sent_at_ms, keep_at_ms, until_ms; // until: 0 before it is held
    bool is_asked, is_closed, is_timer_closed;
    char why[STORE_SENTENCE_LEN_MAX + 1]; // the last keep-alive failed
};

static uint64_t clock_ms(void) {
    return uv_hrtime() / 1000000;
}

// Of the lease's time: the store may count from a moment before ours, and its clock may be faster.
static uint64_t held_ms(const store_hold *hold) {
    return (uint64_t)hold->ttl_ms * 8 / 10;
}

bool store_hold_is_valid(const store_hold *hold) {
    return hold->until_ms > clock_ms();
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
        if (!hold->is_closed) close_it(hold);
    }
    db->holds = NULL;
}

static void lose(store_hold *hold, const char *why) {
    hold->until_ms = 0;
    uv_timer_stop(&hold->timer);
    store_hold_cb cb = hold->cb;
    hold->cb = NULL;
    if (cb != NULL) cb(&(store_hold_news){.lease = hold->lease, .sentence = why}, hold->user);
}

// ---- its life

static void on_timer(uv_timer_t *timer);

static void sleep_until_next(store_hold *hold) {
    uint64_t now_ms = clock_ms();
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
        lose(hold, answer->sentence);
    } else {
        bool is_good = answer->error == 0;
        if (is_good) hold->until_ms = hold->sent_at_ms + held_ms(hold);
        (void)snprintf(hold->why, sizeof hold->why, "%s", answer->sentence);
        hold->keep_at_ms =
            (is_good ? hold->sent_at_ms : clock_ms()) + hold->ttl_ms / (is_good ? 3 : 10);
        sleep_until_next(hold);
    }
}

static void on_timer(uv_timer_t *timer) {
    store_hold *hold = timer->data;
    uint64_t now_ms = clock_ms();
    uv_update_time(timer->loop);
    if (now_ms >= hold->until_ms) {
        lose(hold, hold->why[0] != '\0' ? hold->why
                                        : "the store did not answer a keep-alive in time: look at "
                                          "its disk or its network");
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
        lose(hold, answer->sentence);
        return;
    }
    hold->ttl_ms = answer->ttl_s * 1000;
    hold->until_ms = hold->sent_at_ms + held_ms(hold);
    hold->keep_at_ms = hold->sent_at_ms + hold->ttl_ms / 3;
    sleep_until_next(hold);
    hold->cb(&(store_hold_news){true, hold->lease, ""}, hold->user);
}

store_hold *store_hold_open(store_db *db, uint32_t ttl_s, store_hold_cb cb, void *user) {
    store_hold *hold = mem_alloc(sizeof *hold);
    *hold = (store_hold){.db = db, .next = db->holds, .cb = cb, .user = user, .is_asked = true};
    db->holds = hold;
    uv_timer_init(db->loop, &hold->timer);
    hold->timer.data = hold;
    hold->sent_at_ms = clock_ms();
    store_grant(db, ttl_s, on_granted, hold);
    return hold;
}
