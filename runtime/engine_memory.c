#include "engine_memory.h"

#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_kept_on_fork;

void engine_memory_keep_on_fork(bool is_kept) {
    is_kept_on_fork = is_kept;
}

// Stands before libc's for all libraries of this process. A sweep over /proc/self/maps with
// MADV_DOFORK would do as well for what is mapped now, not for what V8 maps between two forks.
__attribute__((visibility("default"))) int madvise(void *address, size_t len, int advice) {
    if (advice == MADV_DONTFORK && is_kept_on_fork) return 0;
    return (int)syscall(SYS_madvise, address, len, advice);
}

enum { HOLE_LEN_MAX = 64 << 10, HOLE_LEN_STEP = 16 }; // glibc's sizes are multiples of the step

void engine_memory_fill_holes(void) {
    uintptr_t heap_top = (uintptr_t)sbrk(0) - mallinfo2().keepcost;
    for (size_t len = HOLE_LEN_MAX; len >= HOLE_LEN_STEP; len -= HOLE_LEN_STEP) {
        void *hole;
        while ((hole = malloc(len)) != NULL && (uintptr_t)hole < heap_top)
            continue;
        free(hole); // from above the heap's last use: no hole of this size is left
    }
}
