#include "deploy/bundle.h"

#include <stdio.h>

#include "bundle.pb-c.h"
#include "core/budget.h"
#include "core/error.h"
#include "core/mem.h"

enum { VERSION = 1 };

const char deploy_platform[] = WARREN_PLATFORM;

// ---- one entry

size_t deploy_entry_chunk_count(const deploy_entry *entry) {
    if (entry->kind != DEPLOY_FILE || entry->len == 0) return 0;
    return (size_t)((entry->len + DEPLOY_CHUNK_LEN - 1) / DEPLOY_CHUNK_LEN);
}

const deploy_hash *deploy_entry_chunk(const deploy_entry *entry, size_t index) {
    return entry->len > DEPLOY_CHUNK_LEN ? &entry->chunks[index] : &entry->hash;
}

size_t deploy_entry_chunk_len(const deploy_entry *entry, size_t index) {
    uint64_t rest = entry->len - (uint64_t)index * DEPLOY_CHUNK_LEN;
    return rest < DEPLOY_CHUNK_LEN ? (size_t)rest : DEPLOY_CHUNK_LEN;
}

void deploy_bundle_id(const deploy_hash *manifest, char out[DEPLOY_ID_MAX]) {
    for (size_t i = 0; i < (DEPLOY_ID_MAX - 1) / 2; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", manifest->bytes[i]);
}

bool deploy_bundle_is_id(const char *text) {
    return strlen(text) == DEPLOY_ID_MAX - 1 &&
           strspn(text, "0123456789abcdef") == DEPLOY_ID_MAX - 1;
}

// ---- the list

void deploy_bundle_init(deploy_bundle *bundle) {
    *bundle = (deploy_bundle){.platform = ""};
}

// The path is the first of what was copied together.
void deploy_bundle_deinit(deploy_bundle *bundle) {
    for (size_t i = 0; i < bundle->count; i++)
        free((char *)(uintptr_t)bundle->entries[i].path);
    free(bundle->entries);
    deploy_bundle_init(bundle);
}

static char *put_text(char **at, const char *text, size_t len) {
    char *copy = *at;
    memcpy(copy, text, len);
    copy[len] = '\0';
    *at += len + 1;
    return copy;
}

void deploy_bundle_add(deploy_bundle *bundle, const deploy_entry *entry) {
    size_t path_len = strlen(entry->path), chunks_len = entry->chunk_count * sizeof(deploy_hash);
    size_t target_len = entry->target != NULL ? strlen(entry->target) : 0;
    char *at = mem_alloc(path_len + target_len + chunks_len + 2);
    bundle->entries = mem_grow(bundle->entries, sizeof *entry, bundle->count + 1, &bundle->cap);
    deploy_entry *copy = &bundle->entries[bundle->count++];
    *copy = *entry;
    copy->path = put_text(&at, entry->path, path_len);
    if (entry->target != NULL) copy->target = put_text(&at, entry->target, target_len);
    if (chunks_len > 0) memcpy(at, entry->chunks, chunks_len);
    copy->chunks = (const deploy_hash *)at; // of bytes: it may lie anywhere
}

static int compare(const void *a, const void *b) {
    return strcmp(((const deploy_entry *)a)->path, ((const deploy_entry *)b)->path);
}

const deploy_entry *deploy_bundle_find(const deploy_bundle *bundle, const char *path) {
    deploy_entry wanted = {.path = path};
    if (bundle->count == 0) return NULL;
    return bsearch(&wanted, bundle->entries, bundle->count, sizeof wanted, compare);
}

// ---- rules

static bool is_part(const char *part, size_t len) {
    if (len == 0 || len > DEPLOY_PART_LEN_MAX) return false;
    return !(part[0] == '.' && (len == 1 || (len == 2 && part[1] == '.')));
}

// Names between single slashes; the count of them, or 0: it is no such path.
static size_t count_parts(const char *path) {
    size_t count = 0;
    if (strlen(path) > DEPLOY_PATH_LEN_MAX) return 0;
    for (;; count++) {
        size_t len = strcspn(path, "/");
        if (!is_part(path, len)) return 0;
        if (path[len] == '\0') return count + 1 <= DEPLOY_DEPTH_MAX ? count + 1 : 0;
        path += len + 1;
    }
}

// Up at most as often as the link lies deep, and down from there. A name and then up again is not
// allowed: the name could be a link itself, and then up is somewhere else.
bool deploy_bundle_is_inside(const char *path, const char *target) {
    size_t depth = count_parts(path), up = 0;
    if (strncmp(target, "./", 2) == 0) target += 2;
    while (strncmp(target, "../", 3) == 0) {
        target += 3;
        up++;
    }
    if (strcmp(target, "..") == 0) return ++up < depth;
    bool is_here = strcmp(target, ".") == 0 || (target[0] == '\0' && up > 0);
    return depth > up && (is_here || count_parts(target) > 0);
}

static bool has_hash(const deploy_entry *entry) {
    static const deploy_hash none;
    return memcmp(&entry->hash, &none, sizeof none) != 0;
}

static const char *judge_file(const deploy_entry *entry) {
    if (entry->len > DEPLOY_FILE_LEN_MAX) return "it is larger than 1 GiB";
    size_t wanted = entry->len > DEPLOY_CHUNK_LEN ? deploy_entry_chunk_count(entry) : 0;
    if (entry->chunk_count != wanted) return "its chunks do not fit its length";
    return entry->target != NULL ? "it has a target, and is no link" : NULL;
}

static const char *judge_other(const deploy_entry *entry) {
    bool is_link = entry->kind == DEPLOY_LINK;
    if (entry->is_executable || entry->len > 0 || entry->chunk_count > 0 || has_hash(entry))
        return "it is no file, and has something of one";
    if (is_link != (entry->target != NULL)) return "only a link has a target";
    if (is_link && !deploy_bundle_is_inside(entry->path, entry->target))
        return "it is a link that leads out of the directory, or not straight to its target";
    return NULL;
}

// What is above it must be a directory of the list: so no path goes through a link or a file.
static const char *judge_parent(const deploy_bundle *bundle, const deploy_entry *entry) {
    char parent[DEPLOY_PATH_LEN_MAX + 1];
    const char *slash = strrchr(entry->path, '/');
    if (slash == NULL) return NULL;
    (void)snprintf(parent, sizeof parent, "%.*s", (int)(slash - entry->path), entry->path);
    const deploy_entry *above = deploy_bundle_find(bundle, parent);
    return above != NULL && above->kind == DEPLOY_DIRECTORY ? NULL : "it lies in no directory";
}

static const char *judge(const deploy_bundle *bundle, size_t index) {
    const deploy_entry *entry = &bundle->entries[index];
    if (count_parts(entry->path) == 0)
        return "its path is too long, too deep, or none of a file below the directory";
    if (index > 0 && strcmp(entry[-1].path, entry->path) == 0) return "it is there twice";
    const char *why = entry->kind == DEPLOY_FILE ? judge_file(entry) : judge_other(entry);
    return why != NULL ? why : judge_parent(bundle, entry);
}

static int refuse(char text[DEPLOY_TEXT_MAX], const char *path, const char *why) {
    (void)snprintf(text, DEPLOY_TEXT_MAX, "%.300s cannot be in a release: %s", path, why);
    return MESH_EINVAL;
}

static bool is_platform(const char *text) {
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text);
}

