// A store in etcd: what the suite says, of a real one, and what only a server can do.
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/mem.h"
#include "daemon.h"
#include "depot.h"
#include "io/http.h"
#include "port.h"
#include "store/hold.h"

enum { MEMBERS = 3, WORDS_MAX = 30 };

static depot d;
static depot_told told;
static int hold_state;
static daemon_process server;
static char place[600], client_url[64];

static void run_command(const char *format, const char *what) {
    char command[1000];
    (void)snprintf(command, sizeof command, format, what, what);
    EXPECT_OK(system(command));
}

static void forget(void) {
    run_command("rm -rf '%s'", depot_path("etcd"));
}

static void remove_directory(void) {
    char command[300];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", depot_path(""));
    (void)!system(command);
}

// With more words of its command line after those that it always has.
static void start_with(const char *scheme, const char *const *more) {
    static char data[300], log[300];
    static uint16_t port;
    if (port == 0) {
        setenv("PATH", "/usr/local/lib/warren/etcd/usr/bin:/usr/bin:/bin", 1);
        port = test_free_port();
        atexit(remove_directory);
    }
    (void)snprintf(client_url, sizeof client_url, "%s://127.0.0.1:%u", scheme, port);
    (void)snprintf(data, sizeof data, "%s", depot_path("etcd"));
    (void)snprintf(log, sizeof log, "%s", depot_path("etcd.log"));
    const char *argv[WORDS_MAX] = {"etcd",
                                   "--data-dir",
                                   data,
                                   "--listen-client-urls",
                                   client_url,
                                   "--advertise-client-urls",
                                   client_url,
                                   "--listen-peer-urls",
                                   "http://127.0.0.1:0",
                                   "--unsafe-no-fsync"};
    size_t count = 9;
    for (; more != NULL && *more != NULL; more++)
        argv[count++] = *more;
    argv[count] = NULL;
    server = daemon_start((char *const *)(uintptr_t)argv, port, log);
}

static void start(void) {
    start_with("http", NULL);
}

static void on_posted(const mesh_http_answer *answer, void *user) {
    *(long *)user = answer->status;
}

// What another program asks of etcd.
static void ask(const char *path, const char *body, const char *ca) {
    uv_loop_t loop;
    mesh_http *http;
    long status = 0;
    char url[120];
    (void)snprintf(url, sizeof url, "%s/v3/%s", client_url, path);
    uv_loop_init(&loop);
    EXPECT_OK(mesh_http_open(&loop, &http));
    mesh_http_request request = {.url = url, .body = body, .ca_path = ca};
    char cert[200], key[200];
    (void)snprintf(cert, sizeof cert, "%s", depot_path("client.crt"));
    (void)snprintf(key, sizeof key, "%s", depot_path("client.key"));
    if (ca != NULL) {
        request.cert_path = cert;
        request.key_path = key;
    }
    mesh_http_post(http, &request, on_posted, &status);
    while (status == 0)
        uv_run(&loop, UV_RUN_ONCE);
    EXPECT_EQ(200, status);
    mesh_http_close(http);
    uv_run(&loop, UV_RUN_DEFAULT);
    EXPECT_OK(uv_loop_close(&loop));
}

// One that is killed before it has made its first files is none ever after.
static void start_anew(void) {
    start();
    ask("kv/put", "{\"key\":\"YQ==\"}", NULL);
}

// One server for all tests, each with keys of its own.
const char *depot_begin(void) {
    if (place[0] != '\0') return place;
    static int count;
    if (server.pid == 0) start_anew();
    (void)snprintf(place, sizeof place, "etcd://127.0.0.1:%u/t%d", server.port, ++count);
    return place;
}

void depot_end(void) {
    place[0] = '\0';
}

const store_link *depot_link(uv_loop_t *loop) {
    (void)loop;
    return NULL;
}

void depot_unlink(void) {}

static void begin(void) {
    depot_open(&d, depot_begin());
}

static void end(void) {
    depot_close(&d);
    depot_end();
}

// ---- away

TEST(etcd_that_is_away_is_told_with_where_and_why_and_found_when_it_is_there) {
    (void)depot_begin();
    daemon_stop(&server);
    depot_open(&d, place);
    EXPECT_ERROR(STORE_EUNREACHABLE, "cannot be asked: Couldn't connect to server (look whether it",
                 depot_put(&d, "a", "1", 0));
    EXPECT_FALSE(d.answer.is_maybe_done);
    EXPECT_FALSE(store_status_get(d.db)->is_reachable);
    start();
    depot_wait_reachable(&d, true);
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    end();
}

