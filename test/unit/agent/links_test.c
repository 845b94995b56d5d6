#include "agent/links.h"
#include "test.h"
TEST(x) {}
