#include "agent/target.h"

#include "core/error.h"
#include "test.h"

TEST(a_service_an_instance_and_all_are_targets) {
    agent_target t;
    EXPECT_OK(agent_target_parse("app", &t));
    EXPECT_TEXT("app", t.name);
    EXPECT_TRUE(t.instance == UINT32_MAX);
    EXPECT_OK(agent_target_parse("my-app_2.17", &t));
    EXPECT_TEXT("my-app_2", t.name);
    EXPECT_EQ(17, t.instance);
    EXPECT_OK(agent_target_parse("all", &t));
    EXPECT_TEXT("", t.name);
}

TEST(what_names_no_nodes_is_refused) {
    static const char *const wrong[] = {
        "",       ".",   "app.",  "app.x", "app.1.2", ".1", "a b",    "../etc", "app.999999999",
        "app.-1", "a/b", "all.1", "-x",    "--",      "_x", "app.00", "app.01"};
    agent_target t;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        EXPECT_EQ(MESH_EINVAL, agent_target_parse(wrong[i], &t));
    char long_name[66] = {0};
    memset(long_name, 'a', 63);
    EXPECT_OK(agent_target_parse(long_name, &t));
    long_name[63] = 'a';
    EXPECT_EQ(MESH_EINVAL, agent_target_parse(long_name, &t));
}

static void expect_name(const char *want, const char *entry) {
    char name[AGENT_NAME_LEN_MAX + 1];
    agent_target_name_of(entry, name);
    EXPECT_TEXT(want, name);
    EXPECT_OK(agent_target_check_name(name));
}

TEST(a_service_is_called_after_its_program) {
    expect_name("app", "/x/app.js");
    expect_name("app-min", "/x/app.min.js");
    expect_name("shop", "/x/shop/index.js");
    expect_name("index", "/index.js");
    expect_name("a-b---", "/x/a b\xc3\xbc!.js");
    expect_name("app", "/x/all.js");
    expect_name("hidden", "/x/.hidden");
    expect_name("js", "/x/.js");
    expect_name("app", "/x/\xc3\xa9.js");
    expect_name("x", "/x/--_x.js");
    expect_name("app", "/x/_all.js");
    expect_name("0", "/x/0.js");
}

TEST(a_program_with_a_very_long_name_leaves_room_for_a_number) {
    char entry[300] = "/", name[AGENT_NAME_LEN_MAX + 1];
    memset(entry + 1, 'n', 250);
    agent_target_name_of(entry, name);
    EXPECT_EQ(55, strlen(name));
}

TEST(the_nearest_word_is_what_was_meant) {
    static const char *const words[] = {"instances", "name", "detach", "run", "logs"};
    EXPECT_TEXT("instances", agent_target_nearest("instnaces", words, 5));
    EXPECT_TEXT("instances", agent_target_nearest("instance", words, 5));
    EXPECT_TEXT("logs", agent_target_nearest("lgos", words, 5));
    EXPECT_TEXT("run", agent_target_nearest("rum", words, 5));
    assert_null(agent_target_nearest("zebra", words, 5));
    assert_null(agent_target_nearest("x", words, 5));
    assert_null(agent_target_nearest("name", words, 0));
}
