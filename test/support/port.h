// Ports for tests, which run at once with others.
#pragma once

#include <stdint.h>

// One that nobody listens on, and that no other test is told for a while.
uint16_t test_free_port(void);
