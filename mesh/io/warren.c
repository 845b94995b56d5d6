// The driver of one member: carries bytes and time between mesh_node (core/node.h), the sockets of
// its links and the agent's control channel. It decides nothing.
#include "warren.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "core/error.h"
#include "core/mem.h"
#include "io/agent_link.h"
#include "io/paths.h"
#include "node.pb-c.h"

enum { WELCOME_TIMEOUT_MS = 2000, READS_PER_TURN = 4 };

typedef struct peer_link {
    uv_poll_t poll;
    warren *w;
    int fd;
    uint32_t peer;
    uint64_t node_id;
    bool is_dirty;   // in the list of links to write
    bool is_blocked; // the socket is full: waiting for UV_WRITABLE
    bool is_broken;  // writing failed: what came before is still read
    bool is_ending;  // close once the output is written
} peer_link;

struct warren {
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_async_t
        keep; // never sent: an active handle that keeps the loop alive while it is referenced
    mesh_channel *control;
    mesh_node *node;
    warren_self self;
    char *self_text[3];
    warren_output_cb on_output;
    warren_agent_cb on_agent;
    void *user;
    mesh_abroad *abroad; // links to other hosts; NULL: there was none yet
    peer_link **links;   // by peer handle
    uint32_t link_cap, link_count;
    peer_link **dirty;
    uint32_t dirty_count, dirty_cap;
    uint64_t *connecting; // node ids asked for at the agent
    uint32_t connecting_count, connecting_cap;
    uint32_t links_received;
    uint32_t handle_count; // not closed yet
    uint64_t close_at_ms, armed_at_ms;
    bool is_delivering, has_told, is_wanted, is_agent_lost, is_closing, is_closed, is_destroyed;
};

static void deliver(warren *w);

static uint64_t now_ms(warren *w) {
    return uv_now(w->loop);
}

static void tell(warren *w, warren_agent_event event, uint32_t id, int status, const char *text) {
    w->has_told = true;
    w->on_agent(event, id, status, text, w->user);
}

// ---- links
// ---------------------------------------------------------------------------------------

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
    int events = UV_READABLE | (l->is_blocked ? UV_WRITABLE : 0);
    uv_poll_start(&l->poll, events, on_link_poll);
    uv_unref((uv_handle_t *)&l->poll); // what keeps the loop alive is `keep`
}

static void set_blocked(peer_link *l, bool is_blocked) {
    if (l->is_blocked == is_blocked) return;
    l->is_blocked = is_blocked;
    watch_link(l);
}

static void write_link(peer_link *l) {
    warren *w = l->w;
    while (!l->is_broken) {
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
        // A dead peer: its last words may still wait in the socket; reading finds the end. Of a
        // live one that only stopped reading too, once this end is shut.
        if (sent < 0) {
            l->is_broken = true;
            (void)shutdown(l->fd, SHUT_RDWR);
            break;
        }
        mesh_node_link_sent(w->node, now_ms(w), l->peer, (size_t)sent);
    }
    set_blocked(l, false);
    if (l->is_ending) end_link(l);
}

static void mark_dirty(warren *w, uint32_t peer) {
    peer_link *l = link_of(w, peer);
    if (l == NULL || l->is_dirty) return;
    if (w->dirty_count == w->dirty_cap) {
        w->dirty_cap = w->dirty_cap == 0 ? 16 : 2 * w->dirty_cap;
        w->dirty = mem_resize(w->dirty, w->dirty_cap * sizeof(peer_link *));
    }
    l->is_dirty = true;
    w->dirty[w->dirty_count++] = l;
}

static void write_dirty_links(warren *w) {
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
            deliver(w);
            return;
        }
        int err = mesh_node_link_received(w->node, now_ms(w), peer, (size_t)len);
        if (err != 0) fail_link(l, err);
        deliver(w);
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
        deliver(w);
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

static void connect_to(warren *w, uint64_t node_id) {
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
    watch_link(l);
    mark_dirty(w, peer);
}

