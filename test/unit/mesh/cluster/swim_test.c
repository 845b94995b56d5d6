#include "cluster_world.h"
#include "test.h"

enum { UNKNOWN = MESH_HOST_LEFT + 1 };

static world *make(uint32_t count) {
    world *w = mem_alloc(sizeof *w);
    world_init(w, 1, count);
    w->has_real_crypto = true;
    return w;
}

static void destroy(world *w) {
    world_deinit(w);
    free(w);
}

// All running machines see all others in this state.
static bool all_up(world *w, void *user) {
    (void)user;
    for (uint32_t i = 0; i < w->machine_count; i++)
        for (uint32_t j = 0; j < w->machine_count; j++)
            if (w->machines[i].swim != NULL && w->machines[j].swim != NULL &&
                world_state(w, i, j) != MESH_HOST_UP)
                return false;
    return true;
}

typedef struct sight {
    uint32_t of;
    mesh_host_state state;
} sight;

static bool all_see(world *w, void *user) {
    const sight *want = user;
    for (uint32_t i = 0; i < w->machine_count; i++)
        if (w->machines[i].swim != NULL && i != want->of &&
            world_state(w, i, want->of) != want->state)
            return false;
    return true;
}

static world *cluster(uint32_t count) {
    world *w = make(count);
    world_start(w, 0, true);
    for (uint32_t i = 1; i < count; i++) {
        world_start(w, i, false);
        world_seed(w, i, 0);
    }
    EXPECT_TRUE(world_run_until(w, 10000, all_up, NULL));
    return w;
}

TEST(a_founder_is_up_alone) {
    world *w = make(1);
    world_start(w, 0, true);
    EXPECT_EQ(MESH_HOST_UP, world_state(w, 0, 0));
    destroy(w);
}

TEST(a_host_without_a_seed_stays_joining) {
    world *w = make(2);
    world_start(w, 0, true);
    world_start(w, 1, false);
    world_run(w, 120000);
    EXPECT_EQ(MESH_HOST_JOINING, world_state(w, 1, 1));
    EXPECT_EQ(UNKNOWN, world_state(w, 0, 1));
    destroy(w);
}

TEST(hosts_that_know_one_seed_know_all) {
    world *w = cluster(6);
    destroy(w);
}

TEST(a_dead_host_is_down_for_all) {
    world *w = cluster(5);
    world_run(w, 5000);
    world_kill(w, 3);
    EXPECT_TRUE(world_run_until(w, 20000, all_see, &(sight){3, MESH_HOST_SUSPECT}));
    EXPECT_TRUE(world_run_until(w, 20000, all_see, &(sight){3, MESH_HOST_DOWN}));
    destroy(w);
}

TEST(a_host_that_leaves_is_left_for_all_at_once) {
    world *w = cluster(5);
    world_leave(w, 2);
    EXPECT_TRUE(world_run_until(w, 1000, all_see, &(sight){2, MESH_HOST_LEFT}));
    destroy(w);
}

TEST(a_host_that_was_stopped_for_five_seconds_is_never_down) {
    world *w = cluster(5);
    world_run(w, 15000);
    world_pause(w, 4, 5000);
    for (int i = 0; i < 300; i++) {
        world_run(w, 100);
        for (uint32_t viewer = 0; viewer < 4; viewer++)
            EXPECT_TRUE(world_state(w, viewer, 4) != MESH_HOST_DOWN);
    }
    EXPECT_TRUE(all_up(w, NULL));
    destroy(w);
}

TEST(a_restarted_host_is_up_again_with_a_higher_generation) {
    world *w = cluster(4);
    world_run(w, 15000);
    mesh_swim_host before, after;
    (void)world_view(w, 0, 3, &before);
    world_kill(w, 3);
    EXPECT_TRUE(world_run_until(w, 40000, all_see, &(sight){3, MESH_HOST_DOWN}));
    world_start(w, 3, false);
    world_seed(w, 3, 1);
    EXPECT_TRUE(world_run_until(w, 5000, all_up, NULL));
    (void)world_view(w, 0, 3, &after);
    EXPECT_TRUE(after.stamp.generation > before.stamp.generation);
    destroy(w);
}

TEST(a_healed_partition_becomes_one_cluster_again) {
    world *w = cluster(6);
    world_run(w, 15000);
    for (uint32_t i = 0; i < 3; i++)
        w->machines[i].group = 1;
    world_run(w, 60000);
    EXPECT_EQ(MESH_HOST_DOWN, world_state(w, 0, 5));
    EXPECT_EQ(MESH_HOST_DOWN, world_state(w, 5, 0));
    for (uint32_t i = 0; i < 3; i++)
        w->machines[i].group = 0;
    EXPECT_TRUE(world_run_until(w, 90000, all_up, NULL));
    destroy(w);
}
