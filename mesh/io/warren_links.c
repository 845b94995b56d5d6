// The sockets of a member's links: asked for, handed over by the agent, read, written and closed as
// the core says.
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "core/error.h"
#include "core/mem.h"
#include "io/tcp.h"
#include "io/warren_state.h"

enum { READS_PER_TURN = 4, SWEEP_EVERY_MS = 5000 };

struct peer_link {
    uv_poll_t poll;
    warren *w;
    int fd;
    uint32_t peer;
    uint64_t node_id;
    bool is_remote;  // to another host
    bool is_doubted; // that one was silent when last looked at
    bool is_dirty;   // in the list of links to write
    bool is_blocked; // the socket is full: waiting for UV_WRITABLE
    bool is_held;    // warren_hold
    bool is_broken;  // writing failed: what came before is still read
    bool is_ending;  // close once the output is written
};

static uint64_t now_ms(warren *w) {
    return uv_now(w->loop);
}

static peer_link *link_of(warren *w, uint32_t peer) {
    return peer < w->link_cap ? w->links[peer] : NULL;
}

static void on_link_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void hang_up(peer_link *l) {
    uv_close((uv_handle_t *)&l->poll, on_link_closed);
    close(l->fd);
}

static void close_link(peer_link *l) {
    warren *w = l->w;
    if (link_of(w, l->peer) != l) return;
    w->links[l->peer] = NULL;
    w->link_count--;
    for (uint32_t i = 0; i < w->dirty_count; i++)
        if (w->dirty[i] == l) w->dirty[i] = NULL;
    hang_up(l);
}

static void end_link(peer_link *l) {
    warren *w = l->w;
    uint32_t peer = l->peer;
    close_link(l);
    mesh_node_link_down(w->node, now_ms(w), peer);
}

static void on_link_poll(uv_poll_t *poll, int status, int events);

static void watch_link(peer_link *l) {
    if (l->is_held) {
        uv_poll_stop(&l->poll);
        return;
    }
    int events = UV_READABLE | (l->is_blocked ? UV_WRITABLE : 0);
    uv_poll_start(&l->poll, events, on_link_poll);
    uv_unref((uv_handle_t *)&l->poll); // what keeps the loop alive is `keep`
}

static void set_blocked(peer_link *l, bool is_blocked) {
    if (l->is_blocked == is_blocked) return;
    l->is_blocked = is_blocked;
    watch_link(l);
}

// A dead peer: its last words may still wait in the socket; reading finds the end. Of a live one
// that only stopped reading too, once this end is shut.
static void break_link(peer_link *l) {
    l->is_broken = true;
    (void)shutdown(l->fd, SHUT_RDWR);
}

static void write_link(peer_link *l) {
    warren *w = l->w;
    while (!l->is_broken && !l->is_held) {
        mesh_bytes bytes = mesh_node_link_output(w->node, l->peer);
        if (bytes.len == 0) {
            set_blocked(l, false);
            if (l->is_ending) end_link(l);
            return;
        }
        ssize_t sent = send(l->fd, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) {
            set_blocked(l, true);
            return;
        }
        if (sent < 0) {
            break_link(l);
            break;
        }
        mesh_node_link_sent(w->node, now_ms(w), l->peer, (size_t)sent);
    }
    if (l->is_held && !l->is_ending) return;
    set_blocked(l, false);
    if (l->is_ending) end_link(l);
}

void warren_links_mark(warren *w, uint32_t peer) {
    peer_link *l = link_of(w, peer);
    if (l == NULL || l->is_dirty) return;
    if (w->dirty_count == w->dirty_cap) {
        w->dirty_cap = w->dirty_cap == 0 ? 16 : 2 * w->dirty_cap;
        w->dirty = mem_resize(w->dirty, w->dirty_cap * sizeof(peer_link *));
    }
    l->is_dirty = true;
    w->dirty[w->dirty_count++] = l;
}

void warren_links_write_marked(warren *w) {
    for (uint32_t i = 0; i < w->dirty_count; i++) {
        peer_link *l = w->dirty[i];
        if (l == NULL) continue; // closed meanwhile
        l->is_dirty = false;
        if (!l->is_blocked || l->is_ending) write_link(l); // what was to be written may be no more
    }
    w->dirty_count = 0;
}

