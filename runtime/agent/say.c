#include "agent/say.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_LEN_MAX = 1024,
    TEXT_LEN_MAX = LINE_LEN_MAX - 64, // and the time in front
    KINDS_MAX = 64,                   // more than there are formats
};

typedef struct kind {
    const char *format; // of the program's own text: its address tells it
    uint64_t since_ms;
    uint32_t count, unsaid;
    char last[TEXT_LEN_MAX]; // of the unsaid
} kind;

static kind kinds[KINDS_MAX];
static uv_timer_t timer; // runs while something is unsaid
static bool has_timer, is_torn;
static char file_path[PATH_MAX - 2]; // "": stderr is not ours to turn
static size_t file_len;

// ---- the file

static void turn_file(void) {
    char old[PATH_MAX];
    file_len = 0; // when it fails: not tried again at every line
    (void)snprintf(old, sizeof old, "%s.1", file_path);
    if (rename(file_path, old) != 0) return;
    int fd =
        open(file_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0) return;
    (void)dup2(fd, STDOUT_FILENO);
    (void)dup2(fd, STDERR_FILENO);
    close(fd);
}

void agent_say_to_file(const char *dir) {
    struct stat info;
    (void)snprintf(file_path, sizeof file_path, "%s/agent.log", dir);
    file_len = fstat(STDERR_FILENO, &info) == 0 ? (size_t)info.st_size : 0;
}

// ---- lines

static uint64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void write_line(const char *text) {
    char line[LINE_LEN_MAX];
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    // A line that a full disk cut in two is ended first.
    size_t start = is_torn, len = start;
    line[0] = '\n';
    len += strftime(line + len, sizeof line - len, "%Y-%m-%dT%H:%M:%S", &parts);
    len += (size_t)snprintf(line + len, sizeof line - len, ".%03ldZ %.*s", now.tv_nsec / 1000000,
                            TEXT_LEN_MAX, text);
    // What a node or client said may be part of the text: it must not look like another line of
    // ours.
    for (size_t i = start; i < len; i++)
        if ((unsigned char)line[i] < ' ') line[i] = '?';
    line[len++] = '\n';
    // A terminal or pipe that nobody reads must not stop the agent: the line is lost then. Nor can
    // anybody be told that the log can't be written.
    struct pollfd one = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&one, 1, 0) == 0) return;
    if (file_path[0] != '\0' && file_len + len > AGENT_SAY_FILE_MAX) turn_file();
    ssize_t written = write(STDERR_FILENO, line, len);
    file_len += written > 0 ? (size_t)written : 0;
    if (written > 0) is_torn = (size_t)written < len && line[written - 1] != '\n';
}

static void tell_unsaid(kind *k) {
    char text[TEXT_LEN_MAX];
    if (k->unsaid == 0) return;
    (void)snprintf(text, sizeof text, "%u more like this: %.900s", k->unsaid, k->last);
    k->unsaid = 0;
    write_line(text);
}

// Tells the numbers whose time is over; how long until the next, 0: none.
static uint64_t tell_due(uint64_t now_ms) {
    uint64_t wait_ms = 0;
    for (kind *k = kinds; k < kinds + KINDS_MAX && k->format != NULL; k++) {
        uint64_t due_ms = k->since_ms + AGENT_SAY_EVERY_MS;
        if (now_ms >= due_ms) {
            tell_unsaid(k);
            k->count = 0;
        } else if (k->unsaid > 0 && (wait_ms == 0 || due_ms - now_ms < wait_ms)) {
            wait_ms = due_ms - now_ms;
        }
    }
    return wait_ms;
}

static void on_timer(uv_timer_t *handle) {
    uint64_t wait_ms = tell_due(clock_ms());
    if (wait_ms > 0) uv_timer_start(handle, on_timer, wait_ms, 0);
}

static kind *find_kind(const char *format) {
    kind *k = kinds;
    while (k < kinds + KINDS_MAX - 1 && k->format != NULL && k->format != format)
        k++;
    k->format = format;
    return k;
}

static void say(const char *format, va_list args, uint32_t max) {
    char text[TEXT_LEN_MAX];
    uint64_t now_ms = clock_ms();
    kind *k = find_kind(format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the caller started it
    (void)vsnprintf(text, sizeof text, format, args);
    (void)tell_due(now_ms);
    if (k->count == 0) k->since_ms = now_ms;
    if (k->count < max) {
        k->count++;
        write_line(text);
        return;
    }
    k->unsaid++;
    memcpy(k->last, text, sizeof text);
    if (has_timer && !uv_is_active((uv_handle_t *)&timer))
        uv_timer_start(&timer, on_timer, k->since_ms + AGENT_SAY_EVERY_MS - now_ms, 0);
}

void agent_say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args, AGENT_SAY_MAX);
    va_end(args);
}

void agent_say_event(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args, AGENT_SAY_EVENTS_MAX);
    va_end(args);
}

void agent_say_open(uv_loop_t *loop) {
    uv_timer_init(loop, &timer);
    uv_unref((uv_handle_t *)&timer);
    has_timer = true;
}

void agent_say_close(void) {
    for (int i = 0; i < KINDS_MAX; i++)
        tell_unsaid(&kinds[i]);
    if (has_timer) uv_close((uv_handle_t *)&timer, NULL);
    has_timer = false;
}
