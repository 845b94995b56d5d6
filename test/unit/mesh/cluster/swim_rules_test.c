// The rules of membership one by one, and the attacks that each is for.
#include "cluster/swim_state.h"
#include "cluster_world.h"
#include "core/error.h"
#include "test.h"

enum { SOON_MS = 300, SETTLED_MS = 15000 };

static world *cluster(uint32_t count) {
    world *w = mem_alloc(sizeof *w);
    world_init(w, 3, count);
    for (uint32_t i = 0; i < count; i++) {
        world_start(w, i, i == 0);
        if (i > 0) world_seed(w, i, 0);
    }
    world_run(w, SETTLED_MS); // all know all, and each has heard each
    return w;
}

static void destroy(world *w) {
    world_deinit(w);
    free(w);
    world_crypto_deinit();
}

static mesh_swim *swim_of(world *w, uint32_t index) {
    return w->machines[index].swim;
}

static mesh_host *host_at(world *w, uint32_t viewer, uint32_t subject) {
    return mesh_swim_hosts_find(swim_of(w, viewer), w->machines[subject].host_id);
}

static mesh_stamp stamp_of(world *w, uint32_t viewer, uint32_t subject) {
    return host_at(w, viewer, subject)->stamp;
}

// A record from one member to another, sealed as everything is.
static void say(world *w, uint32_t from, uint32_t to, const uint8_t *record, size_t len) {
    mesh_body body = {.len = 0};
    (void)mesh_body_put(&body, MESH_ITEM_RECORD, (mesh_bytes){record, len});
    mesh_swim_out_send(swim_of(w, from), host_at(w, from, to), &body, NULL);
    world_carry_out(w, &w->machines[from]);
}

static void accuse(world *w, uint32_t accuser, uint32_t to, uint32_t accused, mesh_stamp stamp) {
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    mesh_witness witness;
    mesh_record_accuse(w->machines[accused].host_id, stamp, w->machines[accuser].host_id,
                       swim_of(w, accuser)->cluster_id, w->machines[accuser].secret, &witness);
    say(w, accuser, to, record,
        mesh_record_suspect(w->machines[accused].host_id, stamp, &witness, record));
}

static mesh_swim_stats stats_of(world *w, uint32_t index) {
    mesh_swim_stats stats;
    mesh_swim_get_stats(swim_of(w, index), &stats);
    return stats;
}

// ---- who may say what

TEST(only_its_owner_raises_a_stamp) {
    world *w = cluster(4);
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    mesh_alive alive = host_at(w, 1, 3)->alive;
    alive.stamp.incarnation++;
    alive.addrs[0] = w->machines[1].addr;
    size_t len =
        mesh_record_alive(&alive, swim_of(w, 1)->cluster_id, w->machines[1].secret, record);
    say(w, 1, 0, record, len);
    world_run(w, SOON_MS);
    EXPECT_EQ(0, stamp_of(w, 0, 3).incarnation);
    EXPECT_EQ(1, stats_of(w, 0).disbelieved);
    destroy(w);
}

TEST(nobody_else_says_that_a_host_has_left) {
    world *w = cluster(4);
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    size_t len = mesh_record_left(w->machines[3].host_id, stamp_of(w, 1, 3),
                                  swim_of(w, 1)->cluster_id, w->machines[1].secret, record);
    say(w, 1, 0, record, len);
    world_run(w, SOON_MS);
    EXPECT_EQ(MESH_HOST_UP, world_state(w, 0, 3));
    destroy(w);
}

TEST(who_brings_many_false_statements_is_not_read_for_a_while) {
    world *w = cluster(4);
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    size_t len = mesh_record_left(w->machines[3].host_id, stamp_of(w, 1, 3),
                                  swim_of(w, 1)->cluster_id, w->machines[1].secret, record);
    for (int i = 0; i < 1000; i++)
        say(w, 1, 0, record, len);
    world_run(w, 1000);
    EXPECT_TRUE(stats_of(w, 0).disbelieved <= 32);
    EXPECT_TRUE(stats_of(w, 0).disbelieved >= 16);
    world_run(w, 20000); // then it is, again
    accuse(w, 1, 0, 3, stamp_of(w, 1, 3));
    world_run(w, 1);
    EXPECT_EQ(MESH_HOST_SUSPECT, world_state(w, 0, 3));
    destroy(w);
}

