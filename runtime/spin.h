// Should the loop look again for a few tens of microseconds before it sleeps? Waking a sleeping
// process costs about 40 us each way, ten times what a message costs; looking costs a core. Pure:
// learns from what it is told.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    RUNTIME_SPIN_SCORE_MAX = 16, // grows when looking paid off, falls twice as fast when it did not
    RUNTIME_SPIN_PROBE_EVERY =
        64 // with no score left, look this rarely, to notice that times have changed
};

typedef struct runtime_spin {
    uint32_t score, skipped;
} runtime_spin;

static inline bool runtime_spin_should(runtime_spin *spin) {
    if (spin->score > 0) return true;
    return ++spin->skipped % RUNTIME_SPIN_PROBE_EVERY == 0;
}

static inline void runtime_spin_learn(runtime_spin *spin, bool has_paid) {
    if (has_paid)
        spin->score =
            spin->score + 2 < RUNTIME_SPIN_SCORE_MAX ? spin->score + 2 : RUNTIME_SPIN_SCORE_MAX;
    else
        spin->score = spin->score > 4 ? spin->score - 4 : 0;
}
