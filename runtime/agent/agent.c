#include "agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "agent/clients.h"
#include "agent/descriptors.h"
#include "agent/events.h"
#include "agent/keep.h"
#include "agent/kept.h"
#include "agent/leases.h"
#include "agent/place.h"
#include "agent/place_watch.h"
#include "agent/releases_running.h"
#include "agent/replacing.h"
#include "agent/say.h"
#include "agent/services.h"
#include "agent/shared_secrets.h"
#include "agent/systemd.h"
#include "core/mem.h"
#include "io/wall.h"

enum {
    FIRST_CLIENT_MS = 10000, // an ephemeral agent that nobody talks to ends
    SIGNAL_COUNT = 3,
    OPEN_FILES_MIN = 16, // its own: the loop, the sockets, warren-node
    AGAIN_MS = 15000,
    LOCK_TRY_MS = 10,
    LOCK_TRIES = 200,
    KEEPER_MIN_MS = 2000,
    KEEPER_MAX_MS = 60000,
    KEEPER_WELL_MS = 300000, // one that has lived for so long was no bad one
};

typedef struct agent {
    uv_loop_t loop;
    const agent_options *options;
    agent_store *store;
    agent_deployer *deployer;
    agent_services *services;
    agent_clients *clients;
    agent_secrets *secrets;
    agent_shared_secrets *shared_secrets;
    agent_leases *leases;
    agent_releases *releases;
    agent_fetching *fetching;
    agent_store_links *store_links;
    agent_cluster *cluster; // NULL: this host is in none
    agent_cluster *opening; // a name is looked up for it
    agent_new_host keys;    // that it will have in its next one
    uint32_t cluster_count; // with those that are still closing
    uv_signal_t signals[SIGNAL_COUNT], child;
    uv_timer_t idle;  // until an ephemeral agent that is not needed ends
    uv_timer_t again; // until what kept it from its cluster is looked at once more
    char cluster_trouble[AGENT_VAULT_TEXT_MAX]; // why there is none, though there are keys; or ""
    bool is_stopping, is_over, is_cluster_lost;
    uint64_t keeper_at_ms, keeper_wait_ms; // another keeper is not started before; and the wait
} agent;

static void close_all(agent *a) {
    if (a->is_over) return;
    a->is_over = true;
    agent_say_close();
    agent_systemd_close();
    agent_replacing_close();
    agent_place_watch_close();
    agent_clients_tell_shutdown(a->clients);
    agent_clients_close(a->clients);
    agent_cluster_close(a->cluster); // before the members that it tells of
    agent_cluster_close(a->opening);
    agent_leases_destroy(a->leases);
    agent_store_links_stop(a->store_links);
    agent_store_destroy(a->store); // before whoever waits for it
    agent_deployer_destroy(a->deployer);
    agent_services_destroy(a->services);
    agent_store_links_destroy(a->store_links);
    agent_secrets_destroy(a->secrets);
    agent_shared_secrets_destroy(a->shared_secrets);
    agent_fetching_destroy(a->fetching);
    agent_releases_destroy(a->releases);
    agent_keep_quit();
    for (int i = 0; i < SIGNAL_COUNT; i++)
        uv_close((uv_handle_t *)&a->signals[i], NULL);
    uv_close((uv_handle_t *)&a->child, NULL);
    uv_close((uv_handle_t *)&a->idle, NULL);
    uv_close((uv_handle_t *)&a->again, NULL);
}

static bool has_work(agent *a) {
    return agent_services_running_count(a->services) > 0 || agent_clients_count(a->clients) > 0;
}

static void leave_cluster(agent *a) {
    agent_cluster *cluster = a->cluster;
    a->cluster = NULL;
    a->is_cluster_lost = false;
    agent_cluster_close(cluster);
    agent_clients_tell_hosts(a->clients);
}

