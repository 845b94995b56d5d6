// Linked in place of mesh/core/minors.c: a build that speaks the minors of WARREN_TEST_MINORS,
// "1-2".
#include <stdio.h>
#include <stdlib.h>

#include "core/control.h"
#include "core/mem.h"

mesh_minors mesh_minors_spoken(void) {
    mesh_minors minors;
    const char *text = getenv("WARREN_TEST_MINORS");
    CHECK(text != NULL && sscanf(text, "%hu-%hu", &minors.min, &minors.max) == 2);
    return minors;
}
