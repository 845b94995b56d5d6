#include "cli/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/ignore.h"
#include "cli/progress.h"
#include "core/mem.h"
#include "deploy/bundle_chunk.h"
#include "io/paths.h"

enum { IGNORE_LEN_MAX = 1 << 20, LOOK_AFTER = 64 };

// Below what files say: passwords, and tokens for registries. node_modules has no secrets of this
// application.
static const char secret_names[] = ".env\n.env.*\n.npmrc\n";

typedef struct level { // a directory that is being walked
    struct level *above;
    cli_ignore *ignore; // of the file in it; NULL: none
    size_t path_len;    // of its path, with a slash behind
    bool is_modules;    // node_modules, or below one
    int fd;
} level;

typedef struct walk {
    const cli_pack_options *options;
    cli_pack *pack;
    const char *ignore_name; // .warrenignore or .gitignore
    bool is_warrens;
    cli_ignore *secrets;
    char path[DEPLOY_PATH_LEN_MAX + DEPLOY_PART_LEN_MAX + 2];
    size_t depth;
    uint8_t *buffer; // of a chunk
    deploy_hash *chunks;
    struct stat state; // the agent's directory: never in a release
    bool has_addon;
    cli_progress progress;
    uint32_t steps; // since somebody was asked whether it is over
} walk;

// ---- sentences

static int fail(walk *w, const char *what, int err) {
    cli_progress_end(&w->progress);
    cli_say("cannot %s %s: %s", what, w->path[0] != '\0' ? w->path : w->options->dir,
            strerror(err));
    return CLI_FAILED;
}

static int refuse(walk *w, const char *why) {
    cli_progress_end(&w->progress);
    cli_say("%s %s: leave it out by a line in %s", w->path, why,
            w->is_warrens ? w->ignore_name : ".warrenignore");
    return CLI_FAILED;
}

static int fail_ignore(walk *w, int err) {
    cli_progress_end(&w->progress);
    cli_say("cannot read %s%s: %s", w->path, w->ignore_name, strerror(err));
    return CLI_FAILED;
}

// Every few files, or MiB.
static int look(walk *w) {
    if (w->options->is_over == NULL || ++w->steps < LOOK_AFTER) return CLI_DONE;
    w->steps = 0;
    return w->options->is_over(w->options->user);
}

// ---- what is left out

