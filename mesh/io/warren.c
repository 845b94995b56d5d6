// The driver of one member: carries bytes and time between mesh_node (core/node.h), the sockets of
// its links and the agent's control channel. It decides nothing.
#include "warren.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <sodium.h>

#include "core/error.h"
#include "core/mem.h"
#include "core/tags.h"
#include "io/paths.h"
#include "io/warren_state.h"

enum { WELCOME_TIMEOUT_MS = 2000 };

static uint64_t now_ms(warren *w) {
    return uv_now(w->loop);
}

static void tell(warren *w, warren_agent_event event, uint32_t id, int status, const char *text) {
    w->has_told = true;
    w->on_agent(event, id, status, text, w->user);
}

// ---- output
// ----------------------------------------------------------------------------------------

static void on_timer(uv_timer_t *timer) {
    warren *w = timer->data;
    w->armed_at_ms = UINT64_MAX;
    mesh_node_tick(w->node, now_ms(w));
    warren_deliver(w);
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
    switch (out->kind) {
    case MESH_OUT_CONNECT: warren_links_connect(w, out->node_id); return false;
    case MESH_OUT_WRITE: warren_links_mark(w, out->peer); return false;
    case MESH_OUT_CLOSE: warren_links_end_soon(w, out->peer); return false;
    default: w->on_output(out, w->user); return true;
    }
}

static bool is_anything_queued(warren *w) {
    mesh_node_stats stats = mesh_node_stats_get(w->node);
    return stats.queued_bytes[MESH_LANE_NORMAL] + stats.queued_bytes[MESH_LANE_BULK] > 0;
}

// The application wants the loop alive, or bytes wait for a slow peer. What waits when the mesh is
// closed never goes anywhere.
static void update_keep(warren *w) {
    if (w->is_wanted || (!w->is_closed && is_anything_queued(w)))
        uv_ref((uv_handle_t *)&w->keep);
    else
        uv_unref((uv_handle_t *)&w->keep);
}

// True when it has: CLOSED was told, which may have destroyed w.
static bool finish_close(warren *w) {
    if (!w->is_closing || w->is_closed) return false;
    if (now_ms(w) >= w->close_at_ms) warren_links_end_all(w);
    if (w->link_count > 0) return false;
    w->is_closed = true;
    uv_unref((uv_handle_t *)&w->timer);
    tell(w, WARREN_CLOSED, 0, 0, "");
    return true;
}

void warren_deliver(warren *w) {
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
        warren_links_write_marked(w);
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
                            .queue = text(e->queue),
                            .tags = text(e->tags)};
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
        warren_hold(w, m->down->node_id, false); // it is read to its end
        mesh_node_peer_down(w->node, now_ms(w), m->down->node_id, text(m->down->reason),
                            m->down->code, (int)m->down->signal);
        break;
    case WARREN__NODE__TO_NODE__KIND_ANNOUNCED:
        tell(w, WARREN_ANNOUNCED, m->announced->entry_id, 0, "");
        break;
    case WARREN__NODE__TO_NODE__KIND_LINK: warren_links_add(w, m->link, take_fd(packet)); break;
    case WARREN__NODE__TO_NODE__KIND_CREDENTIALS:
        warren_links_take_credentials(w, m->credentials);
        break;
    case WARREN__NODE__TO_NODE__KIND_CONNECT_FAILED:
        warren_links_connect_failed(w, m->connect_failed->node_id);
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
    warren_deliver(w);
}

static void on_control_end(mesh_channel *channel, int err, void *user) {
    warren *w = user;
    (void)channel;
    w->is_agent_lost = true;
    warren_links_agent_lost(w);
    tell(w, WARREN_LOST, 0, err, mesh_error_text(err));
    warren_deliver(w);
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
    const char *tags = options->tags != NULL ? options->tags : getenv("WARREN_TAGS");
    if (!mesh_tags_is_valid(text(tags))) return UV_EINVAL;
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
    (void)keep_text(&w->tags, tags);
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
    if (!mesh_tags_is_valid(entry->tags)) return MESH_EINVAL;
    uint8_t tags[MESH_TAGS_LEN_MAX];
    mesh_entry tagged = *entry;
    int err = mesh_tags_merge(entry->tags, text(w->tags), tags, &tagged.tags.len);
    if (err != 0) return err;
    tagged.tags.data = tags;
    err = mesh_node_announce(w->node, &tagged);
    if (err == 0) mesh_agent_link_announce(w->control, &tagged);
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
    warren_deliver(w);
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
    warren_links_close_all(w);
    mesh_channel_close(w->control);
    mesh_node_destroy(w->node);
    for (size_t i = 0; i < 3; i++)
        free(w->self_text[i]);
    free(w->tags);
    // Both in one turn of the loop: a worker thread's has just one more.
    w->handle_count = 2;
    uv_close((uv_handle_t *)&w->keep, on_handle_closed);
    uv_close((uv_handle_t *)&w->timer, on_handle_closed);
}
