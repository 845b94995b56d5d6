#include "core/queue.h"
#include "test.h"

static uint64_t push(mesh_queue *queue, uint32_t tag, const char *text) {
    return mesh_queue_push(queue, (mesh_queue_entry){.tag = tag}, mesh_bytes_text(text),
                           mesh_bytes_text("!"));
}

TEST(messages_leave_in_the_order_they_came_through_any_growth) {
    mesh_queue queue;
    mesh_queue_init(&queue);
    uint32_t pushed = 0, popped = 0;
    uint8_t *message;
    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < round % 7; i++)
            push(&queue, pushed++, "some message");
        for (int i = 0; i < round % 5 && popped < pushed; i++) {
            const mesh_queue_entry *entry = mesh_queue_front(&queue, &message);
            EXPECT_EQ(popped++, entry->tag);
            EXPECT_BYTES("some message!", ((mesh_bytes){message, entry->len}));
            mesh_queue_pop(&queue);
        }
    }
    while (mesh_queue_front(&queue, &message)) {
        mesh_queue_pop(&queue);
        popped++;
    }
    EXPECT_EQ(pushed, popped);
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
