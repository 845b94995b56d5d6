#include "core/deadline.h"
#include "core/rng.h"
#include "test.h"

TEST(deadlines_come_out_in_the_order_of_their_times) {
    mesh_deadlines d;
    mesh_deadlines_init(&d);
    mesh_rng rng;
    mesh_rng_init(&rng, 7);
    uint64_t times[1000];
    for (uint32_t id = 0; id < 1000; id++)
        mesh_deadlines_set(&d, id, times[id] = mesh_rng_below(&rng, 500));
    for (uint32_t id = 0; id < 1000; id += 3)
        mesh_deadlines_set(&d, id, times[id] = mesh_rng_below(&rng, 500));
    for (uint32_t id = 0; id < 1000; id += 7)
        mesh_deadlines_clear(&d, id);
    uint64_t last = 0;
    uint32_t id, count = 0;
    for (; mesh_deadlines_take(&d, 500, &id); count++) {
        EXPECT_TRUE(times[id] >= last && id % 7 != 0);
        last = times[id];
    }
    EXPECT_EQ(1000 - 143, count);
    mesh_deadlines_deinit(&d);
}

TEST(nothing_comes_before_its_time) {
    mesh_deadlines d;
    mesh_deadlines_init(&d);
    uint32_t id;
    EXPECT_EQ(UINT64_MAX, mesh_deadlines_next_ms(&d));
    mesh_deadlines_set(&d, 5, 100);
    EXPECT_FALSE(mesh_deadlines_take(&d, 99, &id));
    EXPECT_EQ(100, mesh_deadlines_next_ms(&d));
    EXPECT_TRUE(mesh_deadlines_take(&d, 100, &id));
    EXPECT_EQ(5, id);
    mesh_deadlines_clear(&d, 5);
    mesh_deadlines_clear(&d, 12345);
    mesh_deadlines_deinit(&d);
}
