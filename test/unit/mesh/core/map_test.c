#include "core/map.h"
#include "core/rng.h"
#include "test.h"

enum { ITEMS = 3000 };

TEST(items_are_found_after_many_others_came_and_went) {
    const uint8_t key[MESH_MAP_KEY_LEN] = {1, 2, 3};
    mesh_map map;
    mesh_map_init(&map, key);
    static uint64_t items[ITEMS];
    mesh_rng rng;
    mesh_rng_init(&rng, 3);
    for (uint64_t i = 0; i < ITEMS; i++) {
        items[i] = i;
        mesh_map_add(&map, mesh_map_hash_u64(&map, i), &items[i]);
        uint64_t gone = mesh_rng_below(&rng, (uint32_t)i + 1);
        (void)mesh_map_remove(&map, mesh_map_hash_u64(&map, gone), &items[gone]);
        if (gone % 2 == 0) mesh_map_add(&map, mesh_map_hash_u64(&map, gone), &items[gone]);
    }
    size_t found = 0, cursor = 0;
    for (uint64_t i = 0; i < ITEMS; i++) {
        cursor = 0;
        found += mesh_map_next(&map, mesh_map_hash_u64(&map, i), &cursor) == &items[i];
    }
    EXPECT_EQ(map.count, found);
    EXPECT_TRUE(found > ITEMS / 2 && found < ITEMS);
    mesh_map_deinit(&map);
}

TEST(items_with_the_same_hash_are_all_found) {
    mesh_map map;
    mesh_map_init(&map, (const uint8_t[MESH_MAP_KEY_LEN]){0});
    int items[40];
    for (size_t i = 0; i < 40; i++)
        mesh_map_add(&map, 99, &items[i]);
    EXPECT_TRUE(mesh_map_remove(&map, 99, &items[0]));
    EXPECT_FALSE(mesh_map_remove(&map, 99, &items[0]));
    size_t cursor = 0, count = 0;
    while (mesh_map_next(&map, 99, &cursor))
        count++;
    EXPECT_EQ(39, count);
    mesh_map_deinit(&map);
}

TEST(hashes_depend_on_the_key) {
    mesh_map one, other;
    mesh_map_init(&one, (const uint8_t[MESH_MAP_KEY_LEN]){1});
    mesh_map_init(&other, (const uint8_t[MESH_MAP_KEY_LEN]){2});
    EXPECT_TRUE(mesh_map_hash_u64(&one, 1) != mesh_map_hash_u64(&other, 1));
}
