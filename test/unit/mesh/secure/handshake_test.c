#include "secure/handshake.h"

#include "core/error.h"
#include "pki.h"
#include "test.h"

enum { DIALLER_HOST = 10, LISTENER_HOST, DIALLER_LINK = 16, LISTENER_LINK = 24, WIRE_MAX = 16384 };

typedef struct party {
    mesh_cert host, node;
    uint8_t bytes[MESH_CHAIN_MAX][MESH_CERT_LEN_MAX];
    mesh_bytes chain[MESH_CHAIN_MAX];
    mesh_credentials self;
} party;

typedef struct link {
    party dialler, listener;
    mesh_link_kind kind;
    uint8_t wanted_host[MESH_ID_LEN];
    uint64_t wanted_node;
    const mesh_ticket_keys *dialler_ticket, *listener_ticket;
    mesh_handshake *dial, *listen;
} link;

static void sign(party *p, int at, const mesh_cert *cert, uint8_t signer) {
    p->chain[at] = pki_issue(cert, signer, p->bytes[at]);
}

static void make_party(party *p, uint8_t host_key, uint8_t link_key, uint64_t number) {
    mesh_cert issuer = pki_cert(MESH_ROLE_ISSUER, PKI_ISSUER, 0);
    p->host = pki_cert(MESH_ROLE_HOST, host_key, link_key);
    p->node = pki_cert(MESH_ROLE_NODE, host_key, link_key);
    p->node.node_number = number;
    p->self =
        (mesh_credentials){.chain = p->chain,
                           .chain_count = number == 0 ? 2 : 3,
                           .link_secret = {link_key},
                           .link_psk = {11},
                           .knock_key = {12},
                           .psk_id = 1,
                           .trust = pki_trust(),
                           .node_id = number == 0 ? 0 : mesh_node_id_of(p->host.host_id, number),
                           .boot_id = 1000 + host_key,
                           .minor_min = 1,
                           .minor_max = 2,
                           .features_offered = 5};
    memcpy(p->self.cluster_id, p->host.cluster_id, MESH_ID_LEN);
    sign(p, 0, &issuer, PKI_ROOT);
    sign(p, 1, &p->host, PKI_ISSUER);
    if (number != 0) sign(p, 2, &p->node, host_key);
}

// Agents when the ids are 0. The tests spoil what they want spoilt, then run.
static void make(link *l, uint64_t dialler_number, uint64_t listener_number) {
    *l = (link){.kind = listener_number != 0 ? MESH_KIND_NODE : MESH_KIND_AGENT};
    make_party(&l->dialler, DIALLER_HOST, DIALLER_LINK, dialler_number);
    make_party(&l->listener, LISTENER_HOST, LISTENER_LINK, listener_number);
    l->wanted_node = l->listener.self.node_id;
    memcpy(l->wanted_host, l->listener.host.host_id, MESH_ID_LEN);
}

static void begin(link *l) {
    mesh_handshake_options options = {.self = &l->dialler.self,
                                      .is_dialler = true,
                                      .ephemeral_secret = {21},
                                      .kind = l->kind,
                                      .salt = 99,
                                      .peer_node_id = l->wanted_node,
                                      .ticket = l->dialler_ticket};
    memcpy(options.peer_host_id, l->wanted_host, MESH_ID_LEN);
    l->dial = mesh_handshake_create(&options);
    l->listen = mesh_handshake_create(&(mesh_handshake_options){
        .self = &l->listener.self, .ephemeral_secret = {22}, .ticket = l->listener_ticket});
}

static void end(link *l) {
    mesh_handshake_destroy(l->dial);
    mesh_handshake_destroy(l->listen);
}

typedef struct tap { // changes byte `at` of flight `flight`; the default changes nothing
    int flight;
    size_t at;
    uint8_t mask;
    size_t seen[3]; // lengths of the flights
} tap;

static int carry(mesh_handshake *from, mesh_handshake *to, tap *t, int flight) {
    uint8_t wire[WIRE_MAX];
    mesh_bytes out = mesh_handshake_output(from);
    memcpy(wire, out.data, out.len);
    if (t != NULL) t->seen[flight] = out.len;
    if (t != NULL && t->flight == flight && t->at < out.len) wire[t->at] ^= t->mask;
    mesh_bytes input = {wire, out.len};
    mesh_handshake_sent(from, out.len);
    int err = mesh_handshake_receive(to, PKI_NOW_S, &input);
    if (err == 0) EXPECT_EQ(0, input.len);
    return err;
}

