// What the leader decides: deployments, as stories of one rule each. conductor_steady_test.c has
// what happens between them, test/sim/deploy_sim all of it at once.
#include <stdio.h>

#include "conductor_kit.h"
#include "test.h"

static void open_hosts(void) {
    kit_open();
    kit_host("a", 1000);
    kit_host("b", 1000);
}

static void deploy(uint64_t deployment, uint64_t release) {
    kit_want(deployment, (kit_wish){.release = release});
}

// Release 1 runs: two instances, one on each host.
static void open_running(void) {
    open_hosts();
    kit_release(1, 1, &(kit_service){.name = "api", .count = 2}, 1);
    deploy(1, 1);
    kit_settle();
    EXPECT_TEXT("done 0>1 api 2/2/2", kit_state());
}

TEST(hosts_have_a_release_on_disk_before_anything_of_it_runs) {
    open_hosts();
    kit_release(1, 1, &(kit_service){.name = "api", .count = 3}, 1);
    deploy(1, 1);
    kit_decide();
    EXPECT_TEXT("preparing 0>1", kit_state());
    EXPECT_TEXT("1", kit_prepare("a", "api"));
    EXPECT_TEXT("", kit_order("a", "api"));
    kit_report();
    kit_decide();
    EXPECT_TEXT("1 1", kit_order("a", "api"));
    EXPECT_TEXT("1", kit_order("b", "api"));
    kit_settle();
    EXPECT_TEXT("done 0>1 api 3/3/3", kit_state());
    kit_close();
}

TEST(what_is_settled_is_written_no_more) {
    open_running();
    kit_now_ms += 1000000;
    kit_report();
    EXPECT_EQ(0, kit_decide());
    kit_take_over();
    EXPECT_EQ(0, kit_decide());
    kit_close();
}

TEST(a_host_that_cannot_prepare_ends_it_with_its_sentence) {
    open_running();
    kit_release(2, 2, &(kit_service){.name = "api", .count = 2}, 1);
    kit_cannot_prepare("b", "no room on disk");
    deploy(2, 2);
    kit_settle();
    EXPECT_TEXT("returned 1>2 api 2/2/0", kit_state());
    EXPECT_TEXT("b: no room on disk", kit_state_message()->why);
    EXPECT_TEXT("1", kit_order("b", "api"));
    kit_close();
}

TEST(a_host_that_dies_while_it_prepares_is_replaced_by_another) {
    open_hosts();
    kit_release(1, 1, &(kit_service){.name = "api", .count = 2}, 1);
    kit_mute("b", true);
    deploy(1, 1);
    kit_settle();
    EXPECT_TEXT("preparing 0>1", kit_state());
    kit_host_lost("b");
    kit_settle();
    EXPECT_TEXT("done 0>1 api 2/2/2", kit_state());
    EXPECT_TEXT("0:a.0 1:a.1", kit_placed("api"));
    kit_close();
}

TEST(a_host_that_never_answers_ends_it_after_ten_minutes) {
    open_hosts();
    kit_release(1, 1, &(kit_service){.name = "api", .count = 2}, 1);
    kit_mute("b", true);
    deploy(1, 1);
    kit_settle();
    kit_now_ms += DEPLOY_PREPARE_MS;
    kit_settle();
    EXPECT_TEXT("returned 0>1", kit_state());
    EXPECT_TEXT("b has not said within 600 s whether it has release 1 (is its agent well?)",
                kit_state_message()->why);
    kit_close();
}

TEST(services_are_begun_in_the_order_of_the_release) {
    open_hosts();
    kit_release(1, 1, (kit_service[]){{.name = "db", .count = 1}, {.name = "api", .count = 1}}, 2);
    kit_fate(NULL, 1, WARREN__DEPLOY__PRESENT__STATE__STARTING);
    deploy(1, 1);
    for (int i = 0; i < 5; i++) {
        kit_decide();
        kit_report();
    }
    EXPECT_TEXT("0:a.0", kit_placed("db"));
    EXPECT_TEXT("none", kit_placed("api"));
    kit_fate(NULL, 1, WARREN__DEPLOY__PRESENT__STATE__READY);
    kit_settle();
    EXPECT_TEXT("done 0>1 api 1/1/1 db 1/1/1", kit_state());
    kit_close();
}

