#include "engine_platform.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unordered_map>
#include <uv.h>
#include <vector>

#include "engine_tracing.h"
#include "engine_versions.h"

namespace {

using Lock = std::unique_lock<std::mutex>;
using FinishedCallback = std::function<void()>;

// As many as stock Node starts. V8 caches the answer, so it is the same before and after the fork.
constexpr int kWorkerCount = 4;
constexpr int kSettleRounds = 1000;         // some tasks post themselves again
constexpr size_t kWorkerStackLen = 4 << 20; // TurboFan recurses; untouched pages cost nothing

double seconds_now() {
    return static_cast<double>(uv_hrtime()) / 1e9;
}

// Tasks of all isolates that may run on any thread, and the threads, started one by one as tasks
// come.
class Workers {
  public:
    void post(TaskPtr task) {
        Lock lock(mutex_);
        add_ready(std::move(task));
        start_thread_if_needed();
        wake_.notify_one();
    }

    void post_delayed(TaskPtr task, double delay_s) {
        Lock lock(mutex_);
        delayed_.emplace(seconds_now() + delay_s, std::move(task));
        start_thread_if_needed();
        wake_.notify_one();
    }

    void allow_threads() {
        Lock lock(mutex_);
        may_start_ = true;
        if (!ready_.empty() || !delayed_.empty()) start_thread_if_needed();
    }

    // Waits until no task is queued or running. Without threads there is nobody to wait for.
    void drain() {
        Lock lock(mutex_);
        if (thread_count_ == 0) return;
        drained_.wait(lock, [this] { return unfinished_ == 0; });
    }

    // Runs what is queued on the caller's thread, what has a delay too. True when there was
    // something.
    bool run_all_here() {
        Lock lock(mutex_);
        for (auto &entry : delayed_)
            add_ready(std::move(entry.second));
        delayed_.clear();
        bool is_some = !ready_.empty();
        for (size_t left = ready_.size(); left > 0; left--)
            run_one(lock);
        return is_some;
    }

  private:
    void add_ready(TaskPtr task) {
        ready_.push_back(std::move(task));
        unfinished_++;
    }

    void start_thread_if_needed() {
        // One that is idle may have been woken for another task already.
        bool is_needed = idle_count_ == 0 || idle_count_ < static_cast<int>(ready_.size());
        if (!may_start_ || !is_needed || thread_count_ == kWorkerCount) return;
        // Signals are the main thread's; a worker that took one would run libuv's handler here.
        sigset_t all, old;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        pthread_attr_t attr;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, kWorkerStackLen);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        pthread_t thread;
        if (pthread_create(&thread, &attr, run_thread, this) == 0) thread_count_++;
        pthread_attr_destroy(&attr);
        pthread_sigmask(SIG_SETMASK, &old, nullptr);
    }

    static void *run_thread(void *self) {
        prctl(PR_SET_NAME, "v8-worker");
        static_cast<Workers *>(self)->run_forever();
        return nullptr;
    }

    void run_forever() {
        Lock lock(mutex_);
        for (;;) {
            take_due();
            if (!ready_.empty()) {
                run_one(lock);
                continue;
            }
            idle_count_++;
            if (delayed_.empty()) {
                wake_.wait(lock);
            } else {
                double wait_s = std::max(delayed_.begin()->first - seconds_now(), 0.0);
                wake_.wait_for(lock, std::chrono::duration<double>(wait_s));
            }
            idle_count_--;
        }
    }

    void take_due() {
        double now_s = seconds_now();
        while (!delayed_.empty() && delayed_.begin()->first <= now_s) {
            add_ready(std::move(delayed_.begin()->second));
            delayed_.erase(delayed_.begin());
        }
    }

    void run_one(Lock &lock) {
        TaskPtr task = std::move(ready_.front());
        ready_.pop_front();
        lock.unlock();
        task->Run();
        task.reset();
        lock.lock();
        if (--unfinished_ == 0) drained_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable wake_, drained_;
    std::deque<TaskPtr> ready_;
    std::multimap<double, TaskPtr> delayed_;
    int unfinished_ = 0, thread_count_ = 0, idle_count_ = 0;
    bool may_start_ = false;
};

// Tasks that must run on one isolate's own thread, carried there by its libuv loop.
class Foreground : public EngineTaskRunner, public std::enable_shared_from_this<Foreground> {
  public:
    Foreground(v8::Isolate *isolate, uv_loop_t *loop)
        : isolate_(isolate), loop_(loop), wake_(new uv_async_t) {
        uv_async_init(loop, wake_,
                      [](uv_async_t *handle) { static_cast<Foreground *>(handle->data)->flush(); });
        wake_->data = this;
        uv_unref(reinterpret_cast<uv_handle_t *>(wake_));
    }

