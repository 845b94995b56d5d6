#include "agent/deploy_change.h"

#include "core/error.h"
#include "test.h"

static Warren__Deploy__Project now;
static Warren__Deploy__State was;
static agent_deploy_change change;
static agent_deploy_wanted wanted;
static agent_refusal refusal;

static uint64_t same_from; // releases from this number on are all the same
static bool has(const void *user, uint64_t release) {
    (void)user;
    return release <= 9;
}
static bool is_same(const void *user, uint64_t a, uint64_t b) {
    (void)user;
    return a >= same_from && b >= same_from;
}

// What became of releases, the latest at the end.
static Warren__Deploy__Outcome outcomes[8], *outcome_list[8];
static void add_outcome(uint64_t release, Warren__Deploy__State__Phase phase, uint64_t served) {
    Warren__Deploy__Outcome *o = &outcomes[was.n_outcomes];
    warren__deploy__outcome__init(o);
    o->release = release;
    o->phase = phase;
    o->served = served;
    o->why = "no database";
    was.outcomes = outcome_list;
    outcome_list[was.n_outcomes++] = o;
}

// Release `release` is wanted by deployment 4, which is at `phase`; `before` ran before.
static void begin(uint64_t release, uint64_t before, Warren__Deploy__State__Phase phase) {
    warren__deploy__project__init(&now);
    warren__deploy__state__init(&was);
    now.deployment = was.deployment = 4;
    now.release = was.to = release;
    now.before = was.from = before;
    now.by = "ada";
    now.host = "h1";
    was.phase = phase;
    change = (agent_deploy_change){
        .project = "shop", .now = &now, .state = &was, .by = "bob", .host = "h2", .at_ms = 1000};
    change.history = (agent_deploy_history){.has = has, .is_same = is_same};
    same_from = UINT64_MAX;
    memset(&wanted, 0, sizeof wanted);
}

#define DONE     WARREN__DEPLOY__STATE__PHASE__DONE
#define ROLLING  WARREN__DEPLOY__STATE__PHASE__ROLLING
#define CANARY   WARREN__DEPLOY__STATE__PHASE__CANARY
#define RETURNED WARREN__DEPLOY__STATE__PHASE__RETURNED

static void expect_refused(int err, uint32_t exit_code, const char *part) {
    EXPECT_TRUE(err < 0);
    EXPECT_EQ(exit_code, refusal.exit_code);
    if (strstr(refusal.text, part) == NULL) fail_msg("'%s' has no '%s'", refusal.text, part);
}

TEST(the_first_release_comes_after_none) {
    change = (agent_deploy_change){.project = "shop", .by = "bob", .host = "h2"};
    EXPECT_OK(agent_deploy_release(&change, 1, &wanted, &refusal));
    EXPECT_EQ(1, wanted.project.deployment);
    EXPECT_EQ(1, wanted.project.release);
    EXPECT_EQ(0, wanted.project.before);
    EXPECT_EQ(0, wanted.from);
}

TEST(a_release_knows_what_ran_before_it_and_who_asked) {
    begin(3, 2, DONE);
    EXPECT_OK(agent_deploy_release(&change, 5, &wanted, &refusal));
    EXPECT_EQ(5, wanted.project.deployment);
    EXPECT_EQ(5, wanted.project.release);
    EXPECT_EQ(3, wanted.project.before);
    EXPECT_EQ(2, wanted.project.previous);
    EXPECT_TEXT("bob", wanted.project.by);
    EXPECT_TEXT("h2", wanted.project.host);
}

TEST(after_a_failure_what_ran_before_it_is_what_runs) {
    begin(3, 2, RETURNED);
    now.previous = 1;
    EXPECT_OK(agent_deploy_release(&change, 5, &wanted, &refusal));
    EXPECT_EQ(2, wanted.project.before);
    EXPECT_EQ(1, wanted.project.previous);
}

TEST(while_one_is_under_way_another_one_is_told_whose_it_is) {
    begin(3, 2, ROLLING);
    expect_refused(agent_deploy_release(&change, 5, &wanted, &refusal), 1, "ada on h1");
    expect_refused(agent_deploy_rollback(&change, 1, &wanted, &refusal), 1, "warren abort shop");
    begin(3, 2, DONE);
    now.deployment = 5; // that nobody has begun yet
    expect_refused(agent_deploy_release(&change, 6, &wanted, &refusal), 1, "deployment 5");
}

TEST(a_rollback_goes_to_what_ran_before) {
    begin(3, 2, DONE);
    EXPECT_OK(agent_deploy_rollback(&change, 0, &wanted, &refusal));
    EXPECT_EQ(2, wanted.project.release);
    EXPECT_EQ(3, wanted.project.before);
    begin(3, 2, RETURNED); // 2 runs
    now.previous = 1;
    EXPECT_OK(agent_deploy_rollback(&change, 0, &wanted, &refusal));
    EXPECT_EQ(1, wanted.project.release);
    begin(3, 3, DONE); // it was scaled
    now.previous = 2;
    EXPECT_OK(agent_deploy_rollback(&change, 0, &wanted, &refusal));
    EXPECT_EQ(2, wanted.project.release);
}

TEST(a_rollback_to_nowhere_or_to_what_runs_is_refused) {
    begin(1, 0, DONE);
    expect_refused(agent_deploy_rollback(&change, 0, &wanted, &refusal), 1, "--to N");
    expect_refused(agent_deploy_rollback(&change, 1, &wanted, &refusal), 1, "runs already");
    change.now = NULL;
    expect_refused(agent_deploy_rollback(&change, 1, &wanted, &refusal), 3, "no project shop");
}

