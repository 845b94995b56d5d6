#include "binding.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "binding_state.h"
#include "core/error.h"
#include "core/mem.h"
#include "object.h"
#include "poll.h"
#include "secure/cipher_openssl.h"

// A launched process gets the agent's socket once, whatever environment (thread) asks for it first.
static int control_fd = -1;

void binding_set_control_fd(int fd) {
    control_fd = fd;
}

// Right before the loop sleeps: what this turn's JavaScript asked for becomes one write per link.
static void on_prepare(uv_prepare_t *prepare) {
    binding *b = prepare->data;
    binding_commands_run(b);
    mesh_member_flush(b->w);
    binding_events_deliver(b); // what a command failed with, where nothing else came
    runtime_poll_expect(b->prepare.loop, b->is_message_likely);
    b->is_message_likely = false;
}

static binding *binding_of(napi_env env, napi_callback_info info, size_t *argc, napi_value *argv) {
    void *data = NULL;
    napi_get_cb_info(env, info, argc, argv, NULL, NULL);
    napi_get_instance_data(env, &data);
    return data;
}

static napi_value js_flush(napi_env env, napi_callback_info info) {
    size_t argc = 0;
    binding *b = binding_of(env, info, &argc, NULL);
    if (b->w == NULL) return NULL;
    binding_commands_run(b);
    mesh_member_write(b->w);
    binding_events_update_state(b);
    return NULL;
}

static napi_value js_ref(napi_env env, napi_callback_info info) {
    size_t argc = 1;
    napi_value argv[1];
    bool is_ref = false;
    binding *b = binding_of(env, info, &argc, argv);
    if (b->w == NULL || napi_get_value_bool(env, argv[0], &is_ref) != napi_ok) return NULL;
    mesh_member_ref(b->w, is_ref);
    return NULL;
}

static napi_value js_close(napi_env env, napi_callback_info info) {
    size_t argc = 1;
    napi_value argv[1];
    uint32_t timeout_ms = 0;
    binding *b = binding_of(env, info, &argc, argv);
    if (b->w == NULL || napi_get_value_uint32(env, argv[0], &timeout_ms) != napi_ok) return NULL;
    binding_commands_run(b);
    mesh_member_close(b->w, timeout_ms);
    return NULL;
}

static napi_value js_is_lease_valid(napi_env env, napi_callback_info info) {
    size_t argc = 1;
    napi_value argv[1], value;
    uint32_t id = 0;
    binding *b = binding_of(env, info, &argc, argv);
    bool is_valid = b->w != NULL && napi_get_value_uint32(env, argv[0], &id) == napi_ok &&
                    mesh_member_is_lease_valid(b->w, id);
    napi_get_boolean(env, is_valid, &value);
    return value;
}

static napi_value js_stats(napi_env env, napi_callback_info info) {
    size_t argc = 0;
    binding *b = binding_of(env, info, &argc, NULL);
    napi_value object;
    napi_create_object(env, &object);
    if (b->w == NULL) return object;
    mesh_node_stats stats = mesh_node_stats_get(mesh_member_node(b->w));
    object_set_number(env, object, "queuedBytes", stats.queued_bytes[MESH_LANE_NORMAL]);
    object_set_number(env, object, "queuedBulkBytes", stats.queued_bytes[MESH_LANE_BULK]);
    object_set_number(env, object, "unsentBytes", stats.unsent_bytes);
    object_set_number(env, object, "lateReplies", stats.late_replies);
    object_set_number(env, object, "lostPublications", stats.lost_publications);
    object_set_number(env, object, "unknownTargets", stats.unknown_targets);
    object_set_number(env, object, "sentMessages", stats.sent_messages);
    object_set_number(env, object, "receivedMessages", stats.received_messages);
    return object;
}

static napi_value js_has_control(napi_env env, napi_callback_info info) {
    (void)info;
    napi_value value;
    napi_get_boolean(env, control_fd >= 0, &value);
    return value;
}

// Address space only: pages are taken as they are written.
static uint8_t *map_box(size_t len) {
    void *box =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return mem_check(box == MAP_FAILED ? NULL : box);
}

static void set_box(napi_env env, napi_value object, const char *name, void *memory, size_t len) {
    napi_value box;
    napi_create_external_arraybuffer(env, memory, len, NULL, NULL, &box);
    napi_set_named_property(env, object, name, box);
}

