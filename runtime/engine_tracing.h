// What node:trace_events needs of the platform. C++: engine*.cc only.
#pragma once

#include <v8-platform.h>

// Node's own tracing, ready to be started; in a zygote, before V8 is. It starts no thread. NULL:
// this libnode's is not known here.
v8::TracingController *engine_tracing_open();
void engine_tracing_after_fork();
void engine_tracing_close(); // writes what is left, as the process ends
