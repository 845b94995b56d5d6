// The time of day: what is shown to people, kept on disk or compared with the times of others. It
// may be set, so nothing waits by it.
#pragma once

#include <stdint.h>
#include <time.h>

// Milliseconds since 1970.
static inline uint64_t mesh_wall_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
