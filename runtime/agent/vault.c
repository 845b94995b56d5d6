#include "agent/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "core/budget.h"
#include "core/mem.h"

enum {
    HEAD_LEN_MAX = 64,
    CHECK_LEN = 16,
    FILE_LEN_MAX = AGENT_VAULT_BODY_LEN_MAX + 128,
    LOCK_TRIES = 200,
    LOCK_PAUSE_US = 5000,
    PATH_LEN_MAX = AGENT_VAULT_PATH_MAX + 32, // with a name
    NEW_PATH_LEN_MAX = PATH_LEN_MAX + 4,
};

static const char lock_name[] = "tickets.lock";

// What to do when a file is no good. The two lists can be lost; the rest is who this host is.
static const char *advice_of(const char *name) {
    if (strcmp(name, AGENT_VAULT_PEERS) == 0)
        return "remove it: it is a list of addresses that is made again";
    if (strcmp(name, AGENT_VAULT_TICKETS) == 0)
        return "remove it: tokens that were handed out and not used are void then";
    if (strcmp(name, AGENT_VAULT_SECRETS) == 0)
        return "restore it from a backup: without it no secret can be read, and all must be set "
               "anew";
    if (strcmp(name, AGENT_VAULT_SEAL) == 0)
        return "remove it and start the agent again: another one is made, and the other hosts "
               "seal the secrets of the cluster for that";
    if (strcmp(name, AGENT_VAULT_REVOKED) == 0)
        return "remove it: what the store says of hosts that were revoked is read again";
    if (strcmp(name, AGENT_VAULT_ROOT) == 0) return "is this where it was put, and a copy of it?";
    if (strcmp(name, AGENT_VAULT_CONFIG) == 0)
        return "mend it: {\"listen\": \"0.0.0.0:7400\"} is the least it says";
    if (strcmp(name, AGENT_VAULT_STORE) == 0)
        return "mend it: it is one line, what follows `warren agent --store`; or remove it";
    if (strcmp(name, AGENT_VAULT_LABELS) == 0)
        return "mend it: each line is what follows `warren agent --label`; or remove it";
    return "restore it from a backup, or remove that directory and let this host join again";
}

static int fail(char text[AGENT_VAULT_TEXT_MAX], int err, const char *what, const char *path,
                const char *hint) {
    (void)snprintf(text, AGENT_VAULT_TEXT_MAX, "cannot %s %s: %s%s%s%s", what, path, strerror(err),
                   hint[0] != '\0' ? " (" : "", hint, hint[0] != '\0' ? ")" : "");
    return -err;
}

// What stands at `path` where something else is meant to be: in words, for what open() says of it
// ("Too many levels of symbolic links", "No such device") tells nobody what to look for.
static const char *kind_of(const char *path, mode_t wanted) {
    struct stat info;
    if (lstat(path, &info) != 0 || (info.st_mode & S_IFMT) == wanted) return NULL;
    if (S_ISLNK(info.st_mode)) return "it is a symbolic link";
    return wanted == S_IFDIR ? "it is no directory" : "it is no ordinary file";
}

static int fail_open(char text[AGENT_VAULT_TEXT_MAX], int err, const char *path, mode_t wanted,
                     const char *hint) {
    const char *kind = kind_of(path, wanted);
    if (kind == NULL) return fail(text, err, wanted == S_IFDIR ? "open" : "read", path, hint);
    (void)snprintf(text, AGENT_VAULT_TEXT_MAX, "will not use %s: %s (%s)", path, kind, hint);
    return -err;
}

static void path_of(const char *vault, const char *name, char out[PATH_LEN_MAX]) {
    (void)snprintf(out, PATH_LEN_MAX, "%s/%s", vault, name);
}

// Where it is written, before it is renamed.
static void new_path_of(const char *path, char out[NEW_PATH_LEN_MAX]) {
    (void)snprintf(out, NEW_PATH_LEN_MAX, "%s.new", path);
}

void agent_vault_path(const char *state, char out[AGENT_VAULT_PATH_MAX]) {
    (void)snprintf(out, AGENT_VAULT_PATH_MAX, "%s/cluster", state); // state fits a socket's address
}

