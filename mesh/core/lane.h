// Lanes (proto/wire.md): what a link carries beside control frames. Messages of one lane keep their
// order; the normal lane has four bytes for each one of bulk, so that small messages do not wait
// for large ones.
#pragma once

typedef enum mesh_lane { MESH_LANE_NORMAL, MESH_LANE_BULK, MESH_LANE_COUNT } mesh_lane;
