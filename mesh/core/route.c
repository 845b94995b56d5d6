// From a subject to the subscriptions it goes to, remembered until subscriptions change.
#include "core/mem.h"
#include "core/registry_state.h"
#include "core/subject.h"
#include "core/tags.h"

static void add_matches(mesh_registry *registry, const mesh_topic *topic) {
    size_t need = registry->match_count + topic->count;
    registry->matches =
        mem_grow(registry->matches, sizeof(mesh_record *), need, &registry->match_cap);
    memcpy(registry->matches + registry->match_count, topic->records,
           topic->count * sizeof(mesh_record *));
    registry->match_count = need;
}

static void collect(mesh_registry *registry, mesh_bytes subject) {
    registry->match_count = 0;
    const mesh_topic *exact = mesh_registry_topic(registry, MESH_ENTRY_SUBSCRIPTION, subject);
    if (exact) add_matches(registry, exact);
    for (size_t i = 0; i < registry->wildcard_count; i++) {
        const mesh_topic *topic = registry->wildcards[i];
        if (mesh_subject_matches(topic->name, subject)) add_matches(registry, topic);
    }
}

static int compare_queues(mesh_bytes a, mesh_bytes b) {
    if (a.len != b.len) return a.len < b.len ? -1 : 1;
    return a.len > 0 ? memcmp(a.data, b.data, a.len) : 0;
}

// By queue (none first), then by tag, then by entry: the same members give the same route.
static int compare_records(const void *left, const void *right) {
    const mesh_record *a = *(mesh_record *const *)left, *b = *(mesh_record *const *)right;
    int by_queue = compare_queues(a->entry.queue, b->entry.queue);
    if (by_queue != 0) return by_queue;
    if (a->member->tag != b->member->tag) return a->member->tag < b->member->tag ? -1 : 1;
    if (a->entry.entry_id == b->entry.entry_id) return 0;
    return a->entry.entry_id < b->entry.entry_id ? -1 : 1;
}

static void keep_callable(mesh_cached_route *cached, mesh_route *route) {
    mesh_bytes listens = mesh_bytes_text(MESH_TAG_LISTENS);
    route->callable = cached->callable;
    for (uint32_t i = 0; i < route->count; i++)
        if (!mesh_tags_has(route->targets[i].entry->tags, listens))
            cached->callable[route->callable_count++] = route->targets[i];
}

static void build(mesh_registry *registry, mesh_cached_route *cached) {
    mesh_bytes subject = {cached->subject, cached->subject_len};
    collect(registry, subject);
    size_t count = registry->match_count;
    if (count > 0) qsort(registry->matches, count, sizeof(mesh_record *), compare_records);

    free(cached->targets);
    free(cached->group_ends);
    free(cached->callable);
    cached->targets = mem_alloc(count * sizeof(mesh_target));
    cached->callable = mem_alloc(count * sizeof(mesh_target));
    cached->group_ends = mem_alloc(count * sizeof(uint32_t));
    mesh_route route = {
        .targets = cached->targets, .count = (uint32_t)count, .group_ends = cached->group_ends};
    for (uint32_t i = 0; i < route.count; i++) {
        const mesh_record *record = registry->matches[i];
        cached->targets[i] =
            (mesh_target){record->member->tag, record->entry.entry_id, &record->entry};
        if (record->entry.queue.len == 0) {
            route.plain_count++;
            continue;
        }
        bool is_new =
            i == route.plain_count ||
            compare_queues(record->entry.queue, registry->matches[i - 1]->entry.queue) != 0;
        if (is_new) route.group_count++;
        cached->group_ends[route.group_count - 1] = i + 1;
    }
    keep_callable(cached, &route);
    cached->route = route;
    cached->version = registry->version;
}

static mesh_cached_route *find_cached(mesh_registry *registry, mesh_bytes subject, uint64_t hash) {
    mesh_cached_route *cached;
    for (size_t cursor = 0; (cached = mesh_map_next(&registry->routes, hash, &cursor));) {
        if (cached->subject_len == subject.len &&
            memcmp(cached->subject, subject.data, subject.len) == 0)
            return cached;
    }
    return NULL;
}

static void free_cached(mesh_cached_route *cached) {
    if (!cached) return;
    free(cached->targets);
    free(cached->callable);
    free(cached->group_ends);
    free(cached);
}

// Takes the place that was filled longest ago.
static mesh_cached_route *add_cached(mesh_registry *registry, mesh_bytes subject, uint64_t hash) {
    mesh_cached_route **place = &registry->cached[registry->cached_next];
    registry->cached_next = (registry->cached_next + 1) % MESH_REGISTRY_ROUTES_MAX;
    if (*place) (void)mesh_map_remove(&registry->routes, (*place)->hash, *place);
    free_cached(*place);

    mesh_cached_route *cached = *place = mem_alloc(sizeof *cached);
    cached->hash = hash;
    cached->subject_len = subject.len;
    memcpy(cached->subject, subject.data, subject.len);
    mesh_map_add(&registry->routes, hash, cached);
    return cached;
}

const mesh_route *mesh_registry_route(mesh_registry *registry, mesh_bytes subject) {
    uint64_t hash = mesh_map_hash(&registry->routes, subject.data, subject.len);
    mesh_cached_route *cached = find_cached(registry, subject, hash);
    if (!cached) {
        // What is remembered was judged when it came, so only new subjects cost the look at each
        // byte.
        if (!mesh_subject_is_valid(subject)) return NULL;
        cached = add_cached(registry, subject, hash);
    }
    if (cached->version != registry->version) build(registry, cached);
    return &cached->route;
}

void mesh_registry_forget_routes(mesh_registry *registry) {
    for (size_t i = 0; i < MESH_REGISTRY_ROUTES_MAX; i++) {
        free_cached(registry->cached[i]);
        registry->cached[i] = NULL;
    }
}