static void on_idle(uv_timer_t *timer) {
    agent *a = timer->data;
    if (a->is_over) return;
    if (a->is_cluster_lost) leave_cluster(a);
    bool is_needed =
        a->is_stopping
            ? agent_services_running_count(a->services) > 0 || agent_leases_is_busy(a->leases)
            : !a->options->is_ephemeral || has_work(a) || agent_clients_accept_waiting(a->clients);
    if (is_needed) return;
    agent_say("the agent ends: %s", a->is_stopping ? "it was stopped" : "nothing is left to run");
    close_all(a);
}

// Looked at from the loop, when whoever changed something has finished.
static void on_changed(void *user) {
    agent *a = user;
    if (!a->is_over && (a->is_stopping || (a->options->is_ephemeral && !has_work(a))))
        uv_timer_start(&a->idle, on_idle, 0, 0);
}

static bool is_in_cluster(void *user) {
    const agent *a = user;
    return a->cluster != NULL || a->opening != NULL || a->cluster_trouble[0] != '\0';
}

// ---- the cluster

static void on_hosts_changed(void *user) {
    agent_clients_tell_hosts(((agent *)user)->clients);
}

static void on_cluster_lost(void *user, const char *text) {
    agent *a = user;
    agent_say("this host takes no part in its cluster any more: %s", text);
    (void)snprintf(a->cluster_trouble, sizeof a->cluster_trouble, "%s", text);
    a->is_cluster_lost = true;
    if (!a->is_over) uv_timer_start(&a->idle, on_idle, 0, 0);
}

// Who took this host out of its cluster moves the files of it next.
static void on_cluster_closed(void *user) {
    agent *a = user;
    a->cluster_count--;
    if (!a->is_over && a->cluster_count == 0) agent_clients_tell_left(a->clients);
}

static void keep_keys(const agent *a) {
    Warren__Keeper__Agent state = WARREN__KEEPER__AGENT__INIT;
    state.sign_seed =
        (ProtobufCBinaryData){sizeof a->keys.sign_seed, (uint8_t *)(uintptr_t)a->keys.sign_seed};
    state.link_secret = (ProtobufCBinaryData){sizeof a->keys.link_secret,
                                              (uint8_t *)(uintptr_t)a->keys.link_secret};
    agent_keep_put(WARREN__KEEPER__KIND__AGENT, 0, &state.base, NULL, 0);
}

static agent_cluster *cluster_of(void *user) {
    return ((agent *)user)->cluster;
}

static const char *cluster_trouble(void *user) {
    return ((agent *)user)->cluster_trouble;
}

static void on_again(uv_timer_t *timer);

static void on_cluster_opened(void *user, int err, const char *text);

// What came of opening it, at once or later.
static void take_opened(agent *a, int err, const char *text) {
    bool is_trouble = err != 0 && err != -ENOENT;
    (void)snprintf(a->cluster_trouble, sizeof a->cluster_trouble, "%s", is_trouble ? text : "");
    if (is_trouble && err < 0) uv_timer_start(&a->again, on_again, AGAIN_MS, 0);
    if (err != 0) return;
    agent_members_set_host(agent_services_members(a->services),
                           agent_cluster_host_name(a->cluster));
    agent_new_host_make(&a->keys); // those of before are in use now
    keep_keys(a);
}

static int open_cluster(void *user, char text[AGENT_VAULT_TEXT_MAX]) {
    agent *a = user;
    agent_cluster *made = NULL;
    if (a->cluster != NULL) return 0;
    if (a->opening != NULL) return AGENT_CLUSTER_OPENING;
    agent_cluster_options options = {.loop = &a->loop,
                                     .dir = a->options->dir,
                                     .members = agent_services_members(a->services),
                                     .fetching = a->fetching,
                                     .store_links = a->store_links,
                                     .on_opened = on_cluster_opened,
                                     .on_closed = on_cluster_closed,
                                     .on_changed = on_hosts_changed,
                                     .on_lost = on_cluster_lost,
                                     .user = a};
    int err = agent_cluster_open(&options, &made, text);
    a->cluster_count += made != NULL;
    *(err == 0 ? &a->cluster : &a->opening) = made;
    take_opened(a, err, text);
    if (err == -ENOENT)
        (void)snprintf(text, AGENT_VAULT_TEXT_MAX, "there are no keys of a cluster here");
    return err;
}

