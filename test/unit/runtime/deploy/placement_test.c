// Placement: stories of one rule each, and then worlds by chance, in which all rules hold at once.
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"
#include "core/rng.h"
#include "deploy/placement.h"
#include "test.h"

enum {
    HOSTS_MAX = 12,
    SERVICES_MAX = 6,
    PLACED_MAX = 400,
    SEEDS = 1500,
    STEPS = 12,
    MIB = 1 << 20
};

// A small world of one's own.
typedef struct story {
    deploy_host hosts[HOSTS_MAX];
    deploy_service services[SERVICES_MAX];
    deploy_world world;
    deploy_plan plan;
} story;

static story s;
static const char *const names[HOSTS_MAX] = {"a", "b", "c", "d", "e", "f",
                                             "g", "h", "i", "j", "k", "l"};
static const deploy_label zones[] = {{"zone", "x"}, {"zone", "y"}, {"zone", "z"}};

static void begin(size_t host_count) {
    deploy_plan_deinit(&s.plan);
    s = (story){.world = {.hosts = s.hosts, .services = s.services, .now_ms = 1000}};
    for (size_t i = 0; i < host_count; i++)
        s.hosts[i] = (deploy_host){.name = names[i], .cpu_milli = 4000, .memory = 1024UL * MIB};
    s.world.host_count = host_count;
}

static deploy_service *add_service(const char *name, uint32_t count) {
    s.services[s.world.service_count] = (deploy_service){.name = name, .count = count};
    return &s.services[s.world.service_count++];
}

static void plan(void) {
    deploy_plan next;
    deploy_plan_make(&s.world, &next);
    deploy_plan_deinit(&s.plan);
    s.plan = next;
    s.world.placed = s.plan.placed;
    s.world.placed_count = s.plan.placed_count;
}

static void set_state(size_t host, deploy_host_state state) {
    s.hosts[host].state = state;
    s.hosts[host].since_ms = s.world.now_ms;
}

// "api.0@a api.1@b", with ? behind who is lost and + behind who stands in.
static void expect_plan(const char *want) {
    char got[1000] = "";
    size_t len = 0;
    plan();
    for (size_t i = 0; i < s.plan.placed_count; i++) {
        const deploy_placed *p = &s.plan.placed[i];
        len += (size_t)snprintf(got + len, sizeof got - len, "%s%s.%u@%s%s%s", i > 0 ? " " : "",
                                s.services[p->service].name, p->slot, p->host,
                                p->is_lost ? "?" : "", p->is_stand_in ? "+" : "");
    }
    EXPECT_TEXT(want, got);
}

static void expect_unplaced(uint32_t count, const char *sentence) {
    EXPECT_EQ(1, s.plan.unplaced_count);
    EXPECT_EQ(count, s.plan.unplaced[0].count);
    EXPECT_TEXT(sentence, s.plan.unplaced[0].sentence);
}

TEST(instances_go_to_the_emptiest_hosts_by_name) {
    begin(3);
    add_service("api", 4);
    expect_plan("api.0@a api.1@b api.2@c api.3@a");
}

TEST(what_is_well_where_it_is_stays_and_a_new_host_draws_nothing) {
    begin(2);
    add_service("api", 4);
    expect_plan("api.0@a api.1@b api.2@a api.3@b");
    s.hosts[2] = (deploy_host){.name = "c", .cpu_milli = 4000, .memory = 1024UL * MIB};
    s.world.host_count = 3;
    expect_plan("api.0@a api.1@b api.2@a api.3@b");
}

TEST(a_service_that_is_spread_is_evened_out_over_a_new_host_by_as_few_moves_as_needed) {
    begin(2);
    add_service("api", 4)->is_spread = true;
    expect_plan("api.0@a api.1@b api.2@a api.3@b");
    s.hosts[2] = (deploy_host){.name = "c", .cpu_milli = 4000, .memory = 1024UL * MIB};
    s.world.host_count = 3;
    expect_plan("api.0@a api.1@b api.2@a api.3@c");
}

