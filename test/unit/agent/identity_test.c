#include "agent/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "core/error.h"
#include "test.h"

#define DAY_S        UINT64_C(86400)
#define NOW_S        UINT64_C(1800000000)
#define NOW_MS       (NOW_S * 1000)
#define TWO_THIRDS_S (MESH_HOST_LIFE_S / 3 * UINT64_C(2))

static char place[64], text[AGENT_VAULT_TEXT_MAX];
static agent_new_host keys;
static const agent_cluster_config config = {.listen = "127.0.0.1:7400"};

static void make_state(void) {
    strcpy(place, "/tmp/warren-identity-XXXXXX");
    assert_non_null(mkdtemp(place));
    agent_new_host_make(&keys);
}

static void make_cluster(void) {
    make_state();
    EXPECT_OK(agent_identity_create_cluster(place, "first", &keys, &config, NOW_S, text));
}

static void remove_state(void) {
    char vault[AGENT_VAULT_PATH_MAX];
    agent_vault_path(place, vault);
    agent_vault_abandon(vault);
    EXPECT_OK(rmdir(place)); // and nothing else is left
}

static agent_identity *load(void) {
    agent_identity *id = NULL;
    int err = agent_identity_load(place, &id, text);
    if (err != 0) (void)fprintf(stderr, "%s\n", text);
    EXPECT_OK(err);
    return id;
}

static const char *path_of(const char *name) {
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/cluster/%s", place, name);
    return path;
}

// Two agents' credentials, over the handshake that links have.
static int shake(const mesh_credentials *dialler, const mesh_cert *listener_cert,
                 const mesh_credentials *listener) {
    mesh_handshake_options options = {
        .self = dialler, .is_dialler = true, .kind = MESH_KIND_AGENT, .ephemeral_secret = {16}};
    memcpy(options.peer_host_id, listener_cert->host_id, MESH_ID_LEN);
    mesh_handshake *ends[2] = {mesh_handshake_create(&options),
                               mesh_handshake_create(&(mesh_handshake_options){
                                   .self = listener, .ephemeral_secret = {24}})};
    int err = MESH_EAGAIN;
    for (int from = 0, turn = 0; turn < 3; turn++, from = !from) {
        mesh_bytes out = mesh_handshake_output(ends[from]);
        size_t len = out.len;
        err = mesh_handshake_receive(ends[!from], NOW_S, &out);
        mesh_handshake_sent(ends[from], len);
        if (err != 0 && err != MESH_EAGAIN) break;
    }
    mesh_handshake_destroy(ends[0]);
    mesh_handshake_destroy(ends[1]);
    return err;
}

TEST(the_first_host_of_a_cluster_has_all_that_it_needs) {
    make_cluster();
    agent_identity *id = load();
    EXPECT_TRUE(id->is_issuer);
    EXPECT_TEXT("first", id->host.cert.name);
    EXPECT_TEXT("127.0.0.1:7400", id->config.listen);
    EXPECT_EQ(0, id->peer_count);
    EXPECT_EQ(NOW_S + MESH_HOST_LIFE_S, id->host.cert.not_after_s);
    EXPECT_EQ(NOW_S + MESH_ISSUER_LIFE_S, id->issuer.cert.not_after_s);
    EXPECT_OK(agent_identity_start(id, NOW_MS, text));
    EXPECT_EQ(NOW_MS, id->credentials.boot_id);
    EXPECT_OK(shake(&id->credentials, &id->host.cert, &id->credentials));
    agent_identity_free(id);
    remove_state();
}

TEST(keys_stay_and_two_clusters_have_nothing_in_common) {
    make_cluster();
    agent_identity *a = load(), *again = load();
    assert_memory_equal(a->host.secret, again->host.secret, MESH_SIGN_SECRET_LEN);
    assert_memory_equal(a->secret, again->secret, MESH_SECRET_LEN);
    remove_state();
    make_cluster();
    agent_identity *b = load();
    EXPECT_TRUE(memcmp(a->secret, b->secret, MESH_SECRET_LEN) != 0);
    EXPECT_EQ(MESH_ESEAL, shake(&a->credentials, &b->host.cert, &b->credentials));
    b->credentials.trust = a->credentials.trust;
    agent_identity_free(a);
    agent_identity_free(again);
    agent_identity_free(b);
    remove_state();
}