static void say_apart(const char *text) {
    agent_say("this host takes no part in its cluster: %s", text);
}

static void on_cluster_opened(void *user, int err, const char *text) {
    agent *a = user;
    agent_cluster *made = a->opening;
    a->opening = NULL;
    if (err == 0)
        a->cluster = made;
    else
        agent_cluster_close(made);
    take_opened(a, err, text);
    if (err != 0) say_apart(text);
    agent_clients_tell_opened(a->clients, err, text);
}

// Nodes have their ids of the host's key: so it has one before it is in a cluster.
static void make_keys(agent *a) {
    uint8_t host_id[MESH_ID_LEN];
    agent_new_host_make(&a->keys);
    agent_new_host_id(&a->keys, host_id);
    agent_members_set_host_id(agent_services_members(a->services), host_id);
    keep_keys(a);
}

// The ids of nodes that run already were made of them.
static void take_keys(agent *a, mesh_bytes bytes) {
    Warren__Keeper__Agent *state = warren__keeper__agent__unpack(NULL, bytes.len, bytes.data);
    if (state != NULL && state->sign_seed.len == sizeof a->keys.sign_seed &&
        state->link_secret.len == sizeof a->keys.link_secret) {
        uint8_t host_id[MESH_ID_LEN];
        agent_new_host_take(&a->keys, state->sign_seed.data, state->link_secret.data);
        agent_new_host_id(&a->keys, host_id);
        agent_members_set_host_id(agent_services_members(a->services), host_id);
    }
    if (state != NULL) warren__keeper__agent__free_unpacked(state, NULL);
}

// What the agent before this one left.
static void adopt(agent *a) {
    agent_adoption *adoption = agent_adoption_create();
    int err = agent_keep_open(&a->loop, a->options->dir, agent_adoption_take, adoption);
    if (err != 0)
        agent_say("there is no keeper, so nodes end with this agent: %s", uv_strerror(err));
    mesh_bytes keys = agent_adoption_find(adoption, WARREN__KEEPER__KIND__AGENT, 0);
    if (keys.len > 0)
        take_keys(a, keys);
    else
        keep_keys(a);
    agent_services_adopt(a->services, adoption);
    agent_adoption_destroy(adoption);
}

static void on_socket(void *user, int fd) {
    const agent *a = user;
    agent_clients_listen_on(a->clients, fd);
}

// A keeper that was killed, or whose socket was removed.
static void on_look(void *user) {
    agent *a = user;
    uint64_t now_ms = uv_now(&a->loop);
    if (!agent_keep_is_used() || agent_keep_is_sound() || a->is_stopping) return;
    if (now_ms < a->keeper_at_ms) return;
    // One that is killed again and again is started less and less often.
    bool is_soon = now_ms - a->keeper_at_ms < KEEPER_WELL_MS;
    a->keeper_wait_ms = is_soon && a->keeper_wait_ms > 0 ? 2 * a->keeper_wait_ms : KEEPER_MIN_MS;
    if (a->keeper_wait_ms > KEEPER_MAX_MS) a->keeper_wait_ms = KEEPER_MAX_MS;
    a->keeper_at_ms = now_ms + a->keeper_wait_ms;
    int err = agent_keep_again();
    if (err != 0) {
        agent_say("cannot start a keeper, so nodes end with this agent: %s (it is tried again)",
                  uv_strerror(err));
        return;
    }
    keep_keys(a);
    agent_kept_all(a->services);
    agent_say("another keeper has what runs");
}

static void watch_place(agent *a, int lock_fd) {
    agent_place_watch_open(&(agent_place_watch_options){.loop = &a->loop,
                                                        .dir = a->options->dir,
                                                        .lock_fd = lock_fd,
                                                        .is_ephemeral = a->options->is_ephemeral,
                                                        .on_socket = on_socket,
                                                        .on_look = on_look,
                                                        .user = a});
}

static const agent_new_host *next_keys(void *user) {
    agent *a = user;
    return a->cluster == NULL && a->opening == NULL ? &a->keys : NULL;
}