// The peer broke the protocol: say so to it and to the agent's log, then hang up.
static void fail_link(peer_link *l, int err) {
    warren *w = l->w;
    mesh_agent_link_failed(w->control, l->node_id, mesh_error_text(err));
    l->is_ending = true;
    write_link(l);
    if (link_of(w, l->peer) == l) end_link(l); // not all could be written: enough said
}

static void read_link(peer_link *l) {
    warren *w = l->w;
    uint32_t peer = l->peer;
    for (int i = 0; i < READS_PER_TURN && link_of(w, peer) == l; i++) {
        uint8_t *buffer;
        size_t cap;
        mesh_node_link_input(w->node, peer, &buffer, &cap);
        ssize_t len = recv(l->fd, buffer, cap, MSG_DONTWAIT);
        if (len < 0 && errno == EINTR) continue;
        if (len < 0 && errno == EAGAIN) return;
        if (len <= 0) {
            end_link(l);
            warren_deliver(w);
            return;
        }
        int err = mesh_node_link_received(w->node, now_ms(w), peer, (size_t)len);
        if (err != 0) fail_link(l, err);
        warren_deliver(w);
        if ((size_t)len < cap) return; // the socket is empty: the next read would only say so
    }
}

static void on_link_poll(uv_poll_t *poll, int status, int events) {
    peer_link *l = poll->data;
    warren *w = l->w;
    uint32_t peer = l->peer;
    if (status < 0) {
        events = UV_READABLE; // reading tells what is wrong, after the last word
        watch_link(l);        // libuv has stopped
    }
    if (events & UV_WRITABLE) {
        write_link(l);
        warren_deliver(w);
    }
    if ((events & UV_READABLE) && link_of(w, peer) == l) read_link(l);
}

static bool take_connecting(warren *w, uint64_t node_id) {
    for (uint32_t i = 0; i < w->connecting_count; i++) {
        if (w->connecting[i] != node_id) continue;
        w->connecting[i] = w->connecting[--w->connecting_count];
        return true;
    }
    return false;
}

void warren_links_connect_failed(warren *w, uint64_t node_id) {
    (void)take_connecting(w, node_id);
    mesh_node_connect_failed(w->node, now_ms(w), node_id);
}

void warren_links_agent_lost(warren *w) {
    while (w->connecting_count > 0)
        mesh_node_connect_failed(w->node, now_ms(w), w->connecting[--w->connecting_count]);
}

void warren_links_connect(warren *w, uint64_t node_id) {
    if (w->is_agent_lost) {
        mesh_node_connect_failed(w->node, now_ms(w), node_id);
        return;
    }
    if (w->connecting_count == w->connecting_cap) {
        w->connecting_cap = w->connecting_cap == 0 ? 16 : 2 * w->connecting_cap;
        w->connecting = mem_resize(w->connecting, w->connecting_cap * sizeof(uint64_t));
    }
    w->connecting[w->connecting_count++] = node_id;
    mesh_agent_link_connect(w->control, node_id, w->links_received);
}

// Takes fd. NULL: the system can't watch it (no memory for one more, or it is no socket).
static peer_link *create_link(warren *w, uint64_t node_id, int fd) {
    peer_link *l = mem_alloc(sizeof *l);
    *l = (peer_link){.w = w, .fd = fd, .node_id = node_id};
    l->poll.data = l;
    if (uv_poll_init(w->loop, &l->poll, fd) == 0) return l;
    close(fd);
    free(l);
    return NULL;
}

// held_count: it is not among them.
static uint32_t find_held(const warren *w, uint64_t node_id) {
    uint32_t i = 0;
    while (i < w->held_count && w->held[i] != node_id)
        i++;
    return i;
}

