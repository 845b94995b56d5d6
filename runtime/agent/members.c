#include "agent/members.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/roster.h"
#include "agent/say.h"
#include "core/error.h"
#include "core/limits.h"
#include "core/mem.h"
#include "io/channel.h"

// News of members is gathered this long once some has been told: fifty nodes that start together
// would else wake each other two thousand times.
enum { UNSEEN_MAX = 1024, NEWS_EVERY_MS = 5 };

typedef struct unseen { // a link that a member was handed and may not have noticed yet
    uint64_t peer;
    uint32_t number; // of its Link message
} unseen;

struct agent_member {
    agent_members *members;
    agent_identity identity;
    mesh_channel *channel; // NULL: it closed its end, or was cut
    bool is_joined;
    bool has_left; // others were told that it is gone: nothing more is said about it
    uint64_t since_ms;
    Warren__Node__Entry **entries;             // in the order announced
    size_t entry_count, entry_cap, told_count; // told_count of them are known to the others
    bool is_told;                              // so is the member itself
    uint32_t link_count;
    unseen *unseen;
    size_t unseen_count, unseen_cap;
    agent_member *next;
};

struct agent_members {
    uv_loop_t *loop;
    uv_timer_t *news_timer;
    uint64_t news_at_ms; // when news was told last
    char host[256];
    uint64_t incarnation;
    agent_members_events events;
    void *user;
    agent_member *first, **last;
    uint32_t count, attached_count;
};

const agent_identity *agent_member_identity(const agent_member *member) {
    return &member->identity;
}
bool agent_member_is_joined(const agent_member *member) {
    return member->is_joined;
}
uint64_t agent_member_since_ms(const agent_member *member) {
    return member->since_ms;
}
uint32_t agent_members_attached_count(const agent_members *members) {
    return members->attached_count;
}

void agent_members_set_pid(agent_member *member, uint32_t pid) {
    member->identity.pid = pid;
    if (member->channel != NULL) mesh_channel_pause(member->channel, false);
}

void agent_members_each(const agent_members *members, agent_members_cb each, void *user) {
    for (agent_member *m = members->first; m != NULL; m = m->next)
        each(m, user);
}

static agent_member *find(agent_members *members, uint64_t node_id) {
    for (agent_member *m = members->first; m != NULL; m = m->next)
        if (m->identity.node_id == node_id) return m;
    return NULL;
}

// ---- saying

typedef Warren__Node__ToNode to_node;

static mesh_bytes pack(const to_node *message) {
    size_t len = warren__node__to_node__get_packed_size(message);
    uint8_t *bytes = mem_alloc(len);
    warren__node__to_node__pack(message, bytes);
    return (mesh_bytes){bytes, len};
}

static void send_to(agent_member *member, const to_node *message, int fd) {
    if (member->channel == NULL) return;
    mesh_bytes bytes = pack(message);
    mesh_channel_send(member->channel, bytes, &fd, fd >= 0 ? 1 : 0);
    free((uint8_t *)(uintptr_t)bytes.data);
}

// To all who have joined, except the one it is about (NULL: to all).
static void tell_others(agent_members *members, const agent_member *about, const to_node *message) {
    mesh_bytes bytes = pack(message);
    for (agent_member *m = members->first; m != NULL; m = m->next)
        if (m != about && m->is_joined && m->channel != NULL)
            mesh_channel_send(m->channel, bytes, NULL, 0);
    free((uint8_t *)(uintptr_t)bytes.data);
}

// A ToNode whose KIND is BODY, a pointer to that kind's struct.
#define TO_NODE(NAME, KIND, MEMBER, BODY)                                                          \
    to_node NAME = WARREN__NODE__TO_NODE__INIT;                                                    \
    NAME.kind_case = WARREN__NODE__TO_NODE__KIND_##KIND;                                           \
    NAME.MEMBER = (BODY)

static void say_registry_to(const Warren__Node__Registry *registry, void *user) {
    TO_NODE(message, REGISTRY, registry, (Warren__Node__Registry *)(uintptr_t)registry);
    send_to(user, &message, -1);
}

static void say_registry_to_all(const Warren__Node__Registry *registry, void *user) {
    TO_NODE(message, REGISTRY, registry, (Warren__Node__Registry *)(uintptr_t)registry);
    tell_others(user, NULL, &message);
}

static void add_to_roster(agent_roster *roster, const agent_member *member) {
    const agent_identity *who = &member->identity;
    Warren__Node__Peer peer = WARREN__NODE__PEER__INIT;
    peer.node_id = who->node_id;
    peer.name = (char *)(uintptr_t)who->name;
    peer.service = (char *)(uintptr_t)who->service;
    peer.instance = who->instance;
    peer.host = member->members->host;
    peer.pid = who->pid;
    agent_roster_up(roster, &peer);
}

