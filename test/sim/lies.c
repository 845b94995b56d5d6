#include "lies.h"

#include <string.h>

#include "cluster/swim_state.h"

typedef struct lie {
    mesh_rng *rng;
    mesh_swim *s;
    mesh_host *victim;
    mesh_body body;
} lie;

static uint32_t pick(lie *l, uint32_t bound) {
    return mesh_rng_below(l->rng, bound);
}

static mesh_host *somebody(lie *l) {
    mesh_host *host;
    (void)mesh_swim_hosts_pick(l->s, NULL, 1, &host);
    return host;
}

static void put_record(lie *l, const uint8_t *record, size_t len) {
    (void)mesh_body_put(&l->body, MESH_ITEM_RECORD, (mesh_bytes){record, len});
}

static void accuse(lie *l, mesh_stamp stamp) {
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    mesh_witness witness;
    mesh_record_accuse(l->victim->alive.host_id, stamp, l->s->self->alive.host_id, l->s->cluster_id,
                       l->s->options.sign_secret, &witness);
    put_record(l, record, mesh_record_suspect(l->victim->alive.host_id, stamp, &witness, record));
}

// Its own testimony is true; the others are in the names of others.
static void condemn(lie *l, bool is_twice_itself) {
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    mesh_witness witnesses[3];
    for (size_t i = 0; i < 3; i++) {
        mesh_record_accuse(l->victim->alive.host_id, l->victim->stamp, l->s->self->alive.host_id,
                           l->s->cluster_id, l->s->options.sign_secret, &witnesses[i]);
        if (i > 0 && !is_twice_itself)
            memcpy(witnesses[i].accuser, somebody(l)->alive.host_id, MESH_ID_LEN);
    }
    put_record(l, record,
               mesh_record_dead(l->victim->alive.host_id, l->victim->stamp, witnesses,
                                1 + pick(l, 3), record));
}

static void say_left(lie *l) {
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    put_record(l, record,
               mesh_record_left(l->victim->alive.host_id, l->victim->stamp, l->s->cluster_id,
                                l->s->options.sign_secret, record));
}

static void say_alive(lie *l, bool is_own) {
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    mesh_alive alive = is_own ? l->s->self->alive : l->victim->alive;
    alive.stamp.incarnation += is_own ? 0 : 1 + pick(l, 3);
    alive.payload.load = pick(l, 1000);
    if (!is_own) alive.addrs[0] = l->s->self->alive.addrs[0];
    put_record(l, record,
               mesh_record_alive(&alive, l->s->cluster_id, l->s->options.sign_secret, record));
}

static void say_list(lie *l) {
    mesh_list list = {.to = UINT64_MAX, .count = 1};
    list.hosts[0].id = l->victim->short_id;
    list.hosts[0].stamp = l->victim->stamp;
    list.hosts[0].stamp.incarnation += pick(l, 5);
    list.hosts[0].rank = (uint8_t)pick(l, 4);
    list.hosts[0].hash = pick(l, UINT32_MAX);
    (void)mesh_body_put_list(&l->body, &list);
}

static void say_junk(lie *l) {
    uint8_t junk[MESH_DGRAM_BODY_MAX / 2];
    size_t len = pick(l, sizeof junk);
    for (size_t i = 0; i < len; i++)
        junk[i] = (uint8_t)pick(l, 256);
    (void)mesh_body_put(&l->body, (mesh_item)pick(l, 12), (mesh_bytes){junk, len});
}

static void want_all(lie *l) {
    uint64_t ids[MESH_WANT_MAX];
    for (size_t i = 0; i < MESH_WANT_MAX; i++)
        ids[i] = somebody(l)->short_id;
    while (mesh_body_put_want(&l->body, ids, MESH_WANT_MAX)) {
    }
}

// What it says, and how often. To say two things about itself ends a liar when it hears the other
// one.
static void accuse_now(lie *l) {
    accuse(l, l->victim->stamp);
}

static void accuse_for_ever(lie *l) {
    accuse(l, (mesh_stamp){l->victim->stamp.generation, MESH_INCARNATION_MAX});
}

static void condemn_by_others(lie *l) {
    condemn(l, false);
}

static void condemn_alone(lie *l) {
    condemn(l, true);
}

static void say_other_alive(lie *l) {
    say_alive(l, false);
}

static void say_own_alive(lie *l) {
    say_alive(l, true);
}

static void invent(lie *l) {
    static const struct {
        void (*say)(lie *l);
        uint32_t weight;
    } lies[] = {{accuse_now, 20}, {accuse_for_ever, 2}, {condemn_by_others, 8}, {condemn_alone, 3},
                {say_left, 2},    {say_other_alive, 2}, {say_own_alive, 1},     {say_list, 3},
                {say_junk, 2},    {want_all, 1}};
    uint32_t sum = 0, at = 0;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
        sum += lies[i].weight;
    for (uint32_t left = pick(l, sum); left >= lies[at].weight; at++)
        left -= lies[at].weight;
    lies[at].say(l);
}

const char *lies_tell(mesh_swim *swim, mesh_rng *rng) {
    lie l = {.rng = rng, .s = swim};
    if (swim->live_count == 0 || swim->is_stopped) return NULL;
    l.victim = somebody(&l);
    invent(&l);
    bool is_to_all = pick(&l, 2) == 0;
    for (size_t i = 0; i < swim->live_count; i++) {
        mesh_host *to = swim->hosts[swim->live[i]];
        mesh_body body = l.body;
        if (is_to_all || pick(&l, 10) < 3) mesh_swim_out_send(swim, to, &body, NULL);
    }
    return l.victim->name;
}
