// The engine's own insides: what its files share. C++: engine*.cc only.
#pragma once

#include <memory>
#include <node.h>
#include <string>
#include <uv.h>
#include <vector>

#include "engine.h"
#include "engine_platform.h"

struct runtime_engine {
    std::shared_ptr<node::InitializationResult> init;
    std::unique_ptr<EnginePlatform> own_platform; // the zygote's; a cold process uses Node's
    node::MultiIsolatePlatform *platform = nullptr;
    uv_loop_t *loop = nullptr;
    std::shared_ptr<node::ArrayBufferAllocator> allocator;
    v8::Isolate *isolate = nullptr;
    node::IsolateData *isolate_data = nullptr;
    v8::Global<v8::Context> context;
    node::Environment *env = nullptr;
    v8::Global<v8::Object> boot;                // boot.js, in a zygote
    std::vector<std::string> files;             // modules that were loaded before the fork
    bool has_modules = false;                   // ... there are some: they have set the environment
    const runtime_identity *identity = nullptr; // in a forked child
    const char *preload = nullptr;              // of a cold process, one a line
    bool is_launched = false;
};

// Everything V8 wants entered before it is touched, in the one right order.
struct Entered {
    explicit Entered(runtime_engine *engine)
        : locker(engine->isolate), isolate(engine->isolate), handles(engine->isolate),
          context(engine->context.Get(engine->isolate)) {}
    v8::Locker locker;
    v8::Isolate::Scope isolate;
    v8::HandleScope handles;
    v8::Context::Scope context;
};

inline v8::Local<v8::String> engine_text(v8::Isolate *isolate, const char *chars) {
    return v8::String::NewFromUtf8(isolate, chars).ToLocalChecked();
}

// Isolate, context and environment on the default loop, which native addons may expect to be the
// program's.
bool engine_create_environment(runtime_engine *engine, node::EnvironmentFlags::Flags flags);

// The exports of boot.js.
v8::MaybeLocal<v8::Object> engine_boot_exports(v8::Local<v8::Context> context,
                                               const node::StartExecutionCallbackInfo &info);

// libuv writes titles over the arguments it was shown. The environment follows them in memory, so
// showing it too makes room for a long title however short the command line is.
char **engine_set_up_title_room(int argc, char **argv);

void engine_print_errors(const node::InitializationResult &init, const char *program);
