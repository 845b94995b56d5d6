#include "leash.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { STACK_LEN = 64 << 10 };

static void sleep_ms(long ms) {
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

static void *watch(void *arg) {
    prctl(PR_SET_NAME, "leash"); // pthread_setname_np from outside would go through /proc
    int fd = (int)(intptr_t)arg;
    char byte;
    ssize_t len;
    do
        len = read(fd, &byte, 1);
    while (len > 0 || (len < 0 && errno == EINTR));

    kill(getpid(), SIGTERM);
    sleep_ms(RUNTIME_LEASH_GRACE_MS);
    kill(getpid(), SIGKILL);
    return NULL;
}

int runtime_leash_start(int fd) {
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_LEN > PTHREAD_STACK_MIN ? STACK_LEN : PTHREAD_STACK_MIN);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    // The thread inherits the mask: the program's signals are for the main thread.
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&thread, &attr, watch, (void *)(intptr_t)fd);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (err != 0) {
        fprintf(stderr, "cannot start a node: no thread for it: %s\n", strerror(err));
        close(fd);
        return -err;
    }
    return 0;
}