static void add_link(warren *w, uint64_t node_id, int fd) {
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
    deliver(user);
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
    if (w->abroad == NULL) w->abroad = mesh_abroad_create(w->loop, w->self.node_id, &events, w);
    if (is_dialler)
        mesh_abroad_dialled(w->abroad, fd, link->node_id, link->remote->host_id.data);
    else
        mesh_abroad_accepted(w->abroad, fd);
}

static void take_credentials(warren *w, const Warren__Node__Credentials *given) {
    mesh_abroad_credentials credentials;
    if (w->abroad == NULL) return; // nobody asked
    int err = mesh_agent_link_credentials(given, &credentials);
    // Of nothing, so that who waits for them hears of it.
    if (err != 0) credentials = (mesh_abroad_credentials){0};
    (void)mesh_abroad_take_credentials(w->abroad, &credentials);
    sodium_memzero(&credentials, sizeof credentials);
}

// ---- output
// ----------------------------------------------------------------------------------------

static void on_timer(uv_timer_t *timer) {
    warren *w = timer->data;
    w->armed_at_ms = UINT64_MAX;
    mesh_node_tick(w->node, now_ms(w));
    deliver(w);
}

static void arm_timer(warren *w) {
    uint64_t wake_at_ms = mesh_node_wake_at_ms(w->node);
    if (w->is_closing && !w->is_closed && w->close_at_ms < wake_at_ms) wake_at_ms = w->close_at_ms;
    if (wake_at_ms == w->armed_at_ms) return;
    // A timer that is early is cheap (it finds nothing to do); moving it for every call is not.
    if (wake_at_ms > w->armed_at_ms && w->armed_at_ms > now_ms(w)) return;
    w->armed_at_ms = wake_at_ms;
    if (wake_at_ms == UINT64_MAX)
        uv_timer_stop(&w->timer);
    else
        uv_timer_start(&w->timer, on_timer, wake_at_ms > now_ms(w) ? wake_at_ms - now_ms(w) : 0, 0);
}

// True when it was for the application.
static bool carry_out(warren *w, const mesh_output *out) {
    peer_link *l;
    switch (out->kind) {
    case MESH_OUT_CONNECT: connect_to(w, out->node_id); return false;
    case MESH_OUT_WRITE: mark_dirty(w, out->peer); return false;
    case MESH_OUT_CLOSE:
        if ((l = link_of(w, out->peer)) != NULL) {
            l->is_ending = true;
            mark_dirty(w, out->peer);
        }
        return false;
    default: w->on_output(out, w->user); return true;
    }
}

// The application wants the loop alive, or bytes wait for a slow peer.
static void update_keep(warren *w) {
    if (w->is_wanted || mesh_node_stats_get(w->node).queued_bytes > 0)
        uv_ref((uv_handle_t *)&w->keep);
    else
        uv_unref((uv_handle_t *)&w->keep);
}

// True when it has: CLOSED was told, which may have destroyed w.
static bool finish_close(warren *w) {
    if (!w->is_closing || w->is_closed) return false;
    bool is_late = now_ms(w) >= w->close_at_ms;
    for (uint32_t peer = 0; is_late && peer < w->link_cap; peer++)
        if (w->links[peer] != NULL) end_link(w->links[peer]);
    if (w->link_count > 0) return false;
    w->is_closed = true;
    uv_unref((uv_handle_t *)&w->timer);
    tell(w, WARREN_CLOSED, 0, 0, "");
    return true;
}

static void deliver(warren *w) {
    if (w->is_delivering || w->is_destroyed) return; // the outer call sees what the callback caused
    w->is_delivering = true;
    for (bool is_told = true; is_told && !w->is_destroyed;) {
        mesh_output out;
        is_told = false;
        while (!w->is_destroyed && mesh_node_poll(w->node, &out))
            is_told |= carry_out(w, &out);
        if (w->is_destroyed) break;
        if (is_told || w->has_told) {
            is_told = true;
            w->has_told = false;
            w->on_output(NULL, w->user);
            continue;
        }
        // Write when nobody has more to say: one write per link for all of it. Room in a queue may
        // have been awaited, so look once more.
        is_told = w->dirty_count > 0;
        write_dirty_links(w);
        if (!is_told) is_told = finish_close(w);
    }
    w->is_delivering = false;
    if (w->is_destroyed) return;
    arm_timer(w);
    update_keep(w);
}

