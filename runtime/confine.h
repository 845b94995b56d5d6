// The limits of a node that its process has from the first moment on, before it is anybody's
// program: the cgroup that it is in, and how much private memory it may ask for.
#pragma once

#include "zygote.pb-c.h"

// In the child. 0, or -errno with a sentence on stderr.
int runtime_confine(const Warren__Zygote__Launch *request);
