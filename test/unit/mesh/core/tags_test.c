#include "core/error.h"
#include "core/tags.h"
#include "test.h"

static mesh_bytes t(const char *text) {
    return mesh_bytes_text(text);
}

TEST(tags_are_pairs_with_commas_between_them) {
    static const char *const good[] = {"", "zone=a", "zone=a,disk=ssd", "a=", "a=b=c"};
    static const char *const bad[] = {"zone", "=a",       ",",     "a=b,",
                                      ",a=b", "a=b,,c=d", "a=b c", "a=b,a=c"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        EXPECT_TRUE(mesh_tags_is_valid(t(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT_FALSE(mesh_tags_is_valid(t(bad[i])));
    char text[MESH_TAGS_LEN_MAX + 2];
    memset(text, 'x', sizeof text);
    text[1] = '=';
    EXPECT_TRUE(mesh_tags_is_valid((mesh_bytes){(uint8_t *)text, MESH_TAGS_LEN_MAX}));
    EXPECT_FALSE(mesh_tags_is_valid((mesh_bytes){(uint8_t *)text, MESH_TAGS_LEN_MAX + 1}));
}

TEST(all_wanted_tags_must_be_there_whole_and_in_any_order) {
    mesh_bytes tags = t("zone=a,disk=ssd,gpu=");
    EXPECT_TRUE(mesh_tags_has(tags, t("")));
    EXPECT_TRUE(mesh_tags_has(tags, t("gpu=,zone=a")));
    EXPECT_FALSE(mesh_tags_has(tags, t("zone=ab")));
    EXPECT_FALSE(mesh_tags_has(tags, t("zone=")));
    EXPECT_FALSE(mesh_tags_has(tags, t("zone=a,disk=hdd")));
    EXPECT_FALSE(mesh_tags_has(t(""), t("zone=a")));
}

TEST(tags_of_an_entry_are_stronger_than_those_of_its_node) {
    uint8_t out[MESH_TAGS_LEN_MAX];
    size_t len = 0;
    EXPECT_OK(mesh_tags_merge(t("zone=b"), t("zone=a,disk=ssd"), out, &len));
    EXPECT_BYTES("zone=b,disk=ssd", ((mesh_bytes){out, len}));
    EXPECT_OK(mesh_tags_merge(t(""), t("zone=a"), out, &len));
    EXPECT_BYTES("zone=a", ((mesh_bytes){out, len}));
    char large[MESH_TAGS_LEN_MAX + 1] = "k=";
    memset(large + 2, 'x', MESH_TAGS_LEN_MAX - 2);
    EXPECT_EQ(MESH_ETOOBIG, mesh_tags_merge(t("zone=a"), t(large), out, &len));
    EXPECT_EQ(6, len);
}
