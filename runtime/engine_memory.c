#include "engine_memory.h"

#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_kept_on_fork;
static uint8_t *merged_from; // of malloc's heap; NULL: nothing is merged

void engine_memory_keep_on_fork(bool is_kept) {
    is_kept_on_fork = is_kept;
}

// Stands before libc's for all libraries of this process. A sweep over /proc/self/maps with
// MADV_DOFORK would do as well for what is mapped now, not for what V8 maps between two forks.
__attribute__((visibility("default"))) int madvise(void *address, size_t len, int advice) {
    if (advice != MADV_DONTFORK || !is_kept_on_fork)
        return (int)syscall(SYS_madvise, address, len, advice);
    if (merged_from != NULL) (void)syscall(SYS_madvise, address, len, MADV_MERGEABLE);
    return 0;
}

void engine_memory_merge(void) {
    uint8_t *top = sbrk(0);
    merged_from = top - (uintptr_t)top % (uintptr_t)getpagesize();
}

void engine_memory_merge_malloc(void) {
    if (merged_from == NULL) return;
    (void)madvise(merged_from, (size_t)((uint8_t *)sbrk(0) - merged_from), MADV_MERGEABLE);
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
