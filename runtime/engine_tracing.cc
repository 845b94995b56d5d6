// node:trace_events in a process whose platform is ours. Node makes its tracing agent together with
// its own platform, which starts threads, and its JavaScript crashes without one. So the agent is
// made here, and put where Node keeps it. It starts its thread when a program enables a category.
#include "engine_tracing.h"

#include <node.h>
#include <stdlib.h>
#include <uv.h>

#if NODE_MAJOR_VERSION == 18

// As much of src/tracing/agent.h, trace_event.h and node_v8_platform-inl.h of Node.js 18 as is used
// here.
namespace node {
namespace tracing {
class Agent {
  public:
    Agent();
    void Disconnect(int client);

    uv_thread_t thread_;
    uv_loop_t tracing_loop_;
    char rest_[4096]; // more than it has
};
class TraceEventHelper {
  public:
    static void SetAgent(Agent *agent);
    static v8::TracingController *GetTracingController();
};
} // namespace tracing

// Writes the names of the process and its threads into each trace.
class NodeTraceStateObserver : public v8::TracingController::TraceStateObserver {
  public:
    explicit NodeTraceStateObserver(v8::TracingController *controller) : controller_(controller) {}
    void OnTraceEnabled() override;
    void OnTraceDisabled() override;
    ~NodeTraceStateObserver() override;

  private:
    [[maybe_unused]] v8::TracingController *controller_;
};

struct V8Platform {
    bool initialized_; // stays false: the platform is none of Node's
    NodeTraceStateObserver *trace_state_observer_;
    tracing::Agent *tracing_agent_;
    struct {
        tracing::Agent *agent_;
        int id_;
    } tracing_file_writer_; // AgentWriterHandle
    void *platform_;
};
namespace per_process {
extern V8Platform v8_platform;
}
} // namespace node

enum { WRITER_NONE = -1 }; // Agent::kDefaultHandleId

v8::TracingController *engine_tracing_open() {
    auto *agent = new node::tracing::Agent();
    node::tracing::TraceEventHelper::SetAgent(agent);
    v8::TracingController *controller = node::tracing::TraceEventHelper::GetTracingController();
    auto *observer = new node::NodeTraceStateObserver(controller);
    controller->AddTraceStateObserver(observer);
    node::V8Platform &platform = node::per_process::v8_platform;
    platform.trace_state_observer_ = observer;
    platform.tracing_agent_ = agent;
    platform.tracing_file_writer_ = {agent, WRITER_NONE};
    return controller;
}

void engine_tracing_after_fork() {
    node::tracing::Agent *agent = node::per_process::v8_platform.tracing_agent_;
    if (uv_loop_fork(&agent->tracing_loop_) != 0) abort();
}

void engine_tracing_close() {
    auto &writer = node::per_process::v8_platform.tracing_file_writer_;
    if (writer.agent_ == nullptr || writer.id_ == WRITER_NONE) return;
    node::tracing::Agent *agent = writer.agent_;
    writer.agent_ = nullptr;
    agent->Disconnect(writer.id_);
}

#else

v8::TracingController *engine_tracing_open() {
    return nullptr;
}
void engine_tracing_after_fork() {}
void engine_tracing_close() {}

#endif
