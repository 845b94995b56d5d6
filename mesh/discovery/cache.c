#include "discovery/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/mem.h"

enum { HASH_LEN = 16, LINE_LEN_MAX = MESH_SOURCE_TEXT_LEN_MAX + 64 };

static const char head_line[] = "warren candidates 1";

static void hash_hex(mesh_bytes bytes, char out[2 * HASH_LEN + 1]) {
    uint8_t hash[HASH_LEN];
    crypto_generichash(hash, sizeof hash, bytes.data, bytes.len, NULL, 0);
    sodium_bin2hex(out, 2 * HASH_LEN + 1, hash, sizeof hash);
}

// ---- writing

static void write_candidate(FILE *file, const mesh_candidate *candidate) {
    mesh_endpoint numeric = {.port = candidate->port};
    memcpy(numeric.host, candidate->address, sizeof candidate->address);
    char text[MESH_ENDPOINT_LEN_MAX + 1];
    mesh_endpoint_write(&numeric, text);
    (void)fprintf(file, "%s %s\n", text, candidate->host);
}

char *mesh_cache_write(const mesh_cached *sources, size_t source_count, size_t *out_len) {
    char *text = NULL;
    size_t total = 0;
    FILE *file = mem_check(open_memstream(&text, out_len));
    (void)fprintf(file, "%s\n", head_line);
    for (size_t i = 0; i < source_count; i++) {
        (void)fprintf(file, "source %s\n", sources[i].text);
        for (size_t c = 0; c < sources[i].count; c++)
            write_candidate(file, &sources[i].candidates[c]);
        total += sources[i].count;
    }
    (void)fflush(file);
    char hash[2 * HASH_LEN + 1];
    hash_hex((mesh_bytes){(const uint8_t *)text, *out_len}, hash);
    (void)fprintf(file, "end %zu %s\n", total, hash);
    (void)fclose(file);
    return mem_check(text);
}

// ---- reading

typedef struct reader {
    mesh_bytes all, left;
    mesh_cached *sources, *current;
    size_t source_count, total;
} reader;

static bool take_line(reader *r, mesh_bytes *out) {
    const uint8_t *newline = r->left.len > 0 ? memchr(r->left.data, '\n', r->left.len) : NULL;
    if (newline == NULL) return false;
    *out = (mesh_bytes){r->left.data, (size_t)(newline - r->left.data)};
    r->left = mesh_bytes_skip(r->left, out->len + 1);
    return out->len <= LINE_LEN_MAX;
}

static bool take_word(mesh_bytes *line, const char *word) {
    size_t len = strlen(word);
    if (line->len < len || memcmp(line->data, word, len) != 0) return false;
    *line = mesh_bytes_skip(*line, len);
    return true;
}

