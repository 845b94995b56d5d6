// One Launch: judge it, then fork a node from the zygote, or exec a cold one and say why.
#pragma once

#include <sys/types.h>

#include "engine.h"
#include "io/packet.h"
#include "zygote.pb-c.h"

enum { RUNTIME_LAUNCH_TEXT_LEN = 1024 };

typedef struct runtime_launch_result {
    int close_fds[2];                          // given: the zygote's own, not for its children
    pid_t pid;                                 // 0 when it failed
    char cold_reason[RUNTIME_LAUNCH_TEXT_LEN]; // empty: forked
    char error[RUNTIME_LAUNCH_TEXT_LEN];       // a whole sentence, or empty
} runtime_launch_result;

// `boot`: what the engine was booted with. Borrows everything; the descriptors in `packet` stay the
// caller's to close. Does not return in the child.
void runtime_launch(runtime_engine *engine, const runtime_boot *boot,
                    const Warren__Zygote__Launch *request, const mesh_packet *packet,
                    runtime_launch_result *result);
