// What members ask for.
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/descriptors.h"
#include "agent/members_state.h"
#include "agent/say.h"
#include "core/limits.h"
#include "core/tags.h"
#include "secure/field.h"

enum { UNSEEN_MAX = 1024 };

static void join(agent_member *member) {
    if (member->has_left) {
        agent_member_refuse(member, "it joined again after it had left");
        return;
    }
    if (!member->is_joined) agent_member_say_all(member);
    member->is_joined = true;
    Warren__Node__Joined joined = WARREN__NODE__JOINED__INIT;
    AGENT_TO_NODE(message, JOINED, joined, &joined);
    agent_member_send(member, &message, -1);
    agent_members_tell_news_soon(member->members);
}

static size_t index_of_entry(const agent_member *member, uint32_t entry_id) {
    size_t i = 0;
    while (i < member->entry_count && member->entries[i]->entry_id != entry_id)
        i++;
    return i;
}

static const char *judge_entry(const agent_member *member, const Warren__Node__Entry *entry) {
    if (entry == NULL) return "it announced nothing";
    size_t name_len = strlen(entry->name);
    if (name_len == 0 || name_len > MESH_NAME_LEN_MAX || strlen(entry->queue) > MESH_NAME_LEN_MAX)
        return "it announced a name that is empty or longer than 255 bytes";
    if (!mesh_tags_is_valid(mesh_bytes_text(entry->tags)))
        return "it announced tags that are malformed or longer than 255 bytes";
    if (entry->kind > WARREN__NODE__ENTRY__KIND__SUBSCRIPTION)
        return "it announced neither a service nor a subscription";
    if (index_of_entry(member, entry->entry_id) < member->entry_count)
        return "it announced one entry twice";
    if (member->entry_count == MESH_ENTRIES_MAX)
        return "it announced more than 4,096 services and subscriptions";
    return NULL;
}

// Takes the entry out of `announce`.
static void announce(agent_member *member, Warren__Node__Announce *announced) {
    const char *fault = member->has_left ? "it announced something after it had left"
                                         : judge_entry(member, announced->entry);
    if (fault != NULL) {
        agent_member_refuse(member, fault);
        return;
    }
    Warren__Node__Entry *entry = announced->entry;
    announced->entry = NULL;
    member->entries =
        mem_grow(member->entries, sizeof(void *), member->entry_count + 1, &member->entry_cap);
    member->entries[member->entry_count++] = entry;
    if (member->is_joined)
        agent_members_tell_news_soon(member->members);
    else
        agent_member_say_announced(member);
}

static void withdraw(agent_member *member, uint32_t entry_id) {
    size_t i = index_of_entry(member, entry_id);
    if (i == member->entry_count) { // it is gone already, or another agent died over it
        if (member->is_joined) agent_member_say_removed(member, entry_id);
        return;
    }
    warren__node__entry__free_unpacked(member->entries[i], NULL);
    member->entry_count--;
    memmove(member->entries + i, member->entries + i + 1,
            (member->entry_count - i) * sizeof(void *));
    if (i >= member->told_count) return; // nobody knew
    member->told_count--;
    if (member->is_joined) agent_member_say_removed(member, entry_id);
}

static void say_connect_failed(agent_member *to, uint64_t node_id, const char *text) {
    Warren__Node__ConnectFailed failed = WARREN__NODE__CONNECT_FAILED__INIT;
    failed.node_id = node_id;
    failed.text = (char *)(uintptr_t)text;
    AGENT_TO_NODE(message, CONNECT_FAILED, connect_failed, &failed);
    agent_member_send(to, &message, -1);
}

static void remember_unseen(agent_member *member, uint64_t peer) {
    if (member->unseen_count == UNSEEN_MAX)
        memmove(member->unseen, member->unseen + 1, --member->unseen_count * sizeof(agent_unseen));
    member->unseen = mem_grow(member->unseen, sizeof(agent_unseen), member->unseen_count + 1,
                              &member->unseen_cap);
    member->unseen[member->unseen_count++] =
        (agent_unseen){.peer = peer, .number = member->link_count};
}

// Both ends asked at once, and this one's question was under way before the first link's message
// reached it. `seen` is how many Link messages it had received when it asked.
static bool is_crossing(agent_member *member, uint64_t peer, uint32_t seen) {
    size_t kept = 0;
    bool is_found = false;
    for (size_t i = 0; i < member->unseen_count; i++) {
        if (member->unseen[i].number <= seen) continue;
        is_found |= member->unseen[i].peer == peer;
        member->unseen[kept++] = member->unseen[i];
    }
    member->unseen_count = kept;
    return is_found;
}