TEST(an_alive_of_the_same_stamp_does_not_raise_the_dead_and_left_is_stronger_than_dead) {
    world *w = cluster(4);
    uint8_t alive[MESH_RECORD_SIGNED_MAX], left[MESH_RECORD_SIGNED_MAX];
    size_t len = host_at(w, 0, 3)->record_len;
    memcpy(alive, host_at(w, 0, 3)->record, len);
    world_kill(w, 3);
    world_run(w, 30000);
    EXPECT_EQ(MESH_HOST_DOWN, world_state(w, 0, 3));
    say(w, 1, 0, alive, len);
    mesh_alive other = host_at(w, 0, 3)->alive; // said with the same stamp, and greater
    other.payload.load = UINT32_MAX;
    len = mesh_record_alive(&other, swim_of(w, 0)->cluster_id, w->machines[3].secret, alive);
    say(w, 1, 0, alive, len);
    world_run(w, SOON_MS);
    EXPECT_EQ(MESH_HOST_DOWN, world_state(w, 0, 3));
    len = mesh_record_left(w->machines[3].host_id, stamp_of(w, 0, 3), swim_of(w, 0)->cluster_id,
                           w->machines[3].secret, left);
    say(w, 1, 0, left, len);
    world_run(w, SOON_MS);
    EXPECT_EQ(MESH_HOST_LEFT, world_state(w, 0, 3));
    destroy(w);
}

TEST(two_things_said_with_one_stamp_end_as_one_everywhere) {
    world *w = cluster(4);
    uint8_t record[2][MESH_RECORD_SIGNED_MAX];
    for (uint32_t i = 0; i < 2; i++) {
        mesh_alive alive = swim_of(w, 3)->self->alive;
        alive.stamp.incarnation = 9;
        alive.payload.load = 100 + i;
        size_t len =
            mesh_record_alive(&alive, swim_of(w, 3)->cluster_id, w->machines[3].secret, record[i]);
        say(w, 3, i, record[i], len);
    }
    world_run(w, 5000);
    mesh_host *first = host_at(w, 0, 3), *second = host_at(w, 1, 3);
    EXPECT_EQ(9, first->stamp.incarnation);
    EXPECT_EQ(first->record_len, second->record_len);
    assert_memory_equal(first->record, second->record, first->record_len);
    destroy(w);
}

// ---- accusations

TEST(an_accused_host_answers_with_its_next_incarnation) {
    world *w = cluster(4);
    accuse(w, 1, 0, 3, stamp_of(w, 1, 3));
    world_run(w, 1);
    EXPECT_EQ(MESH_HOST_SUSPECT, world_state(w, 0, 3));
    world_run(w, SOON_MS);
    EXPECT_EQ(MESH_HOST_UP, world_state(w, 0, 3));
    EXPECT_EQ(1, stamp_of(w, 0, 3).incarnation);
    destroy(w);
}

TEST(it_answers_at_most_twice_a_second) {
    world *w = cluster(3);
    for (int i = 0; i < 100; i++) {
        accuse(w, 1, 2, 2, swim_of(w, 2)->self->stamp);
        world_run(w, 10);
    }
    EXPECT_TRUE(swim_of(w, 2)->self->stamp.incarnation <= 3);
    EXPECT_TRUE(swim_of(w, 2)->self->stamp.incarnation >= 2);
    destroy(w);
}

TEST(after_the_last_incarnation_comes_a_new_generation) {
    world *w = cluster(3);
    mesh_swim *s = swim_of(w, 2);
    uint64_t before = w->machines[2].generation;
    s->self->alive.stamp.incarnation = MESH_INCARNATION_MAX - 1;
    mesh_swim_belief_issue(s, true);
    world_carry_out(w, &w->machines[2]);
    world_run(w, 1000);
    accuse(w, 1, 2, 2, s->self->stamp);
    world_run(w, 2000);
    EXPECT_EQ(before + 1, w->machines[2].generation);
    EXPECT_EQ(before + 1, stamp_of(w, 0, 2).generation);
    EXPECT_EQ(MESH_HOST_UP, world_state(w, 0, 2));
    destroy(w);
}

TEST(an_accusation_of_a_stamp_that_nobody_has_is_ignored) {
    world *w = cluster(4);
    mesh_stamp high = stamp_of(w, 1, 3);
    high.incarnation = MESH_INCARNATION_MAX;
    accuse(w, 1, 0, 3, high);
    accuse(w, 1, 3, 3, high);
    world_run(w, SOON_MS);
    EXPECT_EQ(MESH_HOST_UP, world_state(w, 0, 3));
    EXPECT_EQ(0, stamp_of(w, 0, 3).incarnation);
    destroy(w);
}

