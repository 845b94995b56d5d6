#include "secure/keys.h"

#include <string.h>

#include <sodium.h>

static const char *const labels[] = {
    [MESH_KEY_LINK] = "warren-link-v1",
    [MESH_KEY_KNOCK] = "warren-knock-v1",
    [MESH_KEY_GOSSIP] = "warren-gossip-v1",
    [MESH_KEY_MULTICAST] = "warren-multicast-v1",
    [MESH_KEY_TICKET_LINK] = "warren-ticket-link-v1",
    [MESH_KEY_TICKET_KNOCK] = "warren-ticket-knock-v1",
};

void mesh_key_derive(const uint8_t secret[MESH_SECRET_LEN], mesh_key_use use,
                     uint8_t out[MESH_SECRET_LEN]) {
    const char *label = labels[use];
    (void)crypto_generichash(out, MESH_SECRET_LEN, (const uint8_t *)label, strlen(label), secret,
                             MESH_SECRET_LEN);
}
