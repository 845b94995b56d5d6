#include "engine.h"

#include <memory>
#include <node.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include <vector>

#include "engine_memory.h"
#include "engine_platform.h"
extern "C" {
#include "binding.h"
}

// Process-wide values that Node fixes when its library is loaded; a forked node has its own. Weak:
// another version of libnode may keep them elsewhere.
namespace node {
namespace performance {
extern uint64_t timeOrigin __attribute__((weak));
}
namespace per_process {
extern uint64_t node_start_time __attribute__((weak));
}
} // namespace node

struct runtime_engine {
    std::unique_ptr<node::InitializationResult> init;
    std::unique_ptr<EnginePlatform> own_platform; // the zygote's; a cold process uses Node's
    node::MultiIsolatePlatform *platform = nullptr;
    uv_loop_t *loop = nullptr;
    std::shared_ptr<node::ArrayBufferAllocator> allocator;
    v8::Isolate *isolate = nullptr;
    node::IsolateData *isolate_data = nullptr;
    v8::Global<v8::Context> context;
    node::Environment *env = nullptr;
    v8::Global<v8::Function> start;             // boot.js, in a zygote
    const runtime_identity *identity = nullptr; // in a forked child
    bool is_launched = false;
};

namespace {

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

v8::Local<v8::String> text(v8::Isolate *isolate, const char *chars) {
    return v8::String::NewFromUtf8(isolate, chars).ToLocalChecked();
}

// Isolate, context and environment on the default loop, which native addons may expect to be the
// program's.
bool create_environment(runtime_engine *engine, node::EnvironmentFlags::Flags flags) {
    engine->loop = uv_default_loop();
    uv_loop_configure(engine->loop, UV_METRICS_IDLE_TIME); // for performance.eventLoopUtilization()
    engine->allocator = node::ArrayBufferAllocator::Create();
    engine->isolate = node::NewIsolate(engine->allocator, engine->loop, engine->platform);
    if (engine->isolate == nullptr) return false;

    v8::Locker locker(engine->isolate);
    v8::Isolate::Scope isolate_scope(engine->isolate);
    v8::HandleScope handles(engine->isolate);
    engine->isolate_data = node::CreateIsolateData(engine->isolate, engine->loop, engine->platform,
                                                   engine->allocator.get());
    v8::Local<v8::Context> context = node::NewContext(engine->isolate);
    if (context.IsEmpty()) return false;
    v8::Context::Scope context_scope(context);
    engine->context.Reset(engine->isolate, context);
    engine->env = node::CreateEnvironment(engine->isolate_data, context, engine->init->args(),
                                          engine->init->exec_args(), flags);
    if (engine->env == nullptr) return false;

    static napi_module binding = {NAPI_MODULE_VERSION,
                                  node::ModuleFlags::kLinked,
                                  "binding.c",
                                  binding_init,
                                  "warren",
                                  nullptr,
                                  {nullptr}};
    node::AddLinkedBinding(engine->env, binding);
    return true;
}

// The property `name` of boot.js.
v8::MaybeLocal<v8::Value> from_boot(v8::Local<v8::Context> context,
                                    const node::StartExecutionCallbackInfo &info,
                                    const char *name) {
    v8::Isolate *isolate = context->GetIsolate();
    v8::Local<v8::Value> id = text(isolate, "internal/warren/boot");
    v8::Local<v8::Value> exports;
    if (!info.native_require->Call(context, v8::Null(isolate), 1, &id).ToLocal(&exports)) return {};
    return exports.As<v8::Object>()->Get(context, text(isolate, name));
}

v8::MaybeLocal<v8::Value> call_boot(v8::Local<v8::Context> context,
                                    const node::StartExecutionCallbackInfo &info,
                                    const char *name) {
    v8::Local<v8::Value> function;
    if (!from_boot(context, info, name).ToLocal(&function)) return {};
    return function.As<v8::Function>()->Call(context, info.process_object, 0, nullptr);
}

bool has_option(int argc, char **argv, const char *option) {
    for (int i = 1; i < argc && argv[i][0] == '-'; i++)
        if (strcmp(argv[i], option) == 0) return true;
    return false;
}

// libuv writes titles over the arguments it was shown. The environment follows them in memory, so
// showing it too makes room for a long title however short the command line is.
char **set_up_title_room(int argc, char **argv) {
    std::vector<char *> shown(argv, argv + argc);
    char *end = argv[argc - 1] + strlen(argv[argc - 1]) + 1;
    for (char **entry = environ; *entry != nullptr && *entry == end; entry++) {
        shown.push_back(*entry);
        end += strlen(*entry) + 1;
    }
    shown.push_back(nullptr);
    int shown_count = static_cast<int>(shown.size()) - 1;
    char **moved = uv_setup_args(shown_count, shown.data());
    size_t moved_env_count = static_cast<size_t>(shown_count - argc);
    for (size_t i = 0; i < moved_env_count; i++)
        environ[i] = moved[static_cast<size_t>(argc) + i];
    return moved;
}

void print_errors(const node::InitializationResult &init, const char *program) {
    for (const std::string &error : init.errors())
        fprintf(stderr, "%s: %s\n", program, error.c_str());
}

} // namespace

