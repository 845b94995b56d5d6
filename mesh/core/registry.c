#include "core/error.h"
#include "core/mem.h"
#include "core/registry_state.h"
#include "core/subject.h"
#include "core/tags.h"

enum { TOPIC_KEY_MAX = 1 + MESH_NAME_LEN_MAX, RECORD_KEY_LEN = 12 };

mesh_registry *mesh_registry_create(const uint8_t hash_key[MESH_MAP_KEY_LEN]) {
    mesh_registry *registry = mem_alloc(sizeof *registry);
    mesh_map_init(&registry->members, hash_key);
    mesh_map_init(&registry->records, hash_key);
    mesh_map_init(&registry->topics, hash_key);
    mesh_map_init(&registry->routes, hash_key);
    registry->version = 1;
    return registry;
}

// ---- members

static mesh_owner *find_member(const mesh_registry *registry, uint64_t node_id) {
    uint64_t hash = mesh_map_hash_u64(&registry->members, node_id);
    mesh_owner *member;
    for (size_t cursor = 0; (member = mesh_map_next(&registry->members, hash, &cursor));) {
        if (member->node_id == node_id) return member;
    }
    return NULL;
}

int mesh_registry_member_add(mesh_registry *registry, uint64_t node_id, uint32_t tag) {
    if (find_member(registry, node_id)) return MESH_EEXIST;
    mesh_owner *member = mem_alloc(sizeof *member);
    member->node_id = node_id;
    member->tag = tag;
    mesh_map_add(&registry->members, mesh_map_hash_u64(&registry->members, node_id), member);
    return 0;
}

// ---- topics

static uint64_t topic_hash(const mesh_registry *registry, mesh_entry_kind kind, mesh_bytes name) {
    uint8_t key[TOPIC_KEY_MAX];
    key[0] = (uint8_t)kind;
    memcpy(key + 1, name.data, name.len);
    return mesh_map_hash(&registry->topics, key, 1 + name.len);
}

