// A file with one host:port a line, written by hand or by a program. It is read at each look, and
// sooner when its directory tells of a change; it may be replaced, rewritten in place or not be
// there yet.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "discovery/lines.h"
#include "discovery/source.h"

typedef struct file {
    mesh_source_options options;
    uv_fs_event_t event;
    char sentence[MESH_PATH_LEN_MAX + MESH_SENTENCE_LEN_MAX + 8];
} file;

static const char *base_name(const char *path) {
    return strrchr(path, '/') + 1; // a path starts with a slash
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status) {
    file *source = event->data;
    (void)events;
    (void)status; // of a directory that is gone: the next look watches it anew
    bool is_ours = name == NULL || strcmp(name, base_name(source->options.spec->path)) == 0;
    if (is_ours && source->options.on_changed != NULL)
        source->options.on_changed(source->options.user);
}

// Of the directory, since a file that is replaced is another file. Anew each time, since a
// directory can be another one too; without it (it may be missing) the looks go on.
static void watch(file *source) {
    const char *path = source->options.spec->path;
    char dir[MESH_PATH_LEN_MAX + 1];
    size_t len = (size_t)(base_name(path) - path);
    memcpy(dir, path, len);
    dir[len] = '\0';
    uv_fs_event_stop(&source->event);
    (void)uv_fs_event_start(&source->event, on_event, dir, 0);
}

static void *open_file(const mesh_source_options *options) {
    file *source = mem_alloc(sizeof *source);
    source->options = *options;
    uv_fs_event_init(options->loop, &source->event);
    source->event.data = source;
    return source;
}

// Up to `cap` bytes. -errno: not there, not readable, no plain file (which could block).
static ssize_t read_plain(const char *path, uint8_t *out, size_t cap) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return -errno;
    struct stat info;
    ssize_t len = 0, got = 1;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) len = -EINVAL;
    while (len >= 0 && (size_t)len < cap && got > 0) {
        got = read(fd, out + len, cap - (size_t)len);
        len = got < 0 ? -errno : len + got;
    }
    close(fd);
    return len;
}

static const char *read_error(ssize_t err) {
    return err == -EINVAL ? "it is not a plain file" : strerror((int)-err);
}

static void look(void *user) {
    file *source = user;
    const char *path = source->options.spec->path;
    watch(source);
    uint8_t *bytes = mem_alloc(MESH_LINES_LEN_MAX + 1);
    mesh_endpoint *endpoints = mem_alloc(MESH_ENDPOINTS_MAX * sizeof *endpoints);
    mesh_answer answer = {.endpoints = endpoints};
    char why[MESH_SENTENCE_LEN_MAX + 1] = "";
    ssize_t len = read_plain(path, bytes, MESH_LINES_LEN_MAX + 1);
    if (len < 0)
        (void)snprintf(why, sizeof why, "it cannot be read: %s", read_error(len));
    else if (len > MESH_LINES_LEN_MAX)
        (void)snprintf(why, sizeof why, "it has more than %d bytes", MESH_LINES_LEN_MAX);
    else
        answer.count = mesh_lines_parse((mesh_bytes){bytes, (size_t)len}, endpoints, why);
    if (why[0] != '\0') {
        (void)snprintf(source->sentence, sizeof source->sentence, "%s: %s", path, why);
        answer.error = source->sentence;
    }
    free(bytes);
    source->options.on_answer(&answer, source->options.user);
    free(endpoints);
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void close_file(void *user) {
    file *source = user;
    uv_close((uv_handle_t *)&source->event, on_closed);
}

const mesh_source_kind mesh_source_file = {open_file, look, close_file};
