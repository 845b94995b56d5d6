#include "agent/members_state.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/roster.h"
#include "agent/say.h"
#include "core/error.h"
#include "core/mem.h"

// News of members is gathered this long once some has been told, longer the more there are to tell:
// fifty nodes that start together would else wake each other two thousand times.
enum { NEWS_EVERY_MS = 5, NEWS_MS_PER_MEMBERS = 8 };

const agent_member_info *agent_member_identity(const agent_member *member) {
    return &member->identity;
}
bool agent_member_has_spoken(const agent_member *member) {
    return member->has_spoken;
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

agent_member *agent_members_find(agent_members *members, uint64_t node_id) {
    for (agent_member *m = members->first; m != NULL; m = m->next)
        if (m->identity.node_id == node_id) return m;
    return NULL;
}

// ---- ids

void agent_members_set_host_id(agent_members *members, const uint8_t *host_id) {
    memcpy(members->host_id, host_id, MESH_ID_LEN);
}

void agent_members_number(const agent_members *members, agent_member_info *out) {
    do { // 64 random bits: never the same twice
        CHECK(getrandom(&out->number, sizeof out->number, 0) == (ssize_t)sizeof out->number);
        out->node_id = mesh_node_id_of(members->host_id, out->number);
    } while (out->number == 0 || out->node_id == 0);
}

// ---- saying

static mesh_bytes pack(const Warren__Node__ToNode *message) {
    size_t len = warren__node__to_node__get_packed_size(message);
    uint8_t *bytes = mem_alloc(len);
    warren__node__to_node__pack(message, bytes);
    return (mesh_bytes){bytes, len};
}

void agent_member_send_fds(agent_member *member, const Warren__Node__ToNode *message,
                           const int *fds, size_t fd_count) {
    if (member->channel == NULL) return;
    mesh_bytes bytes = pack(message);
    mesh_channel_send(member->channel, bytes, fds, fd_count);
    free((uint8_t *)(uintptr_t)bytes.data);
}

void agent_member_send(agent_member *member, const Warren__Node__ToNode *message, int fd) {
    agent_member_send_fds(member, message, &fd, fd >= 0 ? 1 : 0);
}

// One that was adopted and never spoke may have no use for the mesh, and read nothing: no news pile
// up. One that did spoke may only be busy, and would never hear of an end that is not said now.
static bool hears_news(const agent_member *m) {
    return m->channel != NULL &&
           (m->is_joined ||
            (m->is_adopted && (m->has_spoken || mesh_channel_queued(m->channel) == 0)));
}

// To all who have joined, except the one it is about (NULL: to all).
static void tell_others(agent_members *members, const agent_member *about,
                        const Warren__Node__ToNode *message) {
    mesh_bytes bytes = pack(message);
    for (agent_member *m = members->first; m != NULL; m = m->next)
        if (m != about && hears_news(m)) mesh_channel_send(m->channel, bytes, NULL, 0);
    free((uint8_t *)(uintptr_t)bytes.data);
}

static void say_registry_to(const Warren__Node__Registry *registry, void *user) {
    AGENT_TO_NODE(message, REGISTRY, registry, (Warren__Node__Registry *)(uintptr_t)registry);
    agent_member_send(user, &message, -1);
}

static void say_registry_to_all(const Warren__Node__Registry *registry, void *user) {
    AGENT_TO_NODE(message, REGISTRY, registry, (Warren__Node__Registry *)(uintptr_t)registry);
    tell_others(user, NULL, &message);
}

static void add_to_roster(agent_roster *roster, const agent_member *member) {
    const agent_member_info *who = &member->identity;
    Warren__Node__Peer peer = WARREN__NODE__PEER__INIT;
    peer.node_id = who->node_id;
    peer.name = (char *)(uintptr_t)who->name;
    peer.service = (char *)(uintptr_t)who->service;
    peer.instance = who->instance;
    peer.host = member->members->host;
    peer.pid = who->pid;
    peer.is_stalled = who->is_stalled;
    agent_roster_up(roster, &peer);
}

static void add_entries(agent_roster *roster, const agent_member *member, size_t from) {
    for (size_t i = from; i < member->entry_count; i++)
        agent_roster_put(roster, member->identity.node_id, member->entries[i]);
}

void agent_member_say_all(agent_member *newcomer) {
    agent_roster roster = {.on_packet = say_registry_to, .user = newcomer};
    for (agent_member *m = newcomer->members->first; m != NULL; m = m->next) {
        if (!m->is_joined || m == newcomer) continue;
        add_to_roster(&roster, m);
        add_entries(&roster, m, 0);
    }
    agent_roster_finish(&roster);
    const agent_members *members = newcomer->members;
    if (members->abroad != NULL)
        members->abroad->on_newcomer(say_registry_to, newcomer, members->abroad_user);
}

void agent_member_give_sign(const agent_member *member, agent_sign sign) {
    const agent_members *members = member->members;
    if (members->events.on_sign != NULL && !member->identity.is_attached)
        members->events.on_sign(member, sign, members->user);
}

void agent_member_say_announced(agent_member *member) {
    for (; member->told_count < member->entry_count; member->told_count++) {
        Warren__Node__Announced announced = WARREN__NODE__ANNOUNCED__INIT;
        announced.entry_id = member->entries[member->told_count]->entry_id;
        AGENT_TO_NODE(message, ANNOUNCED, announced, &announced);
        agent_member_send(member, &message, -1);
    }
}

// What other hosts do not know yet of a member: all, or its entries from `from` on.
static void say_abroad(const agent_member *member, size_t from) {
    const agent_members *members = member->members;
    if (members->abroad == NULL) return;
    if (!member->is_told) members->abroad->on_up(&member->identity, members->abroad_user);
    for (size_t i = from; i < member->entry_count; i++)
        members->abroad->on_entry(&member->identity, member->entries[i], members->abroad_user);
}

// What others do not know yet. A member hears of itself too, and of what it learned when it joined:
// it knows its own id, and known is known.
void agent_members_tell_news(agent_members *members) {
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
        say_abroad(m, m->is_told ? m->told_count : 0);
        m->is_told = true;
        agent_member_say_announced(m);
        if (m->told_count > 0) agent_member_give_sign(m, AGENT_SIGN_SERVES);
    }
    members->news_at_ms = uv_now(members->loop);
    uv_timer_stop(members->news_timer);
}