int agent_vault_damaged(const char *vault, const char *name, const char *why,
                        char text[AGENT_VAULT_TEXT_MAX]) {
    (void)snprintf(text, AGENT_VAULT_TEXT_MAX, "cannot use %s/%s: %s (%s)", vault, name, why,
                   advice_of(name));
    return -EBADMSG;
}

// ---- ours, and nobody else's

static int judge_owner(const struct stat *info, const char *path, const char *mode,
                       char text[AGENT_VAULT_TEXT_MAX]) {
    if (info->st_uid != geteuid()) {
        (void)snprintf(text, AGENT_VAULT_TEXT_MAX,
                       "will not use %s: it belongs to user %u, not to user %u", path, info->st_uid,
                       geteuid());
        return -EPERM;
    }
    if ((info->st_mode & 077) == 0) return 0;
    (void)snprintf(text, AGENT_VAULT_TEXT_MAX,
                   "will not use %s: others may read it, its mode is %03o (`chmod %s` it; if "
                   "somebody could read it, its keys are no secret any more)",
                   path, info->st_mode & 0777, mode);
    return -EPERM;
}

int agent_vault_check(const char *vault, char text[AGENT_VAULT_TEXT_MAX]) {
    struct stat info;
    text[0] = '\0';
    // The directory itself, not what a link points to.
    int fd = open(vault, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return -ENOENT;
    if (fd < 0)
        return fail_open(text, errno, vault, S_IFDIR,
                         "the keys are in a directory of this name itself: put it back there");
    int err = fstat(fd, &info) != 0 ? errno : 0;
    close(fd);
    if (err != 0) return fail(text, err, "look at", vault, "");
    return judge_owner(&info, vault, "700", text);
}

// ---- reading

bool agent_vault_has(const char *vault, const char *name) {
    char path[PATH_LEN_MAX];
    struct stat info;
    path_of(vault, name, path);
    return lstat(path, &info) == 0 || errno != ENOENT; // a link to nothing is something, too
}

agent_vault_stamp agent_vault_stamp_of(const char *vault, const char *name) {
    char path[PATH_LEN_MAX];
    struct stat info;
    path_of(vault, name, path);
    if (lstat(path, &info) != 0) return (agent_vault_stamp){0};
    return (agent_vault_stamp){.inode = info.st_ino,
                               .changed_s = (uint64_t)info.st_ctim.tv_sec,
                               .changed_ns = (uint64_t)info.st_ctim.tv_nsec,
                               .len = (uint64_t)info.st_size};
}

static int open_file(const char *path, const char *name, size_t *out_len,
                     char text[AGENT_VAULT_TEXT_MAX]) {
    struct stat info;
    // Not to wait for the writer of a pipe that somebody put there.
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return fail_open(text, errno, path, S_IFREG, advice_of(name));
    int err = fstat(fd, &info) != 0 ? fail(text, errno, "look at", path, "") : 0;
    if (err == 0 && !S_ISREG(info.st_mode))
        err = fail_open(text, EINVAL, path, S_IFREG, advice_of(name));
    if (err == 0) err = judge_owner(&info, path, "600", text);
    if (err == 0 && info.st_size > FILE_LEN_MAX)
        err = fail(text, EFBIG, "read", path, advice_of(name));
    if (err == 0) *out_len = (size_t)info.st_size;
    if (err != 0) close(fd);
    return err != 0 ? err : fd;
}

static ssize_t read_all(int fd, uint8_t *to, size_t len) {
    size_t seen = 0;
    while (seen < len) {
        ssize_t got = read(fd, to + seen, len - seen);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        if (got == 0) break;
        seen += (size_t)got;
    }
    return (ssize_t)seen;
}

static size_t put_head(const char *name, char out[HEAD_LEN_MAX]) {
    return (size_t)snprintf(out, HEAD_LEN_MAX, "warren %s 1\n", name);
}

// Takes the head and the checksum off.
static bool unwrap(const char *name, mesh_bytes *file) {
    char head[HEAD_LEN_MAX];
    uint8_t check[CHECK_LEN];
    size_t head_len = put_head(name, head);
    if (file->len < head_len + CHECK_LEN) return false;
    size_t len = file->len - CHECK_LEN;
    (void)crypto_generichash(check, CHECK_LEN, file->data, len, NULL, 0);
    if (memcmp(check, file->data + len, CHECK_LEN) != 0) return false;
    if (memcmp(file->data, head, head_len) != 0) return false;
    *file = (mesh_bytes){file->data + head_len, len - head_len};
    return true;
}

static bool is_plain(const char *name) {
    return strcmp(name, AGENT_VAULT_CONFIG) == 0 || strcmp(name, AGENT_VAULT_STORE) == 0 ||
           strcmp(name, AGENT_VAULT_LABELS) == 0;
}

int agent_vault_read(const char *vault, const char *name, mesh_bytes *out,
                     char text[AGENT_VAULT_TEXT_MAX]) {
    char path[PATH_LEN_MAX];
    size_t len = 0;
    path_of(vault, name, path);
    int fd = open_file(path, name, &len, text);
    if (fd < 0) return fd;
    uint8_t *data = mem_alloc(len);
    ssize_t got = read_all(fd, data, len);
    close(fd);
    mesh_bytes body = {data, got > 0 ? (size_t)got : 0};
    int err = 0;
    if (got < 0)
        err = fail(text, (int)-got, "read", path, advice_of(name));
    else if (!is_plain(name) && !unwrap(name, &body))
        err = agent_vault_damaged(vault, name, "it is damaged or not whole", text);
    if (err == 0) *out = (mesh_bytes){mem_copy(body.data, body.len), body.len};
    sodium_memzero(data, len);
    free(data);
    return err;
}

void agent_vault_free(mesh_bytes bytes) {
    if (bytes.data == NULL) return;
    void *data = (void *)(uintptr_t)bytes.data;
    sodium_memzero(data, bytes.len);
    free(data);
}

// ---- writing

static int write_all(int fd, mesh_bytes bytes) {
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.data, bytes.len);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return -errno;
        bytes = mesh_bytes_skip(bytes, (size_t)put);
    }
    return 0;
}

