// Calls of a node to itself: no link and no credit holds them to anything, so their bytes are
// counted.
#include "core/limits.h"
#include "core/link.h"
#include "core/mem.h"
#include "duo.h"

static int call_self_with(duo *d, uint32_t slot, mesh_bytes payload) {
    mesh_call call = {
        .slot = slot, .to_peer = MESH_PEER_ANY, .name = mesh_bytes_text("add"), .payload = payload};
    return mesh_node_call(d->sides[0].node, d->now_ms, &call);
}

TEST(own_requests_that_are_not_answered_are_held_to_8_mib) {
    duo *d = duo_create(NULL);
    duo_announce(d, 0, 3, MESH_ENTRY_SERVICE, "add", "");
    uint8_t *big = mem_alloc(MESH_MESSAGE_LEN_DEFAULT);
    enum { FIT = MESH_QUEUE_MAX / MESH_MESSAGE_LEN_DEFAULT + 1 };
    for (uint32_t slot = 0; slot <= FIT; slot++)
        EXPECT_OK(call_self_with(d, slot, (mesh_bytes){big, MESH_MESSAGE_LEN_DEFAULT}));
    duo_run(d);
    EXPECT_EQ(FIT, duo_count(d, 0, MESH_OUT_REQUEST));
    const duo_event *error = duo_expect(d, 0, MESH_OUT_ERROR);
    EXPECT_EQ(FIT, error->out.slot);
    EXPECT_EQ(MESH_CALL_OVERLOADED, error->out.code);
    EXPECT_FALSE(error->out.is_maybe);
    // Answered is gone: there is room again.
    mesh_node_answer(d->sides[0].node, d->now_ms, 0, 0, 0, mesh_bytes_text("1"));
    EXPECT_OK(call_self_with(d, FIT, mesh_bytes_text("")));
    duo_run(d);
    EXPECT_EQ(FIT + 1, duo_count(d, 0, MESH_OUT_REQUEST));
    free(big);
    duo_destroy(d);
}

TEST(own_answers_that_nobody_took_are_held_to_48_mib) {
    duo *d = duo_create(NULL);
    duo_announce(d, 0, 3, MESH_ENTRY_SERVICE, "add", "");
    uint8_t *big = mem_alloc(MESH_MESSAGE_LEN_DEFAULT);
    enum { FIT = MESH_LINK_REPLIES_MAX / MESH_MESSAGE_LEN_DEFAULT + 1 };
    for (uint32_t slot = 0; slot <= FIT; slot++)
        EXPECT_OK(call_self_with(d, slot, mesh_bytes_text("")));
    duo_run(d);
    for (uint32_t slot = 0; slot <= FIT; slot++)
        mesh_node_answer(d->sides[0].node, d->now_ms, slot, 0, 0,
                         (mesh_bytes){big, MESH_MESSAGE_LEN_DEFAULT});
    duo_run(d);
    EXPECT_EQ(FIT, duo_count(d, 0, MESH_OUT_REPLY));
    const duo_event *error = duo_expect(d, 0, MESH_OUT_ERROR);
    EXPECT_EQ(MESH_CALL_OVERLOADED, error->out.code);
    EXPECT_TRUE(error->out.is_maybe);
    EXPECT_OK(call_self_with(d, 0, mesh_bytes_text("")));
    duo_run(d);
    mesh_node_answer(d->sides[0].node, d->now_ms, FIT, 0, 0, // the place that was freed last
                     (mesh_bytes){big, MESH_MESSAGE_LEN_DEFAULT});
    duo_run(d);
    EXPECT_EQ(FIT + 1, duo_count(d, 0, MESH_OUT_REPLY));
    free(big);
    duo_destroy(d);
}