static int open_mesh(binding *b, napi_value js_options) {
    char agent_path[256], name[MESH_NAME_LEN_MAX + 1];
    uv_loop_t *loop;
    napi_get_uv_event_loop(b->env, &loop);
    mesh_member_options options = {
        .control_fd = control_fd,
        .agent_path =
            object_get_text(b->env, js_options, "agentPath", agent_path, sizeof agent_path),
        .name = object_get_text(b->env, js_options, "name", name, sizeof name),
        .max_message_len = object_get_number(b->env, js_options, "maxMessage"),
    };
    size_t message_len =
        options.max_message_len != 0 ? options.max_message_len : MESH_MESSAGE_LEN_DEFAULT;
    b->box_len = message_len + BINDING_BOX_SLACK;
    mesh_cipher_use(&mesh_aead_openssl); // Node.js brings it
    int err = mesh_member_open(loop, &options, binding_events_on_output, binding_events_on_agent, b,
                               &b->w);
    if (err != UV_EINVAL && err != UV_ETIMEDOUT) control_fd = -1; // used up, also by a failure
    if (err != 0) return err;
    uv_prepare_init(loop, &b->prepare);
    b->prepare.data = b;
    uv_prepare_start(&b->prepare, on_prepare);
    uv_unref((uv_handle_t *)&b->prepare);
    return 0;
}

static napi_value describe_self(binding *b) {
    const mesh_member_self *self = mesh_member_self_get(b->w);
    napi_value object;
    char id[17];
    (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)self->node_id);
    napi_create_object(b->env, &object);
    object_set_text(b->env, object, "id", id);
    object_set_text(b->env, object, "name", self->name);
    object_set_text(b->env, object, "service", self->service);
    object_set_text(b->env, object, "host", self->host);
    object_set_number(b->env, object, "instance", self->instance);
    object_set_number(b->env, object, "incarnation", self->incarnation);
    set_box(b->env, object, "inbox", b->inbox, b->box_len);
    set_box(b->env, object, "outbox", b->outbox, b->box_len);
    set_box(b->env, object, "state", b->state, BINDING_STATE_WORDS * sizeof(uint32_t));
    return object;
}

static napi_value js_open(napi_env env, napi_callback_info info) {
    size_t argc = 2;
    napi_value argv[2], name;
    binding *b = binding_of(env, info, &argc, argv);
    if (b->w != NULL) {
        napi_throw_error(env, "EALREADY", "the mesh is open already");
        return NULL;
    }
    int err = open_mesh(b, argv[0]);
    if (err != 0) {
        const char *code = err < -4095 ? "EPROTO" : uv_err_name(err);
        napi_throw_error(env, code, err < -4095 ? mesh_error_text(err) : uv_strerror(err));
        return NULL;
    }
    b->inbox = map_box(b->box_len);
    b->outbox = map_box(b->box_len);
    b->state = mem_alloc(BINDING_STATE_WORDS * sizeof(uint32_t));
    napi_create_reference(env, argv[1], 1, &b->on_events);
    napi_value receiver;
    napi_get_global(env, &receiver);
    napi_create_reference(env, receiver, 1, &b->receiver);
    napi_create_string_utf8(env, "warren", NAPI_AUTO_LENGTH, &name);
    napi_async_init(env, NULL, name, &b->async);
    return describe_self(b);
}

// The environment ends: what was said last is still written.
static void on_env_end(void *data) {
    binding *b = data;
    if (b->w == NULL) return;
    b->is_in_js = true; // no JavaScript runs any more
    binding_commands_run(b);
    mesh_member_write(b->w);
    uv_prepare_stop(&b->prepare);
    uv_close((uv_handle_t *)&b->prepare, NULL);
    mesh_member_destroy(b->w);
    b->w = NULL;
    // The program may start and end Workers for as long as it lives.
    munmap(b->inbox, b->box_len);
    munmap(b->outbox, b->box_len);
    free(b->state);
}

napi_value binding_init(napi_env env, napi_value exports) {
    binding *b = mem_alloc(
        sizeof *b); // lives as long as the environment, whose end is the process's or a worker's
    b->env = env;
    napi_set_instance_data(env, b, NULL, NULL);
    napi_add_env_cleanup_hook(env, on_env_end, b);
    const struct {
        const char *name;
        napi_callback function;
    } functions[] = {{"open", js_open},
                     {"hasControl", js_has_control},
                     {"flush", js_flush},
                     {"ref", js_ref},
                     {"close", js_close},
                     {"stats", js_stats},
                     {"isLeaseValid", js_is_lease_valid}};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        napi_value function;
        napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL,
                             &function);
        napi_set_named_property(env, exports, functions[i].name, function);
    }
    return exports;
}