typedef struct outcome {
    int dialler, listener;
} outcome;

static outcome run(link *l, tap *t) {
    begin(l);
    outcome o = {MESH_EAGAIN, carry(l->dial, l->listen, t, 0)};
    if (o.listener == MESH_EAGAIN) o.dialler = carry(l->listen, l->dial, t, 1);
    if (o.dialler == 0) o.listener = carry(l->dial, l->listen, t, 2);
    // Whoever has failed has said nothing more.
    if (o.listener != 0 && o.listener != MESH_EAGAIN)
        EXPECT_EQ(0, mesh_handshake_output(l->listen).len);
    if (o.dialler != 0 && o.dialler != MESH_EAGAIN)
        EXPECT_EQ(0, mesh_handshake_output(l->dial).len);
    return o;
}

static void expect_refused(link *l, int dialler, int listener) {
    outcome o = run(l, NULL);
    EXPECT_EQ(dialler, o.dialler);
    EXPECT_EQ(listener, o.listener);
    end(l);
}

static void expect_linked(link *l) {
    outcome o = run(l, NULL);
    EXPECT_EQ(0, o.dialler);
    EXPECT_EQ(0, o.listener);
}

TEST(two_nodes_know_each_other_and_share_keys) {
    link l;
    make(&l, 7, 8);
    expect_linked(&l);
    const mesh_identity *who = mesh_handshake_peer(l.listen);
    EXPECT_EQ(7, mesh_chain_leaf(&who->chain)->node_number);
    EXPECT_EQ(1000 + DIALLER_HOST, who->boot_id);
    EXPECT_EQ(2, who->minor);
    EXPECT_EQ(5, who->features);
    EXPECT_EQ(8, mesh_chain_leaf(&mesh_handshake_peer(l.dial)->chain)->node_number);
    EXPECT_EQ(MESH_KIND_NODE, mesh_handshake_kind(l.listen));
    mesh_cipher send[2], receive[2];
    mesh_handshake_split(l.dial, &send[0], &receive[0]);
    mesh_handshake_split(l.listen, &send[1], &receive[1]);
    for (int from = 0; from < 2; from++) {
        uint8_t record[2 + MESH_CIPHER_TAG_LEN] = "hi";
        EXPECT_OK(mesh_cipher_seal(&send[from], (mesh_bytes){0}, record, 2));
        EXPECT_OK(mesh_cipher_open(&receive[1 - from], (mesh_bytes){0}, record, sizeof record));
    }
    end(&l);
}

TEST(agents_and_administrators_get_their_links_and_nobody_gets_anothers) {
    link l;
    make(&l, 0, 0);
    expect_linked(&l);
    end(&l);
    make(&l, 0, 0);
    l.kind = MESH_KIND_ADMIN; // a host is no administrator
    expect_refused(&l, 0, MESH_EWRONGPEER);
    make(&l, 0, 0);
    l.kind = MESH_KIND_ADMIN;
    l.dialler.host.role = MESH_ROLE_ADMIN;
    sign(&l.dialler, 1, &l.dialler.host, PKI_ISSUER);
    expect_linked(&l);
    end(&l);
    make(&l, 0, 0);
    l.dialler.host.role = MESH_ROLE_ADMIN; // nor an administrator a host
    sign(&l.dialler, 1, &l.dialler.host, PKI_ISSUER);
    expect_refused(&l, 0, MESH_EWRONGPEER);
    make(&l, 7, 0); // a node at an agent's door
    expect_refused(&l, 0, MESH_EWRONGPEER);
    make(&l, 0, 8); // an agent at a node's
    expect_refused(&l, 0, MESH_EWRONGPEER);
}

