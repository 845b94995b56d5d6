#include "cluster/host_map.h"

#include "core/error.h"
#include "core/mem.h"
#include "test.h"

static int up(mesh_host_map *map, uint64_t number) {
    mesh_op op = {.kind = MESH_OP_NODE,
                  .number = number,
                  .name = mesh_bytes_text("app.0"),
                  .service = mesh_bytes_text("app")};
    return mesh_host_map_apply(map, &op);
}

static int put(mesh_host_map *map, uint64_t number, uint32_t entry_id, const char *name) {
    mesh_op op = {.kind = MESH_OP_PUT,
                  .number = number,
                  .entry = {.entry_id = entry_id, .name = mesh_bytes_text(name)}};
    return mesh_host_map_apply(map, &op);
}

static int removed(mesh_host_map *map, uint64_t number, uint32_t entry_id) {
    mesh_op op = {.kind = MESH_OP_REMOVED, .number = number, .entry = {.entry_id = entry_id}};
    return mesh_host_map_apply(map, &op);
}

static int end(mesh_host_map *map, uint64_t number, const char *reason) {
    mesh_op op = {.kind = MESH_OP_END, .number = number, .reason = mesh_bytes_text(reason)};
    return mesh_host_map_apply(map, &op);
}

static bool is_same_hash(mesh_host_map *a, mesh_host_map *b) {
    uint8_t hashes[2][MESH_HASH_LEN];
    mesh_host_map_hash(a, hashes[0]);
    mesh_host_map_hash(b, hashes[1]);
    return memcmp(hashes[0], hashes[1], MESH_HASH_LEN) == 0;
}

static mesh_host_map *copy_of(const mesh_host_map *map) {
    mesh_host_map *copy = mesh_host_map_create();
    mesh_host_cursor cursor = {0};
    mesh_op op;
    while (mesh_host_map_each(map, &cursor, &op))
        EXPECT_OK(mesh_host_map_apply(copy, &op));
    return copy;
}

static int put_tagged(mesh_host_map *map, const char *tags) {
    mesh_op op = {
        .kind = MESH_OP_PUT,
        .number = 1,
        .entry = {.entry_id = 1, .name = mesh_bytes_text("api"), .tags = mesh_bytes_text(tags)}};
    return mesh_host_map_apply(map, &op);
}

TEST(tags_are_part_of_a_map_and_of_its_hash) {
    mesh_host_map *map = mesh_host_map_create();
    EXPECT_OK(up(map, 1));
    EXPECT_OK(put_tagged(map, "zone=a"));
    size_t bytes = map->bytes;
    mesh_host_map *copy = copy_of(map);
    EXPECT_TRUE(is_same_hash(map, copy));
    mesh_entry entry;
    EXPECT_TRUE(mesh_host_map_entry(mesh_host_map_find(copy, 1), 1, &entry));
    EXPECT_BYTES("zone=a", entry.tags);
    EXPECT_OK(put_tagged(copy, "zone=bb"));
    EXPECT_FALSE(is_same_hash(map, copy));
    EXPECT_EQ(bytes + 1, copy->bytes);
    EXPECT_EQ(MESH_EINVAL, put_tagged(copy, "zone"));
    mesh_host_map_destroy(map);
    mesh_host_map_destroy(copy);
}

TEST(a_map_built_from_the_ops_of_another_is_equal_to_it) {
    mesh_host_map *map = mesh_host_map_create();
    for (uint64_t id = 9; id > 0; id--) {
        EXPECT_OK(up(map, id));
        for (uint32_t entry = 5; entry > 0; entry--)
            EXPECT_OK(put(map, id, entry, "prices"));
    }
    EXPECT_OK(end(map, 4, "crash"));
    EXPECT_OK(removed(map, 5, 2));
    mesh_host_map *copy = copy_of(map);
    EXPECT_TRUE(is_same_hash(map, copy));
    EXPECT_EQ(map->bytes, copy->bytes);
    EXPECT_EQ(8, copy->node_count);
    mesh_host_map_destroy(map);
    mesh_host_map_destroy(copy);
}

TEST(every_change_changes_the_hash) {
    mesh_host_map *map = mesh_host_map_create(), *copy;
    EXPECT_OK(up(map, 1));
    EXPECT_OK(put(map, 1, 1, "prices"));
    for (int change = 0; change < 6; change++) {
        copy = copy_of(map);
        mesh_op state = {.kind = MESH_OP_NODE, .number = 1, .state = 2};
        switch (change) {
        case 0: EXPECT_OK(up(copy, 2)); break;
        case 1: EXPECT_OK(put(copy, 1, 2, "prices")); break;
        case 2: EXPECT_OK(put(copy, 1, 1, "price")); break;
        case 3: EXPECT_OK(removed(copy, 1, 1)); break;
        case 4: EXPECT_OK(end(copy, 2, "crash")); break;
        default: EXPECT_OK(mesh_host_map_apply(copy, &state)); break;
        }
        EXPECT_FALSE(is_same_hash(map, copy));
        mesh_host_map_destroy(copy);
    }
    mesh_host_map_destroy(map);
}

TEST(an_entry_of_the_same_id_is_replaced) {
    mesh_host_map *map = mesh_host_map_create();
    EXPECT_OK(up(map, 1));
    EXPECT_OK(put(map, 1, 7, "old"));
    EXPECT_OK(put(map, 1, 7, "new"));
    mesh_entry entry;
    EXPECT_TRUE(mesh_host_map_entry(mesh_host_map_find(map, 1), 7, &entry));
    EXPECT_BYTES("new", entry.name);
    EXPECT_EQ(1, mesh_host_map_find(map, 1)->entry_count);
    mesh_host_map_destroy(map);
}

