// Whom a call goes to, seen from a node that knows many peers and has a link to none: the choice is
// the CONNECT, or the call's own peer.
#include <stdio.h>

#include "core/error.h"
#include "core/node_state.h"
#include "test.h"

enum { PEERS_MAX = 64, KEYS = 4000 };

static mesh_node *node_with(size_t count) {
    mesh_node *node = mesh_node_create(&(mesh_node_options){.node_id = 1, .seed = 7});
    for (size_t i = 0; i < count; i++) {
        mesh_bytes name = mesh_bytes_text("p");
        mesh_node_peer_up(node, &(mesh_peer_info){.node_id = 1000 + 17 * i, .name = name});
        const char *tags = i % 2 == 0 ? "zone=a,n=x" : "zone=b";
        mesh_entry entry = {.entry_id = 1,
                            .kind = MESH_ENTRY_SERVICE,
                            .name = mesh_bytes_text("api"),
                            .tags = mesh_bytes_text(tags)};
        EXPECT_OK(mesh_node_entry_put(node, 1000 + 17 * i, &entry));
    }
    return node;
}

// The id of the peer that the call with this slot went to; 0: nobody serves it.
static uint64_t call(mesh_node *node, uint32_t slot, const mesh_pick *pick) {
    mesh_call made = {.slot = slot,
                      .to_peer = MESH_PEER_ANY,
                      .pick = *pick,
                      .name = mesh_bytes_text("api"),
                      .method = mesh_bytes_text("run")};
    EXPECT_OK(mesh_node_call(node, 0, &made));
    const mesh_made_call *open = mesh_calls_get(&node->calls, slot);
    return open ? mesh_node_peers_get(node, open->peer)->info.node_id : 0;
}

static uint64_t call_once(mesh_node *node, const mesh_pick *pick) {
    uint64_t id = call(node, 0, pick);
    mesh_node_cancel(node, 0, 0);
    mesh_output out;
    while (mesh_node_poll(node, &out)) {
    }
    return id;
}

static uint64_t of_key(mesh_node *node, int number) {
    char key[16];
    (void)snprintf(key, sizeof key, "user-%d", number);
    return call_once(node, &(mesh_pick){.key = mesh_bytes_text(key)});
}

TEST(the_same_key_goes_to_the_same_instance_whoever_calls) {
    mesh_node *one = node_with(7), *other = node_with(7);
    mesh_rng_init(&other->rng, 99);
    for (int i = 0; i < 200; i++)
        EXPECT_EQ(of_key(one, i), of_key(other, i));
    mesh_node_destroy(one);
    mesh_node_destroy(other);
}

TEST(an_instance_that_goes_or_comes_moves_its_own_share_of_the_keys_and_no_other) {
    for (size_t n = 2; n <= PEERS_MAX; n *= 2) {
        mesh_node *all = node_with(n), *fewer = node_with(n - 1);
        uint64_t gone = 1000 + 17 * (n - 1);
        int moved = 0;
        for (int i = 0; i < KEYS; i++) {
            uint64_t before = of_key(all, i), after = of_key(fewer, i);
            if (before == gone)
                moved++;
            else
                EXPECT_EQ(before, after);
        }
        int share = KEYS / (int)n;
        EXPECT_TRUE(moved > share / 2 && moved < share * 3 / 2);
        mesh_node_destroy(all);
        mesh_node_destroy(fewer);
    }
}

TEST(known_keys_go_to_known_nodes) {
    mesh_node *node = node_with(5);
    // Computed by another program from wire.md, "Choosing".
    static const uint64_t expected[] = {1068, 1051, 1017, 1017};
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(expected[i], of_key(node, i));
    mesh_node_destroy(node);
}

