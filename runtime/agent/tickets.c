#include "agent/tickets.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <sodium.h>

#include "core/error.h"
#include "core/mem.h"
#include "secure/field.h"
#include "state.pb-c.h"

enum { HEX_LEN = 2 * MESH_ID_LEN + 1 };

typedef struct ticket_list {
    mesh_ticket tickets[AGENT_TICKETS_MAX];
    size_t count;
} ticket_list;

// ---- the file

static bool take_text(const char *from, char *to, size_t len_max) {
    size_t len = strlen(from);
    if (len > len_max) return false;
    memcpy(to, from, len + 1);
    return true;
}

static bool take_one(const Warren__State__Ticket *packed, mesh_ticket *out) {
    *out = (mesh_ticket){.keys.id = packed->id,
                         .scope_count = packed->n_scopes,
                         .expires_s = packed->expires_s,
                         .used_s = packed->used_s};
    if (packed->id == 0 || packed->n_scopes > MESH_SCOPES_MAX) return false;
    for (size_t i = 0; i < packed->n_scopes; i++)
        if (!take_text(packed->scopes[i], out->scopes[i], MESH_SCOPE_LEN_MAX)) return false;
    return mesh_field_take(packed->link_psk, out->keys.link_psk, MESH_SECRET_LEN) &&
           mesh_field_take(packed->knock_key, out->keys.knock_key, MESH_KNOCK_KEY_LEN) &&
           take_text(packed->name, out->name, MESH_CERT_NAME_LEN_MAX) &&
           (packed->used_by.len == 0 ||
            mesh_field_take(packed->used_by, out->used_by, MESH_ID_LEN));
}

static bool take_list(const ProtobufCMessage *message, void *user) {
    const Warren__State__Tickets *packed = (const Warren__State__Tickets *)message;
    ticket_list *list = user;
    if (packed->n_tickets > AGENT_TICKETS_MAX) return false;
    for (size_t i = 0; i < packed->n_tickets; i++)
        if (!take_one(packed->tickets[i], &list->tickets[i])) return false;
    list->count = packed->n_tickets;
    return true;
}

static int read_list(const char *vault, ticket_list *out, char text[AGENT_VAULT_TEXT_MAX]) {
    *out = (ticket_list){0};
    if (!agent_vault_has(vault, AGENT_VAULT_TICKETS)) return 0;
    return agent_vault_read_message(vault, AGENT_VAULT_TICKETS, &warren__state__tickets__descriptor,
                                    take_list, out, text);
}

typedef struct packed_ticket {
    Warren__State__Ticket message;
    char *scopes[MESH_SCOPES_MAX];
} packed_ticket;

static void pack_one(const mesh_ticket *ticket, packed_ticket *out) {
    warren__state__ticket__init(&out->message);
    for (size_t i = 0; i < ticket->scope_count; i++)
        out->scopes[i] = (char *)(uintptr_t)ticket->scopes[i];
    out->message.id = ticket->keys.id;
    out->message.link_psk = mesh_field_view(ticket->keys.link_psk, MESH_SECRET_LEN);
    out->message.knock_key = mesh_field_view(ticket->keys.knock_key, MESH_KNOCK_KEY_LEN);
    out->message.name = (char *)(uintptr_t)ticket->name;
    out->message.n_scopes = ticket->scope_count;
    out->message.scopes = out->scopes;
    out->message.expires_s = ticket->expires_s;
    out->message.used_s = ticket->used_s;
    if (ticket->used_s != 0) out->message.used_by = mesh_field_view(ticket->used_by, MESH_ID_LEN);
}

static int write_list(const char *vault, const ticket_list *list, char text[AGENT_VAULT_TEXT_MAX]) {
    packed_ticket *packed = mem_alloc(AGENT_TICKETS_MAX * sizeof *packed);
    Warren__State__Ticket *messages[AGENT_TICKETS_MAX];
    for (size_t i = 0; i < list->count; i++) {
        pack_one(&list->tickets[i], &packed[i]);
        messages[i] = &packed[i].message;
    }
    Warren__State__Tickets whole = WARREN__STATE__TICKETS__INIT;
    whole.n_tickets = list->count;
    whole.tickets = messages;
    int err = agent_vault_write_message(vault, AGENT_VAULT_TICKETS, &whole.base, text);
    free(packed);
    return err;
}

