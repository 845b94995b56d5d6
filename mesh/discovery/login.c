#include "discovery/login.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "discovery/etcd_json.h"

enum { LOGIN_LEN_MAX = 1024 };

char *mesh_login_read(const char *path, const char **out_why) {
    char line[LOGIN_LEN_MAX + 1], *body = NULL;
    struct stat info;
    *out_why = "it is not NAME:PASSWORD";
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t len = fd >= 0 ? read(fd, line, LOGIN_LEN_MAX) : -1;
    if (len < 0) *out_why = strerror(errno);
    bool is_open = len >= 0 && (fstat(fd, &info) != 0 || (info.st_mode & 077) != 0);
    if (is_open) *out_why = "others may read it (`chmod 600` it)";
    if (fd >= 0) close(fd);
    line[len > 0 ? len : 0] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    char *colon = strchr(line, ':');
    if (len > 0 && !is_open && colon != NULL) {
        *colon = '\0';
        body = mesh_etcd_write_authenticate(line, colon + 1);
    }
    sodium_memzero(line, sizeof line);
    return body;
}
