#include "deploy/conductor.h"

#include "core/mem.h"

struct deploy_conductor {
    bool is_in_flight;
};

deploy_conductor *deploy_conductor_create(void) {
    return mem_alloc(sizeof(deploy_conductor));
}

void deploy_conductor_destroy(deploy_conductor *c) {
    free(c);
}

const char *deploy_conductor_put(deploy_conductor *c, mesh_bytes key, mesh_bytes value,
                                 int64_t revision) {
    (void)c, (void)key, (void)value, (void)revision;
    return NULL;
}

void deploy_conductor_delete(deploy_conductor *c, mesh_bytes key, int64_t revision) {
    (void)c, (void)key, (void)revision;
}

bool deploy_conductor_turn(deploy_conductor *c, uint64_t now_ms, deploy_transaction *out) {
    (void)c, (void)now_ms, (void)out;
    return false;
}

void deploy_conductor_committed(deploy_conductor *c, int64_t revision) {
    (void)revision;
    c->is_in_flight = false;
}

uint64_t deploy_conductor_wake_at_ms(const deploy_conductor *c) {
    (void)c;
    return UINT64_MAX;
}
