// A release comes from the command line (docs/releases.md): what is missing of it, its pieces, and
// when all are here, its name. Nothing is remembered between two requests but one piece that is not
// whole: whoever was cut off asks again what is missing.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/client.h"
#include "agent/events.h"
#include "agent/target.h"
#include "core/error.h"
#include "core/mem.h"

enum {
    HASHES_PER_PACKET = 3000,
    RELEASES_PER_PACKET = 100,
    QUEUED_HIGH = 8 << 20, // bytes that are not written yet: whoever sends is not read above
    QUEUED_LOW = 4 << 20,
    QUESTIONS_MAX = 8, // of one command line, that are not answered yet
};

typedef struct agent_upload {
    agent_client *client;
    deploy_hash hash; // of the chunk that comes right now
    uint8_t *bytes;   // NULL: none does
    size_t len, got;
    bool is_paused, is_holding;
    uint32_t questions; // that wait for an answer
} agent_upload;

static agent_releases *releases_of(const agent_client *client) {
    return client->clients->options.releases;
}

static agent_upload *upload_of(agent_client *client) {
    if (client->upload == NULL) {
        client->upload = mem_alloc(sizeof *client->upload);
        client->upload->client = client;
    }
    return client->upload;
}

// Something of a release is on its way from now on.
static void hold(agent_client *client) {
    agent_upload *upload = upload_of(client);
    if (!upload->is_holding) agent_releases_hold(releases_of(client), 1);
    upload->is_holding = true;
}

// False: a sentence was said.
static bool may_ask(agent_client *client) {
    agent_upload *upload = upload_of(client);
    if (upload->questions < QUESTIONS_MAX) {
        upload->questions++;
        return true;
    }
    agent_client_say_error(client, 1,
                           "too much is asked about releases at a time: wait for the answers");
    return false;
}

static void say_failed(agent_client *client, const agent_releases_result *result) {
    bool is_user = result->err == MESH_EINVAL || result->err == MESH_ETOOBIG;
    agent_client_say_error(client,
                           is_user                         ? 2
                           : result->err == MESH_ENOTFOUND ? 3
                                                           : 1,
                           result->text);
}

// ---- what is wanted

static void say_wanted(agent_client *client, const agent_releases_result *result,
                       bool is_manifest) {
    size_t at = 0;
    do {
        size_t count = result->missing_count - at;
        if (count > HASHES_PER_PACKET) count = HASHES_PER_PACKET;
        Warren__Agent__Wanted wanted = WARREN__AGENT__WANTED__INIT;
        wanted.chunks.data = (uint8_t *)(uintptr_t)(result->missing + at);
        wanted.chunks.len = count * DEPLOY_HASH_LEN;
        wanted.is_manifest = is_manifest;
        wanted.len = result->missing_len;
        at += count;
        wanted.more = at < result->missing_count;
        Warren__Agent__Reply reply = WARREN__AGENT__REPLY__INIT;
        reply.kind_case = WARREN__AGENT__REPLY__KIND_WANTED;
        reply.wanted = &wanted;
        agent_client_send(client, &reply);
    } while (at < result->missing_count);
}

static bool take_offer(const Warren__Agent__Offer *from, deploy_record *out) {
    size_t count = from->manifest_chunks.len / DEPLOY_HASH_LEN;
    if (from->manifest.len != DEPLOY_HASH_LEN || count > DEPLOY_MANIFEST_CHUNKS_MAX ||
        from->manifest_chunks.len % DEPLOY_HASH_LEN != 0)
        return false;
    *out = (deploy_record){.manifest_len = from->manifest_len, .manifest_chunk_count = count};
    memcpy(&out->manifest, from->manifest.data, DEPLOY_HASH_LEN);
    if (count > 0)
        memcpy(out->manifest_chunks, from->manifest_chunks.data, count * DEPLOY_HASH_LEN);
    return true;
}

static void on_planned(const agent_releases_result *result, void *user) {
    agent_client *client = user;
    client->upload->questions--;
    if (result->err != 0 && result->err != MESH_EAGAIN)
        say_failed(client, result);
    else
        say_wanted(client, result, result->err == MESH_EAGAIN);
}

static void offer(agent_client *client, const Warren__Agent__Offer *body) {
    deploy_record record;
    if (!take_offer(body, &record)) {
        agent_client_say_error(client, 2, "what is offered is no release");
        return;
    }
    hold(client);
    if (may_ask(client)) agent_releases_plan(releases_of(client), &record, on_planned, client);
}