static void add_entries(agent_roster *roster, const agent_member *member, size_t from) {
    for (size_t i = from; i < member->entry_count; i++)
        agent_roster_put(roster, member->identity.node_id, member->entries[i]);
}

static void say_members_to(agent_member *newcomer) {
    agent_roster roster = {.on_packet = say_registry_to, .user = newcomer};
    for (agent_member *m = newcomer->members->first; m != NULL; m = m->next) {
        if (!m->is_joined || m == newcomer) continue;
        add_to_roster(&roster, m);
        add_entries(&roster, m, 0);
    }
    agent_roster_finish(&roster);
}

static void say_announced(agent_member *member) {
    for (; member->told_count < member->entry_count; member->told_count++) {
        Warren__Node__Announced announced = WARREN__NODE__ANNOUNCED__INIT;
        announced.entry_id = member->entries[member->told_count]->entry_id;
        TO_NODE(message, ANNOUNCED, announced, &announced);
        send_to(member, &message, -1);
    }
}

// What others do not know yet. A member hears of itself too, and of what it learned when it joined:
// it knows its own id, and known is known.
static void tell_news(agent_members *members) {
    agent_roster roster = {.on_packet = say_registry_to_all, .user = members};
    for (agent_member *m = members->first; m != NULL; m = m->next) {
        if (!m->is_joined) continue;
        if (!m->is_told) add_to_roster(&roster, m);
        // What it announced before it joined was answered at once, and told to nobody.
        add_entries(&roster, m, m->is_told ? m->told_count : 0);
    }
    agent_roster_finish(&roster);
    for (agent_member *m = members->first; m != NULL; m = m->next) {
        if (!m->is_joined) continue;
        m->is_told = true;
        say_announced(m);
    }
    members->news_at_ms = uv_now(members->loop);
    uv_timer_stop(members->news_timer);
}

static void on_news_timer(uv_timer_t *timer) {
    tell_news(timer->data);
}

static void tell_news_soon(agent_members *members) {
    if (uv_is_active((uv_handle_t *)members->news_timer)) return;
    uint64_t now_ms = uv_now(members->loop), due_ms = members->news_at_ms + NEWS_EVERY_MS;
    if (now_ms >= due_ms)
        tell_news(members);
    else
        uv_timer_start(members->news_timer, on_news_timer, due_ms - now_ms, 0);
}

static void say_removed(const agent_member *about, uint32_t entry_id) {
    Warren__Node__Entry entry = WARREN__NODE__ENTRY__INIT;
    entry.entry_id = entry_id;
    Warren__Node__OwnedEntry owned = WARREN__NODE__OWNED_ENTRY__INIT, *removed[] = {&owned};
    owned.node_id = about->identity.node_id;
    owned.entry = &entry;
    Warren__Node__Registry registry = WARREN__NODE__REGISTRY__INIT;
    registry.n_removed = 1;
    registry.removed = removed;
    TO_NODE(message, REGISTRY, registry, &registry);
    tell_others(about->members, about, &message);
}

static void say_welcome(agent_member *member) {
    const agent_identity *who = &member->identity;
    Warren__Node__Welcome welcome = WARREN__NODE__WELCOME__INIT;
    welcome.node_id = who->node_id;
    welcome.name = (char *)(uintptr_t)who->name;
    welcome.service = (char *)(uintptr_t)who->service;
    welcome.instance = who->instance;
    welcome.host = member->members->host;
    welcome.incarnation = ++member->members->incarnation;
    TO_NODE(message, WELCOME, welcome, &welcome);
    send_to(member, &message, -1);
}

static void say_connect_failed(agent_member *to, uint64_t node_id, const char *text) {
    Warren__Node__ConnectFailed failed = WARREN__NODE__CONNECT_FAILED__INIT;
    failed.node_id = node_id;
    failed.text = (char *)(uintptr_t)text;
    TO_NODE(message, CONNECT_FAILED, connect_failed, &failed);
    send_to(to, &message, -1);
}

// ---- the end of a member

static void forget_entries(agent_member *member) {
    for (size_t i = 0; i < member->entry_count; i++)
        warren__node__entry__free_unpacked(member->entries[i], NULL);
    member->entry_count = member->told_count = 0;
}

// Tells the others, once. After it nothing is said about this id.
static void leave(agent_member *member, const agent_member_end *end) {
    bool was_joined = member->is_joined;
    member->is_joined = false;
    member->has_left = true;
    forget_entries(member);
    if (!was_joined) return;
    Warren__Node__Down down = WARREN__NODE__DOWN__INIT;
    down.node_id = member->identity.node_id;
    down.reason = (char *)(uintptr_t)end->reason;
    down.code = end->code;
    down.signal = (uint32_t)end->signal;
    TO_NODE(message, DOWN, down, &down);
    tell_others(member->members, member, &message);
}

