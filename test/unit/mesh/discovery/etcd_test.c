// Against a real etcd, and against servers that are none.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon.h"
#include "discovery/etcd_json.h"
#include "finder.h"
#include "io/http.h"
#include "port.h"
#include "test.h"

// The longest time between two looks is 6 s: the short lease ends before it, the others are kept.
enum { SHORT_S = 3, KEPT_S = 7, LONG_S = 60 };

static finder f, other;
static uint32_t lease_s = LONG_S;
static daemon_process store;
static char source[100];

// At the same port each time, with the data it had.
static void start(void) {
    static uint16_t port;
    if (port == 0) port = test_free_port();
    char url[64], data[300], log[300];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    (void)snprintf(data, sizeof data, "%s", finder_path("etcd"));
    (void)snprintf(log, sizeof log, "%s", finder_path("etcd.log"));
    (void)snprintf(source, sizeof source, "etcd:%s/warren/test", url);
    setenv("PATH", "/usr/local/lib/warren/etcd/usr/bin:/usr/bin:/bin", 1);
    store = daemon_start((char *[]){"etcd", "--data-dir", data, "--listen-client-urls", url,
                                    "--advertise-client-urls", url, "--listen-peer-urls",
                                    "http://127.0.0.1:0", NULL},
                         port, log);
}

static void forget(void) {
    char command[300];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", finder_path("etcd"));
    EXPECT_OK(system(command));
}

static void open_host(finder *host, const char *id, const char *address) {
    finder_init(host, source);
    host->options.own_id = id;
    host->options.own_address = address;
    host->options.etcd_lease_s = lease_s;
    finder_open(host);
}

static void end(void) {
    finder_close(&f);
    daemon_stop(&store);
    forget();
}

static void on_put(const mesh_http_answer *answer, void *user) {
    *(long *)user = answer->status;
}

// What another program writes into the store.
static void put(const char *key, const char *value) {
    mesh_http *http;
    long status = 0;
    char url[120];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/v3/kv/put", store.port);
    char *body = mesh_etcd_write_put(key, value, "0");
    EXPECT_OK(mesh_http_open(&f.loop, &http));
    mesh_http_post(http, &(mesh_http_request){.url = url, .body = body}, on_put, &status);
    while (status == 0)
        uv_run(&f.loop, UV_RUN_ONCE);
    EXPECT_EQ(200, status);
    mesh_http_close(http);
    free(body);
}

TEST(hosts_find_each_other_and_one_that_ended_is_gone_after_its_lease) {
    start();
    lease_s = SHORT_S;
    open_host(&other, "h2", "10.0.0.2:7402");
    lease_s = LONG_S;
    finder_wait_has(&other, "10.0.0.2:7402");
    open_host(&f, "h1", "10.0.0.1:7401");
    finder_wait_has(&f, "10.0.0.2:7402");
    finder_wait_has(&other, "10.0.0.1:7401");
    finder_close(&other);
    finder_wait_count(&f, 1);
    EXPECT_TEXT("", finder_status(&f, 0).error);
    end();
}

TEST(a_host_without_an_address_of_its_own_only_reads) {
    start();
    open_host(&other, "h2", "10.0.0.2:7402");
    finder_wait_has(&other, "10.0.0.2:7402");
    open_host(&f, "h1", NULL);
    finder_wait_has(&f, "10.0.0.2:7402");
    EXPECT_EQ(1, finder_status(&f, 0).candidate_count);
    finder_close(&other);
    end();
}

TEST(a_lease_is_kept_alive) {
    start();
    lease_s = KEPT_S;
    open_host(&f, "h1", "10.0.0.1:7401");
    lease_s = LONG_S;
    finder_wait_has(&f, "10.0.0.1:7401");
    uint64_t start_ms = finder_status(&f, 0).success_at_ms;
    finder_wait_success(&f, 0, start_ms + 2000UL * KEPT_S);
    EXPECT_EQ(0, f.said_count); // never was there nobody
    end();
}

TEST(a_store_that_is_away_removes_nobody_and_is_written_again_when_it_is_back_without_its_data) {
    start();
    open_host(&f, "h1", "10.0.0.1:7401");
    finder_wait_has(&f, "10.0.0.1:7401");
    daemon_stop(&store);
    finder_wait_error(&f, "cannot be asked: Couldn't connect to server");
    EXPECT_EQ(1, finder_status(&f, 0).candidate_count);
    forget();
    start();
    finder_wait_error(&f, "");
    open_host(&other, "h2", NULL);
    finder_wait_has(&other, "10.0.0.1:7401");
    finder_close(&other);
    for (size_t i = 0; i < f.said_count; i++)
        EXPECT_TRUE(strstr(f.said[i], "lease") == NULL); // it asked for another one by itself
    end();
}

