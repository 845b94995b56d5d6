// In a directory with files as cgroup v2 has them: there the kernel makes them with each group.
#include "agent/cgroup.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static char mount_dir[64];

// What is switched on is written to the begin of a file here: over this.
#define WRITTEN "+memory "

static void put(const char *path, const char *text) {
    char whole[256];
    (void)snprintf(whole, sizeof whole, "%s/%s", mount_dir, path);
    FILE *file = fopen(whole, "we");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

static bool is_there(const char *path) {
    char whole[256];
    (void)snprintf(whole, sizeof whole, "%s/%s", mount_dir, path);
    return access(whole, F_OK) == 0;
}

static void make_group(const char *path, const char *type, const char *procs) {
    char whole[256], file[256];
    (void)snprintf(whole, sizeof whole, "%s/%s", mount_dir, path);
    (void)mkdir(whole, 0755);
    const char *const contents[][2] = {{"cgroup.controllers", "cpuset cpu io memory pids\n"},
                                       {"cgroup.subtree_control", WRITTEN "memory cpu\n"},
                                       {"cgroup.type", type},
                                       {"cgroup.procs", procs}};
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        (void)snprintf(file, sizeof file, "%s/%s", path, contents[i][0]);
        if (contents[i][1] != NULL) put(file, contents[i][1]);
    }
}

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *ftw) {
    (void)info;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void open_dir(void) {
    (void)snprintf(mount_dir, sizeof mount_dir, "/tmp/cgroup-test-XXXXXX");
    assert_non_null(mkdtemp(mount_dir));
}

static void remove_dir(void) {
    EXPECT_OK(nftw(mount_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS));
}

static void expect_dir(const agent_cgroup *found, const char *base) {
    char whole[256];
    (void)snprintf(whole, sizeof whole, "%s%s/warren", mount_dir, base);
    EXPECT_TEXT(whole, found->dir);
}

TEST(groups_are_made_beside_the_agents_own_when_nobody_is_in_the_one_above) {
    open_dir();
    agent_cgroup found;
    make_group(".", NULL, "1\n");
    make_group("slice", "domain\n", "");
    make_group("slice/shell", "domain\n", "1\n");
    make_group("slice/warren", "domain\n", "");
    agent_cgroup_find_at(&found, mount_dir, "/slice/shell");
    expect_dir(&found, "/slice");
    EXPECT_TRUE(found.has_memory && found.has_cpu);
    EXPECT_EQ('\0', found.why_not[0]);
    remove_dir();
}

TEST(the_first_group_of_all_may_have_processes) {
    open_dir();
    agent_cgroup found;
    make_group(".", NULL, "1\n");
    make_group("app", "domain\n", "1\n");
    make_group("warren", "domain\n", "");
    agent_cgroup_find_at(&found, mount_dir, "/app");
    expect_dir(&found, "");
    remove_dir();
}

TEST(a_group_with_other_processes_is_left_alone_and_named) {
    open_dir();
    agent_cgroup found;
    make_group(".", "domain\n", "1\n");
    make_group("app", "domain\n", "1\n");
    agent_cgroup_find_at(&found, mount_dir, "/app");
    EXPECT_EQ('\0', found.dir[0]);
    EXPECT_TRUE(!found.has_memory && !found.has_cpu);
    EXPECT_TRUE(strstr(found.why_not, "other processes are in the agent's cgroup") != NULL);
    EXPECT_TRUE(!is_there("app/warren"));
    remove_dir();
}

TEST(without_controllers_there_are_no_groups) {
    open_dir();
    agent_cgroup found;
    make_group(".", NULL, "");
    put("cgroup.controllers", "\n");
    agent_cgroup_find_at(&found, mount_dir, "/");
    EXPECT_EQ('\0', found.dir[0]);
    EXPECT_TRUE(strstr(found.why_not, "has no controllers") != NULL);
    remove_dir();
}

TEST(the_environment_chooses_another_place) {
    open_dir();
    agent_cgroup found;
    make_group(".", "domain\n", "1\n");
    make_group("chosen", "domain\n", "");
    make_group("chosen/warren", "domain\n", "");
    char chosen[128];
    (void)snprintf(chosen, sizeof chosen, "%s/chosen", mount_dir);
    EXPECT_OK(setenv("WARREN_CGROUP", chosen, 1));
    agent_cgroup_find(&found);
    expect_dir(&found, "/chosen");
    EXPECT_OK(unsetenv("WARREN_CGROUP"));
    remove_dir();
}

TEST(a_controller_that_is_not_passed_on_is_missing_and_the_other_is_used) {
    open_dir();
    agent_cgroup found;
    make_group(".", NULL, "");
    make_group("warren", "domain\n", "");
    put("warren/cgroup.subtree_control", WRITTEN "memory\n");
    agent_cgroup_find_at(&found, mount_dir, "/");
    expect_dir(&found, "");
    EXPECT_TRUE(!found.has_cpu);
    EXPECT_TRUE(found.why_not[0] != '\0');
    remove_dir();
}

static agent_cgroup found_at_mount(void) {
    agent_cgroup found = {.has_memory = true, .has_cpu = true};
    (void)snprintf(found.dir, sizeof found.dir, "%s", mount_dir);
    return found;
}

TEST(a_group_that_cannot_have_its_limits_is_not_made) {
    open_dir();
    agent_cgroup cgroup = found_at_mount();
    agent_cgroup_limits limits = {.memory_max = 64 << 20};
    char path[PATH_MAX];
    EXPECT_EQ(-ENOENT, agent_cgroup_make(&cgroup, 7, &limits, path)); // no memory.max here
    EXPECT_TRUE(!is_there("0000000000000007"));
    remove_dir();
}

TEST(a_group_in_which_the_kernel_ended_somebody_is_known) {
    open_dir();
    agent_cgroup cgroup = found_at_mount();
    agent_cgroup_limits none = {0};
    char path[PATH_MAX];
    EXPECT_EQ(0, agent_cgroup_make(&cgroup, 0xab, &none, path));
    EXPECT_TRUE(!agent_cgroup_was_out_of_memory(&cgroup, 0xab));
    put("00000000000000ab/memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 0\n");
    EXPECT_TRUE(!agent_cgroup_was_out_of_memory(&cgroup, 0xab));
    put("00000000000000ab/memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 2\n");
    EXPECT_TRUE(agent_cgroup_was_out_of_memory(&cgroup, 0xab));
    remove_dir();
}