TEST(one_release_takes_the_place_of_another_a_few_at_a_time) {
    open_running();
    kit_release(2, 2, &(kit_service){.name = "api", .count = 2}, 1);
    deploy(2, 2);
    kit_decide();
    kit_report();
    kit_decide();
    EXPECT_TEXT("2", kit_order("a", "api"));
    EXPECT_TEXT("1", kit_order("b", "api"));
    EXPECT_TEXT("2 1", kit_prepare("a", "api"));
    kit_settle();
    EXPECT_TEXT("done 1>2 api 2/2/2", kit_state());
    EXPECT_EQ(0, kit_count(DEPLOY_RECORD_ROLLOUT));
    kit_close();
}

TEST(the_same_program_is_not_replaced) {
    open_running();
    uint32_t attempt = kit_attempt("a", "api", 0);
    kit_release(2, 1, &(kit_service){.name = "api", .count = 3}, 1);
    deploy(2, 2);
    kit_settle();
    EXPECT_TEXT("done 1>2 api 3/3/3", kit_state());
    EXPECT_TEXT("1 2", kit_order("a", "api"));
    EXPECT_EQ(attempt, kit_attempt("a", "api", 0));
    kit_release(3, 1, &(kit_service){.name = "api", .count = 3, .args = "--fast"}, 1);
    deploy(3, 3);
    kit_settle();
    EXPECT_TEXT("3 3", kit_order("a", "api"));
    kit_close();
}

TEST(one_that_fails_brings_all_back_the_last_first) {
    open_hosts();
    const kit_service both[] = {{.name = "db", .count = 1}, {.name = "api", .count = 2}};
    kit_release(1, 1, both, 2);
    deploy(1, 1);
    kit_settle();
    kit_release(2, 2, both, 2);
    kit_fate("b", 2, WARREN__DEPLOY__PRESENT__STATE__FAILED);
    deploy(2, 2);
    kit_settle();
    EXPECT_TEXT("returned 1>2 api 2/2/0 db 1/1/0", kit_state());
    EXPECT_TEXT("api.0@b: it exited with code 1", kit_state_message()->why);
    EXPECT_BYTES("oops", kit_state_message()->last_lines);
    EXPECT_TEXT("1", kit_order("a", "db"));
    EXPECT_TEXT("1", kit_order("b", "api"));
    kit_close();
}

TEST(one_that_is_late_has_failed) {
    open_running();
    kit_release(2, 2, &(kit_service){.name = "api", .count = 2}, 1);
    kit_fate(NULL, 2, WARREN__DEPLOY__PRESENT__STATE__STARTING);
    deploy(2, 2);
    kit_settle();
    EXPECT_TEXT("rolling 1>2 api 1/2/0", kit_state());
    kit_now_ms += 10000;
    kit_settle();
    EXPECT_TEXT("returned 1>2 api 2/2/0", kit_state());
    EXPECT_TEXT("api.0@a: not ready within 10000 ms", kit_state_message()->why);
    kit_close();
}

// db of release 2 is well, and api of it is starting.
static void open_half_done(void) {
    const kit_service both[] = {{.name = "db", .count = 1, .memory = 600},
                                {.name = "api", .count = 1, .memory = 600}};
    open_hosts();
    kit_release(1, 1, both, 2);
    deploy(1, 1);
    kit_settle();
    kit_release(2, 2, both, 2);
    kit_fate("b", 2, WARREN__DEPLOY__PRESENT__STATE__STARTING);
    deploy(2, 2);
    kit_settle();
    EXPECT_TEXT("0:a.0", kit_placed("db"));
    EXPECT_TEXT("0:b.0", kit_placed("api"));
    EXPECT_TEXT("rolling 1>2 api 0/1/0 db 1/1/1", kit_state());
}

TEST(one_that_was_well_and_fails_before_the_deployment_is_done_brings_all_back) {
    open_half_done();
    kit_fate("a", 2, WARREN__DEPLOY__PRESENT__STATE__FAILED);
    kit_settle();
    EXPECT_TEXT("returned 1>2 api 1/1/0 db 1/1/0", kit_state());
    EXPECT_TEXT("db.0@a: it exited with code 1", kit_state_message()->why);
    EXPECT_BYTES("oops", kit_state_message()->last_lines);
    kit_close();
}

