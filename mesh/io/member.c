// The driver of one member: carries bytes and time between mesh_node (core/node.h), the sockets of
// its links and the agent's control channel. It decides nothing.
#include "io/member.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sodium.h>

#include "core/error.h"
#include "core/mem.h"
#include "core/tags.h"
#include "io/member_state.h"
#include "io/paths.h"

enum {
    WELCOME_TIMEOUT_MS = 2000,
    ROUNDS_MAX = 16,
    // Bytes that wait for the agent: a program that asks faster than it answers is told, long
    // before the channel would end (MESH_CHANNEL_QUEUE_MAX). WITHDRAW is not refused; it needs an
    // ANNOUNCE.
    CONTROL_QUEUE_MAX = 1 << 20,
    CHECK_LEN_MAX = 2048, // path and method: the agent gives less
};

static uint64_t now_ms(mesh_member *me) {
    return uv_now(me->loop);
}

static void tell(mesh_member *me, mesh_member_agent_event event, uint32_t id, int status,
                 const char *text) {
    me->has_told = true;
    me->on_agent(event, id, status, text, me->user);
}

// ---- output
// ----------------------------------------------------------------------------------------

static void on_timer(uv_timer_t *timer) {
    mesh_member *me = timer->data;
    me->armed_at_ms = UINT64_MAX;
    mesh_node_tick(me->node, now_ms(me));
    mesh_leases_tick(me->leases);
    mesh_member_deliver(me);
}

static void arm_timer(mesh_member *me) {
    uint64_t wake_at_ms = mesh_node_wake_at_ms(me->node);
    uint64_t lease_ms = mesh_leases_wait_ms(me->leases);
    if (lease_ms < UINT64_MAX && now_ms(me) + lease_ms < wake_at_ms)
        wake_at_ms = now_ms(me) + lease_ms;
    if (me->is_closing && !me->is_closed && me->close_at_ms < wake_at_ms)
        wake_at_ms = me->close_at_ms;
    if (wake_at_ms == me->armed_at_ms) return;
    // A timer that is early is cheap (it finds nothing to do); moving it for every call is not.
    if (wake_at_ms > me->armed_at_ms && me->armed_at_ms > now_ms(me)) return;
    me->armed_at_ms = wake_at_ms;
    if (wake_at_ms == UINT64_MAX)
        uv_timer_stop(&me->timer);
    else
        uv_timer_start(&me->timer, on_timer, wake_at_ms > now_ms(me) ? wake_at_ms - now_ms(me) : 0,
                       0);
}

// What was said before is on its way, or there is no more time for it.
static void leave(mesh_member *me) {
    me->is_leaving = true;
    mesh_node_close(me->node, now_ms(me));
    mesh_statement_leave(me->said);
    mesh_leases_drop(me->leases);
    mesh_agent_link_leave(me->control);
}

// True when it was for the application.
static bool carry_out(mesh_member *me, const mesh_output *out) {
    switch (out->kind) {
    case MESH_OUT_CONNECT: mesh_member_links_connect(me, out->node_id); return false;
    case MESH_OUT_WRITE: mesh_member_links_mark(me, out->peer); return false;
    case MESH_OUT_CLOSE: mesh_member_links_end_soon(me, out->peer); return false;
    case MESH_OUT_FLUSHED:
        if (me->is_closing && !me->is_leaving) leave(me);
        me->on_output(out, me->user);
        return true;
    default: me->on_output(out, me->user); return true;
    }
}

static bool is_anything_queued(mesh_member *me) {
    mesh_node_stats stats = mesh_node_stats_get(me->node);
    return stats.queued_bytes[MESH_LANE_NORMAL] + stats.queued_bytes[MESH_LANE_BULK] > 0;
}

// The application wants the loop alive, or bytes wait for a slow peer. What waits when the mesh is
// closed never goes anywhere.
static void update_keep(mesh_member *me) {
    if (me->is_wanted || (!me->is_closed && is_anything_queued(me)))
        uv_ref((uv_handle_t *)&me->keep);
    else
        uv_unref((uv_handle_t *)&me->keep);
}