static bool is_same(mesh_bytes a, mesh_bytes b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

mesh_topic *mesh_registry_topic(const mesh_registry *registry, mesh_entry_kind kind,
                                mesh_bytes name) {
    if (name.len == 0 || name.len > MESH_NAME_LEN_MAX) return NULL;
    uint64_t hash = topic_hash(registry, kind, name);
    mesh_topic *topic;
    for (size_t cursor = 0; (topic = mesh_map_next(&registry->topics, hash, &cursor));) {
        if (topic->kind == kind && is_same(topic->name, name)) return topic;
    }
    return NULL;
}

static mesh_topic *add_topic(mesh_registry *registry, mesh_entry_kind kind, mesh_bytes name) {
    mesh_topic *topic = mem_alloc(sizeof *topic + name.len);
    memcpy(topic->name_memory, name.data, name.len);
    topic->kind = kind;
    topic->name = (mesh_bytes){topic->name_memory, name.len};
    mesh_map_add(&registry->topics, topic_hash(registry, kind, name), topic);
    if (kind != MESH_ENTRY_SUBSCRIPTION || !mesh_subject_has_wildcard(name)) return topic;
    topic->is_wildcard = true;
    topic->wildcard_index = registry->wildcard_count;
    registry->wildcards = mem_grow(registry->wildcards, sizeof(mesh_topic *),
                                   registry->wildcard_count + 1, &registry->wildcard_cap);
    registry->wildcards[registry->wildcard_count++] = topic;
    return topic;
}

static void free_topic(mesh_topic *topic) {
    free(topic->records);
    free(topic->targets);
    free(topic);
}

static void remove_topic(mesh_registry *registry, mesh_topic *topic) {
    (void)mesh_map_remove(&registry->topics, topic_hash(registry, topic->kind, topic->name), topic);
    if (topic->is_wildcard) {
        mesh_topic *last = registry->wildcards[--registry->wildcard_count];
        registry->wildcards[topic->wildcard_index] = last;
        last->wildcard_index = topic->wildcard_index;
    }
    free_topic(topic);
}

static void topic_add(mesh_topic *topic, mesh_record *record) {
    size_t need = topic->count + 1;
    topic->records = mem_grow(topic->records, sizeof(mesh_record *), need, &topic->cap);
    topic->targets = mem_grow(topic->targets, sizeof *topic->targets, need, &topic->target_cap);
    record->topic = topic;
    record->topic_index = topic->count;
    topic->records[topic->count] = record;
    topic->targets[topic->count] =
        (mesh_target){record->member->tag, record->entry.entry_id, &record->entry};
    topic->count++;
}

static void topic_remove(mesh_registry *registry, mesh_record *record) {
    mesh_topic *topic = record->topic;
    size_t last = --topic->count, at = record->topic_index;
    topic->records[at] = topic->records[last];
    topic->targets[at] = topic->targets[last];
    topic->records[at]->topic_index = at;
    if (topic->count == 0) remove_topic(registry, topic);
}

// ---- entries

static uint64_t record_hash(const mesh_registry *registry, uint64_t node_id, uint32_t entry_id) {
    uint8_t key[RECORD_KEY_LEN];
    memcpy(key, &node_id, sizeof node_id);
    memcpy(key + sizeof node_id, &entry_id, sizeof entry_id);
    return mesh_map_hash(&registry->records, key, sizeof key);
}

static bool is_record(const mesh_record *record, uint64_t node_id, uint32_t entry_id) {
    return record->entry.entry_id == entry_id && record->member->node_id == node_id;
}

static mesh_record *find_record(mesh_registry *registry, uint64_t node_id, uint32_t entry_id) {
    mesh_record *last = registry->found_last;
    if (last && is_record(last, node_id, entry_id)) return last;
    uint64_t hash = record_hash(registry, node_id, entry_id);
    mesh_record *record;
    for (size_t cursor = 0; (record = mesh_map_next(&registry->records, hash, &cursor));) {
        if (is_record(record, node_id, entry_id)) return registry->found_last = record;
    }
    return NULL;
}

static bool is_valid(const mesh_entry *entry) {
    if (entry->queue.len > MESH_NAME_LEN_MAX || !mesh_tags_is_valid(entry->tags)) return false;
    if (entry->kind == MESH_ENTRY_SUBSCRIPTION) return mesh_subject_is_pattern(entry->name);
    bool is_service = entry->kind == MESH_ENTRY_SERVICE && entry->queue.len == 0;
    return is_service && entry->name.len > 0 && entry->name.len <= MESH_NAME_LEN_MAX;
}

static mesh_record *create_record(mesh_owner *member, const mesh_entry *entry) {
    mesh_record *record =
        mem_alloc(sizeof *record + entry->name.len + entry->queue.len + entry->tags.len);
    uint8_t *text = (uint8_t *)(record + 1);
    memcpy(text, entry->name.data, entry->name.len);
    if (entry->queue.len > 0) memcpy(text + entry->name.len, entry->queue.data, entry->queue.len);
    uint8_t *tags = text + entry->name.len + entry->queue.len;
    if (entry->tags.len > 0) memcpy(tags, entry->tags.data, entry->tags.len);
    record->entry = *entry;
    record->entry.name.data = text;
    record->entry.queue.data = text + entry->name.len;
    record->entry.tags.data = tags;
    record->member = member;
    return record;
}

static void remove_record(mesh_registry *registry, mesh_record *record) {
    mesh_owner *member = record->member;
    if (record->entry.kind == MESH_ENTRY_SUBSCRIPTION) registry->version++;
    (void)mesh_map_remove(&registry->records,
                          record_hash(registry, member->node_id, record->entry.entry_id), record);
    mesh_record *last = member->entries[--member->count];
    member->entries[record->member_index] = last;
    last->member_index = record->member_index;
    topic_remove(registry, record);
    if (registry->found_last == record) registry->found_last = NULL;
    free(record);
}

int mesh_registry_put(mesh_registry *registry, uint64_t node_id, const mesh_entry *entry) {
    mesh_owner *member = find_member(registry, node_id);
    if (!member) return MESH_ENOTFOUND;
    if (!is_valid(entry)) return MESH_EINVAL;
    mesh_record *old = find_record(registry, node_id, entry->entry_id);
    if (!old && member->count == MESH_ENTRIES_MAX) return MESH_EQUOTA;

    mesh_record *record = create_record(member, entry);
    if (old) remove_record(registry, old);
    if (entry->kind == MESH_ENTRY_SUBSCRIPTION) registry->version++;
    mesh_map_add(&registry->records, record_hash(registry, node_id, entry->entry_id), record);
    member->entries =
        mem_grow(member->entries, sizeof(mesh_record *), member->count + 1, &member->cap);
    record->member_index = member->count;
    member->entries[member->count++] = record;
    mesh_topic *topic = mesh_registry_topic(registry, entry->kind, entry->name);
    topic_add(topic ? topic : add_topic(registry, entry->kind, entry->name), record);
    return 0;
}

bool mesh_registry_remove(mesh_registry *registry, uint64_t node_id, uint32_t entry_id) {
    mesh_record *record = find_record(registry, node_id, entry_id);
    if (record) remove_record(registry, record);
    return record != NULL;
}

const mesh_entry *mesh_registry_find(mesh_registry *registry, uint64_t node_id, uint32_t entry_id) {
    const mesh_record *record = find_record(registry, node_id, entry_id);
    return record ? &record->entry : NULL;
}

const mesh_entry *mesh_registry_entry_at(const mesh_registry *registry, uint64_t node_id,
                                         size_t index) {
    const mesh_owner *member = find_member(registry, node_id);
    return member && index < member->count ? &member->entries[index]->entry : NULL;
}

static void free_member(mesh_owner *member) {
    free(member->entries);
    free(member);
}

void mesh_registry_member_remove(mesh_registry *registry, uint64_t node_id) {
    mesh_owner *member = find_member(registry, node_id);
    if (!member) return;
    while (member->count > 0)
        remove_record(registry, member->entries[member->count - 1]);
    (void)mesh_map_remove(&registry->members, mesh_map_hash_u64(&registry->members, node_id),
                          member);
    free_member(member);
}

size_t mesh_registry_service(mesh_registry *registry, mesh_bytes name,
                             const mesh_target **out_targets) {
    const mesh_topic *topic = mesh_registry_topic(registry, MESH_ENTRY_SERVICE, name);
    if (!topic) return 0;
    *out_targets = topic->targets;
    return topic->count;
}

void mesh_registry_destroy(mesh_registry *registry) {
    if (!registry) return;
    void *item;
    for (size_t i = 0; (item = mesh_map_each(&registry->records, &i));)
        free(item);
    for (size_t i = 0; (item = mesh_map_each(&registry->topics, &i));)
        free_topic(item);
    for (size_t i = 0; (item = mesh_map_each(&registry->members, &i));)
        free_member(item);
    mesh_registry_forget_routes(registry);
    mesh_map_deinit(&registry->members);
    mesh_map_deinit(&registry->records);
    mesh_map_deinit(&registry->topics);
    mesh_map_deinit(&registry->routes);
    free(registry->wildcards);
    free(registry->matches);
    free(registry);
}
