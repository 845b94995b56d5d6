// Inside of engine*.cc: whose JavaScript engine_stack.cc tells of.
#pragma once

#include <v8.h>

// The isolate of this process's program; NULL: none, any more.
void engine_stack_watch(v8::Isolate *isolate);
