#include "io/agent_link.h"

#include <unistd.h>

#include "agent.pb-c.h"
#include "core/error.h"
#include "core/mem.h"

enum { PROTOCOL = 1 };

static void send_to_agent(mesh_channel *channel, const Warren__Node__ToAgent *message) {
    size_t len = warren__node__to_agent__get_packed_size(message);
    uint8_t *bytes = mem_alloc(len);
    warren__node__to_agent__pack(message, bytes);
    mesh_channel_send(channel, (mesh_bytes){bytes, len}, NULL, 0);
    free(bytes);
}

// message.KIND is set to BODY, a pointer to that kind's struct.
#define SEND(CHANNEL, KIND_CASE, MEMBER, BODY)                                                     \
    do {                                                                                           \
        Warren__Node__ToAgent message = WARREN__NODE__TO_AGENT__INIT;                              \
        message.kind_case = WARREN__NODE__TO_AGENT__KIND_##KIND_CASE;                              \
        message.MEMBER = (BODY);                                                                   \
        send_to_agent(CHANNEL, &message);                                                          \
    } while (0)

void mesh_agent_link_join(mesh_channel *channel) {
    Warren__Node__Join join = WARREN__NODE__JOIN__INIT;
    SEND(channel, JOIN, join, &join);
}

void mesh_agent_link_leave(mesh_channel *channel) {
    Warren__Node__Leave leave = WARREN__NODE__LEAVE__INIT;
    SEND(channel, LEAVE, leave, &leave);
}

void mesh_agent_link_restated(mesh_channel *channel, uint32_t links, uint64_t adoption) {
    Warren__Node__Restated restated = WARREN__NODE__RESTATED__INIT;
    restated.links = links;
    restated.adoption = adoption;
    SEND(channel, RESTATED, restated, &restated);
}

static char *copy_text(mesh_bytes bytes) {
    char *text = mem_alloc(bytes.len + 1);
    if (bytes.len > 0) memcpy(text, bytes.data, bytes.len);
    return text;
}

void mesh_agent_link_announce(mesh_channel *channel, const mesh_entry *entry) {
    Warren__Node__Entry body = WARREN__NODE__ENTRY__INIT;
    body.entry_id = entry->entry_id;
    body.kind = entry->kind == MESH_ENTRY_SERVICE ? WARREN__NODE__ENTRY__KIND__SERVICE
                                                  : WARREN__NODE__ENTRY__KIND__SUBSCRIPTION;
    body.name = copy_text(entry->name);
    body.queue = copy_text(entry->queue);
    body.tags = copy_text(entry->tags);
    Warren__Node__Announce announce = WARREN__NODE__ANNOUNCE__INIT;
    announce.entry = &body;
    SEND(channel, ANNOUNCE, announce, &announce);
    free(body.name);
    free(body.queue);
    free(body.tags);
}

void mesh_agent_link_withdraw(mesh_channel *channel, uint32_t entry_id) {
    Warren__Node__Withdraw withdraw = WARREN__NODE__WITHDRAW__INIT;
    withdraw.entry_id = entry_id;
    SEND(channel, WITHDRAW, withdraw, &withdraw);
}

void mesh_agent_link_connect(mesh_channel *channel, uint64_t node_id, uint32_t links) {
    Warren__Node__Connect connect = WARREN__NODE__CONNECT__INIT;
    connect.node_id = node_id;
    connect.links = links + 1;
    SEND(channel, CONNECT, connect, &connect);
}

void mesh_agent_link_failed(mesh_channel *channel, uint64_t node_id, const char *text) {
    Warren__Node__LinkFailed failed = WARREN__NODE__LINK_FAILED__INIT;
    failed.node_id = node_id;
    failed.text = (char *)(uintptr_t)text;
    SEND(channel, LINK_FAILED, link_failed, &failed);
}

void mesh_agent_link_ask_lease(mesh_channel *channel, const Warren__Node__LeaseAsk *ask) {
    SEND(channel, LEASE_ASK, lease_ask, (Warren__Node__LeaseAsk *)(uintptr_t)ask);
}

void mesh_agent_link_saw_lease(mesh_channel *channel, uint32_t lease_id, uint64_t until_ms) {
    Warren__Node__LeaseSeen seen = WARREN__NODE__LEASE_SEEN__INIT;
    seen.lease_id = lease_id;
    seen.until_ms = until_ms;
    SEND(channel, LEASE_SEEN, lease_seen, &seen);
}