static int sync_directory(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int err = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return err;
}

static int write_new(const char *path, mesh_bytes head, mesh_bytes body, mesh_bytes check) {
    (void)unlink(path); // of a life that was cut short
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return -errno;
    int err = write_all(fd, head);
    if (err == 0) err = write_all(fd, body);
    if (err == 0) err = write_all(fd, check);
    if (err == 0 && fsync(fd) != 0) err = -errno;
    if (close(fd) != 0 && err == 0) err = -errno;
    if (err != 0) (void)unlink(path);
    return err;
}

int agent_vault_write(const char *vault, const char *name, mesh_bytes body,
                      char text[AGENT_VAULT_TEXT_MAX]) {
    char path[PATH_LEN_MAX], fresh[NEW_PATH_LEN_MAX], head[HEAD_LEN_MAX];
    uint8_t check[CHECK_LEN];
    CHECK(body.len <= AGENT_VAULT_BODY_LEN_MAX);
    path_of(vault, name, path);
    new_path_of(path, fresh);
    mesh_bytes first = {(const uint8_t *)head, put_head(name, head)}, last = {check, CHECK_LEN};
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, CHECK_LEN);
    (void)crypto_generichash_update(&state, first.data, first.len);
    (void)crypto_generichash_update(&state, body.data, body.len);
    (void)crypto_generichash_final(&state, check, CHECK_LEN);
    if (is_plain(name)) first.len = last.len = 0;
    int err = write_new(fresh, first, body, last);
    if (err == 0 && rename(fresh, path) != 0) {
        err = -errno;
        (void)unlink(fresh);
    }
    if (err == 0) err = sync_directory(vault);
    return err == 0 ? 0 : fail(text, -err, "write", path, "");
}

// ---- messages

