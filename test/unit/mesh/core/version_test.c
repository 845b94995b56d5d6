#include "core/version.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"
#include "core/rng.h"
#include "test.h"

static bool fits(const char *version, const char *range) {
    return mesh_version_fits(mesh_bytes_text(version), mesh_bytes_text(range));
}

TEST(a_range_is_as_wide_as_it_is_short) {
    EXPECT_TRUE(fits("2.1.0", "2") && fits("2.1.0", "2.1") && fits("2.1.0", "2.1.0"));
    EXPECT_FALSE(fits("2.1.0", "1") || fits("2.1.0", "2.0") || fits("2.1.0", "2.1.1"));
    EXPECT_FALSE(fits("20.1.0", "2") || fits("2.10.0", "2.1"));
}

TEST(a_caret_takes_what_is_newer_and_still_fits) {
    EXPECT_TRUE(fits("2.1.0", "^2.1") && fits("2.9.4", "^2.1") && fits("2.1.1", "^2.1.1"));
    EXPECT_FALSE(fits("2.0.9", "^2.1") || fits("3.0.0", "^2.1") || fits("1.9.0", "^2"));
    EXPECT_TRUE(fits("0.3.7", "^0.3") && fits("0.0.3", "^0.0.3") && fits("0.9.0", "^0"));
    EXPECT_TRUE(fits("0.0.9", "^0.0"));
    EXPECT_FALSE(fits("0.4.0", "^0.3") || fits("0.0.4", "^0.0.3") || fits("1.0.0", "^0"));
    EXPECT_FALSE(fits("0.1.0", "^0.0"));
}

TEST(a_prerelease_fits_who_asks_for_it_alone) {
    EXPECT_TRUE(fits("2.1.0-rc.1", "2.1.0-rc.1"));
    EXPECT_FALSE(fits("2.1.0-rc.1", "2") || fits("2.1.0-rc.1", "^2") ||
                 fits("2.1.0", "^2.1.0-rc.1"));
}

TEST(what_is_no_version_or_no_range_fits_what_is_the_same_alone) {
    static const char *const odd[] = {
        "",       "^",   "2.",    "2..1",   "2.1.0.0", ".2",     "blue",   "02.1.0",
        "2.1.0 ", "^^2", "2.1.x", "v2.1.0", "+2",      "2.1.-1", "2.1.0-", "4294967298.1.0"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        EXPECT_TRUE(fits(odd[i], odd[i]));
        EXPECT_FALSE(fits("2.1.0", odd[i]) || fits(odd[i], "2") || fits(odd[i], "^2"));
    }
    EXPECT_FALSE(fits("2.1", "2")); // not whole
}

// ---- by chance: against sums of numbers

enum { ROUNDS = 200000, STEP = 8, STEPS = STEP * STEP };

static uint32_t pick(mesh_rng *rng) {
    return mesh_rng_below(rng, 4);
}

static bool is_in(const uint32_t v[3], const uint32_t r[3], uint32_t count, bool is_caret) {
    CHECK(count > 0 && count <= 3);
    uint64_t unit[3] = {STEPS, STEP, 1}, value = 0, low = 0;
    for (uint32_t i = 0; i < 3; i++) {
        value += v[i] * unit[i];
        low += i < count ? r[i] * unit[i] : 0;
    }
    uint32_t step = count - 1; // the number in which the first version that is too new differs
    if (is_caret)
        for (step = 0; step + 1 < count && r[step] == 0;)
            step++;
    uint64_t high = 0;
    for (uint32_t i = 0; i <= step; i++)
        high += r[i] * unit[i];
    return value >= low && value < high + unit[step];
}

TEST(all_versions_and_ranges_agree_with_the_numbers_that_they_stand_for) {
    mesh_rng rng;
    const char *seed = getenv("SEED");
    mesh_rng_init(&rng, seed != NULL ? strtoull(seed, NULL, 10) : 1);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t v[3] = {pick(&rng), pick(&rng), pick(&rng)},
                 r[3] = {pick(&rng), pick(&rng), pick(&rng)}, count = 1 + mesh_rng_below(&rng, 3);
        bool is_caret = mesh_rng_below(&rng, 2) == 0;
        CHECK(count <= 3);
        char version[32], range[32];
        int len = snprintf(range, sizeof range, "%s%u", is_caret ? "^" : "", r[0]);
        for (uint32_t k = 1; k < count; k++)
            len += snprintf(range + len, sizeof range - (size_t)len, ".%u", r[k]);
        (void)snprintf(version, sizeof version, "%u.%u.%u", v[0], v[1], v[2]);
        if (fits(version, range) != is_in(v, r, count, is_caret)) {
            (void)printf("%s and %s\n", version, range);
            EXPECT_TRUE(false);
        }
    }
}