TEST(only_instances_with_all_wanted_tags_are_chosen) {
    mesh_node *node = node_with(6);
    for (int i = 0; i < 100; i++) {
        mesh_pick pick = {.tags = mesh_bytes_text("zone=a")};
        EXPECT_EQ(0, (call_once(node, &pick) - 1000) / 17 % 2);
        pick.key = mesh_bytes_text(i % 2 == 0 ? "k" : "l");
        EXPECT_EQ(0, (call_once(node, &pick) - 1000) / 17 % 2);
    }
    EXPECT_EQ(0, call_once(node, &(mesh_pick){.tags = mesh_bytes_text("zone=c")}));
    mesh_node_destroy(node);
}

TEST(calls_in_flight_stay_even_with_two_random_choices) {
    mesh_node *node = node_with(10);
    for (uint32_t slot = 0; slot < 1000; slot++)
        (void)call(node, slot, &(mesh_pick){0});
    for (size_t i = 0; i < 10; i++) {
        uint32_t in_flight = mesh_node_peers_find(node, 1000 + 17 * i)->in_flight;
        EXPECT_TRUE(in_flight > 90 && in_flight < 110);
    }
    mesh_node_destroy(node);
}

TEST(a_stalled_instance_gets_no_calls_until_it_turns_again) {
    mesh_node *node = node_with(2);
    mesh_node_peer_stalled(node, 1000, true);
    for (int i = 0; i < 50; i++) {
        EXPECT_EQ(1017, call_once(node, &(mesh_pick){0}));
        EXPECT_EQ(1017, of_key(node, i));
    }
    mesh_node_peer_stalled(node, 1017, true);
    EXPECT_EQ(0, call_once(node, &(mesh_pick){0}));
    mesh_node_peer_stalled(node, 1000, false);
    EXPECT_EQ(1000, call_once(node, &(mesh_pick){0}));
    // One that dies while it is stalled takes its mark along.
    mesh_node_peer_down(node, 0, 1017, mesh_bytes_text("killed"), -1, 9);
    EXPECT_EQ(0, node->stalled_count);
    mesh_node_destroy(node);
}

static uint64_t connected_to(mesh_node *node) {
    mesh_output out;
    uint64_t id = 0;
    while (mesh_node_poll(node, &out))
        if (out.kind == MESH_OUT_CONNECT) id = out.node_id;
    return id;
}

static void subscribe(mesh_node *node, uint64_t id, const char *queue, const char *tags) {
    mesh_entry entry = {.entry_id = 2,
                        .kind = MESH_ENTRY_SUBSCRIPTION,
                        .name = mesh_bytes_text("jobs"),
                        .queue = mesh_bytes_text(queue),
                        .tags = mesh_bytes_text(tags)};
    EXPECT_OK(mesh_node_entry_put(node, id, &entry));
    (void)connected_to(node);
}

static uint64_t publish(mesh_node *node, const mesh_pick *pick) {
    mesh_publication pub = {.subject = mesh_bytes_text("jobs"), .pick = *pick};
    EXPECT_OK(mesh_node_publish_to(node, 0, &pub));
    return connected_to(node);
}

TEST(a_message_goes_to_a_stalled_member_of_its_group_rather_than_to_nobody) {
    mesh_node *node = node_with(2);
    subscribe(node, 1000, "workers", "");
    mesh_node_peer_stalled(node, 1000, true);
    EXPECT_EQ(1000, publish(node, &(mesh_pick){0}));
    subscribe(node, 1017, "workers", "");
    EXPECT_EQ(1017, publish(node, &(mesh_pick){0}));
    mesh_node_destroy(node);
}

TEST(tags_of_a_publication_filter_plain_subscriptions_and_groups) {
    mesh_node *node = node_with(3);
    subscribe(node, 1000, "", "zone=a");
    EXPECT_EQ(0, publish(node, &(mesh_pick){.tags = mesh_bytes_text("zone=b")}));
    subscribe(node, 1017, "workers", "zone=b");
    subscribe(node, 1034, "workers", "zone=c");
    EXPECT_EQ(1017, publish(node, &(mesh_pick){.tags = mesh_bytes_text("zone=b")}));
    EXPECT_EQ(1000, publish(node, &(mesh_pick){.tags = mesh_bytes_text("zone=a")}));
    mesh_node_destroy(node);
}
