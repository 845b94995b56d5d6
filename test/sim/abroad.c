// Links between hosts: their records are sealed, nothing can be read on the way, and a byte that
// changes there ends the link. The handshake that makes their keys is another test's.
#include "core/frame.h"
#include "core/node_state.h"
#include "world.h"

bool abroad_is(const world *w, uint32_t a, uint32_t b) {
    return w->members[a]->host != w->members[b]->host;
}

void abroad_host_id(const world *w, uint32_t index, uint8_t out[MESH_ID_LEN]) {
    memset(out, 0, MESH_ID_LEN);
    out[0] = (uint8_t)(1 + w->members[index]->host);
}

void abroad_connect(world *w, conn *c) {
    if (!abroad_is(w, c->members[0], c->members[1])) return;
    c->is_sealed = true;
    for (int end = 0; end < 2; end++) {
        uint8_t key[MESH_CIPHER_KEY_LEN];
        for (size_t i = 0; i < sizeof key; i++)
            key[i] = (uint8_t)pick(w, 256);
        mesh_cipher_init(&c->ciphers[end], key);
    }
}

int abroad_link_up(world *w, uint32_t index, uint32_t *out_handle, const packet *p) {
    const member *other = w->members[p->member];
    mesh_node *node = w->members[index]->node;
    const conn *c = &w->conns[p->conn];
    if (!c->is_sealed)
        return mesh_node_link_up(node, w->now_ms, out_handle, other->id, p->is_dialler);
    mesh_cert cert = {
        .role = MESH_ROLE_NODE, .node_id = other->id, .scopes = {"*"}, .scope_count = 1};
    abroad_host_id(w, p->member, cert.host_id);
    mesh_link_secrets secrets = {
        .send = c->ciphers[p->end], .receive = c->ciphers[1 - p->end], .peer = &cert};
    return mesh_node_link_up_sealed(node, w->now_ms, out_handle, p->is_dialler, &secrets);
}

// ---- sessions, which may be of several connections

static mesh_peer *core_peer(const world *w, uint32_t index, uint32_t other) {
    const known_peer *known = &w->members[index]->peers[other];
    if (!w->members[index]->is_alive || !known->is_known) return NULL;
    return mesh_node_peers_get(w->members[index]->node, known->handle);
}

// A link that is begun again forgets shapes and credit; one that goes on does not.
void abroad_notice_session(world *w, uint32_t index, uint32_t other) {
    const mesh_peer *peer = core_peer(w, index, other);
    known_peer *known = &w->members[index]->peers[other];
    if (!peer || peer->epoch == known->epoch) return;
    known->epoch = peer->epoch;
    known->shapes = 0;
    memset(known->link_held, 0, sizeof known->link_held);
}

bool abroad_is_resuming(const world *w, uint32_t index, uint32_t handle) {
    const mesh_peer *peer = mesh_node_peers_get(w->members[index]->node, handle);
    return peer->link->is_resuming;
}

bool abroad_is_any_resuming(const world *w) {
    for (uint32_t a = 0; a < w->member_count; a++)
        for (uint32_t b = 0; b < w->member_count; b++) {
            const mesh_peer *peer = core_peer(w, a, b);
            if (peer && peer->link && peer->link->is_resuming) return true;
        }
    return false;
}

static bool has_first_session(const world *w, uint32_t index, uint32_t other) {
    const mesh_peer *peer = core_peer(w, index, other);
    return !peer || peer->epoch == 0 || (peer->epoch == 1 && peer->link);
}

// Between hosts nothing may be lost for a connection that broke, but for a session that was given
// up.
bool abroad_is_session_whole(const world *w, uint32_t a, uint32_t b) {
    return !abroad_is(w, a, b) || (has_first_session(w, a, b) && has_first_session(w, b, a));
}

// ---- what is seen on the way

static void count_records(struct wire *wire, mesh_bytes bytes) {
    while (bytes.len > 0) {
        if (wire->left == 0) {
            wire->head = wire->head << 8 | bytes.data[0];
            bytes = mesh_bytes_skip(bytes, 1);
            if (++wire->head_len < MESH_RECORD_HEAD_LEN) continue;
            wire->left = wire->head & 0xffff;
            wire->head = wire->head_len = 0;
            wire->begun++;
            continue;
        }
        size_t len = bytes.len < wire->left ? bytes.len : wire->left;
        wire->left -= len;
        bytes = mesh_bytes_skip(bytes, len);
    }
}

static void check_secret(world *w, mesh_bytes bytes) {
    uint8_t stamp[STAMP_LEN];
    (void)stamp_write(stamp, 0, 0, 0, STAMP_LEN);
    const uint8_t *mark = stamp + STAMP_LEN - 8; // the same in all stamps, and like nothing else
    if (bytes.len > 0 && memmem(bytes.data, bytes.len, mark, 8))
        check_fail(w, "a payload left its host in clear");
}

void abroad_carry(world *w, conn *c, int end, mesh_bytes bytes) {
    if (!c->is_sealed) return;
    const member *m = w->members[c->members[end]];
    check_secret(w, bytes);
    count_records(&c->wires[end], bytes);
    // Each nonce is the count of the records before: as many as were sealed have been used.
    if (c->wires[end].begun > mesh_node_peers_get(m->node, c->peers[end])->link->seal.count)
        check_fail(w, "member %u used a nonce twice", c->members[end]);
    if (w->is_calm || pick(w, 1000) >= w->corrupt) return;
    pipe *p = &c->pipes[1 - end];
    p->data[p->tail - 1 - pick(w, (uint32_t)bytes.len)] ^= (uint8_t)(1 << pick(w, 8));
    c->is_corrupt = true;
    w->result.corruptions++;
}