static void place_link(peer_link *l, uint32_t peer) {
    warren *w = l->w;
    peer_link *old = link_of(w, peer);
    if (old != NULL) close_link(old); // the core chose this one
    if (peer >= w->link_cap) {
        uint32_t cap = (peer + 1) * 2;
        w->links = mem_resize(w->links, cap * sizeof(peer_link *));
        memset(w->links + w->link_cap, 0, (cap - w->link_cap) * sizeof(peer_link *));
        w->link_cap = cap;
    }
    l->peer = peer;
    w->links[peer] = l;
    w->link_count++;
    l->is_held = find_held(w, l->node_id) < w->held_count;
    watch_link(l);
    warren_links_mark(w, peer);
}

static void add_local_link(warren *w, uint64_t node_id, int fd) {
    bool is_dialler = take_connecting(w, node_id);
    peer_link *l = fd >= 0 ? create_link(w, node_id, fd) : NULL;
    if (l == NULL) {
        mesh_node_connect_failed(w->node, now_ms(w), node_id);
        return;
    }
    uint32_t peer;
    if (mesh_node_link_up(w->node, now_ms(w), &peer, node_id, is_dialler) == 0)
        place_link(l, peer);
    else
        hang_up(l);
}

// ---- links to other hosts (abroad.h)

static void on_sweep(uv_timer_t *timer) {
    warren *w = timer->data;
    uint32_t remote_count = 0;
    for (uint32_t peer = 0; peer < w->link_cap; peer++) {
        peer_link *l = w->links[peer];
        if (l == NULL || !l->is_remote) continue;
        remote_count++;
        bool is_silent = mesh_tcp_is_silent(l->fd, MESH_TCP_TIMEOUT_MS);
        if (is_silent && l->is_doubted && !l->is_broken) break_link(l);
        l->is_doubted = is_silent;
    }
    if (remote_count == 0) (void)uv_timer_stop(timer);
}

static void look_after(peer_link *l) {
    warren *w = l->w;
    l->is_remote = true;
    mesh_tcp_be_patient(l->fd);
    if (w->sweep == NULL) {
        w->sweep = mem_alloc(sizeof *w->sweep);
        w->sweep->data = w;
        (void)uv_timer_init(w->loop, w->sweep); // never fails
    }
    if (uv_is_active((uv_handle_t *)w->sweep)) return;
    (void)uv_timer_start(w->sweep, on_sweep, SWEEP_EVERY_MS, SWEEP_EVERY_MS);
    uv_unref((uv_handle_t *)w->sweep);
}

// What came with the handshake's last bytes.
static void feed(peer_link *l, mesh_bytes rest) {
    if (rest.len == 0) return;
    uint8_t *buffer;
    size_t cap;
    mesh_node_link_input(l->w->node, l->peer, &buffer, &cap);
    CHECK(rest.len <= cap); // a greeting reads little ahead
    memcpy(buffer, rest.data, rest.len);
    int err = mesh_node_link_received(l->w->node, now_ms(l->w), l->peer, rest.len);
    if (err != 0) fail_link(l, err);
}

static int on_abroad_link(const mesh_abroad_link *from, void *user) {
    warren *w = user;
    mesh_link_secrets secrets = {.send = from->send, .receive = from->receive, .peer = from->peer};
    uint32_t peer;
    int err = mesh_node_link_up_sealed(w->node, now_ms(w), &peer, from->is_dialler, &secrets);
    mesh_cipher_deinit(&secrets.send);
    mesh_cipher_deinit(&secrets.receive);
    if (err != 0) return err;
    peer_link *l = create_link(w, from->peer->node_id, from->fd);
    if (l == NULL) {
        mesh_node_link_down(w->node, now_ms(w), peer);
        return 0;
    }
    look_after(l);
    place_link(l, peer);
    feed(l, from->rest);
    return 0;
}

static void on_abroad_failed(uint64_t node_id, bool is_dialler, int err, void *user) {
    warren *w = user;
    if (!w->is_closing)
        mesh_agent_link_failed(w->control, node_id,
                               err < UV_EOF ? mesh_error_text(err) : uv_strerror(err));
    if (is_dialler) mesh_node_connect_failed(w->node, now_ms(w), node_id);
}

static void on_abroad_ask(const uint8_t link_key[MESH_LINK_KEY_LEN], void *user) {
    warren *w = user;
    mesh_agent_link_ask_credentials(w->control, link_key);
}

