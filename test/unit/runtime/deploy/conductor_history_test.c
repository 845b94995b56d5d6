// What a State tells of each release that is there: which served, which failed, which was gone back
// from.
#include <inttypes.h>
#include <stdio.h>

#include "conductor_kit.h"
#include "test.h"

static void release(uint64_t number) {
    kit_release(number, (uint8_t)number, &(kit_service){.name = "api", .count = 1}, 1);
}

static void deploy(uint64_t deployment, uint64_t number) {
    kit_want(deployment, (kit_wish){.release = number});
    kit_settle();
}

static void open_running(void) { // release 1
    kit_open();
    kit_host("a", 1000);
    release(1);
    release(2);
    deploy(1, 1);
}

// "1 done served 1, 2 returned": of each release its last deployment, the latest at the end.
static const char *outcomes(void) {
    static const char *const names[] = {"preparing", "rolling",  "canary", "back",
                                        "done",      "returned", "broken"};
    static char text[512];
    const Warren__Deploy__State *state = kit_state_message();
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < state->n_outcomes && len < sizeof text; i++) {
        const Warren__Deploy__Outcome *o = state->outcomes[i];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%" PRIu64 " %s%s%s",
                                len > 0 ? ", " : "", o->release, names[o->phase],
                                o->is_aborted ? " aborted" : "",
                                o->is_taken_back ? " taken back" : "");
        if (o->served > 0)
            len += (size_t)snprintf(text + len, sizeof text - len, " served %" PRIu64, o->served);
    }
    return text;
}

TEST(a_release_that_serves_is_told_from_one_that_failed) {
    open_running();
    EXPECT_TEXT("1 done served 1", outcomes());
    kit_fate(NULL, 2, WARREN__DEPLOY__PRESENT__STATE__FAILED);
    deploy(2, 2);
    EXPECT_TEXT("returned 1>2 api 1/1/0", kit_state());
    EXPECT_TEXT("1 done served 1, 2 returned", outcomes());
    const Warren__Deploy__Outcome *failed = kit_state_message()->outcomes[1];
    EXPECT_TEXT("ann", failed->by);
    EXPECT_TRUE(strstr(failed->why, "api.0@a") != NULL);
    EXPECT_TRUE(failed->at_ms > 0);
    kit_close();
}

TEST(what_is_known_of_a_release_stays_as_it_is) {
    open_running();
    uint64_t at_ms = kit_state_message()->outcomes[0]->at_ms;
    deploy(2, 2);
    kit_now_ms += 1000000;
    kit_report();
    EXPECT_EQ(0, kit_decide());
    kit_take_over();
    EXPECT_EQ(0, kit_decide());
    EXPECT_TEXT("1 done served 1, 2 done served 2", outcomes());
    EXPECT_TRUE(at_ms == kit_state_message()->outcomes[0]->at_ms);
    kit_close();
}

TEST(a_release_that_somebody_goes_back_from_was_taken_back_until_it_serves_again) {
    open_running();
    deploy(2, 2);
    deploy(3, 1);
    EXPECT_TEXT("2 done taken back served 2, 1 done served 3", outcomes());
    deploy(4, 2);
    EXPECT_TEXT("1 done served 3, 2 done served 4", outcomes());
    kit_close();
}

TEST(a_release_that_was_aborted_did_not_fail) {
    open_running();
    kit_fate(NULL, 2, WARREN__DEPLOY__PRESENT__STATE__STARTING);
    deploy(2, 2);
    kit_want(2, (kit_wish){.release = 2, .is_aborted = true});
    kit_settle();
    EXPECT_TEXT("1 done served 1, 2 returned aborted", outcomes());
    kit_close();
}

TEST(a_release_that_was_taken_down_before_it_was_done_did_not_serve) {
    open_running();
    kit_fate(NULL, 2, WARREN__DEPLOY__PRESENT__STATE__STARTING);
    deploy(2, 2);
    deploy(3, 0);
    EXPECT_TEXT("done 1>0", kit_state());
    EXPECT_TEXT("1 done served 1, 2 returned aborted", outcomes());
    kit_close();
}

TEST(other_numbers_of_instances_say_nothing_of_a_release) {
    open_running();
    kit_want(2, (kit_wish){.release = 1, .scaled = "api", .instances = 2});
    kit_settle();
    EXPECT_TEXT("done 1>1 api 2/2/2", kit_state());
    EXPECT_TEXT("1 done served 1", outcomes());
    kit_fate(NULL, 1, WARREN__DEPLOY__PRESENT__STATE__FAILED);
    kit_want(3, (kit_wish){.release = 1, .scaled = "api", .instances = 3});
    kit_settle();
    EXPECT_TEXT("1 done served 1", outcomes());
    kit_close();
}

TEST(of_releases_that_are_gone_nothing_is_told) {
    open_running();
    for (uint64_t i = 2; i <= 40; i++) {
        release(i);
        deploy(i, i);
    }
    const Warren__Deploy__State *state = kit_state_message();
    EXPECT_EQ(kit_count(DEPLOY_RECORD_RELEASE), state->n_outcomes);
    EXPECT_EQ(40, state->outcomes[state->n_outcomes - 1]->release);
    kit_close();
}

TEST(what_a_project_of_that_name_did_that_was_forgotten_is_not_told) {
    open_running();
    deploy(7, 2);
    deploy(1, 1); // anew: its State was written once more when it was forgotten
    EXPECT_TEXT("done 2>1 api 1/1/1", kit_state());
    EXPECT_TEXT("1 done served 1", outcomes());
    kit_close();
}
