// An option that takes one of a few words.
#pragma once

enum { CLI_CHOICES_MAX = 8 };

typedef struct cli_choice {
    const char *option, *text;                // "a, b or c"
    const char *const names[CLI_CHOICES_MAX]; // NULL at the end
} cli_choice;

// The number of what was chosen; -1: it is none of them.
int cli_choice_find(const cli_choice *choice, const char *value);
// The same; -1: a sentence was printed.
int cli_choice_take(const cli_choice *choice, const char *value);
