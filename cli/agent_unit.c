#include "cli/agent_unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "core/mem.h"
#include "store/place.h"

#define MARK "# Written by `warren agent install`"

// What an agent reads; what nodes get comes from the commands that start them.
static const struct {
    const char *name;
    bool is_path;
} variables[] = {{"WARREN_DIR", true},
                 {"WARREN_NODE", true},
                 {"WARREN_CGROUP", true},
                 {"WARREN_KSM", false},
                 {"WARREN_ORPHAN_TIMEOUT", false},
                 {"WARREN_KEEP_ENDED", false}};

static bool is_sayable(const char *name, const char *value, bool is_path) {
    for (const char *c = value; *c != '\0'; c++) {
        if ((unsigned char)*c >= ' ' && *c != 0x7f) continue;
        cli_say("%s has a control character in it, which no unit can say", name);
        return false;
    }
    if (!is_path || value[0] == '/') return true;
    cli_say("%s is %.200s: in a unit it must be an absolute path", name, value);
    return false;
}

// As systemd.syntax(7) and systemd.unit(5) want it: C escapes, and % begins a specifier.
static void print_quoted(FILE *out, const char *before, const char *value) {
    (void)fprintf(out, "\"%s", before);
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') (void)fputc('\\', out);
        if (*c == '%') (void)fputc('%', out);
        (void)fputc(*c, out);
    }
    (void)fputc('"', out);
}

// What follows the program: there a variable would be put in for $.
static void print_argument(FILE *out, const char *option, const char *value) {
    char text[2 * STORE_PLACE_TEXT_LEN_MAX + 1];
    size_t len = 0;
    for (const char *c = value; *c != '\0' && len + 2 < sizeof text; c++) {
        if (*c == '$') text[len++] = '$';
        text[len++] = *c;
    }
    text[len] = '\0';
    (void)fputs(option, out);
    print_quoted(out, "", text);
}

static void print_head(FILE *out, const cli_agent_unit *unit) {
    (void)fputs(MARK ", which replaces it; what is to be changed goes\n", out);
    (void)fprintf(out,
                  "# beside it: `systemctl %sedit " CLI_AGENT_UNIT_NAME "`\n"
                  "[Unit]\n"
                  "Description=Warren agent\n",
                  unit->is_user ? "--user " : "");
    if (!unit->is_user) // a user's systemd does not know it
        (void)fputs("Wants=network-online.target\nAfter=network-online.target\n", out);
}

static bool print_environment(FILE *out, const cli_agent_unit *unit) {
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        const char *value = getenv(variables[i].name);
        char before[64];
        if (value == NULL || value[0] == '\0') continue;
        if (!is_sayable(variables[i].name, value, variables[i].is_path)) return false;
        (void)snprintf(before, sizeof before, "%s=", variables[i].name);
        (void)fputs("Environment=", out);
        print_quoted(out, before, value);
        (void)fputc('\n', out);
    }
    const char *dir = getenv("WARREN_DIR");
    if (!unit->is_user && (dir == NULL || dir[0] == '\0'))
        (void)fputs("Environment=WARREN_DIR=" CLI_AGENT_UNIT_STATE_DIR "\n"
                    "StateDirectory=warren\n"
                    "StateDirectoryMode=0700\n",
                    out);
    return true;
}

static bool print_service(FILE *out, const cli_agent_unit *unit) {
    (void)fputs("\n[Service]\nType=notify\nExecStart=", out);
    print_quoted(out, "", unit->program);
    (void)fputs(" agent", out);
    if (unit->store != NULL) print_argument(out, " --store ", unit->store);
    if (unit->labels != NULL) print_argument(out, " --label ", unit->labels);
    (void)fputs("\nExecReload=", out);
    print_quoted(out, "", unit->program);
    (void)fputs(" agent restart\n", out);
    if (!print_environment(out, unit)) return false;
    (void)fputs(
        "Restart=on-failure\n"
        "WatchdogSec=30\n"
        "# Nodes outlive an agent that crashes: systemd must not end them. `systemctl stop` "
        "has the agent end them.\n"
        "KillMode=process\n"
        "OOMPolicy=continue\n"
        "Delegate=yes\n"
        "LimitNOFILE=524288\n"
        "TasksMax=infinity\n",
        out);
    return true;
}

char *cli_agent_unit_text(const cli_agent_unit *unit) {
    char *text = NULL;
    size_t len;
    if (!is_sayable("the path of this program", unit->program, true)) return NULL;
    FILE *out = open_memstream(&text, &len);
    CHECK(out != NULL);
    print_head(out, unit);
    bool is_done = print_service(out, unit);
    (void)fprintf(out, "\n[Install]\nWantedBy=%s\n",
                  unit->is_user ? "default.target" : "multi-user.target");
    (void)fclose(out);
    if (is_done) return text;
    free(text);
    return NULL;
}

bool cli_agent_unit_is_ours(const char *text) {
    return strncmp(text, MARK, strlen(MARK)) == 0;
}
