#include "secure/enrol.h"

#include <string.h>

#include <sodium.h>

#include "core/be.h"
#include "core/budget.h"
#include "core/error.h"
#include "core/mem.h"
#include "enrol.pb-c.h"
#include "secure/field.h"

// With its zero, so that it begins no other label.
static const char proof_label[] = "warren-enrol-v1";

enum {
    HEAD_LEN = 2,
    RECORD_LEN_MAX = HEAD_LEN + MESH_ENROL_ANSWER_LEN_MAX + MESH_CIPHER_TAG_LEN,
    PROOF_TEXT_LEN = sizeof proof_label + MESH_NOISE_HASH_LEN,
    PSK_ID_MAX = UINT16_MAX,
};

struct mesh_enrol {
    bool is_joiner, is_sealed, is_over; // sealed: the handshake is done
    int err;                            // for good
    mesh_credentials own;               // the joiner's
    mesh_ticket_keys ticket;
    mesh_handshake *handshake;
    mesh_cipher send, receive;
    uint8_t sign_secret[MESH_SIGN_SECRET_LEN];
    mesh_enrol_request request;
    mesh_enrol_answer answer;
    char refusal[MESH_ENROL_REFUSAL_LEN_MAX + 1];
    uint8_t record[RECORD_LEN_MAX]; // the one we write
    size_t record_head, record_tail;
};

// ---- life

mesh_enrol *mesh_enrol_dial(const mesh_enrol_dial_options *options) {
    const mesh_token *token = options->token;
    mesh_enrol *e = mem_alloc(sizeof *e);
    CHECK(strlen(options->name) <= MESH_CERT_NAME_LEN_MAX);
    e->is_joiner = true;
    e->own = (mesh_credentials){
        .trust = token->trust, .minor_min = options->minor_min, .minor_max = options->minor_max};
    memcpy(e->own.link_secret, options->link_secret, MESH_LINK_KEY_LEN);
    memcpy(e->own.cluster_id, token->cluster_id, MESH_ID_LEN);
    memcpy(e->sign_secret, options->sign_secret, MESH_SIGN_SECRET_LEN);
    memcpy(e->request.name, options->name, strlen(options->name) + 1);
    e->request.is_name_open = options->is_name_open;
    (void)crypto_sign_ed25519_sk_to_pk(e->request.ed25519, options->sign_secret);
    (void)crypto_scalarmult_base(e->request.x25519, options->link_secret);
    mesh_ticket_keys_of(token->ticket_id, token->secret, &e->ticket);

    mesh_handshake_options handshake = {.self = &e->own,
                                        .is_dialler = true,
                                        .kind = MESH_KIND_ENROL,
                                        .salt = options->salt,
                                        .ticket = &e->ticket};
    memcpy(handshake.ephemeral_secret, options->ephemeral_secret, MESH_NOISE_KEY_LEN);
    e->handshake = mesh_handshake_create(&handshake);
    return e;
}

mesh_enrol *mesh_enrol_listen(const mesh_credentials *self, const mesh_ticket_keys *ticket,
                              const uint8_t ephemeral_secret[MESH_NOISE_KEY_LEN]) {
    mesh_enrol *e = mem_alloc(sizeof *e);
    e->ticket = *ticket;
    mesh_handshake_options handshake = {.self = self, .ticket = &e->ticket};
    memcpy(handshake.ephemeral_secret, ephemeral_secret, MESH_NOISE_KEY_LEN);
    e->handshake = mesh_handshake_create(&handshake);
    return e;
}

void mesh_enrol_destroy(mesh_enrol *e) {
    if (e == NULL) return;
    mesh_handshake_destroy(e->handshake);
    sodium_memzero(e, sizeof *e);
    free(e);
}

// ---- writing

// The message was packed behind the record's head.
static void seal(mesh_enrol *e, size_t len) {
    CHECK(mesh_cipher_seal(&e->send, (mesh_bytes){0}, e->record + HEAD_LEN, len) == 0);
    (void)store_be16(e->record, (uint32_t)len + MESH_CIPHER_TAG_LEN);
    e->record_tail = HEAD_LEN + len + MESH_CIPHER_TAG_LEN;
}

