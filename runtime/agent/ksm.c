#include "agent/ksm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/say.h"

#define SWITCH "/sys/kernel/mm/ksm/run"

bool agent_ksm_is_wanted(void) {
    const char *value = getenv("WARREN_KSM");
    return value != NULL && strcmp(value, "1") == 0;
}

void agent_ksm_say(void) {
    if (!agent_ksm_is_wanted()) return;
    FILE *file = fopen(SWITCH, "re");
    int c = file != NULL ? fgetc(file) : EOF;
    if (file == NULL)
        agent_say("WARREN_KSM is set, but this kernel cannot merge pages (" SWITCH
                  " is not there): each node keeps its own");
    else if (c != '1')
        agent_say(
            "WARREN_KSM is set, but the kernel merges no pages until root says `echo 1 > " SWITCH
            "`");
    else
        agent_say("the kernel merges pages that are equal in several nodes");
    if (file != NULL) (void)fclose(file);
}
