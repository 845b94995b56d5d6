// Boots the Node.js that is forked: everything that children can share is loaded, compiled and warm
// before the first of them.
#include <algorithm>
#include <dirent.h>
#include <dlfcn.h>
#include <set>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine_memory.h"
#include "engine_state.h"

namespace {

// An async handle that was sent and whose callback has not run would stay deaf in every child
// (libuv 1.44 keeps its mark and renews the descriptor). A loop without referenced handles does not
// turn at all, hence the idle one.
void turn_loop(uv_loop_t *loop) {
    uv_idle_t idle;
    uv_idle_init(loop, &idle);
    uv_idle_start(&idle, [](uv_idle_t *) {});
    uv_run(loop, UV_RUN_NOWAIT);
    uv_close(reinterpret_cast<uv_handle_t *>(&idle), nullptr);
    uv_run(loop, UV_RUN_NOWAIT);
}

// What boot and the collector leave for later would else be done again by every child, on its own
// pages.
void collect_all(runtime_engine *engine) {
    engine->own_platform->settle(engine->isolate);
    // How far the heap may grow until the next full collection, in the rehearsal and in a child. A
    // process that has never had one is given much room by V8, but here V8 would take the boot for
    // a program that does nothing but collect, and let children collect at 15 MB, for a tenth of
    // their time (bench/starts/cpu.mjs).
    v8::V8::SetFlagsFromString("--heap-growing-percent=800");
    engine->isolate->LowMemoryNotification();
    v8::V8::SetFlagsFromString("--heap-growing-percent=0");
    engine->own_platform->settle(engine->isolate);
}

// Twice, so that what is young moves to the old space. Old objects stay, and the shapes that code
// is linked to with them.
void collect_young(runtime_engine *engine) {
    engine->own_platform->settle(engine->isolate);
    v8::V8::SetFlagsFromString("--expose-gc"); // or V8 does not allow it
    for (int i = 0; i < 2; i++)
        engine->isolate->RequestGarbageCollectionForTesting(v8::Isolate::kMinorGarbageCollection);
    v8::V8::SetFlagsFromString("--no-expose-gc");
    engine->own_platform->settle(engine->isolate);
}

// V8 counts how much of a function has run, and optimises it when that is some; the count goes on
// in a child. What was rehearsed would often be just below that, and then each child optimised it
// when it has hardly begun, on threads started for that: 0.7 MB and a third of the time that many
// nodes take to start. So what is rehearsed may run for longer first.
enum {
    REHEARSED_BUDGET = 1000000,
    INTERRUPT_BUDGET = V8_MAJOR_VERSION == 10 ? 132 << 10 : 0, // V8's own; 0: it is not known here
};

void set_budget(int bytes) {
    if (INTERRUPT_BUDGET == 0) return;
    std::string flag = "--interrupt-budget=" + std::to_string(bytes);
    v8::V8::SetFlagsFromString(flag.c_str());
}

// ---- the steps of boot.js

// Calls boot.js's NAME as from the loop: promises and process.nextTick get their turn.
v8::MaybeLocal<v8::Value> call(runtime_engine *engine, const char *name, int argc,
                               v8::Local<v8::Value> *argv) {
    v8::Isolate *isolate = engine->isolate;
    return node::MakeCallback(isolate, engine->boot.Get(isolate), name, argc, argv, {0, 0});
}

// Calls NAME, which gives a promise, and turns the loop until that is settled. Empty when it never
// will be.
v8::MaybeLocal<v8::Value> await(runtime_engine *engine, const char *name, int argc,
                                v8::Local<v8::Value> *argv) {
    v8::Local<v8::Value> result;
    if (!call(engine, name, argc, argv).ToLocal(&result) || !result->IsPromise()) return {};
    v8::Local<v8::Promise> promise = result.As<v8::Promise>();
    while (promise->State() == v8::Promise::kPending) {
        engine->own_platform->settle(engine->isolate);
        if (promise->State() != v8::Promise::kPending) break;
        if (uv_run(engine->loop, UV_RUN_ONCE) == 0 && promise->State() == v8::Promise::kPending)
            return {};
    }
    return promise->State() == v8::Promise::kFulfilled ? promise->Result()
                                                       : v8::MaybeLocal<v8::Value>();
}

v8::Local<v8::Array> array_of(v8::Isolate *isolate, runtime_strings strings) {
    v8::Local<v8::Context> context = isolate->GetCurrentContext();
    v8::Local<v8::Array> out = v8::Array::New(isolate);
    for (size_t i = 0; i < strings.count && strings.at[i] != nullptr; i++)
        out->Set(context, static_cast<uint32_t>(i), engine_text(isolate, strings.at[i])).Check();
    return out;
}

// ---- modules of a service

std::set<std::string> open_files() {
    std::set<std::string> out;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == nullptr) return out;
    while (dirent *entry = readdir(dir))
        if (atoi(entry->d_name) != dirfd(dir)) out.insert(entry->d_name);
    closedir(dir);
    return out;
}

