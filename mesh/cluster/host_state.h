// What membership says of a host: the same words for API, CLI and protocol.
#pragma once

typedef enum mesh_host_state {
    MESH_HOST_JOINING, // of this host itself alone: no member was met yet
    MESH_HOST_UP,
    MESH_HOST_SUSPECT,     // accused; can still answer
    MESH_HOST_UNREACHABLE, // did not answer in time, but too few witnesses say so: not certain
    MESH_HOST_DOWN,
    MESH_HOST_LEFT, // said so itself, or its certificate is over
} mesh_host_state;