TEST(a_store_that_is_restarted_knows_all_again) {
    start();
    open_host(&f, "h1", "10.0.0.1:7401");
    finder_wait_has(&f, "10.0.0.1:7401");
    daemon_stop(&store);
    start();
    uint64_t now_ms = finder_status(&f, 0).success_at_ms;
    finder_wait_success(&f, 0, now_ms);
    EXPECT_TEXT("", finder_status(&f, 0).error);
    end();
}

TEST(what_others_write_there_is_left_out_and_ones_own_is_written_again) {
    start();
    open_host(&f, "h1", "10.0.0.1:7401");
    finder_wait_has(&f, "10.0.0.1:7401");
    put("/warren/test/hosts/x", "not a host");
    put("/warren/test/hosts/y", "10.0.0.9:7409");
    put("/warren/test/hosts/h1", "garbage");
    put("/warren/testing/hosts/z", "10.0.0.8:1"); // of another cluster
    put("/warren/test/else", "10.0.0.7:1");
    finder_wait_error(&f, "2 of 3 values under /warren/test/hosts/ are not host:port");
    finder_wait_error(&f, "1 of 3 values under /warren/test/hosts/ are not host:port");
    EXPECT_TRUE(finder_has(&f, "10.0.0.9:7409"));
    EXPECT_FALSE(finder_has(&f, "10.0.0.8:1"));
    EXPECT_FALSE(finder_has(&f, "10.0.0.7:1"));
    end();
}

TEST(the_name_of_a_store_is_resolved) {
    start();
    char named[100];
    (void)snprintf(named, sizeof named, "etcd:http://localhost:%u/warren/test", store.port);
    finder_init(&f, named);
    f.options.own_id = "h1";
    f.options.own_address = "10.0.0.1:7401";
    finder_open(&f);
    finder_wait_has(&f, "10.0.0.1:7401");
    end();
}

TEST(a_name_without_an_address_is_told) {
    finder_init(&f, "etcd:http://nobody.invalid");
    f.options.dns_servers = "127.0.0.1:9";
    finder_open(&f);
    finder_wait_error(&f, "the store nobody.invalid:2379 cannot be asked: no name server");
    finder_close(&f);
}

// ---- a store with a certificate of its own, and a login

static char certificate[300];

static void start_secure(void) {
    char command[900], key[300], url[64], data[300], log[300];
    uint16_t port = test_free_port();
    (void)snprintf(certificate, sizeof certificate, "%s", finder_path("etcd.crt"));
    (void)snprintf(key, sizeof key, "%s", finder_path("etcd.key"));
    (void)snprintf(command, sizeof command,
                   "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
                   "-keyout '%s' -out '%s' -days 1 -subj /CN=store "
                   "-addext subjectAltName=IP:127.0.0.1 2>/dev/null",
                   key, certificate);
    EXPECT_OK(system(command));
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u", port);
    (void)snprintf(data, sizeof data, "%s", finder_path("etcd"));
    (void)snprintf(log, sizeof log, "%s", finder_path("etcd.log"));
    (void)snprintf(source, sizeof source, "etcd:%s/warren/test", url);
    setenv("PATH", "/usr/local/lib/warren/etcd/usr/bin:/usr/bin:/bin", 1);
    store = daemon_start((char *[]){"etcd", "--data-dir", data, "--listen-client-urls", url,
                                    "--advertise-client-urls", url, "--listen-peer-urls",
                                    "http://127.0.0.1:0", "--cert-file", certificate, "--key-file",
                                    key, NULL},
                         port, log);
}

static void ask(const char *path, const char *body) {
    uv_loop_t loop;
    mesh_http *http;
    long status = 0;
    char url[120];
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/v3/auth/%s", store.port, path);
    uv_loop_init(&loop);
    EXPECT_OK(mesh_http_open(&loop, &http));
    mesh_http_post(http, &(mesh_http_request){.url = url, .body = body, .ca_path = certificate},
                   on_put, &status);
    while (status == 0)
        uv_run(&loop, UV_RUN_ONCE);
    EXPECT_EQ(200, status);
    mesh_http_close(http);
    uv_run(&loop, UV_RUN_DEFAULT);
    EXPECT_OK(uv_loop_close(&loop));
}

// What is said when `options` follow the source; NULL: it works.
static void expect_said(const char *options, const char *error) {
    char text[1000];
    (void)snprintf(text, sizeof text, "%s%s", source, options);
    finder_init(&f, text);
    f.options.own_id = "h1";
    f.options.own_address = "10.0.0.1:7401";
    finder_open(&f);
    if (error != NULL)
        finder_wait_error(&f, error);
    else
        finder_wait_has(&f, "10.0.0.1:7401");
    finder_close(&f);
}

