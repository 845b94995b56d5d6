// The addon that test/compat/programs/addons uses: what addons do by Node-API, with a thread of its
// own and the thread pool.
#include <node_api.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#define CHECK(call)                                                                                \
    do                                                                                             \
        if ((call) != napi_ok) abort();                                                            \
    while (false)

enum { ARG_MAX_COUNT = 2 };

typedef struct instance {
    int loads;
    bool is_main;
} instance;

static void take(napi_env env, napi_callback_info info, napi_value *args) {
    size_t count = ARG_MAX_COUNT;
    CHECK(napi_get_cb_info(env, info, &count, args, NULL, NULL));
}

static napi_value number(napi_env env, double value) {
    napi_value out;
    CHECK(napi_create_double(env, value, &out));
    return out;
}

static napi_value add(napi_env env, napi_callback_info info) {
    napi_value args[ARG_MAX_COUNT];
    take(env, info, args);
    double a, b;
    if (napi_get_value_double(env, args[0], &a) == napi_ok &&
        napi_get_value_double(env, args[1], &b) == napi_ok)
        return number(env, a + b);
    CHECK(napi_throw_type_error(env, "E_ADDON", "add takes two numbers"));
    return NULL;
}

static napi_value call(napi_env env, napi_callback_info info) {
    napi_value args[ARG_MAX_COUNT], self, result;
    take(env, info, args);
    CHECK(napi_get_global(env, &self));
    napi_value given[] = {number(env, 1), number(env, 2), number(env, 3)};
    bool is_good = napi_call_function(env, self, args[0], 3, given, &result) == napi_ok;
    return is_good ? result : NULL; // what it threw goes on
}

// ---- work in the thread pool

typedef struct work {
    napi_async_work work;
    napi_ref callback;
    double value;
} work;

static void work_run(napi_env env, void *data) {
    (void)env;
    work *w = data;
    w->value *= 2;
}

static void work_done(napi_env env, napi_status status, void *data) {
    work *w = data;
    napi_value callback, self;
    CHECK(napi_get_reference_value(env, w->callback, &callback));
    CHECK(napi_get_global(env, &self));
    napi_value none;
    CHECK(napi_get_null(env, &none));
    napi_value args[] = {none, number(env, status == napi_ok ? w->value : -1)};
    (void)napi_call_function(env, self, callback, 2, args, NULL);
    CHECK(napi_delete_reference(env, w->callback));
    CHECK(napi_delete_async_work(env, w->work));
    free(w);
}

static napi_value start_work(napi_env env, napi_callback_info info) {
    napi_value args[ARG_MAX_COUNT], name;
    take(env, info, args);
    work *w = calloc(1, sizeof *w);
    if (w == NULL) abort();
    CHECK(napi_get_value_double(env, args[0], &w->value));
    CHECK(napi_create_reference(env, args[1], 1, &w->callback));
    CHECK(napi_create_string_utf8(env, "work", NAPI_AUTO_LENGTH, &name));
    CHECK(napi_create_async_work(env, NULL, name, work_run, work_done, w, &w->work));
    CHECK(napi_queue_async_work(env, w->work));
    return NULL;
}

// ---- a thread that calls JavaScript

typedef struct caller {
    napi_threadsafe_function function;
    uv_thread_t thread;
    size_t count;
} caller;

static void caller_run(void *data) {
    caller *c = data;
    for (size_t i = 0; i < c->count; i++)
        CHECK(napi_call_threadsafe_function(c->function, (void *)i, napi_tsfn_blocking)); // NOLINT
    CHECK(napi_release_threadsafe_function(c->function, napi_tsfn_release));
}

static void caller_call(napi_env env, napi_value callback, void *context, void *data) {
    (void)context;
    if (env == NULL) return;
    napi_value self, arg = number(env, (double)(size_t)data);
    CHECK(napi_get_global(env, &self));
    (void)napi_call_function(env, self, callback, 1, &arg, NULL);
}

static void caller_end(napi_env env, void *data, void *hint) {
    (void)env;
    (void)hint;
    caller *c = data;
    uv_thread_join(&c->thread);
    free(c);
}

static napi_value start_thread(napi_env env, napi_callback_info info) {
    napi_value args[ARG_MAX_COUNT], name;
    take(env, info, args);
    uint32_t count;
    CHECK(napi_get_value_uint32(env, args[0], &count));
    CHECK(napi_create_string_utf8(env, "thread", NAPI_AUTO_LENGTH, &name));
    caller *c = calloc(1, sizeof *c);
    if (c == NULL) abort();
    c->count = count;
    CHECK(napi_create_threadsafe_function(env, args[1], NULL, name, 1, 1, c, caller_end, c,
                                          caller_call, &c->function));
    if (uv_thread_create(&c->thread, caller_run, c) != 0) abort();
    return NULL;
}

static void clean(void *data) {
    instance *i = data;
    if (i->is_main) {
        printf("cleaned up\n");
        (void)fflush(stdout);
    }
    free(i);
}

NAPI_MODULE_INIT() { // NOLINT: Node-API's own names
    static int loads;
    instance *i = calloc(1, sizeof *i);
    if (i == NULL) abort();
    i->is_main = loads == 0;
    i->loads = ++loads;
    CHECK(napi_add_env_cleanup_hook(env, clean, i));
    napi_property_descriptor all[] = {
        {"add", NULL, add, NULL, NULL, NULL, napi_enumerable, NULL},
        {"call", NULL, call, NULL, NULL, NULL, napi_enumerable, NULL},
        {"work", NULL, start_work, NULL, NULL, NULL, napi_enumerable, NULL},
        {"thread", NULL, start_thread, NULL, NULL, NULL, napi_enumerable, NULL},
        {"loads", NULL, NULL, NULL, NULL, number(env, i->loads), napi_enumerable, NULL},
    };
    CHECK(napi_define_properties(env, exports, sizeof all / sizeof *all, all));
    return exports;
}
