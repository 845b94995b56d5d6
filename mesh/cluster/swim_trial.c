// Accusations. A host that does not answer is accused, signed, for exactly the stamp that it has;
// it answers with a higher one, or is down when its time is up and enough witnesses accuse it. Too
// few witnesses never kill: then it is only unreachable, here.
#include <sodium.h>

#include "cluster/swim_state.h"
#include "core/be.h"

enum {
    STRANGE_MS = 10000, // so long a host that we never heard may not know us yet
    CONFIRM_MS = 2000,  // what the accused has to answer to a verdict of less than three
    FACTOR_MAX = 3,
    CHECK_MS = 1500, // before the end of a trial
    CHECK_PEERS = 2,
    CHECK_ALL_MAX = 64,
    DRAW_LEN = 2 * MESH_ID_LEN + 4,
};

size_t mesh_swim_trial_votes(const mesh_swim *s) {
    size_t count = mesh_swim_hosts_count(s);
    if (count <= 4) return 1;
    return count <= 16 ? 2 : 3;
}

// ---- how long

// From three times the least down to it, by log(confirmations + 1) / log(wanted + 1).
static uint64_t duration_ms(const mesh_swim *s, size_t witnesses) {
    static const uint32_t shrink[] = {0, 500, 792, 1000}; // of a thousand, for three wanted
    size_t votes = mesh_swim_trial_votes(s), confirmed = witnesses - 1;
    uint64_t least = s->options.parameters.suspicion_ms, digits = 0;
    for (size_t n = 1; n < mesh_swim_hosts_count(s); n *= 10)
        digits++;
    if (2 * digits * s->options.parameters.probe_ms > least)
        least = 2 * digits * s->options.parameters.probe_ms;
    size_t wanted = votes == 3 ? 3 : votes - 1;
    if (confirmed >= wanted) return least;
    uint64_t most = FACTOR_MAX * least;
    return votes == 3 ? most - (most - least) * shrink[confirmed] / 1000 : most;
}

static void set_time(mesh_swim *s, mesh_host *host, uint64_t at_ms) {
    mesh_trial *trial = host->trial;
    if (trial->is_over) return;
    trial->ends_ms = at_ms;
    if (!trial->is_checked) at_ms -= CHECK_MS;
    mesh_deadlines_set(&s->timers, TIMER_HOSTS + host->index,
                       at_ms > s->now_ms ? at_ms : s->now_ms);
}

// The accused may have answered long ago, and the news did not reach us: before the end it is
// asked, where they are few, and so are two others.
static void check_again(mesh_swim *s, mesh_host *host) {
    mesh_host *peers[CHECK_PEERS];
    host->trial->is_checked = true;
    if (host->trial->ends_ms < s->now_ms + CHECK_MS) host->trial->ends_ms = s->now_ms + CHECK_MS;
    set_time(s, host, host->trial->ends_ms);
    if (mesh_swim_hosts_count(s) <= CHECK_ALL_MAX) mesh_swim_probe_begin(s, host);
    size_t count = mesh_swim_hosts_pick(s, host, CHECK_PEERS, peers);
    for (size_t i = 0; i < count; i++) {
        mesh_body body = {.len = 0};
        (void)mesh_body_put_want(&body, &host->short_id, 1);
        mesh_swim_out_send(s, peers[i], &body, NULL);
    }
}

// ---- beginning and end

static void close_trial(mesh_swim *s, mesh_host *host) {
    mesh_trial *trial = host->trial;
    mesh_deadlines_clear(&s->timers, TIMER_HOSTS + host->index);
    for (size_t i = 0; i < trial->count && !trial->is_closed; i++) {
        mesh_host *accuser = mesh_swim_hosts_find(s, trial->witnesses[i].accuser);
        if (accuser != NULL && accuser->accusing > 0) accuser->accusing--;
        mesh_news_drop(&s->news, &trial->news[i]);
    }
    trial->is_closed = true;
}

void mesh_swim_trial_drop(mesh_swim *s, mesh_host *host) {
    if (host->trial == NULL) return;
    close_trial(s, host);
    free(host->trial);
    host->trial = NULL;
}

static void die(mesh_swim *s, mesh_host *host) {
    close_trial(s, host);
    mesh_swim_hosts_set_state(s, host, MESH_HOST_DOWN);
    mesh_swim_out_tell(s, &host->news);
}

