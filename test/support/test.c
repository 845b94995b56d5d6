#include <stdlib.h>

#include "test.h"

enum { TESTS_MAX = 256 };
static struct CMUnitTest tests[TESTS_MAX];
static size_t test_count;

void test_register(const char *name, CMUnitTestFunction run) {
    if (test_count == TESTS_MAX) abort();
    tests[test_count++] = (struct CMUnitTest){.name = name, .test_func = run};
}

int main(void) {
    return _cmocka_run_group_tests("tests", tests, test_count, NULL, NULL) != 0;
}
