#include "orders_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/keep.h"
#include "agent/service.h"
#include "core/mem.h"

enum { PATIENCE_MS = 120000 };

uv_loop_t loop;
uv_timer_t watchdog;
agent_services *services;
agent_orders *orders;
char dir[32], state_dir[64];
bool is_late;
uint32_t prepare_count, spec_count;
const char *prepare_trouble, *spec_trouble;
bool is_preparing;
orders_told told;

static uint64_t version;

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

void path_of(uint64_t release, const char *name, char out[256]) {
    (void)snprintf(out, 256, "%s/%llu%s%s", dir, (unsigned long long)release, name[0] ? "/" : "",
                   name);
}

void write_file(uint64_t release, const char *name, const char *text) {
    char path[256];
    path_of(release, name, path);
    FILE *file = fopen(path, "w");
    EXPECT_TRUE(file != NULL);
    EXPECT_TRUE(fputs(text, file) >= 0);
    EXPECT_OK(fclose(file));
}

// Each start of it leaves a line in DIR/starts.
void release(uint64_t number, const char *program) {
    char path[256], text[1024];
    path_of(number, "", path);
    (void)mkdir(path, 0700);
    (void)snprintf(text, sizeof text,
                   "require('fs').appendFileSync(`${__dirname}/../starts`, "
                   "`${process.env.WARREN_RELEASE} ${process.pid}\\n`)\n%s\n",
                   program);
    write_file(number, "app.js", text);
}

const char good[] = "setInterval(() => {}, 1000); process.send('ready')";
const char bad[] = "console.error('no database'); process.exit(3)";

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

void open_orders(void) {
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

void open_services(void) {
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

void set_up(void) {
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

void tear_down(void) {
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

Warren__Deploy__Order *order_of(const char *text) {
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

void take(Warren__Deploy__Order *order) {
    EXPECT_OK(agent_orders_take(orders, "api", order));
    for (size_t i = 0; i < order->n_instances; i++)
        free(order->instances[i]);
    free(order->instances);
    free(order);
}

void want(const char *text) {
    take(order_of(text));
}

void turn(void) {
    EXPECT_FALSE(is_late);
    uv_run(&loop, UV_RUN_ONCE);
}

void until(const char *text) {
    while (strcmp(told.text, text) != 0) {
        if (is_late)
            (void)fprintf(stderr, "wanted \"%s\", got \"%s\" %s\n", text, told.text, told.why);
        turn();
    }
}

pid_t pid_of(uint32_t instance) {
    const agent_service *service = agent_service_find_name(services, "api");
    const agent_node *node = service->slots[instance].node;
    return node != NULL ? agent_node_pid(node) : 0;
}

void until_settled(void) { // no old life is left beside a new one
    const agent_service *service = agent_service_find_name(services, "api");
    while (service->reloadings != NULL)
        turn();
}

uint32_t count_starts(void) {
    char path[128];
    uint32_t count = 0;
    (void)snprintf(path, sizeof path, "%s/starts", dir);
    FILE *file = fopen(path, "r");
    for (int c; file != NULL && (c = fgetc(file)) != EOF;)
        count += c == '\n';
    if (file != NULL) fclose(file);
    return count;
}

void until_starts(uint32_t count) {
    while (count_starts() < count)
        turn();
}
