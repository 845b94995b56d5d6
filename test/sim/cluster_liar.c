// A member with valid keys that says whatever it likes.
#include "cluster_run.h"
#include "lies.h"

void liar_act(run *r, machine *liar) {
    const char *about = lies_tell(liar->swim, &r->world.rng);
    if (about == NULL) return;
    r->result.lies++;
    if (r->world.is_verbose)
        (void)printf("%8llu h%u lies about %s\n", (unsigned long long)r->world.now_ms, liar->index,
                     about);
    world_carry_out(&r->world, liar);
}