TEST(without_a_cluster_there_is_no_identity_and_no_sentence) {
    agent_identity *id = NULL;
    make_state();
    EXPECT_EQ(-ENOENT, agent_identity_load(place, &id, text));
    EXPECT_TEXT("", text);
    EXPECT_TRUE(id == NULL);
    EXPECT_OK(rmdir(place));
}

TEST(a_second_init_is_refused_and_a_wrong_name_leaves_nothing) {
    make_cluster();
    EXPECT_EQ(-EEXIST, agent_identity_create_cluster(place, "x", &keys, &config, NOW_S, text));
    assert_non_null(strstr(text, "in a cluster already"));
    agent_identity *id = load();
    EXPECT_TEXT("first", id->host.cert.name);
    agent_identity_free(id);
    remove_state();
    make_state();
    EXPECT_EQ(-EINVAL, agent_identity_create_cluster(place, "a b", &keys, &config, NOW_S, text));
    assert_non_null(strstr(text, "not \"a b\""));
    EXPECT_OK(rmdir(place));
}

TEST(generations_rise_and_are_never_below_the_clock) {
    make_cluster();
    static const struct {
        uint64_t wall_ms, want;
    } lives[] = {{NOW_MS, NOW_MS},
                 {NOW_MS, NOW_MS + 1}, // twice within a millisecond
                 {NOW_MS + 9, NOW_MS + 9},
                 {NOW_MS - 60000, NOW_MS + 10}}; // the clock was put back
    for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
        agent_identity *id = load();
        EXPECT_EQ(0, id->generation);
        EXPECT_OK(agent_identity_start(id, lives[i].wall_ms, text));
        EXPECT_TRUE(lives[i].want == id->generation);
        agent_identity_free(id);
    }
    agent_identity *id = load();
    EXPECT_OK(agent_identity_start(id, NOW_MS, text));
    EXPECT_OK(agent_identity_keep_generation(id, NOW_MS + 500, text)); // membership raised it
    EXPECT_OK(agent_identity_keep_generation(id, NOW_MS + 400, text));
    EXPECT_TRUE(id->generation == NOW_MS + 500);
    agent_identity_free(id);
    id = load();
    EXPECT_OK(agent_identity_start(id, NOW_MS, text));
    EXPECT_TRUE(id->generation == NOW_MS + 501);
    agent_identity_free(id);
    remove_state();
}

TEST(a_lost_or_damaged_file_is_told_and_never_made_anew) {
    static const char *const names[] = {AGENT_VAULT_HOST, AGENT_VAULT_ISSUER,
                                        AGENT_VAULT_GENERATION, AGENT_VAULT_PEERS,
                                        AGENT_VAULT_CONFIG};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        agent_identity *id = NULL;
        make_cluster();
        FILE *file = fopen(path_of(names[i]), "r+b");
        (void)fputs("x", file);
        (void)fclose(file);
        EXPECT_EQ(-EBADMSG, agent_identity_load(place, &id, text));
        assert_non_null(strstr(text, names[i]));
        EXPECT_OK(chmod(path_of(names[i]), 0644));
        EXPECT_EQ(-EPERM, agent_identity_load(place, &id, text));
        EXPECT_OK(unlink(path_of(names[i])));
        // Who has lost its issuer's key is none any more; peers are found again.
        bool is_needed = names[i] != names[1] && names[i] != names[3];
        EXPECT_EQ(is_needed ? -EBADMSG : 0, agent_identity_load(place, &id, text));
        if (!is_needed) EXPECT_EQ(i != 1, id->is_issuer);
        agent_identity_free(id);
        remove_state();
    }
}

