// Runs a fuzz target over the files of the directories given: the corpus as a test, with any
// compiler.
#include <dirent.h>
#include <stdio.h>

#include "core/mem.h"
#include "fuzz.h"

enum { INPUT_MAX = 1 << 20, PATH_LEN_MAX = 4096 };

static int replay(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    uint8_t *data = mem_alloc(INPUT_MAX);
    size_t len = fread(data, 1, INPUT_MAX, file);
    (void)fclose(file);
    // A block of exactly that length, so that a sanitizer sees a read beyond it.
    uint8_t *input = mem_copy(data, len);
    free(data);
    (void)LLVMFuzzerTestOneInput(input, len);
    free(input);
    return 0;
}

static int replay_all(const char *directory, size_t *count) {
    DIR *dir = opendir(directory);
    if (!dir) {
        perror(directory);
        return 1;
    }
    int err = 0;
    const struct dirent *item;
    while ((item = readdir(dir))) {
        if (item->d_name[0] == '.') continue;
        char path[PATH_LEN_MAX];
        (void)snprintf(path, sizeof path, "%s/%s", directory, item->d_name);
        err |= replay(path);
        ++*count;
    }
    (void)closedir(dir);
    return err;
}

int main(int argc, char **argv) {
    size_t count = 0;
    int err = 0;
    for (int i = 1; i < argc; i++)
        err |= replay_all(argv[i], &count);
    (void)printf("%zu inputs\n", count);
    return err || count == 0;
}
