#include "finder.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

enum { LIMIT_MS = 20000 };

static void on_candidate(const mesh_candidate *candidate, void *user) {
    finder *f = user;
    f->found[f->found_count++] = *candidate;
    if (f->closes_at_first) mesh_discovery_close(f->discovery);
}

static void on_say(const char *sentence, void *user) {
    finder *f = user;
    (void)snprintf(f->said[f->said_count++ % 16], sizeof f->said[0], "%s", sentence);
}

static void on_limit(uv_timer_t *timer) {
    const finder *f = timer->data;
    for (size_t i = 0; f->discovery != NULL && i < f->options.text_count; i++) {
        mesh_source_status status = finder_status(f, i);
        (void)fprintf(stderr, "%s: %zu candidates, error '%s'\n", status.text,
                      status.candidate_count, status.error);
    }
    fail_msg("it did not happen within %d ms", LIMIT_MS);
}

void finder_init(finder *f, const char *text) {
    *f = (finder){.options = {.on_candidate = on_candidate, .on_say = on_say, .user = f}};
    EXPECT_OK(uv_loop_init(&f->loop));
    uv_timer_init(&f->loop, &f->limit);
    f->limit.data = f;
    f->options.loop = &f->loop;
    f->options.texts = f->texts;
    if (text != NULL) finder_add(f, text);
}

void finder_add(finder *f, const char *text) {
    f->texts[f->options.text_count++] = text;
}

void finder_open(finder *f) {
    char sentence[MESH_SENTENCE_LEN_MAX + 1];
    EXPECT_OK(mesh_discovery_open(&f->options, &f->discovery, sentence));
}

void finder_close(finder *f) {
    mesh_discovery_close(f->discovery);
    uv_close((uv_handle_t *)&f->limit, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    EXPECT_OK(uv_loop_close(&f->loop));
}

static bool is_at(const mesh_candidate *candidate, const char *address_and_port) {
    char text[80];
    (void)snprintf(text, sizeof text, "%s:%u", candidate->address, candidate->port);
    return strcmp(text, address_and_port) == 0;
}

bool finder_has(const finder *f, const char *address_and_port) {
    for (size_t i = 0; i < f->found_count; i++)
        if (is_at(&f->found[i], address_and_port)) return true;
    return false;
}

mesh_source_status finder_status(const finder *f, size_t index) {
    mesh_source_status status = {0};
    EXPECT_TRUE(mesh_discovery_status(f->discovery, index, &status));
    return status;
}

static size_t count_now(const finder *f) {
    size_t count;
    free(mesh_discovery_candidates(f->discovery, &count));
    return count;
}

static bool has_error(const finder *f, const char *part) {
    const char *error = finder_status(f, 0).error;
    return part[0] == '\0' ? error[0] == '\0' : strstr(error, part) != NULL;
}

static bool has_said(const finder *f, const char *part) {
    for (size_t i = 0; i < f->said_count && i < 16; i++)
        if (strstr(f->said[i], part) != NULL) return true;
    return false;
}

// A turn that waits runs its timers first: what they did is looked at before that.
static void turn(finder *f, bool waits) {
    uv_run(&f->loop, waits ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

#define WAIT_FOR(F, CONDITION)                                                                     \
    do {                                                                                           \
        uv_timer_start(&(F)->limit, on_limit, LIMIT_MS, 0);                                        \
        for (bool waits = false; !(CONDITION); waits = !waits)                                     \
            turn(F, waits);                                                                        \
        uv_timer_stop(&(F)->limit);                                                                \
    } while (0)

void finder_wait_has(finder *f, const char *address_and_port) {
    WAIT_FOR(f, finder_has(f, address_and_port));
}

void finder_wait_count(finder *f, size_t count) {
    WAIT_FOR(f, count_now(f) == count);
}

void finder_wait_error(finder *f, const char *part) {
    WAIT_FOR(f, has_error(f, part));
}

void finder_wait_success(finder *f, size_t index, uint64_t after_ms) {
    WAIT_FOR(f, finder_status(f, index).success_at_ms > after_ms);
}

void finder_wait_said(finder *f, const char *part) {
    WAIT_FOR(f, has_said(f, part));
}

// ---- files

static char dir[64];

static void remove_dir(void) {
    char command[100];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    (void)!system(command);
}

const char *finder_path(const char *name) {
    static char path[200];
    if (dir[0] == '\0') {
        const char *base = getenv("TMPDIR");
        (void)snprintf(dir, sizeof dir, "%.40s/warren-find-XXXXXX", base != NULL ? base : "/tmp");
        EXPECT_TRUE(mkdtemp(dir) != NULL);
        atexit(remove_dir);
    }
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

void finder_write(const char *path, const char *text) {
    char temp[300];
    (void)snprintf(temp, sizeof temp, "%s.temp", path);
    FILE *file = fopen(temp, "we");
    EXPECT_TRUE(file != NULL);
    (void)fputs(text, file);
    (void)fclose(file);
    EXPECT_OK(rename(temp, path));
}
