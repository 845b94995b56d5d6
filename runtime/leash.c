#include "leash.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "small_thread.h"
#include "watchdog.h"

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
    do {
        len = read(fd, &byte, 1);
        if (len > 0) runtime_watchdog_asked();
    } while (len > 0 || (len < 0 && errno == EINTR));

    kill(getpid(), SIGTERM);
    sleep_ms(RUNTIME_LEASH_GRACE_MS);
    kill(getpid(), SIGKILL);
    return NULL;
}

int runtime_leash_start(int fd) {
    int err = runtime_small_thread_start(watch, (void *)(intptr_t)fd);
    if (err != 0) {
        fprintf(stderr, "cannot start a node: no thread for it: %s\n", strerror(-err));
        close(fd);
        return err;
    }
    return 0;
}