// Names this handshake, so that a proof is worth nothing on another link.
static void put_proof_text(const mesh_enrol *e, uint8_t out[PROOF_TEXT_LEN]) {
    memcpy(out, proof_label, sizeof proof_label);
    memcpy(out + sizeof proof_label, mesh_handshake_hash(e->handshake), MESH_NOISE_HASH_LEN);
}

static void write_request(mesh_enrol *e) {
    uint8_t text[PROOF_TEXT_LEN], proof[crypto_sign_BYTES];
    put_proof_text(e, text);
    (void)crypto_sign_detached(proof, NULL, text, sizeof text, e->sign_secret);
    Warren__Enrol__Request request = WARREN__ENROL__REQUEST__INIT;
    request.ed25519 = mesh_field_view(e->request.ed25519, MESH_SIGN_KEY_LEN);
    request.name = e->request.name;
    request.is_name_open = e->request.is_name_open;
    request.proof = mesh_field_view(proof, sizeof proof);
    CHECK(warren__enrol__request__get_packed_size(&request) <= MESH_ENROL_REQUEST_LEN_MAX);
    seal(e, warren__enrol__request__pack(&request, e->record + HEAD_LEN));
}

static void write_answer(mesh_enrol *e, const Warren__Enrol__Answer *answer) {
    CHECK(!e->is_joiner && e->is_over && e->record_tail == 0);
    CHECK(warren__enrol__answer__get_packed_size(answer) <= MESH_ENROL_ANSWER_LEN_MAX);
    seal(e, warren__enrol__answer__pack(answer, e->record + HEAD_LEN));
}

void mesh_enrol_answer_with(mesh_enrol *e, const mesh_enrol_answer *answer) {
    ProtobufCBinaryData chain[2];
    char *seeds[MESH_ENROL_SEEDS_MAX];
    for (size_t i = 0; i < 2; i++)
        chain[i] = mesh_field_view(answer->chain[i].bytes, answer->chain[i].len);
    for (size_t i = 0; i < answer->seed_count; i++)
        seeds[i] = (char *)(uintptr_t)answer->seeds[i];
    Warren__Enrol__Answer packed = WARREN__ENROL__ANSWER__INIT;
    packed.n_chain = 2;
    packed.chain = chain;
    packed.secret = mesh_field_view(answer->secret, MESH_SECRET_LEN);
    packed.psk_id = answer->psk_id;
    packed.n_seeds = answer->seed_count;
    packed.seeds = seeds;
    write_answer(e, &packed);
}

void mesh_enrol_refuse(mesh_enrol *e, const char *sentence) {
    char text[MESH_ENROL_REFUSAL_LEN_MAX + 1];
    (void)snprintf(text, sizeof text, "%s", sentence);
    Warren__Enrol__Answer packed = WARREN__ENROL__ANSWER__INIT;
    packed.refusal = text;
    write_answer(e, &packed);
}

mesh_bytes mesh_enrol_output(const mesh_enrol *e) {
    mesh_bytes first = mesh_handshake_output(e->handshake);
    if (first.len > 0) return first;
    return (mesh_bytes){e->record + e->record_head, e->record_tail - e->record_head};
}

void mesh_enrol_sent(mesh_enrol *e, size_t len) {
    if (mesh_handshake_output(e->handshake).len > 0) {
        mesh_handshake_sent(e->handshake, len);
        return;
    }
    CHECK(len <= e->record_tail - e->record_head);
    e->record_head += len;
}

// ---- what comes

static bool take_request(mesh_enrol *e, const Warren__Enrol__Request *packed) {
    uint8_t text[PROOF_TEXT_LEN];
    mesh_enrol_request *request = &e->request;
    if (packed->base.n_unknown_fields > 0 || strlen(packed->name) > MESH_CERT_NAME_LEN_MAX)
        return false;
    if (!mesh_field_take(packed->ed25519, request->ed25519, MESH_SIGN_KEY_LEN)) return false;
    memcpy(request->name, packed->name, strlen(packed->name) + 1);
    request->is_name_open = packed->is_name_open;
    memcpy(request->x25519, mesh_handshake_peer_key(e->handshake), MESH_LINK_KEY_LEN);
    put_proof_text(e, text);
    return packed->proof.len == crypto_sign_BYTES &&
           crypto_sign_verify_detached(packed->proof.data, text, sizeof text, request->ed25519) ==
               0;
}

