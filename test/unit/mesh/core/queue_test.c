#include "core/queue.h"
#include "test.h"

static uint64_t push(mesh_queue *queue, uint32_t tag, const char *text) {
    return mesh_queue_push(queue, (mesh_queue_entry){.tag = tag}, mesh_bytes_text(text),
                           mesh_bytes_text("!"));
}

static void expect_next(mesh_queue *queue, uint32_t tag) {
    uint8_t *message;
    const mesh_queue_entry *entry = mesh_queue_front(queue, &message);
    EXPECT_EQ(tag, entry->tag);
    EXPECT_BYTES("some message!", ((mesh_bytes){message, entry->len}));
    mesh_queue_pop(queue);
}

TEST(messages_leave_in_the_order_they_came_through_any_growth) {
    mesh_queue queue;
    mesh_queue_init(&queue);
    uint32_t pushed = 0, popped = 0;
    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < round % 7; i++)
            push(&queue, pushed++, "some message");
        for (int i = 0; i < round % 5 && popped < pushed; i++)
            expect_next(&queue, popped++);
    }
    while (popped < pushed)
        expect_next(&queue, popped++);
    EXPECT_EQ(0, mesh_queue_bytes(&queue));
    mesh_queue_deinit(&queue);
}

TEST(a_position_stays_right_when_the_queue_moves_in_its_memory) {
    mesh_queue queue;
    mesh_queue_init(&queue);
    uint64_t last = push(&queue, 0, "some message");
    for (uint32_t tag = 1; tag < 500; tag++) {
        uint64_t position = push(&queue, tag, "some message");
        EXPECT_TRUE(mesh_queue_is_waiting(&queue, last));
        expect_next(&queue, tag - 1);
        EXPECT_FALSE(mesh_queue_is_waiting(&queue, last));
        last = position;
    }
    EXPECT_TRUE(mesh_queue_drop(&queue, last));
    EXPECT_EQ(0, mesh_queue_bytes(&queue));
    mesh_queue_deinit(&queue);
}

TEST(a_message_can_be_taken_back_until_its_first_byte_has_left) {
    mesh_queue queue;
    mesh_queue_init(&queue);
    uint64_t first = push(&queue, 1, "first"), second = push(&queue, 2, "second");
    uint64_t third = push(&queue, 3, "third");
    uint8_t *message;
    mesh_queue_front(&queue, &message)->done = 2;
    EXPECT_FALSE(mesh_queue_drop(&queue, first));
    EXPECT_TRUE(mesh_queue_drop(&queue, second));
    mesh_queue_pop(&queue);
    EXPECT_FALSE(mesh_queue_drop(&queue, first));
    EXPECT_EQ(3, mesh_queue_front(&queue, &message)->tag);
    EXPECT_TRUE(mesh_queue_drop(&queue, third));
    EXPECT_EQ(0, mesh_queue_bytes(&queue)); // nothing is kept for what was taken back
    mesh_queue_deinit(&queue);
}