TEST(only_an_enrolment_comes_without_a_certificate_and_it_opens_no_other_door) {
    link l;
    mesh_ticket_keys ticket;
    mesh_ticket_keys_of(5, (const uint8_t[MESH_SECRET_LEN]){1}, &ticket);
    make(&l, 0, 0);
    l.dialler.self.chain_count = 0;
    expect_refused(&l, 0, MESH_ECERT); // an agent without
    make(&l, 0, 0);
    l.kind = MESH_KIND_ENROL;
    l.dialler_ticket = l.listener_ticket = &ticket;
    expect_refused(&l, 0, MESH_ECERT); // an enrolment with
    l.dialler.self.chain_count = 0;
    expect_linked(&l);
    EXPECT_EQ(MESH_KIND_ENROL, mesh_handshake_kind(l.listen));
    assert_memory_equal(mesh_handshake_hash(l.dial), mesh_handshake_hash(l.listen),
                        MESH_NOISE_HASH_LEN);
    assert_memory_equal(l.dialler.host.x25519, mesh_handshake_peer_key(l.listen),
                        MESH_LINK_KEY_LEN);
    end(&l);
    l.dialler_ticket = NULL; // the cluster's keys at a ticket's door
    l.kind = MESH_KIND_AGENT;
    expect_refused(&l, MESH_EAGAIN, MESH_ESEAL);
    l.kind = MESH_KIND_ENROL; // and a ticket's at the cluster's
    l.dialler_ticket = &ticket;
    l.listener_ticket = NULL;
    expect_refused(&l, MESH_EAGAIN, MESH_ESEAL);
    // Not even if they had one key and one number.
    memcpy(ticket.knock_key, l.listener.self.knock_key, MESH_KNOCK_KEY_LEN);
    ticket.id = 0;
    expect_refused(&l, MESH_EAGAIN, MESH_EWRONGPEER);
    l.listener_ticket = &ticket;
    l.dialler_ticket = NULL;
    l.kind = MESH_KIND_AGENT;
    expect_refused(&l, MESH_EAGAIN, MESH_EWRONGPEER);
}

TEST(every_changed_byte_of_every_flight_ends_it) {
    link l;
    tap t = {.flight = -1};
    make(&l, 7, 8);
    EXPECT_EQ(0, run(&l, &t).listener);
    end(&l);
    size_t lens[3];
    memcpy(lens, t.seen, sizeof lens);
    EXPECT_EQ(MESH_KNOCK_LEN, lens[0]);
    for (t.flight = 0; t.flight < 3; t.flight++) {
        for (t.at = 0; t.at < lens[t.flight]; t.at++) {
            t.mask = (uint8_t)(1 << t.at % 8);
            outcome o = run(&l, &t);
            // A length that grew makes the reader wait: the driver's time-out ends that.
            EXPECT_TRUE(o.listener != 0);
            EXPECT_TRUE(o.dialler != 0 || t.flight == 2);
            end(&l);
        }
    }
}

TEST(a_stranger_gets_not_a_byte) {
    link l;
    make(&l, 7, 8);
    l.dialler.self.knock_key[0] ^= 1;
    expect_refused(&l, MESH_EAGAIN, MESH_ESEAL);
    make(&l, 7, 8);
    l.dialler.self.cluster_id[0] ^= 1; // the transcript differs
    expect_refused(&l, MESH_EAGAIN, MESH_ESEAL);
}

TEST(the_knock_is_judged_by_ninety_bytes_and_not_by_one_less) {
    link l;
    make(&l, 7, 8);
    begin(&l);
    mesh_bytes out = mesh_handshake_output(l.dial);
    for (size_t len = 0; len < out.len; len++) {
        mesh_bytes input = {out.data, len};
        EXPECT_EQ(MESH_EAGAIN, mesh_handshake_receive(l.listen, PKI_NOW_S, &input));
        EXPECT_EQ(len, input.len); // all of it is asked for again
        EXPECT_EQ(0, mesh_handshake_output(l.listen).len);
    }
    mesh_preamble preamble;
    EXPECT_OK(mesh_knock_judge(out.data, l.listener.self.knock_key, &preamble));
    EXPECT_EQ(l.wanted_node, preamble.target);
    EXPECT_EQ(99, preamble.salt);
    mesh_preamble peeked;
    EXPECT_OK(mesh_knock_peek(out.data, &peeked));
    EXPECT_EQ(l.wanted_node, peeked.target);
    EXPECT_EQ(MESH_KIND_NODE, peeked.kind);
    end(&l);
}

TEST(who_has_the_knock_key_but_not_the_cluster_key_fails_at_its_end) {
    link l;
    make(&l, 7, 8);
    l.dialler.self.link_psk[0] ^= 1;
    expect_refused(&l, 0, MESH_ESEAL);
}

