// Subscriptions that only listen (proto/wire.md, Choosing).
#include "core/tags.h"
#include "duo.h"

TEST(a_request_goes_to_who_answers_and_not_to_who_listens) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "ask", "");
    mesh_entry listener = {.entry_id = 2,
                           .kind = MESH_ENTRY_SUBSCRIPTION,
                           .name = mesh_bytes_text("ask"),
                           .tags = mesh_bytes_text("zone=a," MESH_TAG_LISTENS)};
    EXPECT_OK(mesh_node_announce(d->sides[1].node, &listener));
    EXPECT_OK(mesh_node_entry_put(d->sides[0].node, d->sides[1].id, &listener));
    for (uint32_t slot = 0; slot < 20; slot++) {
        mesh_call call = {.slot = slot,
                          .to_peer = MESH_PEER_ANY,
                          .is_subject = true,
                          .name = mesh_bytes_text("ask")};
        EXPECT_OK(mesh_node_call(d->sides[0].node, d->now_ms, &call));
        duo_run(d);
        EXPECT_EQ(1, duo_expect(d, 1, MESH_OUT_REQUEST)->out.endpoint);
    }
    EXPECT_OK(duo_publish(d, 0, "ask", "x"));
    duo_run(d);
    EXPECT_EQ(2, duo_count(d, 1, MESH_OUT_MESSAGE));
    duo_destroy(d);
}
