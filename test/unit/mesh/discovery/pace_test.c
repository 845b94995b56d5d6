#include "discovery/pace.h"
#include "test.h"

static bool is_about(uint32_t want_ms, uint32_t got_ms) {
    return got_ms >= want_ms - want_ms / 5 && got_ms <= want_ms + want_ms / 5;
}

TEST(a_search_begins_at_one_second_and_slows_to_five) {
    mesh_rng rng;
    mesh_rng_init(&rng, 1);
    mesh_pace pace = {0};
    static const uint32_t steps[] = {1000, 1500, 2250, 3375, 5000, 5000};
    for (int i = 0; i < 6; i++)
        EXPECT_TRUE(is_about(steps[i], mesh_pace_next_ms(&pace, true, 0, &rng)));
    mesh_pace_restart(&pace);
    EXPECT_TRUE(is_about(1000, mesh_pace_next_ms(&pace, true, 0, &rng)));
}

TEST(a_host_in_its_cluster_looks_every_30_s) {
    mesh_rng rng;
    mesh_rng_init(&rng, 1);
    mesh_pace pace = {0};
    EXPECT_TRUE(is_about(30000, mesh_pace_next_ms(&pace, false, 0, &rng)));
}

TEST(two_hosts_do_not_look_at_the_same_time_for_ever) {
    mesh_rng a, b;
    mesh_rng_init(&a, 1);
    mesh_rng_init(&b, 2);
    mesh_pace one = {0}, other = {0};
    EXPECT_TRUE(mesh_pace_next_ms(&one, false, 0, &a) != mesh_pace_next_ms(&other, false, 0, &b));
}

TEST(an_answer_of_dns_is_not_asked_for_again_before_it_expires) {
    mesh_rng rng;
    mesh_rng_init(&rng, 1);
    mesh_pace pace = {0};
    EXPECT_EQ(60000, mesh_pace_next_ms(&pace, true, 60, &rng));
    EXPECT_EQ(5000, mesh_pace_next_ms(&pace, true, 1, &rng));
    EXPECT_EQ(300000, mesh_pace_next_ms(&pace, true, UINT32_MAX, &rng));
    EXPECT_TRUE(is_about(30000, mesh_pace_next_ms(&pace, false, 1, &rng)));
}
