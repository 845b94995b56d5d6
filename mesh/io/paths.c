#include "io/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Without slashes at its end: with one, a symbolic link would be followed.
static int dir_len(const char *dir) {
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        len--;
    return len < MESH_PATHS_LEN_MAX ? (int)len : MESH_PATHS_LEN_MAX;
}

static int join_path(char out[MESH_PATHS_LEN_MAX], const char *suffix) {
    const char *dir = getenv("WARREN_DIR"), *home = getenv("HOME");
    int len;
    if (dir != NULL && dir[0] != '\0')
        len = snprintf(out, MESH_PATHS_LEN_MAX, "%.*s%s", dir_len(dir), dir, suffix);
    else if (home != NULL && home[0] != '\0')
        len = snprintf(out, MESH_PATHS_LEN_MAX, "%s/.warren%s", home, suffix);
    else
        return -ENOENT;
    return len < MESH_PATHS_LEN_MAX ? 0 : -ENAMETOOLONG;
}

int mesh_paths_dir(char out[MESH_PATHS_LEN_MAX]) {
    return join_path(out, "");
}

int mesh_paths_socket(char out[MESH_PATHS_LEN_MAX]) {
    return join_path(out, "/agent.sock");
}
