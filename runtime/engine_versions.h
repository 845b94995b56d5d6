// What differs between the versions of libnode, 18 to 26, in what a platform overrides: here once,
// so that engine_platform.cc is the same for all. C++17, and C++20 from Node.js 23 on, as its
// headers want it.
#pragma once

#include <libplatform/libplatform.h>
#include <memory>
#include <utility>

#include "engine_platform.h"

using TaskPtr = std::unique_ptr<v8::Task>;

// V8 12 (Node.js 21) calls what is overridden ...Impl, and says where in V8 a task comes from.
class EngineTaskRunner : public v8::TaskRunner {
  public:
    virtual void post(TaskPtr task) = 0;
    virtual void post_delayed(TaskPtr task, double delay_s) = 0;

    bool IdleTasksEnabled() override {
        return false;
    }
    bool NonNestableTasksEnabled() const override {
        return true;
    }
    bool NonNestableDelayedTasksEnabled() const override {
        return true;
    }

    // Of the non-nestable ones nothing is to be said: we never run tasks inside tasks.
#if V8_MAJOR_VERSION >= 12
  protected:
    using Location = const v8::SourceLocation &;
    void PostTaskImpl(TaskPtr task, Location) override {
        post(std::move(task));
    }
    void PostDelayedTaskImpl(TaskPtr task, double delay_s, Location) override {
        post_delayed(std::move(task), delay_s);
    }
    void PostNonNestableTaskImpl(TaskPtr task, Location) override {
        post(std::move(task));
    }
    void PostNonNestableDelayedTaskImpl(TaskPtr task, double delay_s, Location) override {
        post_delayed(std::move(task), delay_s);
    }
    void PostIdleTaskImpl(std::unique_ptr<v8::IdleTask>, Location) override {}
#else
    void PostTask(TaskPtr task) override {
        post(std::move(task));
    }
    void PostDelayedTask(TaskPtr task, double delay_s) override {
        post_delayed(std::move(task), delay_s);
    }
    void PostNonNestableTask(TaskPtr task) override {
        post(std::move(task));
    }
    void PostNonNestableDelayedTask(TaskPtr task, double delay_s) override {
        post_delayed(std::move(task), delay_s);
    }
    void PostIdleTask(std::unique_ptr<v8::IdleTask>) override {}
#endif
};

// V8 11 (Node.js 20) makes jobs that do not start by themselves; V8 12 gives all a priority.
class EnginePlatformBase : public EnginePlatform {
  protected:
    virtual std::shared_ptr<v8::TaskRunner> runner_of(v8::Isolate *isolate) = 0;
    virtual void post_to_worker(TaskPtr task) = 0;
    virtual void post_to_worker_delayed(TaskPtr task, double delay_s) = 0;

    std::unique_ptr<v8::JobHandle> make_job(v8::TaskPriority priority,
                                            std::unique_ptr<v8::JobTask> job) {
        return v8::platform::NewDefaultJobHandle(this, priority, std::move(job),
                                                 static_cast<size_t>(NumberOfWorkerThreads()));
    }

  public:
    // Pure in V8 11 and 12.
    v8::PageAllocator *GetPageAllocator() override {
        return nullptr; // V8's own
    }

#if V8_MAJOR_VERSION >= 12
    using Location = const v8::SourceLocation &;
    std::unique_ptr<v8::JobHandle>
    CreateJobImpl(v8::TaskPriority priority, std::unique_ptr<v8::JobTask> job, Location) override {
        return make_job(priority, std::move(job));
    }
    void PostTaskOnWorkerThreadImpl(v8::TaskPriority, TaskPtr task, Location) override {
        post_to_worker(std::move(task));
    }
    void PostDelayedTaskOnWorkerThreadImpl(v8::TaskPriority, TaskPtr task, double delay_s,
                                           Location) override {
        post_to_worker_delayed(std::move(task), delay_s);
    }
#else
    void CallOnWorkerThread(TaskPtr task) override {
        post_to_worker(std::move(task));
    }
    void CallDelayedOnWorkerThread(TaskPtr task, double delay_s) override {
        post_to_worker_delayed(std::move(task), delay_s);
    }
#if V8_MAJOR_VERSION >= 11
    std::unique_ptr<v8::JobHandle> CreateJob(v8::TaskPriority priority,
                                             std::unique_ptr<v8::JobTask> job) override {
        return make_job(priority, std::move(job));
    }
#else
    std::unique_ptr<v8::JobHandle> PostJob(v8::TaskPriority priority,
                                           std::unique_ptr<v8::JobTask> job) override {
        return make_job(priority, std::move(job));
    }
#endif
#endif

#if V8_MAJOR_VERSION >= 13
    using v8::Platform::GetForegroundTaskRunner;
    std::shared_ptr<v8::TaskRunner> GetForegroundTaskRunner(v8::Isolate *isolate,
                                                            v8::TaskPriority) override {
        return runner_of(isolate);
    }
#else
    std::shared_ptr<v8::TaskRunner> GetForegroundTaskRunner(v8::Isolate *isolate) override {
        return runner_of(isolate);
    }
#endif
};
