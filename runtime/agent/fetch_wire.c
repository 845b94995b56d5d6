#include "agent/fetch_wire.h"

#include "core/budget.h"
#include "core/error.h"
#include "core/mem.h"
#include "fetch.pb-c.h"

typedef Warren__Fetch__Fetch fetch;

// ---- reading

static mesh_bytes bytes_of(ProtobufCBinaryData data) {
    return (mesh_bytes){data.data, data.len};
}

static void take(const fetch *m, agent_fetch_message *out) {
    switch (m->kind_case) {
    case WARREN__FETCH__FETCH__KIND_ASK:
        out->kind = AGENT_FETCH_ASK;
        out->number = m->ask->number;
        out->bytes = bytes_of(m->ask->hashes);
        break;
    case WARREN__FETCH__FETCH__KIND_HAVE:
        out->kind = AGENT_FETCH_HAVE;
        out->number = m->have->number;
        out->bytes = bytes_of(m->have->bits);
        break;
    case WARREN__FETCH__FETCH__KIND_WANT:
        out->kind = AGENT_FETCH_WANT;
        out->number = m->want->number;
        out->bytes = bytes_of(m->want->hash);
        break;
    case WARREN__FETCH__FETCH__KIND_PIECE:
        out->kind = AGENT_FETCH_PIECE;
        out->number = m->piece->number;
        out->offset = m->piece->offset;
        out->total = m->piece->total;
        out->bytes = bytes_of(m->piece->bytes);
        break;
    case WARREN__FETCH__FETCH__KIND_NO:
        out->kind = AGENT_FETCH_NO;
        out->number = m->no->number;
        out->is_busy = m->no->is_busy;
        break;
    case WARREN__FETCH__FETCH__KIND_STOP:
        out->kind = AGENT_FETCH_STOP;
        out->number = m->stop->number;
        break;
    default: break;
    }
}

static bool is_in_bounds(const agent_fetch_message *m) {
    size_t len = m->bytes.len;
    if (m->kind != AGENT_FETCH_NONE && m->number == 0) return false;
    switch (m->kind) {
    case AGENT_FETCH_ASK:
        return len > 0 && len % AGENT_FETCH_HASH_LEN == 0 &&
               len / AGENT_FETCH_HASH_LEN <= AGENT_FETCH_ASK_MAX;
    case AGENT_FETCH_HAVE: return len > 0 && len <= AGENT_FETCH_ASK_MAX / 8;
    case AGENT_FETCH_WANT: return len == AGENT_FETCH_HASH_LEN;
    case AGENT_FETCH_PIECE:
        return len > 0 && len <= AGENT_FETCH_PIECE_MAX && m->total <= AGENT_FETCH_CHUNK_MAX &&
               m->offset < m->total && len <= m->total - m->offset;
    default: return true;
    }
}

int agent_fetch_read(mesh_bytes wire, agent_fetch_message *out) {
    mesh_budget budget;
    if (wire.len > AGENT_FETCH_LEN_MAX) return MESH_EPROTO;
    mesh_budget_init(&budget, MESH_BUDGET_DEFAULT);
    fetch *m = warren__fetch__fetch__unpack(&budget.allocator, wire.len, wire.data);
    if (m == NULL) return MESH_EPROTO;
    agent_fetch_message message = {.owned = m};
    take(m, &message);
    if (!is_in_bounds(&message)) {
        agent_fetch_message_free(&message);
        return MESH_EPROTO;
    }
    *out = message;
    return 0;
}

void agent_fetch_message_free(agent_fetch_message *message) {
    if (message->owned != NULL) warren__fetch__fetch__free_unpacked(message->owned, NULL);
    message->owned = NULL;
}

// ---- writing

static ProtobufCBinaryData data_of(mesh_bytes bytes) {
    return (ProtobufCBinaryData){bytes.len, (uint8_t *)(uintptr_t)bytes.data};
}

static size_t pack(const fetch *m, uint8_t *out) {
    CHECK(warren__fetch__fetch__get_packed_size(m) <= AGENT_FETCH_LEN_MAX);
    return warren__fetch__fetch__pack(m, out);
}

static size_t write_piece(const agent_fetch_message *message, uint8_t *out) {
    fetch m = WARREN__FETCH__FETCH__INIT;
    Warren__Fetch__Piece piece = WARREN__FETCH__PIECE__INIT;
    piece.number = message->number;
    piece.offset = message->offset;
    piece.total = message->total;
    piece.bytes = data_of(message->bytes);
    m.kind_case = WARREN__FETCH__FETCH__KIND_PIECE;
    m.piece = &piece;
    return pack(&m, out);
}

size_t agent_fetch_write(const agent_fetch_message *message, uint8_t *out) {
    fetch m = WARREN__FETCH__FETCH__INIT;
    Warren__Fetch__Ask ask = WARREN__FETCH__ASK__INIT;
    Warren__Fetch__Have have = WARREN__FETCH__HAVE__INIT;
    Warren__Fetch__Want want = WARREN__FETCH__WANT__INIT;
    Warren__Fetch__No no = WARREN__FETCH__NO__INIT;
    Warren__Fetch__Stop stop = WARREN__FETCH__STOP__INIT;
    ask.number = have.number = want.number = no.number = stop.number = message->number;
    ask.hashes = have.bits = want.hash = data_of(message->bytes);
    no.is_busy = message->is_busy;
    switch (message->kind) {
    case AGENT_FETCH_ASK:
        m.kind_case = WARREN__FETCH__FETCH__KIND_ASK;
        m.ask = &ask;
        break;
    case AGENT_FETCH_HAVE:
        m.kind_case = WARREN__FETCH__FETCH__KIND_HAVE;
        m.have = &have;
        break;
    case AGENT_FETCH_WANT:
        m.kind_case = WARREN__FETCH__FETCH__KIND_WANT;
        m.want = &want;
        break;
    case AGENT_FETCH_NO:
        m.kind_case = WARREN__FETCH__FETCH__KIND_NO;
        m.no = &no;
        break;
    case AGENT_FETCH_STOP:
        m.kind_case = WARREN__FETCH__FETCH__KIND_STOP;
        m.stop = &stop;
        break;
    case AGENT_FETCH_PIECE: return write_piece(message, out);
    case AGENT_FETCH_NONE: break;
    }
    return pack(&m, out);
}
