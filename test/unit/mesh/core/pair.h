// Two ends of a link, back to back without sockets.
#pragma once

#include "core/link.h"
#include "test.h"

enum { PAIR_WINDOW = 10000 };

extern mesh_assemblies pair_assemblies; // of all links

mesh_link *pair_link(uint64_t self_id, uint64_t peer_id, const mesh_shapes *shapes); // is up
// At most `len` bytes of what `from` has to write, to `to`. Returns how many.
size_t pair_carry(mesh_link *from, mesh_link *to, size_t len);
void pair_greet(mesh_link *a, mesh_link *b); // both hear READY
// A message with the head "head" and this payload.
mesh_link_place pair_send(mesh_link *link, uint8_t type, const void *payload, size_t len);
mesh_link_place pair_send_bulk(mesh_link *link, uint8_t type, const void *payload, size_t len);