void mesh_agent_link_end_lease(mesh_channel *channel, uint32_t lease_id) {
    Warren__Node__LeaseEnd end = WARREN__NODE__LEASE_END__INIT;
    end.lease_id = lease_id;
    SEND(channel, LEASE_END, lease_end, &end);
}

void mesh_agent_link_ask_credentials(mesh_channel *channel,
                                     const uint8_t link_key[MESH_LINK_KEY_LEN]) {
    Warren__Node__CredentialsRequest request = WARREN__NODE__CREDENTIALS_REQUEST__INIT;
    request.link_key = (ProtobufCBinaryData){MESH_LINK_KEY_LEN, (uint8_t *)(uintptr_t)link_key};
    SEND(channel, CREDENTIALS_REQUEST, credentials_request, &request);
}

static bool take_key(ProtobufCBinaryData from, uint8_t *out, size_t len) {
    if (from.len != len) return false;
    memcpy(out, from.data, len);
    return true;
}

int mesh_agent_link_credentials(const Warren__Node__Credentials *from,
                                mesh_abroad_credentials *out) {
    *out = (mesh_abroad_credentials){.psk_id = (uint16_t)from->psk_id};
    if (from->n_chain > MESH_CHAIN_MAX || from->n_root > MESH_ROOTS_MAX) return MESH_EPROTO;
    for (; out->chain_count < from->n_chain; out->chain_count++)
        out->chain[out->chain_count] =
            (mesh_bytes){from->chain[out->chain_count].data, from->chain[out->chain_count].len};
    mesh_trust *trust = &out->trust;
    for (; trust->root_count < from->n_root; trust->root_count++)
        if (!take_key(from->root[trust->root_count], trust->roots[trust->root_count],
                      MESH_SIGN_KEY_LEN))
            return MESH_EPROTO;
    bool is_whole = take_key(from->cluster_id, out->cluster_id, sizeof out->cluster_id) &&
                    take_key(from->link_psk, out->link_psk, sizeof out->link_psk) &&
                    take_key(from->knock_key, out->knock_key, sizeof out->knock_key);
    return is_whole ? 0 : MESH_EPROTO;
}

void mesh_agent_link_checked(mesh_channel *channel, uint32_t number, bool is_healthy,
                             mesh_bytes why) {
    Warren__Node__Checked checked = WARREN__NODE__CHECKED__INIT;
    checked.number = number;
    checked.is_healthy = is_healthy;
    checked.why = copy_text(why);
    SEND(channel, CHECKED, checked, &checked);
    free(checked.why);
}

void mesh_agent_link_drained(mesh_channel *channel, uint32_t connections) {
    Warren__Node__Drained drained = WARREN__NODE__DRAINED__INIT;
    drained.connections = connections;
    SEND(channel, DRAINED, drained, &drained);
}

void mesh_agent_link_ready(mesh_channel *channel, Warren__Node__Ready__Way way) {
    Warren__Node__Ready ready = WARREN__NODE__READY__INIT;
    ready.way = way;
    SEND(channel, READY, ready, &ready);
}

void mesh_agent_link_listen(mesh_channel *channel, const mesh_listen_request *request) {
    Warren__Node__Listen listen = WARREN__NODE__LISTEN__INIT;
    listen.request_id = request->request_id;
    listen.address = (char *)(uintptr_t)request->address;
    listen.port = request->port;
    listen.backlog = request->backlog;
    listen.ipv6_only = request->is_ipv6_only;
    SEND(channel, LISTEN, listen, &listen);
}

int mesh_agent_link_hello(int fd, const char *name) {
    Warren__Agent__Hello hello = WARREN__AGENT__HELLO__INIT;
    hello.role = WARREN__AGENT__HELLO__ROLE__NODE;
    hello.protocol = PROTOCOL;
    hello.pid = (uint32_t)getpid();
    hello.name = (char *)(uintptr_t)name;
    uint8_t bytes[512];
    if (warren__agent__hello__get_packed_size(&hello) > sizeof bytes) return UV_EINVAL;
    return mesh_packet_send(fd, (mesh_bytes){bytes, warren__agent__hello__pack(&hello, bytes)},
                            NULL, 0);
}