TEST(what_is_asked_while_etcd_restarts_waits_for_it) {
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    daemon_stop(&server);
    d.answer.count = 0;
    store_get(d.db, mesh_bytes_text("a"), depot_on_answer, &d.answer);
    depot_wait_reachable(&d, false);
    start();
    depot_wait_answer(&d, &d.answer, 1);
    EXPECT_DONE(&d.answer);
    EXPECT_TEXT("1", d.answer.pairs[0].value);
    end();
}

TEST(a_watch_goes_on_over_restarts_of_etcd_with_every_change_once) {
    char text[32];
    begin();
    depot_watch(&d, &told, "w", depot_now(&d));
    for (int i = 0; i < 3; i++) {
        (void)snprintf(text, sizeof text, "%d", 2 * i);
        EXPECT_DONE(depot_put(&d, "w", text, 0));
        if (i == 1) depot_wait_told(&d, &told, 3); // at the others it may be cut before that
        daemon_stop(&server);
        start();
        (void)snprintf(text, sizeof text, "%d", 2 * i + 1);
        EXPECT_DONE(depot_put(&d, "w", text, 0));
    }
    depot_wait_told(&d, &told, 6);
    for (int i = 0; i < 6; i++) {
        (void)snprintf(text, sizeof text, "w=%d", i);
        EXPECT_TEXT(text, told.texts[i]);
    }
    end();
}

TEST(of_a_change_that_etcd_does_not_answer_it_is_not_known_whether_it_was_done) {
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    depot_watch(&d, &told, "a", d.answer.revision);
    EXPECT_DONE(depot_put(&d, "a", "2", 0));
    depot_wait_told(&d, &told, 1);
    kill(server.pid, SIGSTOP);
    EXPECT_ERROR(STORE_EUNREACHABLE, "Timeout was reached", depot_put(&d, "a", "3", 0));
    EXPECT_TRUE(d.answer.is_maybe_done);
    EXPECT_FALSE(store_status_get(d.db)->is_reachable);
    kill(server.pid, SIGCONT);
    depot_wait_reachable(&d, true);
    bool was_done = strcmp(depot_get(&d, "a")->pairs[0].value, "3") == 0;
    EXPECT_DONE(depot_put(&d, "a", "4", 0));
    depot_wait_told(&d, &told, was_done ? 3 : 2);
    EXPECT_TEXT("a=4", told.texts[told.count - 1]);
    end();
}

static bool is_cut(const depot *of, const void *what) {
    (void)what;
    return !store_status_get(of->db)->is_reachable;
}

TEST(that_etcd_stands_still_is_found_while_only_a_watch_waits) {
    begin();
    depot_watch(&d, &told, "a", depot_now(&d));
    kill(server.pid, SIGSTOP);
    depot_wait(&d, is_cut, NULL);
    kill(server.pid, SIGCONT);
    depot_wait_reachable(&d, true);
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    depot_wait_told(&d, &told, 1);
    end();
}

TEST(a_watch_from_before_a_compaction_is_told_to_read_anew) {
    char body[64];
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    int64_t first = d.answer.revision;
    EXPECT_DONE(depot_put(&d, "a", "2", 0));
    EXPECT_DONE(depot_put(&d, "a", "3", 0));
    int64_t last = d.answer.revision;
    (void)snprintf(body, sizeof body, "{\"revision\":\"%lld\"}", (long long)last);
    ask("kv/compaction", body, NULL);
    depot_watch(&d, &told, "a", first);
    depot_wait_error(&d, &told, STORE_ECOMPACTED);
    EXPECT_TRUE(strstr(told.sentence, "list again, and watch from the revision of that list"));
    EXPECT_EQ(0, told.count);
    store_watch_close(told.watch);
    depot_watch(&d, &told, "a", depot_list(&d, "a", "", 0)->revision);
    EXPECT_DONE(depot_put(&d, "a", "4", 0));
    depot_wait_told(&d, &told, 1);
    end();
}

static void on_hold(const store_hold_news *news, void *user) {
    *(int *)user = news->is_held ? 1 : 2;
}

static bool is_state(const depot *of, const void *state) {
    (void)of;
    return hold_state == *(const int *)state;
}

TEST(a_hold_is_lost_while_etcd_stands_still) {
    int held = 1, lost = 2;
    hold_state = 0;
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    store_hold *hold = store_hold_open(d.db, STORE_TTL_MIN_S, on_hold, &hold_state);
    depot_wait(&d, is_state, &held);
    kill(server.pid, SIGSTOP);
    depot_wait(&d, is_state, &lost);
    EXPECT_FALSE(store_hold_is_valid(hold));
    kill(server.pid, SIGCONT);
    store_hold_close(hold);
    end();
}

// ---- others

TEST(a_name_is_resolved) {
    (void)depot_begin();
    (void)snprintf(place, sizeof place, "etcd://localhost:%u/named", server.port);
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    end();
}

