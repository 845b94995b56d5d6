// Members here and members there: what happens here goes into the replica, what the replica hears
// of other hosts goes to the members here.
#include "agent/cluster_state.h"
#include "agent/say.h"
#include "core/error.h"
#include "core/mem.h"

// ---- from here to there

static void write_op(agent_cluster *c, const mesh_op *op) {
    int err = mesh_replica_write(c->replica, op);
    if (err != 0) agent_say("other hosts do not hear of something here: %s", mesh_error_text(err));
    cluster_wake(c); // many come at once: they go out together
}

// A node that was started when this host had other keys: before it left another cluster. Its id
// would not be believed.
static bool is_ours(const agent_cluster *c, const agent_member_info *who) {
    return who->node_id == mesh_node_id_of(c->host_id, who->number);
}

static void on_up(const agent_member_info *who, void *user) {
    if (!is_ours(user, who)) {
        agent_say("%s is older than the keys of this host: other hosts see it once it was started "
                  "again",
                  who->name);
        return;
    }
    write_op(user, &(mesh_op){.kind = MESH_OP_NODE,
                              .number = who->number,
                              .name = mesh_bytes_text(who->name),
                              .service = mesh_bytes_text(who->service),
                              .instance = who->instance,
                              .pid = who->pid,
                              .state = who->is_stalled ? MESH_NODE_STALLED : MESH_NODE_UP});
}

static mesh_entry entry_of(const Warren__Node__Entry *entry) {
    return (mesh_entry){.entry_id = entry->entry_id,
                        .kind = entry->kind == WARREN__NODE__ENTRY__KIND__SERVICE
                                    ? MESH_ENTRY_SERVICE
                                    : MESH_ENTRY_SUBSCRIPTION,
                        .name = mesh_bytes_text(entry->name),
                        .queue = mesh_bytes_text(entry->queue),
                        .tags = mesh_bytes_text(entry->tags)};
}

static void on_entry(const agent_member_info *who, const Warren__Node__Entry *entry, void *user) {
    if (!is_ours(user, who)) return;
    write_op(user,
             &(mesh_op){.kind = MESH_OP_PUT, .number = who->number, .entry = entry_of(entry)});
}

static void on_removed(const agent_member_info *who, uint32_t entry_id, void *user) {
    if (!is_ours(user, who)) return;
    write_op(user, &(mesh_op){.kind = MESH_OP_REMOVED,
                              .number = who->number,
                              .entry = {.entry_id = entry_id}});
}

static void on_down(const agent_member_info *who, const agent_member_end *end, void *user) {
    if (!is_ours(user, who)) return;
    write_op(user, &(mesh_op){.kind = MESH_OP_END,
                              .number = who->number,
                              .reason = mesh_bytes_text(end->reason),
                              .code = end->code,
                              .signal = (uint32_t)end->signal});
}

// ---- from there to here

// Registry messages being made. They want texts that end with a zero, which the replica's do not.
typedef struct news {
    agent_cluster *cluster;
    agent_roster roster;
    void **owned;
    size_t owned_count, owned_cap;
} news;

static void *own(news *n, void *block) {
    n->owned = mem_grow(n->owned, sizeof(void *), n->owned_count + 1, &n->owned_cap);
    n->owned[n->owned_count++] = block;
    return block;
}

static char *own_text(news *n, mesh_bytes text) {
    char *copy = mem_alloc(text.len + 1);
    if (text.len > 0) memcpy(copy, text.data, text.len);
    return own(n, copy);
}

static void add_up(news *n, const mesh_replica_output *told) {
    char name[MESH_CERT_NAME_LEN_MAX + 1];
    cluster_name_of(n->cluster, told->host_id, name);
    Warren__Node__Peer peer = WARREN__NODE__PEER__INIT;
    peer.node_id = told->node_id;
    peer.name = own_text(n, told->op.name);
    peer.service = own_text(n, told->op.service);
    peer.host = own_text(n, mesh_bytes_text(name));
    peer.instance = told->op.instance;
    peer.pid = told->op.pid;
    peer.is_stalled = told->op.state == MESH_NODE_STALLED;
    peer.host_id = (ProtobufCBinaryData){MESH_ID_LEN, own(n, mem_copy(told->host_id, MESH_ID_LEN))};
    agent_roster_up(&n->roster, &peer);
}

// What the certificate of a host does not let it serve or hear is not believed. (One that is not
// valid: a moment later the host has left, and all of it comes again with a new one.)
static bool is_allowed(agent_cluster *c, const uint8_t *host_id, const Warren__Node__Entry *entry) {
    const mesh_cert *cert = cluster_hosts_cert(c, host_id);
    return cert != NULL && agent_links_allows(cert, entry);
}

