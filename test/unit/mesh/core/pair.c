#include "pair.h"

mesh_assemblies pair_assemblies;

mesh_link *pair_link(uint64_t self_id, uint64_t peer_id, const mesh_shapes *shapes) {
    mesh_link_options options = {.self_id = self_id,
                                 .peer_id = peer_id,
                                 .max_message = MESH_MESSAGE_LEN_DEFAULT,
                                 .window = PAIR_WINDOW,
                                 .shapes = shapes,
                                 .assemblies = &pair_assemblies};
    mesh_link *link = mesh_link_create(&options);
    mesh_link_up(link);
    return link;
}

size_t pair_carry(mesh_link *from, mesh_link *to, size_t len) {
    mesh_bytes output = mesh_link_output(from);
    uint8_t *buffer;
    size_t cap;
    mesh_link_input(to, &buffer, &cap);
    if (len > output.len) len = output.len;
    if (len > cap) len = cap;
    if (len == 0) return 0;
    memcpy(buffer, output.data, len);
    mesh_link_received(to, 0, len);
    mesh_link_sent(from, len);
    mesh_link_pump(from, 0);
    return len;
}

void pair_greet(mesh_link *a, mesh_link *b) {
    mesh_link_message message;
    pair_carry(a, b, SIZE_MAX);
    pair_carry(b, a, SIZE_MAX);
    EXPECT_EQ(1, mesh_link_next(a, &message));
    EXPECT_EQ(1, mesh_link_next(b, &message));
    EXPECT_EQ(MESH_FRAME_READY, message.type);
    EXPECT_EQ(MESH_LINK_OPEN, a->state);
}

static mesh_link_place send(mesh_link *link, uint8_t type, mesh_lane lane, mesh_bytes payload) {
    mesh_link_send_options options = {.type = type,
                                      .lane = lane,
                                      .expires_at_ms = UINT64_MAX,
                                      .head = mesh_bytes_text("head"),
                                      .payload = payload};
    return mesh_link_send(link, &options);
}

mesh_link_place pair_send(mesh_link *link, uint8_t type, const void *payload, size_t len) {
    return send(link, type, MESH_LANE_NORMAL, (mesh_bytes){payload, len});
}

mesh_link_place pair_send_bulk(mesh_link *link, uint8_t type, const void *payload, size_t len) {
    return send(link, type, MESH_LANE_BULK, (mesh_bytes){payload, len});
}