// By the host's key in its cluster; without one, by that of its next.
static bool sign_release(void *user, deploy_signer *out) {
    const agent *a = user;
    if (a->opening != NULL) return false;
    const agent_identity *id = a->cluster != NULL ? agent_cluster_identity(a->cluster) : NULL;
    memcpy(out->secret, id != NULL ? id->host.secret : a->keys.sign_secret, sizeof out->secret);
    out->chain_count = id != NULL ? id->credentials.chain_count : 0;
    for (size_t i = 0; i < out->chain_count; i++)
        out->chain[i] = id->chain[i];
    return true;
}

static void keep_releases(void *user) {
    const agent *a = user;
    agent_releases_keep_running(a->releases, a->services, a->options->dir);
    agent_deployer_keep(a->deployer);
}

static void on_leave_cluster(void *user) {
    agent *a = user;
    a->cluster_trouble[0] = '\0';
    if (a->opening != NULL) {
        agent_cluster_close(a->opening);
        a->opening = NULL;
        agent_clients_tell_opened(a->clients, -ECANCELED, "this host leaves its cluster");
    }
    agent_shared_secrets_leave(a->shared_secrets);
    leave_cluster(a);
    make_keys(a);
    if (a->cluster_count == 0) agent_clients_tell_left(a->clients);
}

static void stop(agent *a) {
    bool is_kill = a->is_stopping; // asked for the second time
    a->is_stopping = true;
    if (a->is_over) return;
    agent_systemd_stopping();
    agent_say(is_kill ? "ends all nodes at once" : "stops all services");
    agent_deployer_stop(a->deployer); // what ends now is not begun again
    agent_services_close_door(a->services);
    agent_services_stop(a->services, 0, AGENT_INSTANCE_ALL, is_kill);
    on_changed(a);
}

// For `systemctl status`.
static void status(void *user, char *out, size_t cap) {
    const agent *a = user;
    uint32_t count = agent_services_running_count(a->services);
    if (a->is_stopping)
        (void)snprintf(out, cap, "stops all services");
    else
        (void)snprintf(out, cap, "%u %s", count, count == 1 ? "service runs" : "services run");
}

static void on_signal(uv_signal_t *handle, int signal) {
    (void)signal;
    stop(handle->data);
}

static void on_shutdown(void *user) {
    agent *a = user;
    if (!a->is_stopping) stop(a);
}

// Also the children of nodes that ended: as their subreaper this process must take their ends.
static void on_child(uv_signal_t *handle, int signal) {
    agent *a = handle->data;
    int status;
    pid_t pid;
    (void)signal;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (!a->is_over && !agent_successor_reaped(pid, status))
            agent_services_reaped(a->services, pid, status);
}

static void tell_ready(const agent_options *options, char state, const char *text) {
    if (options->ready_fd < 0) return;
    char message[AGENT_PLACE_TEXT_MAX + 1];
    int len = snprintf(message, sizeof message, "%c%s", state, text);
    ssize_t written = write(options->ready_fd, message, (size_t)len);
    (void)written; // whoever waited is gone: nobody to tell
    close(options->ready_fd);
}

static agent_services *make_services(agent *a) {
    char host[256] = "";
    uint64_t seed;
    (void)gethostname(host, sizeof host - 1);
    CHECK(getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed);
    agent_services_options options = {.loop = &a->loop,
                                      .dir = a->options->dir,
                                      .host = host,
                                      .seed = seed,
                                      .secrets = a->secrets,
                                      .started_at_ms = mesh_wall_ms(),
                                      .on_changed = on_changed,
                                      .user = a};
    return agent_services_create(&options);
}

static agent_leases *make_leases(agent *a) {
    agent_leases_options options = {.loop = &a->loop,
                                    .store = a->store,
                                    .members = agent_services_members(a->services),
                                    .is_in_cluster = is_in_cluster,
                                    .on_idle = on_changed,
                                    .user = a};
    return agent_leases_create(&options);
}

