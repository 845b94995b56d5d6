// Orders carried out by a real agent's services and real nodes: releases are directories with a
// program in them, and what is reported is waited for.
#include "agent/orders.h"

#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/keep.h"
#include "agent/keeper.h"
#include "agent/kept.h"
#include "agent/service.h"
#include "agent/vault.h"
#include "core/mem.h"
#include "state.pb-c.h"
#include "test.h"

enum { RELEASES_MAX = 16, PATIENCE_MS = 120000 };

static uv_loop_t loop;
static uv_timer_t watchdog;
static agent_services *services;
static agent_orders *orders;
static char dir[] = "/tmp/warren-orders.XXXXXX", state_dir[64];
static uint64_t version;
static bool is_late;
static uint32_t prepare_count, spec_count; // how often each was asked for
static const char *prepare_trouble, *spec_trouble;
static bool is_preparing; // and has no answer yet

static struct { // the last report of api
    char text[512];
    char why[512], lines[512];
    uint32_t count, restarts, pid; // of its first instance
    bool is_gone;
} told;

// "6 r" for each instance: the release, and S, r, F or - for its state; "+7" or "!7" for what is
// prepared.
static void on_report(void *user, const char *service, const Warren__Deploy__Report *report) {
    size_t len = 0;
    (void)user;
    EXPECT_TEXT("api", service);
    told.count++;
    told.is_gone = report == NULL;
    told.text[0] = told.why[0] = told.lines[0] = '\0';
    told.pid = report != NULL && report->n_instances > 0 ? report->instances[0]->pid : 0;
    told.restarts = report != NULL && report->n_instances > 0 ? report->instances[0]->restarts : 0;
    for (size_t i = 0; report != NULL && i < report->n_instances; i++) {
        const Warren__Deploy__Present *p = report->instances[i];
        len +=
            (size_t)snprintf(told.text + len, sizeof told.text - len, "%s%llu%c",
                             len > 0 ? " " : "", (unsigned long long)p->release, "-SrF"[p->state]);
        if (p->why[0] == '\0' || told.why[0] != '\0') continue;
        (void)snprintf(told.why, sizeof told.why, "%s", p->why);
        (void)snprintf(told.lines, sizeof told.lines, "%.*s", (int)p->last_lines.len,
                       (const char *)p->last_lines.data);
    }
    for (size_t i = 0; report != NULL && i < report->n_prepared; i++)
        len += (size_t)snprintf(told.text + len, sizeof told.text - len, " %c%llu",
                                report->prepared[i]->why[0] == '\0' ? '+' : '!',
                                (unsigned long long)report->prepared[i]->release);
}

static void path_of(uint64_t release, const char *name, char out[256]) {
    (void)snprintf(out, 256, "%s/%llu%s%s", dir, (unsigned long long)release, name[0] ? "/" : "",
                   name);
}

static void write_file(uint64_t release, const char *name, const char *text) {
    char path[256];
    path_of(release, name, path);
    FILE *file = fopen(path, "w");
    EXPECT_TRUE(file != NULL);
    EXPECT_TRUE(fputs(text, file) >= 0);
    EXPECT_OK(fclose(file));
}

// Each start of it leaves a line in DIR/starts.
static void release(uint64_t number, const char *program) {
    char path[256], text[1024];
    path_of(number, "", path);
    (void)mkdir(path, 0700);
    (void)snprintf(text, sizeof text,
                   "require('fs').appendFileSync(`${__dirname}/../starts`, "
                   "`${process.env.WARREN_RELEASE} ${process.pid}\\n`)\n%s\n",
                   program);
    write_file(number, "app.js", text);
}

static const char good[] = "setInterval(() => {}, 1000); process.send('ready')";
static const char bad[] = "console.error('no database'); process.exit(3)";

static void prepare(void *user, const char *project, uint64_t number) {
    char path[256];
    (void)user;
    prepare_count++;
    if (is_preparing) return;
    path_of(number, "", path);
    agent_orders_prepared(orders, project, number, prepare_trouble == NULL ? path : NULL,
                          prepare_trouble);
}

static void spec(void *user, const char *project, uint64_t number, const char *service) {
    Warren__Deploy__Spec out = WARREN__DEPLOY__SPEC__INIT;
    Warren__Agent__Run run = WARREN__AGENT__RUN__INIT;
    char *env[] = {"PATH=/usr/bin:/bin"};
    Warren__Agent__Budget no_restarts = WARREN__AGENT__BUDGET__INIT;
    no_restarts.seconds = 60;
    (void)user;
    spec_count++;
    run.entry = "./app.js";
    run.cwd = ".";
    run.env = env;
    run.n_env = 1;
    run.ready = WARREN__AGENT__RUN__READY__MESSAGE;
    run.start_timeout_ms = 60000;
    run.grace_ms = 5000;
    run.budget = number == 7 ? &no_restarts : NULL;
    out.run = &run;
    agent_orders_spec(orders, project, number, service, spec_trouble == NULL ? &out : NULL,
                      spec_trouble);
}

static void open_orders(void) {
    orders = agent_orders_create(&(agent_orders_options){.loop = &loop,
                                                         .services = services,
                                                         .dir = state_dir,
                                                         .prepare = prepare,
                                                         .spec = spec,
                                                         .on_report = on_report});
}

static void on_changed(void *user) {
    (void)user;
}

static void open_services(void) {
    services = agent_services_create(&(agent_services_options){.loop = &loop,
                                                               .dir = state_dir,
                                                               .host = "host",
                                                               .seed = 1,
                                                               .started_at_ms = 1,
                                                               .on_changed = on_changed});
}

