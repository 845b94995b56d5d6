#include "agent/lease_line.h"

#include <stdio.h>
#include <string.h>

#include "test.h"

static const char own[] = "leases/job 00000000000000aa";

static store_pair pair(const char *key, int64_t created, const char *value) {
    return (store_pair){
        .key = mesh_bytes_text(key), .value = mesh_bytes_text(value), .created = created};
}

TEST(who_was_created_first_has_it_wherever_its_key_stands) {
    agent_lease_line line;
    const store_pair pairs[] = {pair("leases/job 0000000000000001", 9, "c"), pair(own, 7, "me"),
                                pair("leases/job 00000000000000ff", 8, "b")};
    agent_lease_line_begin(&line, own, 7);
    agent_lease_line_take(&line, pairs, 3);
    EXPECT_EQ(AGENT_LEASE_FIRST, agent_lease_line_turn(&line));
}

TEST(who_is_behind_waits_for_the_one_right_before_and_knows_who_has_it) {
    agent_lease_line line;
    const store_pair page[] = {pair("leases/job 0000000000000001", 5, "b on h"),
                               pair("leases/job 0000000000000002", 3, "a\non h"), pair(own, 7, "")};
    const store_pair next[] = {pair("leases/job 00000000000000bb", 9, "d on h"),
                               pair("leases/job 00000000000000cc", 4, "c on h")};
    agent_lease_line_begin(&line, own, 7);
    agent_lease_line_take(&line, page, 3);
    agent_lease_line_take(&line, next, 2);
    EXPECT_EQ(AGENT_LEASE_BEHIND, agent_lease_line_turn(&line));
    EXPECT_TRUE(agent_lease_line_is_before(&line, page[0].key));
    EXPECT_FALSE(agent_lease_line_is_before(&line, page[1].key));
    EXPECT_FALSE(agent_lease_line_is_before(&line, next[1].key));
    EXPECT_TEXT("a?on h", line.who);
}

TEST(who_is_no_more_in_the_line_or_stands_there_anew_has_nothing) {
    agent_lease_line line;
    agent_lease_line_begin(&line, own, 7);
    EXPECT_EQ(AGENT_LEASE_GONE, agent_lease_line_turn(&line));
    const store_pair others = pair(own, 8, "somebody put it again");
    agent_lease_line_take(&line, &others, 1);
    EXPECT_EQ(AGENT_LEASE_GONE, agent_lease_line_turn(&line));
}

TEST(what_others_wrote_there_is_cut_or_left_out) {
    static char long_value[1000], long_key[1000];
    agent_lease_line line;
    memset(long_value, 'v', sizeof long_value - 1);
    memset(long_key, 'k', sizeof long_key - 1);
    const store_pair pairs[] = {pair("leases/job x", 3, long_value), pair(long_key, 4, "other"),
                                pair(own, 7, "")};
    agent_lease_line_begin(&line, own, 7);
    agent_lease_line_take(&line, pairs, 3);
    EXPECT_EQ(AGENT_LEASE_BEHIND, agent_lease_line_turn(&line));
    EXPECT_EQ(AGENT_LEASE_WHO_CAP - 1, strlen(line.who));
}

TEST(a_key_belongs_to_one_name) {
    char key[AGENT_LEASE_KEY_CAP], longest[MESH_NAME_LEN_MAX + 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    EXPECT_FALSE(agent_lease_is_name(longest));
    longest[MESH_NAME_LEN_MAX] = '\0';
    EXPECT_TRUE(agent_lease_is_name(longest));
    agent_lease_key(longest, UINT64_MAX, key);
    EXPECT_TRUE(agent_lease_is_key(key, longest));
    agent_lease_key("a/b", 1, key);
    EXPECT_TEXT("leases/a/b 0000000000000001", key);
    EXPECT_BYTES("leases/a/b ", agent_lease_prefix(key));
    EXPECT_TRUE(agent_lease_is_key(key, "a/b"));
    for (size_t i = 0; key[i] != '\0'; i++) {
        char other[AGENT_LEASE_KEY_CAP];
        memcpy(other, key, sizeof other);
        other[i] = '~';
        EXPECT_FALSE(agent_lease_is_key(other, "a/b"));
    }
    EXPECT_FALSE(agent_lease_is_key(key, "a"));
    EXPECT_FALSE(agent_lease_is_key("", "a/b"));
    for (const char *const *bad = (const char *const[]){"", "a b", "a\n", "\x7f", NULL}; *bad;
         bad++)
        EXPECT_FALSE(agent_lease_is_name(*bad));
}
