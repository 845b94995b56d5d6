// Versions of services, MAJOR.MINOR.PATCH with an optional -PRERELEASE (semver.org), and which of
// them fit what a caller asks for. Pure, and whatever bytes may come from others.
//
//   2        any 2.x.y            2.1      any 2.1.x           2.1.0    this one
//   ^2.1     2.1.0 and what is newer, below 3.0.0
//   ^0.3     0.3.0 and what is newer, below 0.4.0: before 1.0 the first number that is not 0 counts
//
// A prerelease fits only who asks for it word for word.
#pragma once

#include <stdbool.h>

#include "core/bytes.h"

// What is no version, or no range, fits only what is the same to the byte.
bool mesh_version_fits(mesh_bytes version, mesh_bytes range);
