// Looks again and again for a moment, where that has paid off of late (spin.h).
#pragma once

// `find` returns how much it found, 0 for nothing, or a negative error, and does not wait. What it
// said last; 0 also when looking is not worth it now.
int runtime_look(int (*find)(void *user), void *user);
