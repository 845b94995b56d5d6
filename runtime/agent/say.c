#include "agent/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/poll.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_LEN = 1024 };

void agent_say(const char *format, ...) {
    char line[LINE_MAX_LEN];
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    size_t len = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &parts);
    len += (size_t)snprintf(line + len, sizeof line - len, ".%03ldZ ", now.tv_nsec / 1000000);

    va_list args;
    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started
    int text_len = vsnprintf(line + len, sizeof line - len - 1, format, args);
    va_end(args);
    if (text_len > 0) len += (size_t)text_len;
    if (len > sizeof line - 2) len = sizeof line - 2;
    // What a node or client said may be part of the text: it must not look like another line of
    // ours.
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < ' ') line[i] = '?';
    line[len++] = '\n';
    // A terminal or pipe that nobody reads must not stop the agent: the line is lost then. Nor can
    // anybody be told that the log can't be written.
    struct pollfd one = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&one, 1, 0) == 0) return;
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written;
}
