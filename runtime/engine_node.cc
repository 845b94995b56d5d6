#include "engine.h"

#include <sstream>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine_memory.h"
#include "engine_stack.h"
#include "engine_state.h"
#include "engine_tracing.h"
extern "C" {
#include "accept_binding.h"
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

bool engine_create_environment(runtime_engine *engine, node::EnvironmentFlags::Flags flags) {
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
    static napi_module accepting = {NAPI_MODULE_VERSION,
                                    node::ModuleFlags::kLinked,
                                    "accept_binding.c",
                                    accept_binding_init,
                                    "warren_accept",
                                    nullptr,
                                    {nullptr}};
    node::AddLinkedBinding(engine->env, binding);
    node::AddLinkedBinding(engine->env, accepting);
    return true;
}

v8::MaybeLocal<v8::Object> engine_boot_exports(v8::Local<v8::Context> context,
                                               const node::StartExecutionCallbackInfo &info) {
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::Local<v8::Value> id = engine_text(isolate, "internal/warren/boot");
    v8::Local<v8::Value> exports;
    if (!info.native_require->Call(context, v8::Null(isolate), 1, &id).ToLocal(&exports)) return {};
    return exports.As<v8::Object>();
}

char **engine_set_up_title_room(int argc, char **argv) {
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

void engine_print_errors(const node::InitializationResult &init, const char *program) {
    for (const std::string &error : init.errors())
        fprintf(stderr, "%s: %s\n", program, error.c_str());
}

namespace {

bool has_option(int argc, char **argv, const char *option) {
    for (int i = 1; i < argc && argv[i][0] == '-'; i++)
        if (strcmp(argv[i], option) == 0) return true;
    return false;
}

} // namespace

extern "C" int runtime_engine_boot_cold(int argc, char **argv, bool is_launched,
                                        const char *preload, runtime_engine **out_engine,
                                        int *out_exit_code) {
    *out_engine = nullptr;
    if (has_option(argc, argv, "--build-snapshot")) { // makes no environment to run in
        *out_exit_code = node::Start(argc, argv);
        return 0;
    }

    argv = engine_set_up_title_room(argc, argv);
    auto engine = std::make_unique<runtime_engine>();
    engine->is_launched = is_launched;
    engine->preload = preload;
    engine->init = node::InitializeOncePerProcess(std::vector<std::string>(argv, argv + argc));
    engine_print_errors(*engine->init, argv[0]);
    *out_exit_code = engine->init->exit_code();
    if (engine->init->early_return()) return 0;

    engine->platform = engine->init->platform();
    if (!engine_create_environment(engine.get(), node::EnvironmentFlags::kDefaultFlags))
        return UV_ENOMEM;
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
void seed_math_random(v8::Isolate *isolate, v8::Local<v8::Context> context) {
    uint32_t seed = 0;
    while (seed == 0)
        if (getentropy(&seed, sizeof seed) != 0) abort();
    std::string flag = "--random-seed=" + std::to_string(static_cast<int32_t>(seed));
    v8::V8::SetFlagsFromString(flag.c_str(), flag.size());
    v8::Local<v8::Value> math =
        context->Global()->Get(context, engine_text(isolate, "Math")).ToLocalChecked();
    v8::Local<v8::Value> random =
        math.As<v8::Object>()->Get(context, engine_text(isolate, "random")).ToLocalChecked();
    (void)random.As<v8::Function>()->Call(context, math, 0, nullptr).ToLocalChecked();
    v8::V8::SetFlagsFromString("--random-seed=0");
}

} // namespace

extern "C" void runtime_engine_after_fork(runtime_engine *engine,
                                          const runtime_identity *identity) {
    engine_memory_keep_on_fork(false);
    if (uv_loop_fork(engine->loop) != 0) abort();
    engine_tracing_after_fork();
    uint64_t now_ns = uv_hrtime();
    if (&node::performance::timeOrigin != nullptr) node::performance::timeOrigin = now_ns;
    if (&node::per_process::node_start_time != nullptr) node::per_process::node_start_time = now_ns;
    uv_set_process_title(identity->title);

    Entered entered(engine);
    // With modules loaded, what they made of just this environment is the program's.
    if (!engine->has_modules) set_environment(engine, identity->env);
    seed_math_random(engine->isolate, engine->isolate->GetCurrentContext());
    node::SetProcessExitHandler(engine->env, [](node::Environment *, int exit_code) {
        engine_tracing_close();
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
        argv->Set(context, i, engine_text(isolate, engine->identity->argv[i])).Check();
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double now_ms = static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
    v8::Local<v8::Value> args[] = {argv, engine_text(isolate, engine->identity->cwd),
                                   v8::Integer::New(isolate, getpid()),
                                   v8::Number::New(isolate, now_ms)};
    // As Node runs a main module: asynchronous id 1, an empty resource, and none of the frames that
    // MakeCallback has in stack traces.
    node::CallbackScope scope(isolate, v8::Object::New(isolate), {1, 0});
    v8::Local<v8::Value> start =
        engine->boot.Get(isolate)->Get(context, engine_text(isolate, "start")).ToLocalChecked();
    // The scope tells errors.
    (void)start.As<v8::Function>()->Call(context, v8::Undefined(isolate), 4, args).IsEmpty();
}

void start_cold(runtime_engine *engine) {
    if (!engine->is_launched) {
        (void)node::LoadEnvironment(engine->env, node::StartExecutionCallback());
        return;
    }
    v8::Isolate *isolate = engine->isolate;
    v8::Local<v8::Context> context = isolate->GetCurrentContext();
    v8::Local<v8::Array> modules = v8::Array::New(isolate);
    uint32_t count = 0;
    std::istringstream lines(engine->preload != nullptr ? engine->preload : "");
    for (std::string name; std::getline(lines, name);)
        modules->Set(context, count++, engine_text(isolate, name.c_str())).Check();
    using Info = node::StartExecutionCallbackInfo;
    (void)node::LoadEnvironment(engine->env, [&](const Info &info) -> v8::MaybeLocal<v8::Value> {
        v8::Local<v8::Object> boot;
        v8::Local<v8::Value> start, args[] = {modules};
        if (!engine_boot_exports(context, info).ToLocal(&boot) ||
            !boot->Get(context, engine_text(isolate, "startCold")).ToLocal(&start))
            return {};
        return start.As<v8::Function>()->Call(context, info.process_object, 1, args);
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
        engine_stack_watch(engine->isolate);
        if (engine->identity != nullptr)
            start_forked(engine);
        else
            start_cold(engine);
        exit_code = node::SpinEventLoop(engine->env).FromMaybe(1);
        engine_stack_watch(nullptr);
        node::FreeEnvironment(engine->env);
    }
    if (engine->identity == nullptr)
        tear_down_cold(engine);
    else
        engine_tracing_close();
    return exit_code;
}

extern "C" void runtime_engine_limit_heap(runtime_engine *engine, uint64_t len_max) {
    // An isolate takes its limit when it is made. V8 lets a program that was near its limit have
    // the old one back, and takes any lower one for that.
    v8::NearHeapLimitCallback unchanged = [](void *, size_t now, size_t) { return now; };
    engine->isolate->AddNearHeapLimitCallback(unchanged, nullptr);
    engine->isolate->RemoveNearHeapLimitCallback(unchanged, static_cast<size_t>(len_max));
}