static void free_member(agent_member *member) {
    mesh_channel_close(member->channel);
    forget_entries(member);
    free(member->entries);
    free(member->unseen);
    free((char *)(uintptr_t)member->identity.name);
    free((char *)(uintptr_t)member->identity.service);
    free(member);
}

void agent_members_end(agent_members *members, agent_member *member, const agent_member_end *end) {
    leave(member, end);
    for (agent_member **at = &members->first; *at != NULL; at = &(*at)->next) {
        if (*at != member) continue;
        *at = member->next;
        if (members->last == &member->next) members->last = at;
        break;
    }
    members->count--;
    members->attached_count -= member->identity.is_attached;
    free_member(member);
}

// Its socket is over. A launched node goes on as a process and its end will be reported; an
// attached one is known only by its socket.
static void close_socket(agent_member *member) {
    mesh_channel_close(member->channel);
    member->channel = NULL;
    if (!member->identity.is_attached) return;
    agent_members *members = member->members;
    agent_members_end(members, member,
                      &(agent_member_end){.reason = "crash", .code = -1}); // it did not say Leave
    members->events.on_attached_end(members->user);
}

// It broke the protocol or a quota: out, with a sentence for it and one for our log.
static void refuse(agent_member *member, const char *text) {
    agent_say("%s (pid %u): %s; its connection is closed", member->identity.name,
              member->identity.pid, text);
    Warren__Node__Refused refused = WARREN__NODE__REFUSED__INIT;
    refused.text = (char *)(uintptr_t)text;
    TO_NODE(message, REFUSED, refused, &refused);
    send_to(member, &message, -1);
    leave(member, &(agent_member_end){.reason = "left", .code = -1});
    close_socket(member);
}

// ---- what members ask for

static void join(agent_member *member) {
    if (member->has_left) {
        refuse(member, "it joined again after it had left");
        return;
    }
    if (!member->is_joined) say_members_to(member);
    member->is_joined = true;
    Warren__Node__Joined joined = WARREN__NODE__JOINED__INIT;
    TO_NODE(message, JOINED, joined, &joined);
    send_to(member, &message, -1);
    tell_news_soon(member->members);
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
        refuse(member, fault);
        return;
    }
    Warren__Node__Entry *entry = announced->entry;
    announced->entry = NULL;
    member->entries =
        mem_grow(member->entries, sizeof(void *), member->entry_count + 1, &member->entry_cap);
    member->entries[member->entry_count++] = entry;
    if (member->is_joined)
        tell_news_soon(member->members);
    else
        say_announced(member);
}

static void withdraw(agent_member *member, uint32_t entry_id) {
    size_t i = index_of_entry(member, entry_id);
    if (i == member->entry_count) return; // it is gone already
    warren__node__entry__free_unpacked(member->entries[i], NULL);
    member->entry_count--;
    memmove(member->entries + i, member->entries + i + 1,
            (member->entry_count - i) * sizeof(void *));
    if (i >= member->told_count) return; // nobody knew
    member->told_count--;
    if (member->is_joined) say_removed(member, entry_id);
}

static void remember_unseen(agent_member *member, uint64_t peer) {
    if (member->unseen_count == UNSEEN_MAX)
        memmove(member->unseen, member->unseen + 1, --member->unseen_count * sizeof(unseen));
    member->unseen =
        mem_grow(member->unseen, sizeof(unseen), member->unseen_count + 1, &member->unseen_cap);
    member->unseen[member->unseen_count++] = (unseen){.peer = peer, .number = member->link_count};
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

static void say_link(agent_member *to, uint64_t peer, int fd) {
    Warren__Node__Link link = WARREN__NODE__LINK__INIT;
    link.node_id = peer;
    TO_NODE(message, LINK, link, &link);
    to->link_count++;
    send_to(to, &message, fd);
}

static void connect_to(agent_member *member, const Warren__Node__Connect *connect) {
    uint64_t peer = connect->node_id, self = member->identity.node_id;
    if (connect->links > 0 && is_crossing(member, peer, connect->links - 1)) return;
    agent_member *other = find(member->members, peer);
    if (!member->is_joined || other == NULL || other == member || !other->is_joined ||
        other->channel == NULL) {
        say_connect_failed(member, peer, "the node is not there");
        return;
    }
    if (!member->is_told || !other->is_told)
        tell_news(member->members); // nobody gets a link to a stranger
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
        agent_say("cannot link %s and %s: %s", member->identity.name, other->identity.name,
                  strerror(errno));
        say_connect_failed(member, peer, "the host is out of descriptors");
        return;
    }
    say_link(member, peer, fds[0]);
    say_link(other, self, fds[1]);
    remember_unseen(other, self);
    close(fds[0]);
    close(fds[1]);
}