// ---- the agent
// ---------------------------------------------------------------------------------------

static mesh_bytes text(const char *t) {
    return mesh_bytes_text(t != NULL ? t : "");
}

static void take_registry(warren *w, const Warren__Node__Registry *registry) {
    for (size_t i = 0; i < registry->n_up; i++) {
        const Warren__Node__Peer *p = registry->up[i];
        mesh_peer_info info = {.node_id = p->node_id,
                               .name = text(p->name),
                               .service = text(p->service),
                               .host = text(p->host),
                               .instance = p->instance,
                               .pid = p->pid};
        if (p->host_id.len == MESH_ID_LEN) memcpy(info.host_id, p->host_id.data, MESH_ID_LEN);
        mesh_node_peer_up(w->node, &info);
    }
    for (size_t i = 0; i < registry->n_put; i++) {
        const Warren__Node__Entry *e = registry->put[i]->entry;
        if (e == NULL) continue;
        mesh_entry entry = {.entry_id = e->entry_id,
                            .kind = e->kind == WARREN__NODE__ENTRY__KIND__SERVICE
                                        ? MESH_ENTRY_SERVICE
                                        : MESH_ENTRY_SUBSCRIPTION,
                            .name = text(e->name),
                            .queue = text(e->queue)};
        (void)mesh_node_entry_put(w->node, registry->put[i]->node_id,
                                  &entry); // the agent checked it
    }
    for (size_t i = 0; i < registry->n_removed; i++)
        if (registry->removed[i]->entry != NULL)
            mesh_node_entry_removed(w->node, registry->removed[i]->node_id,
                                    registry->removed[i]->entry->entry_id);
    if (registry->n_up > 0) mesh_abroad_retry(w->abroad);
}

static int take_fd(mesh_packet *packet) {
    if (packet->fd_count == 0) return -1;
    int fd = packet->fds[0];
    packet->fds[0] = -1;
    return fd;
}

static void take_listening(warren *w, const Warren__Node__Listening *listening,
                           mesh_packet *packet) {
    int fd = take_fd(packet);
    int status = listening->error != 0 ? listening->error : fd >= 0 ? fd : UV_EPROTO;
    if (status < 0 && fd >= 0) close(fd);
    tell(w, WARREN_LISTENING, listening->request_id, status, "");
}

static void take_message(warren *w, const Warren__Node__ToNode *m, mesh_packet *packet) {
    switch (m->kind_case) {
    case WARREN__NODE__TO_NODE__KIND_JOINED: tell(w, WARREN_JOINED, 0, 0, ""); break;
    case WARREN__NODE__TO_NODE__KIND_REGISTRY: take_registry(w, m->registry); break;
    case WARREN__NODE__TO_NODE__KIND_DOWN:
        mesh_node_peer_down(w->node, now_ms(w), m->down->node_id, text(m->down->reason),
                            m->down->code, (int)m->down->signal);
        break;
    case WARREN__NODE__TO_NODE__KIND_ANNOUNCED:
        tell(w, WARREN_ANNOUNCED, m->announced->entry_id, 0, "");
        break;
    case WARREN__NODE__TO_NODE__KIND_LINK:
        w->links_received++;
        if (m->link->remote != NULL)
            add_remote_link(w, m->link, take_fd(packet));
        else
            add_link(w, m->link->node_id, take_fd(packet));
        break;
    case WARREN__NODE__TO_NODE__KIND_CREDENTIALS: take_credentials(w, m->credentials); break;
    case WARREN__NODE__TO_NODE__KIND_CONNECT_FAILED:
        (void)take_connecting(w, m->connect_failed->node_id);
        mesh_node_connect_failed(w->node, now_ms(w), m->connect_failed->node_id);
        break;
    case WARREN__NODE__TO_NODE__KIND_LISTENING: take_listening(w, m->listening, packet); break;
    case WARREN__NODE__TO_NODE__KIND_REFUSED:
        tell(w, WARREN_REFUSED, 0, 0, m->refused->text);
        break;
    default: break; // a newer agent says something this node need not know
    }
}