static void on_late(uv_timer_t *timer) {
    (void)timer;
    is_late = true;
}

static void set_up(void) {
    char logs[128];
    (void)snprintf(dir, sizeof dir, "/tmp/warren-orders.XXXXXX");
    EXPECT_TRUE(mkdtemp(dir) != NULL);
    (void)snprintf(state_dir, sizeof state_dir, "%s/state", dir);
    EXPECT_OK(mkdir(state_dir, 0700));
    (void)snprintf(logs, sizeof logs, "%s/logs", state_dir);
    EXPECT_OK(mkdir(logs, 0700));
    memset(&told, 0, sizeof told);
    prepare_trouble = spec_trouble = NULL;
    prepare_count = spec_count = 0;
    is_preparing = is_late = false;
    uv_loop_init(&loop);
    uv_timer_init(&loop, &watchdog);
    uv_timer_start(&watchdog, on_late, PATIENCE_MS, 0);
    open_services();
    open_orders();
    agent_orders_cut_off(orders, false);
    release(5, good);
    release(6, good);
}

static void tear_down(void) {
    char command[64];
    agent_orders_destroy(orders);
    agent_services_destroy(services);
    agent_keep_quit(); // it is there in one test
    uv_close((uv_handle_t *)&watchdog, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    EXPECT_OK(uv_loop_close(&loop));
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    EXPECT_OK(system(command)); // NOLINT(cert-env33-c,concurrency-mt-unsafe)
}

// "5.1 6.2 -": the release and the attempt of each instance.
static Warren__Deploy__Order *order_of(const char *text) {
    Warren__Deploy__Order *out = mem_alloc(sizeof *out);
    warren__deploy__order__init(out);
    out->project = "shop";
    out->version = ++version;
    out->drain_ms = 1000;
    out->instances = mem_alloc(8 * sizeof(void *));
    for (const char *at = text; *at != '\0'; at += strspn(at, " ")) {
        Warren__Deploy__Wanted *wanted = mem_alloc(sizeof *wanted);
        warren__deploy__wanted__init(wanted);
        unsigned number = 0, attempt = 0;
        (void)sscanf(at, "%u.%u", &number, &attempt);
        wanted->release = number;
        wanted->attempt = attempt;
        out->instances[out->n_instances++] = wanted;
        at += strcspn(at, " ");
    }
    return out;
}

static void take(Warren__Deploy__Order *order) {
    EXPECT_OK(agent_orders_take(orders, "api", order));
    for (size_t i = 0; i < order->n_instances; i++)
        free(order->instances[i]);
    free(order->instances);
    free(order);
}

static void want(const char *text) {
    take(order_of(text));
}

static void turn(void) {
    EXPECT_FALSE(is_late);
    uv_run(&loop, UV_RUN_ONCE);
}

static void until(const char *text) {
    while (strcmp(told.text, text) != 0) {
        if (is_late)
            (void)fprintf(stderr, "wanted \"%s\", got \"%s\" %s\n", text, told.text, told.why);
        turn();
    }
}

static pid_t pid_of(uint32_t instance) {
    const agent_service *service = agent_service_find_name(services, "api");
    const agent_node *node = service->slots[instance].node;
    return node != NULL ? agent_node_pid(node) : 0;
}

static void until_settled(void) { // no old life is left beside a new one
    const agent_service *service = agent_service_find_name(services, "api");
    while (service->reloadings != NULL)
        turn();
}

static uint32_t count_starts(void) {
    char path[128];
    uint32_t count = 0;
    (void)snprintf(path, sizeof path, "%s/starts", dir);
    FILE *file = fopen(path, "r");
    for (int c; file != NULL && (c = fgetc(file)) != EOF;)
        count += c == '\n';
    if (file != NULL) fclose(file);
    return count;
}

static void until_starts(uint32_t count) {
    while (count_starts() < count)
        turn();
}

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

// That nobody listened on a moment ago.
static unsigned free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_OK(bind(fd, (struct sockaddr *)&address, len));
    EXPECT_OK(getsockname(fd, (struct sockaddr *)&address, &len));
    EXPECT_OK(close(fd));
    return ntohs(address.sin_port);
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
        free_port(), UNTIL_END);
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

// Everything of this process's agent goes, as when the host starts again.
static void start_again(void) {
    agent_orders_destroy(orders);
    agent_services_destroy(services);
    uv_unref((uv_handle_t *)&watchdog);
    uv_run(&loop, UV_RUN_DEFAULT); // until all that was to be kept is on the disk
    uv_ref((uv_handle_t *)&watchdog);
    memset(&told, 0, sizeof told);
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
    agent_orders_destroy(orders);
    agent_services_destroy(services);
    run_first_agent();
    (void)snprintf(path, sizeof path, "%s/deploy/orders", state_dir);
    EXPECT_TRUE(agent_vault_has(path, ".cut-off"));
    Warren__State__CutOff cut_off = WARREN__STATE__CUT_OFF__INIT;
    clock_gettime(CLOCK_REALTIME, &now);
    cut_off.at_ms = (uint64_t)now.tv_sec * 1000 - 3600000; // as if that had been an hour ago
    EXPECT_OK(agent_vault_write_message(path, ".cut-off", &cut_off.base, text));
    memset(&told, 0, sizeof told);
    open_adopting();
    until("0- 0-");
    EXPECT_EQ(3, count_starts());
    tear_down();
}

TEST(the_next_agent_starts_nothing_again_and_knows_what_each_instance_runs) {
    char path[128], text[512] = "";
    set_up();
    agent_orders_destroy(orders);
    agent_services_destroy(services);
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
