// The clock by which a lease is valid or not, and an order lapses: milliseconds since this machine
// started, those that it slept included. It is the same in all processes of one time namespace, and
// nobody can set it.
#pragma once

#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

static inline uint64_t mesh_steady_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now); // every Linux since 2.6.39 has it
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// Which clock this process has: processes with the same number have the same one. A kernel without
// time namespaces: 0.
static inline uint64_t mesh_steady_clock_number(void) {
    struct stat info;
    return stat("/proc/self/ns/time", &info) == 0 ? (uint64_t)info.st_ino : 0;
}