// `remote` NULL: on this host.
static void say_link(agent_member *to, uint64_t peer, Warren__Node__Remote *remote, int fd) {
    Warren__Node__Link link = WARREN__NODE__LINK__INIT;
    link.node_id = peer;
    link.remote = remote;
    AGENT_TO_NODE(message, LINK, link, &link);
    to->link_count++;
    agent_member_send(to, &message, fd);
}

void agent_member_give_link(agent_member *member, uint64_t node_id, const uint8_t *host_id,
                            int fd) {
    Warren__Node__Remote remote = WARREN__NODE__REMOTE__INIT;
    if (host_id != NULL)
        remote.host_id = (ProtobufCBinaryData){MESH_ID_LEN, (uint8_t *)(uintptr_t)host_id};
    say_link(member, node_id, &remote, fd);
}

void agent_member_refuse_link(agent_member *member, uint64_t node_id, const char *why) {
    say_connect_failed(member, node_id, why);
}

static void connect_to(agent_member *member, const Warren__Node__Connect *connect) {
    uint64_t peer = connect->node_id, self = member->identity.node_id;
    if (connect->links > 0 && is_crossing(member, peer, connect->links - 1)) return;
    agent_members *members = member->members;
    agent_member *other = agent_members_find(members, peer);
    if (other == NULL && member->is_joined && members->abroad != NULL &&
        members->abroad->on_connect(member, peer, members->abroad_user))
        return;
    if (!member->is_joined || other == NULL || other == member ||
        !(other->is_joined || other->is_adopted) || other->channel == NULL) {
        say_connect_failed(member, peer, "the node is not there");
        return;
    }
    if (!member->is_told || (other->is_joined && !other->is_told))
        agent_members_tell_news(member->members); // nobody gets a link to a stranger
    int fds[2];
    // Also for one that does not read: links that wait for it hold descriptors here.
    bool is_full = !agent_descriptors_left(4);
    if (is_full || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
        agent_say("cannot link %s and %s: %s", member->identity.name, other->identity.name,
                  strerror(is_full ? EMFILE : errno));
        say_connect_failed(member, peer, "the host is out of descriptors");
        return;
    }
    say_link(member, peer, NULL, fds[0]);
    say_link(other, self, NULL, fds[1]);
    remember_unseen(other, self);
    close(fds[0]);
    close(fds[1]);
}

void agent_member_give_credentials(agent_member *member, const mesh_credentials *host,
                                   mesh_bytes cert) {
    Warren__Node__Credentials given = WARREN__NODE__CREDENTIALS__INIT;
    ProtobufCBinaryData chain[MESH_CHAIN_MAX], roots[MESH_ROOTS_MAX];
    given.chain = chain;
    given.root = roots;
    if (cert.len > 0) {
        CHECK(host->chain_count == MESH_CHAIN_MAX - 1);
        for (; given.n_chain < host->chain_count; given.n_chain++)
            chain[given.n_chain] =
                mesh_field_view(host->chain[given.n_chain].data, host->chain[given.n_chain].len);
        chain[given.n_chain++] = mesh_field_view(cert.data, cert.len);
        for (; given.n_root < host->trust.root_count; given.n_root++)
            roots[given.n_root] =
                mesh_field_view(host->trust.roots[given.n_root], MESH_SIGN_KEY_LEN);
        given.cluster_id = mesh_field_view(host->cluster_id, sizeof host->cluster_id);
        given.link_psk = mesh_field_view(host->link_psk, sizeof host->link_psk);
        given.knock_key = mesh_field_view(host->knock_key, sizeof host->knock_key);
        given.psk_id = host->psk_id;
    }
    AGENT_TO_NODE(message, CREDENTIALS, credentials, &given);
    agent_member_send(member, &message, -1);
}

static void request_credentials(agent_member *member, ProtobufCBinaryData link_key) {
    const agent_members *members = member->members;
    if (link_key.len != MESH_LINK_KEY_LEN)
        agent_member_refuse(member, "it asked for a certificate for what is no key");
    else if (members->abroad != NULL && members->abroad->on_credentials != NULL)
        members->abroad->on_credentials(member, link_key.data, members->abroad_user);
    else
        agent_member_give_credentials(member, NULL, (mesh_bytes){0});
}

