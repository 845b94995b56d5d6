// The loop's side: what was asked goes to libuv's threads, one thing after the other, but for what
// may be done beside it; the list of what is here changes when a thing is done.
#include "agent/releases.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include <sodium.h>

#include "agent/releases_state.h"
#include "agent/say.h"
#include "core/error.h"
#include "core/mem.h"
#include "io/wall.h"

// ---- jobs

static release_job *make(agent_releases *r, release_work run, agent_releases_cb cb, void *user) {
    release_job *job = mem_alloc(sizeof *job);
    job->releases = r;
    job->run = run;
    job->cb = cb;
    job->user = user;
    job->work.data = job;
    return job;
}

static size_t cost_of(const release_job *put) {
    return sizeof *put + put->len;
}

static void free_job(release_job *job) {
    sodium_memzero(&job->signer, sizeof job->signer);
    deploy_bundle_deinit(&job->bundle);
    free(job->hashes);
    free(job->bytes);
    free(job->known);
    free(job->are_kept);
    free(job->gone);
    free(job->coming);
    free(job);
}

static void free_all(agent_releases *r) {
    for (size_t i = 0; i < r->count; i++)
        free((void *)(uintptr_t)r->list[i].bytes.data);
    for (size_t i = 0; i < AGENT_RELEASES_KEEPERS_MAX; i++)
        free(r->keepers[i].ids);
    free(r->plain);
    free(r->list);
    free(r);
}

static void work(uv_work_t *request) {
    release_job *job = request->data;
    if (!releases_is_ending(job)) job->run(job);
}

static void on_worked(uv_work_t *request, int status);

static void start(release_job *job) {
    CHECK(uv_queue_work(job->releases->options.loop, &job->work, work, on_worked) == 0);
}

// Taken out of its queue; the next of those in order begins.
static void leave_queue(release_job *job) {
    agent_releases *r = job->releases;
    release_job **at = job->is_beside ? &r->beside : &r->first;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    if (job->is_beside) return;
    if (r->first == NULL)
        r->last = &r->first;
    else
        start(r->first);
}

static void enter_queue(release_job *job) {
    agent_releases *r = job->releases;
    if (job->is_beside) {
        job->next = r->beside;
        r->beside = job;
        start(job);
        return;
    }
    bool is_first = r->first == NULL;
    job->next = NULL;
    *r->last = job;
    r->last = &job->next;
    if (is_first) start(job);
}

// npm takes minutes: what else is asked for goes on meanwhile.
static void go_on(release_job *job) {
    leave_queue(job);
    job->run = job->then;
    job->then = NULL;
    job->is_beside = job->run == releases_install;
    enter_queue(job);
}

static void free_when_over(agent_releases *r) {
    if (r->is_closing && !r->is_telling && r->first == NULL && r->beside == NULL) free_all(r);
}

static bool find_room(release_job *job);

static void on_worked(uv_work_t *request, int status) {
    release_job *job = request->data;
    agent_releases *r = job->releases;
    (void)status;
    if (!r->is_closing && find_room(job)) return;
    if (job->then != NULL && !r->is_closing) {
        go_on(job);
        return;
    }
    leave_queue(job);
    if (job->is_put) r->queued -= cost_of(job);
    if (job->finish != NULL && !r->is_closing) job->finish(job);
    r->is_telling = true; // whoever is called may destroy all of it
    if (job->cb != NULL && !r->is_closing) job->cb(&job->result, job->user);
    r->is_telling = false;
    free_job(job);
    free_when_over(r);
}

static void forget_in(release_job *job, const void *user) {
    for (; job != NULL; job = job->next)
        if (job->user == user) job->cb = NULL;
}

void agent_releases_forget(agent_releases *r, const void *user) {
    forget_in(r->first, user);
    forget_in(r->beside, user);
}

size_t agent_releases_queued(const agent_releases *r) {
    return r->queued;
}

// ---- the list

static agent_release *find(const agent_releases *r, const char *id) {
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->list[i].id, id) == 0) return &r->list[i];
    return NULL;
}

const agent_release *agent_releases_find(const agent_releases *r, const char *id) {
    return find(r, id);
}

void agent_releases_each(const agent_releases *r, agent_release_cb each, void *user) {
    for (size_t i = 0; i < r->count; i++)
        each(&r->list[i], user);
}