// What cannot be read is no reason to pack what it leaves out. A link is none of these files, as
// git has it; `out` is NULL then, and when there is none.
static int read_ignore(walk *w, int dir_fd, cli_ignore **out) {
    struct stat info;
    *out = NULL;
    int fd = openat(dir_fd, w->ignore_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT || errno == ELOOP ? CLI_DONE : fail_ignore(w, errno);
    int err = fstat(fd, &info) != 0 ? errno : info.st_size > IGNORE_LEN_MAX ? EFBIG : 0;
    if (err == 0 && S_ISREG(info.st_mode)) {
        size_t len = (size_t)info.st_size;
        uint8_t *text = mem_alloc(len);
        ssize_t got = pread(fd, text, len, 0);
        if (got < 0) err = errno;
        if (got >= 0) *out = cli_ignore_parse((mesh_bytes){text, (size_t)got});
        free(text);
    }
    close(fd);
    return err == 0 ? CLI_DONE : fail_ignore(w, err);
}

// The nearest file that says something counts.
static cli_verdict judge_by_files(const walk *w, const level *here, bool is_directory) {
    for (const level *at = here; at != NULL; at = at->above) {
        if (at->ignore == NULL) continue;
        cli_verdict verdict = cli_ignore_judge(at->ignore, w->path + at->path_len, is_directory);
        if (verdict != CLI_UNSAID) return verdict;
    }
    return CLI_UNSAID;
}

static void note_secret(walk *w) {
    cli_pack *pack = w->pack;
    if (pack->secret_count < CLI_PACK_SECRETS_MAX)
        pack->secrets[pack->secret_count] = mem_copy(w->path, strlen(w->path) + 1);
    pack->secret_count++;
}

// .gitignore is made for what is written by hand: it leaves node_modules out, or a `build` in it.
static bool is_left_out(walk *w, const level *here, const char *name, bool is_directory) {
    bool is_modules = is_directory && strcmp(name, "node_modules") == 0;
    if (strcmp(name, ".git") == 0) return true;
    if (is_modules && w->options->installs) return true;
    bool asks = w->is_warrens || !(is_modules || here->is_modules);
    cli_verdict verdict = asks ? judge_by_files(w, here, is_directory) : CLI_UNSAID;
    if (verdict != CLI_UNSAID) return verdict == CLI_LEFT_OUT;
    if (here->is_modules || is_directory) return false;
    bool is_secret = cli_ignore_judge(w->secrets, w->path, false) == CLI_LEFT_OUT;
    if (is_secret) note_secret(w);
    return is_secret;
}

// ---- what is needed

// By what it is left out, and what to do about that.
static void explain(const walk *w, const level *here, bool is_directory,
                    char out[DEPLOY_TEXT_MAX]) {
    size_t number = 0;
    const char *name = w->path + here->path_len;
    for (const level *at = here; at != NULL; at = at->above) {
        const char *line =
            at->ignore != NULL
                ? cli_ignore_line_of(at->ignore, w->path + at->path_len, is_directory, &number)
                : NULL;
        if (line == NULL) continue;
        (void)snprintf(out, DEPLOY_TEXT_MAX, "line %zu of %.*s%s (%.80s) leaves it out: %s", number,
                       (int)at->path_len, w->path, w->ignore_name, line,
                       w->is_warrens ? "take that line away"
                                     : "make a .warrenignore, which is read instead, without it");
        return;
    }
    if (is_directory)
        (void)snprintf(out, DEPLOY_TEXT_MAX, "what is in %.80s is never in a release", name);
    else
        (void)snprintf(out, DEPLOY_TEXT_MAX,
                       "files called so have secrets in them: a line !%.80s in .warrenignore "
                       "brings it along",
                       name);
}

// Something is left out: if it is, or has, what a service needs, its start could only fail.
static int judge_needs(walk *w, const level *here, bool is_directory) {
    char why[DEPLOY_TEXT_MAX];
    size_t len = strlen(w->path);
    bool is_installed = strcmp(w->path + here->path_len, "node_modules") == 0;
    if (is_installed && w->options->installs) return CLI_DONE; // each host has its own
    for (size_t i = 0; i < w->options->need_count; i++) {
        const cli_pack_need *need = &w->options->needs[i];
        if (strncmp(need->path, w->path, len) != 0) continue;
        if (need->path[len] != '\0' && need->path[len] != '/') continue;
        explain(w, here, is_directory, why);
        cli_progress_end(&w->progress);
        cli_say("%.63s: %s %.200s would not be in the release, for %s", need->service, need->what,
                need->path, why);
        return CLI_USAGE;
    }
    return CLI_DONE;
}

// ---- one file

static bool is_elf(const uint8_t *bytes, size_t len) {
    return len > 4 && memcmp(bytes, "\177ELF", 4) == 0;
}

static void look_for_addon(walk *w, size_t len) {
    const char *dot = strrchr(w->path, '.');
    if (dot != NULL && strcmp(dot, ".node") == 0 && is_elf(w->buffer, len)) w->has_addon = true;
}

// Up to a chunk; less at the end of the file. Or -errno.
static ssize_t read_chunk(int fd, uint8_t *out, uint64_t at) {
    size_t len = 0;
    while (len < DEPLOY_CHUNK_LEN) {
        ssize_t got = pread(fd, out + len, DEPLOY_CHUNK_LEN - len, (off_t)(at + len));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        if (got == 0) break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

static int hash_file(walk *w, int fd, deploy_entry *entry) {
    deploy_hasher hasher;
    uint64_t at = 0;
    size_t count = 0;
    deploy_hasher_init(&hasher);
    for (;;) {
        ssize_t got = read_chunk(fd, w->buffer, at);
        if (got < 0) return fail(w, "read", (int)-got);
        if (at == 0) look_for_addon(w, (size_t)got);
        if (got == 0 || count == DEPLOY_FILE_CHUNKS_MAX) break;
        int over = look(w);
        if (over != CLI_DONE) return over;
        mesh_bytes piece = {w->buffer, (size_t)got};
        deploy_hasher_add(&hasher, piece);
        if (entry->len > DEPLOY_CHUNK_LEN) w->chunks[count++] = deploy_hash_of(piece);
        at += (uint64_t)got;
        if (got < DEPLOY_CHUNK_LEN) break;
    }
    entry->hash = deploy_hasher_end(&hasher);
    entry->chunks = w->chunks;
    entry->chunk_count = count;
    return at == entry->len ? CLI_DONE : -1;
}

static bool is_same(const struct stat *a, const struct stat *b) {
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int read_file(walk *w, int fd, deploy_entry *entry) {
    struct stat before, after;
    if (fstat(fd, &before) != 0) return fail(w, "read", errno);
    if (!S_ISREG(before.st_mode)) return refuse(w, "is no ordinary file any more");
    if (before.st_size > DEPLOY_FILE_LEN_MAX) return refuse(w, "is larger than 1 GiB");
    entry->len = (uint64_t)before.st_size;
    entry->is_executable = (before.st_mode & 0100) != 0;
    int err = hash_file(w, fd, entry);
    if (err > 0) return err;
    if (err == 0 && fstat(fd, &after) == 0 && is_same(&before, &after)) return CLI_DONE;
    cli_progress_end(&w->progress);
    cli_say("%s was changed while it was read: run this again when nobody writes to it", w->path);
    return CLI_FAILED;
}

static int add_file(walk *w, const level *here, const char *name) {
    deploy_entry entry = {.path = w->path, .kind = DEPLOY_FILE};
    int fd = openat(here->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return fail(w, "read", errno);
    int err = read_file(w, fd, &entry);
    close(fd);
    if (err == CLI_DONE) deploy_bundle_add(&w->pack->bundle, &entry);
    return err;
}

static int add_link(walk *w, const level *here, const char *name) {
    char target[DEPLOY_PATH_LEN_MAX + 1];
    deploy_entry entry = {.path = w->path, .kind = DEPLOY_LINK, .target = target};
    ssize_t len = readlinkat(here->fd, name, target, sizeof target);
    if (len < 0) return fail(w, "read the link", errno);
    if (len == sizeof target) return refuse(w, "is a link to a path that is too long");
    target[len] = '\0';
    if (!deploy_bundle_is_inside(w->path, target)) {
        char why[DEPLOY_TEXT_MAX];
        (void)snprintf(why, sizeof why,
                       "is a link to %.300s, which is not inside of the directory (or not straight "
                       "to it, by ../ and then names)",
                       target);
        return refuse(w, why);
    }
    deploy_bundle_add(&w->pack->bundle, &entry);
    return CLI_DONE;
}

// ---- the walk

static int walk_level(walk *w, level *here);

static int add_directory(walk *w, level *here, const char *name) {
    deploy_entry entry = {.path = w->path, .kind = DEPLOY_DIRECTORY};
    size_t len = strlen(w->path);
    if (w->depth >= DEPLOY_DEPTH_MAX)
        return refuse(w, "lies too deep: 64 directories are the most");
    level below = {.above = here,
                   .path_len = len + 1,
                   .is_modules = here->is_modules || strcmp(name, "node_modules") == 0};
    below.fd = openat(here->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below.fd < 0) return fail(w, "read", errno);
    deploy_bundle_add(&w->pack->bundle, &entry);
    memcpy(w->path + len, "/", 2);
    return walk_level(w, &below);
}

static int add(walk *w, level *here, const char *name) {
    struct stat info;
    if (fstatat(here->fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? CLI_DONE : fail(w, "look at", errno); // it has just been removed
    bool is_directory = S_ISDIR(info.st_mode);
    if (is_directory && info.st_dev == w->state.st_dev && info.st_ino == w->state.st_ino)
        return CLI_DONE;
    if (is_left_out(w, here, name, is_directory)) return judge_needs(w, here, is_directory);
    if (w->pack->bundle.count >= DEPLOY_ENTRIES_MAX)
        return refuse(w, "is one too many: a release has at most 100,000 files, links and "
                         "directories (is there something that need not be in it?)");
    if (strlen(w->path) > DEPLOY_PATH_LEN_MAX) return refuse(w, "has too long a path");
    if (cli_progress_is_due(&w->progress))
        cli_progress_show(&w->progress, "packing: %zu files", w->pack->bundle.count);
    switch (info.st_mode & S_IFMT) {
    case S_IFDIR: return add_directory(w, here, name);
    case S_IFREG: return add_file(w, here, name);
    case S_IFLNK: return add_link(w, here, name);
    case S_IFIFO: return refuse(w, "is a named pipe, which cannot be in a release");
    case S_IFSOCK: return refuse(w, "is a socket, which cannot be in a release");
    default: return refuse(w, "is a device, which cannot be in a release");
    }
}

static int walk_names(walk *w, level *here, DIR *dir) {
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        (void)snprintf(w->path + here->path_len, sizeof w->path - here->path_len, "%s", name);
        int err = add(w, here, name);
        if (err != CLI_DONE) return err;
    }
    w->path[here->path_len] = '\0';
    return errno == 0 ? CLI_DONE : fail(w, "read", errno);
}

// Takes the descriptor.
static int walk_level(walk *w, level *here) {
    bool asks = w->is_warrens || !here->is_modules;
    DIR *dir = fdopendir(here->fd);
    if (dir == NULL) {
        int err = errno;
        close(here->fd);
        return fail(w, "read", err);
    }
    int err = asks ? read_ignore(w, here->fd, &here->ignore) : CLI_DONE;
    w->depth++;
    if (err == CLI_DONE) err = walk_names(w, here, dir);
    w->depth--;
    cli_ignore_free(here->ignore);
    closedir(dir);
    return err;
}

// ---- all of it

static int open_root(walk *w) {
    struct stat info;
    const char *dir = w->options->dir;
    w->pack->root_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->pack->root_fd < 0) {
        cli_say("cannot pack %s: %s", dir, strerror(errno));
        return errno == ENOENT || errno == ENOTDIR ? CLI_USAGE : CLI_FAILED;
    }
    w->is_warrens = fstatat(w->pack->root_fd, ".warrenignore", &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (w->is_warrens && !S_ISREG(info.st_mode)) {
        cli_say("%s/.warrenignore is no ordinary file: put the file itself there", dir);
        return CLI_USAGE;
    }
    w->ignore_name = w->is_warrens ? ".warrenignore" : ".gitignore";
    char state[MESH_PATHS_LEN_MAX];
    if (mesh_paths_dir(state) == 0) (void)stat(state, &w->state); // not there: nothing is it
    return CLI_DONE;
}

static int judge_install(const walk *w) {
    const deploy_bundle *bundle = &w->pack->bundle;
    if (!w->options->installs) return CLI_DONE;
    if (deploy_bundle_find(bundle, "package-lock.json") != NULL ||
        deploy_bundle_find(bundle, "npm-shrinkwrap.json") != NULL)
        return CLI_DONE;
    cli_say(
        "%s has no package-lock.json: --npm-ci needs one, which `npm install` makes (and it may "
        "not be left out)",
        w->options->dir);
    return CLI_USAGE;
}

static int finish(walk *w) {
    cli_pack *pack = w->pack;
    char text[DEPLOY_TEXT_MAX];
    if (w->has_addon)
        (void)snprintf(pack->bundle.platform, DEPLOY_PLATFORM_MAX, "%s", deploy_platform);
    pack->bundle.needs_install = w->options->installs;
    if (deploy_bundle_finish(&pack->bundle, text) != 0) {
        cli_say("%s", text);
        return CLI_FAILED;
    }
    if (pack->bundle.file_count == 0) {
        cli_say("there is nothing to pack in %s", w->options->dir);
        return CLI_USAGE;
    }
    pack->manifest = deploy_bundle_encode(&pack->bundle);
    pack->hash = deploy_hash_of(pack->manifest);
    if (pack->manifest.len <= DEPLOY_MANIFEST_LEN_MAX) return judge_install(w);
    cli_say("the paths of all files are too long together: their list has more than 32 MiB");
    return CLI_FAILED;
}

int cli_pack_make(const cli_pack_options *options, cli_pack *out) {
    walk w = {.options = options, .pack = out};
    *out = (cli_pack){.root_fd = -1};
    deploy_bundle_init(&out->bundle);
    int err = open_root(&w);
    if (err == CLI_DONE) {
        w.secrets = cli_ignore_parse(mesh_bytes_text(secret_names));
        w.buffer = mem_alloc(DEPLOY_CHUNK_LEN);
        w.chunks = mem_alloc(DEPLOY_FILE_CHUNKS_MAX * sizeof(deploy_hash));
        cli_progress_begin(&w.progress, options->has_progress);
        level root = {.fd = dup(out->root_fd)}; // a descriptor of a directory is walked once
        err = walk_level(&w, &root);
        cli_progress_end(&w.progress);
        if (err == CLI_DONE) err = finish(&w);
        free(w.chunks);
        free(w.buffer);
        cli_ignore_free(w.secrets);
    }
    if (err != CLI_DONE) cli_pack_deinit(out);
    return err;
}

void cli_pack_deinit(cli_pack *pack) {
    for (size_t i = 0; i < pack->secret_count && i < CLI_PACK_SECRETS_MAX; i++)
        free(pack->secrets[i]);
    free((void *)(uintptr_t)pack->manifest.data);
    deploy_bundle_deinit(&pack->bundle);
    if (pack->root_fd >= 0) close(pack->root_fd);
    *pack = (cli_pack){.root_fd = -1};
}

int cli_pack_read(const cli_pack *pack, const deploy_entry *entry, size_t chunk, uint8_t *out) {
    int fd = openat(pack->root_fd, entry->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read_chunk(fd, out, (uint64_t)chunk * DEPLOY_CHUNK_LEN) : -errno;
    if (fd >= 0) close(fd);
    if (got < 0) {
        cli_say("cannot read %s any more: %s", entry->path, strerror((int)-got));
        return CLI_FAILED;
    }
    deploy_hash hash = deploy_hash_of((mesh_bytes){out, (size_t)got});
    if (deploy_hash_equal(&hash, deploy_entry_chunk(entry, chunk))) return CLI_DONE;
    cli_say("%s was changed while it was packed: run this again when nobody writes to it",
            entry->path);
    return CLI_FAILED;
}
