// V8 marks its heap "not for children" (MADV_DONTFORK), which suits processes that fork only to
// exec. A zygote's children need the heap: while told to, this process ignores that mark.
#pragma once

#include <stdbool.h>
#ifdef __cplusplus
extern "C" {
#endif

void engine_memory_keep_on_fork(bool is_kept);

// Before the boot: lets the kernel merge pages of V8's heap that are equal in several processes
// (KSM: madvise(2), MADV_MERGEABLE), and with engine_memory_merge_malloc, when all is warm, those
// of malloc's. Children inherit it. Nothing happens on a kernel that cannot.
void engine_memory_merge(void);
void engine_memory_merge_malloc(void);

// Before the first fork: takes the free pieces between what boot allocated, for good. A child's
// allocations then lie side by side in new pages, instead of each making its own copy of a shared
// one.
void engine_memory_fill_holes(void);

#ifdef __cplusplus
}
#endif
