// Links of a member to a peer: how it gets one, which one of two, and what ends it.
#include <fcntl.h>
#include <sys/poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/control.h"
#include "member_fixture.h"

TEST(a_call_asks_the_agent_for_a_link_and_goes_by_it) {
    fixture *f = met();
    make_call(f, 1);
    Warren__Node__ToAgent *message = heard(f);
    EXPECT_EQ(WARREN__NODE__TO_AGENT__KIND_CONNECT, message->kind_case);
    EXPECT_EQ(PEER_ID, message->connect->node_id);
    EXPECT_EQ(1, message->connect->links);
    warren__node__to_agent__free_unpacked(message, NULL);
    hand_out_link(f);
    peer_greets(f);
    mesh_request request;
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_REQUEST, &request));
    EXPECT_EQ(SERVICE_ID, request.endpoint);
    peer_answers(f, request.call_id);
    run_until(f, &f->replies);
    EXPECT_EQ(0, f->errors);
    finish(f);
}

TEST(calls_fail_undelivered_when_the_agent_has_no_link_to_give) {
    fixture *f = met();
    make_call(f, 1);
    Warren__Node__ConnectFailed failed = WARREN__NODE__CONNECT_FAILED__INIT;
    failed.node_id = PEER_ID;
    SAY(f, NULL, 0, CONNECT_FAILED, connect_failed, &failed);
    run_until(f, &f->errors);
    EXPECT_EQ(MESH_CALL_PEER_LOST, f->error_code);
    EXPECT_FALSE(f->is_maybe);
    finish(f);
}

TEST(calls_fail_undelivered_when_the_link_is_no_socket) {
    fixture *f = met();
    make_call(f, 1);
    say_link(f, PEER_ID, open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    run_until(f, &f->errors);
    EXPECT_EQ(MESH_CALL_PEER_LOST, f->error_code);
    EXPECT_FALSE(f->is_maybe);
    finish(f);
}

TEST(calls_fail_undelivered_when_the_link_came_without_its_socket) {
    fixture *f = met();
    make_call(f, 1);
    Warren__Node__Link link = WARREN__NODE__LINK__INIT;
    link.node_id = PEER_ID;
    SAY(f, NULL, 0, LINK, link, &link);
    run_until(f, &f->errors);
    EXPECT_EQ(MESH_CALL_PEER_LOST, f->error_code);
    finish(f);
}

TEST(calls_fail_undelivered_when_this_process_may_open_no_more) {
    fixture *f = met();
    make_call(f, 1);
    hand_out_link(f);
    struct rlimit limit, none;
    EXPECT_OK(getrlimit(RLIMIT_NOFILE, &limit));
    none = limit;
    none.rlim_cur = 3;
    EXPECT_OK(setrlimit(RLIMIT_NOFILE, &none));
    run_until(f, &f->errors);
    EXPECT_OK(setrlimit(RLIMIT_NOFILE, &limit));
    EXPECT_FALSE(f->is_maybe);
    EXPECT_EQ(0, f->told[MESH_MEMBER_LOST]);
    EXPECT_TRUE(is_at_end(f->peer));
    finish(f);
}

// ---- two sockets for one pair: each end gets them in the same order, or an agent died between the
// two ends.

// Gives the peer's end of the new one; that of the old one stays the fixture's.
static int hand_out_second(fixture *f) {
    int first = f->peer;
    hand_out_link(f);
    int second = f->peer;
    f->peer = first;
    return second;
}

static void hear_all(fixture *f) {
    say_joined(f);
    f->told[MESH_MEMBER_JOINED] = 0;
    run_until(f, &f->told[MESH_MEMBER_JOINED]);
}

TEST(what_was_sent_by_the_first_of_two_sockets_comes_before_the_second_one) {
    for (uint64_t self_id = SELF_ID; self_id <= 33; self_id += 22) {
        fixture *f = subscribed(self_id);
        peer_publishes(f, "1");
        int second = hand_out_second(f);
        peer_publishes(f, "2");
        close(f->peer);
        f->peer = second;
        peer_greets(f);
        peer_publishes(f, "3");
        while (f->messages < 3)
            uv_run(&f->loop, UV_RUN_ONCE);
        EXPECT_TEXT("123", f->payloads);
        finish(f);
    }
}

TEST(a_second_socket_of_which_the_other_end_has_not_heard_changes_nothing) {
    for (uint64_t self_id = SELF_ID; self_id <= 33; self_id += 22) {
        fixture *f = subscribed(self_id);
        close(hand_out_second(f));
        hear_all(f);
        make_call(f, 1);
        EXPECT_TRUE(peer_sees(f, MESH_FRAME_REQUEST, NULL));
        peer_publishes(f, "1");
        run_until(f, &f->messages);
        EXPECT_EQ(0, f->errors);
        finish(f);
    }
}

TEST(of_more_sockets_the_newest_is_next) {
    fixture *f = subscribed(SELF_ID);
    int second = hand_out_second(f), third = hand_out_second(f);
    close(f->peer);
    f->peer = third;
    peer_greets(f);
    peer_publishes(f, "1");
    run_until(f, &f->messages);
    EXPECT_TRUE(is_at_end(second));
    close(second);
    finish(f);
}

TEST(what_waits_goes_by_the_second_socket_when_the_first_has_no_other_end) {
    fixture *f = met();
    make_call(f, 1);
    hand_out_link(f);
    int second = hand_out_second(f);
    close(f->peer);
    f->peer = second;
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_READY, NULL));
    peer_greets(f);
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_REQUEST, NULL));
    EXPECT_EQ(0, f->errors);
    finish(f);
}