const char *agent_releases_dir(const agent_releases *r, const char *id) {
    const agent_release *found = find(r, id);
    if (found == NULL || !found->is_unpacked) return NULL;
    releases_path(r->dir, id, ((agent_releases *)(uintptr_t)r)->path);
    return r->path;
}

// Copies the bytes.
static void put(agent_releases *r, const deploy_record *record, mesh_bytes bytes,
                bool is_unpacked) {
    char id[DEPLOY_ID_MAX];
    deploy_bundle_id(&record->manifest, id);
    agent_release *known = find(r, id);
    if (known == NULL) {
        r->list = mem_grow(r->list, sizeof *r->list, r->count + 1, &r->cap);
        known = &r->list[r->count++];
        known->bytes = (mesh_bytes){NULL, 0};
    }
    void *before = (void *)(uintptr_t)known->bytes.data;
    *known = (agent_release){.record = *record,
                             .is_unpacked = is_unpacked,
                             .bytes = {mem_copy(bytes.data, bytes.len), bytes.len}};
    memcpy(known->id, id, sizeof id);
    free(before);
}

static void drop(agent_releases *r, const char *id) {
    agent_release *known = find(r, id);
    if (known == NULL) return;
    void *bytes = (void *)(uintptr_t)known->bytes.data;
    *known = r->list[--r->count];
    r->list[r->count].bytes = (mesh_bytes){NULL, 0};
    free(bytes);
}

// One that was there when the agent began.
static void load_one(agent_releases *r, const char *id) {
    char name[RELEASES_NAME_MAX], path[AGENT_RELEASES_PATH_MAX];
    struct stat info;
    mesh_bytes bytes;
    deploy_record record;
    (void)snprintf(name, sizeof name, "manifests/%.32s", id);
    if (releases_read(r->dir, name, DEPLOY_RECORD_LEN_MAX, &bytes) != 0) return;
    int err = deploy_record_open(bytes, NULL, &record);
    releases_path(r->dir, id, path);
    if (err == 0)
        put(r, &record, bytes, stat(path, &info) == 0 && S_ISDIR(info.st_mode));
    else
        agent_say("%s/%s is damaged: that release is not used", r->dir, name);
    free((void *)(uintptr_t)bytes.data);
}

static void load(agent_releases *r) {
    char path[AGENT_RELEASES_PATH_MAX];
    releases_path(r->dir, "manifests", path);
    DIR *dir = opendir(path);
    if (dir == NULL) return;
    for (const struct dirent *entry;
         (entry = readdir(dir)) != NULL && r->count < AGENT_RELEASES_MAX;)
        if (deploy_bundle_is_id(entry->d_name)) load_one(r, entry->d_name);
    closedir(dir);
}

// ---- its life

agent_releases *agent_releases_create(const agent_releases_options *options) {
    agent_releases *r = mem_alloc(sizeof *r);
    struct stat info;
    r->options = *options;
    r->last = &r->first;
    (void)snprintf(r->dir, sizeof r->dir, "%s/releases", options->dir);
    atomic_init(&r->number, uv_hrtime());   // another one than in the life before
    if (stat(r->dir, &info) != 0) return r; // made when something comes
    load(r);
    enter_queue(make(r, releases_clear, NULL, NULL));
    return r;
}

void agent_releases_destroy(agent_releases *r) {
    if (r == NULL) return;
    r->is_closing = true;
    atomic_store(&r->is_ending, true);
    free_when_over(r);
}

void agent_releases_hold(agent_releases *r, int delta) {
    r->holds += delta;
    CHECK(r->holds >= 0);
    if (delta > 0) r->is_full = false; // another one begins: perhaps there is room now
    if (r->holds == 0) r->coming_count = 0;
}

// ---- what is asked

static void take_hashes(release_job *job, const deploy_hash *hashes, size_t count) {
    job->hashes = mem_copy(hashes, count * sizeof *hashes);
    job->hash_count = count;
    if (count > 0) job->result.hash = hashes[0];
}

void agent_releases_missing(agent_releases *r, const deploy_hash *hashes, size_t count,
                            agent_releases_cb cb, void *user) {
    release_job *job = make(r, releases_look, cb, user);
    take_hashes(job, hashes, count);
    enter_queue(job);
}

