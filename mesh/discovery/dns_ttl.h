// The least time to live in a DNS answer, which c-ares 1.18 does not tell for SRV. Pure.
#pragma once

#include <stdint.h>

#include "core/bytes.h"

// In seconds; 0 when there is no answer record, or the message is damaged.
uint32_t mesh_dns_ttl(mesh_bytes message);