TEST(keys_and_certificate_of_two_hosts_are_no_host) {
    char other[64];
    uint8_t bytes[2][2048];
    size_t len[2];
    make_cluster();
    memcpy(other, place, sizeof place);
    make_cluster();
    // The issuer's key of one cluster in the directory of another: a whole file, and wrong.
    char from[128];
    (void)snprintf(from, sizeof from, "%s/cluster/%s", other, AGENT_VAULT_ISSUER);
    FILE *file = fopen(from, "rb");
    len[0] = fread(bytes[0], 1, sizeof bytes[0], file);
    (void)fclose(file);
    file = fopen(path_of(AGENT_VAULT_ISSUER), "wb");
    len[1] = fwrite(bytes[0], 1, len[0], file);
    (void)fclose(file);
    EXPECT_EQ(len[0], len[1]);
    agent_identity *id = NULL;
    EXPECT_EQ(-EBADMSG, agent_identity_load(place, &id, text));
    assert_non_null(strstr(text, "makes no sense"));
    remove_state();
    memcpy(place, other, sizeof place);
    remove_state();
}

TEST(an_issuer_renews_itself_after_two_thirds_of_a_week_and_later) {
    static const uint64_t ages_s[] = {TWO_THIRDS_S, 30 * DAY_S}; // on time; long off
    for (size_t i = 0; i < 2; i++) {
        make_cluster();
        agent_identity *id = load();
        EXPECT_OK(agent_identity_renew_own(id, NOW_S + TWO_THIRDS_S - 1, text));
        EXPECT_EQ(NOW_S, id->host.cert.not_before_s); // not yet
        EXPECT_OK(agent_identity_start(id, (NOW_S + ages_s[i]) * 1000, text));
        EXPECT_EQ(NOW_S + ages_s[i], id->host.cert.not_before_s);
        agent_identity_free(id);
        id = load(); // and kept it
        EXPECT_EQ(NOW_S + ages_s[i], id->host.cert.not_before_s);
        agent_identity_free(id);
        remove_state();
    }
    make_cluster();
    agent_identity *id = load();
    EXPECT_EQ(MESH_ECERTTIME,
              agent_identity_start(id, (NOW_S + MESH_ISSUER_LIFE_S + 1) * 1000, text));
    assert_non_null(strstr(text, "the certificate of this issuer is valid from 2027-01-15"));
    agent_identity_free(id);
    remove_state();
}

// Makes a second host of the cluster in `place`, which is then the one of that host; gives the
// first.
static agent_identity *add_member(char first[64]) {
    agent_identity *issuer = load();
    agent_new_host made;
    mesh_enrol_answer answer = {.psk_id = 1, .seeds = {"10.0.0.1:7400"}, .seed_count = 1};
    mesh_cert wanted = {.name = "second", .scopes = {"*"}, .scope_count = 1};
    agent_new_host_make(&made);
    (void)crypto_sign_ed25519_sk_to_pk(wanted.ed25519, made.sign_secret);
    (void)crypto_scalarmult_base(wanted.x25519, made.link_secret);
    EXPECT_OK(agent_identity_renew_host(issuer, &wanted, NOW_S, answer.chain));
    memcpy(answer.secret, issuer->secret, MESH_SECRET_LEN);
    memcpy(first, place, sizeof place);
    make_state();
    EXPECT_OK(agent_identity_create_member(place, &made, &issuer->credentials.trust, &answer,
                                           &config, text));
    EXPECT_EQ(-EEXIST, agent_identity_create_member(place, &made, &issuer->credentials.trust,
                                                    &answer, &config, text));
    return issuer;
}

