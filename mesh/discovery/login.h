// The login of a store: a file of one line, NAME:PASSWORD, that nobody else may read.
#pragma once

// Gives the body that etcd is asked for a token with (wipe it), or NULL and why.
char *mesh_login_read(const char *path, const char **out_why);
