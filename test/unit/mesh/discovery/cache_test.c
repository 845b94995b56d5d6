#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "discovery/cache.h"
#include "test.h"

static mesh_candidate candidates[] = {
    {.host = "h1", .address = "10.0.0.1", .port = 7400},
    {.host = "h2.example", .address = "fd00::2", .port = 1},
};

// The file of two sources, the second without candidates.
static char *write_two(size_t *len) {
    mesh_cached sources[] = {{"seeds:h1,h2.example:1", candidates, 2}, {"dns:x:1", NULL, 0}};
    return mesh_cache_write(sources, 2, len);
}

static int parse(const char *text, size_t len, mesh_cached *one) {
    *one = (mesh_cached){.text = "seeds:h1,h2.example:1"};
    return mesh_cache_parse((mesh_bytes){(const uint8_t *)text, len}, one, 1);
}

TEST(each_source_gets_back_what_it_gave) {
    size_t len;
    mesh_cached one;
    char *text = write_two(&len);
    EXPECT_OK(parse(text, len, &one));
    EXPECT_EQ(2, one.count);
    EXPECT_TEXT("h1", one.candidates[0].host);
    EXPECT_TEXT("fd00::2", one.candidates[1].address);
    EXPECT_EQ(1, one.candidates[1].port);
    free(one.candidates);
    free(text);
}

TEST(a_source_that_is_not_asked_any_more_is_passed_over) {
    size_t len;
    char *text = write_two(&len);
    mesh_cached other = {.text = "seeds:h3"};
    EXPECT_OK(mesh_cache_parse((mesh_bytes){(const uint8_t *)text, len}, &other, 1));
    EXPECT_EQ(0, other.count);
    free(text);
}

TEST(every_cut_and_every_changed_bit_is_found) {
    size_t len;
    mesh_cached one;
    char *text = write_two(&len);
    for (size_t cut = 0; cut < len; cut++)
        EXPECT_EQ(MESH_EPROTO, parse(text, cut, &one));
    for (size_t bit = 0; bit < len * 8; bit++) {
        uint8_t *byte = (uint8_t *)text + bit / 8, mask = (uint8_t)(1U << bit % 8);
        *byte ^= mask;
        EXPECT_EQ(MESH_EPROTO, parse(text, len, &one));
        EXPECT_EQ(0, one.count);
        *byte ^= mask;
    }
    EXPECT_OK(parse(text, len, &one));
    free(one.candidates);
    free(text);
}

static const char *temp_path(void) {
    static char path[200];
    const char *dir = getenv("TMPDIR");
    (void)snprintf(path, sizeof path, "%s/warren-cache-test-%d", dir != NULL ? dir : "/tmp",
                   (int)getpid());
    return path;
}

TEST(a_saved_file_is_private_and_loads) {
    mesh_cached saved = {"dns:x:1", candidates, 2}, loaded = {.text = "dns:x:1"};
    struct stat info;
    EXPECT_OK(mesh_cache_save(temp_path(), &saved, 1));
    EXPECT_OK(stat(temp_path(), &info));
    EXPECT_EQ(0600, info.st_mode & 0777);
    EXPECT_OK(mesh_cache_load(temp_path(), &loaded, 1));
    EXPECT_EQ(2, loaded.count);
    free(loaded.candidates);
    unlink(temp_path());
}

TEST(a_missing_long_or_odd_file_is_told_apart) {
    mesh_cached one = {.text = "dns:x:1"};
    EXPECT_EQ(-ENOENT, mesh_cache_load(temp_path(), &one, 1));
    EXPECT_EQ(MESH_EPROTO, mesh_cache_load("/dev/zero", &one, 1));
    int fd = open(temp_path(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_OK(ftruncate(fd, (off_t)MESH_CACHE_LEN_MAX + 1));
    close(fd);
    EXPECT_EQ(MESH_ETOOBIG, mesh_cache_load(temp_path(), &one, 1));
    unlink(temp_path());
}

TEST(a_place_that_cannot_be_written_is_an_error) {
    mesh_cached saved = {"dns:x:1", candidates, 2};
    EXPECT_EQ(-ENOENT, mesh_cache_save("/nonexistent/dir/file", &saved, 1));
}
