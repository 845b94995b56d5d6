#include "agent/vault.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static char place[64], vault[AGENT_VAULT_PATH_MAX], text[AGENT_VAULT_TEXT_MAX];

static void make_vault(void) {
    char fresh[AGENT_VAULT_PATH_MAX];
    strcpy(place, "/tmp/warren-vault-XXXXXX");
    assert_non_null(mkdtemp(place));
    EXPECT_OK(agent_vault_begin(place, fresh, text));
    EXPECT_OK(agent_vault_write(fresh, AGENT_VAULT_HOST, mesh_bytes_text("keys"), text));
    EXPECT_OK(agent_vault_finish(place, fresh, text));
    agent_vault_path(place, vault);
}

static void remove_vault(void) {
    agent_vault_abandon(vault);
    EXPECT_OK(rmdir(place)); // and nothing else is left
}

static const char *path_of(const char *name) {
    static char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", vault, name);
    return path;
}

static void expect_unread(int err, const char *name, const char *has) {
    mesh_bytes out = {.len = 77};
    EXPECT_EQ(err, agent_vault_read(vault, name, &out, text));
    EXPECT_EQ(77, out.len);
    assert_non_null(strstr(text, has));
    assert_non_null(strstr(text, name)); // which file
}

static void expect_whole(const char *want) {
    mesh_bytes out;
    EXPECT_OK(agent_vault_read(vault, AGENT_VAULT_HOST, &out, text));
    EXPECT_BYTES(want, out);
    agent_vault_free(out);
}

TEST(a_file_comes_back_and_is_for_its_owner_alone) {
    struct stat info;
    make_vault();
    expect_whole("keys");
    EXPECT_OK(agent_vault_check(vault, text));
    EXPECT_OK(stat(path_of(AGENT_VAULT_HOST), &info));
    EXPECT_EQ(0600, info.st_mode & 0777);
    EXPECT_OK(stat(vault, &info));
    EXPECT_EQ(0700, info.st_mode & 0777);
    EXPECT_OK(agent_vault_write(vault, AGENT_VAULT_HOST, mesh_bytes_text("others"), text));
    expect_whole("others");
    remove_vault();
}

TEST(every_changed_byte_and_every_cut_is_noticed) {
    uint8_t whole[256], changed[257];
    make_vault();
    FILE *file = fopen(path_of(AGENT_VAULT_HOST), "rb");
    size_t len = fread(whole, 1, sizeof whole, file);
    (void)fclose(file);
    for (size_t i = 0; i <= 2 * len; i++) { // changed at i, cut at i - len, one byte more
        size_t size = i < len ? len : i == 2 * len ? len + 1 : i - len;
        memcpy(changed, whole, len);
        changed[len] = 0;
        if (i < len) changed[i] ^= (uint8_t)(1 << i % 8);
        file = fopen(path_of(AGENT_VAULT_HOST), "wb");
        (void)fwrite(changed, 1, size, file);
        (void)fclose(file);
        expect_unread(-EBADMSG, AGENT_VAULT_HOST, "damaged or not whole (restore it");
    }
    remove_vault();
}

TEST(one_file_is_not_taken_for_another) {
    char to[300];
    make_vault();
    (void)snprintf(to, sizeof to, "%s", path_of(AGENT_VAULT_ISSUER));
    EXPECT_OK(rename(path_of(AGENT_VAULT_HOST), to));
    expect_unread(-EBADMSG, AGENT_VAULT_ISSUER, "damaged");
    expect_unread(-ENOENT, AGENT_VAULT_HOST, "No such file or directory (restore it");
    remove_vault();
}

TEST(what_others_may_read_is_not_used) {
    make_vault();
    EXPECT_OK(chmod(path_of(AGENT_VAULT_HOST), 0640));
    expect_unread(-EPERM, AGENT_VAULT_HOST, "its mode is 640 (`chmod 600` it");
    EXPECT_OK(chmod(vault, 0755));
    EXPECT_EQ(-EPERM, agent_vault_check(vault, text));
    assert_non_null(strstr(text, "`chmod 700` it"));
    EXPECT_OK(chmod(vault, 0700));
    remove_vault();
}

