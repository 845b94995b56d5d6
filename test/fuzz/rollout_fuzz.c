// A rollout as a store gave it: what is read keeps its bounds, goes on whatever happens, and can be
// written and read again.
#include <stdlib.h>

#include "core/mem.h"
#include "deploy/rollout.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static deploy_rollout r;
    deploy_action action;
    if (deploy_rollout_read((mesh_bytes){data, size}, 1000, &r) != 0) return 0;
    CHECK(r.options.instances <= DEPLOY_SLOTS_MAX && r.options.parallel > 0);
    deploy_rollout_tick(&r, 2000);
    while (deploy_rollout_poll(&r, &action)) {
        CHECK(action.slot < r.options.instances);
        deploy_rollout_ready(&r, 2500, action.slot, action.attempt);
    }
    deploy_rollout_lost(&r, 2600, 0);
    deploy_rollout_back(&r, 2700, 0);
    (void)deploy_rollout_promote(&r, 2800);
    (void)deploy_rollout_abort(&r, 2900);
    char *text = deploy_rollout_write(&r);
    mesh_bytes again = mesh_bytes_text(text);
    // Numbers longer than any that grew here may not fit.
    if (again.len <= DEPLOY_ROLLOUT_LEN_MAX) CHECK(deploy_rollout_read(again, 3000, &r) == 0);
    free(text);
    return 0;
}
