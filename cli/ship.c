#include "cli/ship.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/target.h"
#include "cli/args.h"
#include "cli/pack.h"
#include "cli/progress.h"
#include "core/mem.h"
#include "deploy/bundle_chunk.h"

enum {
    PIECE_LEN = 96 << 10,
    WINDOW_LEN = 4 << 20, // compressed bytes that the agent has not written yet
    WINDOW_COUNT = 512,   // chunks
    SHOWN_MAX = 3,        // names of files that were left out
    TRIES = 5,            // chunks that were collected, or damaged, in the meantime
};

typedef struct piece { // where a chunk comes from
    deploy_hash hash;
    const deploy_entry *entry; // NULL: of the manifest
    size_t index;
} piece;

typedef struct shipment {
    cli_session *session;
    cli_pack *pack;
    cli_release *out;
    piece *pieces; // of all files, by hash
    size_t piece_count;
    deploy_hash *manifest_chunks;
    size_t manifest_chunk_count;
    deploy_hash *wanted; // of the agent
    size_t wanted_count, wanted_cap;
    size_t sent, stored;           // of these
    uint32_t lens[WINDOW_COUNT];   // of those under way
    uint64_t open_len;             // bytes of those
    uint64_t wanted_len, done_len; // plain, for the progress
    bool is_manifest_wanted;
    bool is_committed;
    int exit_code; // of what failed here
    uint8_t *plain, *sealed;
    cli_progress progress;
} shipment;

// ---- where chunks are

static int compare_pieces(const void *a, const void *b) {
    return memcmp(a, b, sizeof(deploy_hash));
}

static void list_pieces(shipment *s) {
    const deploy_bundle *bundle = &s->pack->bundle;
    size_t count = 0;
    for (size_t i = 0; i < bundle->count; i++)
        count += deploy_entry_chunk_count(&bundle->entries[i]);
    s->pieces = mem_alloc(count * sizeof *s->pieces);
    for (size_t i = 0; i < bundle->count; i++) {
        const deploy_entry *entry = &bundle->entries[i];
        for (size_t c = 0; c < deploy_entry_chunk_count(entry); c++)
            s->pieces[s->piece_count++] = (piece){*deploy_entry_chunk(entry, c), entry, c};
    }
    if (count > 0) qsort(s->pieces, count, sizeof *s->pieces, compare_pieces);
}

static mesh_bytes manifest_chunk(const shipment *s, size_t index) {
    mesh_bytes rest = mesh_bytes_skip(s->pack->manifest, index * DEPLOY_CHUNK_LEN);
    if (rest.len > DEPLOY_CHUNK_LEN) rest.len = DEPLOY_CHUNK_LEN;
    return rest;
}

static void list_manifest(shipment *s) {
    size_t count = (s->pack->manifest.len + DEPLOY_CHUNK_LEN - 1) / DEPLOY_CHUNK_LEN;
    s->manifest_chunks = mem_alloc(count * sizeof(deploy_hash));
    for (size_t i = 0; i < count; i++)
        s->manifest_chunks[i] = deploy_hash_of(manifest_chunk(s, i));
    s->manifest_chunk_count = count;
}

// To s->plain. Its length, or -1 after a sentence.
static ssize_t read_wanted(shipment *s, const deploy_hash *hash) {
    for (size_t i = 0; i < s->manifest_chunk_count; i++) {
        mesh_bytes bytes = manifest_chunk(s, i);
        if (!deploy_hash_equal(hash, &s->manifest_chunks[i])) continue;
        memcpy(s->plain, bytes.data, bytes.len);
        return (ssize_t)bytes.len;
    }
    const piece *found = s->piece_count > 0 ? bsearch(hash, s->pieces, s->piece_count,
                                                      sizeof *s->pieces, compare_pieces)
                                            : NULL;
    if (found == NULL) {
        cli_say("the agent asks for a piece that is not in this release");
        s->exit_code = CLI_FAILED;
        return -1;
    }
    s->exit_code = cli_pack_read(s->pack, found->entry, found->index, s->plain);
    return s->exit_code == CLI_DONE ? (ssize_t)deploy_entry_chunk_len(found->entry, found->index)
                                    : -1;
}

// ---- sending

