#include "io/statement.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

// What was withdrawn last may not have reached everybody when an agent died over it.
enum { WITHDRAWN_MAX = 64 };

typedef struct said_entry {
    mesh_entry entry; // its strings follow it in the same block
    bool is_announced;
} said_entry;

typedef struct said_listen {
    mesh_listen_request request;
    char *address;
} said_listen;

struct mesh_statement {
    bool is_joining, is_joined, is_drained, has_left;
    bool is_ready[3];     // by way
    uint32_t connections; // when it was drained
    said_entry **entries;
    size_t entry_count, entry_cap;
    said_listen *listens;
    size_t listen_count, listen_cap;
    uint32_t withdrawn[WITHDRAWN_MAX]; // a ring
    uint32_t withdrawn_count;
};

mesh_statement *mesh_statement_create(void) {
    return mem_alloc(sizeof(mesh_statement));
}

void mesh_statement_destroy(mesh_statement *s) {
    if (s == NULL) return;
    for (size_t i = 0; i < s->entry_count; i++)
        free(s->entries[i]);
    for (size_t i = 0; i < s->listen_count; i++)
        free(s->listens[i].address);
    free(s->entries);
    free(s->listens);
    free(s);
}

void mesh_statement_join(mesh_statement *s) {
    s->is_joining = true;
}

bool mesh_statement_joined(mesh_statement *s) {
    bool is_first = !s->is_joined;
    s->is_joined = true;
    return is_first;
}

static mesh_bytes keep(uint8_t **at, mesh_bytes bytes) {
    if (bytes.len > 0) memcpy(*at, bytes.data, bytes.len);
    mesh_bytes kept = {*at, bytes.len};
    *at += bytes.len;
    return kept;
}

void mesh_statement_announce(mesh_statement *s, const mesh_entry *entry) {
    said_entry *said =
        mem_alloc(sizeof *said + entry->name.len + entry->queue.len + entry->tags.len);
    uint8_t *at = (uint8_t *)(said + 1);
    said->entry = *entry;
    said->entry.name = keep(&at, entry->name);
    said->entry.queue = keep(&at, entry->queue);
    said->entry.tags = keep(&at, entry->tags);
    s->entries = mem_grow(s->entries, sizeof(void *), s->entry_count + 1, &s->entry_cap);
    s->entries[s->entry_count++] = said;
}

bool mesh_statement_announced(mesh_statement *s, uint32_t entry_id) {
    for (size_t i = s->entry_count; i-- > 0;) {
        if (s->entries[i]->entry.entry_id != entry_id) continue;
        bool is_first = !s->entries[i]->is_announced;
        s->entries[i]->is_announced = true;
        return is_first;
    }
    return true; // withdrawn meanwhile: whoever waits for it may still want to know
}

void mesh_statement_withdraw(mesh_statement *s, uint32_t entry_id) {
    size_t i = 0;
    while (i < s->entry_count && s->entries[i]->entry.entry_id != entry_id)
        i++;
    if (i == s->entry_count) return;
    free(s->entries[i]);
    s->entry_count--;
    memmove(s->entries + i, s->entries + i + 1, (s->entry_count - i) * sizeof(void *));
    s->withdrawn[s->withdrawn_count++ % WITHDRAWN_MAX] = entry_id;
}

void mesh_statement_listen(mesh_statement *s, const mesh_listen_request *request) {
    said_listen said = {*request, mem_copy(request->address, strlen(request->address) + 1)};
    said.request.address = said.address;
    s->listens = mem_grow(s->listens, sizeof *s->listens, s->listen_count + 1, &s->listen_cap);
    s->listens[s->listen_count++] = said;
}

bool mesh_statement_listening(mesh_statement *s, uint32_t request_id) {
    for (size_t i = 0; i < s->listen_count; i++) {
        if (s->listens[i].request.request_id != request_id) continue;
        free(s->listens[i].address);
        s->listens[i] = s->listens[--s->listen_count];
        return true;
    }
    return false;
}

void mesh_statement_ready(mesh_statement *s, Warren__Node__Ready__Way way) {
    if (way <= WARREN__NODE__READY__WAY__STANDS_BY) s->is_ready[way] = true;
}

void mesh_statement_drained(mesh_statement *s, uint32_t connections) {
    s->is_drained = true;
    s->connections = connections;
}

void mesh_statement_leave(mesh_statement *s) {
    s->has_left = true;
}

void mesh_statement_say(const mesh_statement *s, mesh_channel *channel, uint64_t adoption,
                        const mesh_statement_links *links) {
    mesh_agent_link_restated(channel, links->received, adoption);
    if (s->is_joining) mesh_agent_link_join(channel);
    for (size_t i = 0; i < s->entry_count; i++)
        mesh_agent_link_announce(channel, &s->entries[i]->entry);
    for (uint32_t i = 0; i < s->withdrawn_count && i < WITHDRAWN_MAX; i++)
        mesh_agent_link_withdraw(channel, s->withdrawn[i]);
    for (size_t i = 0; i < s->listen_count; i++)
        mesh_agent_link_listen(channel, &s->listens[i].request);
    for (uint32_t i = 0; i < links->connecting_count; i++)
        mesh_agent_link_connect(channel, links->connecting[i], links->received);
    for (int way = 0; way < 3; way++)
        if (s->is_ready[way]) mesh_agent_link_ready(channel, (Warren__Node__Ready__Way)way);
    if (s->is_drained) mesh_agent_link_drained(channel, s->connections);
    if (s->has_left) mesh_agent_link_leave(channel);
}
