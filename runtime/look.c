#include "look.h"

#include <sched.h>
#include <time.h>

#include "spin.h"

// Longer than a sleeping peer needs to wake and answer: or two that both sleep never find out that
// looking pays.
enum { SPIN_NS = 120 * 1000 };

static _Thread_local runtime_spin spin;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// Pinned to one core, looking would only keep the peer from running.
static bool has_other_cores(void) {
    cpu_set_t cores;
    return sched_getaffinity(0, sizeof cores, &cores) == 0 && CPU_COUNT(&cores) > 1;
}

int runtime_look(int (*find)(void *user), void *user) {
    if (!runtime_spin_should(&spin)) return 0;
    int found = 0;
    if (has_other_cores()) {
        uint64_t end_ns = now_ns() + SPIN_NS;
        do
            found = find(user);
        while (found == 0 && now_ns() < end_ns);
    }
    runtime_spin_learn(&spin, found > 0);
    return found;
}