// True when it has: CLOSED was told, which may have destroyed me.
static bool finish_close(mesh_member *me) {
    if (!me->is_closing || me->is_closed) return false;
    if (!me->is_leaving && now_ms(me) < me->close_at_ms) return false;
    if (!me->is_leaving) leave(me);
    if (now_ms(me) >= me->close_at_ms) mesh_member_links_end_all(me);
    if (me->link_count > 0) return false;
    me->is_closed = true;
    uv_unref((uv_handle_t *)&me->timer);
    tell(me, MESH_MEMBER_CLOSED, 0, 0, "");
    return true;
}

void mesh_member_deliver(mesh_member *me) {
    if (me->is_delivering || me->is_destroyed)
        return; // the outer call sees what the callback caused
    me->is_delivering = true;
    uint32_t rounds = 0;
    for (bool is_told = true; is_told && !me->is_destroyed;) {
        mesh_output out;
        is_told = false;
        // A program that asks again at once when nobody answers must not keep the loop from hearing
        // of somebody. What is left was caused by its own commands, and holds no memory of others.
        if (rounds++ == ROUNDS_MAX) {
            (void)uv_async_send(&me->keep);
            break;
        }
        while (!me->is_destroyed && mesh_node_poll(me->node, &out))
            is_told |= carry_out(me, &out);
        if (me->is_destroyed) break;
        if (is_told || me->has_told) {
            is_told = true;
            me->has_told = false;
            me->on_output(NULL, me->user);
            continue;
        }
        // Write when nobody has more to say: one write per link for all of it. Room in a queue may
        // have been awaited, so look once more.
        is_told = me->dirty_count > 0;
        mesh_member_links_write_marked(me);
        if (!is_told) is_told = finish_close(me);
    }
    me->is_delivering = false;
    if (me->is_destroyed) return;
    arm_timer(me);
    update_keep(me);
}

static void on_wake(uv_async_t *keep) {
    mesh_member_deliver(keep->data);
}

// ---- the agent
// ---------------------------------------------------------------------------------------

static mesh_bytes text(const char *t) {
    return mesh_bytes_text(t != NULL ? t : "");
}

static void take_registry(mesh_member *me, const Warren__Node__Registry *registry) {
    for (size_t i = 0; i < registry->n_up; i++) {
        const Warren__Node__Peer *p = registry->up[i];
        mesh_peer_info info = {.node_id = p->node_id,
                               .name = text(p->name),
                               .service = text(p->service),
                               .host = text(p->host),
                               .instance = p->instance,
                               .pid = p->pid};
        if (p->host_id.len == MESH_ID_LEN) memcpy(info.host_id, p->host_id.data, MESH_ID_LEN);
        mesh_node_peer_up(me->node, &info);
        mesh_node_peer_stalled(me->node, p->node_id, p->is_stalled);
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
        (void)mesh_node_entry_put(me->node, registry->put[i]->node_id,
                                  &entry); // the agent checked it
    }
    for (size_t i = 0; i < registry->n_removed; i++)
        if (registry->removed[i]->entry != NULL)
            mesh_node_entry_removed(me->node, registry->removed[i]->node_id,
                                    registry->removed[i]->entry->entry_id);
    if (registry->n_up > 0) mesh_abroad_retry(me->abroad);
}

static int take_fd(mesh_packet *packet) {
    if (packet->fd_count == 0) return -1;
    int fd = packet->fds[0];
    packet->fds[0] = -1;
    return fd;
}

static void take_listening(mesh_member *me, const Warren__Node__Listening *listening,
                           mesh_packet *packet) {
    int fd = take_fd(packet);
    if (!mesh_statement_listening(me->said, listening->request_id)) { // answered already
        if (fd >= 0) close(fd);
        return;
    }
    int status = listening->error != 0 ? listening->error : fd >= 0 ? fd : UV_EPROTO;
    if (status < 0 && fd >= 0) close(fd);
    if (status >= 0 && packet->fd_count > 1) {
        int memory_fd = packet->fds[1];
        packet->fds[1] = -1;
        tell(me, MESH_MEMBER_BALANCE, listening->request_id, memory_fd, "");
    }
    tell(me, MESH_MEMBER_LISTENING, listening->request_id, status, "");
}

