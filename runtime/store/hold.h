// A lease that is kept alive for as long as the store answers in time. It counts as lost before the
// store can have ended it: 0.8 of its time after the last answered keep-alive was *sent*, by this
// machine's steady clock (io/steady.h). Who holds something by it stops then, and checks
// store_hold_is_valid before what must not be done twice, for a loop that stands still hears of
// nothing.
#pragma once

#include "store/store.h"

typedef struct store_hold store_hold;

typedef struct store_hold_news { // borrowed until the call back returns
    bool is_held;                // the first; false: lost, or never had, and nothing follows
    int64_t lease;
    const char *sentence; // why it is lost
    int error;            // of store.h, when the store would not give it; else 0
} store_hold_news;

typedef void (*store_hold_cb)(const store_hold_news *news, void *user);

store_hold *store_hold_open(store_db *db, uint32_t ttl_s, store_hold_cb cb, void *user);
// Ends the lease, and with it what it bound; from its call back too. To close the store is as to
// close its holds, but their leases end by themselves. Fine with NULL.
void store_hold_close(store_hold *hold);
bool store_hold_is_valid(const store_hold *hold);
uint64_t store_hold_until_ms(const store_hold *hold); // it is valid, of io/steady.h; 0: it is not

typedef struct store_hold_before { // what another process held, and has left
    int64_t lease;
    uint32_t ttl_s;
    uint64_t until_ms; // as it said, of io/steady.h
} store_hold_before;

// Goes on with it. It is held as it was until the store has said more: on_kept, or it is lost.
store_hold *store_hold_resume(store_db *db, const store_hold_before *before, store_hold_cb cb,
                              void *user);
// Called whenever the store has kept it alive, with the user of `cb`; NULL: nothing is.
void store_hold_on_kept(store_hold *hold, void (*on_kept)(void *user));
