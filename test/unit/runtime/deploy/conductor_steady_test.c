// What the leader decides between deployments: hosts come and go, and are drained.
#include <stdio.h>

#include "conductor_kit.h"
#include "test.h"

enum { KEEP, REPLACE, STOP_AFTER };

static void open_running(kit_service service) {
    kit_open();
    kit_host("a", 1000);
    kit_host("b", 1000);
    kit_release(1, 1, &service, 1);
    kit_want(1, (kit_wish){.release = 1});
    kit_settle();
}

TEST(a_host_that_is_drained_gives_up_what_is_ready_elsewhere) {
    open_running((kit_service){.name = "api", .count = 2});
    kit_host("c", 1000);
    kit_fate("c", 1, WARREN__DEPLOY__PRESENT__STATE__STARTING);
    kit_drain("a", true);
    kit_settle();
    EXPECT_TEXT("0:c.0 1:b.0", kit_placed("api"));
    EXPECT_TEXT("1", kit_order("a", "api")); // it serves until the other one does
    kit_fate("c", 1, WARREN__DEPLOY__PRESENT__STATE__READY);
    kit_settle();
    EXPECT_TEXT("none", kit_order("a", "api"));
    EXPECT_TEXT("done 0>1 api 2/2/2", kit_state());
    kit_close();
}

TEST(without_room_a_drained_host_is_left_all_the_same_and_it_is_said) {
    open_running((kit_service){.name = "api", .count = 2, .memory = 800});
    kit_drain("a", true);
    kit_settle();
    EXPECT_TEXT("none", kit_order("a", "api"));
    EXPECT_TEXT("done 0>1 api 1/2/1", kit_state());
    EXPECT_TRUE(strstr(kit_state_message()->services[0]->unplaced, "cannot be placed") != NULL);
    kit_drain("a", false);
    kit_settle();
    EXPECT_TEXT("done 0>1 api 2/2/2", kit_state());
    kit_close();
}

TEST(what_is_about_to_leave_stays_when_it_is_wanted_again) {
    open_running((kit_service){.name = "api", .count = 2, .is_spread = true});
    uint32_t attempt = kit_attempt("a", "api", 0);
    kit_fate("b", 1, WARREN__DEPLOY__PRESENT__STATE__FAILED);
    kit_drain("a", true);
    kit_settle();
    EXPECT_TEXT("0:b.1 1:b.0", kit_placed("api"));
    EXPECT_TEXT("1", kit_order("a", "api"));
    kit_drain("a", false);
    kit_settle();
    EXPECT_TEXT("0:a.0 1:b.0", kit_placed("api"));
    EXPECT_EQ(attempt, kit_attempt("a", "api", 0));
    kit_close();
}

TEST(more_are_begun_beside_what_runs_and_holes_are_filled) {
    open_running((kit_service){.name = "api", .count = 2});
    uint32_t attempt = kit_attempt("a", "api", 0);
    kit_want(2, (kit_wish){.release = 1, .scaled = "api", .instances = 5});
    kit_settle();
    EXPECT_TEXT("done 1>1 api 5/5/5", kit_state());
    EXPECT_EQ(attempt, kit_attempt("a", "api", 0));
    kit_want(3, (kit_wish){.release = 1, .scaled = "api", .instances = 1});
    kit_settle();
    EXPECT_TEXT("done 1>1 api 1/1/1", kit_state());
    EXPECT_EQ(attempt, kit_attempt("a", "api", 0));
    kit_want(4, (kit_wish){.release = 1});
    kit_settle();
    EXPECT_TEXT("0:a.0 1:b.0", kit_placed("api"));
    kit_close();
}

TEST(more_of_what_cannot_start_go_back_to_as_many_as_there_were) {
    open_running((kit_service){.name = "api", .count = 1});
    uint32_t attempt = kit_attempt("a", "api", 0);
    kit_want(2, (kit_wish){.release = 1, .scaled = "api", .instances = 2});
    kit_settle();
    kit_host("c", 1000);
    kit_fate("c", 1, WARREN__DEPLOY__PRESENT__STATE__FAILED);
    kit_want(3, (kit_wish){.release = 1, .scaled = "api", .instances = 5});
    kit_settle();
    EXPECT_TEXT("returned 1>1 api 2/2/2", kit_state());
    EXPECT_EQ(attempt, kit_attempt("a", "api", 0));
    EXPECT_TEXT("none", kit_order("c", "api"));
    kit_close();
}

TEST(who_is_kept_is_waited_for) {
    open_running((kit_service){.name = "api", .count = 2, .disconnect = KEEP});
    kit_host_lost("b");
    kit_settle();
    EXPECT_TEXT("0:a.0 1:b.0!", kit_placed("api"));
    kit_now_ms += 1000000;
    EXPECT_EQ(0, kit_decide());
    kit_host("b", 1000);
    kit_settle();
    EXPECT_TEXT("0:a.0 1:b.0", kit_placed("api"));
    kit_close();
}

