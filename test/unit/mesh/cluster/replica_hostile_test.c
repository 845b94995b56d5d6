// What neighbours and hosts do that they should not, and what arrives at the wrong time.
#include <sodium.h>
#include <stdio.h>

#include "clan.h"
#include "core/error.h"
#include "test.h"

enum { PAGE_TAG = 0x12 }; // field 2 of Overlay

// What host `of` would say next, if it said `ops`: a head signed by it.
static mesh_head head_of(const clan *c, int of, const mesh_ops *ops, uint64_t from) {
    mesh_head head = {.generation = c->generations[of], .from = from, .version = from + 1};
    memcpy(head.host_id, c->ids[of], MESH_ID_LEN);
    mesh_ops_hash(mesh_ops_bytes(ops), head.ops_hash);
    return head;
}

// The map that `ops` build; the hash of it goes into the head.
static void set_state(mesh_head *head, const mesh_op *ops, size_t count) {
    mesh_host_map *map = mesh_host_map_create();
    for (size_t i = 0; i < count; i++)
        EXPECT_OK(mesh_host_map_apply(map, &ops[i]));
    mesh_host_map_hash(map, head->state_hash);
    mesh_host_map_destroy(map);
}

static int receive_only(clan *c, int at, int from, const Warren__Overlay__Overlay *message) {
    static uint8_t room[MESH_OVERLAY_LEN_MAX];
    size_t len = warren__overlay__overlay__pack(message, room);
    return mesh_replica_receive(c->hosts[at], c->now_ms, c->ids[from], (mesh_bytes){room, len});
}

static int receive(clan *c, int at, int from, const Warren__Overlay__Overlay *message) {
    int err = receive_only(c, at, from, message);
    clan_collect(c);
    return err;
}

static int receive_delta(clan *c, int at, int from, const mesh_head *head, const mesh_ops *ops) {
    Warren__Overlay__Head head_message = mesh_head_message(head);
    Warren__Overlay__Delta delta = WARREN__OVERLAY__DELTA__INIT;
    delta.head = &head_message;
    delta.ops = (ProtobufCBinaryData){ops->len, ops->data};
    Warren__Overlay__Overlay message = WARREN__OVERLAY__OVERLAY__INIT;
    message.kind_case = WARREN__OVERLAY__OVERLAY__KIND_DELTA;
    message.delta = &delta;
    return receive(c, at, from, &message);
}

static int receive_page(clan *c, int at, int from, const mesh_head *head, const mesh_ops *ops) {
    Warren__Overlay__Head head_message = mesh_head_message(head);
    Warren__Overlay__Page page = WARREN__OVERLAY__PAGE__INIT;
    page.head = &head_message;
    page.is_last = true;
    page.ops = (ProtobufCBinaryData){ops->len, ops->data};
    Warren__Overlay__Overlay message = WARREN__OVERLAY__OVERLAY__INIT;
    message.kind_case = WARREN__OVERLAY__OVERLAY__KIND_PAGE;
    message.page = &page;
    return receive(c, at, from, &message);
}

static int receive_have(clan *c, int at, int from, int of, uint64_t version) {
    Warren__Overlay__Version v = WARREN__OVERLAY__VERSION__INIT, *versions[] = {&v};
    v.host_id = (ProtobufCBinaryData){MESH_ID_LEN, c->ids[of]};
    v.generation = c->generations[of];
    v.version = version;
    Warren__Overlay__Have have = WARREN__OVERLAY__HAVE__INIT;
    have.n_version = 1;
    have.version = versions;
    Warren__Overlay__Overlay message = WARREN__OVERLAY__OVERLAY__INIT;
    message.kind_case = WARREN__OVERLAY__OVERLAY__KIND_HAVE;
    message.have = &have;
    return receive(c, at, from, &message);
}

static mesh_op node(uint64_t id) {
    return (mesh_op){.kind = MESH_OP_NODE,
                     .number = id,
                     .name = mesh_bytes_text("forged"),
                     .service = mesh_bytes_text("app")};
}

static const mesh_replica_stats *stats(const clan *c, int at) {
    static mesh_replica_stats stats;
    stats = mesh_replica_stats_get(c->hosts[at]);
    return &stats;
}

