#include "spin.h"
#include "test.h"

static unsigned looks_in(runtime_spin *spin, unsigned waits, bool pays) {
    unsigned looks = 0;
    for (unsigned i = 0; i < waits; i++) {
        if (!runtime_spin_should(spin)) continue;
        looks++;
        runtime_spin_learn(spin, pays);
    }
    return looks;
}

TEST(looking_that_never_pays_is_nearly_given_up) {
    runtime_spin spin = {0};
    EXPECT_EQ(10, looks_in(&spin, 10 * RUNTIME_SPIN_PROBE_EVERY, false));
}

TEST(looking_that_pays_goes_on_and_survives_a_miss) {
    runtime_spin spin = {0};
    (void)looks_in(&spin, 100 * RUNTIME_SPIN_PROBE_EVERY, true);
    EXPECT_EQ(RUNTIME_SPIN_SCORE_MAX, spin.score);
    runtime_spin_learn(&spin, false);
    EXPECT_TRUE(runtime_spin_should(&spin));
}

TEST(when_it_stops_paying_it_stops_soon) {
    runtime_spin spin = {.score = RUNTIME_SPIN_SCORE_MAX};
    EXPECT_EQ(4, looks_in(&spin, RUNTIME_SPIN_PROBE_EVERY - 1, false));
}
