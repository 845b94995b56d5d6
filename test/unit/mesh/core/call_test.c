#include "core/call.h"
#include "core/serve.h"
#include "test.h"

TEST(a_late_answer_does_not_meet_the_next_call_of_the_slot) {
    mesh_calls calls = {0};
    uint32_t head = MESH_CALL_NONE;
    (void)mesh_calls_open(&calls, 9, 1, &head);
    uint64_t first = mesh_calls_id(&calls, 9);
    EXPECT_EQ(9, mesh_calls_find(&calls, first, 1));
    EXPECT_EQ(MESH_CALL_NONE, mesh_calls_find(&calls, first, 2)); // another peer may not answer it
    mesh_calls_close(&calls, 9, &head);
    EXPECT_EQ(MESH_CALL_NONE, mesh_calls_find(&calls, first, 1));
    (void)mesh_calls_open(&calls, 9, 1, &head);
    EXPECT_EQ(MESH_CALL_NONE, mesh_calls_find(&calls, first, 1));
    EXPECT_EQ(MESH_CALL_NONE, mesh_calls_find(&calls, UINT64_MAX, 1));
    mesh_calls_deinit(&calls);
}

TEST(the_calls_of_a_peer_form_a_list_that_survives_any_order_of_ends) {
    mesh_calls calls = {0};
    uint32_t head = MESH_CALL_NONE;
    for (uint32_t slot = 0; slot < 50; slot++)
        (void)mesh_calls_open(&calls, slot, 1, &head);
    for (uint32_t slot = 0; slot < 50; slot += 2)
        mesh_calls_close(&calls, slot, &head);
    mesh_calls_close(&calls, 49, &head);
    uint32_t count = 0;
    for (uint32_t slot = head; slot != MESH_CALL_NONE; slot = mesh_calls_get(&calls, slot)->next)
        count++;
    EXPECT_EQ(24, count);
    EXPECT_EQ(24, calls.open_count);
    mesh_calls_deinit(&calls);
}

TEST(a_served_slot_is_free_only_when_it_was_answered) {
    mesh_serves serves;
    mesh_serves_init(&serves, (const uint8_t[MESH_MAP_KEY_LEN]){1});
    uint32_t head = MESH_SERVE_NONE;
    mesh_served_call call = {.call_id = 5, .peer = 1};
    uint32_t slot = mesh_serves_open(&serves, &call, &head);
    mesh_serves_abort(&serves, slot, &head);
    EXPECT_EQ(MESH_SERVE_NONE, mesh_serves_find(&serves, 1, 5));
    EXPECT_TRUE(mesh_serves_open(&serves, &call, &head) != slot);
    mesh_serves_close(&serves, slot);
    EXPECT_EQ(1, serves.used_count);
    call.call_id = 6;
    EXPECT_EQ(slot, mesh_serves_open(&serves, &call, &head));
    mesh_serves_deinit(&serves);
}

TEST(no_more_calls_are_served_than_the_limit) {
    mesh_serves serves;
    mesh_serves_init(&serves, (const uint8_t[MESH_MAP_KEY_LEN]){1});
    uint32_t head = MESH_SERVE_NONE;
    for (uint64_t i = 0; i < MESH_CALLS_MAX; i++) {
        mesh_served_call call = {.call_id = i, .peer = 1};
        EXPECT_TRUE(mesh_serves_open(&serves, &call, &head) != MESH_SERVE_NONE);
    }
    mesh_served_call call = {.call_id = MESH_CALLS_MAX, .peer = 1};
    EXPECT_EQ(MESH_SERVE_NONE, mesh_serves_open(&serves, &call, &head));
    EXPECT_EQ(700, mesh_serves_find(&serves, 1, 700));
    mesh_serves_deinit(&serves);
}
