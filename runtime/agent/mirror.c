#include "agent/mirror.h"

#include "agent/say.h"
#include "core/mem.h"

enum { AGAIN_MS = 1000 };

typedef struct entry {
    agent_mirror_pair pair;
    bool is_seen; // by the reading that is under way
} entry;

struct agent_mirror {
    agent_mirror_options options;
    mesh_bytes prefix;
    entry *entries; // by key
    size_t count, cap, len;
    store_watch *watch;
    uv_timer_t timer;                    // the next try to read it
    int64_t revision;                    // of the first page
    int64_t newest;                      // of that, or of a change since
    mesh_bytes after;                    // the last key that was read
    bool is_whole, is_reading, is_stale; // stale: it is to be read once more
    uint64_t reading_count;
};

// ---- the pairs

static int compare(mesh_bytes a, mesh_bytes b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.data, b.data, len) : 0;
    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

// Where the key is, or would be.
static size_t find(const agent_mirror *m, mesh_bytes key) {
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(m->entries[middle].pair.key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const agent_mirror *m, size_t at, mesh_bytes key) {
    return at < m->count && compare(m->entries[at].pair.key, key) == 0;
}

static mesh_bytes copy(mesh_bytes bytes) {
    return (mesh_bytes){mem_copy(bytes.data, bytes.len), bytes.len};
}

static void release(mesh_bytes bytes) {
    free((void *)(uintptr_t)bytes.data);
}

static void tell(const agent_mirror *m, const agent_mirror_pair *pair, bool is_gone) {
    if (m->options.on_pair != NULL) m->options.on_pair(pair, is_gone, m->options.user);
}

static void put(agent_mirror *m, const agent_mirror_pair *pair) {
    size_t at = find(m, pair->key);
    bool is_new = !is_at(m, at, pair->key);
    if (is_new && (m->count == AGENT_MIRROR_PAIRS_MAX ||
                   m->len + pair->key.len + pair->value.len > AGENT_MIRROR_LEN_MAX)) {
        agent_say("the store has more below %.*s than an agent takes: some of it is left out",
                  (int)m->prefix.len, (const char *)m->prefix.data);
        return;
    }
    if (is_new) {
        m->entries = mem_grow(m->entries, sizeof *m->entries, m->count + 1, &m->cap);
        memmove(&m->entries[at + 1], &m->entries[at], (m->count - at) * sizeof *m->entries);
        m->entries[at] = (entry){.pair.key = copy(pair->key)};
        m->count++;
        m->len += pair->key.len;
    }
    entry *e = &m->entries[at];
    bool is_same = !is_new && e->pair.changed == pair->changed;
    e->is_seen = true;
    if (is_same) return;
    m->len -= e->pair.value.len;
    release(e->pair.value);
    e->pair.value = copy(pair->value);
    m->len += pair->value.len;
    e->pair.created = pair->created;
    e->pair.changed = pair->changed;
    e->pair.lease = pair->lease;
    tell(m, &e->pair, false);
}

static void take_out(agent_mirror *m, size_t at, int64_t revision) {
    agent_mirror_pair gone = m->entries[at].pair;
    m->len -= gone.key.len + gone.value.len;
    m->count--;
    memmove(&m->entries[at], &m->entries[at + 1], (m->count - at) * sizeof *m->entries);
    release(gone.value);
    gone.value = (mesh_bytes){NULL, 0};
    gone.changed = revision;
    tell(m, &gone, true);
    release(gone.key);
}

static void settle(const agent_mirror *m) {
    if (m->options.on_settled != NULL) m->options.on_settled(m->options.user);
}

// ---- the store

static void ask(agent_mirror *m);

static void on_again(uv_timer_t *timer) {
    ask(timer->data);
}

static void begin(agent_mirror *m) {
    store_watch_close(m->watch);
    m->watch = NULL;
    m->is_reading = true;
    m->is_stale = false;
    for (size_t i = 0; i < m->count; i++)
        m->entries[i].is_seen = false;
    release(m->after);
    m->after = (mesh_bytes){NULL, 0};
    m->revision = 0;
}

static void begin_later(agent_mirror *m) {
    begin(m);
    uv_timer_start(&m->timer, on_again, AGAIN_MS, 0);
}

static void on_news(const store_news *news, void *user) {
    agent_mirror *m = user;
    if (news->error != 0) {
        begin(m);
        if (news->error == STORE_ECOMPACTED)
            ask(m);
        else
            begin_later(m);
        return;
    }
    for (size_t i = 0; i < news->change_count; i++) {
        const store_change *c = &news->changes[i];
        size_t at = find(m, c->key);
        m->newest = c->revision;
        if (!c->is_delete)
            put(m, &(agent_mirror_pair){c->key, c->value, c->created, c->revision, c->lease});
        else if (is_at(m, at, c->key))
            take_out(m, at, c->revision);
    }
    settle(m);
}

static void end_reading(agent_mirror *m) {
    for (size_t i = m->count; i-- > 0;)
        if (!m->entries[i].is_seen) take_out(m, i, m->revision);
    m->newest = m->revision;
    m->is_whole = true;
    m->is_reading = false;
    m->reading_count++;
    m->watch = store_watch_open(
        m->options.db, &(store_watch_options){
                           .prefix = m->prefix, .after = m->revision, .cb = on_news, .user = m});
    settle(m);
    if (m->watch == NULL) begin_later(m);
}

static void on_page(const store_answer *answer, void *user) {
    agent_mirror *m = user;
    if (answer->error != 0) {
        begin_later(m);
        return;
    }
    if (m->is_stale) {
        begin(m);
        ask(m);
        return;
    }
    if (m->revision == 0) m->revision = answer->revision;
    for (size_t i = 0; i < answer->pair_count; i++) {
        const store_pair *p = &answer->pairs[i];
        put(m, &(agent_mirror_pair){p->key, p->value, p->created, p->changed, p->lease});
    }
    if (!answer->has_more) {
        end_reading(m);
        return;
    }
    release(m->after);
    m->after = copy(answer->pairs[answer->pair_count - 1].key);
    ask(m);
}

static void ask(agent_mirror *m) {
    store_list(m->options.db, &(store_range){.prefix = m->prefix, .after = m->after}, on_page, m);
}

// ---- its life

agent_mirror *agent_mirror_create(const agent_mirror_options *options) {
    agent_mirror *m = mem_alloc(sizeof *m);
    m->options = *options;
    m->prefix = copy(mesh_bytes_text(options->prefix));
    m->options.prefix = NULL; // the copy is what counts
    uv_timer_init(options->loop, &m->timer);
    m->timer.data = m;
    begin(m);
    ask(m);
    return m;
}

void agent_mirror_read_again(agent_mirror *m) {
    if (m->is_reading) {
        m->is_stale = true;
        return;
    }
    begin(m);
    ask(m);
}

uint64_t agent_mirror_readings(const agent_mirror *m) {
    return m->reading_count;
}

int64_t agent_mirror_revision(const agent_mirror *m) {
    return m->newest;
}

static void on_closed(uv_handle_t *handle) {
    agent_mirror *m = handle->data;
    for (size_t i = 0; i < m->count; i++) {
        release(m->entries[i].pair.key);
        release(m->entries[i].pair.value);
    }
    free(m->entries);
    release(m->prefix);
    release(m->after);
    free(m);
}

void agent_mirror_destroy(agent_mirror *m) {
    if (m != NULL) uv_close((uv_handle_t *)&m->timer, on_closed);
}

bool agent_mirror_is_whole(const agent_mirror *m) {
    return m->is_whole;
}

bool agent_mirror_is_settled(const agent_mirror *m) {
    return m->is_whole && !m->is_reading;
}

const agent_mirror_pair *agent_mirror_get(const agent_mirror *m, const char *key) {
    mesh_bytes bytes = mesh_bytes_text(key);
    size_t at = find(m, bytes);
    return is_at(m, at, bytes) ? &m->entries[at].pair : NULL;
}

void agent_mirror_each(const agent_mirror *m, const char *prefix, agent_mirror_cb each,
                       void *user) {
    mesh_bytes bytes = mesh_bytes_text(prefix);
    for (size_t i = find(m, bytes); i < m->count; i++) {
        const agent_mirror_pair *pair = &m->entries[i].pair;
        if (pair->key.len < bytes.len || memcmp(pair->key.data, bytes.data, bytes.len) != 0) break;
        each(pair, user);
    }
}