TEST(a_service_is_spread_over_the_values_of_a_label) {
    begin(4);
    for (size_t i = 0; i < 4; i++) {
        s.hosts[i].labels = &zones[i == 3];
        s.hosts[i].label_count = 1;
    }
    deploy_service *api = add_service("api", 4);
    api->is_spread = true;
    api->spread_label = "zone";
    expect_plan("api.0@a api.1@d api.2@b api.3@d");
}

TEST(a_host_needs_the_labels_that_a_service_requires) {
    begin(2);
    s.hosts[1].labels = &zones[1];
    s.hosts[1].label_count = 1;
    deploy_service *api = add_service("api", 2);
    api->requires = &zones[1];
    api->require_count = 1;
    expect_plan("api.0@b api.1@b");
    s.hosts[1].label_count = 0;
    expect_plan("");
    expect_unplaced(2, "api cannot be placed on any of 2 hosts: 2 without zone=y or another label "
                       "that it needs");
}

TEST(services_that_must_be_apart_share_no_host_whichever_of_them_says_so) {
    static const char *const apart[] = {"api"};
    begin(2);
    deploy_service *api = add_service("api", 1);
    deploy_service *db = add_service("db", 2);
    db->apart = apart;
    db->apart_count = 1;
    expect_plan("api.0@a db.0@b db.1@b");
    api->count = 2;
    expect_plan("api.0@a api.1@a db.0@b db.1@b");
    set_state(0, DEPLOY_DRAINING);
    expect_plan("db.0@b db.1@b");
    expect_unplaced(2,
                    "api cannot be placed on any of 2 hosts: 1 draining, 1 with a service that it "
                    "must be apart from");
}

TEST(where_all_that_may_have_it_are_drained_their_names_are_said) {
    begin(3);
    s.hosts[0].labels = s.hosts[1].labels = &zones[1];
    s.hosts[0].label_count = s.hosts[1].label_count = 1;
    deploy_service *api = add_service("api", 2);
    api->requires = &zones[1];
    api->require_count = 1;
    set_state(0, DEPLOY_DRAINING);
    set_state(1, DEPLOY_DRAINING);
    expect_plan("");
    expect_unplaced(2, "api cannot be placed: no host is left that may run it: a and 1 more are "
                       "draining (`warren undrain a` lets it come back)");
    s.hosts[1].label_count = 0;
    expect_plan("");
    expect_unplaced(2, "api cannot be placed: no host is left that may run it: a is draining "
                       "(`warren undrain a` lets it come back)");
    s.hosts[1].label_count = 1;
    set_state(1, DEPLOY_DOWN);
    expect_plan("");
    expect_unplaced(2, "api cannot be placed on any of 3 hosts: 1 not up, 1 draining, 1 without "
                       "zone=y or another label that it needs");
}

TEST(no_host_is_given_more_than_it_has) {
    begin(2);
    deploy_service *api = add_service("api", 5);
    api->memory = 512UL * MIB;
    api->cpu_milli = 500;
    expect_plan("api.0@a api.1@b api.2@a api.3@b");
    expect_unplaced(1, "api cannot be placed on any of 2 hosts: 2 without room for 0.5 processors "
                       "and 512 MiB");
}

TEST(without_hosts_nothing_is_placed) {
    begin(0);
    add_service("api", 2);
    expect_plan("");
    expect_unplaced(2, "api cannot be placed: there is no host (`warren join` adds one)");
}

TEST(per_host_and_max_follow_the_hosts) {
    begin(2);
    s.hosts[1].cpu_milli = 2500;
    add_service("log", 1)->kind = DEPLOY_PER_HOST;
    add_service("web", 0)->kind = DEPLOY_MAX;
    expect_plan("log.0@a log.1@b web.0@a web.1@a web.2@a web.3@a web.4@b web.5@b");
    s.hosts[0].cpu_milli = 1000;
    set_state(1, DEPLOY_DRAINING);
    expect_plan("log.0@a web.0@a");
    EXPECT_EQ(0, s.plan.unplaced_count);
}