TEST(who_is_replaced_has_a_stand_in_after_its_time_whoever_leads_then) {
    open_running(
        (kit_service){.name = "api", .count = 2, .disconnect = REPLACE, .disconnect_ms = 60000});
    kit_host_lost("b");
    kit_settle();
    kit_now_ms += 50000;
    kit_take_over();
    kit_settle();
    EXPECT_TEXT("0:a.0 1:b.0!", kit_placed("api"));
    kit_now_ms += 10000;
    kit_settle();
    EXPECT_TEXT("0:a.0 1:b.0! 1:a.1+", kit_placed("api"));
    EXPECT_TEXT("done 0>1 api 2/2/2", kit_state());
    kit_host("b", 1000);
    kit_settle();
    EXPECT_TEXT("0:a.0 1:b.0", kit_placed("api"));
    EXPECT_TEXT("1", kit_order("a", "api"));
    kit_close();
}

TEST(what_never_runs_twice_ends_before_it_begins_elsewhere) {
    open_running(
        (kit_service){.name = "api", .count = 1, .disconnect = STOP_AFTER, .disconnect_ms = 10000});
    kit_drain("a", true);
    kit_decide();
    EXPECT_TEXT("0:a.0", kit_placed("api"));
    EXPECT_TEXT("", kit_order("a", "api"));
    EXPECT_TEXT("none", kit_order("b", "api"));
    kit_settle();
    EXPECT_TEXT("0:b.0", kit_placed("api"));
    EXPECT_TEXT("1", kit_order("b", "api"));
    kit_close();
}

TEST(what_never_runs_twice_has_ended_when_its_process_has) {
    open_running(
        (kit_service){.name = "api", .count = 1, .disconnect = STOP_AFTER, .disconnect_ms = 10000});
    kit_drain("a", true);
    kit_decide();
    Warren__Deploy__Report report = WARREN__DEPLOY__REPORT__INIT;
    Warren__Deploy__Present present = WARREN__DEPLOY__PRESENT__INIT, *of[] = {&present};
    report.version = UINT32_MAX;
    report.instances = of;
    report.n_instances = 1;
    present.pid = 4711; // it drains
    kit_put(DEPLOY_RECORD_REPORT, "a", 0, "api", &report.base);
    kit_decide();
    EXPECT_TEXT("0:a.0", kit_placed("api"));
    present.pid = 0;
    kit_put(DEPLOY_RECORD_REPORT, "a", 0, "api", &report.base);
    kit_decide();
    EXPECT_TEXT("0:b.0", kit_placed("api"));
    kit_close();
}

TEST(what_never_runs_twice_begins_elsewhere_when_its_host_must_have_ended_it) {
    open_running(
        (kit_service){.name = "api", .count = 1, .disconnect = STOP_AFTER, .disconnect_ms = 10000});
    kit_host_lost("a");
    kit_decide();
    kit_now_ms += 10999; // its time, and its grace of 1 s
    kit_decide();
    EXPECT_TEXT("0:a.0!", kit_placed("api"));
    kit_now_ms += 1;
    const deploy_transaction *t = kit_turn();
    EXPECT_EQ(1, t->absent_count); // if the host is back by then, nothing is done
    EXPECT_BYTES("deploy/host/a", t->absent[0]);
    kit_answer(true);
    kit_settle();
    EXPECT_TEXT("0:b.0", kit_placed("api"));
    EXPECT_TEXT("none", kit_order("a", "api"));
    kit_close();
}

TEST(what_never_runs_twice_is_not_forgotten_when_it_is_taken_away_meanwhile) {
    open_running(
        (kit_service){.name = "api", .count = 1, .disconnect = STOP_AFTER, .disconnect_ms = 10000});
    kit_host_lost("a");
    kit_decide();
    kit_want(2, (kit_wish){.release = 0});
    kit_settle();
    EXPECT_TEXT("0:a.0!", kit_placed("api")); // it may run there still
    kit_want(3, (kit_wish){.release = 1});
    kit_settle();
    EXPECT_TEXT("0:a.0!", kit_placed("api"));
    EXPECT_TEXT("none", kit_order("b", "api"));
    kit_now_ms += 11000;
    kit_settle();
    EXPECT_TEXT("0:b.0", kit_placed("api"));
    kit_close();
}

TEST(another_leader_does_not_know_whether_a_host_was_there_in_between) {
    open_running(
        (kit_service){.name = "api", .count = 1, .disconnect = STOP_AFTER, .disconnect_ms = 10000});
    kit_host_lost("a");
    kit_decide();
    kit_now_ms += 10000;
    kit_take_over();
    kit_decide();
    kit_now_ms += 5000;
    kit_decide();
    EXPECT_TEXT("0:a.0!", kit_placed("api"));
    kit_now_ms += 6000;
    kit_settle();
    EXPECT_TEXT("0:b.0", kit_placed("api"));
    kit_close();
}

