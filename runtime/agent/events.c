#include "agent/events.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/say.h"

enum { TEXT_MAX = 1024, DIR_MAX = 4096, NO_LOGIN = UINT32_MAX };

static char dir_path[DIR_MAX]; // "": not opened
static bool has_failed;

void agent_events_open(const char *dir) {
    (void)snprintf(dir_path, sizeof dir_path, "%s", dir);
}

void agent_events_path(char out[AGENT_EVENTS_PATH_MAX], const char *dir, uint32_t index) {
    if (index == 0)
        (void)snprintf(out, AGENT_EVENTS_PATH_MAX, "%s/events.jsonl", dir);
    else
        (void)snprintf(out, AGENT_EVENTS_PATH_MAX, "%s/events.jsonl.%u", dir, index);
}

// ---- who

// Who logged in, whatever he became since (sudo, su); else whose process it is.
static uid_t user_of(pid_t pid) {
    char path[64], text[32] = "";
    struct stat info;
    (void)snprintf(path, sizeof path, "/proc/%d/loginuid", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t len = read(fd, text, sizeof text - 1);
        text[len > 0 ? len : 0] = '\0';
        close(fd);
    }
    uint32_t login = text[0] != '\0' ? (uint32_t)strtoul(text, NULL, 10) : NO_LOGIN;
    if (login != NO_LOGIN) return login;
    (void)snprintf(path, sizeof path, "/proc/%d", (int)pid);
    return stat(path, &info) == 0 ? info.st_uid : getuid();
}

// ---- the file

static void turn(void) {
    char path[AGENT_EVENTS_PATH_MAX], next[AGENT_EVENTS_PATH_MAX];
    for (uint32_t i = AGENT_EVENTS_FILES - 1; i > 0; i--) {
        agent_events_path(path, dir_path, i - 1);
        agent_events_path(next, dir_path, i);
        (void)rename(path, next); // the oldest goes; where one is not there, nothing does
    }
}

static int open_file(struct stat *out) {
    char path[AGENT_EVENTS_PATH_MAX];
    agent_events_path(path, dir_path, 0);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd >= 0 && fstat(fd, out) == 0 && S_ISREG(out->st_mode)) return fd;
    int err = fd >= 0 ? EINVAL : errno;
    if (fd >= 0) close(fd);
    return -err;
}

static int write_line(const char *line, size_t len) {
    struct stat info = {0};
    int fd = open_file(&info);
    if (fd >= 0 && info.st_size > 0 && (size_t)info.st_size + len > AGENT_EVENTS_LEN_MAX) {
        close(fd);
        turn();
        fd = open_file(&info);
    }
    if (fd < 0) return fd;
    ssize_t written = write(fd, line, len);
    int err = written < 0 ? -errno : (size_t)written < len ? -ENOSPC : 0;
    if (written > 0 && err != 0) (void)!ftruncate(fd, info.st_size); // no half of a line
    close(fd);
    return err;
}

static void keep(json_t *object) {
    char *line = json_dumps(object, JSON_COMPACT);
    if (line == NULL) return; // a text that is no UTF-8 has been said
    size_t len = strlen(line);
    line[len] = '\n'; // in the place of its end
    int err = len < AGENT_EVENTS_LINE_MAX ? write_line(line, len + 1) : 0;
    free(line);
    if (err != 0 && !has_failed)
        agent_say("cannot write %s/events.jsonl: %s (`warren events` will not have what happens "
                  "now)",
                  dir_path, strerror(-err));
    has_failed = err != 0;
}

static json_t *now(void) {
    char text[64];
    struct timespec at;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &at);
    gmtime_r(&at.tv_sec, &parts);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text + len, sizeof text - len, ".%03ldZ", at.tv_nsec / 1000000);
    return json_string(text);
}

static void set(json_t *object, const char *key, const char *value) {
    if (value != NULL && value[0] != '\0') json_object_set_new(object, key, json_string(value));
}

void agent_events_add(const agent_entry *entry, const char *format, ...) {
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    agent_say_event("%s", text);
    if (dir_path[0] == '\0') return;
    json_t *object = json_object();
    json_object_set_new(object, "at", now());
    set(object, "type", entry->type);
    set(object, "project", entry->project);
    set(object, "service", entry->service);
    set(object, "node", entry->node);
    if (entry->by > 0) {
        json_object_set_new(object, "uid", json_integer(user_of(entry->by)));
        json_object_set_new(object, "pid", json_integer(entry->by));
    }
    set(object, "by", entry->who);
    set(object, "text", text);
    keep(object);
    json_decref(object);
}
