#include "cluster.h"

void cluster_measure(uint32_t count, uint32_t loss, uint32_t rounds) {
    (void)count;
    (void)loss;
    (void)rounds;
}