extern "C" int runtime_engine_boot_cold(int argc, char **argv, bool is_launched,
                                        runtime_engine **out_engine, int *out_exit_code) {
    *out_engine = nullptr;
    if (has_option(argc, argv, "--build-snapshot")) { // makes no environment to run in
        *out_exit_code = node::Start(argc, argv);
        return 0;
    }

    argv = set_up_title_room(argc, argv);
    auto engine = std::make_unique<runtime_engine>();
    engine->is_launched = is_launched;
    engine->init = node::InitializeOncePerProcess(std::vector<std::string>(argv, argv + argc));
    print_errors(*engine->init, argv[0]);
    *out_exit_code = engine->init->exit_code();
    if (engine->init->early_return()) return 0;

    engine->platform = engine->init->platform();
    if (!create_environment(engine.get(), node::EnvironmentFlags::kDefaultFlags)) return UV_ENOMEM;
    *out_engine = engine.release();
    return 0;
}

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
    // The rehearsal makes 2 MB, and at the usual growth the collector would come in the middle.
    v8::V8::SetFlagsFromString("--heap-growing-percent=200");
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

bool load_zygote(runtime_engine *engine) {
    Entered entered(engine);
    v8::Local<v8::Context> context = engine->isolate->GetCurrentContext();
    auto result = node::LoadEnvironment(
        engine->env,
        [&](const node::StartExecutionCallbackInfo &info) -> v8::MaybeLocal<v8::Value> {
            if (call_boot(context, info, "load").IsEmpty()) return {};
            collect_all(engine);
            if (call_boot(context, info, "rehearse").IsEmpty()) return {};
            return from_boot(context, info, "start");
        });
    v8::Local<v8::Value> start;
    if (!result.ToLocal(&start)) return false;
    engine->start.Reset(engine->isolate, start.As<v8::Function>());
    collect_young(engine);

    // The first allocation of each kind takes over what was swept.
    const char *take_over =
        "(function () { class A { constructor() { this.a = {} } } return new A() })()";
    v8::Local<v8::Script> script;
    if (!v8::Script::Compile(context, text(engine->isolate, take_over)).ToLocal(&script))
        return false;
    if (script->Run(context).IsEmpty()) return false;
    engine->own_platform->settle(engine->isolate);
    turn_loop(engine->loop);
    engine_memory_fill_holes();
    return true;
}

} // namespace

extern "C" int runtime_engine_boot_zygote(int argc, char **argv, runtime_engine **out_engine) {
    engine_memory_keep_on_fork(true);
    argv = set_up_title_room(argc, argv);
    auto engine = std::make_unique<runtime_engine>();
    engine->is_launched = true;
    engine->init = node::InitializeOncePerProcess(
        {argv[0]}, {node::ProcessInitializationFlags::kNoInitializeV8,
                    node::ProcessInitializationFlags::kNoInitializeNodeV8Platform});
    print_errors(*engine->init, argv[0]);
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
    if (!create_environment(engine.get(), node::EnvironmentFlags::kOwnsProcessState))
        return UV_ENOMEM;
    if (!load_zygote(engine.get())) return UV_EINVAL;
    v8::V8::SetFlagsFromString("--lazy --flush-bytecode --memory-reducer");
    *out_engine = engine.release();
    return 0;
}

extern "C" bool runtime_engine_can_fork(const runtime_engine *engine, const char **out_reason) {
    (void)engine;
    struct stat tasks; // has one link for each thread, and two of its own
    if (stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink != 3) {
        *out_reason = "the zygote has more than one thread";
        return false;
    }
    return true;
}

