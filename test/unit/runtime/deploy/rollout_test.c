// Rollouts: stories of one rule each. test/sim/rollout_sim has all of them at once.
#include <stdio.h>
#include <stdlib.h>

#include "deploy/rollout.h"
#include "test.h"

static deploy_rollout r;

static void begin(uint32_t instances, uint32_t parallel, uint32_t canaries) {
    deploy_rollout_begin(&r,
                         &(deploy_rollout_options){.from = 7,
                                                   .to = 8,
                                                   .instances = instances,
                                                   .parallel = parallel,
                                                   .canaries = canaries,
                                                   .ready_ms = 1000,
                                                   .settle_ms = 100},
                         1);
}

// "0:8#1" for each: the slot, its release, the attempt.
static void expect_actions(const char *want) {
    char got[200] = "";
    size_t len = 0;
    deploy_action a;
    while (deploy_rollout_poll(&r, &a))
        len += (size_t)snprintf(got + len, sizeof got - len, "%s%u:%u#%u", len > 0 ? " " : "",
                                a.slot, (unsigned)a.release, a.attempt);
    EXPECT_TEXT(want, got);
}

static void settle(uint64_t ready_at_ms, uint32_t slot, uint32_t attempt) {
    deploy_rollout_ready(&r, ready_at_ms, slot, attempt);
    deploy_rollout_tick(&r, ready_at_ms + 100);
}

// As the next leader has it.
static void take_over(uint64_t now_ms) {
    char *text = deploy_rollout_write(&r);
    memset(&r, 0xa5, sizeof r);
    EXPECT_OK(deploy_rollout_read(mesh_bytes_text(text), now_ms, &r));
    free(text);
}

TEST(as_many_at_a_time_as_was_said_each_when_the_one_before_is_well) {
    begin(3, 2, 0);
    expect_actions("0:8#1 1:8#1");
    deploy_rollout_ready(&r, 50, 1, 1);
    expect_actions(""); // ready, and not well yet
    deploy_rollout_tick(&r, 150);
    expect_actions("2:8#1");
    settle(200, 0, 1);
    EXPECT_EQ(DEPLOY_FORWARD, r.phase);
    settle(400, 2, 1);
    EXPECT_EQ(DEPLOY_DONE, r.phase);
    EXPECT_EQ(8, deploy_rollout_release(&r, 0));
}

TEST(canaries_wait_to_be_promoted) {
    begin(3, 3, 1);
    expect_actions("0:8#1");
    EXPECT_FALSE(deploy_rollout_promote(&r, 10));
    settle(50, 0, 1);
    EXPECT_EQ(DEPLOY_CANARY, r.phase);
    deploy_rollout_tick(&r, 1000000);
    expect_actions("");
    EXPECT_TRUE(deploy_rollout_promote(&r, 1000001));
    expect_actions("1:8#1 2:8#1");
}

TEST(canaries_on_hosts_that_are_lost_are_not_waited_for) {
    begin(3, 3, 3);
    expect_actions("0:8#1 1:8#1 2:8#1");
    deploy_rollout_lost(&r, 10, 2);
    settle(50, 0, 1);
    EXPECT_EQ(DEPLOY_FORWARD, r.phase);
    settle(200, 1, 1);
    EXPECT_EQ(DEPLOY_CANARY, r.phase);
}

TEST(one_that_fails_brings_all_back) {
    begin(3, 1, 0);
    expect_actions("0:8#1");
    settle(50, 0, 1);
    expect_actions("1:8#1");
    deploy_rollout_failed(&r, 300, 1, 1);
    expect_actions("1:7#2"); // whose old one serves: first, and alone
    deploy_rollout_ready(&r, 310, 1, 2);
    expect_actions("0:7#2");
    deploy_rollout_ready(&r, 400, 0, 2);
    EXPECT_EQ(DEPLOY_RETURNED, r.phase);
    EXPECT_EQ(7, deploy_rollout_release(&r, 0));
}

TEST(one_that_is_late_has_failed) {
    begin(1, 1, 0);
    expect_actions("0:8#1");
    EXPECT_EQ(1001, deploy_rollout_wake_at_ms(&r));
    deploy_rollout_tick(&r, 1000);
    EXPECT_EQ(DEPLOY_FORWARD, r.phase);
    deploy_rollout_tick(&r, 1001);
    EXPECT_EQ(DEPLOY_BACK, r.phase);
    deploy_rollout_ready(&r, 1002, 0, 1); // of the past
    EXPECT_EQ(DEPLOY_BACK, r.phase);
}