TEST(what_others_write_under_the_prefix_is_read_and_what_no_store_writes_is_left_out) {
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    char *key = "L290aGVyL3g="; // "/other/x"
    char body[200];
    (void)snprintf(body, sizeof body, "{\"key\":\"%s\",\"value\":\"MQ==\"}", key);
    ask("kv/put", body, NULL);
    EXPECT_EQ(1, depot_list(&d, "", "", 0)->pair_count);
    end();
}

TEST(no_backup_is_made_of_etcd) {
    begin();
    d.answer.count = 0;
    store_backup(d.db, "/tmp/x", depot_on_answer, &d.answer);
    depot_wait_answer(&d, &d.answer, 1);
    EXPECT_ERROR(STORE_EINVAL, "run `etcdctl snapshot save FILE`", &d.answer);
    end();
}

TEST(a_server_that_is_no_etcd_is_told_of) {
    uint16_t port = test_free_port();
    char port_text[8], log[200];
    (void)depot_begin();
    daemon_stop(&server);
    (void)snprintf(port_text, sizeof port_text, "%u", port);
    (void)snprintf(log, sizeof log, "%s", depot_path("http.log"));
    daemon_process other = daemon_start(
        (char *[]){"python3", "-m", "http.server", "--bind", "127.0.0.1", port_text, NULL}, port,
        log);
    (void)snprintf(place, sizeof place, "etcd://127.0.0.1:%u/p", port);
    begin();
    EXPECT_ERROR(STORE_EUNREACHABLE, "answered with HTTP status 501", depot_get(&d, "a"));
    end();
    daemon_stop(&other);
}

TEST(a_full_etcd_is_told_of) {
    static char value[STORE_VALUE_LEN_MAX + 1];
    memset(value, 'v', STORE_VALUE_LEN_MAX);
    daemon_stop(&server);
    forget();
    start_with("http", (const char *const[]){"--quota-backend-bytes", "1000000", NULL});
    begin();
    int done = 0;
    while (depot_put(&d, "a", value, 0)->error == 0)
        EXPECT_TRUE(++done < 100);
    EXPECT_ERROR(STORE_EFULL, "compact and defragment it", &d.answer);
    EXPECT_FALSE(d.answer.is_maybe_done);
    EXPECT_EQ(1, depot_get(&d, "a")->pair_count);
    end();
    daemon_stop(&server);
    forget();
}

// ---- certificates and logins

static void make_certificates(void) {
    static const char one[] =
        "cd '%s' && for n in ca other; do openssl req -x509 -newkey ec -pkeyopt "
        "ec_paramgen_curve:prime256v1 -nodes -keyout $n.key -out $n.crt -days 1 -subj /CN=$n; done "
        "2>/dev/null && for n in server client; do openssl req -newkey ec -pkeyopt "
        "ec_paramgen_curve:prime256v1 -nodes -keyout $n.key -out $n.csr -subj / -addext "
        "subjectAltName=IP:127.0.0.1 2>/dev/null && openssl x509 -req -in $n.csr -CA ca.crt -CAkey "
        "ca.key -CAcreateserial -out $n.crt -days 1 -copy_extensions copy 2>/dev/null; done";
    run_command(one, depot_path(""));
}

static void start_secure(void) {
    static char cert[200], key[200], ca[200];
    (void)snprintf(cert, sizeof cert, "%s", depot_path("server.crt"));
    (void)snprintf(key, sizeof key, "%s", depot_path("server.key"));
    (void)snprintf(ca, sizeof ca, "%s", depot_path("ca.crt"));
    start_with("https", (const char *const[]){"--cert-file", cert, "--key-file", key,
                                              "--client-cert-auth", "--trusted-ca-file", ca, NULL});
}

static void write_file(const char *name, const char *text) {
    FILE *file = fopen(depot_path(name), "w");
    (void)fputs(text, file);
    (void)fclose(file);
    EXPECT_OK(chmod(depot_path(name), 0600));
}

// A place with these options, where D is the directory of this process.
static const char *secure_place(const char *options) {
    char directory[200];
    (void)snprintf(directory, sizeof directory, "%s", depot_path(""));
    int len = snprintf(place, sizeof place, "etcds://127.0.0.1:%u/secure?", server.port);
    for (const char *c = options; *c != '\0'; c++)
        len += snprintf(place + len, sizeof place - (size_t)len, *c == 'D' ? "%s" : "%.1s",
                        *c == 'D' ? directory : c);
    return place;
}

static void expect_said(const char *options, int error, const char *part) {
    depot_open(&d, secure_place(options));
    EXPECT_ERROR(error, part, depot_put(&d, "a", "1", 0));
    end();
}

#define CERTIFICATES "ca=Dca.crt&cert=Dclient.crt&key=Dclient.key"