TEST(a_link_a_pipe_or_a_directory_is_no_file) {
    make_vault();
    EXPECT_OK(symlink(AGENT_VAULT_HOST, path_of(AGENT_VAULT_PEERS)));
    expect_unread(-ELOOP, AGENT_VAULT_PEERS,
                  "peers: it is a symbolic link (remove it: it is a list");
    EXPECT_OK(mkfifo(path_of(AGENT_VAULT_TICKETS), 0600));
    expect_unread(-EINVAL, AGENT_VAULT_TICKETS, "tickets: it is no ordinary file (remove it");
    EXPECT_OK(mkdir(path_of(AGENT_VAULT_GENERATION), 0700));
    expect_unread(-EINVAL, AGENT_VAULT_GENERATION, "it is no ordinary file (restore it");
    EXPECT_OK(rmdir(path_of(AGENT_VAULT_GENERATION)));
    EXPECT_OK(symlink("nowhere", path_of(AGENT_VAULT_ISSUER)));
    EXPECT_TRUE(agent_vault_has(vault, AGENT_VAULT_ISSUER));
    remove_vault();
}

TEST(a_file_that_cannot_be_written_leaves_the_old_one) {
    make_vault();
    struct rlimit before, small = {.rlim_cur = 30};
    EXPECT_OK(getrlimit(RLIMIT_FSIZE, &before));
    small.rlim_max = before.rlim_max;
    (void)signal(SIGXFSZ, SIG_IGN);
    EXPECT_OK(setrlimit(RLIMIT_FSIZE, &small)); // as a full disk: not all of it fits
    EXPECT_EQ(-EFBIG, agent_vault_write(vault, AGENT_VAULT_HOST, mesh_bytes_text("others"), text));
    EXPECT_OK(setrlimit(RLIMIT_FSIZE, &before));
    assert_non_null(strstr(text, "cannot write "));
    expect_whole("keys");
    EXPECT_EQ(-1, access(path_of("host.key.new"), F_OK));
    remove_vault();
}

TEST(what_a_cut_life_left_behind_is_no_obstacle) {
    make_vault();
    FILE *file = fopen(path_of("host.key.new"), "wb");
    (void)fputs("half", file);
    (void)fclose(file);
    expect_whole("keys");
    EXPECT_OK(agent_vault_write(vault, AGENT_VAULT_HOST, mesh_bytes_text("others"), text));
    expect_whole("others");
    file = fopen(path_of("host.key.new"), "wb");
    (void)fclose(file);
    remove_vault(); // it goes with the rest
}

TEST(there_is_one_vault_and_a_second_one_does_not_replace_it) {
    char fresh[AGENT_VAULT_PATH_MAX];
    make_vault();
    EXPECT_OK(agent_vault_begin(place, fresh, text));
    EXPECT_OK(agent_vault_write(fresh, AGENT_VAULT_HOST, mesh_bytes_text("others"), text));
    EXPECT_EQ(-EEXIST, agent_vault_finish(place, fresh, text));
    agent_vault_abandon(fresh);
    expect_whole("keys");
    remove_vault();
    EXPECT_EQ(-ENOENT, agent_vault_check(vault, text));
    EXPECT_TEXT("", text);
}

TEST(who_does_not_let_go_of_the_tickets_stops_nobody_for_long) {
    make_vault();
    int first = agent_vault_lock(vault, text);
    EXPECT_TRUE(first >= 0);
    EXPECT_EQ(-EWOULDBLOCK, agent_vault_lock(vault, text));
    assert_non_null(strstr(text, "is it stopped?"));
    close(first);
    int second = agent_vault_lock(vault, text);
    EXPECT_TRUE(second >= 0);
    close(second);
    remove_vault();
}

TEST(a_vault_that_is_put_aside_is_whole_and_makes_room) {
    char aside[AGENT_VAULT_PATH_MAX], again[AGENT_VAULT_PATH_MAX];
    mesh_bytes out;
    make_vault();
    EXPECT_OK(agent_vault_retire(place, 1800000000, aside, text));
    EXPECT_EQ(-ENOENT, agent_vault_check(vault, text));
    EXPECT_OK(agent_vault_read(aside, AGENT_VAULT_HOST, &out, text));
    agent_vault_free(out);
    EXPECT_EQ(-ENOENT, agent_vault_retire(place, 1800000001, again, text));
    agent_vault_abandon(aside);
    remove_vault();
}
