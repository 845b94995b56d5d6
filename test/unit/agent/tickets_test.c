#include "agent/tickets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sodium.h>

#include "core/control.h"
#include "core/error.h"
#include "test.h"

#define NOW_S UINT64_C(1800000000)

static char place[64], text[AGENT_VAULT_TEXT_MAX], token_text[MESH_TOKEN_LEN_MAX + 1];
static agent_identity *issuer;
static const char *const seeds[] = {"10.0.0.1:7400"};

static void make_issuer(void) {
    const agent_cluster_config config = {.listen = "127.0.0.1:7400"};
    strcpy(place, "/tmp/warren-tickets-XXXXXX");
    assert_non_null(mkdtemp(place));
    agent_new_host keys;
    agent_new_host_make(&keys);
    EXPECT_OK(agent_identity_create_cluster(place, "first", &keys, &config, NOW_S, text));
    EXPECT_OK(agent_identity_load(place, &issuer, text));
}

static const char *path_of(const char *name) {
    static char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", issuer->vault, name);
    return path;
}

static void remove_issuer(void) {
    agent_vault_abandon(issuer->vault);
    agent_identity_free(issuer);
    EXPECT_OK(rmdir(place));
}

static mesh_token create(const agent_ticket_wish *wish) {
    mesh_token token;
    EXPECT_OK(agent_tickets_create(issuer, wish, NOW_S, token_text, text));
    EXPECT_OK(mesh_token_parse(mesh_bytes_text(token_text), &token));
    return token;
}

typedef struct joining {
    agent_new_host keys;
    mesh_enrol *joiner, *listener;
} joining;

static int carry(mesh_enrol *from, mesh_enrol *to) {
    int err = MESH_EAGAIN;
    for (mesh_bytes out; err == MESH_EAGAIN && (out = mesh_enrol_output(from)).len > 0;) {
        size_t len = out.len;
        err = mesh_enrol_receive(to, NOW_S, &out);
        mesh_enrol_sent(from, len);
    }
    return err;
}

static agent_ticket_keys kept;

static int find_ticket(uint64_t id, mesh_ticket_keys *out) {
    const mesh_ticket_keys *found;
    int err = agent_tickets_find(issuer, &kept, id, &found, text);
    if (err == 0) *out = *found;
    return err;
}

// Until the issuer has the request.
static joining ask(const mesh_token *token, const char *name) {
    joining j = {0};
    mesh_ticket_keys ticket;
    agent_new_host_make(&j.keys);
    mesh_enrol_dial_options options = {.token = token,
                                       .name = name,
                                       .ephemeral_secret = {16},
                                       .minor_min = mesh_minors_spoken().min,
                                       .minor_max = mesh_minors_spoken().max};
    memcpy(options.sign_secret, j.keys.sign_secret, sizeof options.sign_secret);
    memcpy(options.link_secret, j.keys.link_secret, sizeof options.link_secret);
    j.joiner = mesh_enrol_dial(&options);
    EXPECT_OK(find_ticket(token->ticket_id, &ticket));
    j.listener =
        mesh_enrol_listen(&issuer->credentials, &ticket, (const uint8_t[MESH_NOISE_KEY_LEN]){24});
    EXPECT_EQ(MESH_EAGAIN, carry(j.joiner, j.listener));
    EXPECT_EQ(MESH_EAGAIN, carry(j.listener, j.joiner));
    EXPECT_OK(carry(j.joiner, j.listener));
    return j;
}

static void end(joining *j) {
    mesh_enrol_destroy(j->joiner);
    mesh_enrol_destroy(j->listener);
}

static const char *name_taken = "";

static bool is_taken(void *user, const char *name, const uint8_t host_id[MESH_ID_LEN]) {
    uint8_t asking[MESH_ID_LEN];
    mesh_host_id_of(mesh_enrol_asked(user)->ed25519, asking);
    assert_memory_equal(asking, host_id, sizeof asking);
    return strcmp(name, name_taken) == 0;
}

static int admit(joining *j, const mesh_token *token, uint64_t now_s) {
    return agent_tickets_admit(
        issuer,
        &(agent_admission){j->listener, token->ticket_id, seeds, 1, now_s, is_taken, j->listener},
        text);
}

TEST(a_token_makes_a_host_of_a_stranger_from_file_to_file) {
    make_issuer();
    mesh_token token = create(&(agent_ticket_wish){.life_s = 60});
    EXPECT_TEXT("127.0.0.1:7400", token.addresses[0]);
    EXPECT_EQ(NOW_S + 60, token.expires_s);
    joining j = ask(&token, "second");
    EXPECT_OK(admit(&j, &token, NOW_S));
    assert_non_null(strstr(text, "let host \"second\""));
    EXPECT_OK(carry(j.listener, j.joiner));
    char other[64] = "/tmp/warren-tickets-XXXXXX";
    agent_identity *member;
    assert_non_null(mkdtemp(other));
    EXPECT_OK(agent_identity_create_member(other, &j.keys, &token.trust,
                                           mesh_enrol_answered(j.joiner), &issuer->config, text));
    EXPECT_OK(agent_identity_load(other, &member, text));
    EXPECT_TEXT("second", member->host.cert.name);
    EXPECT_TEXT("10.0.0.1:7400", member->peers[0]);
    assert_memory_equal(issuer->secret, member->secret, MESH_SECRET_LEN);
    EXPECT_OK(agent_identity_start(member, NOW_S * 1000, text));
    end(&j);
    agent_vault_abandon(member->vault);
    agent_identity_free(member);
    EXPECT_OK(rmdir(other));
    remove_issuer();
}