void agent_releases_put(agent_releases *r, const deploy_hash *hash, mesh_bytes sealed,
                        agent_releases_cb cb, void *user) {
    release_job *job = make(r, releases_put, cb, user);
    take_hashes(job, hash, 1);
    job->bytes = mem_copy(sealed.data, sealed.len);
    job->len = sealed.len;
    job->is_put = true;
    r->queued += cost_of(job); // of small ones most is what is kept about them
    enter_queue(job);
}

void agent_releases_get(agent_releases *r, const deploy_hash *hash, agent_releases_cb cb,
                        void *user) {
    release_job *job = make(r, releases_get, cb, user);
    take_hashes(job, hash, 1);
    job->is_beside = true;
    enter_queue(job);
}

// Its pieces are on their way: while somebody holds they do not go, also when the disk is full.
static void note_coming(agent_releases *r, const deploy_record *record) {
    for (size_t i = 0; i < r->coming_count; i++)
        if (deploy_hash_equal(&r->coming[i].manifest, &record->manifest)) return;
    if (r->holds > 0 && r->coming_count < RELEASES_COMING_MAX)
        r->coming[r->coming_count++] = *record;
}

void agent_releases_plan(agent_releases *r, const deploy_record *record, agent_releases_cb cb,
                         void *user) {
    note_coming(r, record);
    release_job *job = make(r, releases_plan, cb, user);
    job->record = *record;
    enter_queue(job);
}

static void refuse(release_job *job, int err, const char *text) {
    job->result.err = err;
    (void)snprintf(job->result.text, sizeof job->result.text, "%s", text);
}

static void say_no(release_job *job) {
    (void)job; // the answer is there; it is only told later, as any other
}

static void on_unpacked(release_job *job) {
    if (job->result.err != 0) return;
    put(job->releases, &job->record, (mesh_bytes){job->bytes, job->len}, true);
}

// Two lists whose hashes begin with the same 8 bytes were made to.
static bool is_other(const agent_releases *r, const deploy_hash *manifest) {
    char id[DEPLOY_ID_MAX];
    deploy_bundle_id(manifest, id);
    const agent_release *known = find(r, id);
    return known != NULL && !deploy_hash_equal(&known->record.manifest, manifest);
}

static bool may_unpack(release_job *job, const deploy_hash *manifest) {
    if (is_other(job->releases, manifest)) {
        refuse(job, MESH_EEXIST, "another release has the same id here: change any file of it");
        return false;
    }
    if (job->releases->count < AGENT_RELEASES_MAX) return true;
    refuse(job, MESH_EQUOTA, "this host has 1,000 releases: let some be collected first");
    return false;
}

// Copies what a signer borrows.
static bool take_signer(release_job *job) {
    const agent_releases_options *options = &job->releases->options;
    if (!options->signer(options->user, &job->signer)) {
        refuse(job, -EAGAIN, "this host is about to join or leave a cluster: run this again");
        return false;
    }
    for (size_t i = 0; i < job->signer.chain_count; i++) {
        mesh_bytes *cert = &job->signer.chain[i];
        CHECK(cert->len <= MESH_CERT_LEN_MAX);
        memcpy(job->certs[i], cert->data, cert->len);
        cert->data = job->certs[i];
    }
    return true;
}

void agent_releases_commit(agent_releases *r, const deploy_record *record, agent_releases_cb cb,
                           void *user) {
    release_job *job = make(r, say_no, cb, user);
    job->record = *record;
    job->record.at_ms = mesh_wall_ms();
    job->is_signed_here = true;
    if (may_unpack(job, &record->manifest) && take_signer(job)) {
        job->run = releases_unpack;
        job->finish = on_unpacked;
    }
    enter_queue(job);
}

void agent_releases_adopt(agent_releases *r, mesh_bytes bytes, const mesh_trust *trust,
                          agent_releases_cb cb, void *user) {
    release_job *job = make(r, say_no, cb, user);
    deploy_record record;
    job->has_trust = true;
    job->trust = *trust;
    int err = deploy_record_open(bytes, trust, &record);
    if (err != 0) {
        refuse(job, err, "the release is signed by no host of this cluster");
    } else if (may_unpack(job, &record.manifest)) {
        job->bytes = mem_copy(bytes.data, bytes.len);
        job->len = bytes.len;
        job->run = releases_unpack;
        job->finish = on_unpacked;
    }
    enter_queue(job);
}

