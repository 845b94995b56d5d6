// Keeps this process to a share of the processors where no cgroup does it: a thread that sleeps
// until the process has used up what it may use in a tenth of a second (a timer of processor time),
// and then holds its running threads, in a signal handler, until that is earned. A process that
// does not use up its share pays nothing. Processes that it starts are not held.
#pragma once

#include <stdint.h>

// 100 percent: one processor; 0: no limit, nothing is done. 0, or -errno with a sentence on stderr.
int runtime_throttle_start(uint32_t percent);