static bool is_text(mesh_bytes bytes, const char *text) {
    return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

static mesh_cached *find_source(const reader *r, mesh_bytes text) {
    for (size_t i = 0; i < r->source_count; i++)
        if (is_text(text, r->sources[i].text)) return &r->sources[i];
    return NULL;
}

static bool read_candidate(mesh_bytes line, mesh_candidate *out) {
    const uint8_t *blank = line.len > 0 ? memchr(line.data, ' ', line.len) : NULL;
    if (blank == NULL) return false;
    size_t len = (size_t)(blank - line.data);
    mesh_endpoint numeric;
    if (mesh_endpoint_parse((mesh_bytes){line.data, len}, 0, &numeric) != 0) return false;
    if (!mesh_is_host_address(numeric.host)) return false;

    mesh_bytes host = mesh_bytes_skip(line, len + 1);
    if (host.len == 0 || host.len > MESH_HOST_LEN_MAX || memchr(host.data, 0, host.len) != NULL)
        return false;
    *out = (mesh_candidate){.port = numeric.port};
    memcpy(out->address, numeric.host, strlen(numeric.host));
    memcpy(out->host, host.data, host.len);
    return mesh_is_host_name(host) || mesh_is_host_address(out->host);
}

static bool add_candidate(reader *r, mesh_bytes line) {
    mesh_candidate candidate;
    if (!read_candidate(line, &candidate)) return false;
    r->total++;
    mesh_cached *source = r->current;
    if (source == NULL) return true; // of a source that is no longer asked
    if (source->count == MESH_ENDPOINTS_MAX) return false;
    if (source->candidates == NULL)
        source->candidates = mem_alloc(MESH_ENDPOINTS_MAX * sizeof candidate);
    source->candidates[source->count++] = candidate;
    return true;
}

static bool is_right_end(const reader *r, mesh_bytes line, mesh_bytes before) {
    char hash[2 * HASH_LEN + 1], want[sizeof hash + 32];
    hash_hex(before, hash);
    (void)snprintf(want, sizeof want, "%zu %s", r->total, hash);
    return r->left.len == 0 && is_text(line, want);
}

static bool read_all(reader *r) {
    mesh_bytes line;
    bool has_source = false;
    if (!take_line(r, &line) || !is_text(line, head_line)) return false;
    for (;;) {
        mesh_bytes before = {r->all.data, r->all.len - r->left.len};
        if (!take_line(r, &line)) return false;
        if (take_word(&line, "end ")) return is_right_end(r, line, before);
        if (take_word(&line, "source ")) {
            r->current = find_source(r, line);
            has_source = true;
        } else if (!has_source || !add_candidate(r, line)) {
            return false;
        }
    }
}

int mesh_cache_parse(mesh_bytes bytes, mesh_cached *sources, size_t source_count) {
    reader r = {.all = bytes, .left = bytes, .sources = sources, .source_count = source_count};
    for (size_t i = 0; i < source_count; i++)
        sources[i] = (mesh_cached){.text = sources[i].text};
    if (read_all(&r)) return 0;
    for (size_t i = 0; i < source_count; i++) {
        free(sources[i].candidates);
        sources[i] = (mesh_cached){.text = sources[i].text};
    }
    return MESH_EPROTO;
}

// ---- the file

static int write_all(int fd, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return -errno;
        bytes += written;
        len -= (size_t)written;
    }
    return 0;
}

// Not forced to the disk: what a power failure makes of it is found damaged, and sources are asked.
int mesh_cache_save(const char *path, const mesh_cached *sources, size_t source_count) {
    char *temp = NULL;
    CHECK(asprintf(&temp, "%s.new", path) >= 0);
    size_t len;
    char *bytes = mesh_cache_write(sources, source_count, &len);
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600), err = 0;
    if (fd < 0) {
        err = -errno;
        goto out;
    }
    err = write_all(fd, bytes, len);
    if (close(fd) != 0 && err == 0) err = -errno;
    if (err == 0 && rename(temp, path) != 0) err = -errno;
    if (err != 0) (void)unlink(temp);
out:
    free(bytes);
    free(temp);
    return err;
}

int mesh_cache_load(const char *path, mesh_cached *sources, size_t source_count) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return -errno;
    struct stat info;
    int err = fstat(fd, &info) != 0               ? -errno
              : !S_ISREG(info.st_mode)            ? MESH_EPROTO
              : info.st_size > MESH_CACHE_LEN_MAX ? MESH_ETOOBIG
                                                  : 0;
    uint8_t *bytes = err == 0 ? mem_alloc((size_t)info.st_size) : NULL;
    size_t len = 0;
    ssize_t got = 1;
    while (err == 0 && got > 0 && len < (size_t)info.st_size) {
        got = read(fd, bytes + len, (size_t)info.st_size - len);
        if (got < 0) err = -errno;
        if (got > 0) len += (size_t)got;
    }
    close(fd);
    if (err == 0) err = mesh_cache_parse((mesh_bytes){bytes, len}, sources, source_count);
    free(bytes);
    return err;
}