static void tell_ability(agent_member *member) {
    agent_members *members = member->members;
    bool is_stalled = member->is_stuck || member->is_unwell;
    if (member->identity.is_stalled == is_stalled) return;
    member->identity.is_stalled = is_stalled;
    if (!member->is_joined || !member->is_told) return; // its name will come with it
    agent_roster roster = {.on_packet = say_registry_to_all, .user = members};
    add_to_roster(&roster, member);
    agent_roster_finish(&roster);
    if (members->abroad != NULL) members->abroad->on_up(&member->identity, members->abroad_user);
}

void agent_member_set_stalled(agent_member *member, bool is_stalled) {
    member->is_stuck = is_stalled;
    tell_ability(member);
}

void agent_member_set_unwell(agent_member *member, bool is_unwell) {
    member->is_unwell = is_unwell;
    tell_ability(member);
}

static void on_news_timer(uv_timer_t *timer) {
    agent_members_tell_news(timer->data);
}

void agent_members_tell_news_soon(agent_members *members) {
    if (uv_is_active((uv_handle_t *)members->news_timer)) return;
    uint64_t every_ms = NEWS_EVERY_MS + members->count / NEWS_MS_PER_MEMBERS;
    uint64_t now_ms = uv_now(members->loop), due_ms = members->news_at_ms + every_ms;
    if (now_ms >= due_ms)
        agent_members_tell_news(members);
    else
        uv_timer_start(members->news_timer, on_news_timer, due_ms - now_ms, 0);
}

