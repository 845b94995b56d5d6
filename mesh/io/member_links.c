// The sockets of a member's links: asked for, handed over by the agent, read, written and closed as
// the core says.
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "core/error.h"
#include "core/mem.h"
#include "io/member_state.h"
#include "io/tcp.h"

enum { READS_PER_TURN = 4, SWEEP_EVERY_MS = 5000, PLACE_MASK = 0xffff };

struct peer_link {
    uv_poll_t poll;
    mesh_member *me;
    int fd;
    uint32_t peer;
    uint64_t node_id;
    bool is_remote;  // to another host
    bool is_doubted; // that one was silent when last looked at
    bool is_dirty;   // in the list of links to write
    bool is_blocked; // the socket is full: waiting for UV_WRITABLE
    bool is_held;    // mesh_member_hold
    bool is_broken;  // writing failed: what came before is still read
    bool is_ending;  // close once the output is written
    // On this host: another socket to the same node, that the agent has handed out meanwhile. It
    // waits until this one is read to its end, so nothing is lost with it and nothing overtakes it;
    // when the other end has not heard of it, for the agent died between the two, this one just
    // goes on.
    int next_fd; // -1: none
    bool is_next_dialler;
};

static uint64_t now_ms(mesh_member *me) {
    return uv_now(me->loop);
}

// Handles count up; their low bits are a place that no two peers have at a time (node_peers.c).
static uint32_t place_of(uint32_t peer) {
    return peer & PLACE_MASK;
}

static peer_link *link_of(mesh_member *me, uint32_t peer) {
    uint32_t place = place_of(peer);
    peer_link *l = place < me->link_cap ? me->links[place] : NULL;
    return l != NULL && l->peer == peer ? l : NULL;
}

static void on_link_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void hang_up(peer_link *l) {
    uv_close((uv_handle_t *)&l->poll, on_link_closed);
    close(l->fd);
    if (l->next_fd >= 0) close(l->next_fd);
}

static void close_link(peer_link *l) {
    mesh_member *me = l->me;
    if (link_of(me, l->peer) != l) return;
    me->links[place_of(l->peer)] = NULL;
    me->link_count--;
    for (uint32_t i = 0; i < me->dirty_count; i++)
        if (me->dirty[i] == l) me->dirty[i] = NULL;
    hang_up(l);
}

static bool go_on(peer_link *l);

static void end_link(peer_link *l) {
    mesh_member *me = l->me;
    uint32_t peer = l->peer;
    if (go_on(l)) return;
    close_link(l);
    mesh_node_link_down(me->node, now_ms(me), peer);
}

static void end_of_file(peer_link *l) {
    if (l->is_broken) { // this end has shut it
        end_link(l);
        return;
    }
    mesh_member *me = l->me;
    uint32_t peer = l->peer;
    if (go_on(l)) return;
    close_link(l);
    mesh_node_link_eof(me->node, now_ms(me), peer);
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
    mesh_member *me = l->me;
    while (!l->is_broken && !l->is_held) {
        mesh_bytes bytes = mesh_node_link_output(me->node, l->peer);
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
        mesh_node_link_sent(me->node, now_ms(me), l->peer, (size_t)sent);
    }
    if (l->is_held && !l->is_ending) return;
    set_blocked(l, false);
    if (l->is_ending) end_link(l);
}

void mesh_member_links_mark(mesh_member *me, uint32_t peer) {
    peer_link *l = link_of(me, peer);
    if (l == NULL || l->is_dirty) return;
    if (me->dirty_count == me->dirty_cap) {
        me->dirty_cap = me->dirty_cap == 0 ? 16 : 2 * me->dirty_cap;
        me->dirty = mem_resize(me->dirty, me->dirty_cap * sizeof(peer_link *));
    }
    l->is_dirty = true;
    me->dirty[me->dirty_count++] = l;
}

void mesh_member_links_write_marked(mesh_member *me) {
    for (uint32_t i = 0; i < me->dirty_count; i++) {
        peer_link *l = me->dirty[i];
        if (l == NULL) continue; // closed meanwhile
        l->is_dirty = false;
        if (!l->is_blocked || l->is_ending) write_link(l); // what was to be written may be no more
    }
    me->dirty_count = 0;
}

// The peer broke the protocol: say so to it and to the agent's log, then hang up.
static void fail_link(peer_link *l, int err) {
    mesh_member *me = l->me;
    mesh_agent_link_failed(me->control, l->node_id, mesh_error_text(err));
    l->is_ending = true;
    write_link(l);
    if (link_of(me, l->peer) == l) end_link(l); // not all could be written: enough said
}