TEST(a_ticket_is_used_up_before_the_answer_is_out) {
    make_issuer();
    mesh_token token = create(&(agent_ticket_wish){.life_s = 60});
    joining first = ask(&token, "a"), second = ask(&token, "b");
    EXPECT_OK(admit(&first, &token, NOW_S));
    EXPECT_EQ(MESH_EREFUSED, admit(&second, &token, NOW_S)); // not a byte of the first has gone
    assert_non_null(strstr(text, "used before by"));
    EXPECT_EQ(MESH_EREFUSED, carry(second.listener, second.joiner));
    assert_non_null(strstr(mesh_enrol_refusal(second.joiner), "was used already"));
    EXPECT_OK(carry(first.listener, first.joiner));
    end(&first);
    end(&second);
    remove_issuer();
}

TEST(a_ticket_that_cannot_be_marked_lets_nobody_in) {
    make_issuer();
    mesh_token token = create(&(agent_ticket_wish){.life_s = 60});
    joining j = ask(&token, "a");
    EXPECT_OK(mkdir(path_of("tickets.new"), 0700)); // where the new list would be written
    EXPECT_TRUE(admit(&j, &token, NOW_S) < 0);
    assert_non_null(strstr(text, "cannot write "));
    EXPECT_EQ(MESH_EREFUSED, carry(j.listener, j.joiner));
    assert_non_null(strstr(mesh_enrol_refusal(j.joiner), "cannot read or write its tickets"));
    end(&j);
    EXPECT_OK(rmdir(path_of("tickets.new")));
    remove_issuer();
}

TEST(an_expired_ticket_is_known_for_a_day_and_then_forgotten) {
    make_issuer();
    mesh_ticket_keys keys;
    mesh_token token = create(&(agent_ticket_wish){.life_s = 60});
    joining j = ask(&token, "a");
    EXPECT_EQ(MESH_EREFUSED, admit(&j, &token, NOW_S + 61));
    assert_non_null(strstr(text, "has expired"));
    end(&j);
    const agent_ticket_wish wish = {.life_s = 60};
    uint64_t later = NOW_S + 60 + AGENT_TICKET_KEPT_S;
    EXPECT_OK(agent_tickets_create(issuer, &wish, later, token_text, text));
    EXPECT_OK(find_ticket(token.ticket_id, &keys));
    EXPECT_OK(agent_tickets_create(issuer, &wish, later + 1, token_text, text));
    EXPECT_EQ(MESH_ENOTFOUND, find_ticket(token.ticket_id, &keys));
    remove_issuer();
}

TEST(names_and_scopes_of_a_ticket_are_the_hosts) {
    make_issuer();
    const char *const scopes[] = {"serve:db", "call:>"};
    mesh_token token = create(
        &(agent_ticket_wish){.name = "db-1", .scopes = scopes, .scope_count = 2, .life_s = 60});
    joining wrong = ask(&token, "other"), right = ask(&token, "db-1");
    EXPECT_EQ(MESH_EREFUSED, admit(&wrong, &token, NOW_S));
    EXPECT_OK(admit(&right, &token, NOW_S)); // the wrong one has not used it up
    EXPECT_OK(carry(right.listener, right.joiner));
    const mesh_enrol_answer *got = mesh_enrol_answered(right.joiner);
    const mesh_bytes certs[] = {{got->chain[0].bytes, got->chain[0].len},
                                {got->chain[1].bytes, got->chain[1].len}};
    mesh_chain chain;
    EXPECT_OK(mesh_chain_verify(&token.trust, certs, 2, NOW_S, &chain));
    EXPECT_TEXT("db-1", chain.host.name);
    EXPECT_EQ(2, chain.host.scope_count);
    EXPECT_TEXT("call:>", chain.host.scopes[1]);
    end(&wrong);
    end(&right);
    remove_issuer();
}

TEST(a_name_that_a_host_has_is_refused_and_the_ticket_stays_good) {
    make_issuer();
    mesh_token token = create(&(agent_ticket_wish){.life_s = 60});
    joining ada = ask(&token, "ada"), bob = ask(&token, "bob");
    name_taken = "ada";
    EXPECT_EQ(MESH_EREFUSED, admit(&ada, &token, NOW_S));
    assert_non_null(strstr(text, "a host named ada is in the cluster already"));
    EXPECT_EQ(MESH_EREFUSED, carry(ada.listener, ada.joiner));
    assert_non_null(strstr(mesh_enrol_refusal(ada.joiner), "choose another --name"));
    EXPECT_OK(admit(&bob, &token, NOW_S));
    name_taken = "";
    end(&ada);
    end(&bob);
    remove_issuer();
}

