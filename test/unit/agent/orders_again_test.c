// What of orders outlives an agent: the next one carries on with what is on disk and what runs.
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/keep.h"
#include "agent/keeper.h"
#include "agent/kept.h"
#include "agent/service.h"
#include "agent/vault.h"
#include "core/mem.h"
#include "orders_fixture.h"
#include "state.pb-c.h"

// Everything of this process's agent goes, and what it was to keep is on the disk: the next agent
// writes the same files.
static void end_agent(void) {
    agent_orders_destroy(orders);
    agent_services_destroy(services);
    uv_unref((uv_handle_t *)&watchdog);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_ref((uv_handle_t *)&watchdog);
    memset(&told, 0, sizeof told);
}

// As when the host starts again.
static void start_again(void) {
    end_agent();
    open_services();
    open_orders();
}

TEST(a_host_that_starts_while_the_store_is_away_runs_what_it_ran) {
    set_up();
    release(7, bad);
    want("5.1 6.2 -");
    until("5r 6r 0-");
    want("5.1 7.3 -");
    until("5r 7F 0-");
    prepare_trouble = spec_trouble = "the store is away";
    prepare_count = spec_count = 0;
    start_again();
    until("5r 7F 0-"); // what had failed is not tried again
    EXPECT_EQ(0, prepare_count);
    EXPECT_EQ(0, spec_count);
    EXPECT_EQ(4, count_starts());
    tear_down();
}

TEST(a_service_that_stops_without_the_store_is_stopped_and_waits_for_its_order) {
    set_up();
    Warren__Deploy__Order *order = order_of("5.1");
    order->stop_after_ms = 50;
    take(order);
    until("5r");
    agent_orders_cut_off(orders, true);
    until("0-");
    start_again();
    until("0-");
    EXPECT_EQ(1, count_starts());
    agent_orders_cut_off(orders, false);
    order = order_of("5.1");
    order->stop_after_ms = 50;
    take(order);
    until("5r");
    EXPECT_EQ(2, count_starts());
    tear_down();
}

TEST(what_was_ordered_and_is_not_named_any_more_ends) {
    set_up();
    want("5.1");
    until("5r");
    agent_orders_only(orders, (const char *[]){"web"}, 1);
    while (!told.is_gone)
        turn();
    start_again();
    for (int i = 0; i < 3; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    EXPECT_TRUE(agent_service_find_name(services, "api") == NULL);
    tear_down();
}

// ---- an agent that is killed

static const char place_name[] = "WARREN_DIR";

// With what the agent before it has left, as agent.c begins.
static void open_adopting(void) {
    agent_adoption *adoption = agent_adoption_create();
    EXPECT_OK(setenv(place_name, state_dir, true)); // for the keeper
    open_services();
    EXPECT_OK(agent_keep_open(&loop, state_dir, agent_adoption_take, adoption));
    agent_services_adopt(services, adoption);
    agent_adoption_destroy(adoption);
    open_orders();
}

// In a process of its own, until it is killed: two instances with two releases.
static void be_first_agent(const char *place) {
    char path[128];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(dir, sizeof dir, "%s", place);
    (void)snprintf(state_dir, sizeof state_dir, "%s/state", dir);
    uv_loop_init(&loop);
    open_adopting();
    want("5.1 5.1");
    until("5r 5r");
    Warren__Deploy__Order *order = order_of("5.1 6.2");
    order->stop_after_ms = 3600000;
    take(order);
    until("5r 6r");
    until_settled();
    // What it needs of a release is on disk after its order.
    (void)snprintf(path, sizeof path, "%s/deploy/orders/api.6", state_dir);
    while (!agent_keep_is_flushed() || access(path, F_OK) != 0)
        uv_run(&loop, UV_RUN_NOWAIT);
    write_file(5, "ready", "");
    for (;;)
        turn();
}

// This program is its own keeper and first agent, too.
__attribute__((constructor)) static void be_another(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[2], AGENT_KEEPER_WORD) == 0)
        exit(agent_keeper_main(getenv(place_name)));
    if (argc == 3 && strcmp(argv[1], "--first-agent") == 0) be_first_agent(argv[2]);
}

static void run_first_agent(void) {
    char program[] = "/proc/self/exe", ready[256];
    char *argv[] = {program, "--first-agent", dir, NULL};
    pid_t pid;
    path_of(5, "ready", ready);
    EXPECT_OK(posix_spawn(&pid, program, NULL, NULL, argv, environ));
    while (access(ready, F_OK) != 0) {
        EXPECT_FALSE(is_late);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    EXPECT_OK(kill(pid, SIGKILL));
    EXPECT_EQ(pid, waitpid(pid, NULL, 0));
}

// The first agent has heard the store never.
TEST(the_time_without_the_store_goes_on_when_an_agent_follows_another) {
    char path[128], text[AGENT_VAULT_TEXT_MAX];
    struct timespec now;
    set_up();
    end_agent();
    run_first_agent();
    (void)snprintf(path, sizeof path, "%s/deploy/orders", state_dir);
    EXPECT_TRUE(agent_vault_has(path, ".cut-off"));
    Warren__State__CutOff cut_off = WARREN__STATE__CUT_OFF__INIT;
    clock_gettime(CLOCK_REALTIME, &now);
    cut_off.at_ms = (uint64_t)now.tv_sec * 1000 - 3600000; // as if that had been an hour ago
    EXPECT_OK(agent_vault_write_message(path, ".cut-off", &cut_off.base, text));
    open_adopting();
    until("0- 0-");
    EXPECT_EQ(3, count_starts());
    tear_down();
}

TEST(the_next_agent_starts_nothing_again_and_knows_what_each_instance_runs) {
    char path[128], text[512] = "";
    set_up();
    end_agent();
    run_first_agent();
    EXPECT_EQ(3, count_starts());
    open_adopting();
    agent_orders_cut_off(orders, false);
    want("5.1 6.2");
    until("5r 6r");
    EXPECT_EQ(3, count_starts());
    EXPECT_EQ(0, prepare_count);
    EXPECT_OK(kill(pid_of(1), SIGKILL));
    until_starts(4);
    (void)snprintf(path, sizeof path, "%s/starts", dir);
    FILE *file = fopen(path, "r");
    for (int i = 0; i < 4; i++)
        EXPECT_TRUE(fgets(text, sizeof text, file) != NULL);
    fclose(file);
    EXPECT_OK(strncmp(text, "6 ", 2));
    want("5.1 6.3"); // begun anew: by the number that it was brought by
    until_starts(5);
    until("5r 6r");
    tear_down();
}