// 0 and 2 are neighbours of 1; 0 has node 7.
static clan *chain(void) {
    clan *c = clan_create(3);
    clan_link(c, 0, 1);
    clan_link(c, 1, 2);
    clan_up(c, 0, 7, "app.0");
    clan_settle(c);
    for (int i = 0; i < 3; i++)
        (void)clan_told(c, i);
    return c;
}

// ---- deltas

TEST(nobody_can_speak_for_another_host) {
    clan *c = chain();
    mesh_ops ops = {0};
    mesh_op op = node(9);
    mesh_ops_add(&ops, &op);
    mesh_head head = head_of(c, 0, &ops, mesh_replica_version(c->hosts[0]));
    mesh_head_sign(&head, c->secrets[2]);
    EXPECT_EQ(MESH_EPROTO, receive_delta(c, 1, 2, &head, &ops));
    EXPECT_EQ(1, stats(c, 1)->bad_signatures);
    EXPECT_TEXT("", clan_told(c, 1));
    free(ops.data);
    clan_destroy(c);
}

TEST(every_changed_byte_of_a_head_is_noticed) {
    clan *c = chain();
    mesh_ops ops = {0};
    mesh_op both[] = {node(7), node(9)};
    both[0].name = mesh_bytes_text("app.0");
    both[0].pid = 9;
    mesh_ops_add(&ops, &both[1]);
    mesh_head good = head_of(c, 0, &ops, mesh_replica_version(c->hosts[0]));
    set_state(&good, both, 2);
    mesh_head_sign(&good, c->secrets[0]);
    for (size_t i = 0; i < MESH_SIGNATURE_LEN; i++) {
        mesh_head bad = good;
        bad.signature[i] ^= 1;
        EXPECT_EQ(MESH_EPROTO, receive_delta(c, 1, 2, &bad, &ops));
    }
    for (size_t i = 0; i < MESH_HASH_LEN; i++) {
        mesh_head bad = good;
        bad.state_hash[i] ^= 1;
        EXPECT_EQ(MESH_EPROTO, receive_delta(c, 1, 2, &bad, &ops));
        bad = good;
        bad.ops_hash[i] ^= 1;
        EXPECT_EQ(MESH_EPROTO, receive_delta(c, 1, 2, &bad, &ops));
    }
    EXPECT_TEXT("", clan_told(c, 1));
    EXPECT_OK(receive_delta(c, 1, 2, &good, &ops));
    EXPECT_TEXT("up 9 forged\n", clan_told(c, 1));
    free(ops.data);
    clan_destroy(c);
}

TEST(other_ops_under_a_good_head_are_refused) {
    clan *c = chain();
    mesh_ops ops = {0}, others = {0};
    mesh_op op = node(9), other = node(10);
    mesh_ops_add(&ops, &op);
    mesh_ops_add(&others, &other);
    mesh_head head = head_of(c, 0, &ops, mesh_replica_version(c->hosts[0]));
    mesh_head_sign(&head, c->secrets[0]);
    EXPECT_EQ(MESH_EPROTO, receive_delta(c, 1, 2, &head, &others));
    EXPECT_TEXT("", clan_told(c, 1));
    free(ops.data);
    free(others.data);
    clan_destroy(c);
}

TEST(a_host_that_signs_another_map_than_it_has_loses_it_until_it_is_fetched) {
    clan *c = chain();
    mesh_ops ops = {0};
    mesh_op op = node(9);
    mesh_ops_add(&ops, &op);
    mesh_head head = head_of(c, 0, &ops, mesh_replica_version(c->hosts[0]));
    mesh_head_sign(&head, c->secrets[0]); // its state_hash is all 0
    EXPECT_OK(receive_delta(c, 1, 2, &head, &ops));
    EXPECT_EQ(1, stats(c, 1)->bad_maps);
    EXPECT_EQ(0, stats(c, 1)->nodes);
    (void)clan_told(c, 1);
    clan_up(c, 0, 8, "app.1");
    clan_settle(c);
    clan_up(c, 0, 10, "app.2"); // versions of its own are above the forged one again
    clan_settle(c);
    EXPECT_TEXT("up 7 app.0\nup 8 app.1\nup 10 app.2\n", clan_told(c, 1));
    free(ops.data);
    clan_destroy(c);
}