static agent_deployer *make_deployer(agent *a) {
    return agent_deployer_create(&(agent_deployer_options){.loop = &a->loop,
                                                           .dir = a->options->dir,
                                                           .store = a->store,
                                                           .services = a->services,
                                                           .releases = a->releases,
                                                           .fetching = a->fetching,
                                                           .is_ephemeral = a->options->is_ephemeral,
                                                           .cluster = cluster_of,
                                                           .user = a});
}

static int open_all(agent *a, int listen_fd) {
    static const int numbers[SIGNAL_COUNT] = {SIGINT, SIGTERM, SIGHUP};
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); // a log that may not grow is an error of its write
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    (void)prctl(PR_SET_DUMPABLE, 0); // no core file with the keys of a cluster in it
    uv_loop_init(&a->loop);
    agent_say_open(&a->loop);
    if (a->options->is_ephemeral) agent_say_to_file(a->options->dir);
    a->store_links = agent_store_links_create(&a->loop, a->store);
    agent_store_start(a->store);
    a->shared_secrets = agent_shared_secrets_create(
        &(agent_shared_secrets_options){&a->loop, a->options->dir, a->store, cluster_of, a});
    a->secrets = agent_secrets_create(&a->loop, a->options->dir, a->store, a->shared_secrets);
    agent_secrets_load(a->secrets); // runs the loop: before signals, which need what comes below
    uv_timer_init(&a->loop, &a->idle);
    uv_timer_init(&a->loop, &a->again);
    uv_signal_init(&a->loop, &a->child);
    a->idle.data = a->again.data = a->child.data = a;
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        uv_signal_init(&a->loop, &a->signals[i]);
        a->signals[i].data = a;
        int err = uv_signal_start(&a->signals[i], on_signal, numbers[i]);
        if (err != 0) return err;
    }
    int err = uv_signal_start(&a->child, on_child, SIGCHLD);
    if (err != 0) return err;
    agent_events_open(a->options->dir);
    a->services = make_services(a);
    a->leases = make_leases(a);
    make_keys(a);
    a->releases = agent_releases_create(
        &(agent_releases_options){&a->loop, a->options->dir, sign_release, a, keep_releases});
    a->fetching = agent_fetching_create(&a->loop, a->releases);
    if (!a->options->is_ephemeral) adopt(a);
    on_child(&a->child, SIGCHLD); // those of the program whose place this one took
    a->deployer = make_deployer(a);
    agent_deployer_start(a->deployer);
    agent_clients_options options = {.loop = &a->loop,
                                     .dir = a->options->dir,
                                     .listen_fd = listen_fd,
                                     .services = a->services,
                                     .secrets = a->secrets,
                                     .releases = a->releases,
                                     .store = a->store,
                                     .deployer = a->deployer,
                                     .number = uv_hrtime(),
                                     .on_changed = on_changed,
                                     .on_shutdown = on_shutdown,
                                     .cluster = cluster_of,
                                     .cluster_trouble = cluster_trouble,
                                     .on_open_cluster = open_cluster,
                                     .on_leave_cluster = on_leave_cluster,
                                     .keys = next_keys,
                                     .user = a};
    return agent_clients_open(&options, &a->clients);
}

// What is wrong with the cluster's keys or address is no reason not to run what runs here alone.
static void take_part(agent *a) {
    char text[AGENT_VAULT_TEXT_MAX] = "";
    int err = open_cluster(a, text);
    if (err < 0 && err != -ENOENT) say_apart(text);
}

// A port that was taken, a full disk, a name that could not be resolved, a wrong clock: they pass.
static void on_again(uv_timer_t *timer) {
    agent *a = timer->data;
    bool is_open = a->cluster != NULL || a->opening != NULL || a->is_cluster_lost ||
                   a->cluster_trouble[0] == '\0';
    if (!is_open && !a->is_stopping && !a->is_over) take_part(a);
}