static void send_pieces(shipment *s, const deploy_hash *hash, size_t len) {
    for (size_t at = 0; at < len; at += PIECE_LEN) {
        Warren__Agent__PutChunk body = WARREN__AGENT__PUT_CHUNK__INIT;
        body.hash = (ProtobufCBinaryData){DEPLOY_HASH_LEN, (uint8_t *)(uintptr_t)hash->bytes};
        body.len = (uint32_t)len;
        body.piece =
            (ProtobufCBinaryData){len - at < PIECE_LEN ? len - at : PIECE_LEN, s->sealed + at};
        CLI_REQUEST(request, PUT_CHUNK, put_chunk, &body);
        cli_session_send(s->session, &request);
    }
}

// As many as the agent may have open. False: one could not be read.
static bool fill_window(shipment *s) {
    while (s->sent < s->wanted_count && s->open_len < WINDOW_LEN &&
           s->sent - s->stored < WINDOW_COUNT) {
        const deploy_hash *hash = &s->wanted[s->sent];
        ssize_t plain_len = read_wanted(s, hash);
        if (plain_len < 0) return false;
        size_t len = deploy_chunk_seal((mesh_bytes){s->plain, (size_t)plain_len}, s->sealed);
        send_pieces(s, hash, len);
        s->lens[s->sent++ % WINDOW_COUNT] = (uint32_t)len;
        s->open_len += len;
        s->done_len += (uint64_t)plain_len;
        s->out->chunks_sent++;
        s->out->bytes_sent += len;
    }
    if (cli_progress_is_due(&s->progress))
        cli_progress_show(&s->progress, "sending: %.1f of %.1f MiB",
                          (double)s->done_len / (1 << 20), (double)s->wanted_len / (1 << 20));
    return true;
}

// Chunks are stored in the order they were sent.
static bool on_stored(const Warren__Agent__Reply *reply, void *user) {
    shipment *s = user;
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_STORED) return false;
    s->open_len -= s->lens[s->stored++ % WINDOW_COUNT];
    return !fill_window(s) || s->stored == s->wanted_count;
}

static int send_wanted(shipment *s) {
    s->sent = s->stored = 0;
    s->open_len = s->done_len = 0;
    if (!fill_window(s)) return s->exit_code;
    int err = cli_session_await(s->session, on_stored, s);
    return err != CLI_DONE ? err : s->exit_code;
}

// ---- asking

static void take_wanted(shipment *s, const Warren__Agent__Wanted *wanted) {
    size_t count = wanted->chunks.len / DEPLOY_HASH_LEN;
    s->wanted = mem_grow(s->wanted, sizeof(deploy_hash), s->wanted_count + count, &s->wanted_cap);
    if (count > 0)
        memcpy(s->wanted + s->wanted_count, wanted->chunks.data, count * DEPLOY_HASH_LEN);
    s->wanted_count += count;
    s->wanted_len = wanted->len;
    s->is_manifest_wanted = wanted->is_manifest;
}

static bool on_answer(const Warren__Agent__Reply *reply, void *user) {
    shipment *s = user;
    if (reply->kind_case == WARREN__AGENT__REPLY__KIND_WANTED) {
        take_wanted(s, reply->wanted);
        return !reply->wanted->more;
    }
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_COMMITTED) return false;
    s->is_committed = true;
    (void)snprintf(s->out->id, sizeof s->out->id, "%s", reply->committed->id);
    (void)snprintf(s->out->path, sizeof s->out->path, "%s", reply->committed->path);
    return true;
}

static Warren__Agent__Offer offer_of(const shipment *s) {
    Warren__Agent__Offer offer = WARREN__AGENT__OFFER__INIT;
    offer.manifest = (ProtobufCBinaryData){DEPLOY_HASH_LEN, s->pack->hash.bytes};
    offer.manifest_len = s->pack->manifest.len;
    offer.manifest_chunks = (ProtobufCBinaryData){s->manifest_chunk_count * DEPLOY_HASH_LEN,
                                                  (uint8_t *)s->manifest_chunks};
    return offer;
}

static int ask_offer(shipment *s) {
    Warren__Agent__Offer offer = offer_of(s);
    CLI_REQUEST(request, OFFER, offer, &offer);
    s->wanted_count = 0;
    return cli_session_ask(s->session, &request, on_answer, s);
}

