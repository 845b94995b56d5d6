#include "cli/clean.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"

static bool is_c1(const char *at) {
    return (unsigned char)at[0] == 0xc2 && ((unsigned char)at[1] & 0xe0) == 0x80;
}

char *cli_clean_text(char *text) {
    char *to = text;
    for (const char *at = text; *at != '\0'; at++) {
        bool is_two = is_c1(at);
        bool is_obeyed = is_two || (unsigned char)*at < ' ' || *at == 0x7f;
        *to++ = *at;
        if (is_obeyed) to[-1] = '?';
        at += is_two;
    }
    *to = '\0';
    return text;
}

char *cli_clean_json(const char *json) {
    char *clean = mem_alloc(6 * strlen(json) + 1), *to = clean;
    for (const char *at = json; *at != '\0'; at++) {
        bool is_two = is_c1(at);
        if (*at != 0x7f && !is_two) {
            *to++ = *at;
            continue;
        }
        to += sprintf(to, "\\u%04x", is_two ? (unsigned char)at[1] : 0x7fu);
        at += is_two;
    }
    return clean;
}
