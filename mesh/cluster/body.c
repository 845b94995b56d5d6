#include "cluster/body.h"

#include <string.h>

#include "core/be.h"
#include "core/error.h"

enum {
    PING_LEN = 4 + 8 + 4 + 8 + 4 + 2,
    LIST_FIXED_LEN = 16,
    LISTED_LEN = 8 + 8 + 4 + 1 + 4,
    CERT_COUNT = 2,
};

bool mesh_body_put(mesh_body *body, mesh_item type, mesh_bytes content) {
    if (body->len + MESH_ITEM_HEAD_LEN + content.len > sizeof body->data) return false;
    uint8_t *at = store_be8(body->data + body->len, type);
    at = store_be16(at, (uint32_t)content.len);
    if (content.len > 0) memcpy(at, content.data, content.len);
    body->len += MESH_ITEM_HEAD_LEN + content.len;
    return true;
}

bool mesh_body_take(mesh_bytes *rest, mesh_item *out_type, mesh_bytes *out_content) {
    if (rest->len < MESH_ITEM_HEAD_LEN) return false;
    size_t len = load_be16(rest->data + 1);
    mesh_bytes content = mesh_bytes_skip(*rest, MESH_ITEM_HEAD_LEN);
    if (len > content.len) return false;
    *out_type = (mesh_item)rest->data[0];
    *out_content = (mesh_bytes){content.data, len};
    *rest = mesh_bytes_skip(content, len);
    return true;
}

bool mesh_body_put_ping(mesh_body *body, mesh_item type, const mesh_ping *ping) {
    uint8_t content[PING_LEN + MESH_ID_LEN];
    uint8_t *at = store_be32(content, ping->sequence);
    at = store_be32(store_be64(at, ping->stamp.generation), ping->stamp.incarnation);
    at = store_be64(at, ping->payload.registry_version);
    at = store_be16(store_be32(at, ping->payload.load), ping->payload.node_count);
    if (ping->is_relayed) memcpy(at, ping->relay, MESH_ID_LEN);
    return mesh_body_put(body, type,
                         (mesh_bytes){content, PING_LEN + (ping->is_relayed ? MESH_ID_LEN : 0)});
}

int mesh_ping_parse(mesh_bytes content, mesh_ping *out) {
    if (content.len != PING_LEN && content.len != PING_LEN + MESH_ID_LEN) return MESH_EPROTO;
    const uint8_t *at = content.data;
    *out = (mesh_ping){.sequence = load_be32(at),
                       .stamp = {load_be64(at + 4), load_be32(at + 12)},
                       .payload = {load_be64(at + 16), load_be32(at + 24), load_be16(at + 28)},
                       .is_relayed = content.len > PING_LEN};
    if (out->is_relayed) memcpy(out->relay, at + PING_LEN, MESH_ID_LEN);
    return 0;
}

bool mesh_body_put_relay(mesh_body *body, const mesh_relay *relay) {
    uint8_t content[MESH_RELAY_FIXED_LEN + MESH_RELAY_DATAGRAM_MAX];
    if (relay->datagram.len > MESH_RELAY_DATAGRAM_MAX) return false;
    uint8_t *at = store_be32(content, relay->sequence);
    memcpy(at, relay->target, MESH_ID_LEN);
    memcpy(at + MESH_ID_LEN, relay->datagram.data, relay->datagram.len);
    return mesh_body_put(body, MESH_ITEM_RELAY,
                         (mesh_bytes){content, MESH_RELAY_FIXED_LEN + relay->datagram.len});
}

int mesh_relay_parse(mesh_bytes content, mesh_relay *out) {
    if (content.len < MESH_RELAY_FIXED_LEN) return MESH_EPROTO;
    if (content.len > MESH_RELAY_FIXED_LEN + MESH_RELAY_DATAGRAM_MAX) return MESH_EPROTO;
    out->sequence = load_be32(content.data);
    memcpy(out->target, content.data + 4, MESH_ID_LEN);
    out->datagram = mesh_bytes_skip(content, MESH_RELAY_FIXED_LEN);
    return 0;
}

static uint8_t *put_part(uint8_t *at, mesh_bytes part) {
    at = store_be16(at, (uint32_t)part.len);
    memcpy(at, part.data, part.len);
    return at + part.len;
}

