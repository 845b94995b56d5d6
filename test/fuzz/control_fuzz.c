// Every protobuf message that arrives from outside: the first byte chooses which. Decoding stays
// within its budget of memory, and what was decoded can be encoded.
#include "agent.pb-c.h"
#include "core/budget.h"
#include "core/mem.h"
#include "fuzz.h"
#include "keeper.pb-c.h"
#include "link.pb-c.h"
#include "node.pb-c.h"
#include "zygote.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const ProtobufCMessageDescriptor *const descriptors[] = {
        &warren__link__ready__descriptor,      &warren__link__go_away__descriptor,
        &warren__node__to_agent__descriptor,   &warren__node__to_node__descriptor,
        &warren__agent__hello__descriptor,     &warren__agent__request__descriptor,
        &warren__agent__reply__descriptor,     &warren__zygote__to_zygote__descriptor,
        &warren__zygote__to_agent__descriptor, &warren__keeper__to_keeper__descriptor,
        &warren__keeper__to_agent__descriptor, &warren__keeper__slot__descriptor,
        &warren__keeper__service__descriptor,
    };
    const size_t count = sizeof descriptors / sizeof(ProtobufCMessageDescriptor *);
    if (size == 0) return 0;
    mesh_budget budget;
    mesh_budget_init(&budget, MESH_BUDGET_DEFAULT);
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptors[data[0] % count],
                                                          &budget.allocator, size - 1, data + 1);
    if (!message) return 0;
    CHECK(protobuf_c_message_check(message));
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = mem_alloc(len);
    CHECK(protobuf_c_message_pack(message, packed) == len);
    free(packed);
    protobuf_c_message_free_unpacked(message, &budget.allocator);
    return 0;
}