static int judge_request(mesh_enrol *e, mesh_bytes body) {
    mesh_budget budget;
    mesh_budget_init(&budget, MESH_BUDGET_DEFAULT);
    Warren__Enrol__Request *packed =
        warren__enrol__request__unpack(&budget.allocator, body.len, body.data);
    bool is_fine = packed != NULL && take_request(e, packed);
    warren__enrol__request__free_unpacked(packed, &budget.allocator);
    return is_fine ? 0 : MESH_EPROTO;
}

// It is for people, on a terminal.
static int take_refusal(mesh_enrol *e, const char *text) {
    size_t len = strnlen(text, MESH_ENROL_REFUSAL_LEN_MAX);
    memcpy(e->refusal, text, len);
    e->refusal[len] = '\0';
    for (char *at = e->refusal; *at != '\0'; at++)
        if (*at < ' ' || *at > '~') *at = '?';
    return MESH_EREFUSED;
}

static bool take_seeds(const Warren__Enrol__Answer *packed, mesh_enrol_answer *out) {
    if (packed->n_seeds > MESH_ENROL_SEEDS_MAX) return false;
    for (size_t i = 0; i < packed->n_seeds; i++) {
        if (!mesh_is_address(packed->seeds[i])) return false;
        memcpy(out->seeds[i], packed->seeds[i], strlen(packed->seeds[i]) + 1);
    }
    out->seed_count = packed->n_seeds;
    return true;
}

static bool take_answer(const Warren__Enrol__Answer *packed, mesh_enrol_answer *out) {
    if (packed->base.n_unknown_fields > 0 || packed->n_chain != 2) return false;
    for (size_t i = 0; i < 2; i++) {
        out->chain[i].len = packed->chain[i].len;
        if (packed->chain[i].len > MESH_CERT_LEN_MAX ||
            !mesh_field_take(packed->chain[i], out->chain[i].bytes, packed->chain[i].len))
            return false;
    }
    if (packed->psk_id > PSK_ID_MAX) return false;
    out->psk_id = (uint16_t)packed->psk_id;
    return mesh_field_take(packed->secret, out->secret, MESH_SECRET_LEN) && take_seeds(packed, out);
}

static int judge_chain(const mesh_enrol *e, uint64_t now_s) {
    const mesh_signed *made = e->answer.chain;
    const mesh_bytes certs[] = {{made[0].bytes, made[0].len}, {made[1].bytes, made[1].len}};
    mesh_chain chain;
    int err = mesh_chain_verify(&e->own.trust, certs, 2, now_s, &chain);
    if (err != 0) return err;
    bool is_ours = chain.host.role == MESH_ROLE_HOST &&
                   memcmp(chain.host.ed25519, e->request.ed25519, MESH_SIGN_KEY_LEN) == 0 &&
                   memcmp(chain.host.x25519, e->request.x25519, MESH_LINK_KEY_LEN) == 0;
    return is_ours ? 0 : MESH_ECERT;
}

static int judge_answer(mesh_enrol *e, uint64_t now_s, mesh_bytes body) {
    mesh_budget budget;
    mesh_budget_init(&budget, MESH_BUDGET_DEFAULT);
    Warren__Enrol__Answer *packed =
        warren__enrol__answer__unpack(&budget.allocator, body.len, body.data);
    int err = MESH_EPROTO;
    if (packed != NULL && packed->refusal[0] != '\0')
        err = take_refusal(e, packed->refusal);
    else if (packed != NULL && take_answer(packed, &e->answer))
        err = judge_chain(e, now_s);
    warren__enrol__answer__free_unpacked(packed, &budget.allocator);
    return err;
}