static void listen_on(agent_member *member, const Warren__Node__Listen *listen) {
    agent_members *members = member->members;
    agent_listen request = {.address = listen->address,
                            .port = listen->port,
                            .backlog = listen->backlog,
                            .is_ipv6_only = listen->ipv6_only};
    int fd = member->identity.is_attached
                 ? -ENOTSUP
                 : members->events.on_listen(member, &request, members->user);
    Warren__Node__Listening body = WARREN__NODE__LISTENING__INIT;
    body.request_id = listen->request_id;
    body.error = fd < 0 ? fd : 0;
    TO_NODE(message, LISTENING, listening, &body);
    send_to(member, &message, fd);
}

static void on_packet(mesh_channel *channel, mesh_bytes bytes, mesh_packet *packet, void *user) {
    agent_member *member = user;
    (void)channel;
    (void)packet; // no message of a node brings descriptors: they are closed
    Warren__Node__ToAgent *m = warren__node__to_agent__unpack(NULL, bytes.len, bytes.data);
    switch (m == NULL ? WARREN__NODE__TO_AGENT__KIND__NOT_SET : m->kind_case) {
    case WARREN__NODE__TO_AGENT__KIND_JOIN: join(member); break;
    case WARREN__NODE__TO_AGENT__KIND_ANNOUNCE: announce(member, m->announce); break;
    case WARREN__NODE__TO_AGENT__KIND_WITHDRAW: withdraw(member, m->withdraw->entry_id); break;
    case WARREN__NODE__TO_AGENT__KIND_CONNECT: connect_to(member, m->connect); break;
    case WARREN__NODE__TO_AGENT__KIND_LISTEN: listen_on(member, m->listen); break;
    case WARREN__NODE__TO_AGENT__KIND_LEAVE:
        leave(member, &(agent_member_end){.reason = "left"});
        break;
    case WARREN__NODE__TO_AGENT__KIND_LINK_FAILED:
        agent_say("%s closed its link to %016" PRIx64 ": %s", member->identity.name,
                  m->link_failed->node_id, m->link_failed->text);
        break;
    default: refuse(member, "it sent a message that cannot be read"); break;
    }
    if (m != NULL) warren__node__to_agent__free_unpacked(m, NULL);
}

static void on_end(mesh_channel *channel, int err, void *user) {
    agent_member *member = user;
    (void)channel;
    if (err != MESH_EGONE) {
        agent_say("%s (pid %u): its connection is closed: %s", member->identity.name,
                  member->identity.pid, err < -10000 ? mesh_error_text(err) : strerror(-err));
        leave(member, &(agent_member_end){.reason = "left", .code = -1});
    }
    close_socket(member);
}

// ---- the table

agent_members *agent_members_create(uv_loop_t *loop, const char *host, uint64_t started_at_ms,
                                    const agent_members_events *events, void *user) {
    agent_members *members = mem_alloc(sizeof *members);
    members->loop = loop;
    members->events = *events;
    members->user = user;
    members->last = &members->first;
    members->incarnation = started_at_ms << 20; // grows with every start, and with every agent's
    strncpy(members->host, host, sizeof members->host - 1);
    members->news_timer = mem_alloc(sizeof *members->news_timer);
    members->news_timer->data = members;
    (void)uv_timer_init(loop, members->news_timer); // never fails
    return members;
}

static void on_timer_closed(uv_handle_t *timer) {
    free(timer);
}

void agent_members_destroy(agent_members *members) {
    if (members == NULL) return;
    uv_close((uv_handle_t *)members->news_timer, on_timer_closed);
    while (members->first != NULL) {
        agent_member *next = members->first->next;
        free_member(members->first);
        members->first = next;
    }
    free(members);
}

int agent_members_add(agent_members *members, int fd, const agent_identity *identity,
                      agent_member **out) {
    if (members->count == AGENT_MEMBERS_MAX) {
        close(fd);
        return MESH_EQUOTA;
    }
    agent_member *member = mem_alloc(sizeof *member);
    int err = mesh_channel_open(members->loop, fd, on_packet, on_end, member, &member->channel);
    if (err != 0) {
        free(member);
        return err;
    }
    member->members = members;
    member->identity = *identity;
    member->identity.name = mem_copy(identity->name, strlen(identity->name) + 1);
    member->identity.service = mem_copy(identity->service, strlen(identity->service) + 1);
    member->since_ms = uv_now(members->loop);
    *members->last = member;
    members->last = &member->next;
    members->count++;
    members->attached_count += identity->is_attached;
    // Others are told its pid with its name: nothing is heard from it before that is known.
    if (identity->pid == 0) mesh_channel_pause(member->channel, true);
    say_welcome(member);
    *out = member;
    return 0;
}