TEST(a_host_that_is_lost_in_a_rollout_is_not_waited_for) {
    open_running((kit_service){.name = "api", .count = 2});
    kit_release(2, 2, &(kit_service){.name = "api", .count = 2}, 1);
    kit_want(2, (kit_wish){.release = 2});
    kit_decide();
    kit_report();
    kit_decide();
    kit_host_lost("b");
    kit_settle();
    EXPECT_TEXT("done 1>2 api 1/2/1", kit_state());
    EXPECT_TEXT("2", kit_order("b", "api")); // that it will have when it is back
    kit_host("b", 1000);
    kit_settle();
    EXPECT_TEXT("done 1>2 api 2/2/2", kit_state());
    kit_close();
}

TEST(a_thousand_instances_fit_in_their_record) {
    kit_open();
    for (uint32_t i = 0; i < 4; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "host-%u.cluster.example", i);
        kit_host(name, 1000);
    }
    kit_release(1, 1, &(kit_service){.name = "api", .count = 1000, .parallel = 100}, 1);
    kit_want(1, (kit_wish){.release = 1});
    kit_settle();
    EXPECT_TEXT("done 0>1 api 1000/1000/1000", kit_state());
    kit_release(2, 2, &(kit_service){.name = "api", .count = 1000, .parallel = 100}, 1);
    kit_want(2, (kit_wish){.release = 2});
    kit_settle();
    EXPECT_TEXT("done 1>2 api 1000/1000/1000", kit_state());
    kit_close();
}

TEST(the_state_of_a_thousand_services_fits_in_its_record) {
    kit_open();
    kit_release(1, 1, NULL, 0);
    kit_want(1, (kit_wish){.release = 1});
    kit_settle();
    for (uint32_t i = 0; i < 1000; i++) {
        char name[DEPLOY_NAME_MAX];
        Warren__Agent__Run run = WARREN__AGENT__RUN__INIT;
        Warren__Deploy__Spec spec = WARREN__DEPLOY__SPEC__INIT;
        Warren__Deploy__Placed placed = WARREN__DEPLOY__PLACED__INIT;
        (void)snprintf(name, sizeof name, "a-service-with-a-name-as-long-as-it-may-be-for-%016u",
                       i);
        spec.run = &run;
        spec.count = 1; // and there is no host
        placed.project = (char *)"p";
        placed.release = 1;
        kit_put(DEPLOY_RECORD_SPEC, "p", 1, name, &spec.base);
        kit_put(DEPLOY_RECORD_PLACED, name, 0, "", &placed.base);
    }
    const deploy_transaction *t = kit_turn();
    EXPECT_BYTES("deploy/state/p", t->ops[0].key);
    EXPECT_TRUE(t->ops[0].value.len <= DEPLOY_VALUE_LEN_MAX);
    EXPECT_TRUE(t->ops[0].value.len > DEPLOY_VALUE_LEN_MAX / 2);
    kit_answer(true);
    kit_close();
}

TEST(a_service_whose_record_cannot_be_read_stays_as_it_is) {
    open_running((kit_service){.name = "api", .count = 2});
    deploy_conductor *c = deploy_conductor_create();
    const char *why = deploy_conductor_put(c, mesh_bytes_text("deploy/placed/api"),
                                           mesh_bytes_text("\xff\xff"), 5);
    EXPECT_TEXT("the store has \"deploy/placed/api\", which is left out: it does not decode", why);
    Warren__Deploy__Order order = WARREN__DEPLOY__ORDER__INIT;
    uint8_t value[64];
    order.project = (char *)"p";
    order.version = 3;
    mesh_bytes packed = {value, warren__deploy__order__pack(&order, value)};
    EXPECT_TRUE(deploy_conductor_put(c, mesh_bytes_text("deploy/order/a/api"), packed, 6) == NULL);
    deploy_transaction t;
    EXPECT_FALSE(deploy_conductor_turn(c, 1000, &t));
    deploy_conductor_destroy(c);
    kit_close();
}

TEST(keys_and_values_of_others_are_left_out_with_a_sentence) {
    deploy_conductor *c = deploy_conductor_create();
    EXPECT_TEXT("the store has \"deploy/hosts/a\", which is left out: no Warren knows this key",
                deploy_conductor_put(c, mesh_bytes_text("deploy/hosts/a"), mesh_bytes_text(""), 1));
    EXPECT_TEXT(
        "the store has \"deploy/rollout/api\", which is left out: it is no rollout",
        deploy_conductor_put(c, mesh_bytes_text("deploy/rollout/api"), mesh_bytes_text("{}"), 1));
    EXPECT_TRUE(
        deploy_conductor_put(c, mesh_bytes_text("deploy/leader"), mesh_bytes_text("a"), 1) == NULL);
    deploy_conductor_destroy(c);
}