TEST(what_a_host_says_while_it_is_down_is_not_told) {
    clan *c = chain();
    clan_state(c, 1, 0, MESH_HOST_DOWN);
    clan_settle(c);
    (void)clan_told(c, 1);
    clan_up(c, 0, 8, "app.1");
    clan_settle(c);
    clan_wait(c, 13000);
    EXPECT_TEXT("", clan_told(c, 1));
    EXPECT_EQ(0, stats(c, 1)->nodes);
    clan_state(c, 1, 0, MESH_HOST_UP);
    clan_settle(c);
    EXPECT_TEXT("up 7 app.0\nup 8 app.1\n", clan_told(c, 1));
    clan_destroy(c);
}

TEST(what_comes_to_an_unreachable_host_is_told_when_it_can_be_reached) {
    clan *c = chain();
    clan_state(c, 1, 0, MESH_HOST_UNREACHABLE);
    clan_settle(c);
    (void)clan_told(c, 1);
    clan_up(c, 0, 8, "app.1");
    clan_put(c, 0, 8, 1, "prices");
    clan_put(c, 0, 7, 1, "stock");
    clan_settle(c);
    EXPECT_TEXT("", clan_told(c, 1));
    EXPECT_TEXT("up 8 app.1\nput 8 1 prices\nput 7 1 stock\n", clan_told(c, 2)); // passed on
    clan_end(c, 0, 7, "crash", 1);
    clan_settle(c);
    EXPECT_TEXT("down 7 crash 1\n", clan_told(c, 1)); // a death is certain
    clan_state(c, 1, 0, MESH_HOST_UP);
    clan_settle(c);
    EXPECT_TEXT("up 8 app.1\nput 8 1 prices\n", clan_told(c, 1));
    clan_destroy(c);
}

TEST(bytes_that_are_no_message_are_refused) {
    clan *c = chain();
    const uint8_t junk[] = {0x0a, 0xff, 0xff};
    EXPECT_EQ(MESH_EPROTO, mesh_replica_receive(c->hosts[1], c->now_ms, c->ids[2],
                                                (mesh_bytes){junk, sizeof junk}));
    static uint8_t large[MESH_OVERLAY_LEN_MAX + 1];
    EXPECT_EQ(MESH_EPROTO, mesh_replica_receive(c->hosts[1], c->now_ms, c->ids[2],
                                                (mesh_bytes){large, sizeof large}));
    const uint8_t later[] = {0x7a, 1, 'x'}; // field 15: a kind of a later minor
    EXPECT_OK(
        mesh_replica_receive(c->hosts[1], c->now_ms, c->ids[2], (mesh_bytes){later, sizeof later}));
    clan_destroy(c);
}

// ---- maps

// Host 1 has asked host 2 for the map of host 0, which it says to have.
static clan *asking(void) {
    clan *c = chain();
    EXPECT_OK(receive_have(c, 1, 2, 0, 50));
    EXPECT_EQ(1, stats(c, 1)->fetches);
    clan_lose(c); // the true one will not answer
    return c;
}

TEST(a_map_that_is_not_what_its_host_signed_is_thrown_away) {
    clan *c = asking();
    mesh_ops ops = {0};
    mesh_op op = node(9), other = node(10);
    mesh_ops_add(&ops, &op);
    mesh_head head = head_of(c, 0, &ops, 49);
    set_state(&head, &other, 1);
    mesh_head_sign(&head, c->secrets[0]);
    EXPECT_OK(receive_page(c, 1, 2, &head, &ops));
    EXPECT_EQ(1, stats(c, 1)->bad_maps);
    EXPECT_TEXT("", clan_told(c, 1));
    free(ops.data);
    clan_destroy(c);
}

TEST(a_map_under_a_forged_head_is_refused) {
    clan *c = asking();
    mesh_ops ops = {0};
    mesh_op op = node(9);
    mesh_ops_add(&ops, &op);
    mesh_head head = head_of(c, 0, &ops, 49);
    set_state(&head, &op, 1);
    mesh_head_sign(&head, c->secrets[2]);
    EXPECT_EQ(MESH_EPROTO, receive_page(c, 1, 2, &head, &ops));
    EXPECT_TEXT("", clan_told(c, 1));
    free(ops.data);
    clan_destroy(c);
}

