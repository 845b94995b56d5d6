#include "core/mem.h"
#include "core/outbox.h"
#include "test.h"

static void push(mesh_outbox *outbox, uint32_t slot) {
    char *text = mem_copy("text", 5);
    mesh_output *output = mesh_outbox_push(outbox, MESH_OUT_MESSAGE, text);
    output->slot = slot;
    output->name = mesh_bytes_text(text);
    mesh_outbox_retire(outbox, mem_copy("more", 5));
}

static void expect_next(mesh_outbox *outbox, uint32_t slot) {
    mesh_output out;
    EXPECT_TRUE(mesh_outbox_poll(outbox, &out));
    EXPECT_EQ(slot, out.slot);
    EXPECT_BYTES("text", out.name);
}

TEST(outputs_come_in_order_through_any_growth_with_their_memory) {
    mesh_outbox outbox;
    mesh_outbox_init(&outbox);
    uint32_t pushed = 0, polled = 0;
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < 5; i++)
            push(&outbox, pushed++);
        for (int i = 0; i < 4; i++)
            expect_next(&outbox, polled++);
    }
    mesh_outbox_deinit(&outbox); // frees what was never polled: a sanitizer looks
}
