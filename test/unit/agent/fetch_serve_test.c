// What a host gives to others: how much at once, to how many, and what it refuses.
#include "agent/fetch.h"

#include "fetch_world.h"
#include "test.h"

// What else is said on a link waits behind what is on the way.
TEST(never_more_than_the_bound_is_on_the_way_to_one_host) {
    open_world(2);
    give(0, 0, 600);
    hosts[0].rate = 50000;
    (void)fetch_from(1, 0, 600, NULL);
    wait_done(1);
    EXPECT_TRUE(hosts[0].queued_most <= AGENT_FETCH_QUEUE_MAX);
    EXPECT_TRUE(hosts[0].queued_most > AGENT_FETCH_QUEUE_MAX / 2);
    close_world();
}

TEST(on_a_slow_line_little_is_on_the_way) {
    open_world(4);
    give(0, 0, 100);
    hosts[0].rate = 100;
    for (int i = 1; i < 4; i++)
        (void)fetch_from(i, 0, 100, NULL);
    for (int i = 1; i < 4; i++)
        wait_done(i);
    EXPECT_TRUE(hosts[0].queued_most <= AGENT_FETCH_QUEUE_MAX / 2);
    close_world();
}

TEST(each_host_that_asks_gets_the_same_share) {
    open_world(5);
    give(0, 0, 600);
    hosts[0].rate = 300;
    for (int i = 1; i < 5; i++) {
        hosts[i].is_mean = true; // so that the first gives all
        (void)fetch_from(i, 0, 600, NULL);
        link_up(0, i);
    }
    wait_progress(1, 100);
    for (int i = 2; i < 5; i++) {
        uint64_t most = hosts[0].given_to[1] * 5 / 4, least = hosts[0].given_to[1] * 3 / 4;
        EXPECT_TRUE(hosts[0].given_to[i] >= least && hosts[0].given_to[i] <= most);
    }
    close_world();
}

TEST(fifty_hosts_do_not_all_draw_on_the_one_that_had_it_first) {
    enum { HOSTS = 50, CHUNKS = 60 };
    uint64_t len = 0, all = 0;
    open_world(HOSTS);
    give(0, 0, CHUNKS);
    for (int chunk = 0; chunk < CHUNKS; chunk++)
        len += length_of(chunk);
    for (int i = 1; i < HOSTS; i++) {
        hosts[i].rate = hosts[0].rate = 1000;
        (void)fetch_from(i, 0, CHUNKS, "h0");
    }
    for (int i = 1; i < HOSTS; i++) {
        wait_done(i);
        expect_has(i, 0, CHUNKS);
    }
    for (int i = 0; i < HOSTS; i++)
        all += agent_fetch_stats_get(hosts[i].fetch).given_len;
    uint64_t first = agent_fetch_stats_get(hosts[0].fetch).given_len;
    print_message("%llu KiB each to 49 hosts in %llu ms; the first gave %.1f times that\n",
                  (unsigned long long)len >> 10, (unsigned long long)now_ms - 1000,
                  (double)first / (double)len);
    EXPECT_TRUE(all >= len * (HOSTS - 1));
    EXPECT_TRUE(first < len * (HOSTS - 1) / 4);
    close_world();
}

static bool is_refused(const agent_fetch_message *m) {
    uint8_t wire[AGENT_FETCH_LEN_MAX], id[MESH_ID_LEN];
    id_of(1, id);
    size_t len = agent_fetch_write(m, wire);
    return agent_fetch_receive(hosts[0].fetch, now_ms, id, (mesh_bytes){wire, len}) != 0;
}

TEST(what_is_over_a_bound_closes_the_link) {
    static uint8_t zeros[AGENT_FETCH_PIECE_MAX + 1];
    open_world(2);
    link_up(0, 1);
    agent_fetch_message ask = {.kind = AGENT_FETCH_ASK, .number = 1, .bytes = {zeros, 32}};
    EXPECT_FALSE(is_refused(&ask));
    ask.bytes.len = 33;
    EXPECT_TRUE(is_refused(&ask));
    ask.bytes.len = (size_t)32 * (AGENT_FETCH_ASK_MAX + 1);
    EXPECT_TRUE(is_refused(&ask));
    agent_fetch_message piece = {
        .kind = AGENT_FETCH_PIECE, .number = 1, .total = 10, .bytes = {zeros, 10}};
    EXPECT_FALSE(is_refused(&piece));
    piece.bytes.len = 11;
    EXPECT_TRUE(is_refused(&piece));
    piece.total = AGENT_FETCH_CHUNK_MAX + 1;
    EXPECT_TRUE(is_refused(&piece));
    piece = (agent_fetch_message){.kind = AGENT_FETCH_PIECE,
                                  .number = 1,
                                  .offset = UINT32_MAX,
                                  .total = 10,
                                  .bytes = {zeros, 10}};
    EXPECT_TRUE(is_refused(&piece));
    close_world();
}

TEST(one_who_asks_for_more_than_its_share_hears_that_it_is_too_much) {
    open_world(2);
    give(0, 0, 600);
    hosts[0].rate = 1;
    link_up(0, 1);
    uint8_t hash[AGENT_FETCH_HASH_LEN];
    for (int i = 0; i < 500; i++) {
        hash_of(i, hash);
        EXPECT_FALSE(is_refused(&(agent_fetch_message){
            .kind = AGENT_FETCH_WANT, .number = (uint32_t)i + 1, .bytes = {hash, sizeof hash}}));
    }
    EXPECT_EQ(1, agent_fetch_stats_get(hosts[0].fetch).askers);
    for (int i = 0; i < 20; i++)
        step();
    EXPECT_TRUE(hosts[0].queued_most <= AGENT_FETCH_QUEUE_MAX + (8U << 10));
    close_world();
}
