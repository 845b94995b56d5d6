// Threads beside the program: they have little stack, and no signal of the program comes to them.
#pragma once

// Starts a detached one. 0 or -errno.
int runtime_small_thread_start(void *(*run)(void *arg), void *arg);