static void expect_unmade(const agent_ticket_wish *wish, const char *has) {
    EXPECT_EQ(MESH_EINVAL, agent_tickets_create(issuer, wish, NOW_S, token_text, text));
    assert_non_null(strstr(text, has));
}

TEST(what_no_certificate_could_say_is_refused_when_the_token_is_made) {
    make_issuer();
    const char *bad = "serves:db", *many[MESH_SCOPES_MAX];
    for (size_t i = 0; i < MESH_SCOPES_MAX; i++)
        many[i] = "subscribe:abcdefghijklmnopqrstuvwxyz";
    expect_unmade(&(agent_ticket_wish){.name = "a b"}, "not \"a b\"");
    expect_unmade(&(agent_ticket_wish){.name = ""}, "a host's name is");
    expect_unmade(&(agent_ticket_wish){.scopes = &bad, .scope_count = 1}, "not \"serves:db\"");
    expect_unmade(&(agent_ticket_wish){.scopes = many, .scope_count = MESH_SCOPES_MAX}, "too long");
    EXPECT_EQ(-1, access(path_of(AGENT_VAULT_TICKETS), F_OK));
    issuer->is_issuer = false;
    expect_unmade(&(agent_ticket_wish){0}, "has no issuer.key");
    remove_issuer();
}

TEST(at_most_64_tickets_are_open_and_those_that_are_over_make_room) {
    make_issuer();
    const agent_ticket_wish wish = {.life_s = 60};
    mesh_token first = create(&wish);
    for (int i = 1; i < AGENT_TICKETS_MAX; i++)
        (void)create(&wish);
    expect_unmade(&wish, "64 are open already");
    joining j = ask(&first, "a");
    EXPECT_OK(admit(&j, &first, NOW_S));
    end(&j);
    (void)create(&wish); // in the place of the one that was used
    expect_unmade(&wish, "64 are open already");
    EXPECT_OK(
        agent_tickets_create(issuer, &wish, NOW_S + 61, token_text, text)); // all have expired
    remove_issuer();
}

TEST(the_secret_of_a_ticket_is_in_no_file) {
    make_issuer();
    mesh_token token = create(&(agent_ticket_wish){.life_s = 60});
    uint8_t bytes[4096];
    FILE *file = fopen(path_of(AGENT_VAULT_TICKETS), "rb");
    size_t len = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    EXPECT_TRUE(len > 0 && memmem(bytes, len, token.secret, sizeof token.secret) == NULL);
    remove_issuer();
}

TEST(tokens_made_at_once_by_several_processes_are_all_kept) {
    enum { PROCESSES = 4, EACH = 8 };
    make_issuer();
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() != 0) continue;
        for (int n = 0; n < EACH; n++)
            if (agent_tickets_create(issuer, &(agent_ticket_wish){.life_s = 60}, NOW_S, token_text,
                                     text) != 0)
                _exit(1);
        _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        EXPECT_TRUE(wait(&status) > 0);
        EXPECT_EQ(0, status);
    }
    for (int i = PROCESSES * EACH; i < AGENT_TICKETS_MAX; i++)
        (void)create(&(agent_ticket_wish){.life_s = 60});
    expect_unmade(&(agent_ticket_wish){.life_s = 60}, "64 are open already"); // so all are there
    remove_issuer();
}

TEST(damaged_tickets_are_told_and_lost_ones_are_none) {
    mesh_ticket_keys keys;
    make_issuer();
    mesh_token token = create(&(agent_ticket_wish){.life_s = 60});
    FILE *file = fopen(path_of(AGENT_VAULT_TICKETS), "r+b");
    (void)fputs("x", file);
    (void)fclose(file);
    EXPECT_EQ(-EBADMSG, find_ticket(token.ticket_id, &keys));
    assert_non_null(strstr(text, "remove it: tokens that were handed out"));
    EXPECT_OK(unlink(path_of(AGENT_VAULT_TICKETS)));
    EXPECT_EQ(MESH_ENOTFOUND, find_ticket(token.ticket_id, &keys));
    remove_issuer();
}

// Bytes that this process has read.
static unsigned long long read_len(void) {
    unsigned long long len = 0;
    FILE *file = fopen("/proc/self/io", "r");
    assert_non_null(file);
    EXPECT_EQ(1, fscanf(file, "rchar: %llu", &len));
    (void)fclose(file);
    return len;
}

TEST(the_file_is_read_again_only_when_it_is_another_one) {
    make_issuer();
    mesh_ticket_keys keys;
    mesh_token first = create(&(agent_ticket_wish){.life_s = 60});
    EXPECT_OK(find_ticket(first.ticket_id, &keys));
    unsigned long long before = read_len();
    for (int i = 0; i < 1000; i++)
        EXPECT_EQ(MESH_ENOTFOUND, find_ticket(7, &keys));
    EXPECT_TRUE(read_len() - before < 1000); // what read_len itself reads
    mesh_token second = create(&(agent_ticket_wish){.life_s = 60});
    EXPECT_OK(find_ticket(second.ticket_id, &keys));
    EXPECT_OK(find_ticket(first.ticket_id, &keys));
    remove_issuer();
}
