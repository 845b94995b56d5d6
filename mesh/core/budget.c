#include "core/budget.h"

#include <stdlib.h>

// What was freed is not given back: the budget bounds the work, not only the peak.
static void *take(void *user, size_t size) {
    mesh_budget *budget = user;
    if (size > budget->left) return NULL;
    budget->left -= size;
    return malloc(size > 0 ? size : 1);
}

static void give_back(void *user, void *memory) {
    (void)user;
    free(memory);
}

void mesh_budget_init(mesh_budget *budget, size_t limit) {
    *budget = (mesh_budget){.left = limit};
    budget->allocator =
        (ProtobufCAllocator){.alloc = take, .free = give_back, .allocator_data = budget};
}