static ticket_list *create_list(void) {
    return mem_alloc(sizeof(ticket_list));
}

static void destroy_list(ticket_list *list) {
    sodium_memzero(list, sizeof *list);
    free(list);
}

static mesh_ticket *find(ticket_list *list, uint64_t id) {
    for (size_t i = 0; i < list->count; i++)
        if (list->tickets[i].keys.id == id) return &list->tickets[i];
    return NULL;
}

// ---- making one

static bool can_issue(const agent_identity *id, const mesh_cert *host, uint64_t now_s) {
    mesh_signed made;
    mesh_moment at = {.now_s = now_s};
    return mesh_issue_host(&id->issuer, host, &at, &made) == 0;
}

static int fail(char text[AGENT_VAULT_TEXT_MAX], const char *why, const char *word) {
    (void)snprintf(text, AGENT_VAULT_TEXT_MAX, "cannot make a token: %s%s%.80s%s", why,
                   word[0] != '\0' ? ", not \"" : "", word, word[0] != '\0' ? "\"" : "");
    return MESH_EINVAL;
}

// Everything that would make the issuer refuse later is told now, by issuing the certificate for
// nobody.
static int judge_wish(const agent_identity *id, const agent_ticket_wish *wish, uint64_t now_s,
                      mesh_ticket *out, char text[AGENT_VAULT_TEXT_MAX]) {
    mesh_cert host = {.name = "x"};
    (void)crypto_sign_ed25519_sk_to_pk(host.ed25519, id->host.secret);
    memcpy(host.x25519, host.ed25519, MESH_LINK_KEY_LEN);
    if (!id->is_issuer)
        return fail(text, "this host has no issuer.key (the host where `warren init` ran has)", "");
    if (!can_issue(id, &host, now_s))
        return fail(text, "the issuer's certificate is not valid now (look at the clock)", "");
    if (wish->name != NULL &&
        (!take_text(wish->name, host.name, MESH_CERT_NAME_LEN_MAX) || !can_issue(id, &host, now_s)))
        return fail(text, "a host's name is 1 to 63 letters, digits, '-', '_' and '.'", wish->name);
    memcpy(out->name, wish->name != NULL ? host.name : "",
           wish->name != NULL ? sizeof host.name : 1);
    if (wish->scope_count > MESH_SCOPES_MAX) return fail(text, "there are at most 16 scopes", "");
    for (size_t i = 0; i < wish->scope_count; i++) {
        host.scope_count = 1;
        if (!take_text(wish->scopes[i], host.scopes[0], MESH_SCOPE_LEN_MAX) ||
            !can_issue(id, &host, now_s))
            return fail(text,
                        "a scope is *, or serve:, call:, subscribe: or publish: and a pattern, "
                        "at most 64 letters",
                        wish->scopes[i]);
        memcpy(out->scopes[i], host.scopes[0], sizeof host.scopes[0]);
    }
    if (wish->scope_count == 0) (void)take_text("*", out->scopes[0], MESH_SCOPE_LEN_MAX);
    out->scope_count = wish->scope_count > 0 ? wish->scope_count : 1;
    memcpy(host.scopes, out->scopes, sizeof host.scopes);
    host.scope_count = out->scope_count;
    memset(host.name, 'n', MESH_CERT_NAME_LEN_MAX); // the longest that may come
    return can_issue(id, &host, now_s) ? 0 : fail(text, "its scopes are too long together", "");
}

static void forget_old(ticket_list *list, uint64_t now_s) {
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (list->tickets[i].expires_s + AGENT_TICKET_KEPT_S >= now_s)
            list->tickets[kept++] = list->tickets[i];
    list->count = kept;
}

// Those that are over are kept for who comes late and should hear why, but never keep out a new
// one.
static void make_room(ticket_list *list, uint64_t now_s) {
    mesh_ticket *oldest = NULL;
    if (list->count < AGENT_TICKETS_MAX) return;
    for (size_t i = 0; i < list->count; i++) {
        mesh_ticket *ticket = &list->tickets[i];
        bool is_over = ticket->used_s != 0 || ticket->expires_s < now_s;
        if (is_over && (oldest == NULL || ticket->expires_s < oldest->expires_s)) oldest = ticket;
    }
    if (oldest != NULL) *oldest = list->tickets[--list->count];
}

