// Memory that is there or the process ends: sizes from outside were limited before, so running out
// means the machine is out of memory, and callers stay straight lines.
#pragma once

#include <stdio.h>
#include <stdlib.h>

static inline void *mem_check(void *memory) {
    if (memory != NULL) return memory;
    (void)fputs("warren: out of memory\n", stderr);
    abort();
}

// Zeroed. Freed with free().
static inline void *mem_alloc(size_t len) {
    return mem_check(calloc(1, len > 0 ? len : 1));
}

static inline void *mem_resize(void *memory, size_t len) {
    return mem_check(realloc(memory, len > 0 ? len : 1));
}

// Ends the process when our own code is wrong; stays on in release.
#define CHECK(CONDITION)                                                                           \
    do {                                                                                           \
        if (CONDITION) break;                                                                      \
        (void)fprintf(stderr, "warren: bug at %s:%d: %s\n", __FILE__, __LINE__, #CONDITION);       \
        abort();                                                                                   \
    } while (0)
