// Where the state of this user's agent lives: $WARREN_DIR, else ~/.warren.
#pragma once

#include <stddef.h>

enum { MESH_PATHS_LEN_MAX = 108 }; // what a unix socket's address holds, with its end

// Both write a path of at most MESH_PATHS_LEN_MAX bytes with its end. 0, or
//   UV_ENAMETOOLONG (-ENAMETOOLONG)  the socket's path would not fit: choose a shorter $WARREN_DIR
//   -ENOENT                          neither WARREN_DIR nor HOME is set
int mesh_paths_dir(char out[MESH_PATHS_LEN_MAX]);
int mesh_paths_socket(char out[MESH_PATHS_LEN_MAX]); // DIR/agent.sock