static int keep(const agent_identity *id, const mesh_ticket *ticket, uint64_t now_s,
                char text[AGENT_VAULT_TEXT_MAX]) {
    ticket_list *list = create_list();
    int lock = agent_vault_lock(id->vault, text);
    int err = lock < 0 ? lock : read_list(id->vault, list, text);
    if (err == 0) forget_old(list, now_s);
    if (err == 0) make_room(list, now_s);
    if (err == 0 && list->count == AGENT_TICKETS_MAX)
        err =
            fail(text, "64 are open already: wait until some of them are used or have expired", "");
    if (err == 0) {
        list->tickets[list->count++] = *ticket;
        err = write_list(id->vault, list, text);
    }
    if (lock >= 0) close(lock);
    destroy_list(list);
    return err;
}

static int put_addresses(const agent_identity *id, mesh_token *token,
                         char text[AGENT_VAULT_TEXT_MAX]) {
    token->address_count = agent_cluster_addresses(&id->config, token->addresses);
    if (token->address_count > 0) return 0;
    return fail(text,
                "no network card of this host has an address that others could dial: say one as "
                "\"advertise\" in config.json",
                "");
}

int agent_tickets_create(const agent_identity *id, const agent_ticket_wish *wish, uint64_t now_s,
                         char out[MESH_TOKEN_LEN_MAX + 1], char text[AGENT_VAULT_TEXT_MAX]) {
    mesh_ticket ticket = {.expires_s = now_s + wish->life_s};
    mesh_token token = {.trust = id->credentials.trust, .expires_s = ticket.expires_s};
    int err = judge_wish(id, wish, now_s, &ticket, text);
    if (err == 0) err = put_addresses(id, &token, text);
    if (err != 0) return err;
    memcpy(token.cluster_id, id->credentials.cluster_id, MESH_ID_LEN);
    randombytes_buf(token.secret, sizeof token.secret);
    while (token.ticket_id == 0)
        randombytes_buf(&token.ticket_id, sizeof token.ticket_id);
    mesh_ticket_keys_of(token.ticket_id, token.secret, &ticket.keys);
    err = mesh_token_write(&token, out);
    if (err != 0) err = fail(text, mesh_error_text(err), "");
    if (err == 0) err = keep(id, &ticket, now_s, text);
    sodium_memzero(&token, sizeof token);
    sodium_memzero(&ticket, sizeof ticket);
    return err;
}

// ---- using one

static int read_keys(const agent_identity *id, agent_ticket_keys *kept,
                     char text[AGENT_VAULT_TEXT_MAX]) {
    agent_vault_stamp stamp = agent_vault_stamp_of(id->vault, AGENT_VAULT_TICKETS);
    if (memcmp(&stamp, &kept->stamp, sizeof stamp) == 0) return 0;
    ticket_list *list = create_list();
    int err = read_list(id->vault, list, text);
    sodium_memzero(kept, sizeof *kept);
    for (size_t i = 0; err == 0 && i < list->count; i++)
        kept->keys[kept->count++] = list->tickets[i].keys;
    // Of before it was read: one that was written meanwhile has another, and is read again.
    if (err == 0) kept->stamp = stamp;
    destroy_list(list);
    return err;
}

int agent_tickets_find(const agent_identity *id, agent_ticket_keys *kept, uint64_t ticket_id,
                       const mesh_ticket_keys **out, char text[AGENT_VAULT_TEXT_MAX]) {
    if (!id->is_issuer) return MESH_ENOTFOUND;
    int err = read_keys(id, kept, text);
    for (size_t i = 0; err == 0 && i < kept->count; i++)
        if (kept->keys[i].id == ticket_id) {
            *out = &kept->keys[i];
            return 0;
        }
    return err != 0 ? err : MESH_ENOTFOUND;
}

static void put_id(const uint8_t host_id[MESH_ID_LEN], char out[HEX_LEN]) {
    (void)sodium_bin2hex(out, HEX_LEN, host_id, MESH_ID_LEN);
}

static void put_host(const mesh_enrol_request *request, char out[HEX_LEN]) {
    uint8_t host_id[MESH_ID_LEN];
    mesh_host_id_of(request->ed25519, host_id);
    put_id(host_id, out);
}