TEST(a_dialler_takes_nobody_else) {
    link l;
    make(&l, 7, 8);
    l.wanted_host[0] ^= 1;
    expect_refused(&l, MESH_EWRONGPEER, MESH_EAGAIN);
    make(&l, 7, 8);
    l.wanted_node = 9; // the agent would not hand it to us
    expect_refused(&l, MESH_EAGAIN, MESH_EWRONGPEER);
    make(&l, 7, 8);
    l.listener.node.node_number = 9; // a sibling's certificate, on the right door
    sign(&l.listener, 2, &l.listener.node, LISTENER_HOST);
    expect_refused(&l, MESH_EWRONGPEER, MESH_EAGAIN);
}

TEST(a_stolen_certificate_without_its_key_is_worth_nothing) {
    link l;
    make(&l, 7, 8);
    l.dialler.self.link_secret[5] ^= 1;
    expect_refused(&l, 0, MESH_ECERT);
    make(&l, 7, 8);
    l.listener.self.link_secret[5] ^= 1;
    expect_refused(&l, MESH_ECERT, MESH_EAGAIN);
}

TEST(an_expired_certificate_is_told_from_a_wrong_one) {
    link l;
    make(&l, 7, 8);
    l.dialler.node.not_after_s = PKI_NOW_S - PKI_DAY_S + 1;
    sign(&l.dialler, 2, &l.dialler.node, DIALLER_HOST);
    expect_refused(&l, 0, MESH_ECERTTIME);
    make(&l, 7, 8);
    sign(&l.dialler, 2, &l.dialler.node, LISTENER_HOST);
    expect_refused(&l, 0, MESH_ECERT);
}

TEST(sides_agree_on_the_highest_common_minor_or_part) {
    link l;
    make(&l, 7, 8);
    l.dialler.self.minor_min = l.dialler.self.minor_max = 1; // the release before
    expect_linked(&l);
    EXPECT_EQ(1, mesh_handshake_peer(l.dial)->minor);
    EXPECT_EQ(1, mesh_handshake_peer(l.listen)->minor);
    end(&l);
    make(&l, 7, 8);
    l.dialler.self.minor_min = l.dialler.self.minor_max = 3;
    expect_refused(&l, MESH_EVERSION, MESH_EAGAIN);
    make(&l, 7, 8);
    l.dialler.self.features_required = 2;
    expect_refused(&l, MESH_EVERSION, MESH_EAGAIN);
    make(&l, 7, 8);
    l.listener.self.features_required = 8;
    expect_refused(&l, MESH_EVERSION, MESH_EAGAIN);
}

TEST(a_message_over_the_limit_is_refused_before_it_is_there) {
    link l;
    make(&l, 7, 8);
    begin(&l);
    const uint8_t head[] = {0x10, 0x01}; // 4,097
    mesh_bytes input = {head, sizeof head};
    EXPECT_EQ(MESH_ETOOBIG, mesh_handshake_receive(l.dial, PKI_NOW_S, &input));
    end(&l);
}

TEST(bytes_that_come_one_by_one_or_with_the_first_record_are_all_used) {
    link l;
    make(&l, 7, 8);
    begin(&l);
    uint8_t wire[WIRE_MAX];
    for (int flight = 0; flight < 3; flight++) {
        mesh_handshake *from = flight == 1 ? l.listen : l.dial,
                       *to = flight == 1 ? l.dial : l.listen;
        mesh_bytes out = mesh_handshake_output(from);
        memcpy(wire, out.data, out.len);
        memset(wire + out.len, 'r', 3); // the beginning of a record
        mesh_handshake_sent(from, out.len);
        size_t taken = 0;
        for (size_t len = 1; len <= out.len; len++) {
            mesh_bytes input = {wire + taken, len - taken};
            int err = mesh_handshake_receive(to, PKI_NOW_S, &input);
            taken = len - input.len;
            EXPECT_EQ(len < out.len || flight == 0 ? MESH_EAGAIN : 0, err);
        }
        EXPECT_EQ(out.len, taken);
    }
    mesh_bytes rest = {wire, 3};
    EXPECT_EQ(0, mesh_handshake_receive(l.listen, PKI_NOW_S, &rest));
    EXPECT_EQ(3, rest.len); // the record's, not ours
    end(&l);
}