static void on_lease(const mesh_lease_news *news, void *user) {
    tell(user, MESH_MEMBER_LEASE, news->id, (int)news->state | (int)news->why << 8, news->text);
}

static void take_check(mesh_member *me, const Warren__Node__Check *check) {
    char words[CHECK_LEN_MAX];
    int timeout_ms = check->timeout_ms < INT32_MAX ? (int)check->timeout_ms : INT32_MAX;
    int len = snprintf(words, sizeof words, "%s\n%s", check->http, check->call);
    if (len >= 0 && (size_t)len < sizeof words)
        tell(me, MESH_MEMBER_CHECK, check->number, timeout_ms, words);
}

static void take_message(mesh_member *me, const Warren__Node__ToNode *m, mesh_packet *packet) {
    switch (m->kind_case) {
    case WARREN__NODE__TO_NODE__KIND_JOINED:
        if (mesh_statement_joined(me->said)) tell(me, MESH_MEMBER_JOINED, 0, 0, "");
        break;
    case WARREN__NODE__TO_NODE__KIND_ADOPT:
        mesh_statement_say(
            me->said, me->control, m->adopt->number,
            &(mesh_statement_links){me->links_received, me->connecting, me->connecting_count});
        mesh_leases_say(me->leases);
        break;
    case WARREN__NODE__TO_NODE__KIND_LEASE: mesh_leases_receive(me->leases, m->lease); break;
    case WARREN__NODE__TO_NODE__KIND_REGISTRY: take_registry(me, m->registry); break;
    case WARREN__NODE__TO_NODE__KIND_DOWN:
        mesh_member_hold(me, m->down->node_id, false); // it is read to its end
        mesh_node_peer_down(me->node, now_ms(me), m->down->node_id, text(m->down->reason),
                            m->down->code, (int)m->down->signal);
        break;
    case WARREN__NODE__TO_NODE__KIND_ANNOUNCED:
        if (mesh_statement_announced(me->said, m->announced->entry_id))
            tell(me, MESH_MEMBER_ANNOUNCED, m->announced->entry_id, 0, "");
        break;
    case WARREN__NODE__TO_NODE__KIND_LINK:
        mesh_member_links_add(me, m->link, take_fd(packet));
        break;
    case WARREN__NODE__TO_NODE__KIND_CREDENTIALS:
        mesh_member_links_take_credentials(me, m->credentials);
        break;
    case WARREN__NODE__TO_NODE__KIND_CONNECT_FAILED:
        mesh_member_links_connect_failed(me, m->connect_failed->node_id);
        break;
    case WARREN__NODE__TO_NODE__KIND_LISTENING: take_listening(me, m->listening, packet); break;
    case WARREN__NODE__TO_NODE__KIND_DRAIN:
        tell(me, MESH_MEMBER_DRAIN, m->drain->timeout_ms, 0, "");
        break;
    case WARREN__NODE__TO_NODE__KIND_CHECK: take_check(me, m->check); break;
    case WARREN__NODE__TO_NODE__KIND_REFUSED:
        tell(me, MESH_MEMBER_REFUSED, 0, 0, m->refused->text);
        break;
    default: break; // a newer agent says something this node need not know
    }
}

static void on_control_packet(mesh_channel *channel, mesh_bytes bytes, mesh_packet *packet,
                              void *user) {
    mesh_member *me = user;
    (void)channel;
    Warren__Node__ToNode *message = warren__node__to_node__unpack(NULL, bytes.len, bytes.data);
    if (message == NULL) return;
    take_message(me, message, packet);
    warren__node__to_node__free_unpacked(message, NULL);
    mesh_member_deliver(me);
}