static void on_abroad_settled(void *user) {
    warren_deliver(user);
}

static bool is_linked(const warren *w, uint64_t node_id) {
    for (uint32_t peer = 0; peer < w->link_cap; peer++)
        if (w->links[peer] != NULL && w->links[peer]->node_id == node_id) return true;
    return false;
}

static void add_remote_link(warren *w, const Warren__Node__Link *link, int fd) {
    static const mesh_abroad_events events = {on_abroad_ask, on_abroad_link, on_abroad_failed,
                                              on_abroad_settled};
    bool is_dialler = link->remote->host_id.len == MESH_ID_LEN;
    if (is_dialler) (void)take_connecting(w, link->node_id);
    if (fd < 0) {
        if (is_dialler) mesh_node_connect_failed(w->node, now_ms(w), link->node_id);
        return;
    }
    if (is_dialler && is_linked(w, link->node_id)) { // it was faster
        close(fd);
        return;
    }
    if (w->abroad == NULL) w->abroad = mesh_abroad_create(w->loop, w->self.node_id, &events, w);
    if (is_dialler)
        mesh_abroad_dialled(w->abroad, fd, link->node_id, link->remote->host_id.data);
    else
        mesh_abroad_accepted(w->abroad, fd);
}

void warren_links_take_credentials(warren *w, const Warren__Node__Credentials *given) {
    mesh_abroad_credentials credentials;
    if (w->abroad == NULL) return; // nobody asked
    int err = mesh_agent_link_credentials(given, &credentials);
    // Of nothing, so that who waits for them hears of it.
    if (err != 0) credentials = (mesh_abroad_credentials){0};
    (void)mesh_abroad_take_credentials(w->abroad, &credentials);
    sodium_memzero(&credentials, sizeof credentials);
}

void warren_links_add(warren *w, const Warren__Node__Link *link, int fd) {
    w->links_received++;
    if (link->remote != NULL)
        add_remote_link(w, link, fd);
    else
        add_local_link(w, link->node_id, fd);
}

// ---- for tests

static void set_held(warren *w, uint64_t node_id, bool is_held) {
    for (uint32_t peer = 0; peer < w->link_cap; peer++) {
        peer_link *l = w->links[peer];
        if (l == NULL || l->node_id != node_id || l->is_held == is_held) continue;
        l->is_held = is_held;
        watch_link(l);
        warren_links_mark(w, peer);
    }
}

void warren_hold(warren *w, uint64_t node_id, bool is_held) {
    uint32_t at = find_held(w, node_id);
    if (is_held == (at < w->held_count)) return;
    if (is_held) {
        if (w->held_count == w->held_cap) {
            w->held_cap = w->held_cap == 0 ? 16 : 2 * w->held_cap;
            w->held = mem_resize(w->held, w->held_cap * sizeof *w->held);
        }
        w->held[w->held_count++] = node_id;
    } else {
        w->held[at] = w->held[--w->held_count];
    }
    set_held(w, node_id, is_held);
}

// ---- all of them

void warren_links_end_soon(warren *w, uint32_t peer) {
    peer_link *l = link_of(w, peer);
    if (l == NULL) return;
    l->is_ending = true;
    warren_links_mark(w, peer);
}

void warren_links_end_all(warren *w) {
    for (uint32_t peer = 0; peer < w->link_cap; peer++)
        if (w->links[peer] != NULL) end_link(w->links[peer]);
}

static void on_sweep_closed(uv_handle_t *timer) {
    free(timer);
}

void warren_links_close_all(warren *w) {
    for (uint32_t peer = 0; peer < w->link_cap; peer++)
        if (w->links[peer] != NULL) close_link(w->links[peer]);
    w->link_cap = 0;
    mesh_abroad_destroy(w->abroad);
    if (w->sweep != NULL) uv_close((uv_handle_t *)w->sweep, on_sweep_closed);
    free(w->links);
    free(w->dirty);
    free(w->connecting);
    free(w->held);
}

void warren_write(warren *w) {
    for (uint32_t peer = 0; peer < w->link_cap; peer++)
        if (w->links[peer] != NULL && !w->links[peer]->is_blocked) write_link(w->links[peer]);
}