TEST(one_that_is_unwell_again_is_waited_for_and_nobody_is_begun_meanwhile) {
    begin(2, 1, 0);
    expect_actions("0:8#1");
    settle(50, 0, 1);
    expect_actions("1:8#1");
    deploy_rollout_unwell(&r, 160, 0, 1);
    settle(200, 1, 1);
    EXPECT_EQ(DEPLOY_FORWARD, r.phase);
    take_over(400);
    EXPECT_EQ(8, deploy_rollout_release(&r, 0));
    deploy_rollout_ready(&r, 500, 0, 1);
    EXPECT_EQ(DEPLOY_DONE, r.phase);
    expect_actions("");
}

TEST(what_was_done_goes_back_when_one_of_it_is_not_well_any_more) {
    begin(2, 2, 0);
    expect_actions("0:8#1 1:8#1");
    settle(50, 0, 1);
    settle(50, 1, 1);
    EXPECT_EQ(DEPLOY_DONE, r.phase);
    deploy_rollout_unwell(&r, 200, 1, 1);
    EXPECT_EQ(DEPLOY_FORWARD, r.phase);
    EXPECT_EQ(1200, deploy_rollout_wake_at_ms(&r));
    deploy_rollout_tick(&r, 1200);
    EXPECT_EQ(DEPLOY_BACK, r.phase);
    expect_actions("0:7#2 1:7#2");
}

TEST(failures_that_were_allowed_are_tried_again) {
    begin(1, 1, 0);
    r.options.failures_max = 1;
    expect_actions("0:8#1");
    deploy_rollout_failed(&r, 10, 0, 1);
    expect_actions("0:8#2");
    deploy_rollout_failed(&r, 20, 0, 2);
    EXPECT_EQ(DEPLOY_BACK, r.phase);
}

TEST(what_cannot_be_brought_back_is_said_after_three_tries) {
    begin(1, 1, 0);
    deploy_rollout_failed(&r, 10, 0, 1);
    for (uint32_t attempt = 2; attempt < 5; attempt++) {
        EXPECT_EQ(DEPLOY_BACK, r.phase);
        deploy_rollout_failed(&r, 20, 0, attempt);
    }
    EXPECT_EQ(DEPLOY_BROKEN, r.phase);
}

TEST(who_is_lost_is_not_waited_for_and_gets_the_release_when_it_is_back) {
    begin(2, 1, 0);
    expect_actions("0:8#1");
    deploy_rollout_lost(&r, 10, 0);
    expect_actions("1:8#1");
    settle(50, 1, 1);
    EXPECT_EQ(DEPLOY_DONE, r.phase);
    deploy_rollout_back(&r, 500, 0);
    EXPECT_EQ(8, deploy_rollout_release(&r, 0));
}

TEST(the_next_leader_says_again_what_is_under_way) {
    begin(2, 1, 0);
    expect_actions("0:8#1");
    take_over(20);
    expect_actions("0:8#1");
    settle(50, 0, 1);
    take_over(200);
    expect_actions("1:8#1");
    take_over(5000); // long after its time: it may have become ready while nobody listened
    deploy_rollout_tick(&r, 5000);
    EXPECT_EQ(DEPLOY_FORWARD, r.phase);
    settle(5001, 1, 1);
    EXPECT_EQ(DEPLOY_DONE, r.phase);
}

TEST(what_is_no_rollout_is_not_read) {
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "{\"format\":2,\"from\":7,\"to\":8,\"parallel\":1,\"canaries\":0,\"failuresMax\":0,"
        "\"readyMs\":1,\"settleMs\":1,\"promoteMs\":0,\"phase\":0,\"failures\":0,"
        "\"promoted\":false,\"promoteAt\":0,\"slots\":[]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        EXPECT_TRUE(deploy_rollout_read(mesh_bytes_text(texts[i]), 1, &r) != 0);
}

TEST(the_largest_rollout_is_read_back) {
    begin(DEPLOY_SLOTS_MAX, DEPLOY_SLOTS_MAX, 0);
    take_over(20);
    EXPECT_EQ(DEPLOY_SLOTS_MAX, r.options.instances);
}
