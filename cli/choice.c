#include "cli/choice.h"

#include <string.h>

#include "agent/target.h"
#include "cli/args.h"

int cli_choice_take(const cli_choice *choice, const char *value) {
    int count = 0;
    for (; choice->names[count] != NULL; count++)
        if (strcmp(choice->names[count], value) == 0) return count;
    const char *nearest = agent_target_nearest(value, choice->names, (size_t)count);
    cli_say("--%s is %s, not \"%.40s\"%s%s%s", choice->option, choice->text, value,
            nearest != NULL ? ": did you mean " : "", nearest != NULL ? nearest : "",
            nearest != NULL ? "?" : "");
    return -1;
}
