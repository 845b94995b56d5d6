// Keys and values of deployments in the store.
#include "deploy/record.h"

#include "deploy/conductor.h"
#include "test.h"

static bool reads(const char *text) {
    deploy_key key;
    return deploy_key_read(mesh_bytes_text(text), &key);
}

TEST(a_key_that_was_read_is_written_again) {
    static const char *const texts[] = {
        "deploy/host/a.example", "deploy/leader",       "deploy/drained/a",
        "deploy/project/p",      "deploy/state/p",      "deploy/release/p/0000000012",
        "deploy/placed/api",     "deploy/rollout/api",  "deploy/spec/p/0000000012/api",
        "deploy/order/a/api",    "deploy/report/a/api",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        deploy_key key;
        char text[DEPLOY_KEY_MAX];
        EXPECT_TRUE(deploy_key_read(mesh_bytes_text(texts[i]), &key));
        deploy_key_write(&key, text);
        EXPECT_TEXT(texts[i], text);
    }
}

TEST(other_keys_are_none) {
    EXPECT_FALSE(reads("deploy/host"));
    EXPECT_FALSE(reads("deploy/host/"));
    EXPECT_FALSE(reads("deploy/host/a/b"));
    EXPECT_FALSE(reads("deploy/order/a"));
    EXPECT_FALSE(reads("deploy/release/p/12"));
    EXPECT_FALSE(reads("deploy/release/p/0000000000"));
    EXPECT_FALSE(reads("deploy/leader/a"));
    EXPECT_FALSE(reads("other/host/a"));
    EXPECT_FALSE(
        reads("deploy/host/0123456789012345678901234567890123456789012345678901234567890123"));
}

TEST(a_value_over_a_bound_is_refused) {
    Warren__Deploy__Order order = WARREN__DEPLOY__ORDER__INIT;
    uint64_t prepare[5] = {1, 2, 3, 4, 5};
    uint8_t value[64];
    const char *why;
    order.project = (char *)"p";
    order.prepare = prepare;
    order.n_prepare = 5;
    mesh_bytes packed = {value, warren__deploy__order__pack(&order, value)};
    EXPECT_TRUE(deploy_record_decode(DEPLOY_RECORD_ORDER, packed, &why) == NULL);
    EXPECT_TEXT("it prepares more than 4 releases", why);
}
