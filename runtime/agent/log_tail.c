#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/lines.h"
#include "agent/logs.h"
#include "core/mem.h"

enum {
    TIME_LEN = 24,           // 2026-07-01T10:00:00.123Z
    MS_LEN = 5,              // .123Z
    NAME_ROOM = 80,          // of a node, with its end
    READ_LEN_MAX = 16 << 20, // of each file, from its end
};

typedef struct tail {
    const agent_log_query *query;
    uint32_t line_count;
    char **lines; // newest first, copies
    size_t *lens;
    uint32_t count;
    size_t len;
    bool is_older; // what is left was written before what is wanted
} tail;

// "TIME NODE out: text" -> its parts. Lines that are not ours (torn by a full disk) are skipped.
static bool parse_line(mesh_bytes line, char node[NAME_ROOM], agent_log_piece *out) {
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
    if (space == NULL || space - name >= NAME_ROOM || name + room - space < 6) return false;
    memcpy(node, name, (size_t)(space - name));
    node[space - name] = '\0';
    bool is_whole = space[4] == ':';
    if ((!is_whole && space[4] != '+') || space[5] != ' ') return false;
    if (name + room - (space + 6) > AGENT_LINES_PIECE_MAX)
        return false; // nor would it fit in a packet
    *out = (agent_log_piece){
        .node = node,
        .is_stderr = space[1] == 'e',
        .at_ms = (uint64_t)timegm(&parts) * 1000 + strtoul(rest + 1, NULL, 10),
        // The newline of the file is the line's own.
        .data = {space + 6, (size_t)(name + room - (space + 6)) + is_whole},
    };
    return true;
}

static bool is_full(const tail *t) {
    return t->is_older || t->count >= t->line_count || t->len >= AGENT_LOG_TAIL_LEN_MAX;
}

// Walks a file's text from its end.
static void collect(tail *t, mesh_bytes text) {
    char node[NAME_ROOM];
    agent_log_piece piece;
    while (text.len > 0 && !is_full(t)) {
        size_t end = text.data[text.len - 1] == '\n' ? text.len - 1 : text.len;
        const uint8_t *before = end > 0 ? memrchr(text.data, '\n', end) : NULL;
        size_t start = before != NULL ? (size_t)(before - text.data) + 1 : 0;
        mesh_bytes line = {text.data + start, end - start};
        text.len = start;
        if (!parse_line(line, node, &piece)) continue;
        if (piece.at_ms < t->query->since_ms) {
            t->is_older = true;
            return;
        }
        if (t->query->node != NULL && strcmp(t->query->node, node) != 0) continue;
        // With a newline that parse_line may show as the line's own.
        char *copy = mem_alloc(line.len + 1);
        memcpy(copy, line.data, line.len);
        copy[line.len] = '\n';
        t->lines[t->count] = copy;
        t->lens[t->count++] = line.len;
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
    size_t len = info.st_size < READ_LEN_MAX ? (size_t)info.st_size : READ_LEN_MAX, done = 0;
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

static void tell(tail *t, agent_log_cb on_piece, void *user) {
    char name[NAME_ROOM];
    agent_log_piece piece;
    for (uint32_t i = t->count; i-- > 0;) {
        mesh_bytes line = {(const uint8_t *)t->lines[i], t->lens[i]};
        if (parse_line(line, name, &piece)) on_piece(&piece, user);
    }
}

int agent_log_tail(const agent_log_query *query, agent_log_cb on_piece, void *user) {
    uint32_t line_count =
        query->line_count < AGENT_LOG_TAIL_LINES_MAX ? query->line_count : AGENT_LOG_TAIL_LINES_MAX;
    tail t = {.query = query, .line_count = line_count};
    t.lines = mem_alloc(line_count * sizeof *t.lines);
    t.lens = mem_alloc(line_count * sizeof *t.lens);
    int err = 0;
    bool has_file = false;
    for (uint32_t i = 0; i < AGENT_LOG_FILES_MAX && (i == 0 || !is_full(&t)); i++) {
        char path[PATH_MAX];
        mesh_bytes text = {0};
        agent_log_path(path, query->dir, query->service, i);
        int read_err = read_end(path, &text);
        if (read_err == 0) {
            has_file = true;
            collect(&t, text);
            free((uint8_t *)(uintptr_t)text.data);
        } else if (i == 0 && read_err == -ENOENT) {
            err = read_err; // it is between two files, or there is none
        } else {
            if (i == 0) err = read_err;
            break;
        }
    }
    if (has_file) err = 0;
    if (err == 0) tell(&t, on_piece, user);
    for (uint32_t i = 0; i < t.count; i++)
        free(t.lines[i]);
    free(t.lines);
    free(t.lens);
    return err;
}