// ---- pieces

static void set_paused(agent_upload *upload, bool is_paused) {
    if (upload->is_paused == is_paused) return;
    upload->is_paused = is_paused;
    mesh_channel_pause(upload->client->channel, is_paused);
}

static void on_put(const agent_releases_result *result, void *user) {
    agent_client *client = user;
    agent_upload *upload = client->upload;
    if (agent_releases_queued(releases_of(client)) < QUEUED_LOW) set_paused(upload, false);
    if (result->err != 0) {
        say_failed(client, result);
        return;
    }
    Warren__Agent__Stored stored = WARREN__AGENT__STORED__INIT;
    stored.hash = (ProtobufCBinaryData){DEPLOY_HASH_LEN, (uint8_t *)(uintptr_t)result->hash.bytes};
    Warren__Agent__Reply reply = WARREN__AGENT__REPLY__INIT;
    reply.kind_case = WARREN__AGENT__REPLY__KIND_STORED;
    reply.stored = &stored;
    agent_client_send(client, &reply);
}

// False: it does not go on what came before, or is too long.
static bool take_piece(agent_upload *upload, const Warren__Agent__PutChunk *body) {
    if (body->hash.len != DEPLOY_HASH_LEN || body->len == 0 || body->len > DEPLOY_SEALED_MAX)
        return false;
    bool goes_on = upload->bytes != NULL && upload->len == body->len &&
                   memcmp(&upload->hash, body->hash.data, DEPLOY_HASH_LEN) == 0;
    if (upload->bytes != NULL && !goes_on) return false;
    if (upload->bytes == NULL) {
        memcpy(&upload->hash, body->hash.data, DEPLOY_HASH_LEN);
        upload->bytes = mem_alloc(body->len);
        upload->len = body->len;
        upload->got = 0;
    }
    if (body->piece.len == 0 || body->piece.len > upload->len - upload->got) return false;
    memcpy(upload->bytes + upload->got, body->piece.data, body->piece.len);
    upload->got += body->piece.len;
    return true;
}

static void drop_piece(agent_upload *upload) {
    free(upload->bytes);
    upload->bytes = NULL;
}

static void put_chunk(agent_client *client, const Warren__Agent__PutChunk *body) {
    agent_upload *upload = upload_of(client);
    hold(client);
    if (!take_piece(upload, body)) {
        drop_piece(upload);
        agent_client_say_error(client, 2, "a piece of a release came that is none");
        return;
    }
    if (upload->got < upload->len) return;
    agent_releases_put(releases_of(client), &upload->hash, (mesh_bytes){upload->bytes, upload->len},
                       on_put, client);
    drop_piece(upload);
    if (agent_releases_queued(releases_of(client)) > QUEUED_HIGH) set_paused(upload, true);
}

void agent_client_forget_upload(agent_client *client) {
    agent_upload *upload = client->upload;
    agent_releases_forget(releases_of(client), client);
    if (upload == NULL) return;
    client->upload = NULL;
    if (upload->is_holding) agent_releases_hold(releases_of(client), -1);
    free(upload->bytes);
    free(upload);
}

// ---- its name

static void on_committed(const agent_releases_result *result, void *user) {
    agent_client *client = user;
    client->upload->questions--;
    if (result->err == MESH_EAGAIN) {
        say_wanted(client, result, false);
        return;
    }
    if (result->err != 0) {
        say_failed(client, result);
        return;
    }
    Warren__Agent__Committed committed = WARREN__AGENT__COMMITTED__INIT;
    committed.id = (char *)(uintptr_t)result->id;
    committed.path = (char *)(uintptr_t)result->path;
    committed.files = result->file_count;
    committed.len = result->len;
    Warren__Agent__Reply reply = WARREN__AGENT__REPLY__INIT;
    reply.kind_case = WARREN__AGENT__REPLY__KIND_COMMITTED;
    reply.committed = &committed;
    agent_client_send(client, &reply);
    const agent_release *release = agent_releases_find(releases_of(client), result->id);
    agent_events_add(&(agent_entry){.type = "bundle",
                                    .project = release->record.project,
                                    .by = (pid_t)client->pid},
                     "the release %s of %s is on this host: %u files", result->id,
                     release->record.project, result->file_count);
    const char *id = result->id;
    agent_releases_keep(releases_of(client), "newest", &id, 1);
    agent_releases_collect(releases_of(client), AGENT_RELEASES_BUDGET, NULL, NULL);
}

