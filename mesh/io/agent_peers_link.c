// One link of an agent to another: what comes, what goes, and whether it is alive.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/error.h"
#include "core/limits.h"
#include "core/mem.h"
#include "io/agent_peers_state.h"

enum { READS_PER_TURN = 8 };

typedef mesh_agent_peer peer;

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(peer *p) {
    (void)uv_poll_start(&p->poll, UV_READABLE | (p->is_blocked ? UV_WRITABLE : 0), on_poll);
}

void mesh_agent_peer_finish(peer *p, const char *why) {
    if (p->why != NULL) return;
    p->why = why;
    (void)shutdown(p->fd, SHUT_RDWR); // so that the loop calls back
}

static void write_link(peer *p) {
    bool was_blocked = p->is_blocked;
    p->is_blocked = false;
    while (p->why == NULL) {
        mesh_bytes bytes = mesh_link_output(p->link);
        if (bytes.len == 0) break;
        ssize_t sent = send(p->fd, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) {
            p->is_blocked = true;
            break;
        }
        if (sent < 0) {
            mesh_agent_peer_finish(p, uv_strerror(-errno));
            break;
        }
        mesh_link_sent(p->link, (size_t)sent);
        mesh_link_pump(p->link, mesh_agent_peers_now(p->peers));
    }
    if (!p->is_blocked && p->link->state == MESH_LINK_ENDING)
        mesh_agent_peer_finish(p, "it was closed");
    if (p->is_blocked != was_blocked) watch(p);
}

void mesh_agent_peer_flush(peer *p) {
    mesh_link_pump(p->link, mesh_agent_peers_now(p->peers));
    if (!p->is_blocked) write_link(p);
}

static void take_message(peer *p, const mesh_link_message *message) {
    const mesh_agent_peers_events *events = &p->peers->events;
    switch (message->type) {
    case MESH_FRAME_READY:
        p->is_up = true;
        p->due_ms = UINT64_MAX;
        events->on_up(&p->identity, p->peers->user);
        break;
    case MESH_FRAME_AGENT:
        if (p->is_hung_up) break;
        events->on_message(&p->identity, message->body, p->peers->user);
        mesh_link_consumed(p->link, MESH_CHANNEL_PUBLISH, message->cost);
        break;
    default: break; // CREDIT and GOAWAY: the link keeps them
    }
}

static void take_messages(peer *p) {
    mesh_link_message message;
    int result;
    while (p->why == NULL && (result = mesh_link_next(p->link, &message)) != 0) {
        if (result > 0 && message.is_dropped) {
            free(message.owned);
            result = MESH_EQUOTA;
        }
        if (result < 0) {
            mesh_link_fail(p->link, result);
            p->err = result;
            mesh_agent_peer_flush(p);
            mesh_agent_peer_finish(p, mesh_error_text(result));
            return;
        }
        take_message(p, &message);
        free(message.owned);
    }
    if (p->why == NULL) mesh_agent_peer_flush(p);
}

static void read_link(peer *p) {
    for (int i = 0; i < READS_PER_TURN && p->why == NULL; i++) {
        uint8_t *buffer;
        size_t cap;
        mesh_link_input(p->link, &buffer, &cap);
        ssize_t len = recv(p->fd, buffer, cap, MSG_DONTWAIT);
        if (len < 0 && errno == EINTR) continue;
        if (len < 0 && errno == EAGAIN) return;
        if (len <= 0) {
            mesh_agent_peer_finish(p, len < 0 ? uv_strerror(-errno) : "the other end closed it");
            return;
        }
        p->heard_at_ms = mesh_agent_peers_now(p->peers);
        mesh_link_received(p->link, p->heard_at_ms, (size_t)len);
        take_messages(p);
        if ((size_t)len < cap) return; // the socket is empty: the next read would only say so
    }
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    peer *p = poll->data;
    if (status < 0) {
        events = UV_READABLE; // reading tells what is wrong, after the last word
        watch(p);             // libuv has stopped
    }
    if (p->why == NULL && (events & UV_WRITABLE)) write_link(p);
    if (p->why == NULL && (events & UV_READABLE)) read_link(p);
    if (p->why != NULL) mesh_agent_peer_end(p);
}

// ---- life

int mesh_agent_peer_start(peer *p, const mesh_greeted *greeted) {
    mesh_agent_peers *peers = p->peers;
    int err = uv_poll_init(peers->loop, &p->poll, p->fd);
    if (err != 0) return err;
    p->is_polled = true;
    p->poll.data = p;
    p->stage = STAGE_LINKED;
    peers->accepted_count -= !p->is_dialler;
    p->heard_at_ms = p->pinged_at_ms = mesh_agent_peers_now(peers);
    p->due_ms = mesh_agent_peers_now(peers) + MESH_GREETING_TIMEOUT_MS;
    p->link = mesh_link_create(&(mesh_link_options){.self_id = peers->self->boot_id,
                                                    .peer_id = p->identity.boot_id,
                                                    .is_agent = true,
                                                    .max_message = MESH_AGENT_MESSAGE_MAX,
                                                    .window = MESH_CREDIT_DEFAULT,
                                                    .assemblies = &peers->assemblies});
    mesh_link_encrypt(p->link, &greeted->send, &greeted->receive);
    mesh_link_up(p->link);
    watch(p);
    write_link(p);
    if (greeted->rest.len == 0) return 0;
    uint8_t *buffer;
    size_t cap;
    mesh_link_input(p->link, &buffer, &cap);
    CHECK(greeted->rest.len <= cap); // a greeting reads little ahead
    memcpy(buffer, greeted->rest.data, greeted->rest.len);
    mesh_link_received(p->link, p->heard_at_ms, greeted->rest.len);
    take_messages(p);
    return 0;
}

// A loop that was busy for long comes here first: what waits in the socket still counts.
static bool is_dead(peer *p) {
    uint64_t limit_ms = p->heard_at_ms + MESH_DEAD_AFTER_MS;
    if (mesh_agent_peers_now(p->peers) >= limit_ms) read_link(p);
    return p->why == NULL && mesh_agent_peers_now(p->peers) >= p->heard_at_ms + MESH_DEAD_AFTER_MS;
}

static void keep_alive(peer *p) {
    uint64_t now = mesh_agent_peers_now(p->peers);
    if (now < p->heard_at_ms + MESH_PING_AFTER_MS || now < p->pinged_at_ms + MESH_PING_AFTER_MS)
        return;
    p->pinged_at_ms = now;
    mesh_link_ping(p->link);
    mesh_agent_peer_flush(p);
}

void mesh_agent_peer_sweep(peer *p) {
    if (p->due_ms <= mesh_agent_peers_now(p->peers)) {
        p->err = UV_ETIMEDOUT;
        mesh_agent_peer_finish(p, p->is_hung_up ? "it did not read what was said before goodbye"
                                                : "it did not say READY in time");
    }
    if (p->why == NULL && is_dead(p)) mesh_agent_peer_finish(p, "it said nothing for 15 s");
    if (p->why == NULL)
        keep_alive(p);
    else
        mesh_agent_peer_end(p);
}
