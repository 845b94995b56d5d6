#include "agent/clients.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/client.h"
#include "agent/say.h"
#include "core/error.h"
#include "core/limits.h"
#include "core/mem.h"

enum {
    PROTOCOL = 1,
    ACCEPTS_PER_TURN = 64,
    ACCEPT_PAUSE_MS = 100, // when the host is out of descriptors
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void forget(agent_client *client) {
    agent_clients *clients = client->clients;
    for (agent_client **at = &clients->first; *at != NULL; at = &(*at)->next) {
        if (*at != client) continue;
        *at = client->next;
        break;
    }
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

// Room for one more: a connection that has not even said Hello is no reason to turn somebody away.
static void make_room(agent_clients *clients) {
    if (clients->count < AGENT_CLIENTS_MAX) return;
    agent_client *oldest = NULL; // the first of the list is the newest
    for (agent_client *c = clients->first; c != NULL; c = c->next)
        if (!c->is_ready) oldest = c;
    if (oldest == NULL) return;
    agent_say("a connection (pid %u) is closed: it has said nothing and others wait", oldest->pid);
    drop(oldest);
}

static void add_client(agent_clients *clients, int fd) {
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
        (peer.uid != geteuid() && peer.uid != 0)) {
        agent_say("a connection of user %u is refused: this agent is user %u's", peer.uid,
                  geteuid());
        close(fd);
        return;
    }
    make_room(clients);
    if (clients->count == AGENT_CLIENTS_MAX) {
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
    client->next = clients->first;
    clients->first = client;
    clients->count++;
}

static void on_pause_over(uv_timer_t *timer) {
    agent_clients *clients = timer->data;
    (void)uv_poll_start(&clients->poll, UV_READABLE, on_poll);
}

// 1: there was one; 0: nobody is waiting; or -errno.
static int accept_one(agent_clients *clients) {
    int fd = accept4(clients->options.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return errno == EAGAIN ? 0 : errno == ECONNABORTED || errno == EINTR ? 1 : -errno;
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
    (void)uv_poll_start(&clients->poll, UV_READABLE, on_poll);
    *out = clients;
    return 0;
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
}