TEST(a_member_links_with_the_first_host_and_gets_its_certificate_renewed) {
    char first[64];
    mesh_signed chain[2];
    make_cluster();
    agent_identity *issuer = add_member(first), *member = load();
    EXPECT_FALSE(member->is_issuer);
    EXPECT_EQ(1, member->peer_count);
    EXPECT_TEXT("10.0.0.1:7400", member->peers[0]);
    EXPECT_OK(agent_identity_start(member, NOW_MS, text));
    EXPECT_OK(shake(&member->credentials, &issuer->host.cert, &issuer->credentials));
    EXPECT_OK(shake(&issuer->credentials, &member->host.cert, &member->credentials));
    EXPECT_EQ(MESH_EINVAL, agent_identity_renew_host(member, &member->host.cert, NOW_S, chain));

    EXPECT_OK(agent_identity_renew_host(issuer, &member->host.cert, NOW_S + 5 * DAY_S, chain));
    EXPECT_OK(agent_identity_take_chain(member, chain, NOW_S + 5 * DAY_S, text));
    EXPECT_EQ(NOW_S + 12 * DAY_S, member->host.cert.not_after_s);
    EXPECT_EQ(chain[1].len, member->credentials.chain[1].len);
    assert_memory_equal(chain[1].bytes, member->credentials.chain[1].data, chain[1].len);
    agent_identity_free(member);
    member = load();
    EXPECT_EQ(NOW_S + 12 * DAY_S, member->host.cert.not_after_s);

    // Another host's is no use to it, and nothing changes.
    EXPECT_OK(agent_identity_renew_host(issuer, &issuer->host.cert, NOW_S, chain));
    EXPECT_EQ(MESH_ECERT, agent_identity_take_chain(member, chain, NOW_S, text));
    EXPECT_EQ(NOW_S + 12 * DAY_S, member->host.cert.not_after_s);
    agent_identity_free(member);
    agent_identity_free(issuer);
    remove_state();
    memcpy(place, first, sizeof place);
    remove_state();
}

TEST(a_member_that_was_off_for_too_long_says_so) {
    char first[64];
    make_cluster();
    agent_identity *issuer = add_member(first), *member = load();
    EXPECT_EQ(MESH_ECERTTIME, agent_identity_start(member, NOW_MS + 8 * DAY_S * 1000, text));
    assert_non_null(strstr(text, "join again with a new token"));
    EXPECT_EQ(0, member->generation);
    agent_identity_free(member);
    agent_identity_free(issuer);
    remove_state();
    memcpy(place, first, sizeof place);
    remove_state();
}

TEST(a_node_gets_a_certificate_of_its_host) {
    make_cluster();
    agent_identity *id = load();
    mesh_signed node;
    mesh_chain chain;
    EXPECT_OK(agent_identity_issue_node(id, 5, "app.0", id->host.cert.x25519, NOW_S, &node));
    const mesh_bytes certs[] = {id->chain[0], id->chain[1], {node.bytes, node.len}};
    EXPECT_OK(mesh_chain_verify(&id->credentials.trust, certs, 3, NOW_S, &chain));
    EXPECT_EQ(mesh_node_id_of(chain.host.host_id, 5), chain.node.node_id);
    EXPECT_TEXT("app.0", chain.node.name);
    agent_identity_free(id);
    remove_state();
}

TEST(peers_are_kept) {
    make_cluster();
    agent_identity *id = load();
    const char *peers[] = {"a:1", "[::1]:2"};
    EXPECT_OK(agent_identity_save_peers(id->vault, peers, 2, text));
    agent_identity_free(id);
    id = load();
    EXPECT_EQ(2, id->peer_count);
    EXPECT_TEXT("[::1]:2", id->peers[1]);
    agent_identity_free(id);
    remove_state();
}