TEST(an_accusation_in_the_name_of_another_is_ignored) {
    world *w = cluster(4);
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    mesh_witness witness;
    mesh_record_accuse(w->machines[3].host_id, stamp_of(w, 1, 3), w->machines[2].host_id,
                       swim_of(w, 1)->cluster_id, w->machines[1].secret, &witness);
    say(w, 1, 0, record,
        mesh_record_suspect(w->machines[3].host_id, stamp_of(w, 1, 3), &witness, record));
    world_run(w, SOON_MS);
    EXPECT_EQ(0, stamp_of(w, 0, 3).incarnation); // it had nothing to answer
    EXPECT_EQ(1, stats_of(w, 0).disbelieved);
    destroy(w);
}

TEST(one_member_that_accuses_all_kills_nobody) {
    world *w = cluster(6);
    for (int i = 0; i < 60; i++) {
        for (uint32_t accused = 0; accused < 5; accused++)
            for (uint32_t to = 0; to < 5; to++)
                if (to != accused) accuse(w, 5, to, accused, stamp_of(w, 5, accused));
        world_run(w, 1000);
        for (uint32_t viewer = 0; viewer < 5; viewer++)
            for (uint32_t other = 0; other < 5; other++)
                EXPECT_TRUE(world_state(w, viewer, other) != MESH_HOST_DOWN);
    }
    destroy(w);
}

TEST(five_accusations_of_one_accuser_are_open_at_a_time) {
    world *w = cluster(9);
    for (uint32_t accused = 1; accused < 8; accused++) {
        accuse(w, 8, 0, accused, stamp_of(w, 8, accused));
    }
    world_run(w, 2);
    uint32_t suspects = 0;
    for (uint32_t accused = 1; accused < 8; accused++)
        suspects += world_state(w, 0, accused) == MESH_HOST_SUSPECT;
    EXPECT_TRUE(suspects <= MESH_ACCUSED_MAX);
    EXPECT_TRUE(suspects > 0);
    destroy(w);
}

TEST(too_few_witnesses_make_hosts_unreachable_and_never_down) {
    world *w = cluster(6);
    for (uint32_t i = 1; i < 6; i++)
        world_kill(w, i);
    for (int i = 0; i < 120; i++) {
        world_run(w, 1000);
        for (uint32_t other = 1; other < 6; other++)
            EXPECT_TRUE(world_state(w, 0, other) != MESH_HOST_DOWN);
    }
    for (uint32_t other = 1; other < 6; other++)
        EXPECT_EQ(MESH_HOST_UNREACHABLE, world_state(w, 0, other));
    destroy(w);
}

TEST(when_hosts_leave_fewer_witnesses_are_enough) {
    world *w = cluster(5);
    w->machines[0].group = 1; // h0 and h4 alone with each other, then h0 alone
    w->machines[4].group = 1;
    swim_of(w, 4)->self->accusing = MESH_ACCUSED_MAX; // h4 is no witness
    world_run(w, 40000);
    EXPECT_EQ(MESH_HOST_UNREACHABLE, world_state(w, 0, 1)); // two are needed of five
    world_leave(w, 4);
    world_run(w, SOON_MS);
    EXPECT_EQ(MESH_HOST_DOWN, world_state(w, 0, 1));
    destroy(w);
}

TEST(who_speaks_to_an_accused_host_tells_it) {
    world *w = mem_alloc(sizeof *w);
    world_init(w, 3, 3);
    for (uint32_t i = 0; i < 3; i++) {
        world_start(w, i, i == 0);
        if (i > 0) world_seed(w, i, 0);
    }
    world_run(w, SETTLED_MS);
    for (uint32_t i = 0; i < 3; i++) // no news: only what is said while a probe is sent
        swim_of(w, i)->options.parameters.gossip_ms = 1000000;
    accuse(w, 1, 0, 2, stamp_of(w, 1, 2));
    world_run(w, 4000);
    EXPECT_EQ(1, stamp_of(w, 0, 2).incarnation);
    EXPECT_EQ(MESH_HOST_UP, world_state(w, 0, 2));
    destroy(w);
}

