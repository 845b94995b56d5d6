#include "cluster/overlay.h"

#include "test.h"

static uint8_t *id(size_t number) {
    static uint8_t ids[256][MESH_ID_LEN];
    ids[number][0] = (uint8_t)number;
    return ids[number];
}

// The numbers of the hosts that are to be dialled now.
static size_t dials(mesh_overlay *o, uint64_t now_ms, uint8_t out[256]) {
    mesh_overlay_output output;
    size_t count = 0;
    mesh_overlay_tick(o, now_ms);
    while (mesh_overlay_poll(o, &output)) {
        EXPECT_EQ(MESH_OVERLAY_DIAL, output.kind);
        out[count++] = output.host_id[0];
    }
    return count;
}

TEST(few_hosts_are_all_dialled) {
    mesh_overlay *o = mesh_overlay_create(id(3), 1);
    for (uint8_t i = 1; i <= 5; i++)
        mesh_overlay_host(o, id(i), true);
    uint8_t dialled[256];
    EXPECT_EQ(4, dials(o, 0, dialled));
    EXPECT_EQ(0, dials(o, 1, dialled));
    for (uint8_t i = 1; i <= 5; i++)
        mesh_overlay_linked(o, 1, id(i));
    EXPECT_EQ(0, dials(o, 1, dialled));
    EXPECT_EQ(UINT64_MAX, mesh_overlay_wake_at_ms(o));
    mesh_overlay_destroy(o);
}

TEST(a_dial_of_which_nothing_is_heard_is_tried_again) {
    mesh_overlay *o = mesh_overlay_create(id(1), 1);
    mesh_overlay_host(o, id(2), true);
    mesh_overlay_host(o, id(3), true);
    uint8_t dialled[256];
    EXPECT_EQ(2, dials(o, 0, dialled));
    mesh_overlay_host(o, id(3), false); // it is not dialled again
    EXPECT_EQ(0, dials(o, 1, dialled));
    EXPECT_EQ(MESH_OVERLAY_DIAL_MS, mesh_overlay_wake_at_ms(o));
    EXPECT_EQ(0, dials(o, MESH_OVERLAY_DIAL_MS, dialled));
    EXPECT_EQ(1, dials(o, mesh_overlay_wake_at_ms(o), dialled));
    EXPECT_EQ(2, dialled[0]);
    mesh_overlay_destroy(o);
}

TEST(of_many_hosts_the_next_on_the_ring_and_five_others_are_dialled) {
    mesh_overlay *o = mesh_overlay_create(id(200), 1);
    for (uint8_t i = 1; i < 200; i++)
        mesh_overlay_host(o, id(i), true);
    uint8_t dialled[256];
    EXPECT_EQ(MESH_OVERLAY_DEGREE, dials(o, 0, dialled));
    EXPECT_EQ(1, dialled[0]); // after the highest comes the lowest
    mesh_overlay_destroy(o);
}

TEST(links_that_others_dialled_count) {
    mesh_overlay *o = mesh_overlay_create(id(100), 1);
    for (uint8_t i = 1; i < 50; i++)
        mesh_overlay_host(o, id(i), true);
    for (uint8_t i = 20; i < 26; i++)
        mesh_overlay_linked(o, 0, id(i));
    uint8_t dialled[256];
    EXPECT_EQ(1, dials(o, 0, dialled));
    EXPECT_EQ(1, dialled[0]);
    mesh_overlay_destroy(o);
}

TEST(a_dial_that_fails_is_tried_again_later_and_later) {
    mesh_overlay *o = mesh_overlay_create(id(1), 1);
    mesh_overlay_host(o, id(2), true);
    uint8_t dialled[256];
    uint64_t now_ms = 0, waited_ms = 0;
    for (int i = 0; i < 12; i++) {
        EXPECT_EQ(1, dials(o, now_ms, dialled));
        mesh_overlay_unlinked(o, now_ms, id(2));
        EXPECT_EQ(0, dials(o, now_ms, dialled));
        waited_ms = mesh_overlay_wake_at_ms(o) - now_ms;
        EXPECT_TRUE(waited_ms >= MESH_OVERLAY_RETRY_MIN_MS / 2);
        now_ms += waited_ms;
    }
    EXPECT_TRUE(waited_ms >= MESH_OVERLAY_RETRY_MAX_MS / 2);
    EXPECT_TRUE(waited_ms <= MESH_OVERLAY_RETRY_MAX_MS);
    mesh_overlay_destroy(o);
}

TEST(a_host_that_is_down_makes_room_for_another) {
    mesh_overlay *o = mesh_overlay_create(id(100), 1);
    for (uint8_t i = 1; i < 50; i++)
        mesh_overlay_host(o, id(i), true);
    uint8_t dialled[256];
    size_t count = dials(o, 0, dialled);
    for (size_t i = 0; i < count; i++)
        mesh_overlay_linked(o, 0, id(dialled[i]));
    EXPECT_EQ(0, dials(o, 1, dialled));
    mesh_overlay_host(o, id(1), false);
    mesh_overlay_unlinked(o, 1, id(1));
    EXPECT_EQ(1, dials(o, 1, dialled));
    EXPECT_TRUE(dialled[0] != 1);
    mesh_overlay_destroy(o);
}