static void add_put(news *n, const mesh_replica_output *told) {
    const mesh_entry *from = &told->op.entry;
    Warren__Node__Entry *entry = own(n, mem_alloc(sizeof *entry));
    warren__node__entry__init(entry);
    entry->entry_id = from->entry_id;
    entry->kind = from->kind == MESH_ENTRY_SERVICE ? WARREN__NODE__ENTRY__KIND__SERVICE
                                                   : WARREN__NODE__ENTRY__KIND__SUBSCRIPTION;
    entry->name = own_text(n, from->name);
    entry->queue = own_text(n, from->queue);
    entry->tags = own_text(n, from->tags);
    if (is_allowed(n->cluster, told->host_id, entry))
        agent_roster_put(&n->roster, told->node_id, entry);
}

static void finish(news *n) {
    agent_roster_finish(&n->roster);
    for (size_t i = 0; i < n->owned_count; i++)
        free(n->owned[i]);
    free(n->owned);
}

static void add_told(const mesh_replica_output *told, void *user) {
    if (told->kind == MESH_REPLICA_PEER_UP)
        add_up(user, told);
    else
        add_put(user, told);
}

static void on_newcomer(agent_roster_cb say, void *newcomer, void *user) {
    news n = {.cluster = user, .roster = {.on_packet = say, .user = newcomer}};
    mesh_replica_each(n.cluster->replica, add_told, &n);
    finish(&n);
}

static void say_to_all(const Warren__Node__Registry *registry, void *user) {
    agent_members_tell(user, registry);
}

static void tell_removed(agent_cluster *c, const mesh_replica_output *told) {
    Warren__Node__Entry entry = WARREN__NODE__ENTRY__INIT;
    entry.entry_id = told->op.entry.entry_id;
    Warren__Node__OwnedEntry owned = WARREN__NODE__OWNED_ENTRY__INIT, *removed[] = {&owned};
    owned.node_id = told->node_id;
    owned.entry = &entry;
    Warren__Node__Registry registry = WARREN__NODE__REGISTRY__INIT;
    registry.n_removed = 1;
    registry.removed = removed;
    agent_members_tell(c->options.members, &registry);
}

static void tell_down(agent_cluster *c, const mesh_replica_output *told) {
    const mesh_op *op = &told->op;
    char reason[MESH_REASON_LEN_MAX + 1] = "";
    memcpy(reason, op->reason.data, op->reason.len);
    agent_member_end end = {.reason = reason, .code = op->code, .signal = (int)op->signal};
    agent_members_tell_down(c->options.members, told->node_id, &end);
}

// Comings are gathered in few packets; before anything else is told they go out, for the order
// counts.
void cluster_registry_work(agent_cluster *c) {
    const agent_roster empty = {.on_packet = say_to_all, .user = c->options.members};
    news n = {.cluster = c, .roster = empty};
    mesh_replica_output out;
    while (mesh_replica_poll(c->replica, &out)) {
        if (c->is_closing && out.kind != MESH_REPLICA_SEND)
            continue; // there are no members any more
        switch (out.kind) {
        case MESH_REPLICA_SEND: cluster_links_send(c, out.host_id, out.bytes); continue;
        case MESH_REPLICA_PEER_UP: add_up(&n, &out); continue;
        case MESH_REPLICA_ENTRY_PUT: add_put(&n, &out); continue;
        default: break;
        }
        finish(&n);
        n = (news){.cluster = c, .roster = empty};
        if (out.kind == MESH_REPLICA_PEER_DOWN)
            tell_down(c, &out);
        else
            tell_removed(c, &out);
    }
    finish(&n);
}

static bool on_connect(agent_member *member, uint64_t node_id, void *user) {
    return agent_links_connect(((agent_cluster *)user)->links, member, node_id);
}

static void on_credentials(agent_member *member, const uint8_t link_key[MESH_LINK_KEY_LEN],
                           void *user) {
    agent_links_credentials(((agent_cluster *)user)->links, member, link_key);
}

static const agent_members_abroad hooks = {on_up,       on_entry,   on_removed,    on_down,
                                           on_newcomer, on_connect, on_credentials};

void cluster_registry_open(agent_cluster *c) {
    agent_members_set_abroad(c->options.members, &hooks, c);
}

static void add_lost(const mesh_replica_output *told, void *user) {
    agent_cluster *c = user;
    if (told->kind != MESH_REPLICA_PEER_UP) return;
    agent_member_end end = {.reason = "unreachable", .code = -1};
    agent_members_tell_down(c->options.members, told->node_id, &end);
}

void cluster_registry_close(agent_cluster *c) {
    agent_members_set_abroad(c->options.members, NULL, NULL);
    mesh_replica_each(c->replica, add_lost, c);
    c->options.members = NULL;
}
