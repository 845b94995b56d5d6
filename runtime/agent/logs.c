#include "agent/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/say.h"
#include "core/mem.h"

enum {
    HEAD_LEN_MAX = 128,    // time, node, stream
    BUFFER_LEN = 64 << 10, // of lines that are written at once
    NOTE_LEN_MAX = HEAD_LEN_MAX + 128,
    RETRY_MS = 1000, // a log that failed is tried again so often
};

struct agent_log {
    char dir[PATH_MAX], service[64];
    uint32_t file_len_max, file_count;
    int fd;
    uint64_t len;
    int error;    // of the last write; 0: it worked
    bool is_torn; // the last write ended in the middle of a line, and could not be taken back
    uint64_t failed_at_ms;              // wall clock of the pieces
    uint64_t lost_lines, missing_lines; // since it was created; since it failed
    size_t used;
    uint32_t used_lines;
    char buffer[BUFFER_LEN];
};

void agent_log_path(char out[PATH_MAX], const char *dir, const char *service, uint32_t index) {
    char end[16] = "";
    if (index > 0) (void)snprintf(end, sizeof end, ".%u", index);
    // A path that is cut here fails to open; both parts are bounded far below PATH_MAX.
    (void)snprintf(out, PATH_MAX, "%s/logs/%s.log%s", dir, service, end);
}

void agent_log_set_rules(agent_log *log, const agent_log_rules *rules) {
    log->file_len_max = rules->file_len_max > 0 ? rules->file_len_max : AGENT_LOG_LEN_DEFAULT;
    log->file_count = rules->file_count > 0 ? rules->file_count : AGENT_LOG_FILES_DEFAULT;
}

agent_log *agent_log_create(const char *dir, const char *service, const agent_log_rules *rules) {
    agent_log *log = mem_alloc(sizeof *log);
    log->fd = -1;
    agent_log_set_rules(log, rules);
    (void)snprintf(log->dir, sizeof log->dir, "%s", dir);
    (void)snprintf(log->service, sizeof log->service, "%s", service);
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

uint64_t agent_log_lost_lines(const agent_log *log) {
    return log->lost_lines;
}

// ---- files

static int open_file(agent_log *log) {
    char path[PATH_MAX];
    agent_log_path(path, log->dir, log->service, 0);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0) return errno; // ENXIO: a FIFO that nobody reads
    struct stat info = {0};
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return EINVAL;
    }
    log->len = (uint64_t)info.st_size;
    log->fd = fd;
    return 0;
}

// 0, or an errno: then the file is not written over its cap.
static int rotate(agent_log *log) {
    char path[PATH_MAX], next[PATH_MAX];
    agent_log_rest(log);
    // Those that are too many: another run of the service may have kept more of them.
    for (uint32_t i = log->file_count - 1; i < AGENT_LOG_FILES_MAX; i++) {
        agent_log_path(path, log->dir, log->service, i);
        if (unlink(path) != 0 && errno != ENOENT) return errno;
    }
    for (uint32_t i = log->file_count - 1; i > 0; i--) {
        agent_log_path(path, log->dir, log->service, i - 1);
        agent_log_path(next, log->dir, log->service, i);
        if (rename(path, next) != 0 && errno != ENOENT) return errno;
    }
    return open_file(log);
}

static bool is_removed(const agent_log *log) {
    struct stat info;
    return fstat(log->fd, &info) == 0 && info.st_nlink == 0;
}

static int write_all(agent_log *log, const char *bytes, size_t len) {
    size_t done = 0;
    int err = 0;
    while (err == 0 && done < len) {
        ssize_t written = write(log->fd, bytes + done, len - done);
        if (written >= 0)
            done += (size_t)written;
        else if (errno != EINTR)
            err = errno;
    }
    if (err == 0) {
        log->len += len;
        log->is_torn = false;
    } else if (done > 0) {
        log->is_torn = ftruncate(log->fd, (off_t)log->len) != 0; // no half of a line
    }
    return err;
}

// ---- what could not be written

static void lose(agent_log *log, uint64_t now_ms, int err) {
    if (log->error == 0) {
        char path[PATH_MAX];
        agent_log_path(path, log->dir, log->service, 0);
        agent_say("cannot write %s: %s (nodes run on, their output is not kept)", path,
                  strerror(err));
    }
    log->error = err;
    log->failed_at_ms = now_ms;
    agent_log_rest(log);
}

