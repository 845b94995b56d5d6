// The JavaScript stack of the program while it runs, for another thread.
#include "engine_stack.h"

#include <mutex>
#include <stdio.h>
#include <string>

#include "engine.h"

namespace {

enum { FRAMES_MAX = 50 };

std::mutex mutex; // the isolate stays while it is held
v8::Isolate *watched = nullptr;

std::string to_text(v8::Isolate *isolate, v8::Local<v8::String> string) {
    v8::String::Utf8Value utf8(isolate, string);
    return *utf8 == nullptr ? "" : std::string(*utf8, static_cast<size_t>(utf8.length()));
}

// As Error.stack shows it.
std::string describe(v8::Isolate *isolate, v8::Local<v8::StackFrame> frame) {
    std::string function = to_text(isolate, frame->GetFunctionName());
    std::string place = to_text(isolate, frame->GetScriptNameOrSourceURL());
    if (place.empty()) place = frame->IsWasm() ? "<wasm>" : "<anonymous>";
    place +=
        ":" + std::to_string(frame->GetLineNumber()) + ":" + std::to_string(frame->GetColumn());
    if (function.empty()) return "    at " + place + "\n";
    return "    at " + std::string(frame->IsConstructor() ? "new " : "") + function + " (" + place +
           ")\n";
}

void on_interrupt(v8::Isolate *isolate, void *data) {
    v8::HandleScope handles(isolate);
    v8::Local<v8::StackTrace> stack =
        v8::StackTrace::CurrentStackTrace(isolate, FRAMES_MAX, v8::StackTrace::kDetailed);
    std::string text;
    for (int i = 0; i < stack->GetFrameCount(); i++)
        text += describe(isolate, stack->GetFrame(isolate, static_cast<uint32_t>(i)));
    if (text.empty() && v8::MicrotasksScope::IsRunningMicrotasks(isolate))
        text = "    microtasks, which promises and await go on in, one after the other\n";
    reinterpret_cast<runtime_engine_stack_cb>(data)(text.data(), text.size());
}

} // namespace

void engine_stack_watch(v8::Isolate *isolate) {
    std::lock_guard<std::mutex> lock(mutex);
    watched = isolate;
}

extern "C" void runtime_engine_ask_stack(runtime_engine_stack_cb cb) {
    std::lock_guard<std::mutex> lock(mutex);
    if (watched != nullptr) watched->RequestInterrupt(on_interrupt, reinterpret_cast<void *>(cb));
}
