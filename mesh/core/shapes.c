#include "core/shapes.h"

#include "core/error.h"
#include "core/mem.h"
#include "core/message.h"

void mesh_shapes_deinit(mesh_shapes *shapes) {
    for (size_t i = 0; i < shapes->count; i++)
        free((void *)shapes->bodies[i].data);
    free(shapes->bodies);
    *shapes = (mesh_shapes){0};
}

int mesh_shapes_add(mesh_shapes *shapes, mesh_bytes body) {
    if (mesh_shape_check(body, (uint32_t)shapes->count) != 0) return MESH_EINVAL;
    shapes->bodies =
        mem_grow(shapes->bodies, sizeof *shapes->bodies, shapes->count + 1, &shapes->cap);
    shapes->bodies[shapes->count++] = (mesh_bytes){mem_copy(body.data, body.len), body.len};
    return 0;
}
