#include "agent/place_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/place.h"
#include "agent/say.h"

enum { LOOK_MS = 2000 };

static struct {
    agent_place_watch_options options;
    uv_timer_t timer;
    agent_place_mark socket;
    bool is_open, has_failed;
    bool is_displaced; // another agent has the place now
} watch;

static void socket_path(char out[PATH_MAX]) {
    (void)snprintf(out, PATH_MAX, "%s/agent.sock", watch.options.dir);
}

// The lock on a file that was removed keeps nobody out: that of the new one is taken too.
static int lock_again(char text[AGENT_PLACE_TEXT_MAX]) {
    struct stat info;
    if (fstat(watch.options.lock_fd, &info) == 0 && info.st_nlink > 0) return 0;
    int fd = agent_place_lock(watch.options.dir, watch.options.is_ephemeral, text);
    if (fd < 0) return fd;
    int err = dup3(fd, watch.options.lock_fd, O_CLOEXEC) < 0 ? -errno : 0;
    close(fd);
    return err;
}

static int restore(char text[AGENT_PLACE_TEXT_MAX]) {
    char path[PATH_MAX];
    int err = agent_place_prepare(watch.options.dir, text);
    if (err == 0) err = lock_again(text);
    if (err != 0) return err;
    int fd = agent_place_listen(watch.options.dir, text);
    if (fd < 0) return fd;
    socket_path(path);
    watch.socket = agent_place_mark_of(path);
    watch.options.on_socket(watch.options.user, fd);
    return 0;
}

static void tell_restored(int err, const char *text) {
    if (err == -EWOULDBLOCK || err == -EBUSY) {
        watch.is_displaced = true;
        agent_say(
            "the files of this agent (pid %d) in %s were removed, and another agent has taken "
            "their place: no command reaches this one any more; what it runs runs on until "
            "it gets SIGTERM",
            (int)getpid(), watch.options.dir);
    } else if (err != 0 && !watch.has_failed) {
        agent_say("no command reaches this agent any more, for its files were removed: %s (it is "
                  "tried again)",
                  text);
    } else if (err == 0) {
        agent_say("%s/agent.sock was removed, and is there again", watch.options.dir);
    }
    watch.has_failed = err != 0;
}

static void on_timer(uv_timer_t *timer) {
    char path[PATH_MAX], text[AGENT_PLACE_TEXT_MAX] = "";
    socket_path(path);
    if (!agent_place_mark_fits(path, &watch.socket)) tell_restored(restore(text), text);
    if (watch.is_displaced)
        uv_timer_stop(timer);
    else if (!watch.has_failed)
        watch.options.on_look(watch.options.user);
}

void agent_place_watch_open(const agent_place_watch_options *options) {
    char path[PATH_MAX];
    watch.options = *options;
    watch.is_open = true;
    socket_path(path);
    watch.socket = agent_place_mark_of(path);
    uv_timer_init(options->loop, &watch.timer);
    uv_timer_start(&watch.timer, on_timer, LOOK_MS, LOOK_MS);
}

void agent_place_watch_close(void) {
    char path[PATH_MAX];
    if (!watch.is_open) return;
    watch.is_open = false;
    uv_close((uv_handle_t *)&watch.timer, NULL);
    socket_path(path);
    if (agent_place_mark_fits(path, &watch.socket)) (void)unlink(path);
}