static void commit(agent_client *client, const Warren__Agent__Commit *body) {
    deploy_record record;
    if (body->offer == NULL || !take_offer(body->offer, &record) ||
        agent_target_check_name(body->project) != 0) {
        agent_client_say_error(client, 2,
                               "what is offered is no release, or its project has no name");
        return;
    }
    (void)snprintf(record.project, sizeof record.project, "%s", body->project);
    if (may_ask(client)) agent_releases_commit(releases_of(client), &record, on_committed, client);
}

// ---- the list

static void fill(const agent_release *from, Warren__Agent__ReleaseInfo *out, const char *path) {
    warren__agent__release_info__init(out);
    out->id = (char *)(uintptr_t)from->id;
    out->project = (char *)(uintptr_t)from->record.project;
    out->at_ms = from->record.at_ms;
    out->files = from->record.file_count;
    out->len = from->record.len;
    out->is_unpacked = from->is_unpacked;
    if (path != NULL) out->path = (char *)(uintptr_t)path;
    out->key = (ProtobufCBinaryData){MESH_SIGN_KEY_LEN, (uint8_t *)(uintptr_t)from->record.key};
    out->has_chain = from->record.has_chain;
    out->manifest =
        (ProtobufCBinaryData){DEPLOY_HASH_LEN, (uint8_t *)(uintptr_t)from->record.manifest.bytes};
}

typedef struct release_page {
    agent_client *client;
    size_t count;
    Warren__Agent__ReleaseInfo infos[RELEASES_PER_PACKET], *pointers[RELEASES_PER_PACKET];
    char paths[RELEASES_PER_PACKET][AGENT_RELEASES_PATH_MAX];
} release_page;

static void send_page(release_page *page, bool has_more) {
    Warren__Agent__Releases body = WARREN__AGENT__RELEASES__INIT;
    body.releases = page->pointers;
    body.n_releases = page->count;
    body.more = has_more;
    Warren__Agent__Reply reply = WARREN__AGENT__REPLY__INIT;
    reply.kind_case = WARREN__AGENT__REPLY__KIND_RELEASES;
    reply.releases = &body;
    agent_client_send(page->client, &reply);
    page->count = 0;
}

static void on_release(const agent_release *release, void *user) {
    release_page *page = user;
    if (page->count == RELEASES_PER_PACKET) send_page(page, true);
    const char *path = agent_releases_dir(releases_of(page->client), release->id);
    if (path != NULL) (void)snprintf(page->paths[page->count], AGENT_RELEASES_PATH_MAX, "%s", path);
    fill(release, &page->infos[page->count], path != NULL ? page->paths[page->count] : NULL);
    page->pointers[page->count] = &page->infos[page->count];
    page->count++;
}

static void list(agent_client *client) {
    release_page *page = mem_alloc(sizeof *page);
    page->client = client;
    agent_releases_each(releases_of(client), on_release, page);
    send_page(page, false);
    free(page);
}

static void on_collected(const agent_releases_result *result, void *user) {
    agent_client *client = user;
    client->upload->questions--;
    if (result->err != 0) {
        say_failed(client, result);
        return;
    }
    Warren__Agent__Collected collected = WARREN__AGENT__COLLECTED__INIT;
    collected.freed = result->freed;
    Warren__Agent__Reply reply = WARREN__AGENT__REPLY__INIT;
    reply.kind_case = WARREN__AGENT__REPLY__KIND_COLLECTED;
    reply.collected = &collected;
    agent_client_send(client, &reply);
}

// By hand: also the one that came last goes, when nothing runs it.
static void collect(agent_client *client, uint64_t budget) {
    agent_releases_keep(releases_of(client), "newest", NULL, 0);
    agent_releases_collect(releases_of(client), budget, on_collected, client);
}

bool agent_client_handle_releases(agent_client *client, const Warren__Agent__Request *request) {
    switch (request->kind_case) {
    case WARREN__AGENT__REQUEST__KIND_OFFER: offer(client, request->offer); return true;
    case WARREN__AGENT__REQUEST__KIND_PUT_CHUNK: put_chunk(client, request->put_chunk); return true;
    case WARREN__AGENT__REQUEST__KIND_COMMIT: commit(client, request->commit); return true;
    case WARREN__AGENT__REQUEST__KIND_LIST_RELEASES: list(client); return true;
    case WARREN__AGENT__REQUEST__KIND_COLLECT_RELEASES:
        if (may_ask(client)) collect(client, request->collect_releases->budget);
        return true;
    default: return false;
    }
}
