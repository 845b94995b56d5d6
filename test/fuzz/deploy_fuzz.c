// What the store holds of deployments, and a leader that decides by it: what is read keeps its
// bounds, whatever it says decisions end, and what is written can be read again. The input is a
// list of pairs: one byte says which key, two the length of the value, then the value.
#include "core/be.h"
#include "core/mem.h"
#include "deploy/conductor.h"
#include "deploy/record.h"
#include "fuzz.h"

enum { TURNS_MAX = 16, STEP_MS = 7000 };

static const char *const keys[] = {
    "deploy/host/a",
    "deploy/host/b",
    "deploy/drained/a",
    "deploy/project/p",
    "deploy/state/p",
    "deploy/release/p/0000000001",
    "deploy/spec/p/0000000001/s",
    "deploy/placed/s",
    "deploy/rollout/s",
    "deploy/order/a/s",
    "deploy/report/a/s",
    "deploy/release/p/0000000002",
    "deploy/spec/p/0000000002/s",
    "deploy/order/b/s",
    "deploy/report/b/s",
    "deploy/placed/t",
};

static void check_op(const deploy_op *op) {
    deploy_key key;
    const char *why;
    CHECK(deploy_key_read(op->key, &key) && op->value.len <= DEPLOY_VALUE_LEN_MAX);
    if (op->is_delete || key.kind == DEPLOY_RECORD_ROLLOUT) return;
    ProtobufCMessage *message = deploy_record_decode(key.kind, op->value, &why);
    CHECK(message != NULL);
    deploy_record_free(message);
}

static void decide(deploy_conductor *c) {
    deploy_transaction t;
    uint64_t now_ms = 1000000;
    for (int64_t i = 0; i < TURNS_MAX; i++, now_ms += STEP_MS) {
        if (!deploy_conductor_turn(c, now_ms, &t)) continue;
        CHECK(t.op_count > 0 && t.op_count <= DEPLOY_OPS_MAX);
        for (size_t j = 0; j < t.op_count; j++)
            check_op(&t.ops[j]);
        deploy_conductor_committed(c, 1000 + i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    deploy_conductor *c = deploy_conductor_create();
    mesh_bytes rest = {data, size};
    int64_t revision = 0;
    while (rest.len >= 3) {
        const char *key = keys[rest.data[0] % (sizeof keys / sizeof *keys)];
        size_t len = load_be16(rest.data + 1);
        rest = mesh_bytes_skip(rest, 3);
        if (len > rest.len) len = rest.len;
        (void)deploy_conductor_put(c, mesh_bytes_text(key), (mesh_bytes){rest.data, len},
                                   ++revision);
        rest = mesh_bytes_skip(rest, len);
    }
    deploy_key key; // what remains is a key itself
    if (deploy_key_read(rest, &key)) deploy_conductor_delete(c, rest, ++revision);
    decide(c);
    deploy_conductor_destroy(c);
    return 0;
}
