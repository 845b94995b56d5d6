#include "cli/project.h"

#include "test.h"

// As warren-node answers.
static void take(cli_project *out, const char *placement) {
    char text[2048];
    (void)snprintf(text, sizeof text,
                   "{\"project\": {\"name\": \"shop\", \"file\": \"/x/warren.config.mjs\", "
                   "\"services\": [{\"name\": \"api\", \"entry\": \"/x/api.js\", \"cwd\": \"/x\", "
                   "\"instances\": 4, %s}]}}",
                   placement);
    json_t *answer = json_loads(text, 0, NULL);
    EXPECT_TRUE(answer != NULL);
    *out = (cli_project){0};
    cli_project_take(out, answer);
}

TEST(what_a_service_wants_of_its_hosts_is_in_its_spec) {
    cli_project project;
    take(&project,
         "\"scale\": {\"kind\": \"perHost\", \"count\": 3}, \"placement\": {\"labels\": {\"disk\": "
         "\"ssd\"}, \"spread\": \"zone\", \"antiAffinity\": [\"db\", \"bulk\"], \"cpu\": 0.25, "
         "\"memoryBytes\": 1048576}, \"disconnect\": {\"policy\": \"replace\", \"afterMs\": "
         "300000, \"reconcile\": \"longest\"}, \"update\": {\"parallel\": 2, \"drainMs\": 1000, "
         "\"canary\": 1, \"promoteMs\": 5000, \"failures\": 3, \"settleMs\": 700, "
         "\"deadlineMs\": 9000}");
    const Warren__Deploy__Spec *spec = &project.services[0].spec;
    EXPECT_TEXT("api", spec->run->name);
    EXPECT_EQ(4, spec->run->instances); // of this host
    EXPECT_EQ(WARREN__DEPLOY__SPEC__COUNT__PER_HOST, spec->kind);
    EXPECT_EQ(3, spec->count);
    EXPECT_EQ(1, spec->n_requires);
    Warren__Deploy__Label **labels = spec->requires;
    EXPECT_TEXT("disk", labels[0]->key);
    EXPECT_TEXT("ssd", labels[0]->value);
    EXPECT_TRUE(spec->is_spread);
    EXPECT_TEXT("zone", spec->spread_label);
    EXPECT_EQ(2, spec->n_apart);
    EXPECT_TEXT("bulk", spec->apart[1]);
    EXPECT_EQ(250, spec->cpu_milli);
    EXPECT_EQ(1048576, spec->memory);
    EXPECT_EQ(WARREN__DEPLOY__SPEC__DISCONNECT__REPLACE, spec->disconnect);
    EXPECT_EQ(300000, spec->disconnect_ms);
    EXPECT_EQ(WARREN__DEPLOY__SPEC__RECONCILE__LONGEST, spec->reconcile);
    const Warren__Deploy__Update *update = spec->update;
    EXPECT_EQ(2, update->parallel);
    EXPECT_EQ(1000, update->drain_ms);
    EXPECT_EQ(1, update->canaries);
    EXPECT_EQ(5000, update->promote_ms);
    EXPECT_EQ(3, update->failures_max);
    EXPECT_EQ(9000, update->ready_ms);
    EXPECT_EQ(700, update->settle_ms);
    cli_project_deinit(&project);
}

TEST(one_that_wants_nothing_of_its_hosts_runs_anywhere) {
    cli_project project;
    take(&project,
         "\"scale\": {\"kind\": \"max\", \"count\": null}, \"placement\": {\"labels\": {}, "
         "\"spread\": true, \"antiAffinity\": [], \"cpu\": null, \"memoryBytes\": null}, "
         "\"disconnect\": {\"policy\": \"keep\", \"afterMs\": 0, \"reconcile\": null}");
    const Warren__Deploy__Spec *spec = &project.services[0].spec;
    EXPECT_EQ(WARREN__DEPLOY__SPEC__COUNT__MAX, spec->kind);
    EXPECT_EQ(0, spec->n_requires + spec->n_apart);
    EXPECT_TRUE(spec->is_spread); // over hosts
    EXPECT_TEXT("", spec->spread_label);
    EXPECT_EQ(0, spec->cpu_milli);
    EXPECT_EQ(0, spec->memory);
    EXPECT_EQ(WARREN__DEPLOY__SPEC__DISCONNECT__KEEP, spec->disconnect);
    cli_project_deinit(&project);
}