    void post(TaskPtr task) override {
        Lock lock(mutex_);
        if (wake_ == nullptr) return;
        ready_.push_back(std::move(task));
        uv_async_send(wake_);
    }
    void post_delayed(TaskPtr task, double delay_s) override {
        Lock lock(mutex_);
        if (wake_ == nullptr) return;
        delayed_.emplace_back(std::move(task), delay_s);
        uv_async_send(wake_);
    }

    // Runs what is ready; tasks they post wait for the next flush. True when one ran.
    bool flush() {
        std::deque<TaskPtr> tasks;
        std::vector<std::pair<TaskPtr, double>> delayed;
        {
            Lock lock(mutex_);
            tasks.swap(ready_);
            delayed.swap(delayed_);
        }
        for (auto &entry : delayed)
            start_timer(std::move(entry.first), entry.second);
        for (TaskPtr &task : tasks)
            run(std::move(task));
        return !tasks.empty();
    }

    // flush(), and the delayed ones without their delay.
    bool run_all() {
        bool is_some = flush() || !timers_.empty();
        for (size_t left = timers_.size(); left > 0; left--)
            timer_fired(timers_.front());
        return is_some;
    }

    // Drops all tasks and closes the handles; `callbacks` run once the last of them is closed.
    void close(std::vector<FinishedCallback> callbacks) {
        finished_ = std::move(callbacks);
        keep_alive_ = shared_from_this();
        open_handles_ = 1 + timers_.size();
        for (Timer *timer : timers_)
            uv_close(reinterpret_cast<uv_handle_t *>(&timer->handle), [](uv_handle_t *handle) {
                Timer *closed = static_cast<Timer *>(handle->data);
                Foreground *owner = closed->owner;
                delete closed;
                owner->handle_closed();
            });
        timers_.clear();

        Lock lock(mutex_);
        ready_.clear();
        delayed_.clear();
        uv_close(reinterpret_cast<uv_handle_t *>(wake_), [](uv_handle_t *handle) {
            Foreground *owner = static_cast<Foreground *>(handle->data);
            delete reinterpret_cast<uv_async_t *>(handle);
            owner->handle_closed();
        });
        wake_ = nullptr;
    }

  private:
    struct Timer {
        uv_timer_t handle;
        TaskPtr task;
        Foreground *owner;
    };

    void start_timer(TaskPtr task, double delay_s) {
        Timer *timer = new Timer{{}, std::move(task), this};
        uv_timer_init(loop_, &timer->handle);
        timer->handle.data = timer;
        uv_unref(reinterpret_cast<uv_handle_t *>(&timer->handle));
        timers_.push_back(timer);
        auto delay_ms = static_cast<uint64_t>(std::llround(std::max(delay_s, 0.0) * 1000));
        uv_timer_start(
            &timer->handle,
            [](uv_timer_t *handle) {
                Timer *fired = static_cast<Timer *>(handle->data);
                fired->owner->timer_fired(fired);
            },
            delay_ms, 0);
    }

    void timer_fired(Timer *timer) {
        TaskPtr task = std::move(timer->task);
        timers_.erase(std::find(timers_.begin(), timers_.end(), timer));
        uv_close(reinterpret_cast<uv_handle_t *>(&timer->handle),
                 [](uv_handle_t *handle) { delete static_cast<Timer *>(handle->data); });
        run(std::move(task));
    }

    void run(TaskPtr task) {
        if (isolate_->IsExecutionTerminating()) return;
        v8::HandleScope handles(isolate_);
        if (!isolate_->InContext() ||
            node::GetCurrentEnvironment(isolate_->GetCurrentContext()) == nullptr) {
            task->Run();
            return;
        }
        // Gives microtasks and process.nextTick their turn after the task.
        node::CallbackScope scope(isolate_, v8::Object::New(isolate_), {0, 0});
        task->Run();
    }