TEST(config_says_what_is_wrong_with_it) {
    static const char *const bad[][2] = {
        {"{}", "\"listen\" is no IP address"},
        {"{\"listen\": \"h:1\"}", "\"listen\" is no IP address"},
        {"{\"listen\": \"1.2.3.4:1\", \"advertise\": 5}", "\"advertise\" is no host"},
        {"{\"listen\": \"1.2.3.4:1\"", "it is no JSON object"},
        {"[]", "it is no JSON object"},
        {"{\"listen\": \"1.2.3.4:1\", \"discover\": [\"x\"]}", "\"discover\": "},
        {"{\"listen\": \"1.2.3.4:1\", \"suspicion_ms\": 1}", "no setting \"suspicion_ms\""}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        agent_identity *id = NULL;
        make_cluster();
        FILE *file = fopen(path_of(AGENT_VAULT_CONFIG), "wb");
        (void)fputs(bad[i][0], file);
        (void)fclose(file);
        EXPECT_EQ(-EBADMSG, agent_identity_load(place, &id, text));
        assert_non_null(strstr(text, bad[i][1]));
        remove_state();
    }
}

TEST(others_reach_this_host_where_it_says_or_listens) {
    char out[MESH_TOKEN_ADDRESSES_MAX][MESH_ADDRESS_LEN_MAX + 1];
    agent_cluster_config c = {.listen = "0.0.0.0:7400", .advertise = "db.example.com:1"};
    EXPECT_EQ(1, agent_cluster_addresses(&c, out));
    EXPECT_TEXT("db.example.com:1", out[0]);
    c = (agent_cluster_config){.listen = "[::1]:7"};
    EXPECT_EQ(1, agent_cluster_addresses(&c, out));
    EXPECT_TEXT("[::1]:7", out[0]);
    c = (agent_cluster_config){.listen = "0.0.0.0:7401"};
    size_t count = agent_cluster_addresses(&c, out); // of the cards that there are
    for (size_t i = 0; i < count; i++) {
        EXPECT_TRUE(agent_is_listen_address(out[i]));
        assert_non_null(strstr(out[i], ":7401"));
        EXPECT_TRUE(strncmp(out[i], "127.", 4) != 0);
    }
}

// The root key, where an operator would have put it.
static void make_moved_root(char moved[64], char root[160]) {
    (void)snprintf(moved, 64, "/tmp/warren-safe-XXXXXX");
    assert_non_null(mkdtemp(moved));
    (void)snprintf(root, 160, "%s/root.key", moved);
    EXPECT_OK(rename(path_of(AGENT_VAULT_ROOT), root));
}

TEST(the_root_key_renews_the_issuer_and_nobody_elses_does) {
    char moved[64], root[160], other[64];
    make_cluster();
    agent_identity *id = load();
    make_moved_root(moved, root);
    uint64_t later_s = NOW_S + 300 * DAY_S;
    EXPECT_OK(agent_identity_renew_issuer(id, root, later_s, text));
    agent_identity_free(id);
    id = load();
    EXPECT_EQ(later_s + MESH_ISSUER_LIFE_S, id->issuer.cert.not_after_s);
    EXPECT_EQ(later_s + MESH_HOST_LIFE_S, id->host.cert.not_after_s);
    EXPECT_OK(agent_identity_start(id, later_s * 1000, text));
    EXPECT_OK(unlink(root));
    EXPECT_TRUE(agent_identity_renew_issuer(id, root, later_s, text) == -ENOENT);
    assert_non_null(strstr(text, "is this where it was put"));
    EXPECT_EQ(-EINVAL, agent_identity_renew_issuer(id, "/etc/passwd", later_s, text));
    agent_identity_free(id);

    // Another cluster's root key.
    memcpy(other, place, sizeof place);
    make_cluster();
    id = load();
    char wrong[160];
    (void)snprintf(wrong, sizeof wrong, "%s/cluster/root.key", place);
    agent_identity *first = load();
    memcpy(first->vault, id->vault, sizeof first->vault);
    first->credentials.trust.roots[0][0] ^= 1;
    EXPECT_EQ(-EBADMSG, agent_identity_renew_issuer(first, wrong, later_s, text));
    assert_non_null(strstr(text, "the key of another cluster"));
    agent_identity_free(first);
    agent_identity_free(id);
    remove_state();
    memcpy(place, other, sizeof place);
    remove_state();
    EXPECT_OK(rmdir(moved));
}