TEST(one_that_was_well_has_its_time_to_be_so_again_before_the_deployment_is_done) {
    open_half_done();
    kit_fate("a", 2, WARREN__DEPLOY__PRESENT__STATE__STARTING);
    kit_report();
    kit_decide();
    kit_fate("b", 2, WARREN__DEPLOY__PRESENT__STATE__READY);
    kit_settle();
    EXPECT_TEXT("rolling 1>2 api 1/1/1 db 0/1/0", kit_state());
    kit_take_over();
    kit_fate("a", 2, WARREN__DEPLOY__PRESENT__STATE__READY);
    kit_settle();
    EXPECT_TEXT("done 1>2 api 1/1/1 db 1/1/1", kit_state());
    kit_close();
}

TEST(one_that_was_well_and_is_not_in_its_time_brings_all_back) {
    open_half_done();
    kit_fate("a", 2, WARREN__DEPLOY__PRESENT__STATE__STARTING);
    kit_report();
    kit_decide();
    kit_fate("b", 2, WARREN__DEPLOY__PRESENT__STATE__READY);
    kit_settle();
    kit_now_ms += 10000;
    kit_settle();
    EXPECT_TEXT("returned 1>2 api 1/1/0 db 1/1/0", kit_state());
    EXPECT_TEXT("db.0@a: not ready again within 10000 ms", kit_state_message()->why);
    kit_close();
}

TEST(a_canary_that_is_not_well_any_more_brings_all_back) {
    open_running();
    kit_release(2, 2, &(kit_service){.name = "api", .count = 2, .canaries = 1}, 1);
    deploy(2, 2);
    kit_settle();
    kit_fate(NULL, 2, WARREN__DEPLOY__PRESENT__STATE__STARTING);
    kit_settle();
    EXPECT_TEXT("rolling 1>2 api 1/2/0", kit_state());
    kit_want(2, (kit_wish){.release = 2, .is_promoted = true});
    kit_settle();
    EXPECT_TEXT("rolling 1>2 api 1/2/0", kit_state());
    kit_now_ms += 10000;
    kit_settle();
    EXPECT_TEXT("returned 1>2 api 2/2/0", kit_state());
    kit_close();
}

TEST(a_second_life_does_not_make_good_a_first_one_that_failed) {
    open_running();
    kit_release(2, 2, &(kit_service){.name = "api", .count = 2}, 1);
    kit_first_lives_end(2);
    deploy(2, 2);
    kit_settle();
    EXPECT_TEXT("returned 1>2 api 2/2/0", kit_state());
    EXPECT_TEXT("api.0@a: api.0 was started again (exit code 1)", kit_state_message()->why);
    kit_close();
}

TEST(one_that_is_started_again_between_deployments_is_ready_all_the_same) {
    open_running();
    kit_first_lives_end(1);
    kit_settle();
    EXPECT_TEXT("done 0>1 api 2/2/2", kit_state());
    kit_release(2, 1, &(kit_service){.name = "api", .count = 2}, 1); // the same program
    deploy(2, 2);
    kit_settle();
    EXPECT_TEXT("done 1>2 api 2/2/2", kit_state());
    kit_close();
}

TEST(one_that_begins_anew_with_its_host_before_it_has_settled_is_waited_for) {
    open_running();
    kit_release(2, 2, &(kit_service){.name = "api", .count = 2}, 1);
    deploy(2, 2);
    for (int i = 0; i < 2; i++) { // prepared; ready
        kit_decide();
        kit_report();
    }
    kit_decide();
    kit_fate(NULL, 2, WARREN__DEPLOY__PRESENT__STATE__STARTING);
    kit_settle();
    EXPECT_TEXT("rolling 1>2 api 1/2/0", kit_state());
    kit_fate(NULL, 2, WARREN__DEPLOY__PRESENT__STATE__READY);
    kit_settle();
    EXPECT_TEXT("done 1>2 api 2/2/2", kit_state());
    kit_close();
}