void agent_member_say_removed(const agent_member *about, uint32_t entry_id) {
    Warren__Node__Entry entry = WARREN__NODE__ENTRY__INIT;
    entry.entry_id = entry_id;
    Warren__Node__OwnedEntry owned = WARREN__NODE__OWNED_ENTRY__INIT, *removed[] = {&owned};
    owned.node_id = about->identity.node_id;
    owned.entry = &entry;
    Warren__Node__Registry registry = WARREN__NODE__REGISTRY__INIT;
    registry.n_removed = 1;
    registry.removed = removed;
    AGENT_TO_NODE(message, REGISTRY, registry, &registry);
    tell_others(about->members, about, &message);
    const agent_members *members = about->members;
    if (members->abroad != NULL)
        members->abroad->on_removed(&about->identity, entry_id, members->abroad_user);
}

static void say_welcome(agent_member *member) {
    const agent_member_info *who = &member->identity;
    Warren__Node__Welcome welcome = WARREN__NODE__WELCOME__INIT;
    welcome.node_id = who->node_id;
    welcome.name = (char *)(uintptr_t)who->name;
    welcome.service = (char *)(uintptr_t)who->service;
    welcome.instance = who->instance;
    welcome.host = member->members->host;
    welcome.incarnation = ++member->members->incarnation;
    AGENT_TO_NODE(message, WELCOME, welcome, &welcome);
    agent_member_send(member, &message, -1);
}

// ---- the end of a member

static void forget_entries(agent_member *member) {
    for (size_t i = 0; i < member->entry_count; i++)
        warren__node__entry__free_unpacked(member->entries[i], NULL);
    member->entry_count = member->told_count = 0;
}

void agent_members_tell(agent_members *members, const Warren__Node__Registry *news) {
    say_registry_to_all(news, members);
}

static void tell_down(agent_members *members, const agent_member *about, uint64_t node_id,
                      const agent_member_end *end) {
    Warren__Node__Down down = WARREN__NODE__DOWN__INIT;
    down.node_id = node_id;
    down.reason = (char *)(uintptr_t)end->reason;
    down.code = end->code;
    down.signal = (uint32_t)end->signal;
    AGENT_TO_NODE(message, DOWN, down, &down);
    tell_others(members, about, &message);
}

void agent_members_tell_down(agent_members *members, uint64_t node_id,
                             const agent_member_end *end) {
    tell_down(members, NULL, node_id, end);
}

void agent_member_leave(agent_member *member, const agent_member_end *end) {
    agent_members *members = member->members;
    bool was_joined = member->is_joined || member->is_adopted;
    member->is_joined = member->is_adopted = false;
    member->has_left = true;
    forget_entries(member);
    if (!was_joined) return;
    tell_down(members, member, member->identity.node_id, end);
    if (members->abroad != NULL && member->is_told)
        members->abroad->on_down(&member->identity, end, members->abroad_user);
}