static void expect_connect(fixture *f) {
    struct pollfd ready = {.fd = f->agent, .events = POLLIN};
    while (poll(&ready, 1, 0) == 0)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    Warren__Node__ToAgent *message = heard(f);
    EXPECT_EQ(WARREN__NODE__TO_AGENT__KIND_CONNECT, message->kind_case);
    warren__node__to_agent__free_unpacked(message, NULL);
}

TEST(a_socket_whose_other_end_nobody_got_is_asked_for_again) {
    fixture *f = met();
    make_call(f, 1);
    for (int times = 0; times < 3; times++) {
        expect_connect(f);
        hand_out_link(f);
        close(f->peer);
    }
    expect_connect(f);
    hand_out_link(f);
    peer_greets(f);
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_REQUEST, NULL));
    EXPECT_EQ(0, f->errors);
    finish(f);
}

TEST(a_link_by_which_nothing_would_go_is_not_asked_for_again) {
    fixture *f = met();
    hand_out_link(f);
    close(f->peer);
    f->peer = -1;
    hear_all(f);
    uint8_t byte;
    EXPECT_EQ(-1, recv(f->agent, &byte, 1, MSG_PEEK | MSG_DONTWAIT));
    finish(f);
}

TEST(a_peer_that_breaks_the_protocol_is_told_reported_and_cut_off) {
    fixture *f = linked(NULL);
    peer_writes(f, 0x50, 0, (mesh_bytes){0});
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_GOAWAY, NULL));
    EXPECT_TRUE(is_at_end(f->peer));
    run_until(f, &f->errors);
    EXPECT_EQ(MESH_CALL_PEER_LOST, f->error_code);
    Warren__Node__ToAgent *message = heard(f);
    EXPECT_EQ(WARREN__NODE__TO_AGENT__KIND_LINK_FAILED, message->kind_case);
    EXPECT_EQ(PEER_ID, message->link_failed->node_id);
    warren__node__to_agent__free_unpacked(message, NULL);
    finish(f);
}

TEST(a_peer_that_dies_is_noticed_at_once_also_with_our_bytes_unread) {
    mesh_request request;
    fixture *f = linked(&request);
    make_call(f, 2); // stays unread
    peer_answers(f, request.call_id);
    close(f->peer);
    f->peer = -1;
    run_until(f, &f->errors);
    EXPECT_EQ(1, f->replies);
    EXPECT_EQ(MESH_CALL_PEER_LOST, f->error_code);
    EXPECT_TRUE(f->is_maybe);
    finish(f);
}

TEST(a_peer_that_will_not_read_any_more_has_ended_the_link) {
    fixture *f = linked(NULL);
    EXPECT_OK(shutdown(f->peer, SHUT_RD));
    make_call(f, 2);
    run_until(f, &f->errors);
    EXPECT_EQ(MESH_CALL_PEER_LOST, f->error_code);
    finish(f);
}

TEST(a_peer_that_says_goodbye_and_does_not_read_has_ended_the_link) {
    fixture *f = linked(NULL);
    fill(f);
    uint8_t body[MESH_CONTROL_WRITE_MAX];
    size_t len = mesh_goaway_write(body, MESH_GOAWAY_NORMAL, "");
    peer_writes(f, MESH_FRAME_GOAWAY, MESH_CHANNEL_CONTROL, (mesh_bytes){body, len});
    run_until(f, &f->errors);
    EXPECT_EQ(MESH_CALL_PEER_LOST, f->error_code);
    finish(f);
}