TEST(the_dead_stay_dead) {
    mesh_host_map *map = mesh_host_map_create();
    EXPECT_OK(up(map, 1));
    EXPECT_OK(end(map, 1, "crash"));
    EXPECT_EQ(MESH_EINVAL, up(map, 1));
    EXPECT_EQ(MESH_ENOTFOUND, put(map, 1, 1, "prices"));
    mesh_host_map_destroy(map);
}

TEST(only_the_last_ends_are_kept) {
    mesh_host_map *map = mesh_host_map_create();
    for (uint64_t id = 1; id <= MESH_HOST_ENDS_MAX + 1; id++)
        EXPECT_OK(end(map, id, "normal"));
    EXPECT_EQ(MESH_HOST_ENDS_MAX, map->end_count);
    EXPECT_TRUE(mesh_host_map_end(map, 1) == NULL);
    EXPECT_TRUE(mesh_host_map_end(map, 2) != NULL);
    mesh_host_map_destroy(map);
}

TEST(what_does_not_fit_changes_nothing) {
    mesh_host_map *map = mesh_host_map_create(), *before;
    EXPECT_OK(up(map, 1));
    EXPECT_OK(put(map, 1, 1, "prices"));
    before = copy_of(map);
    char text[MESH_NAME_LEN_MAX + 2];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    mesh_op long_name = {.kind = MESH_OP_NODE, .number = 2, .name = mesh_bytes_text(text)};
    mesh_op with_zero = {.kind = MESH_OP_NODE, .number = 2, .name = {(const uint8_t *)"a\0b", 3}};
    mesh_op queue = {.kind = MESH_OP_PUT,
                     .number = 1,
                     .entry = {.entry_id = 2,
                               .name = mesh_bytes_text("a"),
                               .queue = mesh_bytes_text("a service has none")}};
    mesh_op kind = queue, odd = {.kind = (mesh_op_kind)9, .number = 1};
    kind.entry.kind = (mesh_entry_kind)7;
    EXPECT_EQ(MESH_EINVAL, mesh_host_map_apply(map, &long_name));
    EXPECT_EQ(MESH_EINVAL, mesh_host_map_apply(map, &with_zero));
    EXPECT_EQ(MESH_EINVAL, mesh_host_map_apply(map, &queue));
    EXPECT_EQ(MESH_EINVAL, mesh_host_map_apply(map, &kind));
    EXPECT_EQ(MESH_EINVAL, mesh_host_map_apply(map, &odd));
    EXPECT_EQ(MESH_EINVAL, up(map, 0));
    EXPECT_EQ(MESH_EINVAL, put(map, 1, 2, ""));
    EXPECT_EQ(MESH_EINVAL, put(map, 1, 2, text));
    EXPECT_EQ(MESH_EINVAL, end(map, 1, "a reason that is longer than all others"));
    EXPECT_EQ(MESH_ENOTFOUND, put(map, 2, 1, "prices"));
    EXPECT_EQ(MESH_ENOTFOUND, removed(map, 1, 2));
    EXPECT_EQ(MESH_ENOTFOUND, removed(map, 2, 1));
    EXPECT_TRUE(is_same_hash(map, before));
    EXPECT_EQ(before->bytes, map->bytes);
    mesh_host_map_destroy(map);
    mesh_host_map_destroy(before);
}

TEST(a_node_has_only_so_many_entries_and_a_host_so_many_nodes_and_bytes) {
    mesh_host_map *map = mesh_host_map_create();
    for (uint64_t id = 1; id <= MESH_HOST_NODES_MAX; id++)
        EXPECT_OK(up(map, id));
    EXPECT_EQ(MESH_EQUOTA, up(map, MESH_HOST_NODES_MAX + 1));
    for (uint32_t entry = 1; entry <= MESH_ENTRIES_MAX; entry++)
        EXPECT_OK(put(map, 1, entry, "a"));
    EXPECT_EQ(MESH_EQUOTA, put(map, 1, MESH_ENTRIES_MAX + 1, "a"));
    EXPECT_OK(put(map, 1, 7, "b")); // in place of another

    char text[MESH_NAME_LEN_MAX + 1];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    int err = 0;
    for (uint64_t id = 2; err == 0; id++)
        for (uint32_t entry = 1; entry <= MESH_ENTRIES_MAX && err == 0; entry++)
            err = put(map, id, entry, text);
    EXPECT_EQ(MESH_EQUOTA, err);
    EXPECT_TRUE(map->bytes <= MESH_HOST_BYTES_MAX);
    EXPECT_TRUE(map->bytes > MESH_HOST_BYTES_MAX - 1000);
    mesh_host_map_destroy(map);
}

TEST(what_ends_gives_its_bytes_back) {
    mesh_host_map *map = mesh_host_map_create();
    EXPECT_OK(up(map, 1));
    for (uint32_t entry = 1; entry <= 100; entry++)
        EXPECT_OK(put(map, 1, entry, "prices"));
    EXPECT_OK(removed(map, 1, 50));
    EXPECT_OK(end(map, 1, "normal"));
    EXPECT_EQ(0, map->bytes);
    mesh_host_map_destroy(map);
}
