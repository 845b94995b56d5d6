// What the two ends of a store of another host say to each other: one that uses it hears anything
// from the one that has it, and the other way round. The input is a list of commands: u8 kind, u16
// len, that many bytes: a piece of a message for either, a whole message with the head that it
// needs, or what a link does. The store that is served is one of another host, too, which never
// answers, so that no file is needed.
#include "core/be.h"
#include "core/mem.h"
#include "fuzz.h"
#include "store/remote.h"
#include "store/remote_wire.h"
#include "store/server.h"

enum { COMMAND_HEAD = 3, COMMANDS_MAX = 100 };

static const uint8_t peer[STORE_SERVER_PEER_LEN] = {1};

typedef struct harness {
    uv_loop_t loop;
    store_db *user, *silent;
    store_server *server;
    store_watch *watch;
    uint64_t answers;
} harness;

static harness h;

static void attach(void *user, store_db *db) {
    (void)user;
    (void)db;
}

static bool send_piece(void *user, mesh_bytes piece) {
    (void)user;
    CHECK(piece.len > 1 && piece.len <= STORE_WIRE_PIECE_MAX);
    return true;
}

static size_t queued(void *user) {
    (void)user;
    return 0;
}

static bool send_to_peer(void *user, const uint8_t id[STORE_SERVER_PEER_LEN], mesh_bytes piece) {
    CHECK(memcmp(id, peer, sizeof peer) == 0);
    return send_piece(user, piece);
}

static size_t queued_to_peer(void *user, const uint8_t id[STORE_SERVER_PEER_LEN]) {
    (void)user;
    (void)id;
    return 0;
}

static store_db *silent(void *user) {
    (void)user;
    return h.silent;
}

static store_db *open_one(void) {
    static const store_link link = {.attach = attach, .send = send_piece, .queued = queued};
    static const store_place place = {.type = STORE_HOST, .host = "h"};
    return store_open(&(store_options){.loop = &h.loop, .place = &place, .link = &link});
}

static void on_answer(const store_answer *answer, void *user) {
    (void)user;
    h.answers++;
    CHECK((answer->error != 0) == (answer->sentence[0] != '\0') || answer->error != 0);
    CHECK(answer->pair_count <= STORE_PAGE_MAX);
    for (size_t i = 0; i < answer->pair_count; i++) {
        CHECK(answer->pairs[i].key.len > 0 && answer->pairs[i].key.len <= STORE_KEY_LEN_MAX);
        CHECK(answer->pairs[i].value.len <= STORE_VALUE_LEN_MAX);
    }
}

static void on_news(const store_news *news, void *user) {
    (void)user;
    CHECK(news->change_count <= STORE_BATCH_MAX && (news->error != 0 || news->change_count > 0));
    if (news->error == 0) return;
    store_watch_close(h.watch);
    h.watch = NULL;
}

static void ask(void) {
    store_get(h.user, mesh_bytes_text("a"), on_answer, NULL);
    store_list(h.user, &(store_range){.prefix = mesh_bytes_text("a")}, on_answer, NULL);
    store_grant(h.user, 10, on_answer, NULL);
    if (h.watch == NULL) h.watch = store_watch_open(h.user, &(store_watch_options){.cb = on_news});
}

static void to_user(mesh_bytes piece) {
    if (store_remote_receive(h.user, piece) != 0) store_remote_down(h.user, "it was closed");
}

static void to_server(mesh_bytes piece) {
    if (store_server_receive(h.server, peer, piece) != 0) store_server_gone(h.server, peer);
}

// A whole message of this kind: field and length before the bytes.
static void whole(void (*to)(mesh_bytes), mesh_bytes body) {
    static uint8_t piece[8 + UINT16_MAX];
    if (body.len < 1) return;
    size_t at = 0, len = body.len - 1;
    piece[at++] = 0;
    piece[at++] = (uint8_t)((body.data[0] % 7 + 1) << 3 | 2);
    for (size_t left = len;; left >>= 7) {
        piece[at++] = (uint8_t)(left >= 0x80 ? left | 0x80 : left);
        if (left < 0x80) break;
    }
    memcpy(piece + at, body.data + 1, len);
    to((mesh_bytes){piece, at + len});
}

static void greet(void) {
    Warren__Store__Store message = WARREN__STORE__STORE__INIT;
    Warren__Store__Hello hello = WARREN__STORE__HELLO__INIT;
    Warren__Store__Welcome welcome = WARREN__STORE__WELCOME__INIT;
    uint8_t piece[64] = {0};
    hello.version = 1;
    message.kind_case = WARREN__STORE__STORE__KIND_HELLO;
    message.hello = &hello;
    to_server((mesh_bytes){piece, 1 + warren__store__store__pack(&message, piece + 1)});
    message.kind_case = WARREN__STORE__STORE__KIND_WELCOME;
    message.welcome = &welcome;
    store_remote_up(h.user);
    to_user((mesh_bytes){piece, 1 + warren__store__store__pack(&message, piece + 1)});
}

static void run(uint8_t kind, mesh_bytes bytes) {
    switch (kind % 8) {
    case 0: to_user(bytes); break;
    case 1: to_server(bytes); break;
    case 2: whole(to_user, bytes); break;
    case 3: whole(to_server, bytes); break;
    case 4: greet(); break;
    case 5:
        store_remote_down(h.user, "it was cut");
        store_server_gone(h.server, peer);
        break;
    case 6: ask(); break;
    default: uv_run(&h.loop, UV_RUN_NOWAIT); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    h = (harness){.answers = 0};
    uv_loop_init(&h.loop);
    h.user = open_one();
    h.silent = open_one();
    h.server = store_server_create(&(store_server_options){.loop = &h.loop,
                                                           .hidden = "secrets/",
                                                           .db = silent,
                                                           .send = send_to_peer,
                                                           .queued = queued_to_peer});
    mesh_bytes input = {data, size};
    greet();
    for (int i = 0; i < COMMANDS_MAX && input.len >= COMMAND_HEAD; i++) {
        uint8_t kind = input.data[0];
        size_t len = load_be16(input.data + 1);
        input = mesh_bytes_skip(input, COMMAND_HEAD);
        if (len > input.len) len = input.len;
        run(kind, (mesh_bytes){input.data, len});
        input = mesh_bytes_skip(input, len);
    }
    store_server_stop(h.server);
    store_close(h.user, NULL, NULL);
    store_close(h.silent, NULL, NULL);
    store_server_destroy(h.server);
    uv_run(&h.loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&h.loop) == 0);
    return 0;
}
