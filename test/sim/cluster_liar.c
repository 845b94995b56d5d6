// A member with valid keys that says whatever it likes, sealed and well formed.
#include <string.h>

#include "cluster/swim_state.h"
#include "cluster_run.h"
#include "core/be.h"

typedef struct lie {
    run *r;
    machine *liar;
    mesh_swim *s;
    mesh_host *victim;
    mesh_body body;
} lie;

static void put_record(lie *l, const uint8_t *record, size_t len) {
    (void)mesh_body_put(&l->body, MESH_ITEM_RECORD, (mesh_bytes){record, len});
}

static void accuse(lie *l, mesh_stamp stamp) {
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    mesh_witness witness;
    mesh_record_accuse(l->victim->alive.host_id, stamp, l->liar->host_id, l->s->cluster_id,
                       l->liar->secret, &witness);
    put_record(l, record, mesh_record_suspect(l->victim->alive.host_id, stamp, &witness, record));
}

// Its own testimony is true; the others are in the names of others.
static void condemn(lie *l, bool is_twice_itself) {
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    mesh_witness witnesses[3];
    for (size_t i = 0; i < 3; i++) {
        const machine *other = &l->r->world.machines[run_pick(l->r, l->r->world.machine_count)];
        mesh_record_accuse(l->victim->alive.host_id, l->victim->stamp, l->liar->host_id,
                           l->s->cluster_id, l->liar->secret, &witnesses[i]);
        if (i > 0 && !is_twice_itself) memcpy(witnesses[i].accuser, other->host_id, MESH_ID_LEN);
    }
    put_record(l, record,
               mesh_record_dead(l->victim->alive.host_id, l->victim->stamp, witnesses,
                                1 + run_pick(l->r, 3), record));
}

static void say_left(lie *l) {
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    put_record(l, record,
               mesh_record_left(l->victim->alive.host_id, l->victim->stamp, l->s->cluster_id,
                                l->liar->secret, record));
}

static void say_alive(lie *l, bool is_own) {
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    mesh_alive alive = is_own ? l->s->self->alive : l->victim->alive;
    alive.stamp.incarnation += is_own ? 0 : 1 + run_pick(l->r, 3);
    alive.payload.load = run_pick(l->r, 1000);
    if (!is_own) alive.addrs[0] = l->liar->addr;
    put_record(l, record, mesh_record_alive(&alive, l->s->cluster_id, l->liar->secret, record));
}

static void say_list(lie *l) {
    mesh_list list = {.to = UINT64_MAX, .count = 1};
    list.hosts[0].id = l->victim->short_id;
    list.hosts[0].stamp = l->victim->stamp;
    list.hosts[0].stamp.incarnation += run_pick(l->r, 5);
    list.hosts[0].rank = (uint8_t)run_pick(l->r, 4);
    list.hosts[0].hash = run_pick(l->r, UINT32_MAX);
    (void)mesh_body_put_list(&l->body, &list);
}

static void say_junk(lie *l) {
    uint8_t junk[MESH_DGRAM_BODY_MAX / 2];
    size_t len = run_pick(l->r, sizeof junk);
    for (size_t i = 0; i < len; i++)
        junk[i] = (uint8_t)run_pick(l->r, 256);
    (void)mesh_body_put(&l->body, (mesh_item)run_pick(l->r, 12), (mesh_bytes){junk, len});
}

static void want_all(lie *l) {
    uint64_t ids[MESH_WANT_MAX];
    for (size_t i = 0; i < MESH_WANT_MAX; i++)
        ids[i] = load_be64(l->r->world.machines[run_pick(l->r, l->r->world.machine_count)].host_id);
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
    for (uint32_t left = run_pick(l->r, sum); left >= lies[at].weight; at++)
        left -= lies[at].weight;
    lies[at].say(l);
}

void liar_act(run *r, machine *liar) {
    lie l = {.r = r, .liar = liar, .s = liar->swim};
    if (l.s->live_count == 0 || l.s->is_stopped) return;
    (void)mesh_swim_hosts_pick(l.s, NULL, 1, &l.victim);
    invent(&l);
    r->result.lies++;
    if (r->world.is_verbose)
        (void)printf("%8llu h%u lies about %s\n", (unsigned long long)r->world.now_ms, liar->index,
                     l.victim->name);
    bool is_to_all = run_chance(r, 500);
    for (size_t i = 0; i < l.s->live_count; i++) {
        mesh_host *to = l.s->hosts[l.s->live[i]];
        mesh_body body = l.body;
        if (is_to_all || run_chance(r, 300)) mesh_swim_out_send(l.s, to, &body, NULL);
    }
    world_carry_out(&r->world, liar);
}
