// The V8 platform of a process that forks: it starts no thread before it is told to, and then only
// as many as there is work for. Plain node::MultiIsolatePlatform behaviour otherwise. C++:
// engine*.cc only.
#pragma once

#include <memory>
#include <node.h>

class EnginePlatform : public node::MultiIsolatePlatform {
  public:
    static std::unique_ptr<EnginePlatform> create();

    // Runs every queued task here and now, also what should wait for a time or a worker thread, so
    // that no child need do it again. Before allow_threads only.
    virtual void settle(v8::Isolate *isolate) = 0;
    // From now on tasks get worker threads. Call in the child, after fork.
    virtual void allow_threads() = 0;
};
