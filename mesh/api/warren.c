// warren.h: a program's life as a member, on a loop of its own or the program's.
#include "warren.h"

#include <sodium.h>

#include "api/state.h"
#include "core/mem.h"

enum { JOIN_TIMEOUT_MS = 5000 };

void api_tell(warren *w, warren_event event) {
    if (w->on_event) w->on_event(w, event, w->user);
}

// ---- what the mesh says

static void end_batch(warren *w) {
    if (!w->is_changed || !w->is_joined) return;
    w->is_changed = false;
    api_tell(w, WARREN_EVENT_INSTANCES);
}

uint64_t api_now_ms(warren *w) {
    uv_update_time(w->loop);
    return uv_now(w->loop);
}

static void tell_gap(warren *w, const mesh_output *out) {
    warren_gap gap = {
        .id = api_peers_id(w, out->peer), .is_from = out->is_from, .count = out->cost};
    if (w->on_gap) w->on_gap(w, &gap, w->user);
}

static void on_output(const mesh_output *out, void *user) {
    warren *w = user;
    if (!out) {
        end_batch(w);
        return;
    }
    switch (out->kind) {
    case MESH_OUT_PEER:
    case MESH_OUT_SERVICE:
    case MESH_OUT_SHAPE:
    case MESH_OUT_DOWN: api_peers_take(w, out); break;
    case MESH_OUT_REPLY:
    case MESH_OUT_ERROR:
    case MESH_OUT_ITEM: api_calls_take(w, out); break;
    case MESH_OUT_REQUEST:
    case MESH_OUT_MESSAGE:
    case MESH_OUT_ABORT:
    case MESH_OUT_GRANT: api_serve_take(w, out); break;
    case MESH_OUT_DRAIN: api_tell(w, WARREN_EVENT_DRAIN); break;
    case MESH_OUT_GAP: tell_gap(w, out); break;
    default: break;
    }
}

static void on_prepare_closed(uv_handle_t *handle) {
    warren *w = handle->data;
    api_serve_free(w);
    api_peers_free(w);
    free(w->calls);
    free(w->free_calls);
    for (size_t i = 0; i < sizeof w->plain / sizeof *w->plain; i++)
        mesh_payload_buffer_deinit(&w->plain[i]);
    if (!w->has_own_loop) free(w); // else it is freed with its loop
}

static void destroy(warren *w) {
    mesh_member_destroy(w->member);
    uv_close((uv_handle_t *)&w->prepare, on_prepare_closed);
}

static void on_closed(warren *w) {
    w->is_closed = true;
    api_tell(w, WARREN_EVENT_CLOSED);
    if (!w->has_own_loop) destroy(w);
}

static void on_agent(mesh_member_agent_event event, uint32_t id, int status, const char *text,
                     void *user) {
    (void)id, (void)status, (void)text;
    warren *w = user;
    switch (event) {
    case MESH_MEMBER_JOINED:
        w->is_joined = true;
        w->is_changed = false;
        api_tell(w, WARREN_EVENT_JOINED);
        break;
    case MESH_MEMBER_LOST:
        w->is_lost = true;
        api_tell(w, WARREN_EVENT_AGENT_LOST);
        if (!w->on_event) uv_stop(w->loop); // nobody else would
        break;
    case MESH_MEMBER_CLOSED: on_closed(w); break;
    default: break;
    }
}

// Before the loop sleeps: what the program asked for becomes one write per link.
static void on_prepare(uv_prepare_t *prepare) {
    warren *w = prepare->data;
    mesh_member_flush(w->member);
}

// ---- opening

static bool are_options_fit(const warren_options *options) {
    uint32_t len = options->max_message_len;
    return len == 0 || (len >= MESH_MESSAGE_LEN_MIN && len <= MESH_MESSAGE_LEN_MAX);
}

static void on_join_timeout(uv_timer_t *timer) {
    warren *w = timer->data;
    w->is_lost = true;
}

static void ignore_closed(uv_handle_t *handle) {
    (void)handle;
}

// A turn, or many, of a loop of its own. What is called in it must not begin another one, nor free
// it.
static void turn(warren *w, uv_run_mode mode) {
    CHECK(!w->is_turning); // warren_run, warren_step or warren_close was called in a callback
    w->is_turning = true;
    (void)uv_run(w->loop, mode);
    w->is_turning = false;
}