TEST(a_rollback_goes_to_what_served_last_and_never_to_what_failed) {
    begin(4, 0, RETURNED); // after a `down`, and a release that failed then
    add_outcome(1, DONE, 1);
    add_outcome(2, DONE, 2);
    add_outcome(3, RETURNED, 0);
    add_outcome(4, RETURNED, 0);
    EXPECT_OK(agent_deploy_rollback(&change, 0, &wanted, &refusal));
    EXPECT_EQ(2, wanted.project.release);
    expect_refused(agent_deploy_rollback(&change, 3, &wanted, &refusal), 1, "no database");
    outcomes[1].phase = RETURNED; // it served once, and could not any more
    EXPECT_OK(agent_deploy_rollback(&change, 0, &wanted, &refusal));
    EXPECT_EQ(1, wanted.project.release);
    EXPECT_OK(agent_deploy_rollback(&change, 2, &wanted, &refusal));
}

TEST(a_rollback_changes_something_or_is_refused) {
    begin(3, 2, DONE);
    add_outcome(1, DONE, 1);
    add_outcome(2, DONE, 2);
    add_outcome(3, DONE, 3);
    same_from = 2;
    EXPECT_OK(agent_deploy_rollback(&change, 0, &wanted, &refusal));
    EXPECT_EQ(1, wanted.project.release);
    expect_refused(agent_deploy_rollback(&change, 2, &wanted, &refusal), 1,
                   "the same as release 3");
    same_from = 1;
    expect_refused(agent_deploy_rollback(&change, 0, &wanted, &refusal), 1, "no other release");
    expect_refused(agent_deploy_rollback(&change, 11, &wanted, &refusal), 3, "no release 11");
}

TEST(only_canaries_that_wait_are_promoted_and_the_deployment_goes_on) {
    begin(3, 2, CANARY);
    EXPECT_OK(agent_deploy_promote(&change, &wanted, &refusal));
    EXPECT_TRUE(wanted.project.is_promoted);
    EXPECT_EQ(4, wanted.project.deployment);
    EXPECT_EQ(2, wanted.project.before);
    begin(3, 2, ROLLING);
    expect_refused(agent_deploy_promote(&change, &wanted, &refusal), 1, "no canaries");
}

TEST(only_what_is_under_way_is_aborted) {
    begin(3, 2, ROLLING);
    EXPECT_OK(agent_deploy_abort(&change, &wanted, &refusal));
    EXPECT_TRUE(wanted.project.is_aborted);
    EXPECT_EQ(4, wanted.project.deployment);
    EXPECT_EQ(3, wanted.project.release);
    begin(3, 2, DONE);
    expect_refused(agent_deploy_abort(&change, &wanted, &refusal), 1, "warren rollback shop");
}

TEST(scaling_counts_from_what_is_wanted_now) {
    Warren__Agent__ChangeProject body = WARREN__AGENT__CHANGE_PROJECT__INIT;
    Warren__Deploy__Scaled scaled = WARREN__DEPLOY__SCALED__INIT, *list[] = {&scaled};
    begin(3, 2, DONE);
    body.service = "api";
    body.count = 2;
    body.is_relative = true;
    EXPECT_OK(agent_deploy_scale(&change, &body, 3, &wanted, &refusal));
    EXPECT_EQ(1, wanted.project.n_scaled);
    EXPECT_EQ(5, wanted.project.scaled[0]->instances);
    EXPECT_EQ(3, wanted.project.release);
    EXPECT_EQ(3, wanted.project.before);
    EXPECT_EQ(2, wanted.project.previous);
    scaled.service = "api";
    scaled.instances = 7;
    now.scaled = list;
    now.n_scaled = 1;
    body.count = -1;
    EXPECT_OK(agent_deploy_scale(&change, &body, 3, &wanted, &refusal));
    EXPECT_EQ(1, wanted.project.n_scaled);
    EXPECT_EQ(6, wanted.project.scaled[0]->instances);
    body.count = -8;
    expect_refused(agent_deploy_scale(&change, &body, 3, &wanted, &refusal), 2, "0 to");
}

TEST(down_is_possible_at_any_time_and_can_be_taken_back) {
    begin(3, 2, ROLLING);
    EXPECT_OK(agent_deploy_down(&change, &wanted, &refusal));
    EXPECT_EQ(0, wanted.project.release);
    EXPECT_EQ(2, wanted.project.before);
    begin(0, 3, DONE);
    EXPECT_OK(agent_deploy_rollback(&change, 0, &wanted, &refusal));
    EXPECT_EQ(3, wanted.project.release);
}

TEST(only_a_project_that_is_down_is_forgotten) {
    begin(0, 3, DONE);
    EXPECT_OK(agent_deploy_forget(&change, true, &refusal));
    begin(1, 0, RETURNED); // it never ran
    EXPECT_OK(agent_deploy_forget(&change, true, &refusal));
    begin(3, 2, DONE);
    expect_refused(agent_deploy_forget(&change, true, &refusal), 1, "warren down --project shop");
    begin(3, 2, RETURNED);
    expect_refused(agent_deploy_forget(&change, true, &refusal), 1, "release 2 of shop runs");
    begin(0, 3, ROLLING);
    expect_refused(agent_deploy_forget(&change, true, &refusal), 1, "being changed");
    change.now = NULL;
    EXPECT_OK(agent_deploy_forget(&change, true, &refusal)); // the rest of it, after half a way
    expect_refused(agent_deploy_forget(&change, false, &refusal), 3, "no project shop");
}