static void say_link_failed(const agent_member *member, const Warren__Node__LinkFailed *failed) {
    if (failed->node_id == 0)
        agent_say("%s closed a link that another host dialled: %s", member->identity.name,
                  failed->text);
    else
        agent_say("%s closed its link to %016" PRIx64 ": %s", member->identity.name,
                  failed->node_id, failed->text);
}

static void listen_on(agent_member *member, const Warren__Node__Listen *listen) {
    agent_members *members = member->members;
    int memory_fd = -1;
    agent_listen request = {.address = listen->address,
                            .port = listen->port,
                            .backlog = listen->backlog,
                            .is_ipv6_only = listen->ipv6_only,
                            .out_memory_fd = &memory_fd};
    int fd = member->identity.is_attached
                 ? -ENOTSUP
                 : members->events.on_listen(member, &request, members->user);
    Warren__Node__Listening body = WARREN__NODE__LISTENING__INIT;
    body.request_id = listen->request_id;
    body.error = fd < 0 ? fd : 0;
    AGENT_TO_NODE(message, LISTENING, listening, &body);
    const int fds[] = {fd, memory_fd};
    agent_member_send_fds(member, &message, fds, fd < 0 ? 0 : memory_fd < 0 ? 1 : 2);
    if (fd >= 0) agent_member_give_sign(member, AGENT_SIGN_LISTENS);
}

bool agent_member_drain(agent_member *member, uint32_t timeout_ms) {
    if (!member->has_spoken || member->channel == NULL) return false;
    // Whoever takes its place is known to all before it says that it serves no more: news may wait
    // for their timer, and a caller that heard of the drain first would find nobody to call.
    agent_members_tell_news(member->members);
    Warren__Node__Drain drain = WARREN__NODE__DRAIN__INIT;
    drain.timeout_ms = timeout_ms;
    AGENT_TO_NODE(message, DRAIN, drain, &drain);
    agent_member_send(member, &message, -1);
    return true;
}

static void take_drained(const agent_member *member, uint32_t connections) {
    const agent_members *members = member->members;
    if (members->events.on_drained != NULL)
        members->events.on_drained(member, connections, members->user);
}

void agent_member_check(agent_member *member, const agent_member_question *question) {
    Warren__Node__Check check = WARREN__NODE__CHECK__INIT;
    check.number = question->number;
    check.timeout_ms = question->timeout_ms;
    check.http = (char *)(uintptr_t)question->http;
    check.call = (char *)(uintptr_t)question->call;
    AGENT_TO_NODE(message, CHECK, check, &check);
    agent_member_send(member, &message, -1);
}

// Words of a program: one short line of text, whatever bytes they are.
static void clean(const char *text, char out[AGENT_MEMBER_WHY_MAX]) {
    size_t len = strlen(text);
    if (len >= AGENT_MEMBER_WHY_MAX) len = AGENT_MEMBER_WHY_MAX - 1;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;                               // not in the midst of a character
    json_t *whole = json_stringn(text, len); // NULL: no UTF-8
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        bool is_shown = byte >= ' ' && byte != 0x7f && (byte < 0x80 || whole != NULL);
        out[i] = ' ';
        if (is_shown) out[i] = text[i];
    }
    out[len] = '\0';
    json_decref(whole);
}

static void take_checked(const agent_member *member, const Warren__Node__Checked *checked) {
    const agent_members *members = member->members;
    char why[AGENT_MEMBER_WHY_MAX];
    clean(checked->why, why);
    agent_member_checked answer = {
        .number = checked->number, .is_healthy = checked->is_healthy, .why = why};
    if (members->events.on_checked != NULL)
        members->events.on_checked(member, &answer, members->user);
}

static void take_ready(const agent_member *member, Warren__Node__Ready__Way way) {
    switch (way) {
    case WARREN__NODE__READY__WAY__MESSAGE:
        agent_member_give_sign(member, AGENT_SIGN_MESSAGE);
        return;
    case WARREN__NODE__READY__WAY__STANDS_BY:
        agent_member_give_sign(member, AGENT_SIGN_SERVES);
        return;
    default: agent_member_give_sign(member, AGENT_SIGN_MESH); return;
    }
}

// What it said before was for the agent that is gone, and comes again now. An agent may also have
// died between its question and the answer, which is then still in the socket.
static void take_restated(agent_member *member, const Warren__Node__Restated *restated) {
    bool is_others = restated->adoption != 0 && restated->adoption != member->adoption;
    if (!member->is_adopted || is_others) return;
    uint32_t links = restated->links;
    member->is_adopted = false;
    // It counts the links of its whole life; those that were handed out here come on top.
    for (size_t i = 0; i < member->unseen_count; i++)
        member->unseen[i].number += links;
    member->link_count += links;
}