// The agent of a `warren run` that has just returned is still ending: it is waited for.
static int lock(const agent_options *options, char text[AGENT_PLACE_TEXT_MAX]) {
    static const struct timespec pause = {.tv_nsec = LOCK_TRY_MS * 1000000L};
    for (int i = 0;; i++) {
        int fd = agent_place_lock(options->dir, options->is_ephemeral, text);
        if (fd != -EBUSY || options->is_ephemeral || i == LOCK_TRIES) return fd;
        (void)nanosleep(&pause, NULL);
    }
}

// The lock and the socket; from whoever was in this process before, if there was somebody.
static int take_place(const agent_options *options, int *out_lock_fd, int *out_listen_fd,
                      char text[AGENT_PLACE_TEXT_MAX]) {
    if (agent_successor_take(out_lock_fd, out_listen_fd)) return 0;
    int err = *out_lock_fd = lock(options, text);
    if (err >= 0) err = *out_listen_fd = agent_place_listen(options->dir, text);
    return err;
}

static int judge_open_files(char text[AGENT_PLACE_TEXT_MAX]) {
    agent_descriptors_raise();
    if (agent_descriptors_left(OPEN_FILES_MIN)) return 0;
    agent_descriptors_explain(text);
    return -EMFILE;
}

static int find_store(agent *a, char text[AGENT_PLACE_TEXT_MAX]) {
    char why[AGENT_VAULT_TEXT_MAX];
    int err = agent_store_create(&a->loop, a->options->dir, a->options->store, &a->store, why);
    if (err != 0) (void)snprintf(text, AGENT_PLACE_TEXT_MAX, "%.*s", AGENT_PLACE_TEXT_MAX - 1, why);
    return err;
}

static int keep_labels(const agent_options *options, char text[AGENT_PLACE_TEXT_MAX]) {
    char why[AGENT_DEPLOYER_TEXT_MAX];
    int err = agent_deployer_keep_labels(options->dir, options->labels, why);
    if (err != 0) (void)snprintf(text, AGENT_PLACE_TEXT_MAX, "%.*s", AGENT_PLACE_TEXT_MAX - 1, why);
    return err;
}

int agent_run(const agent_options *options) {
    static agent a; // one per process, and large
    char text[AGENT_PLACE_TEXT_MAX] = "";
    int lock_fd = -1, listen_fd = -1;
    a.options = options;
    agent_successor_note();
    int err = judge_open_files(text);
    if (err == 0) err = agent_place_prepare(options->dir, text);
    if (err == 0) err = take_place(options, &lock_fd, &listen_fd, text);
    if (err >= 0) err = find_store(&a, text);
    if (err >= 0 && options->labels != NULL) err = keep_labels(options, text);
    if (err < 0) {
        if (options->ready_fd < 0) (void)fprintf(stderr, "warren: %s\n", text);
        bool is_busy = err == -EWOULDBLOCK || err == -EBUSY;
        tell_ready(options, is_busy ? AGENT_BUSY : AGENT_FAILED_TO_START, text);
        if (lock_fd >= 0) close(lock_fd);
        return 1;
    }
    // What the zygote writes while it boots stays in the state directory, whatever ends it.
    (void)setenv("TMPDIR", options->dir, 1);
    err = open_all(&a, listen_fd);
    CHECK(err == 0); // a fresh process has room for a loop and a socket
    agent_successor_hear();
    if (!options->is_ephemeral)
        agent_replacing_open(&(agent_replacing_options){&a.loop, a.services, lock_fd, listen_fd});
    watch_place(&a, lock_fd);
    take_part(&a); // first: whoever reads that it listens may send other hosts here
    agent_events_add(&(agent_entry){.type = "agent-started"},
                     "the agent (pid %d) has started, version " WARREN_VERSION, (int)getpid());
    agent_say("the agent (pid %d) listens on %s/agent.sock", (int)getpid(), options->dir);
    tell_ready(options, AGENT_READY, "");
    agent_systemd_open(&a.loop, status, &a);
    agent_systemd_ready();
    if (options->is_ephemeral) uv_timer_start(&a.idle, on_idle, FIRST_CLIENT_MS, 0);
    uv_run(&a.loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&a.loop) == 0); // every handle had an owner that closed it
    close(lock_fd);
    return 0;
}
