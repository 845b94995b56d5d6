#include "agent/clients.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/client.h"
#include "agent/descriptors.h"
#include "agent/say.h"
#include "core/error.h"
#include "core/limits.h"
#include "core/mem.h"

enum {
    PROTOCOL = 1,
    ACCEPTS_PER_TURN = 64,
    SILENT_MS = 100,       // a Hello comes at once
    ACCEPT_PAUSE_MS = 100, // when the host is out of descriptors
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void forget(agent_client *client) {
    agent_clients *clients = client->clients;
    agent_client **at = &clients->first;
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    clients->count--;
    free(client);
}

static void drop(agent_client *client) {
    agent_clients *clients = client->clients;
    mesh_channel_close(client->channel);
    agent_client_let_go(client);
    forget(client);
    clients->options.on_changed(clients->options.user);
}

static void on_end(mesh_channel *channel, int err, void *user) {
    agent_client *client = user;
    (void)channel;
    if (err != MESH_EGONE)
        agent_say("a connection (pid %u) is closed: %s", client->pid,
                  err < -10000 ? mesh_error_text(err) : strerror(-err));
    drop(client);
}

// A node came by the path: the socket goes on as its control socket.
static void hand_over(agent_client *client, const char *name) {
    agent_clients *clients = client->clients;
    int fd = fcntl(mesh_channel_fd(client->channel), F_DUPFD_CLOEXEC, 0);
    uint32_t pid = client->pid;
    if (fd >= 0) agent_services_attach(clients->options.services, fd, name, pid);
    drop(client);
}

static void take_hello(agent_client *client, mesh_bytes bytes) {
    Warren__Agent__Hello *hello = warren__agent__hello__unpack(NULL, bytes.len, bytes.data);
    if (hello == NULL) {
        agent_say("a connection (pid %u) is closed: its first message cannot be read", client->pid);
        drop(client);
    } else if (hello->protocol != PROTOCOL) {
        agent_client_say_error(client, 4,
                               "the agent speaks another version of the protocol: stop "
                               "it, or use its own command line");
        drop(client);
    } else if (hello->role == WARREN__AGENT__HELLO__ROLE__NODE) {
        hand_over(client, hello->name);
    } else {
        client->is_ready = true;
        agent_client_greet(client);
    }
    if (hello != NULL) warren__agent__hello__free_unpacked(hello, NULL);
}

static void on_packet(mesh_channel *channel, mesh_bytes bytes, mesh_packet *packet, void *user) {
    agent_client *client = user;
    (void)channel;
    if (!client->is_ready) {
        take_hello(client, bytes);
        return;
    }
    Warren__Agent__Request *request = warren__agent__request__unpack(NULL, bytes.len, bytes.data);
    if (request == NULL) {
        agent_say("a connection (pid %u) is closed: its request cannot be read", client->pid);
        drop(client);
        return;
    }
    agent_client_handle(client, request, packet);
    warren__agent__request__free_unpacked(request, NULL);
}

// Not one that has just come, nor one whose Hello waits to be read.
static bool is_silent(const agent_client *client) {
    char byte;
    return !client->is_ready && client->since_ms + SILENT_MS < uv_now(client->clients->loop) &&
           recv(mesh_channel_fd(client->channel), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}

// A connection that has not even said Hello is no reason to turn somebody away.
static bool drop_silent(agent_clients *clients) {
    agent_client *oldest = NULL; // the first of the list is the newest
    for (agent_client *c = clients->first; c != NULL; c = c->next)
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is no longer in the list
        if (is_silent(c)) oldest = c;
    if (oldest == NULL) return false;
    agent_say("a connection (pid %u) is closed: it has said nothing and others wait", oldest->pid);
    drop(oldest);
    return true;
}

// Whether the connection is our own user's, and by whom it is.
static bool is_ours(int fd, struct ucred *out_peer) {
    socklen_t len = sizeof *out_peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, out_peer, &len) == 0 &&
        (out_peer->uid == geteuid() || out_peer->uid == 0))
        return true;
    agent_say("a connection of user %u is refused: this agent is user %u's", out_peer->uid,
              geteuid());
    return false;
}

static void add_client(agent_clients *clients, int fd) {
    struct ucred peer = {0};
    if (!is_ours(fd, &peer)) {
        close(fd);
        return;
    }
    if (clients->count == AGENT_CLIENTS_MAX && !drop_silent(clients)) {
        agent_say("a connection (pid %d) is refused: there are %d already", (int)peer.pid,
                  AGENT_CLIENTS_MAX);
        close(fd);
        return;
    }
    agent_client *client = mem_alloc(sizeof *client);
    if (mesh_channel_open(clients->loop, fd, on_packet, on_end, client, &client->channel) != 0) {
        free(client);
        return;
    }
    client->clients = clients;
    client->pid = (uint32_t)peer.pid;
    client->since_ms = uv_now(clients->loop);
    client->next = clients->first;
    clients->first = client;
    clients->count++;
}

