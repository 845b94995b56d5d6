// What the store holds below "deploy/" (proto/deploy.proto): its keys, and its values, judged.
// Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "deploy.pb-c.h"

enum {
    DEPLOY_NAME_MAX = 64, // with its end
    DEPLOY_KEY_MAX = 192, // likewise
    DEPLOY_LABELS_MAX = 32,
    DEPLOY_APART_MAX = 64,
    DEPLOY_COUNT_MAX = 1000,  // instances of a service
    DEPLOY_AT_HOST_MAX = 500, // of them
    DEPLOY_PREPARE_MAX = 4,   // releases in an order
    DEPLOY_WHY_LEN_MAX = 500, // of a State
    DEPLOY_LINES_LEN_MAX = 2 << 10,
    DEPLOY_OUTCOMES_MAX = 24, // in a State
    DEPLOY_OUTCOME_WHY_MAX = 120,
    DEPLOY_OUTCOME_BY_MAX = 60,
    DEPLOY_OUTCOMES_LEN_MAX =
        DEPLOY_OUTCOMES_MAX * (DEPLOY_OUTCOME_WHY_MAX + DEPLOY_OUTCOME_BY_MAX + 64),
};

typedef enum deploy_record_kind {
    DEPLOY_RECORD_DRAINED,
    DEPLOY_RECORD_HOST,
    DEPLOY_RECORD_LEADER, // its value is not looked at
    DEPLOY_RECORD_ORDER,
    DEPLOY_RECORD_PLACED,
    DEPLOY_RECORD_PROJECT,
    DEPLOY_RECORD_RELEASE,
    DEPLOY_RECORD_REPORT,
    DEPLOY_RECORD_ROLLOUT, // not a message: rollout.h reads it
    DEPLOY_RECORD_SPEC,
    DEPLOY_RECORD_STATE,
    DEPLOY_RECORD_KINDS,
} deploy_record_kind;

typedef struct deploy_key {
    deploy_record_kind kind;
    char owner[DEPLOY_NAME_MAX];   // HOST, PROJECT or SERVICE: the first part
    uint64_t number;               // of RELEASE and SPEC
    char service[DEPLOY_NAME_MAX]; // of SPEC, ORDER and REPORT
} deploy_key;

// "deploy/order/a/api". False: it is none of them.
bool deploy_key_read(mesh_bytes text, deploy_key *out);
void deploy_key_write(const deploy_key *key, char out[DEPLOY_KEY_MAX]);

// Gives the message (deploy_record_free), whose bounds all hold. NULL: it does not decode, or a
// bound does not hold; `why` is a clause then ("it has more than 32 labels").
ProtobufCMessage *deploy_record_decode(deploy_record_kind kind, mesh_bytes value, const char **why);
void deploy_record_free(ProtobufCMessage *message); // fine with NULL