TEST(the_ring_closes_over_a_host_that_is_gone) {
    mesh_overlay *o = mesh_overlay_create(id(100), 1);
    for (uint8_t i = 101; i < 200; i++)
        mesh_overlay_host(o, id(i), true);
    for (uint8_t i = 190; i < 200; i++)
        mesh_overlay_linked(o, 0, id(i));
    uint8_t dialled[256];
    EXPECT_EQ(1, dials(o, 0, dialled));
    EXPECT_EQ(101, dialled[0]);
    mesh_overlay_host(o, id(101), false);
    EXPECT_EQ(1, dials(o, 0, dialled));
    EXPECT_EQ(102, dialled[0]);
    mesh_overlay_destroy(o);
}

TEST(too_many_links_are_hung_up_but_not_those_of_the_ring) {
    mesh_overlay *o = mesh_overlay_create(id(100), 1);
    for (uint8_t i = 1; i < 50; i++) {
        mesh_overlay_host(o, id(i), true);
        mesh_overlay_linked(o, 0, id(i));
    }
    mesh_overlay_tick(o, 0);
    mesh_overlay_output output;
    size_t count = 0;
    for (; mesh_overlay_poll(o, &output); count++) {
        EXPECT_EQ(MESH_OVERLAY_HANG_UP, output.kind);
        EXPECT_TRUE(output.host_id[0] != 1 && output.host_id[0] != 49);
        mesh_overlay_unlinked(o, 0, output.host_id);
    }
    EXPECT_EQ(49 - MESH_OVERLAY_LINKS_MAX, count);
    EXPECT_EQ(MESH_OVERLAY_LINKS_MAX, mesh_overlay_link_count(o));
    mesh_overlay_destroy(o);
}

// ---- many overlays, all of which know each other

enum { CROWD = 200 };

typedef struct crowd {
    mesh_overlay *hosts[CROWD];
    bool is_linked[CROWD][CROWD], is_gone[CROWD];
    uint64_t now_ms;
} crowd;

static void carry_out(crowd *c, size_t at) {
    mesh_overlay_output out;
    while (mesh_overlay_poll(c->hosts[at], &out)) {
        uint8_t to = out.host_id[0];
        if (out.kind == MESH_OVERLAY_DIAL && c->is_gone[to]) {
            mesh_overlay_unlinked(c->hosts[at], c->now_ms, id(to));
            continue;
        }
        bool is_up = out.kind == MESH_OVERLAY_DIAL;
        void (*say)(mesh_overlay *, uint64_t, const uint8_t[MESH_ID_LEN]) =
            is_up ? mesh_overlay_linked : mesh_overlay_unlinked;
        c->is_linked[at][to] = c->is_linked[to][at] = is_up;
        say(c->hosts[at], c->now_ms, id(to));
        say(c->hosts[to], c->now_ms, id(at));
    }
}

static void run(crowd *c, uint64_t ms) {
    for (uint64_t until_ms = c->now_ms + ms; c->now_ms < until_ms; c->now_ms += 100)
        for (size_t at = 0; at < CROWD; at++) {
            if (c->is_gone[at]) continue;
            mesh_overlay_tick(c->hosts[at], c->now_ms);
            carry_out(c, at);
        }
}

static void leave(crowd *c, size_t gone) {
    c->is_gone[gone] = true;
    for (size_t at = 0; at < CROWD; at++) {
        if (at == gone) continue;
        mesh_overlay_host(c->hosts[at], id(gone), false);
        if (c->is_linked[at][gone]) mesh_overlay_unlinked(c->hosts[at], c->now_ms, id(gone));
        c->is_linked[at][gone] = c->is_linked[gone][at] = false;
    }
}

static void expect_one_whole(const crowd *c) {
    bool is_reached[CROWD] = {false};
    size_t queue[CROWD];
    size_t head = 0, tail = 0, there = 0;
    for (size_t at = 0; at < CROWD; at++) {
        if (c->is_gone[at]) continue;
        there++;
        if (tail == 0) is_reached[queue[tail++] = at] = true;
        size_t links = 0;
        for (size_t to = 0; to < CROWD; to++)
            links += c->is_linked[at][to];
        EXPECT_TRUE(links >= MESH_OVERLAY_DEGREE && links <= MESH_OVERLAY_LINKS_MAX);
        EXPECT_EQ(links, mesh_overlay_link_count(c->hosts[at]));
    }
    for (; head < tail; head++)
        for (size_t to = 0; to < CROWD; to++)
            if (c->is_linked[queue[head]][to] && !is_reached[to])
                is_reached[queue[tail++] = to] = true;
    EXPECT_EQ(there, tail);
}

TEST(two_hundred_hosts_are_one_whole_also_when_half_of_them_go) {
    static crowd c;
    for (size_t at = 0; at < CROWD; at++)
        c.hosts[at] = mesh_overlay_create(id(at), at);
    for (size_t at = 0; at < CROWD; at++)
        for (size_t of = 0; of < CROWD; of++)
            if (of != at) mesh_overlay_host(c.hosts[at], id(of), true);
    run(&c, 60000);
    expect_one_whole(&c);
    for (size_t gone = 0; gone < CROWD; gone += 2)
        leave(&c, gone);
    run(&c, 60000);
    expect_one_whole(&c);
    for (size_t at = 0; at < CROWD; at++)
        mesh_overlay_destroy(c.hosts[at]);
}