bool mesh_body_put_host(mesh_body *body, const mesh_introduction *host) {
    uint8_t content[MESH_DGRAM_BODY_MAX], *at = content;
    if (6 + host->alive.len + host->certs[0].len + host->certs[1].len > mesh_body_room(body))
        return false;
    at = put_part(at, host->alive);
    for (size_t i = 0; i < CERT_COUNT; i++)
        at = put_part(at, host->certs[i]);
    return mesh_body_put(body, MESH_ITEM_HOST, (mesh_bytes){content, (size_t)(at - content)});
}

static bool take_part(mesh_bytes *rest, size_t max, mesh_bytes *out) {
    if (rest->len < 2) return false;
    size_t len = load_be16(rest->data);
    *rest = mesh_bytes_skip(*rest, 2);
    if (len > max || len > rest->len) return false;
    *out = (mesh_bytes){rest->data, len};
    *rest = mesh_bytes_skip(*rest, len);
    return true;
}

int mesh_introduction_parse(mesh_bytes content, mesh_introduction *out) {
    bool is_fine = take_part(&content, MESH_RECORD_SIGNED_MAX, &out->alive);
    for (size_t i = 0; i < CERT_COUNT; i++)
        is_fine = is_fine && take_part(&content, MESH_CERT_LEN_MAX, &out->certs[i]);
    return is_fine && content.len == 0 ? 0 : MESH_EPROTO;
}

bool mesh_body_put_want(mesh_body *body, const uint64_t *ids, size_t count) {
    uint8_t content[MESH_WANT_MAX * 8], *at = content;
    for (size_t i = 0; i < count && i < MESH_WANT_MAX; i++)
        at = store_be64(at, ids[i]);
    return mesh_body_put(body, MESH_ITEM_WANT, (mesh_bytes){content, (size_t)(at - content)});
}

int mesh_want_parse(mesh_bytes content, uint64_t out[MESH_WANT_MAX], size_t *out_count) {
    if (content.len % 8 != 0 || content.len / 8 > MESH_WANT_MAX) return MESH_EPROTO;
    *out_count = content.len / 8;
    for (size_t i = 0; i < *out_count; i++)
        out[i] = load_be64(content.data + 8 * i);
    return 0;
}

bool mesh_body_put_digest(mesh_body *body, const mesh_digest *digest) {
    uint8_t content[MESH_DIGEST_SUMS_MAX * 8];
    for (size_t i = 0; i < digest->count; i++)
        (void)store_be64(content + 8 * i, digest->sums[i]);
    return mesh_body_put(body, MESH_ITEM_DIGEST, (mesh_bytes){content, digest->count * 8});
}

int mesh_digest_parse(mesh_bytes content, mesh_digest *out) {
    size_t count = content.len / 8;
    bool is_power = count > 0 && (count & (count - 1)) == 0;
    if (content.len % 8 != 0 || count > MESH_DIGEST_SUMS_MAX || !is_power) return MESH_EPROTO;
    out->count = count;
    for (size_t i = 0; i < count; i++)
        out->sums[i] = load_be64(content.data + 8 * i);
    return 0;
}

bool mesh_body_put_list(mesh_body *body, const mesh_list *list) {
    uint8_t content[LIST_FIXED_LEN + MESH_LIST_MAX * LISTED_LEN];
    uint8_t *at = store_be64(store_be64(content, list->from), list->to);
    for (size_t i = 0; i < list->count; i++) {
        at = store_be64(at, list->hosts[i].id);
        at = store_be64(at, list->hosts[i].stamp.generation);
        at = store_be32(at, list->hosts[i].stamp.incarnation);
        at = store_be32(store_be8(at, list->hosts[i].rank), list->hosts[i].hash);
    }
    return mesh_body_put(body, MESH_ITEM_LIST, (mesh_bytes){content, (size_t)(at - content)});
}

int mesh_list_parse(mesh_bytes content, mesh_list *out) {
    if (content.len < LIST_FIXED_LEN) return MESH_EPROTO;
    size_t len = content.len - LIST_FIXED_LEN;
    if (len % LISTED_LEN != 0 || len / LISTED_LEN > MESH_LIST_MAX) return MESH_EPROTO;
    *out = (mesh_list){.from = load_be64(content.data),
                       .to = load_be64(content.data + 8),
                       .count = len / LISTED_LEN};
    const uint8_t *at = content.data + LIST_FIXED_LEN;
    for (size_t i = 0; i < out->count; i++, at += LISTED_LEN) {
        out->hosts[i].id = load_be64(at);
        out->hosts[i].stamp = (mesh_stamp){load_be64(at + 8), load_be32(at + 16)};
        out->hosts[i].rank = at[20];
        out->hosts[i].hash = load_be32(at + 21);
    }
    return 0;
}
