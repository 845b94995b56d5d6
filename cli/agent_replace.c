#include "cli/agent_replace.h"

#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/client.h"
#include "cli/json.h"
#include "io/paths.h"

enum { VERSION_MAX = 64, TEXT_MAX = 1024 };

typedef struct self {
    uint32_t pid, nodes, services;
    uint64_t number;
    char version[VERSION_MAX], program[TEXT_MAX], trouble[TEXT_MAX];
} self;

static bool on_self(const Warren__Agent__Reply *reply, void *user) {
    self *out = user;
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_SELF) return false;
    const Warren__Agent__Self *from = reply->self;
    out->pid = from->pid;
    out->nodes = from->adopted;
    out->services = from->services;
    out->number = from->number;
    (void)snprintf(out->version, sizeof out->version, "%s", from->version);
    (void)snprintf(out->program, sizeof out->program, "%s", from->program);
    (void)snprintf(out->trouble, sizeof out->trouble, "%s", from->trouble);
    return true;
}

static bool on_done(const Warren__Agent__Reply *reply, void *user) {
    (void)reply, (void)user;
    return false; // Done ends it
}

// Asks whoever is the agent now. Its answer waits until it has adopted what runs.
static int ask_self(self *out) {
    Warren__Agent__About about = WARREN__AGENT__ABOUT__INIT;
    CLI_REQUEST(request, ABOUT, about, &about);
    return cli_client_ask(&request, on_self, out);
}

static int ask_replace(bool is_forced) {
    Warren__Agent__Replace replace = WARREN__AGENT__REPLACE__INIT;
    replace.force = is_forced;
    CLI_REQUEST(request, REPLACE, replace, &replace);
    return cli_client_ask(&request, on_done, NULL);
}

static void tell(const self *before, const self *after, bool is_json) {
    if (is_json) {
        cli_json_print(json_pack("{s:i, s:s, s:s, s:s, s:i, s:i}", "pid", (int)after->pid,
                                 "program", after->program, "from", before->version, "to",
                                 after->version, "nodes", (int)after->nodes, "services",
                                 (int)after->services));
        return;
    }
    (void)printf("%u %s of %u %s %s on: %s (pid %u) is version %s now, was %s\n", after->nodes,
                 after->nodes == 1 ? "node" : "nodes", after->services,
                 after->services == 1 ? "service" : "services", after->nodes == 1 ? "runs" : "run",
                 after->program, after->pid, after->version, before->version);
}

int cli_agent_replace(bool is_forced, bool is_json) {
    self before = {0}, after = {0};
    int exit_code = ask_self(&before);
    if (exit_code == CLI_DONE) exit_code = ask_replace(is_forced);
    if (exit_code != CLI_DONE) return exit_code;
    exit_code = ask_self(&after);
    if (exit_code != CLI_DONE) {
        cli_say("%s was started in its place and has not answered: nodes run on without an agent; "
                "`warren agent` starts one, and says what is wrong",
                before.program);
        return exit_code;
    }
    if (after.number == before.number) {
        cli_say("%s", after.trouble[0] != '\0' ? after.trouble : "the agent runs on as it was");
        return CLI_FAILED;
    }
    tell(&before, &after, is_json);
    return CLI_DONE;
}
