#include "agent/elders.h"

#include <stdlib.h>

#include "agent/keep.h"
#include "core/mem.h"
#include "io/channel.h"
#include "zygote.pb-c.h"

typedef struct elder {
    agent_elders *elders;
    pid_t pid;
    mesh_channel *channel;
    struct elder *next;
} elder;

struct agent_elders {
    uv_loop_t *loop;
    agent_elders_events events;
    void *user;
    elder *first;
};

agent_elders *agent_elders_create(uv_loop_t *loop, const agent_elders_events *events, void *user) {
    agent_elders *elders = mem_alloc(sizeof *elders);
    *elders = (agent_elders){.loop = loop, .events = *events, .user = user};
    return elders;
}

static void forget(elder *e) {
    elder **at = &e->elders->first;
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    mesh_channel_close(e->channel);
    free(e);
}

void agent_elders_destroy(agent_elders *elders) {
    if (elders == NULL) return;
    while (elders->first != NULL)
        forget(elders->first);
    free(elders);
}

static void on_packet(mesh_channel *channel, mesh_bytes bytes, mesh_packet *packet, void *user) {
    elder *e = user;
    agent_elders *elders = e->elders;
    (void)channel, (void)packet; // descriptors of one that it launched for the agent before
    Warren__Zygote__ToAgent *m = warren__zygote__to_agent__unpack(NULL, bytes.len, bytes.data);
    if (m == NULL) return;
    if (m->kind_case == WARREN__ZYGOTE__TO_AGENT__KIND_EXITED)
        elders->events.on_exited(
            elders->user, m->exited->node_id,
            (agent_exit){.code = m->exited->code, .signal = (int)m->exited->signal});
    else if (m->kind_case == WARREN__ZYGOTE__TO_AGENT__KIND_STOPPED)
        elders->events.on_stopped(elders->user, m->stopped->node_id);
    else if (m->kind_case == WARREN__ZYGOTE__TO_AGENT__KIND_LISTED)
        elders->events.on_listed(elders->user, e->pid, false, m->listed->node_id,
                                 m->listed->n_node_id);
    warren__zygote__to_agent__free_unpacked(m, NULL);
}

static void on_end(mesh_channel *channel, int err, void *user) {
    elder *e = user;
    agent_elders *elders = e->elders;
    pid_t pid = e->pid;
    (void)channel, (void)err;
    forget(e);
    agent_keep_drop(WARREN__KEEPER__KIND__ZYGOTE, (uint64_t)pid);
    elders->events.on_listed(elders->user, pid, true, NULL, 0);
}

void agent_elders_add(agent_elders *elders, pid_t pid, int fd) {
    elder *e = mem_alloc(sizeof *e);
    *e = (elder){.elders = elders, .pid = pid, .next = elders->first};
    if (mesh_channel_open(elders->loop, fd, on_packet, on_end, e, &e->channel) != 0) {
        free(e);
        return;
    }
    elders->first = e;
}

void agent_elders_ask(agent_elders *elders) {
    Warren__Zygote__List list = WARREN__ZYGOTE__LIST__INIT;
    Warren__Zygote__ToZygote message = WARREN__ZYGOTE__TO_ZYGOTE__INIT;
    message.kind_case = WARREN__ZYGOTE__TO_ZYGOTE__KIND_LIST;
    message.list = &list;
    uint8_t bytes[64];
    CHECK(warren__zygote__to_zygote__get_packed_size(&message) <= sizeof bytes);
    size_t len = warren__zygote__to_zygote__pack(&message, bytes);
    for (elder *e = elders->first; e != NULL; e = e->next)
        mesh_channel_send(e->channel, (mesh_bytes){bytes, len}, NULL, 0);
}

static elder *find(const agent_elders *elders, pid_t pid) {
    for (elder *e = elders->first; e != NULL; e = e->next)
        if (e->pid == pid) return e;
    return NULL;
}

void agent_elders_keep(const agent_elders *elders) {
    Warren__Keeper__Zygote kept = WARREN__KEEPER__ZYGOTE__INIT;
    for (const elder *e = elders->first; e != NULL; e = e->next) {
        int fd = mesh_channel_fd(e->channel);
        agent_keep_put(WARREN__KEEPER__KIND__ZYGOTE, (uint64_t)e->pid, &kept.base, &fd, 1);
    }
}

bool agent_elders_has(const agent_elders *elders, pid_t pid) {
    return find(elders, pid) != NULL;
}

void agent_elders_release(agent_elders *elders, pid_t pid) {
    elder *e = find(elders, pid);
    if (e == NULL) return;
    agent_keep_drop(WARREN__KEEPER__KIND__ZYGOTE, (uint64_t)pid);
    forget(e); // it sees the end of its socket
}