int agent_vault_read_message(const char *vault, const char *name,
                             const ProtobufCMessageDescriptor *descriptor, agent_vault_take_cb take,
                             void *user, char text[AGENT_VAULT_TEXT_MAX]) {
    mesh_bytes file;
    int err = agent_vault_read(vault, name, &file, text);
    if (err != 0) return err;
    mesh_budget budget;
    mesh_budget_init(&budget, MESH_BUDGET_DEFAULT);
    ProtobufCMessage *message =
        protobuf_c_message_unpack(descriptor, &budget.allocator, file.len, file.data);
    if (message == NULL || message->n_unknown_fields > 0 || !take(message, user))
        err = agent_vault_damaged(vault, name, "what it says makes no sense", text);
    if (message != NULL) protobuf_c_message_free_unpacked(message, &budget.allocator);
    agent_vault_free(file);
    return err;
}

int agent_vault_write_message(const char *vault, const char *name, const ProtobufCMessage *message,
                              char text[AGENT_VAULT_TEXT_MAX]) {
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = mem_alloc(len);
    (void)protobuf_c_message_pack(message, bytes);
    int err = agent_vault_write(vault, name, (mesh_bytes){bytes, len}, text);
    sodium_memzero(bytes, len);
    free(bytes);
    return err;
}

// ---- making a vault

int agent_vault_begin(const char *state, char out_vault[AGENT_VAULT_PATH_MAX],
                      char text[AGENT_VAULT_TEXT_MAX]) {
    (void)snprintf(out_vault, AGENT_VAULT_PATH_MAX, "%s/cluster.XXXXXX", state);
    if (mkdtemp(out_vault) != NULL) return 0; // 0700
    return fail(text, errno, "make a directory in", state, "");
}

int agent_vault_finish(const char *state, const char *vault, char text[AGENT_VAULT_TEXT_MAX]) {
    char place[AGENT_VAULT_PATH_MAX];
    agent_vault_path(state, place);
    // Fails when there is one: that has files in it.
    if (rename(vault, place) != 0) {
        int err = errno == ENOTEMPTY ? EEXIST : errno;
        return fail(text, err, "put the new keys to", place, "");
    }
    int err = sync_directory(state);
    return err == 0 ? 0 : fail(text, -err, "write", state, "");
}

void agent_vault_abandon(const char *vault) {
    static const char *const names[] = {
        AGENT_VAULT_ROOT,    AGENT_VAULT_ISSUER, AGENT_VAULT_HOST,   AGENT_VAULT_GENERATION,
        AGENT_VAULT_TICKETS, AGENT_VAULT_PEERS,  AGENT_VAULT_CONFIG, lock_name};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[PATH_LEN_MAX], fresh[NEW_PATH_LEN_MAX];
        path_of(vault, names[i], path);
        (void)unlink(path);
        new_path_of(path, fresh); // of a life that was cut short
        (void)unlink(fresh);
    }
    (void)rmdir(vault);
}

int agent_vault_retire(const char *state, uint64_t now_s, char out_vault[AGENT_VAULT_PATH_MAX],
                       char text[AGENT_VAULT_TEXT_MAX]) {
    char vault[AGENT_VAULT_PATH_MAX], aside[AGENT_VAULT_PATH_MAX];
    agent_vault_path(state, vault);
    (void)snprintf(aside, sizeof aside, "%s/cluster.left-%" PRIu64, state, now_s);
    text[0] = '\0';
    if (rename(vault, aside) != 0)
        return errno == ENOENT ? -ENOENT : fail(text, errno, "put aside", vault, "");
    int err = sync_directory(state);
    if (err != 0) return fail(text, -err, "write", state, "");
    memcpy(out_vault, aside, sizeof aside);
    return 0;
}

int agent_vault_lock(const char *vault, char text[AGENT_VAULT_TEXT_MAX]) {
    char path[PATH_LEN_MAX];
    path_of(vault, lock_name, path);
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return fail(text, errno, "open", path, "");
    // A command holds it for a millisecond; one that was stopped in there must not stop the agent.
    int err = 0;
    for (int i = 0; i < LOCK_TRIES; i++) {
        err = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
        if (err == 0) return fd;
        if (err != EINTR && err != EWOULDBLOCK) break;
        (void)usleep(LOCK_PAUSE_US);
    }
    close(fd);
    return fail(text, err, "lock", path, "a `warren token create` holds it: is it stopped?");
}
