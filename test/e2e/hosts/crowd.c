// Many hosts of one cluster in one process: crowd HOW STATE ADDRESS COUNT. They have certificates
// of the issuer whose state directory that is, and links of agents are all they do: each dials the
// agent at ADDRESS until it has been up. A line on stdin begins it, or begins it anew; says, as
// JSON, how long it took until each was up, and all.
//   together       all at once, from the beginning: what failed and was tried again counts
//   one-by-one     one after the other, each from its own dialling
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <sodium.h>

#include "agent/identity.h"
#include "core/mem.h"
#include "io/agent_peers.h"

enum { PORT = 7400, COUNT_MAX = 4000, FILES_MAX = 2 * COUNT_MAX, AGAIN_MS = 500 };

typedef struct someone {
    mesh_credentials self;
    mesh_signed certs[2];
    mesh_bytes chain[2];
    uint8_t host_id[MESH_ID_LEN];
    mesh_agent_peers *peers;
    uv_timer_t timer;
    uint64_t dialled_at_ns;
    double took_ms; // below 0: not up yet
} someone;

static uv_loop_t loop;
static agent_identity *issuer;
static mesh_addr target = {.family = 4, .port = PORT};
static someone crowd[COUNT_MAX];
static uint32_t count, up_count;
static bool is_one_by_one;
static uint64_t began_at_ns;

static void dial(someone *one) {
    one->dialled_at_ns = uv_hrtime();
    (void)mesh_agent_peers_dial(one->peers, &target, NULL);
}

static void on_again(uv_timer_t *timer) {
    someone *one = timer->data;
    if (one->took_ms < 0) dial(one);
}

static void dial_later(someone *one) {
    (void)uv_timer_start(&one->timer, on_again, AGAIN_MS / 2 + randombytes_uniform(AGAIN_MS), 0);
}

static int compare(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void say(void) {
    static double times[COUNT_MAX];
    for (uint32_t i = 0; i < count; i++)
        times[i] = crowd[i].took_ms;
    qsort(times, count, sizeof *times, compare);
    (void)printf("{\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"worst_ms\":%.2f,\"all_ms\":%.0f}\n",
                 times[count / 2], times[count * 99 / 100], times[count - 1],
                 (double)(uv_hrtime() - began_at_ns) / 1e6);
}

static void on_up(const mesh_identity *peer, void *user) {
    someone *one = user;
    (void)peer;
    if (one->took_ms >= 0) return;
    // Together: since all began; an attempt that failed counts. Alone: of the connection.
    uint64_t from = is_one_by_one ? one->dialled_at_ns : began_at_ns;
    one->took_ms = (double)(uv_hrtime() - from) / 1e6;
    if (++up_count == count)
        say();
    else if (is_one_by_one)
        dial(&crowd[up_count]);
}

static void on_message(const mesh_identity *peer, mesh_bytes message, void *user) {
    (void)peer;
    (void)message;
    (void)user;
}

static void on_down(const mesh_identity *peer, const char *why, void *user) {
    (void)peer;
    (void)why;
    (void)user;
}

static void on_dial_failed(const mesh_addr *to, int err, void *user) {
    (void)to;
    (void)err;
    dial_later(user);
}

static void make(someone *one) {
    mesh_cert wanted = {0};
    mesh_moment at = {.now_s = (uint64_t)time(NULL)};
    uint8_t secret[MESH_SIGN_SECRET_LEN];
    (void)crypto_sign_keypair(wanted.ed25519, secret);
    mesh_host_id_of(wanted.ed25519, one->host_id);
    one->self = issuer->credentials;
    randombytes_buf(one->self.link_secret, sizeof one->self.link_secret);
    (void)crypto_scalarmult_base(wanted.x25519, one->self.link_secret);
    randombytes_buf(at.serial, sizeof at.serial);
    (void)snprintf(wanted.name, sizeof wanted.name, "one-of-a-crowd");
    (void)snprintf(wanted.scopes[0], sizeof wanted.scopes[0], "*");
    wanted.scope_count = 1;
    one->certs[0] = issuer->certs[0];
    CHECK(mesh_issue_host(&issuer->issuer, &wanted, &at, &one->certs[1]) == 0);
    for (int i = 0; i < 2; i++)
        one->chain[i] = (mesh_bytes){one->certs[i].bytes, one->certs[i].len};
    one->self.chain = one->chain;
    one->self.boot_id = at.now_s;
    static const mesh_agent_peers_events events = {on_up, on_message, on_down, on_dial_failed};
    one->peers = mesh_agent_peers_open(&loop, &one->self, one->host_id, &events, one);
    (void)uv_timer_init(&loop, &one->timer);
    one->timer.data = one;
}

static void begin(void) {
    up_count = 0;
    began_at_ns = uv_hrtime();
    for (uint32_t i = 0; i < count; i++)
        crowd[i].took_ms = -1;
    for (uint32_t i = 0; i < (is_one_by_one ? 1 : count); i++)
        dial(&crowd[i]);
}

static void on_line(uv_poll_t *poll, int status, int events) {
    char line[64];
    (void)status;
    (void)events;
    if (fgets(line, sizeof line, stdin) == NULL)
        (void)uv_poll_stop(poll);
    else
        begin();
}

int main(int argc, char **argv) {
    char text[AGENT_VAULT_TEXT_MAX] = "";
    struct rlimit files = {FILES_MAX, FILES_MAX};
    uv_poll_t input;
    setvbuf(stdout, NULL, _IOLBF, 0); // a test waits for its lines
    CHECK(argc == 5 && sodium_init() >= 0 && setrlimit(RLIMIT_NOFILE, &files) == 0);
    is_one_by_one = strcmp(argv[1], "one-by-one") == 0;
    CHECK(agent_identity_load(argv[2], &issuer, text) == 0 && issuer->is_issuer);
    CHECK(inet_pton(AF_INET, argv[3], target.ip) == 1);
    count = (uint32_t)strtoul(argv[4], NULL, 10);
    CHECK(count > 0 && count <= COUNT_MAX && uv_loop_init(&loop) == 0);
    for (uint32_t i = 0; i < count; i++)
        make(&crowd[i]);
    CHECK(uv_poll_init(&loop, &input, STDIN_FILENO) == 0);
    (void)uv_poll_start(&input, UV_READABLE, on_line);
    (void)printf("ready\n");
    return uv_run(&loop, UV_RUN_DEFAULT);
}
