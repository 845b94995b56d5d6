// Memory that is there or the process ends: sizes from outside were limited before, so running out
// means the machine is out of memory, and callers stay straight lines. Freed with free().
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void *mem_check(void *memory) {
    if (memory != NULL) return memory;
    (void)fputs("warren: out of memory\n", stderr);
    abort();
}

// Zeroed.
static inline void *mem_alloc(size_t len) {
    return mem_check(calloc(1, len > 0 ? len : 1));
}

static inline void *mem_resize(void *memory, size_t len) {
    return mem_check(realloc(memory, len > 0 ? len : 1));
}

// Gives a copy; never NULL, also for nothing.
static inline void *mem_copy(const void *from, size_t len) {
    void *memory = mem_check(malloc(len > 0 ? len : 1));
    if (len > 0) memcpy(memory, from, len);
    return memory;
}

// Room for at least `need` elements in a growing array: it doubles, so that adding one stays O(1).
static inline void *mem_grow(void *array, size_t element_size, size_t need, size_t *cap) {
    if (need <= *cap) return array;
    size_t wanted = *cap > 0 ? *cap * 2 : 16;
    if (wanted < need) wanted = need;
    *cap = wanted;
    return mem_resize(array, wanted * element_size);
}

// Ends the process when our own code is wrong; stays on in release.
#define CHECK(CONDITION)                                                                           \
    do {                                                                                           \
        if (__builtin_expect(!!(CONDITION), 1)) break;                                             \
        (void)fprintf(stderr, "warren: bug at %s:%d: %s\n", __FILE__, __LINE__, #CONDITION);       \
        abort();                                                                                   \
    } while (0)