TEST(a_map_that_raises_the_dead_is_thrown_away) {
    clan *c = chain();
    clan_end(c, 0, 7, "crash", 1);
    clan_settle(c);
    (void)clan_told(c, 1);
    EXPECT_OK(receive_have(c, 1, 2, 0, 50));
    mesh_ops ops = {0};
    mesh_op op = node(7);
    mesh_ops_add(&ops, &op);
    mesh_head head = head_of(c, 0, &ops, 49);
    set_state(&head, &op, 1);
    mesh_head_sign(&head, c->secrets[0]);
    EXPECT_OK(receive_page(c, 1, 2, &head, &ops));
    EXPECT_EQ(1, stats(c, 1)->bad_maps);
    EXPECT_TEXT("", clan_told(c, 1));
    free(ops.data);
    clan_destroy(c);
}

TEST(a_page_of_somebody_who_was_not_asked_disturbs_nothing) {
    clan *c = chain();
    clan_link(c, 0, 2);
    clan_settle(c);
    EXPECT_OK(receive_have(c, 1, 2, 0, 50));
    mesh_ops ops = {0}, none = {0};
    mesh_op op = node(9);
    mesh_ops_add(&ops, &op);
    mesh_head head = head_of(c, 0, &ops, 49);
    set_state(&head, &op, 1);
    mesh_head_sign(&head, c->secrets[0]);
    mesh_head forged = head;
    forged.signature[0] ^= 1;
    EXPECT_OK(receive_page(c, 1, 0, &forged, &none)); // 2 was asked
    EXPECT_OK(receive_page(c, 1, 2, &head, &ops));
    EXPECT_TEXT("down 7 noproc -1\nup 9 forged\n", clan_told(c, 1));
    free(ops.data);
    clan_destroy(c);
}

TEST(the_map_of_an_earlier_life_is_not_taken) {
    clan *c = chain();
    mesh_ops ops = {0};
    mesh_op op = node(9);
    mesh_ops_add(&ops, &op);
    mesh_head old = head_of(c, 0, &ops, 90);
    set_state(&old, &op, 1);
    mesh_head_sign(&old, c->secrets[0]);
    c->generations[0] = 200;
    clan_state(c, 1, 0, MESH_HOST_UP);
    clan_collect(c);
    (void)clan_told(c, 1);
    EXPECT_OK(receive_have(c, 1, 2, 0, 50));
    EXPECT_OK(receive_page(c, 1, 2, &old, &ops));
    EXPECT_OK(receive_delta(c, 1, 2, &old, &ops));
    old.from = 1;
    old.version = 2;
    mesh_head_sign(&old, c->secrets[0]);
    EXPECT_OK(receive_delta(c, 1, 2, &old, &ops));
    EXPECT_TEXT("", clan_told(c, 1));
    free(ops.data);
    clan_destroy(c);
}

TEST(a_host_that_comes_back_does_not_get_an_older_map_of_another_neighbour) {
    clan *c = chain();
    clan_unlink(c, 1, 2); // 2 will not hear that 7 ends
    clan_end(c, 0, 7, "crash", 1);
    clan_settle(c);
    EXPECT_TEXT("down 7 crash 1\n", clan_told(c, 1));
    clan_unlink(c, 0, 1);
    clan_state(c, 1, 0, MESH_HOST_DOWN);
    clan_settle(c);
    clan_state(c, 1, 0, MESH_HOST_UP);
    clan_link(c, 1, 2);
    clan_settle(c);
    clan_wait(c, 13000);
    EXPECT_TEXT("", clan_told(c, 1));
    EXPECT_EQ(0, stats(c, 1)->fetches);
    clan_destroy(c);
}

TEST(an_older_map_that_is_pushed_on_a_host_that_came_back_is_not_taken) {
    clan *c = chain();
    for (uint64_t id = 20; id < 30; id++) {
        clan_up(c, 0, id, "app");
        clan_settle(c);
    }
    clan_unlink(c, 0, 1);
    clan_state(c, 1, 0, MESH_HOST_DOWN);
    clan_state(c, 1, 0, MESH_HOST_UP);
    clan_collect(c);
    (void)clan_told(c, 1);
    EXPECT_OK(receive_have(c, 1, 2, 0, 50)); // a lie, so that it asks
    mesh_ops ops = {0};
    mesh_op op = node(9);
    mesh_ops_add(&ops, &op);
    mesh_head old = head_of(c, 0, &ops, 4);
    set_state(&old, &op, 1);
    mesh_head_sign(&old, c->secrets[0]);
    EXPECT_OK(receive_page(c, 1, 2, &old, &ops));
    EXPECT_TEXT("", clan_told(c, 1));
    free(ops.data);
    clan_destroy(c);
}