TEST(a_host_that_is_held_dead_and_speaks_is_told_and_comes_back) {
    world *w = cluster(5);
    w->machines[4].group = 1;
    world_run(w, 30000);
    EXPECT_EQ(MESH_HOST_DOWN, world_state(w, 0, 4));
    w->machines[4].group = 0;
    mesh_body body = {.len = 0};
    mesh_ping ping = {.sequence = 1};
    (void)mesh_body_put_ping(&body, MESH_ITEM_PING, &ping);
    mesh_swim_out_send(swim_of(w, 4), host_at(w, 4, 0), &body, NULL);
    world_carry_out(w, &w->machines[4]);
    world_run(w, SOON_MS);
    EXPECT_EQ(MESH_HOST_UP, world_state(w, 0, 4));
    destroy(w);
}

TEST(who_comes_after_a_death_learns_it_though_it_had_too_few_witnesses) {
    world *w = mem_alloc(sizeof *w);
    world_init(w, 3, 18);
    for (uint32_t i = 0; i < 17; i++) {
        world_start(w, i, i == 0);
        if (i > 0) world_seed(w, i, 0);
    }
    world_run(w, 60000);
    world_kill(w, 2);
    world_run(w, 60000);
    for (uint32_t i = 0; i < 17; i++) // as if they had been fewer then
        if (i != 2) host_at(w, i, 2)->trial->count = 1;
    world_start(w, 17, false);
    world_seed(w, 17, 0);
    world_run(w, 60000);
    EXPECT_EQ(MESH_HOST_DOWN, world_state(w, 17, 2));
    destroy(w);
}

// Its timers are overdue, and the answers wait in its socket behind them.
TEST(a_host_that_was_stopped_for_a_minute_accuses_nobody) {
    world *w = cluster(5);
    uint64_t accused = stats_of(w, 0).accused;
    world_pause(w, 0, 60000);
    world_run(w, 60000 + 10000);
    EXPECT_EQ(accused, stats_of(w, 0).accused);
    EXPECT_TRUE(stats_of(w, 0).pauses >= 1);
    EXPECT_EQ(MESH_HOST_UP, world_state(w, 1, 0));
    destroy(w);
}

TEST(a_host_that_may_not_know_us_yet_is_not_accused) {
    world *w = mem_alloc(sizeof *w);
    world_init(w, 3, 4);
    for (uint32_t i = 0; i < 3; i++) {
        world_start(w, i, i == 0);
        if (i > 0) world_seed(w, i, 0);
    }
    world_run(w, SETTLED_MS);
    world_kill(w, 1);
    world_start(w, 3, false);
    world_seed(w, 3, 0);
    world_run(w, 9000);
    EXPECT_EQ(0, stats_of(w, 3).accused);
    world_run(w, 30000);
    EXPECT_EQ(MESH_HOST_DOWN, world_state(w, 3, 1));
    destroy(w);
}

TEST(a_partition_heals_by_datagrams_alone) {
    world *w = cluster(6);
    for (uint32_t i = 0; i < 3; i++)
        w->machines[i].group = 1;
    world_run(w, 60000);
    EXPECT_EQ(MESH_HOST_DOWN, world_state(w, 0, 5));
    w->faults.has_no_tcp = true;
    for (uint32_t i = 0; i < 3; i++)
        w->machines[i].group = 0;
    world_run(w, 90000);
    for (uint32_t viewer = 0; viewer < 6; viewer++)
        for (uint32_t other = 0; other < 6; other++)
            EXPECT_EQ(MESH_HOST_UP, world_state(w, viewer, other));
    destroy(w);
}

// ---- who is who

static mesh_bytes cert_of(const machine *m, int at) {
    return (mesh_bytes){m->certs[at], m->cert_lens[at]};
}

// h1 is a member with a certificate of its own; h2 is not there yet.
TEST(the_certificate_of_one_host_lets_in_no_other) {
    world *w = mem_alloc(sizeof *w);
    world_init(w, 3, 3);
    world_start(w, 0, true);
    world_start(w, 1, true);
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    const machine *liar = &w->machines[1];
    mesh_alive alive = swim_of(w, 1)->self->alive;
    const mesh_bytes chain[2] = {cert_of(liar, 0), cert_of(liar, 1)};
    memcpy(alive.host_id, w->machines[2].host_id, MESH_ID_LEN);
    size_t len = mesh_record_alive(&alive, swim_of(w, 1)->cluster_id, liar->secret, record);
    EXPECT_EQ(MESH_ECERT, mesh_swim_learn(swim_of(w, 0), w->now_ms, WORLD_NOW_S,
                                          (mesh_bytes){record, len}, chain));
    memcpy(alive.host_id, liar->host_id, MESH_ID_LEN);
    alive.cert_hash[0] ^= 1;
    len = mesh_record_alive(&alive, swim_of(w, 1)->cluster_id, liar->secret, record);
    EXPECT_EQ(MESH_ECERT, mesh_swim_learn(swim_of(w, 0), w->now_ms, WORLD_NOW_S,
                                          (mesh_bytes){record, len}, chain));
    alive.cert_hash[0] ^= 1;
    len = mesh_record_alive(&alive, swim_of(w, 1)->cluster_id, liar->secret, record);
    EXPECT_OK(
        mesh_swim_learn(swim_of(w, 0), w->now_ms, WORLD_NOW_S, (mesh_bytes){record, len}, chain));
    EXPECT_EQ(MESH_HOST_UP, world_state(w, 0, 1));
    destroy(w);
}

