// V8 marks its heap "not for children" (MADV_DONTFORK), which suits processes that fork only to
// exec. A zygote's children need the heap: while told to, this process ignores that mark.
#pragma once

#include <stdbool.h>
#ifdef __cplusplus
extern "C" {
#endif

void engine_memory_keep_on_fork(bool is_kept);

#ifdef __cplusplus
}
#endif
