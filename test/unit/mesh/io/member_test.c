// A member and its agent, leaving, and its end in the midst of a callback.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"
#include "io/packet.h"
#include "member_fixture.h"

// ---- opening

TEST(the_socket_to_the_agent_is_not_used_up_by_bad_tags_or_a_silent_agent) {
    fixture *f = opened(SELF_ID);
    int fds[2];
    EXPECT_OK(mesh_packet_pair(fds));
    mesh_member *again;
    mesh_member_options options = {.control_fd = fds[1], .tags = "side"};
    EXPECT_EQ(UV_EINVAL, mesh_member_open(&f->loop, &options, on_output, on_agent, f, &again));
    options.tags = "side=left";
    EXPECT_EQ(UV_ETIMEDOUT, mesh_member_open(&f->loop, &options, on_output, on_agent, f, &again));
    Warren__Node__Welcome welcome = WARREN__NODE__WELCOME__INIT;
    welcome.node_id = SELF_ID;
    close(f->agent);
    f->agent = fds[0];
    SAY(f, NULL, 0, WELCOME, welcome, &welcome);
    EXPECT_OK(mesh_member_open(&f->loop, &options, on_output, on_agent, f, &again));
    mesh_member_destroy(again);
    finish(f);
}

// ---- the agent

TEST(without_the_agent_links_go_on_and_new_ones_fail) {
    mesh_request request;
    fixture *f = linked(&request);
    close(f->agent);
    f->agent = -1;
    run_until(f, &f->told[MESH_MEMBER_LOST]);
    EXPECT_EQ(MESH_EGONE, mesh_member_join(f->w));
    peer_answers(f, request.call_id);
    run_until(f, &f->replies);
    close(f->peer);
    f->peer = -1;
    make_call(f, 1);
    run_until(f, &f->errors);
    EXPECT_EQ(MESH_CALL_PEER_LOST, f->error_code);
    finish(f);
}

TEST(a_link_that_was_asked_for_fails_with_the_agent) {
    fixture *f = met();
    make_call(f, 1);
    close(f->agent);
    f->agent = -1;
    run_until(f, &f->errors);
    EXPECT_EQ(1, f->told[MESH_MEMBER_LOST]);
    EXPECT_FALSE(f->is_maybe);
    finish(f);
}

TEST(what_the_agent_said_before_it_died_is_heard_also_with_our_bytes_unread) {
    fixture *f = met();
    make_call(f, 1); // Connect stays unread
    hand_out_link(f);
    peer_greets(f);
    close(f->agent);
    f->agent = -1;
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_REQUEST, NULL));
    run_until(f, &f->told[MESH_MEMBER_LOST]);
    EXPECT_EQ(0, f->errors);
    finish(f);
}

TEST(an_agent_that_is_not_understood_is_hung_up_on) {
    fixture *f = met();
    int size = MESH_PACKET_LEN_MAX + 1;
    uint8_t *bytes = mem_alloc((size_t)size);
    EXPECT_EQ(size, send(f->agent, bytes, (size_t)size, 0));
    run_until(f, &f->told[MESH_MEMBER_LOST]);
    EXPECT_TRUE(is_at_end(f->agent));
    free(bytes);
    finish(f);
}

TEST(descriptors_nobody_asked_for_are_closed) {
    fixture *f = met();
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT_OK(mesh_member_listen(f->w, 0, "", 80, 0, false));
    Warren__Node__Listening listening = WARREN__NODE__LISTENING__INIT;
    listening.error = UV_EADDRINUSE;
    SAY(f, fds, 1, LISTENING, listening, &listening);
    SAY(f, fds, 1, LISTENING, listening, &listening); // answered already
    Warren__Node__Link link = WARREN__NODE__LINK__INIT;
    link.node_id = 404;
    SAY(f, fds, 2, LINK, link, &link);
    Warren__Node__Joined joined = WARREN__NODE__JOINED__INIT;
    SAY(f, fds, 3, JOINED, joined, &joined);
    EXPECT_OK(mesh_packet_send(f->agent, mesh_bytes_text("\xff\xff"), fds, 3));
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    run_until(f, &f->told[MESH_MEMBER_JOINED]);
    EXPECT_EQ(UV_EADDRINUSE, f->listening);
    finish(f);
}

// ---- leaving

TEST(closing_writes_goodbye_and_ends_when_the_links_have_ended) {
    fixture *f = linked(NULL);
    mesh_member_close(f->w, GUARD_MS);
    mesh_member_flush(f->w);
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_GOAWAY, NULL));
    run_until(f, &f->told[MESH_MEMBER_CLOSED]);
    EXPECT_EQ(1, f->told[MESH_MEMBER_CLOSED]);
    EXPECT_EQ(MESH_CALL_CLOSED, f->error_code);
    finish(f);
}

TEST(closing_waits_for_a_peer_that_does_not_read_no_longer_than_it_was_told) {
    fixture *f = linked(NULL);
    fill(f);
    mesh_member_close(f->w, 20);
    mesh_member_flush(f->w);
    EXPECT_EQ(0, f->told[MESH_MEMBER_CLOSED]);
    run_until(f, &f->told[MESH_MEMBER_CLOSED]);
    EXPECT_EQ(1, f->told[MESH_MEMBER_CLOSED]);
    finish(f);
}

// ---- destroying inside a callback

static void run_until_over(fixture *f) {
    while (!f->is_over)
        uv_run(&f->loop, UV_RUN_ONCE);
    finish(f);
}

TEST(destroyed_when_closed_by_the_time_limit) {
    fixture *f = linked(NULL);
    fill(f);
    f->destroy_at = MESH_MEMBER_CLOSED;
    mesh_member_close(f->w, 20);
    mesh_member_flush(f->w);
    run_until_over(f);
}

TEST(destroyed_when_closed_with_its_last_link) {
    fixture *f = linked(NULL);
    f->destroy_at = MESH_MEMBER_CLOSED;
    mesh_member_close(f->w, GUARD_MS);
    mesh_member_flush(f->w);
    run_until_over(f);
}

TEST(destroyed_when_the_agent_is_lost) {
    fixture *f = linked(NULL);
    f->destroy_at = MESH_MEMBER_LOST;
    close(f->agent);
    f->agent = -1;
    run_until_over(f);
}

TEST(destroyed_in_the_middle_of_the_agents_packets) {
    fixture *f = linked(NULL);
    f->destroy_at = MESH_MEMBER_JOINED;
    say_joined(f);
    say_joined(f);
    say_down(f);
    run_until_over(f);
}

TEST(destroyed_by_a_message_with_more_of_them_to_come) {
    for (int at = AT_OUTPUT; at <= AT_BATCH; at++) {
        mesh_request request = {0};
        fixture *f = linked(&request);
        peer_answers(f, request.call_id);
        peer_answers(f, request.call_id);
        f->destroy_at = at;
        run_until_over(f);
    }
}
