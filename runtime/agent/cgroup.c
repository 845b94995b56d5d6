#include "agent/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    FILE_LEN_MAX = 64 << 10, // of what is read here
    CPU_PERIOD_US = 100000,
    MOVE_TRIES = 8,   // processes may fork while they are moved
    PARENTS_MAX = 64, // of a process, looked at
    LEFT_S = 60,      // a group that is empty so long has been left behind
};

// ---- files

static bool join(char out[PATH_MAX], const char *dir, const char *name) {
    return snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX;
}

// False: it cannot be read. What is longer is cut.
static bool read_file(const char *dir, const char *name, char *out, size_t cap) {
    char path[PATH_MAX];
    if (!join(path, dir, name)) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    size_t len = 0;
    for (ssize_t got; len < cap - 1 && (got = read(fd, out + len, cap - 1 - len)) > 0;)
        len += (size_t)got;
    out[len] = '\0';
    close(fd);
    return true;
}

static int write_file(const char *dir, const char *name, const char *text) {
    char path[PATH_MAX];
    if (!join(path, dir, name)) return -ENAMETOOLONG;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int err = write(fd, text, strlen(text)) < 0 ? -errno : 0;
    close(fd);
    return err;
}

// "cpuset cpu memory\n"
static bool has_word(const char *dir, const char *name, const char *word) {
    char text[1024];
    if (!read_file(dir, name, text, sizeof text)) return false;
    char *rest = text;
    for (char *one; (one = strsep(&rest, " \n")) != NULL;)
        if (strcmp(one, word) == 0) return true;
    return false;
}

// ---- where groups can be made

static void explain(agent_cgroup *out, const char *why, const char *dir) {
    if (out->why_not[0] == '\0') // the nearest place says most
        (void)snprintf(out->why_not, sizeof out->why_not, why, dir);
}

static pid_t parent_of(pid_t pid) {
    char name[32], text[512];
    (void)snprintf(name, sizeof name, "%d/stat", (int)pid);
    if (!read_file("/proc", name, text, sizeof text)) return 0;
    const char *end = strrchr(text, ')');
    int parent = 0;
    return end != NULL && sscanf(end, ") %*c %d", &parent) == 1 ? (pid_t)parent : 0;
}

// This process, or one that comes from it.
static bool is_ours(pid_t pid) {
    for (int i = 0; i < PARENTS_MAX && pid > 1; i++, pid = parent_of(pid))
        if (pid == getpid()) return true;
    return pid == getpid();
}

typedef enum { ROOM_EMPTY, ROOM_OURS, ROOM_TAKEN } room;

// Who is in the group; moves them to `to` unless that is NULL.
static room look_inside(const char *dir, const char *to) {
    static char text[FILE_LEN_MAX];
    if (!read_file(dir, "cgroup.procs", text, sizeof text)) return ROOM_TAKEN;
    room found = ROOM_EMPTY;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (line[0] == '\0') continue;
        if (!is_ours((pid_t)strtol(line, NULL, 10))) return ROOM_TAKEN;
        found = ROOM_OURS;
        if (to != NULL) (void)write_file(to, "cgroup.procs", line); // it may have ended
    }
    return found;
}

// A group that gives limits to others has no processes of its own, unless it is the first of all.
static bool clear(agent_cgroup *out, const char *dir, bool is_own) {
    char agent[PATH_MAX], type[64];
    if (!read_file(dir, "cgroup.type", type, sizeof type)) return true; // the first of all
    room inside = look_inside(dir, NULL);
    if (inside == ROOM_EMPTY) return true;
    if (inside == ROOM_TAKEN || !is_own || !join(agent, dir, "warren-agent")) {
        explain(out, "other processes are in the agent's cgroup %.150s", dir);
        return false;
    }
    if (mkdir(agent, 0755) != 0 && errno != EEXIST) return false;
    for (int i = 0; i < MOVE_TRIES && inside == ROOM_OURS; i++) {
        (void)look_inside(dir, agent);
        inside = look_inside(dir, NULL);
    }
    return inside == ROOM_EMPTY;
}

static bool may_write(const char *dir, const char *name) {
    char path[PATH_MAX];
    return join(path, dir, name) && access(path, W_OK) == 0;
}

static void enable(const char *dir) {
    (void)write_file(dir, "cgroup.subtree_control", "+memory");
    (void)write_file(dir, "cgroup.subtree_control", "+cpu");
}

// Removes the groups of agents before this one: those that are empty.
static void sweep(const char *dir) {
    DIR *list = opendir(dir);
    if (list == NULL) return;
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        char path[PATH_MAX];
        struct stat info;
        if (strlen(entry->d_name) != 16 || !join(path, dir, entry->d_name)) continue;
        // A young one may be another agent's, for a node that is just being started.
        if (stat(path, &info) == 0 && time(NULL) - info.st_mtime > LEFT_S) (void)rmdir(path);
    }
    (void)closedir(list);
}