static int refuse(const mesh_ticket *ticket, const mesh_enrol_request *request, const char *why,
                  char text[AGENT_VAULT_TEXT_MAX]) {
    char by[HEX_LEN], first[HEX_LEN] = "";
    bool is_used = ticket->used_s != 0;
    put_host(request, by);
    if (is_used) put_id(ticket->used_by, first);
    (void)snprintf(text, AGENT_VAULT_TEXT_MAX,
                   "refused host \"%s\" (%s) with ticket %016" PRIx64 "%s%s: %s", request->name, by,
                   ticket->keys.id, is_used ? ", used before by " : "", first, why);
    return MESH_EREFUSED;
}

typedef struct verdict {
    mesh_signed cert;
    char name[MESH_CERT_NAME_LEN_MAX + 1]; // that the certificate gives
    const char *why;                       // not
    char taken[MESH_ENROL_REFUSAL_LEN_MAX + 1];
} verdict;

// Judges, and marks the ticket on disk.
static int use(const agent_identity *id, const agent_admission *a, ticket_list *list, verdict *out,
               char text[AGENT_VAULT_TEXT_MAX]) {
    const mesh_enrol_request *request = mesh_enrol_asked(a->enrol);
    mesh_moment at = {.now_s = a->now_s};
    randombytes_buf(at.serial, sizeof at.serial);
    int err = read_list(id->vault, list, text);
    if (err != 0) return err;
    mesh_ticket *ticket = find(list, a->ticket_id);
    if (ticket == NULL) {
        (void)snprintf(text, AGENT_VAULT_TEXT_MAX, "ticket %016" PRIx64 " is gone", a->ticket_id);
        return MESH_ENOTFOUND;
    }
    const char *why;
    if (mesh_enrol_judge(&id->issuer, ticket, request, &at, &out->cert, &why) != 0) {
        out->why = why;
        return refuse(ticket, request, why, text);
    }
    (void)snprintf(out->name, sizeof out->name, "%s",
                   ticket->name[0] != '\0' ? ticket->name : request->name);
    uint8_t host_id[MESH_ID_LEN];
    mesh_host_id_of(request->ed25519, host_id);
    if (a->is_taken(a->user, out->name, host_id)) {
        (void)snprintf(out->taken, sizeof out->taken,
                       "a host named %s is in the cluster already: choose another --name, or wait "
                       "until `warren hosts` shows that one as down or left",
                       out->name);
        out->why = out->taken;
        return refuse(ticket, request, out->why, text);
    }
    ticket->used_s = a->now_s;
    memcpy(ticket->used_by, host_id, sizeof host_id);
    return write_list(id->vault, list, text);
}

// Under the lock: of two that come at once one is too late.
static int use_locked(const agent_identity *id, const agent_admission *a, verdict *out,
                      char text[AGENT_VAULT_TEXT_MAX]) {
    out->why = "the issuer cannot read or write its tickets: its log says why";
    int lock = agent_vault_lock(id->vault, text);
    if (lock < 0) return lock;
    ticket_list *list = create_list();
    int err = use(id, a, list, out, text);
    close(lock);
    destroy_list(list);
    return err;
}

static void answer(const agent_identity *id, const agent_admission *a, const mesh_signed *cert) {
    mesh_enrol_answer made = {.chain = {id->issuer_cert, *cert}, .psk_id = id->credentials.psk_id};
    memcpy(made.secret, id->secret, MESH_SECRET_LEN);
    for (size_t i = 0; i < a->seed_count && made.seed_count < MESH_ENROL_SEEDS_MAX; i++)
        if (mesh_is_address(a->seeds[i]))
            memcpy(made.seeds[made.seed_count++], a->seeds[i], strlen(a->seeds[i]) + 1);
    mesh_enrol_answer_with(a->enrol, &made);
    sodium_memzero(&made, sizeof made);
}

int agent_tickets_admit(const agent_identity *id, const agent_admission *a,
                        char text[AGENT_VAULT_TEXT_MAX]) {
    verdict v;
    char by[HEX_LEN];
    CHECK(id->is_issuer); // agent_tickets_find would have found none
    int err = use_locked(id, a, &v, text);
    if (err != 0) {
        mesh_enrol_refuse(a->enrol, v.why);
        return err;
    }
    answer(id, a, &v.cert);
    put_host(mesh_enrol_asked(a->enrol), by);
    (void)snprintf(text, AGENT_VAULT_TEXT_MAX, "let host \"%s\" (%s) in with ticket %016" PRIx64,
                   v.name, by, a->ticket_id);
    return 0;
}