TEST(a_store_is_asked_over_https_with_a_login) {
    char login[300], with_ca[400], whole[800];
    (void)snprintf(login, sizeof login, "%s", finder_path("login"));
    start_secure();
    (void)snprintf(with_ca, sizeof with_ca, "?ca=%s", certificate);
    (void)snprintf(whole, sizeof whole, "%s&login=%s", with_ca, login);
    expect_said("", "cannot be asked: ");
    expect_said(with_ca, NULL);
    ask("user/add", "{\"name\":\"root\",\"password\":\"a\\\"b:c\"}");
    ask("role/add", "{\"name\":\"root\"}");
    ask("user/grant", "{\"user\":\"root\",\"role\":\"root\"}");
    ask("enable", "{}");
    expect_said(with_ca, "answered with HTTP status ");
    expect_said(whole, "login: No such file or directory");
    finder_write(login, "root:wrong\n");
    EXPECT_OK(chmod(login, 0600));
    expect_said(whole, "authentication failed");
    finder_write(login, "root:a\"b:c\n");
    EXPECT_OK(chmod(login, 0644));
    expect_said(whole, "others may read it");
    EXPECT_OK(chmod(login, 0600));
    expect_said(whole, NULL);
    daemon_stop(&store);
    forget();
}

// ---- servers that are no etcd

typedef struct server {
    uv_tcp_t listener, connection;
    uv_write_t write;
    const char *answer;
    size_t answer_len;
} server;

static char room[65536];
static server fake;

static void give_room(uv_handle_t *handle, size_t size, uv_buf_t *out) {
    (void)handle;
    (void)size;
    *out = uv_buf_init(room, sizeof room);
}

static void on_written(uv_write_t *write, int status) {
    (void)status;
    uv_close((uv_handle_t *)write->handle, NULL);
}

static void on_request(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer) {
    (void)buffer;
    uv_read_stop(stream);
    uv_buf_t bytes = uv_buf_init((char *)(uintptr_t)fake.answer, (unsigned)fake.answer_len);
    if (len > 0)
        uv_write(&fake.write, stream, &bytes, 1, on_written);
    else
        uv_close((uv_handle_t *)stream, NULL);
}

static void on_connection(uv_stream_t *listener, int status) {
    if (status != 0 || uv_is_active((uv_handle_t *)&fake.connection)) return;
    uv_tcp_init(listener->loop, &fake.connection);
    EXPECT_OK(uv_accept(listener, (uv_stream_t *)&fake.connection));
    uv_read_start((uv_stream_t *)&fake.connection, give_room, on_request);
}

// A server that gives every request this answer; what the discovery says of it.
static void expect_refused(const char *answer, size_t len, const char *error) {
    struct sockaddr_in address;
    uint16_t port = test_free_port();
    char text[100];
    (void)snprintf(text, sizeof text, "etcd:http://127.0.0.1:%u/p", port);
    finder_init(&f, text);
    fake = (server){.answer = answer, .answer_len = len};
    uv_ip4_addr("127.0.0.1", port, &address);
    uv_tcp_init(&f.loop, &fake.listener);
    EXPECT_OK(uv_tcp_bind(&fake.listener, (struct sockaddr *)&address, 0));
    EXPECT_OK(uv_listen((uv_stream_t *)&fake.listener, 8, on_connection));
    finder_open(&f);
    finder_wait_error(&f, error);
    EXPECT_EQ(0, finder_status(&f, 0).candidate_count);
    uv_close((uv_handle_t *)&fake.listener, NULL);
    finder_close(&f);
}

static void expect_text_refused(const char *answer, const char *error) {
    expect_refused(answer, strlen(answer), error);
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

TEST(a_server_that_is_no_etcd_is_told_of) {
    expect_text_refused(OK_HEAD "<html>", "did not answer as etcd's JSON gateway does");
    expect_text_refused(OK_HEAD "[]", "did not answer as etcd's JSON gateway does");
    expect_text_refused("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nno",
                        "answered with HTTP status 404");
    expect_text_refused("HTTP/1.1 401 No\r\nConnection: close\r\n\r\n{\"error\":\"who\\nare you\"}",
                        "answered with HTTP status 401: who?are you");
    expect_text_refused(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nConnection: close\r\n\r\n",
        "answered with HTTP status 302");
    expect_text_refused("no http", "cannot be asked: ");
    expect_text_refused(OK_HEAD
                        "{\"kvs\":[1,{},{\"value\":7},{\"value\":\"MTA=\"},{\"value\":\"%%\"}]}",
                        "5 of 5 values under /p/hosts/ are not host:port");
}

TEST(an_answer_without_end_is_cut_off) {
    enum { LEN = 4 * MESH_HTTP_BODY_LEN_MAX };
    char *answer = malloc(LEN);
    memset(answer, ' ', LEN);
    memcpy(answer, OK_HEAD, sizeof OK_HEAD - 1);
    expect_refused(answer, LEN, "cannot be asked: the answer is too long");
    free(answer);
}

TEST(a_silent_server_is_waited_for_five_seconds) {
    expect_refused("", 0, "cannot be asked: ");
}