std::set<uv_handle_t *> open_handles(uv_loop_t *loop) {
    std::set<uv_handle_t *> out;
    uv_walk(
        loop,
        [](uv_handle_t *handle, void *all) {
            if (!uv_is_closing(handle)) static_cast<std::set<uv_handle_t *> *>(all)->insert(handle);
        },
        &out);
    return out;
}

// These work in a child as they did before: uv_loop_fork() renews what they have of the kernel.
bool is_kept_by_fork(uv_handle_type type) {
    return type == UV_ASYNC || type == UV_SIGNAL || type == UV_IDLE || type == UV_PREPARE ||
           type == UV_CHECK;
}

// What JavaScript does not see of what the modules left behind.
std::string find_left_over(runtime_engine *engine, const std::set<uv_handle_t *> &handles,
                           const std::set<std::string> &files) {
    const char *why;
    if (!runtime_engine_can_fork(engine, &why)) return "has started threads";
    for (uv_handle_t *handle : open_handles(engine->loop))
        if (handles.count(handle) == 0 && !is_kept_by_fork(handle->type))
            return std::string("has left a handle open (") + uv_handle_type_name(handle->type) +
                   ")";
    for (const std::string &fd : open_files()) {
        if (files.count(fd) != 0) continue;
        char target[256];
        ssize_t len = readlink(("/proc/self/fd/" + fd).c_str(), target, sizeof target);
        return "keeps a file open (" + std::string(target, len > 0 ? static_cast<size_t>(len) : 0) +
               ")";
    }
    return "";
}

void take_files(runtime_engine *engine) {
    v8::Local<v8::Context> context = engine->isolate->GetCurrentContext();
    v8::Local<v8::Value> files;
    if (!call(engine, "preloaded", 0, nullptr).ToLocal(&files)) return;
    v8::Local<v8::Array> list = files.As<v8::Array>();
    for (uint32_t i = 0; i < list->Length(); i++) {
        v8::Local<v8::Value> name = list->Get(context, i).ToLocalChecked();
        engine->files.emplace_back(*v8::String::Utf8Value(engine->isolate, name));
    }
}

// What stands in the way of forks, or nothing.
std::string load_modules(runtime_engine *engine, const runtime_boot *boot) {
    v8::Isolate *isolate = engine->isolate;
    if (boot->preload.count == 0) return "";
    engine->has_modules = true;
    if (chdir(boot->cwd) != 0) return std::string(boot->cwd) + ": " + strerror(errno);
    turn_loop(engine->loop); // what boot has closed is gone
    auto handles = open_handles(engine->loop);
    auto files = open_files();
    v8::Local<v8::Value> args[] = {array_of(isolate, boot->preload), array_of(isolate, boot->argv)};
    v8::Local<v8::Value> obstacle;
    std::string names;
    for (size_t i = 0; i < boot->preload.count; i++)
        names += (i > 0 ? " and " : "") + std::string(boot->preload.at[i]);
    if (!await(engine, "preload", 2, args).ToLocal(&obstacle))
        return names + " waits for what never happens while it is loaded";
    take_files(engine);
    turn_loop(engine->loop);
    std::string text = *v8::String::Utf8Value(isolate, obstacle);
    if (!text.empty()) return text;
    text = find_left_over(engine, handles, files);
    return text.empty() ? "" : names + ", loaded before the fork, " + text;
}

// ---- all of it

// The first allocation of each kind takes over what was swept.
bool take_over(runtime_engine *engine) {
    v8::Local<v8::Context> context = engine->isolate->GetCurrentContext();
    const char *text =
        "(function () { class A { constructor() { this.a = {} } } return new A() })()";
    v8::Local<v8::Script> script;
    return v8::Script::Compile(context, engine_text(engine->isolate, text)).ToLocal(&script) &&
           !script->Run(context).IsEmpty();
}

