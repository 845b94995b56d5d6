#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_MS = 1000, NEXT_MS = 100 };

static uint64_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void cli_progress_begin(cli_progress *p, bool is_wanted) {
    *p =
        (cli_progress){.is_on = is_wanted && isatty(STDERR_FILENO), .next_ms = now_ms() + FIRST_MS};
}

bool cli_progress_is_due(cli_progress *p) {
    if (!p->is_on || now_ms() < p->next_ms) return false;
    p->next_ms = now_ms() + NEXT_MS;
    return true;
}

void cli_progress_show(cli_progress *p, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)fputs("\r\033[K", stderr);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fflush(stderr);
    p->is_shown = true;
}

void cli_progress_end(cli_progress *p) {
    if (p->is_shown) (void)fputs("\r\033[K", stderr);
    p->is_shown = false;
}