static void read_link(peer_link *l) {
    mesh_member *me = l->me;
    uint32_t peer = l->peer;
    for (int i = 0; i < READS_PER_TURN && link_of(me, peer) == l; i++) {
        uint8_t *buffer;
        size_t cap;
        mesh_node_link_input(me->node, peer, &buffer, &cap);
        ssize_t len = recv(l->fd, buffer, cap, MSG_DONTWAIT);
        if (len < 0 && errno == EINTR) continue;
        if (len < 0 && errno == EAGAIN) return;
        if (len == 0) end_of_file(l);
        if (len < 0) end_link(l);
        if (len <= 0) {
            mesh_member_deliver(me);
            return;
        }
        int err = mesh_node_link_received(me->node, now_ms(me), peer, (size_t)len);
        if (err != 0) fail_link(l, err);
        mesh_member_deliver(me);
        if ((size_t)len < cap) return; // the socket is empty: the next read would only say so
    }
}

static void on_link_poll(uv_poll_t *poll, int status, int events) {
    peer_link *l = poll->data;
    mesh_member *me = l->me;
    uint32_t peer = l->peer;
    if (status < 0) {
        events = UV_READABLE; // reading tells what is wrong, after the last word
        watch_link(l);        // libuv has stopped
    }
    if (events & UV_WRITABLE) {
        write_link(l);
        mesh_member_deliver(me);
    }
    if ((events & UV_READABLE) && link_of(me, peer) == l) read_link(l);
}

static bool take_connecting(mesh_member *me, uint64_t node_id) {
    for (uint32_t i = 0; i < me->connecting_count; i++) {
        if (me->connecting[i] != node_id) continue;
        me->connecting[i] = me->connecting[--me->connecting_count];
        return true;
    }
    return false;
}

void mesh_member_links_connect_failed(mesh_member *me, uint64_t node_id) {
    (void)take_connecting(me, node_id);
    mesh_node_connect_failed(me->node, now_ms(me), node_id);
}

void mesh_member_links_agent_lost(mesh_member *me) {
    while (me->connecting_count > 0)
        mesh_node_connect_failed(me->node, now_ms(me), me->connecting[--me->connecting_count]);
}

void mesh_member_links_connect(mesh_member *me, uint64_t node_id) {
    if (me->is_agent_lost) {
        mesh_node_connect_failed(me->node, now_ms(me), node_id);
        return;
    }
    if (me->connecting_count == me->connecting_cap) {
        me->connecting_cap = me->connecting_cap == 0 ? 16 : 2 * me->connecting_cap;
        me->connecting = mem_resize(me->connecting, me->connecting_cap * sizeof(uint64_t));
    }
    me->connecting[me->connecting_count++] = node_id;
    mesh_agent_link_connect(me->control, node_id, me->links_received);
}

// Takes fd. NULL: the system can't watch it (no memory for one more, or it is no socket).
static peer_link *create_link(mesh_member *me, uint64_t node_id, int fd) {
    peer_link *l = mem_alloc(sizeof *l);
    *l = (peer_link){.me = me, .fd = fd, .node_id = node_id, .next_fd = -1};
    l->poll.data = l;
    if (uv_poll_init(me->loop, &l->poll, fd) == 0) return l;
    close(fd);
    free(l);
    return NULL;
}

// held_count: it is not among them.
static uint32_t find_held(const mesh_member *me, uint64_t node_id) {
    uint32_t i = 0;
    while (i < me->held_count && me->held[i] != node_id)
        i++;
    return i;
}

static void place_link(peer_link *l, uint32_t peer) {
    mesh_member *me = l->me;
    peer_link *old = link_of(me, peer);
    if (old != NULL) close_link(old); // the core chose this one
    uint32_t place = place_of(peer);
    if (place >= me->link_cap) {
        uint32_t cap = (place + 1) * 2;
        me->links = mem_resize(me->links, cap * sizeof(peer_link *));
        memset(me->links + me->link_cap, 0, (cap - me->link_cap) * sizeof(peer_link *));
        me->link_cap = cap;
    }
    l->peer = peer;
    me->links[place] = l;
    me->link_count++;
    l->is_held = find_held(me, l->node_id) < me->held_count;
    watch_link(l);
    mesh_member_links_mark(me, peer);
}