TEST(a_first_release_that_fails_leaves_nothing) {
    open_hosts();
    kit_release(1, 1, &(kit_service){.name = "api", .count = 2}, 1);
    kit_fate(NULL, 1, WARREN__DEPLOY__PRESENT__STATE__FAILED);
    deploy(1, 1);
    kit_settle();
    EXPECT_TEXT("returned 0>1", kit_state());
    EXPECT_EQ(0, kit_count(DEPLOY_RECORD_ORDER) + kit_count(DEPLOY_RECORD_PLACED) +
                     kit_count(DEPLOY_RECORD_REPORT) + kit_count(DEPLOY_RECORD_ROLLOUT));
    kit_close();
}

TEST(what_cannot_be_brought_back_is_said) {
    open_running();
    kit_release(2, 2, &(kit_service){.name = "api", .count = 2}, 1);
    kit_fate("b", 2, WARREN__DEPLOY__PRESENT__STATE__FAILED);
    deploy(2, 2);
    kit_decide();
    kit_report();
    kit_decide();
    kit_report();
    kit_fate("a", 1, WARREN__DEPLOY__PRESENT__STATE__FAILED);
    kit_settle();
    EXPECT_TEXT("broken 1>2 api 1/2/0", kit_state());
    kit_close();
}

TEST(canaries_wait_to_be_promoted) {
    open_running();
    kit_release(2, 2, &(kit_service){.name = "api", .count = 2, .canaries = 1}, 1);
    deploy(2, 2);
    kit_settle();
    EXPECT_TEXT("canary 1>2 api 2/2/1", kit_state());
    kit_take_over();
    kit_settle();
    EXPECT_TEXT("canary 1>2 api 2/2/1", kit_state());
    kit_want(2, (kit_wish){.release = 2, .is_promoted = true});
    kit_settle();
    EXPECT_TEXT("done 1>2 api 2/2/2", kit_state());
    kit_close();
}

TEST(an_abort_brings_all_back) {
    open_running();
    kit_release(2, 2, &(kit_service){.name = "api", .count = 2, .canaries = 1}, 1);
    deploy(2, 2);
    kit_settle();
    kit_want(2, (kit_wish){.release = 2, .is_aborted = true});
    kit_settle();
    EXPECT_TEXT("returned 1>2 api 2/2/0", kit_state());
    EXPECT_TEXT("aborted by ann", kit_state_message()->why);
    kit_close();
}

TEST(a_newer_deployment_takes_over_in_the_midst) {
    open_running();
    kit_release(2, 2, &(kit_service){.name = "api", .count = 2, .canaries = 1}, 1);
    deploy(2, 2);
    kit_settle();
    EXPECT_TEXT("2", kit_order("a", "api")); // the canary
    kit_release(3, 3, &(kit_service){.name = "api", .count = 2}, 1);
    kit_fate("b", 3, WARREN__DEPLOY__PRESENT__STATE__FAILED);
    deploy(3, 3);
    kit_settle();
    EXPECT_TEXT("returned 1>3 api 2/2/0", kit_state());
    // Each is what it was when that began.
    EXPECT_TEXT("2", kit_order("a", "api"));
    EXPECT_TEXT("1", kit_order("b", "api"));
    kit_close();
}

TEST(a_service_that_is_no_longer_there_is_stopped_at_the_end) {
    open_hosts();
    const kit_service both[] = {{.name = "old", .count = 1}, {.name = "api", .count = 1}};
    kit_release(1, 1, both, 2);
    deploy(1, 1);
    kit_settle();
    kit_release(2, 2, &both[1], 1);
    kit_fate(NULL, 2, WARREN__DEPLOY__PRESENT__STATE__STARTING);
    deploy(2, 2);
    kit_settle();
    EXPECT_TEXT("1", kit_order("a", "old"));
    kit_fate(NULL, 2, WARREN__DEPLOY__PRESENT__STATE__READY);
    kit_settle();
    EXPECT_TEXT("done 1>2 api 1/1/1", kit_state());
    EXPECT_TEXT("none", kit_order("a", "old"));
    EXPECT_TEXT("none", kit_placed("old"));
    kit_close();
}

TEST(release_0_takes_everything_away) {
    open_running();
    kit_mute("b", true);
    deploy(2, 0);
    kit_settle();
    EXPECT_TEXT("rolling 1>0 api 0/0/0", kit_state()); // nobody knows whether it has ended there
    kit_mute("b", false);
    kit_settle();
    EXPECT_TEXT("done 1>0", kit_state());
    EXPECT_EQ(0, kit_count(DEPLOY_RECORD_ORDER) + kit_count(DEPLOY_RECORD_PLACED) +
                     kit_count(DEPLOY_RECORD_REPORT) + kit_count(DEPLOY_RECORD_ROLLOUT));
    kit_close();
}

