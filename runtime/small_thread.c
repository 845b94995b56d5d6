#include "small_thread.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>

enum { STACK_LEN = 64 << 10 };

int runtime_small_thread_start(void *(*run)(void *arg), void *arg) {
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_LEN > PTHREAD_STACK_MIN ? STACK_LEN : PTHREAD_STACK_MIN);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    // The thread inherits the mask: the program's signals are for the main thread.
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&thread, &attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return -err;
}