// With the socket that waits. False: there is none, or it is of no use any more.
static bool go_on(peer_link *l) {
    mesh_member *me = l->me;
    int fd = l->next_fd;
    l->next_fd = -1;
    peer_link *next = fd >= 0 ? create_link(me, l->node_id, fd) : NULL;
    if (next == NULL) return false;
    if (mesh_node_link_next(me->node, now_ms(me), l->peer, l->is_next_dialler) != 0) {
        hang_up(next);
        return false;
    }
    place_link(next, l->peer);
    return true;
}

static peer_link *find_link(const mesh_member *me, uint64_t node_id) {
    for (uint32_t i = 0; i < me->link_cap; i++)
        if (me->links[i] != NULL && me->links[i]->node_id == node_id) return me->links[i];
    return NULL;
}

static void add_local_link(mesh_member *me, uint64_t node_id, int fd) {
    bool is_dialler = take_connecting(me, node_id);
    peer_link *old = fd >= 0 ? find_link(me, node_id) : NULL;
    if (old != NULL) {
        if (old->next_fd >= 0) close(old->next_fd);
        old->next_fd = fd;
        old->is_next_dialler = is_dialler;
        return;
    }
    peer_link *l = fd >= 0 ? create_link(me, node_id, fd) : NULL;
    if (l == NULL) {
        mesh_node_connect_failed(me->node, now_ms(me), node_id);
        return;
    }
    uint32_t peer;
    if (mesh_node_link_up(me->node, now_ms(me), &peer, node_id, is_dialler) == 0)
        place_link(l, peer);
    else
        hang_up(l);
}

// ---- links to other hosts (abroad.h)

static void on_sweep(uv_timer_t *timer) {
    mesh_member *me = timer->data;
    uint32_t remote_count = 0;
    for (uint32_t i = 0; i < me->link_cap; i++) {
        peer_link *l = me->links[i];
        if (l == NULL || !l->is_remote) continue;
        remote_count++;
        bool is_silent = mesh_tcp_is_silent(l->fd, MESH_TCP_TIMEOUT_MS);
        if (is_silent && l->is_doubted && !l->is_broken) break_link(l);
        l->is_doubted = is_silent;
    }
    if (remote_count == 0) (void)uv_timer_stop(timer);
}

static void look_after(peer_link *l) {
    mesh_member *me = l->me;
    l->is_remote = true;
    mesh_tcp_be_patient(l->fd);
    if (me->sweep == NULL) {
        me->sweep = mem_alloc(sizeof *me->sweep);
        me->sweep->data = me;
        (void)uv_timer_init(me->loop, me->sweep); // never fails
    }
    if (uv_is_active((uv_handle_t *)me->sweep)) return;
    (void)uv_timer_start(me->sweep, on_sweep, SWEEP_EVERY_MS, SWEEP_EVERY_MS);
    uv_unref((uv_handle_t *)me->sweep);
}

// What came with the handshake's last bytes.
static void feed(peer_link *l, mesh_bytes rest) {
    if (rest.len == 0) return;
    uint8_t *buffer;
    size_t cap;
    mesh_node_link_input(l->me->node, l->peer, &buffer, &cap);
    CHECK(rest.len <= cap); // a greeting reads little ahead
    memcpy(buffer, rest.data, rest.len);
    int err = mesh_node_link_received(l->me->node, now_ms(l->me), l->peer, rest.len);
    if (err != 0) fail_link(l, err);
}

static int on_abroad_link(const mesh_abroad_link *from, void *user) {
    mesh_member *me = user;
    mesh_link_secrets secrets = {.send = from->send, .receive = from->receive, .peer = from->peer};
    uint32_t peer;
    int err = mesh_node_link_up_sealed(me->node, now_ms(me), &peer, from->is_dialler, &secrets);
    mesh_cipher_deinit(&secrets.send);
    mesh_cipher_deinit(&secrets.receive);
    if (err != 0) return err;
    peer_link *l = create_link(me, from->peer->node_id, from->fd);
    if (l == NULL) {
        mesh_node_link_down(me->node, now_ms(me), peer);
        return 0;
    }
    look_after(l);
    place_link(l, peer);
    feed(l, from->rest);
    return 0;
}

