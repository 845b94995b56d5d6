#include "accept_binding.h"

#include <sys/mman.h>

#include "accept.h"
#include "object.h"

static int take_fds(napi_env env, napi_callback_info info, size_t count, int *fds) {
    napi_value argv[2];
    size_t argc = 2;
    napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
    for (size_t i = 0; i < count; i++) {
        int32_t fd = -1;
        if (napi_get_value_int32(env, argv[i], &fd) != napi_ok) return -1;
        fds[i] = fd;
    }
    return 0;
}

static void on_unused(napi_env env, void *memory, void *hint) {
    (void)env;
    (void)hint;
    munmap(memory, sizeof(balance));
}

static napi_value js_share(napi_env env, napi_callback_info info) {
    int fds[2];
    uv_loop_t *loop;
    balance *shared;
    uint32_t place;
    if (take_fds(env, info, 2, fds) != 0) return NULL;
    napi_get_uv_event_loop(env, &loop);
    runtime_accept_open(loop, fds[0], fds[1], &shared, &place);
    if (shared == NULL) return NULL;
    napi_value object, memory;
    napi_create_object(env, &object);
    napi_create_external_arraybuffer(env, shared, sizeof *shared, on_unused, NULL, &memory);
    napi_set_named_property(env, object, "memory", memory);
    object_set_number(env, object, "index", place);
    return object;
}

static napi_value js_shut(napi_env env, napi_callback_info info) {
    int fd;
    if (take_fds(env, info, 1, &fd) == 0) runtime_accept_shut(fd);
    return NULL;
}

static napi_value js_leave(napi_env env, napi_callback_info info) {
    int fd;
    if (take_fds(env, info, 1, &fd) == 0) runtime_accept_close(fd);
    return NULL;
}

// A Worker's end: its loop goes.
static void on_env_end(void *unused) {
    (void)unused;
    runtime_accept_close_all();
}

napi_value accept_binding_init(napi_env env, napi_value exports) {
    const struct {
        const char *name;
        napi_callback function;
    } functions[] = {{"share", js_share}, {"shut", js_shut}, {"leave", js_leave}};
    napi_add_env_cleanup_hook(env, on_env_end, NULL);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        napi_value function;
        napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL,
                             &function);
        napi_set_named_property(env, exports, functions[i].name, function);
    }
    return exports;
}
