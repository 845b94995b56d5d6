#include "agent/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/say.h"
#include "core/mem.h"

enum {
    HEAD_LEN_MAX = 128,    // time, node, stream
    TIME_LEN = 24,         // 2026-07-01T10:00:00.123Z
    MS_LEN = 5,            // .123Z
    BUFFER_LEN = 64 << 10, // of lines that are written at once
    RETRY_MS = 1000,       // a log that failed is tried again so often
    TAIL_READ_MAX = AGENT_LOG_LEN_MAX + (1 << 20),
};

struct agent_log {
    char path[PATH_MAX], old_path[PATH_MAX];
    int fd;
    uint64_t len;
    bool is_broken;       // said so
    bool is_torn;         // the last write ended in the middle of a line
    uint64_t retry_at_ms; // wall clock of the pieces
    size_t used;
    char buffer[BUFFER_LEN];
};

static void make_path(char out[PATH_MAX], const char *dir, const char *service, const char *end) {
    // A path that is cut here fails to open; both parts are bounded far below PATH_MAX.
    (void)snprintf(out, PATH_MAX, "%s/logs/%s.log%s", dir, service, end);
}

agent_log *agent_log_create(const char *dir, const char *service) {
    agent_log *log = mem_alloc(sizeof *log);
    log->fd = -1;
    make_path(log->path, dir, service, "");
    make_path(log->old_path, dir, service, ".1");
    return log;
}

void agent_log_rest(agent_log *log) {
    if (log->fd >= 0) close(log->fd);
    log->fd = -1;
}

void agent_log_destroy(agent_log *log) {
    if (log == NULL) return;
    agent_log_rest(log);
    free(log);
}

static void fail(agent_log *log, uint64_t now_ms, int err) {
    if (!log->is_broken)
        agent_say("cannot write %s: %s (nodes run on, their output is not kept)", log->path,
                  strerror(err));
    log->is_broken = true;
    log->retry_at_ms = now_ms + RETRY_MS;
    agent_log_rest(log);
}

static int open_file(agent_log *log) {
    int fd = open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return errno;
    struct stat info;
    log->len = fstat(fd, &info) == 0 ? (uint64_t)info.st_size : 0;
    log->fd = fd;
    return 0;
}

static void rotate(agent_log *log) {
    (void)rename(log->path, log->old_path); // if it fails the file grows on; the next write tells
    agent_log_rest(log);
}

static void write_out(agent_log *log, uint64_t now_ms) {
    size_t len = log->used, done = 0;
    log->used = 0;
    if (len == 0 || (log->is_broken && now_ms < log->retry_at_ms)) return;
    int err = log->fd < 0 ? open_file(log) : 0;
    if (err == 0 && log->is_torn && write(log->fd, "\n", 1) != 1) err = errno;
    while (err == 0 && done < len) {
        ssize_t written = write(log->fd, log->buffer + done, len - done);
        if (written >= 0)
            done += (size_t)written;
        else if (errno != EINTR)
            err = errno;
    }
    log->is_torn = err == 0 ? false : done > 0 || log->is_torn;
    if (err != 0) {
        fail(log, now_ms, err);
        return;
    }
    if (log->is_broken) agent_say("%s is written again", log->path);
    log->is_broken = false;
    log->len += len;
    if (log->len >= AGENT_LOG_LEN_MAX) rotate(log);
}