static int judge_all(deploy_bundle *bundle, char text[DEPLOY_TEXT_MAX]) {
    bundle->len = bundle->file_count = 0;
    if (bundle->count > DEPLOY_ENTRIES_MAX) {
        (void)snprintf(text, DEPLOY_TEXT_MAX,
                       "a release has at most %d files, links and directories", DEPLOY_ENTRIES_MAX);
        return MESH_ETOOBIG;
    }
    for (size_t i = 0; i < bundle->count; i++) {
        const char *why = judge(bundle, i);
        if (why != NULL) return refuse(text, bundle->entries[i].path, why);
        bundle->len += bundle->entries[i].len;
        bundle->file_count += bundle->entries[i].kind == DEPLOY_FILE;
    }
    if (bundle->len > DEPLOY_BUNDLE_LEN_MAX) {
        (void)snprintf(text, DEPLOY_TEXT_MAX, "the files of a release have at most 4 GiB together");
        return MESH_ETOOBIG;
    }
    if (is_platform(bundle->platform)) return 0;
    return refuse(text, "the platform", "it is none");
}

int deploy_bundle_finish(deploy_bundle *bundle, char text[DEPLOY_TEXT_MAX]) {
    if (bundle->count > 0) qsort(bundle->entries, bundle->count, sizeof(deploy_entry), compare);
    return judge_all(bundle, text);
}

// ---- bytes