// A map of several pages is on its way from 0 to 1, and the first page is there.
static clan *halfway(void) {
    clan *c = clan_create(2);
    char name[MESH_NAME_LEN_MAX + 1];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    clan_up(c, 0, 7, "app.0");
    for (uint32_t i = 1; i <= 600; i++)
        clan_put(c, 0, 7, i, name);
    clan_settle(c);
    clan_link(c, 0, 1);
    clan_collect(c);
    while (stats(c, 1)->fetches == 0)
        clan_deliver(c);
    // Up to and with its first page: what comes before is small.
    while (c->messages[0].to != 1 || c->messages[0].len < MESH_OPS_LEN_MAX - MESH_OP_LEN_MAX)
        clan_deliver(c);
    clan_deliver(c);
    EXPECT_TRUE(c->message_count > 0);
    return c;
}

TEST(half_a_map_is_worth_nothing_when_a_new_life_begins) {
    clan *c = halfway();
    mesh_replica_host_state(c->hosts[1], c->ids[0], 200, MESH_HOST_UP);
    while (c->message_count > 0)
        clan_deliver(c);
    EXPECT_TEXT("", clan_told(c, 1));
    EXPECT_EQ(0, stats(c, 1)->maps);
    clan_destroy(c);
}

TEST(half_a_map_is_worth_nothing_when_its_host_goes_down) {
    clan *c = halfway();
    clan_state(c, 1, 0, MESH_HOST_DOWN);
    while (c->message_count > 0)
        clan_deliver(c);
    EXPECT_TEXT("", clan_told(c, 1));
    EXPECT_EQ(0, stats(c, 1)->maps);
    EXPECT_EQ(0, stats(c, 1)->bytes);
    clan_destroy(c);
}

TEST(a_map_without_its_middle_is_thrown_away) {
    clan *c = halfway();
    free(c->messages[0].bytes);
    memmove(c->messages, c->messages + 1, --c->message_count * sizeof *c->messages);
    EXPECT_TRUE(c->message_count > 0);
    while (c->message_count > 0)
        clan_deliver(c);
    EXPECT_EQ(0, stats(c, 1)->maps);
    clan_wait(c, 13000); // the next summary finds it
    EXPECT_EQ(1, stats(c, 1)->maps);
    clan_destroy(c);
}

// ---- the wrong time

TEST(a_map_is_sent_with_what_has_just_happened) {
    clan *c = clan_create(2);
    clan_up(c, 0, 7, "app.0");
    clan_settle(c);
    clan_link(c, 0, 1);
    clan_collect(c);
    while (stats(c, 1)->fetches == 0)
        clan_deliver(c);
    clan_put(c, 0, 7, 1, "prices"); // not in a delta yet
    while (c->message_count > 0)
        clan_deliver(c);
    EXPECT_TEXT("up 7 app.0\nput 7 1 prices\n", clan_told(c, 1));
    EXPECT_EQ(0, stats(c, 1)->bad_maps);
    clan_destroy(c);
}

TEST(a_map_that_others_wait_for_is_announced_to_them) {
    clan *c = clan_create(4);
    clan_link(c, 1, 2);
    clan_link(c, 2, 3);
    clan_up(c, 0, 7, "app.0");
    clan_settle(c);
    clan_link(c, 0, 1); // a partition heals through this link
    for (int i = 0; i < 5; i++)
        clan_settle(c);
    EXPECT_TEXT("up 7 app.0\n", clan_told(c, 3));
    clan_destroy(c);
}

TEST(news_that_comes_while_a_map_is_fetched_is_fetched_after_it) {
    clan *c = asking();
    clan_link(c, 0, 2);
    mesh_ops ops = {0}, later = {0};
    mesh_op op = node(9);
    mesh_ops_add(&ops, &op);
    mesh_head map = head_of(c, 0, &ops, 49), delta = head_of(c, 0, &later, 55);
    set_state(&map, &op, 1);
    mesh_head_sign(&map, c->secrets[0]);
    mesh_head_sign(&delta, c->secrets[0]);
    EXPECT_OK(receive_delta(c, 1, 0, &delta, &later)); // there is a gap before it
    EXPECT_EQ(1, stats(c, 1)->fetches);
    EXPECT_OK(receive_page(c, 1, 2, &map, &ops));
    EXPECT_EQ(2, stats(c, 1)->fetches);
    free(ops.data);
    clan_destroy(c);
}