TEST(of_too_many_go_those_on_crowded_hosts) {
    begin(3);
    deploy_service *api = add_service("api", 5);
    expect_plan("api.0@a api.1@b api.2@c api.3@a api.4@b");
    api->count = 3;
    expect_plan("api.0@a api.1@b api.2@c");
}

TEST(a_host_that_drains_is_emptied_and_one_that_is_suspect_keeps_what_it_has) {
    begin(3);
    add_service("api", 3);
    expect_plan("api.0@a api.1@b api.2@c");
    set_state(0, DEPLOY_SUSPECT);
    expect_plan("api.0@a api.1@b api.2@c");
    set_state(1, DEPLOY_DRAINING);
    expect_plan("api.0@a api.1@c api.2@c"); // nothing new goes to a
}

// ---- hosts that go and come back

static deploy_service *begin_lost(deploy_disconnect disconnect) {
    begin(3);
    deploy_service *api = add_service("api", 2);
    api->disconnect = disconnect;
    api->disconnect_ms = 500;
    expect_plan("api.0@a api.1@b");
    s.world.now_ms = 2000;
    set_state(0, DEPLOY_DOWN);
    expect_plan("api.0@a? api.1@b");
    return api;
}

TEST(what_is_kept_is_waited_for) {
    begin_lost(DEPLOY_KEEP);
    EXPECT_TRUE(s.plan.again_at_ms == UINT64_MAX);
    s.world.now_ms = 1000000;
    expect_plan("api.0@a? api.1@b");
    set_state(0, DEPLOY_UP);
    expect_plan("api.0@a api.1@b");
}

TEST(what_is_replaced_has_a_stand_in_after_its_time_and_the_original_stays_when_it_is_back) {
    begin_lost(DEPLOY_REPLACE);
    EXPECT_EQ(2500, s.plan.again_at_ms);
    s.world.now_ms = 2499;
    expect_plan("api.0@a? api.1@b");
    s.world.now_ms = 2500;
    expect_plan("api.0@a? api.0@c+ api.1@b");
    s.world.now_ms = 9000;
    expect_plan("api.0@a? api.0@c+ api.1@b");
    set_state(0, DEPLOY_UP);
    expect_plan("api.0@a api.1@b");
}

TEST(the_stand_in_stays_where_the_service_says_so) {
    begin_lost(DEPLOY_REPLACE)->reconcile = DEPLOY_STAND_IN;
    s.world.now_ms = 2500;
    expect_plan("api.0@a? api.0@c+ api.1@b");
    set_state(0, DEPLOY_UP);
    expect_plan("api.0@c api.1@b");
}

TEST(who_runs_longest_stays_where_the_service_says_so) {
    begin_lost(DEPLOY_REPLACE)->reconcile = DEPLOY_LONGEST;
    s.world.now_ms = 2500;
    expect_plan("api.0@a? api.0@c+ api.1@b");
    set_state(0, DEPLOY_UP);
    expect_plan("api.0@a api.1@b");
}

TEST(a_stand_in_that_is_lost_too_is_replaced_after_its_own_time) {
    begin_lost(DEPLOY_REPLACE);
    s.world.now_ms = 2500;
    expect_plan("api.0@a? api.0@c+ api.1@b");
    s.world.now_ms = 3000;
    set_state(2, DEPLOY_DOWN);
    expect_plan("api.0@a? api.0@c?+ api.1@b");
    s.world.now_ms = 3500;
    expect_plan("api.0@a? api.0@b+ api.1@b");
    set_state(2, DEPLOY_UP);
    expect_plan("api.0@a? api.0@b+ api.1@b");
    set_state(0, DEPLOY_UP);
    expect_plan("api.0@a api.1@b");
}

TEST(what_ends_itself_is_begun_elsewhere_only_then) {
    begin_lost(DEPLOY_STOP_AFTER);
    s.world.now_ms = 2499;
    expect_plan("api.0@a? api.1@b");
    s.world.now_ms = 2500;
    expect_plan("api.0@c api.1@b");
    set_state(0, DEPLOY_UP);
    expect_plan("api.0@c api.1@b");
}