static bool try_base(agent_cgroup *out, const char *dir, bool is_own) {
    if (!has_word(dir, "cgroup.controllers", "memory") &&
        !has_word(dir, "cgroup.controllers", "cpu")) {
        explain(out, "cgroup v2 at %.150s has no controllers", dir);
        return false;
    }
    if (!may_write(dir, ".") || !may_write(dir, "cgroup.procs") ||
        !may_write(dir, "cgroup.subtree_control")) {
        explain(out, "the agent may not make groups in %.150s", dir);
        return false;
    }
    if (!clear(out, dir, is_own) || !join(out->dir, dir, "warren")) return false;
    if (mkdir(out->dir, 0755) != 0 && errno != EEXIST) {
        explain(out, "the agent may not make groups in %.150s", dir);
        return false;
    }
    enable(dir);
    enable(out->dir);
    out->has_memory = has_word(out->dir, "cgroup.subtree_control", "memory");
    out->has_cpu = has_word(out->dir, "cgroup.subtree_control", "cpu");
    if (!out->has_memory || !out->has_cpu)
        explain(out, "%.150s passes on no controller for it", dir);
    if (out->has_memory || out->has_cpu) {
        sweep(out->dir);
        return true;
    }
    (void)rmdir(out->dir);
    return false;
}

void agent_cgroup_find_at(agent_cgroup *out, const char *mount, const char *own) {
    char dir[PATH_MAX];
    *out = (agent_cgroup){.dir = ""};
    if (snprintf(dir, sizeof dir, "%s%s", mount, strcmp(own, "/") == 0 ? "" : own) >= PATH_MAX)
        return;
    size_t mount_len = strlen(mount);
    for (char *slash; (slash = strrchr(dir, '/')) >= dir + mount_len;) {
        *slash = '\0';
        if (try_base(out, dir, false)) return;
    }
    (void)snprintf(dir, sizeof dir, "%s%s", mount, strcmp(own, "/") == 0 ? "" : own);
    if (!try_base(out, dir, true)) out->dir[0] = '\0';
}

// Where cgroup v2 is mounted; of several mounts the last one is seen.
static bool find_mount(char out[PATH_MAX]) {
    static char text[FILE_LEN_MAX];
    bool is_found = false;
    if (!read_file("/proc/self", "mountinfo", text, sizeof text)) return false;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        char point[PATH_MAX];
        if (strstr(line, " - cgroup2 ") == NULL) continue;
        if (sscanf(line, "%*d %*d %*s / %4095s", point) != 1) continue;
        (void)snprintf(out, PATH_MAX, "%s", point);
        is_found = true;
    }
    return is_found;
}

void agent_cgroup_find(agent_cgroup *out) {
    char mount[PATH_MAX], text[PATH_MAX + 256];
    const char *chosen = getenv("WARREN_CGROUP");
    *out = (agent_cgroup){.dir = ""};
    if (chosen != NULL && chosen[0] != '\0') {
        if (!try_base(out, chosen, true)) out->dir[0] = '\0';
        return;
    }
    if (!find_mount(mount) || !read_file("/proc/self", "cgroup", text, sizeof text)) {
        explain(out, "%s is not there", "cgroup v2");
        return;
    }
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        if (strncmp(line, "0::/", 4) == 0) agent_cgroup_find_at(out, mount, line + 3);
}

// ---- groups of nodes

static bool group_path(const agent_cgroup *cgroup, uint64_t node_id, char out[PATH_MAX]) {
    char name[17];
    (void)snprintf(name, sizeof name, "%016" PRIx64, node_id);
    return cgroup->dir[0] != '\0' && join(out, cgroup->dir, name);
}

static int limit_memory(const char *path, uint64_t memory_max) {
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, memory_max);
    int err = write_file(path, "memory.max", text);
    if (err != 0) return err;
    (void)write_file(path, "memory.swap.max", "0");  // not there without swap
    (void)write_file(path, "memory.oom.group", "1"); // its children end with it
    return 0;
}

static int limit_cpu(const char *path, uint32_t percent) {
    char text[64];
    (void)snprintf(text, sizeof text, "%" PRIu64 " %d", (uint64_t)percent * (CPU_PERIOD_US / 100),
                   CPU_PERIOD_US);
    return write_file(path, "cpu.max", text);
}

int agent_cgroup_make(const agent_cgroup *cgroup, uint64_t node_id,
                      const agent_cgroup_limits *limits, char path[PATH_MAX]) {
    if (!group_path(cgroup, node_id, path)) return -ENOENT;
    if (mkdir(path, 0755) != 0) return -errno;
    int err = limits->memory_max > 0 ? limit_memory(path, limits->memory_max) : 0;
    if (err == 0 && limits->cpu_percent > 0) err = limit_cpu(path, limits->cpu_percent);
    if (err != 0) (void)rmdir(path);
    return err;
}

bool agent_cgroup_was_out_of_memory(const agent_cgroup *cgroup, uint64_t node_id) {
    char path[PATH_MAX], text[1024];
    if (!group_path(cgroup, node_id, path)) return false;
    if (!read_file(path, "memory.events", text, sizeof text)) return false;
    const char *line = strstr(text, "oom_kill ");
    return line != NULL && strtoul(line + strlen("oom_kill "), NULL, 10) > 0;
}

void agent_cgroup_remove(const agent_cgroup *cgroup, uint64_t node_id) {
    char path[PATH_MAX];
    if (group_path(cgroup, node_id, path)) (void)rmdir(path);
}
