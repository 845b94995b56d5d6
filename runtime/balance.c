#include "balance.h"

// One more than the fewest is one too many, where there are few; with many it does not matter.
static uint32_t slack(uint32_t fewest) {
    return fewest / 16;
}

static uint32_t load_at(const balance *b, uint32_t place) {
    return atomic_load_explicit(&b->places[place].load, memory_order_relaxed);
}

bool balance_is_my_turn(const balance *b, uint32_t own, uint32_t *out_turns) {
    uint32_t count = atomic_load_explicit(&b->count, memory_order_relaxed);
    uint32_t mine = load_at(b, own), fewest = mine;
    if (count > BALANCE_PLACES) count = BALANCE_PLACES;
    *out_turns = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t load = load_at(b, i);
        if (load == BALANCE_CLOSED || load >= mine) continue;
        *out_turns += atomic_load_explicit(&b->places[i].turns, memory_order_relaxed);
        if (load < fewest) fewest = load;
    }
    return mine <= fewest + slack(fewest);
}

uint32_t balance_take(balance *b, uint32_t pid) {
    for (uint32_t i = 0; i < BALANCE_PLACES; i++) {
        uint32_t nobody = 0;
        if (!atomic_compare_exchange_strong(&b->places[i].pid, &nobody, pid)) continue;
        uint32_t count = atomic_load(&b->count);
        while (count <= i && !atomic_compare_exchange_weak(&b->count, &count, i + 1))
            continue;
        atomic_store(&b->places[i].load, 1);
        return i;
    }
    return BALANCE_PLACES;
}

void balance_free(balance *b, uint32_t pid) {
    uint32_t count = atomic_load(&b->count);
    for (uint32_t i = 0; i < count && i < BALANCE_PLACES; i++) {
        if (atomic_load(&b->places[i].pid) != pid) continue;
        atomic_store(&b->places[i].load, BALANCE_CLOSED);
        atomic_store(&b->places[i].pid, 0);
    }
}