    void handle_closed() {
        if (--open_handles_ > 0) return;
        auto callbacks = std::move(finished_);
        auto last_reference = std::move(keep_alive_);
        for (auto &callback : callbacks)
            callback();
    }

    v8::Isolate *isolate_;
    uv_loop_t *loop_;
    std::mutex mutex_; // guards wake_, ready_ and delayed_; the rest is the isolate thread's
    uv_async_t *wake_;
    std::deque<TaskPtr> ready_;
    std::vector<std::pair<TaskPtr, double>> delayed_;
    std::vector<Timer *> timers_;
    std::vector<FinishedCallback> finished_;
    std::shared_ptr<Foreground> keep_alive_;
    size_t open_handles_ = 0;
};

class LazyPlatform final : public EnginePlatformBase {
  public:
    LazyPlatform() {
        v8::TracingController *tracing = engine_tracing_open();
        tracing_ = tracing != nullptr ? tracing : &no_tracing_;
    }
    void settle(v8::Isolate *isolate) override {
        bool is_some = true;
        for (int round = 0; is_some && round < kSettleRounds; round++) {
            is_some = workers_.run_all_here();
            is_some |= find(isolate)->run_all();
        }
    }
    void allow_threads() override {
        workers_.allow_threads();
    }

    void RegisterIsolate(v8::Isolate *isolate, uv_loop_t *loop) override {
        Lock lock(mutex_);
        isolates_[isolate].runner = std::make_shared<Foreground>(isolate, loop);
    }
    void RegisterIsolate(v8::Isolate *, node::IsolatePlatformDelegate *) override {
        abort(); // only embedders with their own scheduling call this, and we are the embedder
    }
    void UnregisterIsolate(v8::Isolate *isolate) override {
        Registered gone;
        {
            Lock lock(mutex_);
            gone = std::move(isolates_[isolate]);
            isolates_.erase(isolate);
        }
        gone.runner->close(std::move(gone.finished));
    }
    void AddIsolateFinishedCallback(v8::Isolate *isolate, void (*callback)(void *),
                                    void *data) override {
        Lock lock(mutex_);
        auto found = isolates_.find(isolate);
        if (found == isolates_.end()) {
            lock.unlock();
            callback(data);
            return;
        }
        found->second.finished.push_back([callback, data] { callback(data); });
    }

    bool FlushForegroundTasks(v8::Isolate *isolate) override {
        auto runner = find(isolate);
        return runner && runner->flush();
    }
    void DrainTasks(v8::Isolate *isolate) override {
        auto runner = find(isolate);
        if (!runner) return;
        do {
            workers_.drain();
        } while (runner->flush());
    }
    int NumberOfWorkerThreads() override {
        return kWorkerCount;
    }
    bool IdleTasksEnabled(v8::Isolate *) override {
        return false;
    }

    double MonotonicallyIncreasingTime() override {
        return seconds_now();
    }
    double CurrentClockTimeMillis() override {
        return SystemClockTimeMillis();
    }
    v8::TracingController *GetTracingController() override {
        return tracing_;
    }

  protected:
    std::shared_ptr<v8::TaskRunner> runner_of(v8::Isolate *isolate) override {
        return find(isolate);
    }
    void post_to_worker(TaskPtr task) override {
        workers_.post(std::move(task));
    }
    void post_to_worker_delayed(TaskPtr task, double delay_s) override {
        workers_.post_delayed(std::move(task), delay_s);
    }

  private:
    struct Registered {
        std::shared_ptr<Foreground> runner;
        std::vector<FinishedCallback> finished;
    };

    std::shared_ptr<Foreground> find(v8::Isolate *isolate) {
        Lock lock(mutex_);
        auto found = isolates_.find(isolate);
        return found == isolates_.end() ? nullptr : found->second.runner;
    }

    std::mutex mutex_;
    std::unordered_map<v8::Isolate *, Registered> isolates_;
    Workers workers_;
    v8::TracingController no_tracing_;
    v8::TracingController *tracing_;
};

} // namespace

std::unique_ptr<EnginePlatform> EnginePlatform::create() {
    return std::make_unique<LazyPlatform>();
}
