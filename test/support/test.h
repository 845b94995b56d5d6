// The words our C tests use, on top of cmocka. TEST registers a function; EXPECT_* print both sides
// and end the test. One main (test.c) runs all tests of a file.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void test_register(const char *name, CMUnitTestFunction run);

#define TEST(NAME)                                                                                 \
    static void NAME(void);                                                                        \
    static void run_##NAME(void **state) {                                                         \
        (void)state;                                                                               \
        NAME();                                                                                    \
    }                                                                                              \
    __attribute__((constructor)) static void register_##NAME(void) {                               \
        test_register(#NAME, run_##NAME);                                                          \
    }                                                                                              \
    static void NAME(void)

#define EXPECT_EQ(WANT, GOT)   assert_int_equal(WANT, GOT)
#define EXPECT_OK(CALL)        assert_int_equal(0, CALL)
#define EXPECT_TRUE(X)         assert_true(X)
#define EXPECT_FALSE(X)        assert_false(X)
#define EXPECT_TEXT(WANT, GOT) assert_string_equal(WANT, GOT)
#define EXPECT_BYTES(TEXT, BYTES)                                                                  \
    do {                                                                                           \
        assert_int_equal(strlen(TEXT), (BYTES).len);                                               \
        assert_memory_equal(TEXT, (BYTES).data, (BYTES).len);                                      \
    } while (0)
