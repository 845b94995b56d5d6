#include "agent/systemd.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    STATUS_LEN_MAX = 256,
    LOOK_MS = 5000, // has the status changed?
};

static struct {
    uv_timer_t timer;
    agent_systemd_status status;
    void *user;
    bool is_open, has_watchdog;
    char said[STATUS_LEN_MAX]; // the last status
} systemd;

// One datagram; sd_notify(3) has the protocol, which is stable (docs/decisions/0019).
static void say(const char *text) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@')) return;
    size_t len = strlen(path);
    if (len >= sizeof address.sun_path) return;
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') address.sun_path[0] = '\0'; // of the abstract namespace
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    // A manager that does not read hears no less than one that is not there.
    (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}

// Says it with `text`, a line or empty, when it has changed.
static void say_with_status(const char *text) {
    char status[STATUS_LEN_MAX] = "", all[2 * STATUS_LEN_MAX];
    if (systemd.status != NULL) systemd.status(systemd.user, status, sizeof status);
    bool is_new = strcmp(status, systemd.said) != 0;
    memcpy(systemd.said, status, sizeof status);
    (void)snprintf(all, sizeof all, "%s%s%s", text, is_new ? "STATUS=" : "", is_new ? status : "");
    if (all[0] != '\0') say(all);
}

static void on_timer(uv_timer_t *timer) {
    (void)timer;
    say_with_status(systemd.has_watchdog ? "WATCHDOG=1\n" : "");
}

// Half of the time after which systemd takes this process for stuck; 0: it does not look.
static uint64_t watchdog_ms(void) {
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid())) return 0;
    uint64_t half_ms = strtoull(usec, NULL, 10) / 2000;
    return half_ms > 0 ? half_ms : 1;
}

void agent_systemd_open(uv_loop_t *loop, agent_systemd_status status, void *user) {
    if (getenv("NOTIFY_SOCKET") == NULL) return;
    uint64_t every_ms = watchdog_ms();
    systemd.status = status;
    systemd.user = user;
    systemd.is_open = true;
    systemd.has_watchdog = every_ms > 0;
    uv_timer_init(loop, &systemd.timer);
    if (every_ms == 0 || every_ms > LOOK_MS) every_ms = LOOK_MS;
    uv_timer_start(&systemd.timer, on_timer, every_ms, every_ms);
}

void agent_systemd_close(void) {
    if (!systemd.is_open) return;
    systemd.is_open = false;
    uv_close((uv_handle_t *)&systemd.timer, NULL);
}

void agent_systemd_ready(void) {
    systemd.said[0] = '\0';
    say_with_status("READY=1\n");
}

void agent_systemd_reloading(void) {
    char text[96];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    (void)snprintf(text, sizeof text,
                   "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=being replaced", now_us);
    say(text);
}

void agent_systemd_stopping(void) {
    say("STOPPING=1\nSTATUS=stops all services");
}
