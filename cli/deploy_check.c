#include "cli/deploy_check.h"

#include <stdlib.h>
#include <string.h>

#include "agent/deploy_change.h"
#include "cli/args.h"
#include "core/mem.h"

// As the agent will judge it, and by the same words.
static int check_open(const cli_project *project, const cli_deployed *d) {
    Warren__Deploy__Project *now = cli_deployed_project(d, project->name);
    Warren__Deploy__State *state = cli_deployed_state(d, project->name);
    agent_deploy_change change = {
        .project = project->name, .now = now, .state = state, .by = "", .host = ""};
    agent_deploy_wanted *wanted = mem_alloc(sizeof *wanted);
    agent_refusal refusal = {.exit_code = CLI_DONE};
    if (agent_deploy_release(&change, 1, wanted, &refusal) != 0) cli_say("%s", refusal.text);
    free(wanted);
    if (now != NULL) warren__deploy__project__free_unpacked(now, NULL);
    if (state != NULL) warren__deploy__state__free_unpacked(state, NULL);
    return (int)refusal.exit_code;
}

static int check_name(const cli_project *project, const cli_deployed *d, const char *service) {
    Warren__Deploy__Placed *placed = cli_deployed_placed(d, service);
    bool is_taken = placed != NULL && strcmp(placed->project, project->name) != 0 &&
                    (placed->release != 0 || placed->n_slots > 0);
    if (is_taken)
        cli_say("%.63s is a service of project %.63s already, and nothing was deployed: give it "
                "another name",
                service, placed->project);
    if (placed != NULL) warren__deploy__placed__free_unpacked(placed, NULL);
    return is_taken ? CLI_FAILED : CLI_DONE;
}

int cli_deploy_check(const cli_project *project, const cli_deployed *deployed) {
    int exit_code = check_open(project, deployed);
    for (size_t i = 0; i < project->count && exit_code == CLI_DONE; i++)
        exit_code = check_name(project, deployed, project->services[i].run.name);
    return exit_code;
}

// "./dist/server.js" is in the directory, "./" the directory itself.
static void add(cli_pack_need *needs, size_t *count, const char *service, const char *what,
                const char *path) {
    if (strncmp(path, "./", 2) == 0 && path[2] != '\0')
        needs[(*count)++] = (cli_pack_need){service, what, path + 2};
}

cli_pack_need *cli_deploy_needs(const cli_project *project, size_t *out_count) {
    size_t most = 0;
    for (size_t i = 0; i < project->count; i++)
        most += 2 + project->services[i].run.n_preload;
    cli_pack_need *needs = mem_alloc((most + 1) * sizeof *needs);
    *out_count = 0;
    for (size_t i = 0; i < project->count; i++) {
        const Warren__Agent__Run *run = &project->services[i].run;
        add(needs, out_count, run->name, "its entry", run->entry);
        add(needs, out_count, run->name, "its cwd", run->cwd);
        for (size_t k = 0; k < run->n_preload; k++)
            add(needs, out_count, run->name, "what it preloads,", run->preload[k]);
    }
    return needs;
}