static ProtobufCBinaryData view(const void *data, size_t len) {
    return (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
}

static void fill(const deploy_entry *entry, Warren__Bundle__Entry *out) {
    warren__bundle__entry__init(out);
    out->path = view(entry->path, strlen(entry->path));
    out->kind = (Warren__Bundle__Entry__Kind)entry->kind;
    out->is_executable = entry->is_executable;
    out->len = entry->len;
    if (entry->kind == DEPLOY_FILE) out->hash = view(&entry->hash, sizeof entry->hash);
    out->chunks = view(entry->chunks, entry->chunk_count * sizeof *entry->chunks);
    if (entry->target != NULL) out->target = view(entry->target, strlen(entry->target));
}

mesh_bytes deploy_bundle_encode(const deploy_bundle *bundle) {
    Warren__Bundle__Manifest message = WARREN__BUNDLE__MANIFEST__INIT;
    Warren__Bundle__Entry *entries = mem_alloc(bundle->count * sizeof *entries);
    Warren__Bundle__Entry **pointers = mem_alloc(bundle->count * sizeof(void *));
    for (size_t i = 0; i < bundle->count; i++) {
        fill(&bundle->entries[i], &entries[i]);
        pointers[i] = &entries[i];
    }
    message.version = VERSION;
    message.platform = (char *)(uintptr_t)bundle->platform;
    message.needs_install = bundle->needs_install;
    message.entries = pointers;
    message.n_entries = bundle->count;
    size_t len = warren__bundle__manifest__get_packed_size(&message);
    uint8_t *bytes = mem_alloc(len);
    (void)warren__bundle__manifest__pack(&message, bytes);
    free(pointers);
    free(entries);
    return (mesh_bytes){bytes, len};
}

// A copy with an end; NULL: there is a byte 0 in it, or it is too long.
static char *take_text(ProtobufCBinaryData from) {
    if (from.len > DEPLOY_PATH_LEN_MAX ||
        (from.len > 0 && memchr(from.data, '\0', from.len) != NULL))
        return NULL;
    char *text = mem_alloc(from.len + 1);
    if (from.len > 0) memcpy(text, from.data, from.len);
    return text;
}

static bool take_entry(const Warren__Bundle__Entry *from, deploy_bundle *out) {
    deploy_entry entry = {.kind = (deploy_kind)from->kind,
                          .is_executable = from->is_executable,
                          .len = from->len,
                          .chunks = (const deploy_hash *)from->chunks.data,
                          .chunk_count = from->chunks.len / DEPLOY_HASH_LEN};
    bool is_file = from->kind == WARREN__BUNDLE__ENTRY__KIND__FILE;
    if (from->kind < 0 || from->kind > WARREN__BUNDLE__ENTRY__KIND__LINK) return false;
    if (from->hash.len != (is_file ? DEPLOY_HASH_LEN : 0)) return false;
    if (from->chunks.len % DEPLOY_HASH_LEN != 0 || entry.chunk_count > DEPLOY_FILE_CHUNKS_MAX)
        return false;
    if (is_file) memcpy(&entry.hash, from->hash.data, DEPLOY_HASH_LEN);
    char *path = take_text(from->path), *target = take_text(from->target);
    bool is_sound = path != NULL && target != NULL;
    entry.path = path;
    if (from->target.len > 0) entry.target = target;
    if (is_sound) deploy_bundle_add(out, &entry);
    free(path);
    free(target);
    return is_sound;
}

static bool take(const Warren__Bundle__Manifest *from, deploy_bundle *out) {
    if (from->version != VERSION || strlen(from->platform) >= sizeof out->platform) return false;
    (void)snprintf(out->platform, sizeof out->platform, "%s", from->platform);
    out->needs_install = from->needs_install;
    for (size_t i = 0; i < from->n_entries; i++)
        if (!take_entry(from->entries[i], out)) return false;
    return true;
}

// The order of fields and entries, fields that are not known, numbers that are longer than they
// need to be: none of it comes back when it is written again.
static bool is_canonical(const deploy_bundle *bundle, mesh_bytes bytes) {
    mesh_bytes again = deploy_bundle_encode(bundle);
    bool is_same = again.len == bytes.len && memcmp(again.data, bytes.data, bytes.len) == 0;
    free((void *)(uintptr_t)again.data);
    return is_same;
}

static int unpack(mesh_bytes bytes, deploy_bundle *out, char text[DEPLOY_TEXT_MAX]) {
    mesh_budget budget;
    mesh_budget_init(&budget, DEPLOY_MANIFEST_MEMORY_MAX);
    Warren__Bundle__Manifest *message =
        warren__bundle__manifest__unpack(&budget.allocator, bytes.len, bytes.data);
    bool is_read =
        message != NULL && message->n_entries <= DEPLOY_ENTRIES_MAX && take(message, out);
    if (message != NULL) warren__bundle__manifest__free_unpacked(message, &budget.allocator);
    if (is_read) return judge_all(out, text); // not sorted before: it has to be
    (void)snprintf(text, DEPLOY_TEXT_MAX, "the list of a release cannot be read");
    return MESH_EINVAL;
}

int deploy_bundle_decode(mesh_bytes bytes, deploy_bundle *out, char text[DEPLOY_TEXT_MAX]) {
    deploy_bundle_init(out);
    int err = MESH_ETOOBIG;
    if (bytes.len > DEPLOY_MANIFEST_LEN_MAX)
        (void)snprintf(text, DEPLOY_TEXT_MAX, "the list of a release has at most 32 MiB");
    else
        err = unpack(bytes, out, text);
    for (size_t i = 1; err == 0 && i < out->count; i++)
        if (compare(&out->entries[i - 1], &out->entries[i]) >= 0)
            err = refuse(text, out->entries[i].path, "it is out of order");
    if (err == 0 && !is_canonical(out, bytes)) {
        (void)snprintf(text, DEPLOY_TEXT_MAX, "the list of a release is not written as one is");
        err = MESH_EINVAL;
    }
    if (err != 0) deploy_bundle_deinit(out);
    return err;
}