static void on_control_end(mesh_channel *channel, int err, void *user) {
    mesh_member *me = user;
    (void)channel;
    me->is_agent_lost = true;
    mesh_leases_drop(me->leases);
    mesh_member_links_agent_lost(me);
    tell(me, MESH_MEMBER_LOST, 0, err, mesh_error_text(err));
    mesh_member_deliver(me);
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

static int connect_agent(const mesh_member_options *options, int *out_fd) {
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

static void take_self(mesh_member *me, const Warren__Node__Welcome *welcome) {
    me->self = (mesh_member_self){
        .node_id = welcome->node_id,
        .incarnation = welcome->incarnation,
        .name = keep_text(&me->self_text[0], welcome->name),
        .service = keep_text(&me->self_text[1], welcome->service),
        .host = keep_text(&me->self_text[2], welcome->host),
        .instance = welcome->instance,
    };
}

int mesh_member_open(uv_loop_t *loop, const mesh_member_options *options,
                     mesh_member_output_cb on_output, mesh_member_agent_cb on_agent, void *user,
                     mesh_member **out) {
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
        if (err != UV_ETIMEDOUT || fd != options->control_fd) close(fd);
        return err;
    }
    mesh_member *me = mem_alloc(sizeof *me);
    *me = (mesh_member){.loop = loop,
                        .on_output = on_output,
                        .on_agent = on_agent,
                        .user = user,
                        .armed_at_ms = UINT64_MAX};
    take_self(me, message->welcome);
    (void)keep_text(&me->tags, tags);
    warren__node__to_node__free_unpacked(message, NULL);
    mesh_node_options core = {.node_id = me->self.node_id,
                              .max_message_len = options->max_message_len};
    randombytes_buf(&core.seed, sizeof core.seed);
    me->node = mesh_node_create(&core);
    me->said = mesh_statement_create();
    CHECK(uv_timer_init(loop, &me->timer) == 0);
    me->timer.data = me;
    uv_unref((uv_handle_t *)&me->timer);
    CHECK(uv_async_init(loop, &me->keep, on_wake) == 0);
    me->keep.data = me;
    uv_unref((uv_handle_t *)&me->keep);
    err = mesh_channel_open(loop, fd, on_control_packet, on_control_end, me, &me->control);
    if (err != 0) {
        mesh_member_destroy(me);
        return err;
    }
    mesh_channel_ref(me->control, false);
    me->leases = mesh_leases_create(me->control, on_lease, me);
    *out = me;
    return 0;
}

const mesh_member_self *mesh_member_self_get(const mesh_member *me) {
    return &me->self;
}

mesh_node *mesh_member_node(mesh_member *me) {
    return me->node;
}

int mesh_member_join(mesh_member *me) {
    if (me->is_agent_lost) return MESH_EGONE;
    mesh_statement_join(me->said);
    mesh_agent_link_join(me->control);
    return 0;
}

int mesh_member_announce(mesh_member *me, const mesh_entry *entry) {
    if (me->is_agent_lost) return MESH_EGONE;
    if (mesh_channel_queued(me->control) > CONTROL_QUEUE_MAX) return MESH_EQUOTA;
    if (!mesh_tags_is_valid(entry->tags)) return MESH_EINVAL;
    uint8_t tags[MESH_TAGS_LEN_MAX];
    mesh_entry tagged = *entry;
    int err = mesh_tags_merge(entry->tags, text(me->tags), tags, &tagged.tags.len);
    if (err != 0) return err;
    tagged.tags.data = tags;
    err = mesh_node_announce(me->node, &tagged);
    if (err != 0) return err;
    mesh_statement_announce(me->said, &tagged);
    mesh_agent_link_announce(me->control, &tagged);
    return 0;
}

void mesh_member_withdraw(mesh_member *me, uint32_t entry_id) {
    if (mesh_node_withdraw(me->node, entry_id) != 0) return;
    mesh_statement_withdraw(me->said, entry_id);
    mesh_agent_link_withdraw(me->control, entry_id);
}

int mesh_member_listen(mesh_member *me, uint32_t request_id, const char *address, uint32_t port,
                       uint32_t backlog, bool is_ipv6_only) {
    if (me->is_agent_lost) return MESH_EGONE;
    if (mesh_channel_queued(me->control) > CONTROL_QUEUE_MAX) return MESH_EQUOTA;
    mesh_listen_request request = {.request_id = request_id,
                                   .address = address,
                                   .port = port,
                                   .backlog = backlog,
                                   .is_ipv6_only = is_ipv6_only};
    mesh_statement_listen(me->said, &request);
    mesh_agent_link_listen(me->control, &request);
    return 0;
}

int mesh_member_ask_lease(mesh_member *me, const mesh_lease_ask *ask) {
    if (me->is_agent_lost || me->is_leaving) return MESH_EGONE;
    if (mesh_channel_queued(me->control) > CONTROL_QUEUE_MAX) return MESH_EQUOTA;
    return mesh_leases_ask(me->leases, ask);
}

void mesh_member_end_lease(mesh_member *me, uint32_t id) {
    mesh_leases_end(me->leases, id);
}

bool mesh_member_is_lease_valid(const mesh_member *me, uint32_t id) {
    return mesh_leases_is_valid(me->leases, id);
}

uint64_t mesh_member_lease_token(const mesh_member *me, uint32_t id) {
    return mesh_leases_token(me->leases, id);
}

void mesh_member_retire(mesh_member *me, uint32_t entry_id) {
    if (me->is_agent_lost) return;
    mesh_statement_withdraw(me->said, entry_id);
    mesh_agent_link_withdraw(me->control, entry_id);
}

void mesh_member_drained(mesh_member *me, uint32_t connections) {
    if (me->is_agent_lost) return;
    mesh_statement_drained(me->said, connections);
    mesh_agent_link_drained(me->control, connections);
}

void mesh_member_checked(mesh_member *me, uint32_t number, bool is_healthy, mesh_bytes why) {
    if (me->is_agent_lost) return;
    mesh_agent_link_checked(me->control, number, is_healthy, why);
}

static void say_ready(mesh_member *me, Warren__Node__Ready__Way way) {
    if (me->is_agent_lost) return;
    mesh_statement_ready(me->said, way);
    mesh_agent_link_ready(me->control, way);
}

void mesh_member_ready(mesh_member *me, bool is_message) {
    say_ready(me, is_message ? WARREN__NODE__READY__WAY__MESSAGE : WARREN__NODE__READY__WAY__MESH);
}

void mesh_member_stands_by(mesh_member *me) {
    say_ready(me, WARREN__NODE__READY__WAY__STANDS_BY);
}

void mesh_member_flush(mesh_member *me) {
    mesh_member_deliver(me);
}

void mesh_member_ref(mesh_member *me, bool is_ref) {
    me->is_wanted = is_ref;
    update_keep(me);
}

void mesh_member_close(mesh_member *me, uint32_t timeout_ms) {
    if (me->is_closing) return;
    me->is_closing = true;
    uv_update_time(me->loop); // the program may have been busy for longer than that
    me->close_at_ms = now_ms(me) + timeout_ms;
    uv_ref((uv_handle_t *)&me->timer);
    mesh_node_flush(me->node); // a link that is only just being made has its messages yet to come
}

static void on_handle_closed(uv_handle_t *handle) {
    mesh_member *me = handle->data;
    if (--me->handle_count == 0) free(me);
}

void mesh_member_destroy(mesh_member *me) {
    if (me == NULL || me->is_destroyed) return;
    me->is_destroyed = true;
    mesh_member_links_close_all(me);
    mesh_channel_close(me->control);
    mesh_node_destroy(me->node);
    mesh_statement_destroy(me->said);
    mesh_leases_destroy(me->leases);
    for (size_t i = 0; i < 3; i++)
        free(me->self_text[i]);
    free(me->tags);
    // Both in one turn of the loop: a worker thread's has just one more.
    me->handle_count = 2;
    uv_close((uv_handle_t *)&me->keep, on_handle_closed);
    uv_close((uv_handle_t *)&me->timer, on_handle_closed);
}
