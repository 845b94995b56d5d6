#include <stdio.h>

#include "core/error.h"
#include "core/registry.h"
#include "test.h"

static const uint8_t hash_key[MESH_MAP_KEY_LEN] = {7};

static mesh_registry *three_members(void) {
    mesh_registry *registry = mesh_registry_create(hash_key);
    for (uint32_t i = 0; i < 3; i++)
        EXPECT_OK(mesh_registry_member_add(registry, 100 + i, i));
    return registry;
}

static int put(mesh_registry *registry, uint64_t node_id, uint32_t entry_id, mesh_entry_kind kind,
               const char *name, const char *queue) {
    mesh_entry entry = {.entry_id = entry_id,
                        .kind = kind,
                        .name = mesh_bytes_text(name),
                        .queue = mesh_bytes_text(queue)};
    return mesh_registry_put(registry, node_id, &entry);
}

static const mesh_route *route(mesh_registry *registry, const char *subject) {
    return mesh_registry_route(registry, mesh_bytes_text(subject));
}

TEST(a_service_has_the_members_that_serve_it) {
    mesh_registry *registry = three_members();
    EXPECT_OK(put(registry, 100, 1, MESH_ENTRY_SERVICE, "api", ""));
    EXPECT_OK(put(registry, 102, 1, MESH_ENTRY_SERVICE, "api", ""));
    const mesh_target *targets;
    EXPECT_EQ(2, mesh_registry_service(registry, mesh_bytes_text("api"), &targets));
    EXPECT_EQ(2, targets[1].tag);
    EXPECT_TRUE(mesh_registry_remove(registry, 100, 1));
    EXPECT_EQ(1, mesh_registry_service(registry, mesh_bytes_text("api"), &targets));
    EXPECT_EQ(2, targets[0].tag);
    mesh_registry_member_remove(registry, 102);
    EXPECT_EQ(0, mesh_registry_service(registry, mesh_bytes_text("api"), &targets));
    mesh_registry_destroy(registry);
}

TEST(a_route_has_plain_subscriptions_by_member_and_then_the_groups) {
    mesh_registry *registry = three_members();
    EXPECT_OK(put(registry, 102, 1, MESH_ENTRY_SUBSCRIPTION, "a.*", ""));
    EXPECT_OK(put(registry, 100, 1, MESH_ENTRY_SUBSCRIPTION, "a.b", ""));
    EXPECT_OK(put(registry, 100, 2, MESH_ENTRY_SUBSCRIPTION, "a.b", "workers"));
    EXPECT_OK(put(registry, 101, 1, MESH_ENTRY_SUBSCRIPTION, ">", "workers"));
    EXPECT_OK(put(registry, 101, 2, MESH_ENTRY_SUBSCRIPTION, "a.>", "audit"));
    const mesh_route *r = route(registry, "a.b");
    EXPECT_EQ(5, r->count);
    EXPECT_EQ(2, r->plain_count);
    EXPECT_EQ(0, r->targets[0].tag);
    EXPECT_EQ(2, r->targets[1].tag);
    EXPECT_EQ(2, r->group_count);
    EXPECT_EQ(3, r->group_ends[0]); // "audit", the shorter name
    EXPECT_EQ(5, r->group_ends[1]);
    EXPECT_EQ(1, route(registry, "x")->count);
    mesh_registry_destroy(registry);
}

TEST(a_remembered_route_follows_every_change) {
    mesh_registry *registry = three_members();
    EXPECT_EQ(0, route(registry, "a")->count);
    EXPECT_OK(put(registry, 100, 1, MESH_ENTRY_SUBSCRIPTION, "a", ""));
    EXPECT_EQ(1, route(registry, "a")->count);
    EXPECT_OK(put(registry, 100, 1, MESH_ENTRY_SUBSCRIPTION, "b", "")); // the same id: replaced
    EXPECT_EQ(0, route(registry, "a")->count);
    EXPECT_EQ(1, route(registry, "b")->count);
    mesh_registry_member_remove(registry, 100);
    EXPECT_EQ(0, route(registry, "b")->count);
    mesh_registry_destroy(registry);
}

TEST(more_subjects_than_are_remembered_work_as_well) {
    mesh_registry *registry = three_members();
    EXPECT_OK(put(registry, 100, 1, MESH_ENTRY_SUBSCRIPTION, "s.*", ""));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3 * MESH_REGISTRY_ROUTES_MAX; i++) {
            char subject[32];
            (void)snprintf(subject, sizeof subject, "s.%d", i);
            EXPECT_EQ(1, route(registry, subject)->count);
        }
    }
    mesh_registry_destroy(registry);
}

TEST(bad_entries_are_refused) {
    mesh_registry *registry = three_members();
    char name[258];
    memset(name, 'a', sizeof name);
    name[256] = 0;
    EXPECT_EQ(MESH_EINVAL, put(registry, 100, 1, MESH_ENTRY_SERVICE, name, ""));
    EXPECT_EQ(MESH_EINVAL, put(registry, 100, 1, MESH_ENTRY_SUBSCRIPTION, "a", name));
    EXPECT_EQ(MESH_EINVAL, put(registry, 100, 1, MESH_ENTRY_SERVICE, "", ""));
    EXPECT_EQ(MESH_EINVAL, put(registry, 100, 1, MESH_ENTRY_SERVICE, "api", "queue"));
    EXPECT_EQ(MESH_EINVAL, put(registry, 100, 1, MESH_ENTRY_SUBSCRIPTION, "a..b", ""));
    EXPECT_EQ(MESH_ENOTFOUND, put(registry, 999, 1, MESH_ENTRY_SERVICE, "api", ""));
    EXPECT_EQ(MESH_EEXIST, mesh_registry_member_add(registry, 100, 5));
    mesh_registry_destroy(registry);
}

TEST(a_member_has_4096_entries_at_most) {
    mesh_registry *registry = three_members();
    for (uint32_t i = 0; i < MESH_ENTRIES_MAX; i++)
        EXPECT_OK(put(registry, 100, i, MESH_ENTRY_SUBSCRIPTION, "a", ""));
    EXPECT_EQ(MESH_EQUOTA, put(registry, 100, MESH_ENTRIES_MAX, MESH_ENTRY_SUBSCRIPTION, "a", ""));
    EXPECT_OK(put(registry, 100, 0, MESH_ENTRY_SUBSCRIPTION, "b", ""));
    EXPECT_OK(put(registry, 101, 0, MESH_ENTRY_SUBSCRIPTION, "a", ""));
    size_t count = 0;
    while (mesh_registry_entry_at(registry, 100, count))
        count++;
    EXPECT_EQ(MESH_ENTRIES_MAX, count);
    mesh_registry_destroy(registry);
}