// On a loop of its own nothing else waits.
static int wait_until_joined(warren *w) {
    uv_timer_t timer;
    (void)uv_timer_init(w->loop, &timer); // never fails
    timer.data = w;
    (void)uv_timer_start(&timer, on_join_timeout, JOIN_TIMEOUT_MS, 0);
    while (!w->is_joined && !w->is_lost)
        turn(w, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, ignore_closed);
    turn(w, UV_RUN_NOWAIT);
    return w->is_joined && !w->is_lost ? WARREN_OK : WARREN_NO_AGENT;
}

// The program may have left some of its own.
static void close_handle(uv_handle_t *handle, void *user) {
    (void)user;
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

static void close_own_loop(warren *w) {
    uv_walk(w->loop, close_handle, NULL);
    while (uv_loop_close(w->loop) != 0)
        (void)uv_run(w->loop, UV_RUN_ONCE);
    free(w);
}

static void init_maps(warren *w) {
    uint8_t key[MESH_MAP_KEY_LEN];
    randombytes_buf(key, sizeof key);
    mesh_map_init(&w->peers, key);
    mesh_map_init(&w->endpoints, key);
    mesh_map_init(&w->requests, key);
}

static int open_member(warren *w, const warren_options *options) {
    mesh_member_options member = {.control_fd = -1,
                                  .agent_path = options->agent_path,
                                  .name = options->name,
                                  .tags = options->tags,
                                  .max_message_len = options->max_message_len};
    int err = mesh_member_open(w->loop, &member, on_output, on_agent, w, &w->member);
    if (err != 0) return err == UV_EINVAL ? WARREN_INVALID : WARREN_NO_AGENT;
    (void)uv_prepare_init(w->loop, &w->prepare); // never fails
    w->prepare.data = w;
    (void)uv_prepare_start(&w->prepare, on_prepare);
    uv_unref((uv_handle_t *)&w->prepare);
    mesh_member_ref(w->member, true);
    api_peers_add_self(w);
    (void)mesh_member_join(w->member);
    if (!w->has_own_loop) return WARREN_OK;
    err = wait_until_joined(w);
    if (err != 0) destroy(w);
    return err;
}

int warren_open(const warren_options *options, warren **out) {
    static const warren_options defaults;
    if (!options) options = &defaults;
    if (!are_options_fit(options)) return WARREN_INVALID;
    warren *w = mem_alloc(sizeof *w);
    init_maps(w);
    w->on_event = options->on_event;
    w->on_gap = options->on_gap;
    w->user = options->user;
    w->max_message_len =
        options->max_message_len > 0 ? options->max_message_len : MESH_MESSAGE_LEN_DEFAULT;
    w->loop = options->loop;
    w->has_own_loop = !w->loop;
    if (w->has_own_loop) {
        w->loop = &w->own_loop;
        if (uv_loop_init(w->loop) != 0) {
            free(w);
            return WARREN_OVERLOADED;
        }
    }
    int err = open_member(w, options);
    if (err == 0)
        *out = w;
    else if (w->has_own_loop)
        close_own_loop(w);
    else
        free(w);
    return err;
}

// ---- the loop

void warren_run(warren *w) {
    turn(w, UV_RUN_DEFAULT);
}

void warren_stop(warren *w) {
    uv_stop(w->loop);
}

int warren_fd(const warren *w) {
    return uv_backend_fd(w->loop);
}

int warren_timeout_ms(warren *w) {
    mesh_member_flush(w->member);
    return uv_backend_timeout(w->loop);
}

void warren_step(warren *w) {
    turn(w, UV_RUN_NOWAIT);
}

struct uv_loop_s *warren_loop(const warren *w) {
    return w->loop;
}

// ---- leaving

void warren_close(warren *w, uint32_t timeout_ms) {
    if (w->is_closing) return;
    w->is_closing = true;
    mesh_member_close(w->member, timeout_ms);
    mesh_member_flush(w->member);
    if (!w->has_own_loop) return;
    while (!w->is_closed)
        turn(w, UV_RUN_ONCE);
    destroy(w);
    close_own_loop(w);
}

// ---- figures

bool warren_is_full(const warren *w, bool is_bulk) {
    mesh_node_stats stats = mesh_node_stats_get(mesh_member_node(w->member));
    return stats.queued_bytes[is_bulk ? MESH_LANE_BULK : MESH_LANE_NORMAL] > MESH_QUEUE_HIGH;
}

warren_stats warren_stats_get(const warren *w) {
    mesh_node_stats stats = mesh_node_stats_get(mesh_member_node(w->member));
    return (warren_stats){.sent_messages = stats.sent_messages,
                          .received_messages = stats.received_messages,
                          .unsent_bytes = stats.unsent_bytes,
                          .late_replies = stats.late_replies,
                          .lost_publications = stats.lost_publications,
                          .bad_payloads = w->bad_payloads};
}
