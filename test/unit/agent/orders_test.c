// Orders carried out by a real agent's services and real nodes.
#include "orders_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/service.h"
#include "core/mem.h"
#include "port.h"

TEST(an_order_starts_a_service_and_its_deletion_ends_it) {
    set_up();
    want("5.1 5.1");
    until("5r 5r");
    EXPECT_EQ(2, count_starts());
    EXPECT_EQ(1, prepare_count);
    EXPECT_EQ(1, spec_count);
    EXPECT_OK(agent_orders_take(orders, "api", NULL));
    while (!told.is_gone)
        turn();
    EXPECT_TRUE(agent_service_find_name(services, "api") == NULL);
    tear_down();
}

TEST(one_instance_gets_another_release_and_keeps_it_after_a_crash) {
    set_up();
    want("5.1 5.1");
    until("5r 5r");
    pid_t other = pid_of(0), before = pid_of(1);
    want("5.1 6.2");
    until("5r 6r");
    EXPECT_EQ(other, pid_of(0));
    EXPECT_TRUE(pid_of(1) != before);
    until_settled();
    before = pid_of(1);
    EXPECT_OK(kill(before, SIGKILL));
    until_starts(4);
    until("5r 6r");
    EXPECT_TRUE(pid_of(1) != before);
    EXPECT_EQ(other, pid_of(0));
    tear_down();
}

TEST(a_release_that_fails_is_reported_with_its_last_lines_and_the_old_one_serves_on) {
    set_up();
    release(7, bad);
    want("5.1 5.1");
    until("5r 5r");
    pid_t before = pid_of(0);
    want("7.2 5.1");
    until("7F 5r");
    EXPECT_TEXT("the new api.0 ended before it was ready (exit code 3)", told.why);
    EXPECT_TEXT("no database\n", told.lines);
    EXPECT_EQ(before, pid_of(0));
    want("5.3 5.1"); // back: what never ended goes on
    until("5r 5r");
    EXPECT_EQ(before, pid_of(0));
    EXPECT_EQ(3, count_starts());
    tear_down();
}

TEST(a_larger_attempt_tries_again_what_failed_and_begins_anew_what_runs) {
    set_up();
    release(7, bad);
    want("5.1");
    until("5r");
    want("7.2");
    until("7F");
    release(7, good);
    want("7.3");
    until("7r");
    until_settled();
    pid_t before = pid_of(0);
    want("7.4");
    until_starts(4);
    while (pid_of(0) == before)
        turn();
    until("7r");
    tear_down();
}

TEST(a_newer_order_while_a_release_hangs_is_carried_out_at_once) {
    set_up();
    release(7, "setInterval(() => {}, 1000)"); // never ready
    want("5.1");
    until("5r");
    pid_t before = pid_of(0);
    want("7.2");
    while (count_starts() < 2)
        turn();
    want("6.3");
    until("6r");
    EXPECT_TRUE(pid_of(0) != before);
    tear_down();
}

TEST(instances_are_stopped_and_started_and_added_each_for_itself) {
    set_up();
    want("5.1 - 5.1");
    until("5r 0- 5r");
    pid_t kept = pid_of(2);
    want("- 6.2 5.1 6.2");
    until("0- 6r 5r 6r");
    EXPECT_EQ(kept, pid_of(2));
    EXPECT_EQ(0, pid_of(0));
    want("5.3");
    until("5r");
    const agent_service *service = agent_service_find_name(services, "api");
    EXPECT_EQ(1, service->instances);
    EXPECT_EQ(5, count_starts());
    tear_down();
}

TEST(one_that_cannot_start_is_given_up_and_started_by_a_larger_attempt) {
    set_up();
    release(7, bad);
    want("7.1");
    until("7S");
    until("7F");
    EXPECT_OK(strncmp(told.why, "api.0 has failed (exit code 3", 29));
    EXPECT_TEXT("no database\n", told.lines);
    want("7.1"); // said again it is the same
    want("5.2");
    until("5r");
    EXPECT_EQ(2, count_starts());
    tear_down();
}

// Ends with 0 as soon as DIR/end is there.
#define UNTIL_END "setInterval(() => fs.existsSync(`${__dirname}/../end`) && process.exit(0), 10)\n"

static void touch(const char *name) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    EXPECT_TRUE(file != NULL);
    EXPECT_OK(fclose(file));
}

TEST(who_was_ready_and_ends_with_0_has_done_its_work_and_runs_again_with_another_release) {
    set_up();
    release(5, "const fs = require('fs'); process.send('ready')\n" UNTIL_END);
    want("5.1");
    until("5r");
    EXPECT_TRUE(told.pid != 0);
    touch("end");
    while (told.pid != 0)
        turn();
    EXPECT_TEXT("5r", told.text);
    want("5.1");
    want("6.2");
    until("6r");
    EXPECT_TRUE(told.pid != 0);
    EXPECT_EQ(2, count_starts());
    tear_down();
}