static int ask_commit(shipment *s, const char *project) {
    Warren__Agent__Offer offer = offer_of(s);
    Warren__Agent__Commit body = WARREN__AGENT__COMMIT__INIT;
    body.offer = &offer;
    body.project = (char *)(uintptr_t)project;
    CLI_REQUEST(request, COMMIT, commit, &body);
    if (cli_progress_is_due(&s->progress))
        cli_progress_show(&s->progress, "unpacking: %u files", s->out->file_count);
    s->wanted_count = 0;
    return cli_session_ask(s->session, &request, on_answer, s);
}

// The list first, then what of it is missing, then its name.
static int ship(shipment *s, const char *project) {
    for (int i = 0; i < TRIES; i++) {
        int err = ask_offer(s);
        while (err == CLI_DONE && s->wanted_count > 0 && s->is_manifest_wanted) {
            err = send_wanted(s);
            if (err == CLI_DONE) err = ask_offer(s);
        }
        if (err == CLI_DONE && s->wanted_count > 0) err = send_wanted(s);
        if (err == CLI_DONE) err = ask_commit(s, project);
        if (err != CLI_DONE || s->is_committed) return err;
    }
    cli_say("the agent loses pieces of this release as fast as they come: is its disk sound, and "
            "does nobody remove files from its directory?");
    return CLI_FAILED;
}

static void note_pack(const cli_pack *pack, cli_release *out) {
    out->manifest = pack->hash;
    out->file_count = pack->bundle.file_count;
    out->len = pack->bundle.len;
    out->secret_count = pack->secret_count;
    if (pack->secret_count == 0) return;
    (void)snprintf(out->secret, sizeof out->secret, "%s", pack->secrets[0]);
    size_t shown = pack->secret_count < SHOWN_MAX ? pack->secret_count : SHOWN_MAX, len = 0;
    for (size_t i = 0; i < shown; i++)
        len += (size_t)snprintf(out->secrets + len, sizeof out->secrets - len, "%s%.150s",
                                i > 0 ? ", " : "", pack->secrets[i]);
    if (pack->secret_count > shown)
        (void)snprintf(out->secrets + len, sizeof out->secrets - len, " and %zu more",
                       pack->secret_count - shown);
}

void cli_ship_say_left_out(const cli_release *release) {
    if (release->secret_count == 0) return;
    (void)fprintf(stderr,
                  "left out: %s, for secrets are not for releases (`warren secret set`; a line !%s "
                  "in .warrenignore brings it along)\n",
                  release->secrets, release->secret);
}

static int is_over(void *user) {
    return cli_session_look(user);
}

int cli_ship(cli_session *session, const cli_ship_options *options, cli_release *out) {
    cli_pack pack;
    cli_pack_options how = {.dir = options->dir,
                            .needs = options->needs,
                            .need_count = options->need_count,
                            .installs = options->installs,
                            .has_progress = !options->is_quiet,
                            .is_over = is_over,
                            .user = session};
    *out = (cli_release){.file_count = 0};
    int err = cli_pack_make(&how, &pack);
    if (err != CLI_DONE) return err;
    note_pack(&pack, out);
    shipment s = {.session = session, .pack = &pack, .out = out};
    s.plain = mem_alloc(DEPLOY_CHUNK_LEN);
    s.sealed = mem_alloc(DEPLOY_SEALED_MAX);
    list_pieces(&s);
    list_manifest(&s);
    cli_progress_begin(&s.progress, !options->is_quiet);
    err = ship(&s, options->project);
    cli_progress_end(&s.progress);
    free(s.wanted);
    free(s.manifest_chunks);
    free(s.pieces);
    free(s.sealed);
    free(s.plain);
    cli_pack_deinit(&pack);
    return err;
}

void cli_ship_project_of(const char *dir, char out[DEPLOY_PROJECT_MAX]) {
    char whole[PATH_MAX], entry[PATH_MAX + 16], name[AGENT_NAME_LEN_MAX + 1];
    if (realpath(dir, whole) == NULL) (void)snprintf(whole, sizeof whole, "%s", dir);
    (void)snprintf(entry, sizeof entry, "%s/index.js", whole);
    agent_target_name_of(entry, name);
    (void)snprintf(out, DEPLOY_PROJECT_MAX, "%s", name);
}