static void on_control_packet(mesh_channel *channel, mesh_bytes bytes, mesh_packet *packet,
                              void *user) {
    warren *w = user;
    (void)channel;
    Warren__Node__ToNode *message = warren__node__to_node__unpack(NULL, bytes.len, bytes.data);
    if (message == NULL) return;
    take_message(w, message, packet);
    warren__node__to_node__free_unpacked(message, NULL);
    deliver(w);
}

static void on_control_end(mesh_channel *channel, int err, void *user) {
    warren *w = user;
    (void)channel;
    w->is_agent_lost = true;
    while (w->connecting_count > 0)
        mesh_node_connect_failed(w->node, now_ms(w), w->connecting[--w->connecting_count]);
    tell(w, WARREN_LOST, 0, err, mesh_error_text(err));
    deliver(w);
}

// ---- opening and closing
// ---------------------------------------------------------------------------

static int receive_welcome(int fd, Warren__Node__ToNode **out_message) {
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    int count;
    do
        count = poll(&ready, 1, WELCOME_TIMEOUT_MS);
    while (count < 0 && errno == EINTR);
    if (count == 0) return UV_ETIMEDOUT;
    uint8_t buffer[MESH_PACKET_LEN_MAX]; // on the stack: only what arrives is touched
    mesh_packet packet;
    int err = mesh_packet_receive(fd, 0, buffer, &packet);
    if (err == 0) {
        *out_message = warren__node__to_node__unpack(NULL, packet.len, buffer);
        mesh_packet_close_fds(&packet);
        if (*out_message == NULL) err = MESH_EPROTO;
    }
    return err;
}

static int connect_agent(const warren_options *options, int *out_fd) {
    char path[MESH_PATHS_LEN_MAX];
    const char *agent_path = options->agent_path;
    if (agent_path == NULL) {
        int err = mesh_paths_socket(path);
        if (err != 0) return err;
        agent_path = path;
    }
    int fd, err = mesh_packet_connect(agent_path, &fd);
    if (err != 0) return err;
    err = mesh_agent_link_hello(fd, options->name != NULL ? options->name : "");
    if (err != 0) {
        close(fd);
        return err;
    }
    *out_fd = fd;
    return 0;
}

static char *keep_text(char **slot, const char *t) {
    return *slot = mem_check(strdup(t != NULL ? t : ""));
}

static void take_self(warren *w, const Warren__Node__Welcome *welcome) {
    w->self = (warren_self){
        .node_id = welcome->node_id,
        .incarnation = welcome->incarnation,
        .name = keep_text(&w->self_text[0], welcome->name),
        .service = keep_text(&w->self_text[1], welcome->service),
        .host = keep_text(&w->self_text[2], welcome->host),
        .instance = welcome->instance,
    };
}

