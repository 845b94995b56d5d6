// What a store holds at most, and takes at a time. Both kinds keep to it, so that what one took the
// other takes too.
#pragma once

enum {
    STORE_KEY_LEN_MAX = 512,
    STORE_VALUE_LEN_MAX = 64 << 10,
    STORE_OPS_MAX = 128,                 // of a transaction, and its comparisons too: etcd's own
    STORE_TRANSACTION_LEN_MAX = 1 << 20, // its keys and values
    STORE_PAGE_MAX = 128,                // pairs of one answer
    STORE_PAIRS_MAX = 100000,            // SQLite
    STORE_FILE_LEN_MAX = 256 << 20,      // SQLite: its file
    STORE_HISTORY_MAX = 10000,           // SQLite: changes that a watch can go back
    STORE_HISTORY_LEN_MAX = 16 << 20,    // and their bytes
    STORE_BATCH_MAX = 256,               // changes that a watch is told at once
    STORE_BATCH_LEN_MAX = 1 << 20,       // and their bytes, but one change always
    STORE_WATCHES_MAX = 64,              // of one host
    STORE_SERVED_WATCHES_MAX = 1024,     // with those of other hosts
    STORE_REQUESTS_MAX = 1024,           // that wait for an answer
    STORE_LEASES_MAX = 4096,             // SQLite
    STORE_TTL_MIN_S = 2,                 // etcd gives no shorter lease
    STORE_TTL_MAX_S = 3600,
    STORE_REQUEST_MS = 5000, // etcd: then it counts as unreachable
    STORE_ENDPOINTS_MAX = 8, // etcd
    STORE_SENTENCE_LEN_MAX = 400,
    STORE_PATH_LEN_MAX = 1024,
};
