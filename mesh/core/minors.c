// Alone in its file, so that a test can link a build that speaks other minors.
#include "core/control.h"

mesh_minors mesh_minors_spoken(void) {
    return (mesh_minors){.min = 1, .max = 1};
}
