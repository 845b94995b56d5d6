#include "cli/choice.h"

#include <string.h>

#include "agent/target.h"
#include "cli/args.h"

int cli_choice_find(const cli_choice *choice, const char *value) {
    for (int i = 0; choice->names[i] != NULL; i++)
        if (strcmp(choice->names[i], value) == 0) return i;
    return -1;
}

int cli_choice_take(const cli_choice *choice, const char *value) {
    int chosen = cli_choice_find(choice, value), count = 0;
    if (chosen >= 0) return chosen;
    while (choice->names[count] != NULL)
        count++;
    const char *nearest = agent_target_nearest(value, choice->names, (size_t)count);
    cli_say("--%s is %s, not \"%.40s\"%s%s%s", choice->option, choice->text, value,
            nearest != NULL ? ": did you mean " : "", nearest != NULL ? nearest : "",
            nearest != NULL ? "?" : "");
    return -1;
}