static size_t make_head(char out[HEAD_LEN_MAX], const char *node, bool is_stderr, uint64_t at_ms) {
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t len = strftime(out, HEAD_LEN_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
    int rest =
        snprintf(out + len, HEAD_LEN_MAX - len, ".%03uZ %.80s %s: ", (unsigned)(at_ms % 1000), node,
                 is_stderr ? "err" : "out");
    return len + (size_t)rest;
}

static int write_note(agent_log *log, uint64_t now_ms) {
    char note[NOTE_LEN_MAX];
    size_t len = make_head(note, log->service, true, now_ms);
    len += (size_t)snprintf(note + len, NOTE_LEN_MAX - len,
                            "%" PRIu64 " lines are missing here: %.64s\n", log->missing_lines,
                            strerror(log->error));
    return write_all(log, note, len);
}

static int end_torn_line(agent_log *log) {
    log->len++; // counted here: it is no line of ours
    if (write(log->fd, "\n", 1) != 1) return errno;
    log->is_torn = false;
    return 0;
}

// What is missing, and then what is new: both, or the file stays as it was. A disk may have room
// for the note alone.
static int recover(agent_log *log, uint64_t now_ms) {
    int err = log->is_torn ? end_torn_line(log) : 0;
    uint64_t before = log->len;
    if (err == 0 && log->missing_lines > 0) err = write_note(log, now_ms);
    if (err == 0) err = write_all(log, log->buffer, log->used);
    if (err != 0) {
        if (log->len > before) log->is_torn = ftruncate(log->fd, (off_t)before) != 0;
        if (!log->is_torn) log->len = before;
        return err;
    }
    char path[PATH_MAX];
    agent_log_path(path, log->dir, log->service, 0);
    agent_say("%s is written again: %" PRIu64 " lines were lost", path, log->missing_lines);
    log->error = 0;
    log->missing_lines = 0;
    return 0;
}

// Also when the clock was set back.
static bool is_too_early(const agent_log *log, uint64_t now_ms) {
    return log->error != 0 && now_ms >= log->failed_at_ms && now_ms < log->failed_at_ms + RETRY_MS;
}

static int write_buffer(agent_log *log, uint64_t now_ms) {
    if (log->fd >= 0 && is_removed(log)) agent_log_rest(log);
    int err = log->fd < 0 ? open_file(log) : 0;
    if (err == 0 && log->len > 0 && log->len + log->used > log->file_len_max) err = rotate(log);
    if (err != 0) return err;
    return log->error != 0 ? recover(log, now_ms) : write_all(log, log->buffer, log->used);
}

static void write_out(agent_log *log, uint64_t now_ms) {
    if (log->used == 0) return;
    bool is_lost = is_too_early(log, now_ms);
    if (!is_lost) {
        int err = write_buffer(log, now_ms);
        if (err != 0) lose(log, now_ms, err);
        is_lost = err != 0;
    }
    if (is_lost) {
        log->lost_lines += log->used_lines;
        log->missing_lines += log->used_lines;
    }
    log->used = log->used_lines = 0;
}

void agent_log_write(agent_log *log, const agent_log_piece *piece) {
    mesh_bytes rest = piece->data;
    char head[HEAD_LEN_MAX];
    size_t head_len = make_head(head, piece->node, piece->is_stderr, piece->at_ms);
    while (rest.len > 0) {
        const uint8_t *newline = memchr(rest.data, '\n', rest.len);
        size_t len = newline != NULL ? (size_t)(newline - rest.data) : rest.len;
        if (log->used + head_len + len + 1 > BUFFER_LEN) write_out(log, piece->at_ms);
        CHECK(head_len + len + 1 <= BUFFER_LEN); // pieces are at most 32 KiB
        head[head_len - 2] = newline != NULL ? ':' : '+';
        memcpy(log->buffer + log->used, head, head_len);
        memcpy(log->buffer + log->used + head_len, rest.data, len);
        log->used += head_len + len;
        log->buffer[log->used++] = '\n';
        log->used_lines++;
        rest = mesh_bytes_skip(rest, len + (newline != NULL));
    }
    write_out(log, piece->at_ms);
}