bool load_zygote(runtime_engine *engine, const runtime_boot *boot, std::string &obstacle) {
    Entered entered(engine);
    v8::Local<v8::Context> context = engine->isolate->GetCurrentContext();
    using Info = node::StartExecutionCallbackInfo;
    auto result =
        node::LoadEnvironment(engine->env, [&](const Info &info) -> v8::MaybeLocal<v8::Value> {
            v8::Local<v8::Object> exports;
            if (!engine_boot_exports(context, info).ToLocal(&exports)) return {};
            engine->boot.Reset(engine->isolate, exports);
            return exports;
        });
    if (result.IsEmpty() || call(engine, "load", 0, nullptr).IsEmpty()) return false;
    obstacle = load_modules(engine, boot);
    if (!obstacle.empty()) return true;

    // Before the rehearsal: a full collection after it would forget the shapes that code is linked
    // to.
    collect_all(engine);
    set_budget(REHEARSED_BUDGET);
    if (call(engine, "rehearse", 0, nullptr).IsEmpty()) return false;
    (void)await(engine, "serve", 0, nullptr);
    set_budget(INTERRUPT_BUDGET);
    turn_loop(engine->loop);
    collect_young(engine);
    if (!take_over(engine)) return false;
    engine->own_platform->settle(engine->isolate);
    turn_loop(engine->loop);
    engine_memory_fill_holes();
    engine_memory_merge_malloc();
    return true;
}

} // namespace

extern "C" int runtime_engine_boot_zygote(int argc, char **argv, const runtime_boot *boot,
                                          runtime_engine **out_engine,
                                          char obstacle[RUNTIME_BOOT_TEXT_LEN]) {
    obstacle[0] = '\0';
    engine_memory_keep_on_fork(true);
    argv = engine_set_up_title_room(argc, argv);
    auto engine = std::make_unique<runtime_engine>();
    engine->is_launched = true;
    std::vector<std::string> words = {argv[0]};
    for (size_t i = 0; i < boot->exec_argv.count && boot->exec_argv.at[i] != nullptr; i++)
        words.emplace_back(boot->exec_argv.at[i]);
    bool exposes_gc = std::any_of(words.begin(), words.end(), [](const std::string &word) {
        return word == "--expose-gc" || word == "--expose_gc";
    });
    engine->init = node::InitializeOncePerProcess(
        words, {node::ProcessInitializationFlags::kNoInitializeV8,
                node::ProcessInitializationFlags::kNoInitializeNodeV8Platform});
    engine_print_errors(*engine->init, argv[0]);
    if (engine->init->early_return()) return UV_EINVAL;

    engine->own_platform = EnginePlatform::create();
    engine->platform = engine->own_platform.get();
    // Children share what is compiled here, so compile whole modules, and keep what the collector
    // would drop as not used lately. And no collection is to be due some seconds after the boot:
    // each child would carry it out, though it has nothing to collect, and copy nearly all of the
    // heap (1.7 -> 6 MB). Programs get V8's usual ways back.
    v8::V8::SetFlagsFromString("--no-lazy --no-flush-bytecode --no-memory-reducer");
    v8::V8::InitializePlatform(engine->platform);
    v8::V8::Initialize();
    // Not kDefaultFlags: owning the inspector means a thread that waits for SIGUSR1 (boot.js does
    // that).
    if (!engine_create_environment(engine.get(), node::EnvironmentFlags::kOwnsProcessState))
        return UV_ENOMEM;
    std::string text;
    if (!load_zygote(engine.get(), boot, text)) return UV_EINVAL;
    (void)snprintf(obstacle, RUNTIME_BOOT_TEXT_LEN, "%s", text.c_str());
    v8::V8::SetFlagsFromString("--lazy --flush-bytecode --memory-reducer");
    if (exposes_gc) v8::V8::SetFlagsFromString("--expose-gc"); // for contexts of Workers
    *out_engine = engine.release();
    return 0;
}

extern "C" void runtime_engine_each_file(const runtime_engine *engine, runtime_engine_file_cb each,
                                         void *user) {
    for (const std::string &path : engine->files)
        each(path.c_str(), false, user);
    Dl_info library;
    if (dladdr(reinterpret_cast<void *>(&node::SpinEventLoop), &library) != 0)
        each(library.dli_fname, true, user);
}
