#include "cli/run_words.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/services.h"

const cli_choice cli_run_restarts = {
    "restart", "on-failure, always or never", {"on-failure", "always", "never"}};
const cli_choice cli_run_readies = {"ready",
                                    "auto, mesh, listen, message or started",
                                    {"auto", "mesh", "listen", "message", "started"}};
const cli_choice cli_run_stalls = {
    "stall", "stack, terminate or kill", {"stack", "terminate", "kill"}};
const cli_choice cli_run_strategies = {"strategy",
                                       "one_for_one, one_for_all or rest_for_one",
                                       {"one_for_one", "one_for_all", "rest_for_one"}};

// Names beside those of sigabbrev_np().
static const struct {
    const char *name;
    int number;
} aliases[] = {{"IO", SIGIO}, {"IOT", SIGIOT}, {"UNUSED", SIGSYS}};

static int number_of(const char *text) {
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    bool is_number = text[0] >= '0' && text[0] <= '9' && *end == '\0' && number < NSIG;
    return is_number ? (int)number : 0;
}

int cli_run_signal(const char *text) {
    const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
    for (int i = 1; i < NSIG; i++) {
        const char *known = sigabbrev_np(i);
        if (known != NULL && strcasecmp(known, name) == 0) return i;
    }
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcasecmp(aliases[i].name, name) == 0) return aliases[i].number;
    return number_of(text);
}

bool cli_run_fits(const Warren__Agent__Run *run) {
    return warren__agent__run__get_packed_size(run) <= AGENT_RUN_LEN_MAX &&
           run->n_env <= AGENT_RUN_WORDS_MAX && run->n_args <= AGENT_RUN_WORDS_MAX;
}