TEST(what_was_on_a_host_that_has_left_is_placed_anew) {
    begin(3);
    add_service("api", 3);
    expect_plan("api.0@a api.1@b api.2@c");
    s.world.host_count = 2;
    expect_plan("api.0@a api.1@b api.2@a");
}

// ---- worlds by chance

static mesh_rng rng;
static const char *const service_names[SERVICES_MAX] = {"api", "web", "db", "log", "job", "mail"};
static const char *apart_of[SERVICES_MAX][1];
static deploy_label host_labels[HOSTS_MAX][1];

static uint32_t below(uint32_t bound) {
    return mesh_rng_below(&rng, bound);
}

static void make_host(size_t i) {
    host_labels[i][0] = zones[below(3)];
    s.hosts[i] = (deploy_host){.name = names[i],
                               .labels = host_labels[i],
                               .label_count = below(4) > 0,
                               .cpu_milli = 1000 * (1 + below(4)),
                               .memory = (uint64_t)(1 + below(4)) * 256 * MIB};
}

static void make_service(size_t i) {
    deploy_service *service = &s.services[i];
    apart_of[i][0] = service_names[below(SERVICES_MAX)];
    *service = (deploy_service){
        .name = service_names[i],
        .kind = below(4) > 0 ? DEPLOY_COUNT
                : below(2)   ? DEPLOY_PER_HOST
                             : DEPLOY_MAX,
        .count = below(9),
        .requires = &zones[below(3)],
        .require_count = below(4) == 0,
        .is_spread = below(2),
        .spread_label = below(2) ? "zone" : NULL,
        .apart = apart_of[i],
        .apart_count = below(3) == 0,
        .cpu_milli = below(4) * 250,
        .memory = (uint64_t)below(4) * 128 * MIB,
        .disconnect = (deploy_disconnect)below(3),
        .disconnect_ms = 1000ULL * below(3),
        .reconcile = (deploy_reconcile)below(3),
    };
    if (service->kind == DEPLOY_PER_HOST) service->count %= 3;
}

static void change_world(void) {
    s.world.now_ms += below(2000);
    size_t host = below((uint32_t)s.world.host_count);
    switch (below(6)) {
    case 0: s.services[below(SERVICES_MAX)].count = below(9); break;
    case 1: s.world.host_count = 1 + below(HOSTS_MAX - 1); break;
    case 2: make_service(below(SERVICES_MAX)); break;
    default: set_state(host, (deploy_host_state)below(4)); break;
    }
}

static const deploy_host *host_of(const deploy_placed *p) {
    for (size_t i = 0; i < s.world.host_count; i++)
        if (strcmp(s.hosts[i].name, p->host) == 0) return &s.hosts[i];
    fail_msg("placed on %s, which is not there", p->host);
    return NULL;
}

static bool are_apart(const deploy_service *a, const deploy_service *b) {
    return a != b && ((a->apart_count > 0 && strcmp(a->apart[0], b->name) == 0) ||
                      (b->apart_count > 0 && strcmp(b->apart[0], a->name) == 0));
}

static bool has_labels(const deploy_host *h, const deploy_service *service) {
    return service->require_count == 0 ||
           (h->label_count > 0 && strcmp(h->labels[0].value, service->requires[0].value) == 0);
}

// What is on the host of the plan, and whether one more of `service` (NULL: none) is within bounds.
static bool is_within(const deploy_host *h, const deploy_service *service) {
    uint64_t cpu = service != NULL ? service->cpu_milli : 0,
             memory = service != NULL ? service->memory : 0;
    for (size_t i = 0; i < s.plan.placed_count; i++) {
        const deploy_placed *p = &s.plan.placed[i];
        if (strcmp(p->host, h->name) != 0) continue;
        cpu += s.services[p->service].cpu_milli;
        memory += s.services[p->service].memory;
        if (service != NULL && are_apart(service, &s.services[p->service])) return false;
    }
    return cpu <= h->cpu_milli && memory <= h->memory;
}

static bool could_take(const deploy_host *h, const deploy_service *service) {
    return h->state == DEPLOY_UP && has_labels(h, service) && is_within(h, service);
}