static void ask_lease(agent_member *member, const Warren__Node__LeaseAsk *ask) {
    const agent_members *members = member->members;
    const char *fault = NULL;
    if (member->has_left) {
        fault = "it asked for a lease after it had left";
    } else if (members->leases != NULL) {
        fault = members->leases->on_ask(member, ask, members->leases_user);
    } else {
        Warren__Node__Lease over = WARREN__NODE__LEASE__INIT;
        over.lease_id = ask->lease_id;
        over.state = WARREN__NODE__LEASE__STATE__OVER;
        over.why = WARREN__NODE__LEASE__WHY__NO_QUORUM;
        over.text = (char *)(uintptr_t) "this agent gives no leases";
        agent_member_say_lease(member, &over);
    }
    if (fault != NULL) agent_member_refuse(member, fault);
}

static void leave(agent_member *member) {
    const agent_members *members = member->members;
    if (members->leases != NULL) members->leases->on_gone(member, true, members->leases_user);
    agent_member_leave(member, &(agent_member_end){.reason = "left"});
}

static void see_lease(agent_member *member, const Warren__Node__LeaseSeen *seen) {
    const agent_members *members = member->members;
    if (members->leases != NULL) members->leases->on_seen(member, seen, members->leases_user);
}

static void end_lease(agent_member *member, uint32_t lease_id) {
    const agent_members *members = member->members;
    if (members->leases != NULL) members->leases->on_end(member, lease_id, members->leases_user);
}

void agent_member_on_packet(mesh_channel *channel, mesh_bytes bytes, mesh_packet *packet,
                            void *user) {
    agent_member *member = user;
    (void)channel;
    (void)packet; // no message of a node brings descriptors: they are closed
    member->has_spoken = true;
    Warren__Node__ToAgent *m = warren__node__to_agent__unpack(NULL, bytes.len, bytes.data);
    bool is_stale =
        member->is_adopted && m != NULL && m->kind_case != WARREN__NODE__TO_AGENT__KIND_RESTATED;
    if (is_stale) {
        warren__node__to_agent__free_unpacked(m, NULL);
        return;
    }
    switch (m == NULL ? WARREN__NODE__TO_AGENT__KIND__NOT_SET : m->kind_case) {
    case WARREN__NODE__TO_AGENT__KIND_JOIN: join(member); break;
    case WARREN__NODE__TO_AGENT__KIND_ANNOUNCE: announce(member, m->announce); break;
    case WARREN__NODE__TO_AGENT__KIND_WITHDRAW: withdraw(member, m->withdraw->entry_id); break;
    case WARREN__NODE__TO_AGENT__KIND_CONNECT: connect_to(member, m->connect); break;
    case WARREN__NODE__TO_AGENT__KIND_LISTEN: listen_on(member, m->listen); break;
    case WARREN__NODE__TO_AGENT__KIND_READY: take_ready(member, m->ready->way); break;
    case WARREN__NODE__TO_AGENT__KIND_DRAINED: take_drained(member, m->drained->connections); break;
    case WARREN__NODE__TO_AGENT__KIND_CHECKED: take_checked(member, m->checked); break;
    case WARREN__NODE__TO_AGENT__KIND_RESTATED: take_restated(member, m->restated); break;
    case WARREN__NODE__TO_AGENT__KIND_LEAVE: leave(member); break;
    case WARREN__NODE__TO_AGENT__KIND_LEASE_ASK: ask_lease(member, m->lease_ask); break;
    case WARREN__NODE__TO_AGENT__KIND_LEASE_SEEN: see_lease(member, m->lease_seen); break;
    case WARREN__NODE__TO_AGENT__KIND_LEASE_END: end_lease(member, m->lease_end->lease_id); break;
    case WARREN__NODE__TO_AGENT__KIND_LINK_FAILED: say_link_failed(member, m->link_failed); break;
    case WARREN__NODE__TO_AGENT__KIND_CREDENTIALS_REQUEST:
        request_credentials(member, m->credentials_request->link_key);
        break;
    default: agent_member_refuse(member, "it sent a message that cannot be read"); break;
    }
    if (m != NULL) warren__node__to_agent__free_unpacked(m, NULL);
}
