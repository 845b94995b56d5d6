// What a member with valid keys can say that is not true, sealed and well formed: for the
// simulator, and for a liar among real agents (test/e2e/hosts/liar.c).
#pragma once

#include "cluster/swim.h"
#include "core/rng.h"

// Tells one lie about some host to all of them, or to a few; the bytes wait in mesh_swim_poll.
// Returns its name, borrowed; NULL: nobody is there to lie to.
const char *lies_tell(mesh_swim *swim, mesh_rng *rng);