static const char *domain_of(const deploy_host *h, const deploy_service *service) {
    if (service->spread_label == NULL) return h->name;
    return h->label_count > 0 ? h->labels[0].value : "";
}

static uint32_t count_in(const char *domain, uint32_t service) {
    uint32_t count = 0;
    for (size_t i = 0; i < s.plan.placed_count; i++)
        count += s.plan.placed[i].service == service &&
                 strcmp(domain_of(host_of(&s.plan.placed[i]), &s.services[service]), domain) == 0;
    return count;
}

static void check_places(void) {
    for (size_t i = 0; i < s.plan.placed_count; i++) {
        const deploy_placed *p = &s.plan.placed[i], *before = i > 0 ? p - 1 : NULL;
        const deploy_host *h = host_of(p);
        EXPECT_EQ(h->state == DEPLOY_DOWN, p->is_lost);
        EXPECT_TRUE(h->state != DEPLOY_DRAINING);
        if (before != NULL && before->service == p->service && before->slot == p->slot)
            EXPECT_TRUE(before->is_lost || p->is_lost); // never two of one that run
        if (p->is_lost) continue;
        EXPECT_TRUE(has_labels(h, &s.services[p->service]));
        EXPECT_TRUE(is_within(h, NULL));
        for (size_t k = 0; k < i; k++)
            if (strcmp(s.plan.placed[k].host, p->host) == 0)
                EXPECT_FALSE(
                    are_apart(&s.services[p->service], &s.services[s.plan.placed[k].service]));
    }
}

static uint32_t count_slots(uint32_t service) {
    uint32_t count = 0;
    for (size_t i = 0; i < s.plan.placed_count; i++)
        count += s.plan.placed[i].service == service && !s.plan.placed[i].is_stand_in;
    return count;
}

static uint32_t unplaced_of(uint32_t service) {
    for (size_t i = 0; i < s.plan.unplaced_count; i++) {
        if (s.plan.unplaced[i].service != service) continue;
        EXPECT_TRUE(strstr(s.plan.unplaced[i].sentence, "cannot be placed") != NULL);
        return s.plan.unplaced[i].count;
    }
    return 0;
}

// As many as are wanted, or nobody could take one more.
static void check_count(uint32_t service) {
    const deploy_service *of = &s.services[service];
    uint32_t missing = unplaced_of(service), have = count_slots(service);
    EXPECT_TRUE(have <= of->count && have + missing >= of->count);
    for (size_t h = 0; h < s.world.host_count && missing > 0; h++)
        EXPECT_FALSE(could_take(&s.hosts[h], of));
}

static void check_each(uint32_t service) {
    const deploy_service *of = &s.services[service];
    for (size_t h = 0; h < s.world.host_count; h++) {
        const deploy_host *host = &s.hosts[h];
        uint32_t wanted = of->kind == DEPLOY_MAX ? host->cpu_milli / 1000 : of->count, have = 0;
        for (size_t i = 0; i < s.plan.placed_count; i++)
            have += s.plan.placed[i].service == service && host_of(&s.plan.placed[i]) == host;
        EXPECT_TRUE(have <= wanted);
        if (have < wanted) EXPECT_FALSE(could_take(host, of));
    }
}

static void check_spread(uint32_t service) {
    const deploy_service *of = &s.services[service];
    for (size_t i = 0; i < s.plan.placed_count; i++) {
        const deploy_placed *p = &s.plan.placed[i];
        if (p->service != service || p->is_lost) continue;
        uint32_t count = count_in(domain_of(host_of(p), of), service);
        for (size_t h = 0; h < s.world.host_count; h++)
            if (could_take(&s.hosts[h], of))
                EXPECT_TRUE(count_in(domain_of(&s.hosts[h], of), service) + 1 >= count);
    }
}