TEST(hosts_that_are_equal_send_each_other_nothing_but_summaries) {
    clan *c = chain();
    clan_unlink(c, 1, 2); // one gets deltas, the other the map
    for (uint64_t id = 20; id < 25; id++) {
        clan_up(c, 0, id, "app");
        clan_settle(c);
    }
    clan_link(c, 1, 2);
    clan_settle(c);
    clan_wait(c, 13000);
    size_t before = c->sent;
    clan_wait(c, 60000);
    size_t sent = c->sent - before; // 4 ends of links, a summary each every 8 to 12 s
    EXPECT_TRUE(sent >= 20 && sent <= 32);
    clan_destroy(c);
}

static int ask_for_own_map_unpolled(clan *c, int at, int from) {
    Warren__Overlay__Version mine = WARREN__OVERLAY__VERSION__INIT;
    mine.host_id = (ProtobufCBinaryData){MESH_ID_LEN, c->ids[at]};
    mine.generation = c->generations[at];
    Warren__Overlay__Fetch fetch = WARREN__OVERLAY__FETCH__INIT;
    fetch.mine = &mine;
    Warren__Overlay__Overlay message = WARREN__OVERLAY__OVERLAY__INIT;
    message.kind_case = WARREN__OVERLAY__OVERLAY__KIND_FETCH;
    message.fetch = &fetch;
    return receive_only(c, at, from, &message);
}

static int ask_for_own_map(clan *c, int at, int from) {
    int err = ask_for_own_map_unpolled(c, at, from);
    clan_collect(c);
    return err;
}

TEST(a_map_for_a_full_link_waits_until_it_is_empty) {
    clan *c = chain();
    c->queued = 2 << 20;
    size_t before = c->sent;
    EXPECT_OK(ask_for_own_map(c, 0, 1));
    mesh_replica_tick(c->hosts[0], c->now_ms);
    clan_collect(c);
    EXPECT_EQ(before, c->sent);
    EXPECT_EQ(c->now_ms + 10, mesh_replica_wake_at_ms(c->hosts[0]));
    c->queued = 0;
    mesh_replica_tick(c->hosts[0], c->now_ms + 10);
    clan_collect(c);
    EXPECT_EQ(before + 1, c->sent);
    clan_destroy(c);
}

TEST(no_more_maps_wait_for_a_full_link_than_a_neighbour_may_ask_for_at_once) {
    clan *c = chain();
    c->queued = 2 << 20;
    for (int i = 0; i < 20; i++)
        EXPECT_OK(ask_for_own_map(c, 0, 1));
    EXPECT_EQ(12, stats(c, 0)->refused_fetches);
    clan_destroy(c);
}

TEST(maps_asked_for_in_one_turn_do_not_fill_a_link_either) {
    clan *c = halfway(); // a map of about 160 kB in 3 pages
    size_t before = c->sent;
    clan_lose(c);
    for (int i = 0; i < 12; i++)
        EXPECT_OK(ask_for_own_map_unpolled(c, 0, 1));
    clan_collect(c);
    EXPECT_EQ(before + 21, c->sent); // 7 maps, which is more than 1 MiB
    clan_destroy(c);
}

TEST(a_slow_link_on_which_maps_move_is_waited_for) {
    clan *c = clan_create(3);
    clan_up(c, 0, 7, "app.0");
    clan_up(c, 1, 8, "app.1");
    clan_settle(c);
    clan_link(c, 0, 1);
    clan_settle(c);
    clan_link(c, 1, 2);
    clan_collect(c);
    for (; c->message_count > 0; clan_deliver(c)) {
        if (c->messages[0].bytes[0] != PAGE_TAG) continue;
        c->now_ms += 4000; // for each page
        mesh_replica_tick(c->hosts[2], c->now_ms);
        clan_collect(c);
    }
    EXPECT_EQ(2, stats(c, 2)->fetches);
    EXPECT_EQ(2, stats(c, 2)->maps);
    clan_destroy(c);
}