int warren_open(uv_loop_t *loop, const warren_options *options, warren_output_cb on_output,
                warren_agent_cb on_agent, void *user, warren **out) {
    if (sodium_init() < 0) return UV_ENOSYS;
    int fd = options->control_fd, err = 0;
    if (fd < 0) err = connect_agent(options, &fd);
    if (err != 0) return err;
    Warren__Node__ToNode *message = NULL;
    err = receive_welcome(fd, &message);
    if (err == 0 && message->kind_case != WARREN__NODE__TO_NODE__KIND_WELCOME)
        err = message->kind_case == WARREN__NODE__TO_NODE__KIND_REFUSED ? UV_EACCES : MESH_EPROTO;
    if (err != 0) {
        if (message != NULL) warren__node__to_node__free_unpacked(message, NULL);
        close(fd);
        return err;
    }
    warren *w = mem_alloc(sizeof *w);
    *w = (warren){.loop = loop,
                  .on_output = on_output,
                  .on_agent = on_agent,
                  .user = user,
                  .armed_at_ms = UINT64_MAX};
    take_self(w, message->welcome);
    warren__node__to_node__free_unpacked(message, NULL);
    mesh_node_options core = {.node_id = w->self.node_id,
                              .max_message_len = options->max_message_len};
    randombytes_buf(&core.seed, sizeof core.seed);
    w->node = mesh_node_create(&core);
    CHECK(uv_timer_init(loop, &w->timer) == 0);
    w->timer.data = w;
    uv_unref((uv_handle_t *)&w->timer);
    CHECK(uv_async_init(loop, &w->keep, NULL) == 0);
    w->keep.data = w;
    uv_unref((uv_handle_t *)&w->keep);
    err = mesh_channel_open(loop, fd, on_control_packet, on_control_end, w, &w->control);
    if (err != 0) {
        warren_destroy(w);
        return err;
    }
    mesh_channel_ref(w->control, false);
    *out = w;
    return 0;
}

const warren_self *warren_self_get(const warren *w) {
    return &w->self;
}

mesh_node *warren_node(warren *w) {
    return w->node;
}

int warren_join(warren *w) {
    if (w->is_agent_lost) return MESH_EGONE;
    mesh_agent_link_join(w->control);
    return 0;
}

int warren_announce(warren *w, const mesh_entry *entry) {
    if (w->is_agent_lost) return MESH_EGONE;
    int err = mesh_node_announce(w->node, entry);
    if (err == 0) mesh_agent_link_announce(w->control, entry);
    return err;
}

void warren_withdraw(warren *w, uint32_t entry_id) {
    if (mesh_node_withdraw(w->node, entry_id) == 0) mesh_agent_link_withdraw(w->control, entry_id);
}

int warren_listen(warren *w, uint32_t request_id, const char *address, uint32_t port,
                  uint32_t backlog, bool is_ipv6_only) {
    if (w->is_agent_lost) return MESH_EGONE;
    mesh_listen_request request = {.request_id = request_id,
                                   .address = address,
                                   .port = port,
                                   .backlog = backlog,
                                   .is_ipv6_only = is_ipv6_only};
    mesh_agent_link_listen(w->control, &request);
    return 0;
}

void warren_flush(warren *w) {
    deliver(w);
}

void warren_write(warren *w) {
    for (uint32_t peer = 0; peer < w->link_cap; peer++)
        if (w->links[peer] != NULL && !w->links[peer]->is_blocked) write_link(w->links[peer]);
}

void warren_ref(warren *w, bool is_ref) {
    w->is_wanted = is_ref;
    update_keep(w);
}

void warren_close(warren *w, uint32_t timeout_ms) {
    if (w->is_closing) return;
    w->is_closing = true;
    w->close_at_ms = now_ms(w) + timeout_ms;
    uv_ref((uv_handle_t *)&w->timer);
    mesh_node_close(w->node, now_ms(w));
    mesh_agent_link_leave(w->control);
}

static void on_handle_closed(uv_handle_t *handle) {
    warren *w = handle->data;
    if (--w->handle_count == 0) free(w);
}

void warren_destroy(warren *w) {
    if (w == NULL || w->is_destroyed) return;
    w->is_destroyed = true;
    for (uint32_t peer = 0; peer < w->link_cap; peer++)
        if (w->links[peer] != NULL) close_link(w->links[peer]);
    w->link_cap = 0;
    mesh_abroad_destroy(w->abroad);
    mesh_channel_close(w->control);
    mesh_node_destroy(w->node);
    free(w->links);
    free(w->dirty);
    free(w->connecting);
    for (size_t i = 0; i < 3; i++)
        free(w->self_text[i]);
    // Both in one turn of the loop: a worker thread's has just one more.
    w->handle_count = 2;
    uv_close((uv_handle_t *)&w->keep, on_handle_closed);
    uv_close((uv_handle_t *)&w->timer, on_handle_closed);
}