// Fewer hosts need fewer witnesses.
void mesh_swim_trial_review(mesh_swim *s) {
    for (size_t i = 0; i < s->live_count; i++) {
        mesh_host *host = s->hosts[s->live[i]];
        bool is_due = host->trial != NULL && host->trial->is_over;
        if (!is_due || host->trial->count < mesh_swim_trial_votes(s)) continue;
        die(s, host);
        i = SIZE_MAX; // `live` is another one now: from the beginning
    }
}

void mesh_swim_trial_end(mesh_swim *s, mesh_host *host) {
    if (host->trial == NULL || host->trial->is_closed) return;
    if (!host->trial->is_checked) {
        check_again(s, host);
        return;
    }
    host->trial->is_over = true;
    if (host->trial->count < mesh_swim_trial_votes(s)) {
        mesh_swim_hosts_set_state(s, host, MESH_HOST_UNREACHABLE);
        return;
    }
    die(s, host);
    mesh_swim_trial_review(s);
}

// ---- the jury: some hosts probe an accused one at once; all choose the same ones without a word

static uint64_t draw(const mesh_swim *s, const mesh_host *accused, const mesh_host *juror) {
    uint8_t text[DRAW_LEN];
    uint64_t hash;
    memcpy(text, accused->alive.host_id, MESH_ID_LEN);
    memcpy(text + MESH_ID_LEN, juror->alive.host_id, MESH_ID_LEN);
    (void)store_be32(text + (size_t)2 * MESH_ID_LEN, accused->stamp.incarnation);
    (void)crypto_shorthash((uint8_t *)&hash, text, sizeof text, s->cluster_id);
    return hash;
}

static bool is_juror(const mesh_swim *s, const mesh_host *accused) {
    uint64_t own = draw(s, accused, s->self);
    size_t before = 0;
    for (size_t i = 0; i < s->live_count && before < JURY; i++) {
        const mesh_host *host = s->hosts[s->live[i]];
        before += host != accused && draw(s, accused, host) < own;
    }
    return before < JURY;
}

// ---- witnesses

static bool has_witness(const mesh_trial *trial, const uint8_t accuser[MESH_ID_LEN], size_t *out) {
    for (size_t i = 0; trial != NULL && i < trial->count; i++) {
        if (!mesh_swim_same_id(trial->witnesses[i].accuser, accuser)) continue;
        *out = i;
        return true;
    }
    return false;
}

static void begin(mesh_swim *s, mesh_host *host) {
    host->trial = mem_alloc(sizeof *host->trial);
    host->trial->began_ms = s->now_ms;
    host->addressed_ms = 0;
}

static void add(mesh_swim *s, mesh_host *host, const mesh_witness *witness, mesh_host *accuser) {
    bool is_first = host->trial == NULL;
    if (is_first) begin(s, host);
    mesh_trial *trial = host->trial;
    mesh_news *news = &trial->news[trial->count];
    *news = (mesh_news){.host = host->index, .witness = (uint8_t)trial->count};
    trial->witnesses[trial->count++] = *witness;
    accuser->accusing++;
    mesh_swim_out_tell(s, news);
    set_time(s, host, trial->began_ms + duration_ms(s, trial->count));
    if (is_first) {
        mesh_swim_hosts_set_state(s, host, MESH_HOST_SUSPECT);
        if (is_juror(s, host)) mesh_swim_probe_begin(s, host);
    }
    if (!trial->is_over || trial->count < mesh_swim_trial_votes(s)) return;
    die(s, host);
    mesh_swim_trial_review(s);
}

static bool is_true(mesh_swim *s, const mesh_host *host, const mesh_witness *witness,
                    const mesh_host *accuser) {
    mesh_verifier verifier = mesh_swim_verifier(s);
    if (mesh_record_verify_witness(host->alive.host_id, host->stamp, witness, accuser->sign_key,
                                   &verifier))
        return true;
    s->stats.disbelieved++;
    return false;
}