// One sentence for a connection there is no descriptor for. Takes `fd`.
static void turn_away(int fd) {
    struct ucred peer = {0};
    char text[AGENT_DESCRIPTORS_TEXT_MAX];
    agent_descriptors_explain(text);
    if (is_ours(fd, &peer)) {
        agent_say("a connection (pid %d) is refused: %s", (int)peer.pid, text);
        agent_client_refuse(fd, 4, text);
    }
    close(fd);
}

static void on_pause_over(uv_timer_t *timer) {
    agent_clients *clients = timer->data;
    (void)uv_poll_start(&clients->poll, UV_READABLE, on_poll);
}

static int accept_fd(const agent_clients *clients) {
    int fd = accept4(clients->options.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

// The reserve is used up as well, by clients: one descriptor is kept for telling the next so.
static int accept_with_spare(agent_clients *clients) {
    if (drop_silent(clients)) return accept_fd(clients);
    if (clients->spare_fd < 0) return -EMFILE;
    close(clients->spare_fd);
    int fd = accept_fd(clients);
    if (fd >= 0) turn_away(fd);
    clients->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? -ECONNABORTED : fd;
}

// 1: there was one; 0: nobody is waiting; or -errno.
static int accept_one(agent_clients *clients) {
    int fd = accept_fd(clients);
    if (fd == -EMFILE || fd == -ENFILE) fd = accept_with_spare(clients);
    if (fd < 0) return fd == -EAGAIN ? 0 : fd == -ECONNABORTED || fd == -EINTR ? 1 : fd;
    add_client(clients, fd);
    return 1;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    agent_clients *clients = poll->data;
    int err = 1;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN && err == 1; i++)
        err = accept_one(clients);
    if (err >= 0) {
        clients->is_out_of_fds = false;
        if (clients->spare_fd < 0) clients->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return;
    }
    // The connection stays in the queue; asking at once again would only burn the processor.
    if (!clients->is_out_of_fds) agent_say("cannot accept connections: %s", strerror(-err));
    clients->is_out_of_fds = true;
    uv_poll_stop(poll);
    uv_timer_start(&clients->pause, on_pause_over, ACCEPT_PAUSE_MS, 0);
}

bool agent_clients_accept_waiting(agent_clients *clients) {
    bool was_any = false;
    while (accept_one(clients) == 1)
        was_any = true;
    return was_any;
}

int agent_clients_open(const agent_clients_options *options, agent_clients **out) {
    agent_clients *clients = mem_alloc(sizeof *clients);
    clients->loop = options->loop;
    clients->options = *options;
    int err = uv_poll_init(options->loop, &clients->poll, options->listen_fd);
    if (err != 0) {
        close(options->listen_fd);
        free(clients);
        return err;
    }
    uv_timer_init(options->loop, &clients->pause);
    uv_check_init(options->loop, &clients->drain);
    clients->poll.data = clients->pause.data = clients->drain.data = clients;
    clients->handles = 3;
    clients->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)uv_poll_start(&clients->poll, UV_READABLE, on_poll);
    *out = clients;
    return 0;
}

void agent_clients_listen_on(agent_clients *clients, int fd) {
    (void)uv_poll_stop(&clients->poll); // its set of descriptors knows files, not numbers
    bool is_taken = dup3(fd, clients->options.listen_fd, O_CLOEXEC) >= 0;
    CHECK(is_taken); // both are open
    close(fd);
    if (!uv_is_active((uv_handle_t *)&clients->pause))
        (void)uv_poll_start(&clients->poll, UV_READABLE, on_poll);
}

uint32_t agent_clients_count(const agent_clients *clients) {
    uint32_t count = 0;
    for (agent_client *c = clients->first; c != NULL; c = c->next)
        count += c->is_ready;
    return count;
}

void agent_clients_tell_shutdown(agent_clients *clients) {
    for (agent_client *c = clients->first; c != NULL; c = c->next)
        if (c->wants_shutdown) agent_client_say_done(c);
}

static void on_closed(uv_handle_t *handle) {
    agent_clients *clients = handle->data;
    if (--clients->handles == 0) free(clients);
}

void agent_clients_close(agent_clients *clients) {
    if (clients == NULL) return;
    for (agent_client *client; (client = clients->first) != NULL;) {
        clients->first = client->next;
        mesh_channel_close(client->channel);
        agent_client_let_go(client);
        free(client);
    }
    uv_close((uv_handle_t *)&clients->poll, on_closed);
    uv_close((uv_handle_t *)&clients->pause, on_closed);
    uv_close((uv_handle_t *)&clients->drain, on_closed);
    close(clients->options.listen_fd);
    if (clients->spare_fd >= 0) close(clients->spare_fd);
}
