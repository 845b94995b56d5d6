// Nodes of different hosts.
#include <stdlib.h>

#include "core/limits.h"
#include "core/mem.h"
#include "hosts.h"

TEST(a_node_calls_one_on_another_host) {
    set_up();
    pair p;
    open_pair(&p);
    turn_until_served(&p.a, "service");
    EXPECT_EQ(1, p.a.replies);
    EXPECT_EQ(1, p.b.requests);
    EXPECT_EQ(1, hosts[0].signs);
    EXPECT_EQ(1, hosts[1].signs);
    close_pair(&p);
}

TEST(publications_and_large_payloads_go_across) {
    enum { LARGE = MESH_QUEUE_MAX / MESH_MESSAGE_LEN_DEFAULT }; // as many as may wait
    set_up();
    pair p;
    open_pair(&p);
    announce(&p.b, MESH_ENTRY_SUBSCRIPTION, "news.>");
    turn_until_served(&p.a, "service");
    uint8_t *large = mem_alloc(MESH_MESSAGE_LEN_DEFAULT);
    for (int i = 0; i < LARGE; i++)
        call_with(&p.a, "service", (mesh_bytes){large, MESH_MESSAGE_LEN_DEFAULT});
    run_until(&p.a.replies, LARGE + 1);
    EXPECT_EQ(MESH_MESSAGE_LEN_DEFAULT, p.a.reply_len);
    for (int i = 0; i < 1000; i++)
        EXPECT_OK(mesh_node_publish(mesh_member_node(p.a.w), uv_now(&loop),
                                    mesh_bytes_text("news.today"), 0, (mesh_bytes){large, 1000}));
    mesh_member_flush(p.a.w);
    run_until(&p.b.messages, 1000);
    free(large);
    close_pair(&p);
}

TEST(two_nodes_that_call_each_other_at_once_both_get_their_answers) {
    for (int round = 0; round < 10; round++) {
        set_up();
        pair p;
        open_pair(&p);
        announce(&p.a, MESH_ENTRY_SERVICE, "back");
        for (int i = 0; i < 5; i++)
            uv_run(&loop, UV_RUN_NOWAIT); // both have heard of the other's service
        call(&p.a, "service");
        for (int turn = 0; turn < round; turn++)
            uv_run(&loop, UV_RUN_NOWAIT);
        call(&p.b, "back");
        run_until(&p.a.replies, 1);
        run_until(&p.b.replies, 1);
        EXPECT_EQ(0, p.a.errors + p.b.errors);
        close_pair(&p);
    }
}

TEST(a_host_that_cannot_be_reached_costs_the_call_at_once) {
    set_up();
    pair p;
    open_pair(&p);
    while (p.a.peers == 0)
        uv_run(&loop, UV_RUN_ONCE);
    agent_links_close(hosts[1].links);
    hosts[1].links = NULL;
    uint64_t before_ms = uv_now(&loop);
    turn_until_served(&p.a, "service");
    EXPECT_EQ(MESH_CALL_PEER_LOST, p.a.error_code);
    EXPECT_FALSE(p.a.is_maybe);
    EXPECT_TRUE(uv_now(&loop) - before_ms < 1000);
    close_pair(&p);
}

TEST(a_node_that_ends_costs_its_callers_the_call) {
    set_up();
    pair p;
    open_pair(&p);
    turn_until_served(&p.a, "service");
    close_node(&p.b);
    uint32_t errors = p.a.errors;
    call(&p.a, "service");
    run_until(&p.a.errors, errors + 1);
    close_node(&p.a);
    tear_down();
}

// ---- certificates

TEST(certificates_are_renewed_when_two_thirds_of_their_time_are_over) {
    set_up();
    pair p;
    open_pair(&p);
    hosts[0].sign_age_s = MESH_NODE_LIFE_S * 3 / 4;
    turn_until_served(&p.a, "service");
    EXPECT_EQ(1, hosts[0].signs);
    node c;
    open_node(&c, &hosts[2], 1003);
    announce(&c, MESH_ENTRY_SERVICE, "third");
    turn_until_served(&p.a, "third"); // another link: the old certificate is not used for it
    EXPECT_EQ(2, hosts[0].signs);
    EXPECT_EQ(1, hosts[1].signs);
    close_node(&c);
    close_pair(&p);
}

TEST(without_a_certificate_the_call_fails_at_once) {
    set_up();
    pair p;
    open_pair(&p);
    hosts[0].sign_error = MESH_ECERTTIME;
    turn_until_served(&p.a, "service");
    EXPECT_EQ(MESH_CALL_PEER_LOST, p.a.error_code);
    close_pair(&p);
}

TEST(scopes_are_enforced_where_the_call_arrives) {
    set_up();
    close_host(&hosts[0]);
    open_host(&hosts[0], 10, "call:service");
    pair p;
    open_pair(&p);
    announce(&p.b, MESH_ENTRY_SERVICE, "secret");
    announce(&p.b, MESH_ENTRY_SUBSCRIPTION, "news.>");
    turn_until_served(&p.a, "service");
    EXPECT_EQ(1, p.a.replies);
    turn_until_served(&p.a, "secret");
    EXPECT_EQ(1, p.a.replies);
    EXPECT_EQ(MESH_CALL_FORBIDDEN, p.a.error_code);
    EXPECT_FALSE(p.a.is_maybe);
    EXPECT_OK(mesh_node_publish(mesh_member_node(p.a.w), uv_now(&loop),
                                mesh_bytes_text("news.today"), 0, mesh_bytes_text("x")));
    mesh_member_flush(p.a.w);
    call(&p.a, "service"); // comes after it
    run_until(&p.a.replies, 2);
    EXPECT_EQ(0, p.b.messages);
    EXPECT_EQ(2, mesh_node_stats_get(mesh_member_node(p.b.w)).forbidden);
    close_pair(&p);
}

TEST(what_a_host_may_not_serve_others_do_not_hear_of) {
    set_up();
    close_host(&hosts[1]);
    open_host(&hosts[1], 11, "serve:other");
    pair p;
    open_pair(&p);
    announce(&p.b, MESH_ENTRY_SERVICE, "other");
    turn_until_served(&p.a, "other");
    EXPECT_EQ(1, p.a.replies);
    uint32_t errors = p.a.errors;
    call(&p.a, "service");
    run_until(&p.a.errors, errors + 1);
    EXPECT_EQ(MESH_CALL_NO_RESPONDERS, p.a.error_code);
    close_pair(&p);
}