TEST(etcd_is_asked_with_certificates_and_a_login_that_is_renewed) {
    static char ca[200];
    daemon_stop(&server);
    forget();
    make_certificates();
    (void)snprintf(ca, sizeof ca, "%s", depot_path("ca.crt"));
    start_secure();
    expect_said("ca=Dother.crt", STORE_EUNREACHABLE, "SSL peer certificate");
    expect_said("ca=Dca.crt", STORE_EUNREACHABLE, "cannot be asked: ");
    expect_said(CERTIFICATES, 0, "");
    ask("auth/user/add", "{\"name\":\"root\",\"password\":\"r\"}", ca);
    ask("auth/role/add", "{\"name\":\"root\"}", ca);
    ask("auth/user/grant", "{\"user\":\"root\",\"role\":\"root\"}", ca);
    ask("auth/user/add", "{\"name\":\"guest\",\"password\":\"g\"}", ca);
    ask("auth/enable", "{}", ca);
    expect_said(CERTIFICATES, STORE_EDENIED, "asks for a login: add ?login=/FILE");
    expect_said(CERTIFICATES "&login=Dlogin", STORE_EDENIED, "login: No such file");
    write_file("login", "root:wrong\n");
    expect_said(CERTIFICATES "&login=Dlogin", STORE_EDENIED, "refused the login: check the name");
    write_file("login", "guest:g\n");
    expect_said(CERTIFICATES "&login=Dlogin", STORE_EDENIED, "give the user of the login a role");
    write_file("login", "root:r\n");
    depot_open(&d, secure_place(CERTIFICATES "&login=Dlogin"));
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    depot_watch(&d, &told, "a", d.answer.revision);
    EXPECT_DONE(depot_put(&d, "a", "2", 0));
    depot_wait_told(&d, &told, 1);
    daemon_stop(&server); // and with it the logins that it knew
    start_secure();
    EXPECT_DONE(depot_put(&d, "a", "3", 0));
    depot_wait_told(&d, &told, 2);
    end();
    daemon_stop(&server);
    forget();
}

// ---- several

static daemon_process members[MEMBERS];

static void start_members(void) {
    static char names[MEMBERS][16], client[MEMBERS][64], peer[MEMBERS][64], data[MEMBERS][200];
    static char all[300], log[200];
    uint16_t ports[MEMBERS];
    int len = 0, at = snprintf(place, sizeof place, "etcd://");
    for (int i = 0; i < MEMBERS; i++) {
        ports[i] = test_free_port();
        (void)snprintf(names[i], sizeof names[i], "m%d", i);
        (void)snprintf(client[i], sizeof client[i], "http://127.0.0.1:%u", ports[i]);
        (void)snprintf(peer[i], sizeof peer[i], "http://127.0.0.1:%u", test_free_port());
        (void)snprintf(data[i], sizeof data[i], "%s", depot_path(names[i]));
        len += snprintf(all + len, sizeof all - (size_t)len, "%s%s=%s", i > 0 ? "," : "", names[i],
                        peer[i]);
        at += snprintf(place + at, sizeof place - (size_t)at, "%s127.0.0.1:%u", i > 0 ? "," : "",
                       ports[i]);
    }
    (void)snprintf(log, sizeof log, "%s", depot_path("members.log"));
    for (int i = 0; i < MEMBERS; i++)
        members[i] = daemon_launch(
            (char *[]){"etcd", "--name", names[i], "--data-dir", data[i], "--listen-client-urls",
                       client[i], "--advertise-client-urls", client[i], "--listen-peer-urls",
                       peer[i], "--initial-advertise-peer-urls", peer[i], "--initial-cluster", all,
                       NULL},
            ports[i], log);
}

static void put_until_done(const char *value) {
    do {
        depot_put(&d, "a", value, 0);
    } while (d.answer.error == STORE_EUNREACHABLE);
    EXPECT_DONE(&d.answer);
}

static bool has_last(const depot *of, const void *text) {
    (void)of;
    return told.count > 0 && strcmp(told.texts[told.count - 1], text) == 0;
}

TEST(of_three_members_one_may_die_and_a_watch_goes_on_with_the_others) {
    daemon_stop(&server);
    start_members();
    begin();
    put_until_done("1"); // they have to find each other first
    depot_watch(&d, &told, "a", d.answer.revision);
    daemon_stop(&members[0]);
    put_until_done("2");
    EXPECT_TEXT("2", depot_get(&d, "a")->pairs[0].value);
    depot_wait(&d, has_last, "a=2");
    end();
    for (int i = 1; i < MEMBERS; i++) {
        kill(members[i].pid, SIGKILL);
        waitpid(members[i].pid, NULL, 0);
    }
}