namespace {

bool same_text(const char *a, const char *b) {
    return a == b || (a != nullptr && b != nullptr && strcmp(a, b) == 0);
}

void set_environment(runtime_engine *engine, char **env) {
    const char *zone = getenv("TZ");
    std::string old_zone(zone == nullptr ? "" : zone);
    bool had_zone = zone != nullptr;
    environ = env;
    if (same_text(getenv("TZ"), had_zone ? old_zone.c_str() : nullptr)) return;
    tzset();
    engine->isolate->DateTimeConfigurationChangeNotification(
        v8::Isolate::TimeZoneDetection::kRedetect);
}

// V8 seeds Math.random() of a context at its first call, from a generator that all siblings
// inherit; unless there is a seed on the command line. That flag is for this one moment: it would
// make all Workers alike.
void seed_math_random(v8::Local<v8::Context> context) {
    uint32_t seed = 0;
    while (seed == 0)
        if (getentropy(&seed, sizeof seed) != 0) abort();
    std::string flag = "--random-seed=" + std::to_string(static_cast<int32_t>(seed));
    v8::V8::SetFlagsFromString(flag.c_str(), flag.size());
    v8::Local<v8::Value> math =
        context->Global()->Get(context, text(context->GetIsolate(), "Math")).ToLocalChecked();
    v8::Local<v8::Value> random =
        math.As<v8::Object>()->Get(context, text(context->GetIsolate(), "random")).ToLocalChecked();
    (void)random.As<v8::Function>()->Call(context, math, 0, nullptr).ToLocalChecked();
    v8::V8::SetFlagsFromString("--random-seed=0");
}

} // namespace

extern "C" void runtime_engine_after_fork(runtime_engine *engine,
                                          const runtime_identity *identity) {
    engine_memory_keep_on_fork(false);
    if (uv_loop_fork(engine->loop) != 0) abort();
    uint64_t now_ns = uv_hrtime();
    if (&node::performance::timeOrigin != nullptr) node::performance::timeOrigin = now_ns;
    if (&node::per_process::node_start_time != nullptr) node::per_process::node_start_time = now_ns;
    uv_set_process_title(identity->title);

    Entered entered(engine);
    set_environment(engine, identity->env);
    seed_math_random(engine->isolate->GetCurrentContext());
    node::SetProcessExitHandler(engine->env, [](node::Environment *, int exit_code) {
        uv_tty_reset_mode();
        fflush(nullptr);
        _exit(exit_code);
    });
    engine->own_platform->allow_threads();
    engine->identity = identity;
}

namespace {

void start_forked(runtime_engine *engine) {
    v8::Isolate *isolate = engine->isolate;
    v8::Local<v8::Context> context = isolate->GetCurrentContext();
    v8::Local<v8::Array> argv = v8::Array::New(isolate);
    for (uint32_t i = 0; engine->identity->argv[i] != nullptr; i++)
        argv->Set(context, i, text(isolate, engine->identity->argv[i])).Check();
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double now_ms = static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
    v8::Local<v8::Value> args[] = {argv, text(isolate, engine->identity->cwd),
                                   v8::Integer::New(isolate, getpid()),
                                   v8::Number::New(isolate, now_ms)};
    // Asynchronous id 1 is what Node runs a main module under.
    (void)node::MakeCallback(isolate, context->Global(), engine->start.Get(isolate), 4, args,
                             {1, 0});
}

void start_cold(runtime_engine *engine) {
    if (!engine->is_launched) {
        (void)node::LoadEnvironment(engine->env, node::StartExecutionCallback());
        return;
    }
    v8::Local<v8::Context> context = engine->isolate->GetCurrentContext();
    (void)node::LoadEnvironment(engine->env, [&](const node::StartExecutionCallbackInfo &info) {
        return call_boot(context, info, "startCold");
    });
}

void tear_down_cold(runtime_engine *engine) {
    node::FreeIsolateData(engine->isolate_data);
    engine->context.Reset();
    bool is_finished = false;
    engine->platform->AddIsolateFinishedCallback(
        engine->isolate, [](void *flag) { *static_cast<bool *>(flag) = true; }, &is_finished);
    engine->platform->UnregisterIsolate(engine->isolate);
    engine->isolate->Dispose();
    while (!is_finished)
        uv_run(engine->loop, UV_RUN_ONCE);
    node::TearDownOncePerProcess();
    delete engine;
}

} // namespace

extern "C" int runtime_engine_run(runtime_engine *engine) {
    int exit_code;
    {
        Entered entered(engine);
        if (engine->identity != nullptr)
            start_forked(engine);
        else
            start_cold(engine);
        exit_code = node::SpinEventLoop(engine->env).FromMaybe(1);
        node::FreeEnvironment(engine->env);
    }
    if (engine->identity == nullptr) tear_down_cold(engine);
    return exit_code;
}
