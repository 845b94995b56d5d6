#include "engine_memory.h"

#include <stddef.h>
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