static void admit(mesh_swim *s, mesh_host *host, const mesh_witness *witness) {
    size_t at;
    if (has_witness(host->trial, witness->accuser, &at)) return;
    if (host->trial != NULL && host->trial->count == MESH_WITNESSES_MAX) return;
    mesh_host *accuser = mesh_swim_hosts_find(s, witness->accuser);
    if (accuser == NULL || accuser == host || accuser == s->self) return;
    if (accuser->is_expired) return; // one that left spoke before it did
    if (accuser->accusing >= MESH_ACCUSED_MAX || !is_true(s, host, witness, accuser)) return;
    add(s, host, witness, accuser);
}

void mesh_swim_trial_accuse(mesh_swim *s, mesh_host *host) {
    size_t at;
    if (host->live_at == NOT_LIVE) return;
    if (host->heard_ms == 0 && mesh_swim_since(s, host->learned_ms) < STRANGE_MS) return;
    if (has_witness(host->trial, s->self->alive.host_id, &at)) {
        // Still silent: who missed it hears it again.
        mesh_swim_out_tell(s, &host->trial->news[at]);
        return;
    }
    if (s->self->accusing >= MESH_ACCUSED_MAX) return; // others would not believe a sixth
    if (host->trial != NULL && host->trial->count == MESH_WITNESSES_MAX) return;
    mesh_witness witness;
    mesh_record_accuse(host->alive.host_id, host->stamp, s->self->alive.host_id, s->cluster_id,
                       s->options.sign_secret, &witness);
    s->stats.accused++;
    add(s, host, &witness, s->self);
}

// ---- from others

static void take_about_self(mesh_swim *s, mesh_host *from, const mesh_record *record) {
    int order = mesh_stamp_compare(record->stamp, s->self->stamp);
    if (order > 0) return; // of a stamp we never had: a lie
    if (order == 0) mesh_swim_belief_refute(s);
    if (from == NULL || s->is_leaving) return;
    mesh_body body = {.len = 0};
    (void)mesh_swim_out_put_fate(s, s->self, &body);
    mesh_swim_out_send(s, from, &body, NULL);
}

// A verdict: every witness in it counts by itself. With three it is carried out at once; fewer
// could be one liar and one mistake, so the accused gets the time to answer.
static void take_verdict(mesh_swim *s, mesh_host *host) {
    size_t votes = mesh_swim_trial_votes(s);
    if (host->trial == NULL || host->trial->count < votes) return;
    if (votes == 3) {
        die(s, host);
        mesh_swim_trial_review(s);
        return;
    }
    uint64_t soon_ms = s->now_ms + CONFIRM_MS;
    if (votes > 1 && soon_ms < host->trial->ends_ms) set_time(s, host, soon_ms);
    mesh_swim_probe_begin(s, host);
}

// Somebody only accuses a host that we hold dead, perhaps because it came after its death, when
// more hosts need more witnesses than it had: we tell what we know, as a witness too.
static void second(mesh_swim *s, mesh_host *from, mesh_host *host) {
    mesh_trial *trial = host->trial;
    size_t at;
    if (trial->count < mesh_swim_trial_votes(s) && trial->count < MESH_WITNESSES_MAX &&
        !has_witness(trial, s->self->alive.host_id, &at))
        mesh_record_accuse(host->alive.host_id, host->stamp, s->self->alive.host_id, s->cluster_id,
                           s->options.sign_secret, &trial->witnesses[trial->count++]);
    mesh_body body = {.len = 0};
    (void)mesh_swim_out_put_fate(s, host, &body);
    mesh_swim_out_send(s, from, &body, NULL);
}

void mesh_swim_trial_take(mesh_swim *s, mesh_host *from, const mesh_record *record) {
    mesh_host *host = mesh_swim_hosts_find(s, record->host_id);
    if (host == NULL) return;
    if (host == s->self) {
        take_about_self(s, from, record);
        return;
    }
    int order = mesh_stamp_compare(record->stamp, host->stamp);
    if (order > 0) mesh_swim_belief_want(s, host->short_id);
    if (order != 0) return;
    bool is_verdict = record->kind == MESH_RECORD_DEAD;
    if (host->state == MESH_HOST_DOWN && !is_verdict && from != NULL && !s->is_leaving)
        second(s, from, host);
    for (size_t i = 0; i < record->witness_count && host->live_at != NOT_LIVE; i++)
        admit(s, host, &record->witnesses[i]);
    if (is_verdict && host->live_at != NOT_LIVE) take_verdict(s, host);
}
