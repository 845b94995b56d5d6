#include "agent/private_memory.h"

#include <inttypes.h>
#include <stdio.h>

uint64_t agent_memory_private(pid_t pid) {
    char path[64], line[256];
    uint64_t kib = 0, value;
    (void)snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) return 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Private_Clean: %" SCNu64, &value) == 1 ||
            sscanf(line, "Private_Dirty: %" SCNu64, &value) == 1)
            kib += value;
    (void)fclose(file);
    return kib * 1024;
}