static int take_record(mesh_enrol *e, uint64_t now_s, mesh_bytes *input) {
    uint8_t body[MESH_ENROL_ANSWER_LEN_MAX + MESH_CIPHER_TAG_LEN];
    size_t max = e->is_joiner ? MESH_ENROL_ANSWER_LEN_MAX : MESH_ENROL_REQUEST_LEN_MAX;
    if (input->len < HEAD_LEN) return MESH_EAGAIN;
    size_t len = load_be16(input->data);
    if (len > max + MESH_CIPHER_TAG_LEN) return MESH_ETOOBIG;
    if (input->len < HEAD_LEN + len) return MESH_EAGAIN;
    memcpy(body, input->data + HEAD_LEN, len);
    int err = mesh_cipher_open(&e->receive, (mesh_bytes){0}, body, len);
    if (err != 0) return err;
    *input = mesh_bytes_skip(*input, HEAD_LEN + len);
    mesh_bytes text = {body, len - MESH_CIPHER_TAG_LEN};
    err = e->is_joiner ? judge_answer(e, now_s, text) : judge_request(e, text);
    sodium_memzero(body, sizeof body);
    return err;
}

static int advance(mesh_enrol *e, uint64_t now_s, mesh_bytes *input) {
    if (!e->is_sealed) {
        int err = mesh_handshake_receive(e->handshake, now_s, input);
        if (err != 0) return err;
        mesh_handshake_split(e->handshake, &e->send, &e->receive);
        e->is_sealed = true;
        if (e->is_joiner) write_request(e);
    }
    return take_record(e, now_s, input);
}

int mesh_enrol_receive(mesh_enrol *e, uint64_t now_s, mesh_bytes *input) {
    if (e->err != 0) return e->err;
    // One record is all that either side says.
    if (e->is_over) return input->len == 0 ? 0 : MESH_EPROTO;
    int err = advance(e, now_s, input);
    if (err == 0) e->is_over = true;
    if (err != 0 && err != MESH_EAGAIN) e->err = err;
    return err;
}

const mesh_enrol_request *mesh_enrol_asked(const mesh_enrol *e) {
    return &e->request;
}

const mesh_enrol_answer *mesh_enrol_answered(const mesh_enrol *e) {
    return &e->answer;
}

const char *mesh_enrol_refusal(const mesh_enrol *e) {
    return e->refusal;
}

// ---- judging

static const char *refusal_of(const mesh_ticket *ticket, const mesh_enrol_request *request,
                              uint64_t now_s) {
    bool is_any_name = ticket->name[0] == '\0' || request->name[0] == '\0' || request->is_name_open;
    if (ticket->used_s != 0)
        return "this token was used already (a token lets one host in: make another one)";
    if (now_s > ticket->expires_s)
        return "this token has expired (make another one: `warren token create`)";
    if (!is_any_name && strcmp(ticket->name, request->name) != 0)
        return "this token is for a host of another name";
    if (ticket->name[0] == '\0' && request->name[0] == '\0')
        return "this token gives no name and the host has none";
    return NULL;
}

int mesh_enrol_judge(const mesh_signer *issuer, const mesh_ticket *ticket,
                     const mesh_enrol_request *request, const mesh_moment *at, mesh_signed *out,
                     const char **out_refusal) {
    *out_refusal = refusal_of(ticket, request, at->now_s);
    if (*out_refusal != NULL) return MESH_EREFUSED;
    mesh_cert wanted = {.scope_count = ticket->scope_count};
    const char *name = ticket->name[0] != '\0' ? ticket->name : request->name;
    memcpy(wanted.name, name, strlen(name) + 1);
    memcpy(wanted.scopes, ticket->scopes, sizeof wanted.scopes);
    memcpy(wanted.ed25519, request->ed25519, MESH_SIGN_KEY_LEN);
    memcpy(wanted.x25519, request->x25519, MESH_LINK_KEY_LEN);
    int err = mesh_issue_host(issuer, &wanted, at, out);
    if (err == 0) return 0;
    *out_refusal = err == MESH_ECERTTIME
                       ? "the issuer's own certificate is not valid now (its clock, or its age)"
                       : "a host's name is 1 to 63 letters, digits, '-', '_' and '.'";
    return MESH_EREFUSED;
}