TEST(datagrams_of_a_host_that_was_forgotten_and_comes_back_count_on) {
    world *w = cluster(3);
    mesh_host *host = host_at(w, 0, 1);
    uint64_t before = host->pair->counter;
    free(host->pair);
    host->pair = NULL;
    EXPECT_TRUE(mesh_swim_out_pair(swim_of(w, 0), host));
    EXPECT_TRUE(host->pair->counter > before);
    destroy(w);
}

TEST(a_host_that_meets_itself_with_a_higher_generation_stops) {
    world *w = cluster(3);
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    mesh_alive alive = swim_of(w, 2)->self->alive;
    for (int i = 0; i < 2; i++) {
        alive.stamp.generation = w->machines[2].generation - 1 + (uint64_t)(2 * i);
        size_t len =
            mesh_record_alive(&alive, swim_of(w, 1)->cluster_id, w->machines[2].secret, record);
        EXPECT_FALSE(w->machines[2].is_cloned);
        say(w, 1, 2, record, len);
        world_run(w, 10);
    }
    EXPECT_TRUE(w->machines[2].is_cloned);
    destroy(w);
}

TEST(whose_copy_runs_elsewhere_hears_of_it_from_who_meets_the_copy) {
    world *w = cluster(3);
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    mesh_alive copy = swim_of(w, 2)->self->alive;
    copy.stamp.generation++;
    copy.addrs[0].port++;
    copy.boot_public[0] ^= 1;
    size_t len = mesh_record_alive(&copy, swim_of(w, 0)->cluster_id, w->machines[2].secret, record);
    say(w, 1, 0, record, len);
    world_run(w, 100);
    EXPECT_TRUE(w->machines[2].is_cloned);
    EXPECT_EQ(MESH_HOST_UP, world_state(w, 0, 2));
    destroy(w);
}

TEST(a_host_whose_certificate_is_over_has_left_as_long_as_it_is) {
    world *w = cluster(3);
    w->machines[0].clock_s = 200000000; // of a host whose clock jumped over it
    world_run(w, 70000);
    EXPECT_EQ(MESH_HOST_LEFT, world_state(w, 0, 1));
    EXPECT_EQ(MESH_HOST_UP, world_state(w, 1, 2));
    w->machines[0].clock_s = 0;
    world_run(w, 140000);
    EXPECT_EQ(MESH_HOST_UP, world_state(w, 0, 1));
    EXPECT_EQ(MESH_HOST_UP, world_state(w, 1, 0));
    destroy(w);
}

TEST(no_word_of_its_own_brings_back_a_host_whose_certificate_is_over) {
    world *w = cluster(3);
    host_at(w, 0, 1)->not_after_s = 1; // the others still pass on what it says
    world_run(w, 70000);
    EXPECT_EQ(MESH_HOST_LEFT, world_state(w, 0, 1));
    mesh_swim_belief_issue(swim_of(w, 1), true);
    world_carry_out(w, &w->machines[1]);
    world_run(w, 5000);
    EXPECT_EQ(MESH_HOST_LEFT, world_state(w, 0, 1));
    EXPECT_EQ(MESH_HOST_UP, world_state(w, 2, 1));
    destroy(w);
}

TEST(what_a_host_says_of_its_load_reaches_all) {
    world *w = cluster(4);
    mesh_payload payload = {.registry_version = 7, .load = 250, .node_count = 12};
    mesh_swim_host seen;
    mesh_swim_set_payload(swim_of(w, 3), &payload);
    world_run(w, 80000);
    for (uint32_t i = 0; i < 3; i++) {
        (void)world_view(w, i, 3, &seen);
        EXPECT_TRUE(mesh_payload_equal(&payload, &seen.payload));
        EXPECT_EQ(MESH_HOST_UP, seen.state);
    }
    destroy(w);
}