static void on_abroad_failed(uint64_t node_id, bool is_dialler, int err, void *user) {
    mesh_member *me = user;
    if (!me->is_closing)
        mesh_agent_link_failed(me->control, node_id,
                               err < UV_EOF ? mesh_error_text(err) : uv_strerror(err));
    if (is_dialler) mesh_node_connect_failed(me->node, now_ms(me), node_id);
}

static void on_abroad_ask(const uint8_t link_key[MESH_LINK_KEY_LEN], void *user) {
    mesh_member *me = user;
    mesh_agent_link_ask_credentials(me->control, link_key);
}

static void on_abroad_settled(void *user) {
    mesh_member_deliver(user);
}

static void add_remote_link(mesh_member *me, const Warren__Node__Link *link, int fd) {
    static const mesh_abroad_events events = {on_abroad_ask, on_abroad_link, on_abroad_failed,
                                              on_abroad_settled};
    bool is_dialler = link->remote->host_id.len == MESH_ID_LEN;
    if (is_dialler) (void)take_connecting(me, link->node_id);
    if (fd < 0) {
        if (is_dialler) mesh_node_connect_failed(me->node, now_ms(me), link->node_id);
        return;
    }
    if (is_dialler && find_link(me, link->node_id) != NULL) { // it was faster
        close(fd);
        return;
    }
    if (me->abroad == NULL)
        me->abroad = mesh_abroad_create(me->loop, me->self.node_id, &events, me);
    if (is_dialler)
        mesh_abroad_dialled(me->abroad, fd, link->node_id, link->remote->host_id.data);
    else
        mesh_abroad_accepted(me->abroad, fd);
}

void mesh_member_links_take_credentials(mesh_member *me, const Warren__Node__Credentials *given) {
    mesh_abroad_credentials credentials;
    if (me->abroad == NULL) return; // nobody asked
    int err = mesh_agent_link_credentials(given, &credentials);
    // Of nothing, so that who waits for them hears of it.
    if (err != 0) credentials = (mesh_abroad_credentials){0};
    (void)mesh_abroad_take_credentials(me->abroad, &credentials);
    sodium_memzero(&credentials, sizeof credentials);
}

void mesh_member_links_add(mesh_member *me, const Warren__Node__Link *link, int fd) {
    me->links_received++;
    if (link->remote != NULL)
        add_remote_link(me, link, fd);
    else
        add_local_link(me, link->node_id, fd);
}

// ---- for tests

static void set_held(mesh_member *me, uint64_t node_id, bool is_held) {
    for (uint32_t i = 0; i < me->link_cap; i++) {
        peer_link *l = me->links[i];
        if (l == NULL || l->node_id != node_id || l->is_held == is_held) continue;
        l->is_held = is_held;
        watch_link(l);
        mesh_member_links_mark(me, l->peer);
    }
}

void mesh_member_hold(mesh_member *me, uint64_t node_id, bool is_held) {
    uint32_t at = find_held(me, node_id);
    if (is_held == (at < me->held_count)) return;
    if (is_held) {
        if (me->held_count == me->held_cap) {
            me->held_cap = me->held_cap == 0 ? 16 : 2 * me->held_cap;
            me->held = mem_resize(me->held, me->held_cap * sizeof *me->held);
        }
        me->held[me->held_count++] = node_id;
    } else {
        me->held[at] = me->held[--me->held_count];
    }
    set_held(me, node_id, is_held);
}

// ---- all of them

void mesh_member_links_end_soon(mesh_member *me, uint32_t peer) {
    peer_link *l = link_of(me, peer);
    if (l == NULL) return;
    l->is_ending = true;
    mesh_member_links_mark(me, peer);
}

void mesh_member_links_end_all(mesh_member *me) {
    for (uint32_t i = 0; i < me->link_cap; i++)
        if (me->links[i] != NULL) end_link(me->links[i]);
}

static void on_sweep_closed(uv_handle_t *timer) {
    free(timer);
}

void mesh_member_links_close_all(mesh_member *me) {
    for (uint32_t i = 0; i < me->link_cap; i++)
        if (me->links[i] != NULL) close_link(me->links[i]);
    me->link_cap = 0;
    mesh_abroad_destroy(me->abroad);
    if (me->sweep != NULL) uv_close((uv_handle_t *)me->sweep, on_sweep_closed);
    free(me->links);
    free(me->dirty);
    free(me->connecting);
    free(me->held);
}

void mesh_member_write(mesh_member *me) {
    for (uint32_t i = 0; i < me->link_cap; i++)
        if (me->links[i] != NULL) write_link(me->links[i]);
}