static size_t make_head(char out[HEAD_LEN_MAX], const agent_log_piece *piece, bool is_whole) {
    time_t seconds = (time_t)(piece->at_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t len = strftime(out, HEAD_LEN_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
    int rest = snprintf(out + len, HEAD_LEN_MAX - len, ".%03uZ %.80s %s%c ",
                        (unsigned)(piece->at_ms % 1000), piece->node,
                        piece->is_stderr ? "err" : "out", is_whole ? ':' : '+');
    return len + (size_t)rest;
}

void agent_log_write(agent_log *log, const agent_log_piece *piece) {
    mesh_bytes rest = piece->data;
    char head[HEAD_LEN_MAX];
    while (rest.len > 0) {
        const uint8_t *newline = memchr(rest.data, '\n', rest.len);
        size_t len = newline != NULL ? (size_t)(newline - rest.data) : rest.len;
        size_t head_len = make_head(head, piece, newline != NULL);
        if (log->used + head_len + len + 1 > BUFFER_LEN) write_out(log, piece->at_ms);
        CHECK(head_len + len + 1 <= BUFFER_LEN); // pieces are at most 32 KiB
        memcpy(log->buffer + log->used, head, head_len);
        memcpy(log->buffer + log->used + head_len, rest.data, len);
        log->used += head_len + len;
        log->buffer[log->used++] = '\n';
        rest = mesh_bytes_skip(rest, len + (newline != NULL));
    }
    write_out(log, piece->at_ms);
}

typedef struct tail {
    const char *node;
    uint32_t line_count;
    mesh_bytes *lines; // newest first
    uint32_t count;
    size_t len;
} tail;

// "TIME NODE out: text" -> its parts. Lines that are not ours (torn by a full disk) are skipped.
static bool parse_line(mesh_bytes line, char node[80], agent_log_piece *out) {
    struct tm parts = {0};
    char time_text[TIME_LEN + 1];
    if (line.len < TIME_LEN + 8) return false;
    memcpy(time_text, line.data, TIME_LEN);
    time_text[TIME_LEN] = '\0';
    const char *rest = strptime(time_text, "%Y-%m-%dT%H:%M:%S", &parts);
    // Not further: strptime takes blanks between the numbers.
    if (rest == NULL || rest - time_text != TIME_LEN - MS_LEN) return false;
    if (rest[0] != '.' || rest[MS_LEN - 1] != 'Z') return false;
    const uint8_t *name = line.data + TIME_LEN + 1;
    size_t room = line.len - TIME_LEN - 1;
    const uint8_t *space = memchr(name, ' ', room);
    if (space == NULL || space - name >= 80 || name + room - space < 6) return false;
    memcpy(node, name, (size_t)(space - name));
    node[space - name] = '\0';
    bool is_whole = space[4] == ':';
    if ((!is_whole && space[4] != '+') || space[5] != ' ') return false;
    *out = (agent_log_piece){
        .node = node,
        .is_stderr = space[1] == 'e',
        .at_ms = (uint64_t)timegm(&parts) * 1000 + strtoul(rest + 1, NULL, 10),
        // The newline of the file is the line's own.
        .data = {space + 6, (size_t)(name + room - (space + 6)) + is_whole},
    };
    return true;
}

// Walks a file's text from its end.
static void collect(tail *t, mesh_bytes text) {
    char node[80];
    agent_log_piece piece;
    while (text.len > 0 && t->count < t->line_count && t->len < AGENT_LOG_TAIL_LEN_MAX) {
        size_t end = text.data[text.len - 1] == '\n' ? text.len - 1 : text.len;
        const uint8_t *before = end > 0 ? memrchr(text.data, '\n', end) : NULL;
        size_t start = before != NULL ? (size_t)(before - text.data) + 1 : 0;
        mesh_bytes line = {text.data + start, end - start};
        text.len = start;
        if (!parse_line(line, node, &piece)) continue;
        if (t->node != NULL && strcmp(t->node, node) != 0) continue;
        t->lines[t->count++] = line;
        t->len += line.len;
    }
}

// The end of a file, as far as a tail may look back. Gives memory (free it). 0 or -errno.
static int read_end(const char *path, mesh_bytes *out) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return -errno;
    struct stat info;
    int err = fstat(fd, &info) != 0 ? -errno : S_ISREG(info.st_mode) ? 0 : -EINVAL;
    if (err != 0) goto out;
    size_t len = info.st_size < TAIL_READ_MAX ? (size_t)info.st_size : TAIL_READ_MAX, done = 0;
    uint8_t *text = mem_alloc(len + 1);
    while (done < len) {
        ssize_t got = pread(fd, text + done, len - done, info.st_size - (off_t)(len - done));
        if (got <= 0) break;
        done += (size_t)got;
    }
    *out = (mesh_bytes){text, done};
out:
    close(fd);
    return err;
}

int agent_log_tail(const char *dir, const char *service, const char *node, uint32_t line_count,
                   agent_log_cb on_piece, void *user) {
    char path[PATH_MAX], old_path[PATH_MAX];
    make_path(path, dir, service, "");
    make_path(old_path, dir, service, ".1");
    if (line_count > AGENT_LOG_TAIL_LINES_MAX) line_count = AGENT_LOG_TAIL_LINES_MAX;

    mesh_bytes text = {0}, old_text = {0};
    int err = read_end(path, &text);
    if (err != 0 && err != -ENOENT) return err;
    int old_err = read_end(old_path, &old_text);
    if (err != 0 && old_err != 0) return err;
    tail t = {.node = node, .line_count = line_count};
    t.lines = mem_alloc((line_count + 1) * sizeof *t.lines);
    collect(&t, text);
    collect(&t, old_text);
    while (t.count > 0) {
        char name[80];
        agent_log_piece piece;
        if (parse_line(t.lines[--t.count], name, &piece)) on_piece(&piece, user);
    }
    free(t.lines);
    free((uint8_t *)(uintptr_t)text.data);
    free((uint8_t *)(uintptr_t)old_text.data);
    return 0;
}