void agent_members_set_abroad(agent_members *members, const agent_members_abroad *abroad,
                              void *user) {
    members->abroad = abroad;
    members->abroad_user = user;
    if (abroad == NULL) return;
    for (const agent_member *m = members->first; m != NULL; m = m->next) {
        if (!m->is_joined || !m->is_told) continue;
        abroad->on_up(&m->identity, user);
        for (size_t i = 0; i < m->told_count; i++)
            abroad->on_entry(&m->identity, m->entries[i], user);
    }
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

void agent_members_set_leases(agent_members *members, const agent_members_leases *leases,
                              void *user) {
    members->leases = leases;
    members->leases_user = user;
}

void agent_member_say_lease(agent_member *member, const Warren__Node__Lease *lease) {
    AGENT_TO_NODE(message, LEASE, lease, (Warren__Node__Lease *)(uintptr_t)lease);
    agent_member_send(member, &message, -1);
}

static void drop_leases(agent_member *member, bool is_dead) {
    const agent_members *members = member->members;
    if (members->leases != NULL) members->leases->on_gone(member, is_dead, members->leases_user);
}

void agent_members_end(agent_members *members, agent_member *member, const agent_member_end *end) {
    drop_leases(member, true);
    agent_member_leave(member, end);
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

void agent_member_refuse(agent_member *member, const char *text) {
    agent_say("%s (pid %u): %s; its connection is closed", member->identity.name,
              member->identity.pid, text);
    Warren__Node__Refused refused = WARREN__NODE__REFUSED__INIT;
    refused.text = (char *)(uintptr_t)text;
    AGENT_TO_NODE(message, REFUSED, refused, &refused);
    agent_member_send(member, &message, -1);
    drop_leases(member, false);
    agent_member_leave(member, &(agent_member_end){.reason = "left", .code = -1});
    close_socket(member);
}

void agent_members_turn_away(int fd, const char *text) {
    Warren__Node__Refused refused = WARREN__NODE__REFUSED__INIT;
    refused.text = (char *)(uintptr_t)text;
    AGENT_TO_NODE(message, REFUSED, refused, &refused);
    mesh_bytes bytes = pack(&message);
    (void)mesh_packet_send(fd, bytes, NULL, 0); // if it is gone, it knows
    free((uint8_t *)(uintptr_t)bytes.data);
    close(fd);
}

static void on_end(mesh_channel *channel, int err, void *user) {
    agent_member *member = user;
    (void)channel;
    drop_leases(member, err == MESH_EGONE);
    if (err != MESH_EGONE) {
        agent_say("%s (pid %u): its connection is closed: %s", member->identity.name,
                  member->identity.pid, err < -10000 ? mesh_error_text(err) : strerror(-err));
        agent_member_leave(member, &(agent_member_end){.reason = "left", .code = -1});
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

void agent_members_set_host(agent_members *members, const char *host) {
    (void)snprintf(members->host, sizeof members->host, "%s", host);
}

static void on_timer_closed(uv_handle_t *timer) {
    free(timer);
}

const char *agent_members_host(const agent_members *members) {
    return members->host;
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

int agent_member_fd(const agent_member *member) {
    return member->channel != NULL ? mesh_channel_fd(member->channel) : -1;
}

// Takes fd (-1: none). It has said and heard nothing yet.
static int add(agent_members *members, int fd, const agent_member_info *identity,
               agent_member **out) {
    if (members->count == AGENT_MEMBERS_MAX) {
        if (fd >= 0) close(fd);
        return MESH_EQUOTA;
    }
    agent_member *member = mem_alloc(sizeof *member);
    int err = fd < 0 ? 0
                     : mesh_channel_open(members->loop, fd, agent_member_on_packet, on_end, member,
                                         &member->channel);
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
    *out = member;
    return 0;
}

int agent_members_add(agent_members *members, int fd, const agent_member_info *identity,
                      agent_member **out) {
    int err = add(members, fd, identity, out);
    if (err != 0) return err;
    // Others are told its pid with its name: nothing is heard from it before that is known.
    if (identity->pid == 0) mesh_channel_pause((*out)->channel, true);
    say_welcome(*out);
    return 0;
}

int agent_members_adopt(agent_members *members, int fd, const agent_member_info *identity,
                        bool has_spoken, agent_member **out) {
    int err = add(members, fd, identity, out);
    if (err != 0) return err;
    (*out)->is_adopted = true;
    (*out)->has_spoken = has_spoken;
    Warren__Node__Adopt adopt = WARREN__NODE__ADOPT__INIT;
    adopt.number = (*out)->adoption =
        uv_hrtime(); // agents of one directory run one after the other
    AGENT_TO_NODE(message, ADOPT, adopt, &adopt);
    agent_member_send(*out, &message, -1);
    return 0;
}
