// A lease that is kept alive for as long as the store answers in time. It counts as lost before the
// store can have ended it: 0.8 of its time after the last answered keep-alive was *sent*, by this
// machine's monotonic clock. Who holds something by it stops then, and checks store_hold_is_valid
// before what must not be done twice, for a loop that stands still hears of nothing.
#pragma once

#include "store/store.h"

typedef struct store_hold store_hold;

typedef struct store_hold_news { // borrowed until the call back returns
    bool is_held;                // the first; false: lost, or never had, and nothing follows
    int64_t lease;
    const char *sentence; // why it is lost
} store_hold_news;

typedef void (*store_hold_cb)(const store_hold_news *news, void *user);

store_hold *store_hold_open(store_db *db, uint32_t ttl_s, store_hold_cb cb, void *user);
// Ends the lease, and with it what it bound; from its call back too. To close the store is as to
// close its holds, but their leases end by themselves. Fine with NULL.
void store_hold_close(store_hold *hold);
bool store_hold_is_valid(const store_hold *hold);