static void expect_same(const deploy_plan *a, const deploy_plan *b) {
    EXPECT_EQ(a->placed_count, b->placed_count);
    for (size_t i = 0; i < a->placed_count; i++) {
        const deploy_placed *x = &a->placed[i], *y = &b->placed[i];
        EXPECT_TEXT(x->host, y->host);
        EXPECT_TRUE(x->service == y->service && x->slot == y->slot && x->is_lost == y->is_lost &&
                    x->is_stand_in == y->is_stand_in && x->since_ms == y->since_ms);
    }
}

// Hosts in another order, and what is placed too.
static void check_repeats(const deploy_world *world) {
    deploy_host hosts[HOSTS_MAX];
    deploy_placed placed[PLACED_MAX];
    deploy_world other = *world;
    deploy_plan again;
    for (size_t i = 0; i < world->host_count; i++)
        hosts[i] = world->hosts[world->host_count - 1 - i];
    for (size_t i = 0; i < world->placed_count; i++)
        placed[i] = world->placed[world->placed_count - 1 - i];
    other.hosts = hosts;
    other.placed = placed;
    deploy_plan_make(&other, &again);
    expect_same(&s.plan, &again);
    deploy_plan_deinit(&again);
}

// What is planned is left alone when nothing has changed.
static void check_rests(void) {
    deploy_plan again;
    deploy_plan_make(&s.world, &again);
    expect_same(&s.plan, &again);
    deploy_plan_deinit(&again);
}

static bool is_among(const deploy_plan *of, const deploy_placed *p) {
    for (size_t i = 0; i < of->placed_count; i++)
        if (of->placed[i].service == p->service && of->placed[i].slot == p->slot &&
            strcmp(of->placed[i].host, p->host) == 0)
            return true;
    return false;
}

// One more host unplaces nobody, and moves only what is to be spread.
static void check_grows(void) {
    deploy_host before = s.hosts[s.world.host_count];
    make_host(s.world.host_count);
    deploy_world more = s.world;
    deploy_plan next;
    more.host_count++;
    deploy_plan_make(&more, &next);
    for (size_t i = 0; i < s.plan.placed_count; i++) {
        const deploy_placed *p = &s.plan.placed[i];
        bool may_go = s.services[p->service].is_spread || (p->is_lost && p->is_stand_in);
        if (!may_go) EXPECT_TRUE(is_among(&next, p));
    }
    EXPECT_TRUE(next.placed_count >= s.plan.placed_count);
    deploy_plan_deinit(&next);
    s.hosts[s.world.host_count] = before;
}

static void step(void) {
    deploy_plan last = s.plan;
    deploy_world world = s.world;
    s.plan = (deploy_plan){.placed = NULL};
    deploy_plan_make(&world, &s.plan);
    check_repeats(&world);
    deploy_plan_deinit(&last);
    s.world.placed = s.plan.placed;
    s.world.placed_count = s.plan.placed_count;
    EXPECT_TRUE(s.plan.placed_count <= PLACED_MAX);
    check_places();
    for (uint32_t i = 0; i < SERVICES_MAX; i++) {
        if (s.services[i].kind != DEPLOY_COUNT) {
            check_each(i);
            continue;
        }
        check_count(i);
        if (s.services[i].is_spread) check_spread(i);
    }
    check_rests();
    if (s.world.host_count < HOSTS_MAX) check_grows();
}

static uint64_t running_seed;

__attribute__((destructor)) static void say_seed(void) {
    if (running_seed != 0) (void)printf("replay: SEED=%llu\n", (unsigned long long)running_seed);
}

TEST(every_rule_holds_in_worlds_by_chance) {
    const char *only = getenv("SEED");
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        if (only != NULL) seed = strtoull(only, NULL, 10);
        running_seed = seed;
        mesh_rng_init(&rng, seed);
        begin(0);
        for (size_t i = 0; i < HOSTS_MAX; i++)
            make_host(i);
        for (size_t i = 0; i < SERVICES_MAX; i++)
            make_service(i);
        s.world.host_count = 1 + below(HOSTS_MAX - 1);
        s.world.service_count = SERVICES_MAX;
        for (int i = 0; i < STEPS; i++) {
            step();
            change_world();
        }
        if (only != NULL) break;
    }
    running_seed = 0;
}