// ---- strangers, and what comes twice

TEST(a_stranger_gets_no_answer_and_causes_two_questions_a_second_at_most) {
    world *w = cluster(3);
    uint8_t bytes[200] = {1, 1};
    mesh_addr nowhere = {.family = 4, .port = 9, .ip = {10, 9, 9, 9}};
    memcpy(bytes + 12, w->machines[0].host_id, 8);
    uint64_t before = stats_of(w, 0).sent;
    for (uint8_t i = 0; i < 100; i++) {
        bytes[5] = i;
        mesh_swim_receive(swim_of(w, 0), w->now_ms, WORLD_NOW_S, &nowhere,
                          (mesh_bytes){bytes, sizeof bytes});
    }
    mesh_swim_output output;
    while (mesh_swim_poll(swim_of(w, 0), &output))
        EXPECT_FALSE(output.kind == MESH_SWIM_SEND && mesh_addr_equal(&output.addr, &nowhere));
    EXPECT_EQ(100, stats_of(w, 0).strangers);
    EXPECT_TRUE(stats_of(w, 0).sent - before <= 1);
    destroy(w);
}

static struct {
    uint8_t bytes[MESH_DATAGRAM_LEN_MAX];
    size_t len;
} caught;

static bool catch_one(void *user, machine *from, machine *to, uint8_t *bytes, size_t *len) {
    (void)user;
    if (from->index != 1 || to->index != 0) return true;
    memcpy(caught.bytes, bytes, *len);
    caught.len = *len;
    return true;
}

TEST(a_datagram_that_comes_again_or_changed_is_dropped) {
    world *w = cluster(3);
    w->on_datagram = catch_one;
    world_run(w, 5000);
    w->on_datagram = NULL;
    mesh_bytes again = {caught.bytes, caught.len};
    uint64_t received = stats_of(w, 0).received;
    EXPECT_TRUE(caught.len > 0);
    mesh_swim_receive(swim_of(w, 0), w->now_ms, WORLD_NOW_S, &w->machines[1].addr, again);
    EXPECT_EQ(1, stats_of(w, 0).repeated);
    for (size_t i = 0; i < caught.len; i++) {
        caught.bytes[i] ^= 1;
        mesh_swim_receive(swim_of(w, 0), w->now_ms, WORLD_NOW_S, &w->machines[1].addr, again);
        caught.bytes[i] ^= 1;
    }
    EXPECT_EQ(received, stats_of(w, 0).received);
    destroy(w);
}

// Whoever passes a probe on sees sealed bytes; when it says that a dead host answered, nobody
// believes it.
TEST(a_relay_makes_up_no_answer) {
    world *w = cluster(3);
    world_kill(w, 2);
    swim_of(w, 1)->self->accusing = MESH_ACCUSED_MAX; // it is silent about it, too
    for (int i = 0; i < 200; i++) {
        world_run(w, 100);
        for (size_t p = 0; p < PROBES_MAX; p++) {
            mesh_ping pong = {.sequence = swim_of(w, 0)->probes[p].sequence};
            mesh_body body = {.len = 0};
            (void)mesh_body_put_ping(&body, MESH_ITEM_PONG, &pong);
            if (swim_of(w, 0)->probes[p].is_used)
                mesh_swim_out_send(swim_of(w, 1), host_at(w, 1, 0), &body, NULL);
        }
        world_carry_out(w, &w->machines[1]);
    }
    EXPECT_EQ(MESH_HOST_DOWN, world_state(w, 0, 2));
    destroy(w);
}

TEST(only_datagrams_of_the_one_who_asks_are_passed_on) {
    world *w = cluster(3);
    uint8_t inner[100] = {1, 1};
    memcpy(inner + 4, w->machines[2].host_id, 8); // not the asker's
    memcpy(inner + 12, w->machines[1].host_id, 8);
    mesh_relay relay = {.sequence = 0, .datagram = {inner, sizeof inner}};
    memcpy(relay.target, w->machines[1].host_id, MESH_ID_LEN);
    uint64_t before = stats_of(w, 0).sent;
    mesh_swim_probe_take_relay(swim_of(w, 0), host_at(w, 0, 1), &relay);
    EXPECT_EQ(before, stats_of(w, 0).sent);
    destroy(w);
}