void agent_releases_unpack(agent_releases *r, const char *id, agent_releases_cb cb, void *user) {
    release_job *job = make(r, say_no, cb, user);
    const agent_release *known = find(r, id);
    if (known == NULL) {
        refuse(job, MESH_ENOTFOUND, "this host has no such release");
    } else {
        job->bytes = mem_copy(known->bytes.data, known->bytes.len);
        job->len = known->bytes.len;
        job->run = releases_unpack;
        job->finish = on_unpacked;
    }
    enter_queue(job);
}

// ---- what is kept

void agent_releases_keep(agent_releases *r, const char *who, const char *const *ids, size_t count) {
    kept_list *list = r->keepers; // theirs, or the first that is nobody's
    while (list->who != NULL && strcmp(list->who, who) != 0)
        CHECK(++list < r->keepers + AGENT_RELEASES_KEEPERS_MAX); // there are fewer of them
    free(list->ids);
    *list = (kept_list){.who = who, .ids = mem_alloc(count * DEPLOY_ID_MAX), .count = count};
    for (size_t i = 0; i < count; i++)
        (void)snprintf(list->ids[i], DEPLOY_ID_MAX, "%s", ids[i]);
}

static bool is_kept(const agent_releases *r, const char *id) {
    for (size_t i = 0; i < AGENT_RELEASES_KEEPERS_MAX; i++)
        for (size_t k = 0; k < r->keepers[i].count; k++)
            if (strcmp(r->keepers[i].ids[k], id) == 0) return true;
    return false;
}

static void drop_gone(release_job *job) {
    for (size_t i = 0; i < job->gone_count; i++)
        drop(job->releases, job->gone[i]);
    job->gone_count = 0;
}

// What is here now, and what of it stays.
static void look_round(agent_releases *r, release_job *job) {
    if (r->options.on_collect != NULL) r->options.on_collect(r->options.user);
    job->known = mem_alloc(r->count * sizeof *job->known);
    job->are_kept = mem_alloc(r->count);
    job->gone = mem_alloc(r->count * sizeof *job->gone);
    for (size_t i = 0; i < r->count; i++) {
        job->known[job->known_count] = r->list[i];
        job->are_kept[job->known_count++] = is_kept(r, r->list[i].id);
    }
}

// What is under way while this is asked is on the list only later: nothing of it is touched.
void agent_releases_collect(agent_releases *r, uint64_t budget, agent_releases_cb cb, void *user) {
    release_job *job = make(r, releases_collect, cb, user);
    look_round(r, job);
    job->finish = drop_gone;
    job->budget = budget;
    job->is_held = r->holds > 0 || r->first != NULL || r->beside != NULL;
    enter_queue(job);
}

// ---- a disk that is full

static void say_freed(release_job *job) {
    if (job->freed > 0)
        agent_say("the disk with %s was full: %.1f MiB that no release needs are gone from it",
                  job->releases->dir, (double)job->freed / (1 << 20));
    job->freed = 0;
}

static bool is_coming(const release_job *job, const deploy_record *record) {
    for (size_t i = 0; i < job->coming_count; i++)
        if (deploy_hash_equal(&job->coming[i].manifest, &record->manifest)) return true;
    return false;
}

// What is on its way stays, with what is unpacked by this job.
static void take_coming(agent_releases *r, release_job *job) {
    job->coming = mem_alloc((r->coming_count + 1) * sizeof *job->coming);
    for (size_t i = 0; i < r->coming_count; i++)
        job->coming[job->coming_count++] = r->coming[i];
    if (!job->is_put && !is_coming(job, &job->record))
        job->coming[job->coming_count++] = job->record;
    for (size_t i = 0; i < job->known_count; i++)
        job->are_kept[i] = job->are_kept[i] || is_coming(job, &job->known[i].record);
}

// True: the disk was full, and it is tried once more when what nobody needs is gone. It keeps its
// place in the queue.
static bool find_room(release_job *job) {
    agent_releases *r = job->releases;
    bool is_full = job->result.err == -ENOSPC;
    if (job->again != NULL) {
        drop_gone(job);
        say_freed(job);
    }
    if (is_full && job->again != NULL) r->is_full = true;
    if (!is_full || job->again != NULL || job->is_beside || r->is_full) return false;
    // Who brought it is gone, so nobody says any more what else of it came and is to stay.
    if (job->is_put && r->holds == 0) return false;
    job->again = job->is_put ? releases_put : releases_unpack; // nothing else writes so much
    look_round(r, job);
    take_coming(r, job);
    job->run = releases_collect_again;
    start(job);
    return true;
}
