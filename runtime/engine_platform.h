// The V8 platform of a process that forks: it starts no thread before it is told to, and then only
// as many as there is work for. Plain node::MultiIsolatePlatform behaviour otherwise. C++:
// engine*.cc only.
#pragma once

#include <memory>
#include <node.h>

class EnginePlatform : public node::MultiIsolatePlatform {
  public:
    static std::unique_ptr<EnginePlatform> create();

    // Runs what waits for a worker thread here, on the caller's thread. Before allow_threads only.
    virtual void run_worker_tasks() = 0;
    // From now on tasks get worker threads. Call in the child, after fork.
    virtual void allow_threads() = 0;
};