TEST(who_ends_with_0_before_it_was_ready_as_it_should_or_serves_has_failed) {
    char program[512];
    set_up();
    release(7, "process.exit(0)");
    want("7.1");
    until("7S");
    until("7F");
    EXPECT_TEXT("api.0 has ended (exit code 0)", told.why);
    (void)snprintf(
        program, sizeof program,
        "const fs = require('fs')\nrequire('http').createServer().listen(%u, '127.0.0.1', "
        "() => process.send('ready'))\n%s",
        test_free_port(), UNTIL_END);
    release(5, program);
    want("5.2");
    until("5r");
    touch("end");
    until("5F");
    tear_down();
}

TEST(who_is_ready_in_its_second_life_is_reported_with_the_end_of_the_first_one) {
    set_up();
    release(5, "const fs = require('fs'), was = `${__dirname}/was`\n"
               "if (fs.existsSync(was)) { setInterval(() => {}, 1000); process.send('ready') }\n"
               "else { fs.writeFileSync(was, ''); fs.writeSync(2, 'no database\\n')\n"
               "  process.kill(process.pid, 'SIGKILL') }");
    want("5.1");
    until("5r");
    EXPECT_EQ(1, told.restarts);
    EXPECT_TEXT("api.0 ended and was started again (signal SIGKILL)", told.why);
    EXPECT_TEXT("no database\n", told.lines);
    pid_t before = pid_of(0);
    want("5.2");
    while (pid_of(0) == before || told.restarts > 0)
        turn();
    until("5r");
    EXPECT_EQ(0, told.restarts);
    EXPECT_TEXT("", told.why);
    tear_down();
}

static void prepare_6(void) {
    Warren__Deploy__Order *order = order_of("");
    order->prepare = (uint64_t[]){6};
    order->n_prepare = 1;
    take(order);
}

TEST(a_new_order_knows_nothing_of_what_failed_before_it_and_not_yet_is_no_failure) {
    set_up();
    prepare_trouble = "no host has it";
    prepare_6();
    until(" !6");
    is_preparing = true;
    prepare_6();
    until("");
    EXPECT_EQ(2, prepare_count);
    uint32_t count = told.count;
    agent_orders_prepared(orders, "shop", 6, NULL, "");
    is_preparing = false;
    prepare_trouble = NULL;
    prepare_6();
    until(" +6");
    EXPECT_EQ(count + 1, told.count); // nothing was told between
    tear_down();
}

TEST(what_cannot_be_prepared_is_reported_and_had_with_the_next_order) {
    set_up();
    prepare_trouble = "no host has it";
    prepare_6();
    until(" !6");
    want("6.1");
    until("6F");
    EXPECT_TEXT("no host has it", told.why);
    prepare_trouble = NULL;
    want("6.1");
    until("6r");
    Warren__Deploy__Order *order = order_of("6.1");
    order->prepare = (uint64_t[]){5, 6};
    order->n_prepare = 2;
    take(order);
    until("6r +5 +6");
    EXPECT_TRUE(agent_orders_needs(orders, "shop", 5));
    EXPECT_FALSE(agent_orders_needs(orders, "shop", 7));
    tear_down();
}

TEST(a_service_that_somebody_runs_by_that_name_is_left_alone) {
    set_up();
    Warren__Agent__Run *run = mem_alloc(sizeof *run);
    agent_refusal refusal;
    uint32_t id;
    char path[256];
    warren__agent__run__init(run);
    path_of(5, "app.js", path);
    run->entry = mem_copy(path, strlen(path) + 1);
    run->cwd = mem_copy("/", 2);
    run->name = mem_copy("api", 4);
    run->instances = 1;
    EXPECT_OK(agent_services_run(services, run, -1, &id, &refusal));
    want("5.1");
    until("5F");
    EXPECT_TEXT("a service called api runs on this host that was not deployed with shop (`warren "
                "stop api` ends it)",
                told.why);
    agent_services_stop(services, id, AGENT_INSTANCE_ALL, true);
    until("5r"); // the name is free
    tear_down();
}

TEST(an_order_beyond_its_limits_changes_nothing) {
    set_up();
    want("5.1");
    until("5r");
    Warren__Deploy__Order wrong = WARREN__DEPLOY__ORDER__INIT;
    wrong.project = "../shop";
    EXPECT_TRUE(agent_orders_take(orders, "api", &wrong) < 0);
    wrong.project = "shop";
    wrong.drain_ms = UINT32_MAX;
    EXPECT_TRUE(agent_orders_take(orders, "api", &wrong) < 0);
    EXPECT_TRUE(agent_orders_take(orders, "../api", &wrong) < 0);
    want("5.1 5.1");
    until("5r 5r");
    tear_down();
}

TEST(what_cannot_be_started_at_all_has_failed_until_it_is_ordered_again) {
    char node[512];
    (void)snprintf(node, sizeof node, "%s", getenv("WARREN_NODE"));
    EXPECT_OK(setenv("WARREN_NODE", "/nowhere/warren-node", 1));
    set_up();
    want("5.1 6.1");
    until("5F 6F");
    EXPECT_TRUE(strstr(told.why, "/nowhere/warren-node") != NULL);
    EXPECT_OK(setenv("WARREN_NODE", node, 1));
    want("5.2 6.2");
    until("5r 6r");
    EXPECT_EQ(2, count_starts());
    tear_down();
}