TEST(a_release_that_is_not_whole_is_refused) {
    open_running();
    deploy(2, 9);
    kit_settle();
    EXPECT_TEXT("returned 1>9 api 2/2/0", kit_state());
    EXPECT_TEXT("release 9 of p is not whole in the store: the release itself is missing or cannot "
                "be read (deploy it anew)",
                kit_state_message()->why);
    kit_close();
}

TEST(what_no_host_can_take_is_refused) {
    open_hosts();
    kit_release(1, 1, &(kit_service){.name = "api", .count = 1, .memory = 2000}, 1);
    deploy(1, 1);
    kit_settle();
    EXPECT_TEXT("preparing 0>1", kit_state());
    kit_now_ms += 10000; // hosts may just be starting too
    kit_settle();
    EXPECT_TEXT("returned 0>1", kit_state());
    EXPECT_TRUE(strstr(kit_state_message()->why, "api cannot be placed on any of 2 hosts") != NULL);
    kit_close();
}

TEST(more_than_anybody_can_plan_for_is_refused) {
    open_running();
    const kit_service many[] = {
        {.name = "api", .count = 2},   {.name = "b0", .count = 1000}, {.name = "b1", .count = 1000},
        {.name = "b2", .count = 1000}, {.name = "b3", .count = 1000}, {.name = "b4", .count = 1000},
        {.name = "b5", .count = 1000}, {.name = "b6", .count = 1000}, {.name = "b7", .count = 1000},
        {.name = "b8", .count = 1000}, {.name = "b9", .count = 1000}, {.name = "c0", .count = 1000},
        {.name = "c1", .count = 1000}, {.name = "c2", .count = 1000}, {.name = "c3", .count = 1000},
        {.name = "c4", .count = 1000}, {.name = "c5", .count = 1000}, {.name = "c6", .count = 1000},
    };
    kit_release(2, 2, many, sizeof many / sizeof *many);
    deploy(2, 2);
    kit_settle();
    EXPECT_TEXT("returned 1>2 api 2/2/0", kit_state());
    EXPECT_TEXT("with c6 there would be more than 16384 instances of all services",
                kit_state_message()->why);
    kit_close();
}

TEST(a_leader_that_dies_between_any_two_transactions_changes_nothing_of_the_end) {
    for (uint32_t dies_after = 1; dies_after < 12; dies_after++) {
        open_running();
        kit_release(2, 2, &(kit_service){.name = "api", .count = 3}, 1);
        deploy(2, 2);
        for (uint32_t i = 0; i < dies_after; i++) {
            if (kit_turn() != NULL) kit_answer(true);
            kit_report();
            kit_now_ms += 100;
        }
        kit_take_over();
        kit_settle();
        EXPECT_TEXT("done 1>2 api 3/3/3", kit_state());
        EXPECT_TEXT("2 2", kit_order("a", "api"));
        kit_close();
    }
}

TEST(what_was_not_done_is_said_again) {
    open_running();
    kit_release(2, 2, &(kit_service){.name = "api", .count = 2}, 1);
    deploy(2, 2);
    const deploy_transaction *t = kit_turn();
    size_t count = t->op_count;
    EXPECT_TRUE(kit_turn() == NULL); // that one is under way
    kit_answer(false);
    t = kit_turn();
    EXPECT_EQ(count, t->op_count);
    kit_answer(true);
    kit_settle();
    EXPECT_TEXT("done 1>2 api 2/2/2", kit_state());
    kit_close();
}

TEST(releases_of_long_ago_are_deleted) {
    open_hosts();
    for (uint64_t number = 1; number <= 20; number++) {
        kit_release(number, (uint8_t)number, &(kit_service){.name = "api", .count = 1}, 1);
        deploy(number, number);
        kit_settle();
    }
    // What runs, what ran before, and ten more.
    EXPECT_EQ(12, kit_count(DEPLOY_RECORD_RELEASE));
    EXPECT_EQ(12, kit_count(DEPLOY_RECORD_SPEC));
    kit_close();
}
