#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "deploy/placement_state.h"

uint16_t *deploy_count_at(placing *p, uint32_t host, uint32_t service) {
    return &p->counts[(size_t)host * p->world->service_count + service];
}

static const char *label_of(const deploy_host *host, const char *key) {
    for (size_t i = 0; i < host->label_count; i++)
        if (strcmp(host->labels[i].key, key) == 0) return host->labels[i].value;
    return NULL;
}

// The first label that it needs and the host does not have; NULL: none.
static const deploy_label *missing_label(const deploy_host *host, const deploy_service *service) {
    for (size_t i = 0; i < service->require_count; i++) {
        const char *value = label_of(host, service->requires[i].key);
        if (value == NULL || strcmp(value, service->requires[i].value) != 0)
        return &service->requires[i];
    }
    return NULL;
}

bool deploy_may_have(const placing *p, uint32_t host, uint32_t service) {
    return missing_label(&p->world->hosts[host], &p->world->services[service]) == NULL;
}

static bool is_apart(placing *p, uint32_t host, uint32_t service) {
    size_t count = p->world->service_count;
    if (!p->has_apart[service]) return true;
    for (uint32_t other = 0; other < count; other++)
        if (p->apart[service * count + other] && *deploy_count_at(p, host, other) > 0) return false;
    return true;
}

static bool has_room(const placing *p, uint32_t host, uint32_t service) {
    const deploy_host *h = &p->world->hosts[host];
    const deploy_service *s = &p->world->services[service];
    return p->cpu_milli[host] + s->cpu_milli <= h->cpu_milli &&
           p->memory[host] + s->memory <= h->memory;
}

deploy_obstacle deploy_look(placing *p, uint32_t host, uint32_t service, bool is_there) {
    deploy_host_state state = p->world->hosts[host].state;
    bool is_good = state == DEPLOY_UP || (is_there && state != DEPLOY_DRAINING);
    if (!is_good) return DEPLOY_NOT_UP;
    if (!deploy_may_have(p, host, service)) return DEPLOY_NO_LABEL;
    if (!has_room(p, host, service)) return DEPLOY_NO_ROOM;
    return is_apart(p, host, service) ? DEPLOY_FITS : DEPLOY_NOT_APART;
}

void deploy_take(placing *p, uint32_t host, uint32_t service, int by) {
    const deploy_service *s = &p->world->services[service];
    *deploy_count_at(p, host, service) = (uint16_t)(*deploy_count_at(p, host, service) + by);
    if (service == p->domains_of) p->domain_counts[p->domain_ids[host]] += (uint32_t)by;
    p->cpu_milli[host] += (uint64_t)by * s->cpu_milli;
    p->memory[host] += (uint64_t)by * s->memory;
}

const char *deploy_domain(const placing *p, uint32_t host, uint32_t service) {
    const char *label = p->world->services[service].spread_label;
    const deploy_host *h = &p->world->hosts[host];
    if (label == NULL) return h->name;
    const char *value = label_of(h, label);
    return value != NULL ? value : "";
}

static uint32_t first_of_domain(const placing *p, uint32_t host, uint32_t service) {
    if (p->world->services[service].spread_label == NULL) return host;
    const char *domain = deploy_domain(p, host, service);
    uint32_t first = 0;
    while (first < host &&
           (p->domain_ids[first] != first || strcmp(deploy_domain(p, first, service), domain) != 0))
        first++;
    return first;
}

static void find_domains(placing *p, uint32_t service) {
    for (uint32_t h = 0; h < p->world->host_count; h++) {
        p->domain_ids[h] = first_of_domain(p, h, service);
        p->domain_counts[h] = 0;
        p->domain_counts[p->domain_ids[h]] += *deploy_count_at(p, h, service);
    }
    p->domains_of = service;
}

uint32_t deploy_domain_count(placing *p, uint32_t host, uint32_t service) {
    if (p->domains_of != service) find_domains(p, service);
    return p->domain_counts[p->domain_ids[host]];
}

// Fewest in its domain, then fewest on the host, then most room, then by name: smaller is better.
typedef struct rank {
    uint32_t domain, own;
    uint64_t load; // in 1/1000, of what is fuller
} rank;

static uint64_t share(uint64_t used, uint64_t of) {
    return used > 0 && of > 0 ? used * 1000 / of : 0; // mostly nothing is reserved
}

static rank rank_of(placing *p, uint32_t host, uint32_t service) {
    const deploy_host *h = &p->world->hosts[host];
    uint64_t cpu = share(p->cpu_milli[host], h->cpu_milli),
             memory = share(p->memory[host] >> 10, h->memory >> 10);
    return (rank){
        .domain = p->world->services[service].is_spread ? deploy_domain_count(p, host, service) : 0,
        .own = *deploy_count_at(p, host, service),
        .load = cpu > memory ? cpu : memory,
    };
}

static bool is_better(const rank *a, const rank *b) {
    if (a->domain != b->domain) return a->domain < b->domain;
    if (a->own != b->own) return a->own < b->own;
    return a->load < b->load;
}

uint32_t deploy_best_host(placing *p, uint32_t service, const char *not_in) {
    uint32_t best = DEPLOY_NOWHERE;
    rank best_rank = {0};
    for (size_t i = 0; i < p->world->host_count; i++) {
        uint32_t host = p->by_name[i];
        // Few are better than all before them: only those are worth a closer look.
        rank r = rank_of(p, host, service);
        if (best != DEPLOY_NOWHERE && !is_better(&r, &best_rank)) continue;
        if (deploy_look(p, host, service, false) != DEPLOY_FITS) continue;
        if (not_in != NULL && strcmp(deploy_domain(p, host, service), not_in) == 0) continue;
        best = host;
        best_rank = r;
    }
    return best;
}

// ---- why not

static void add_reason(char *sentence, size_t count, const char *format, const char *what) {
    size_t len = strlen(sentence);
    if (count == 0) return;
    len += (size_t)snprintf(sentence + len, DEPLOY_SENTENCE_LEN_MAX + 1 - len, "%s%zu ",
                            sentence[len - 1] == ':' ? " " : ", ", count);
    if (len < DEPLOY_SENTENCE_LEN_MAX)
        (void)snprintf(sentence + len, DEPLOY_SENTENCE_LEN_MAX + 1 - len, format, what);
}

// True: all hosts that may have it are being drained, and that is what it says.
static bool say_draining(placing *p, uint32_t service, char *sentence) {
    const char *first = NULL;
    char more[40] = "";
    size_t count = 0;
    for (uint32_t h = 0; h < p->world->host_count; h++) {
        if (!deploy_may_have(p, h, service)) continue;
        if (p->world->hosts[h].state != DEPLOY_DRAINING) return false;
        if (count++ == 0) first = p->world->hosts[h].name;
    }
    if (count == 0) return false;
    if (count > 1) (void)snprintf(more, sizeof more, " and %zu more are", count - 1);
    (void)snprintf(sentence, DEPLOY_SENTENCE_LEN_MAX + 1,
                   "%.80s cannot be placed: no host is left that may run it: %.63s%s draining "
                   "(`warren undrain %.63s` lets it come back)",
                   p->world->services[service].name, first, count > 1 ? more : " is", first);
    return true;
}

static void say_obstacles(placing *p, uint32_t service, uint32_t host, char *sentence) {
    size_t counts[DEPLOY_OBSTACLES] = {0}, draining = 0;
    const deploy_service *s = &p->world->services[service];
    const deploy_label *label = NULL;
    char need[64], missing[128] = "";
    for (uint32_t h = 0; h < p->world->host_count; h++) {
        if (host != DEPLOY_NOWHERE && host != h) continue;
        deploy_obstacle obstacle = deploy_look(p, h, service, false);
        bool is_draining = p->world->hosts[h].state == DEPLOY_DRAINING;
        draining += is_draining;
        counts[obstacle] += !is_draining;
        if (obstacle == DEPLOY_NO_LABEL && label == NULL)
            label = missing_label(&p->world->hosts[h], s);
    }
    (void)snprintf(need, sizeof need, "%.1f processors and %" PRIu64 " MiB",
                   (double)s->cpu_milli / 1000, s->memory >> 20);
    if (label != NULL)
        (void)snprintf(missing, sizeof missing, "%.50s=%.50s", label->key, label->value);
    add_reason(sentence, counts[DEPLOY_NOT_UP], "not up%s", "");
    add_reason(sentence, draining, "draining%s", "");
    add_reason(sentence, counts[DEPLOY_NO_LABEL], "without %s or another label that it needs",
               missing);
    add_reason(sentence, counts[DEPLOY_NO_ROOM], "without room for %s", need);
    add_reason(sentence, counts[DEPLOY_NOT_APART], "with a service that it must be apart from%s",
               "");
}

void deploy_explain(placing *p, uint32_t service, uint32_t count, uint32_t host) {
    deploy_plan *plan = p->plan;
    deploy_unplaced *last =
        plan->unplaced_count > 0 ? &plan->unplaced[plan->unplaced_count - 1] : NULL;
    if (last != NULL && last->service == service) { // said already, of another host
        last->count += count;
        return;
    }
    plan->unplaced = mem_grow(plan->unplaced, sizeof *plan->unplaced, plan->unplaced_count + 1,
                              &p->unplaced_cap);
    deploy_unplaced *to = &plan->unplaced[plan->unplaced_count++];
    *to = (deploy_unplaced){.service = service, .count = count};
    const char *name = p->world->services[service].name;
    if (p->world->host_count == 0) {
        (void)snprintf(to->sentence, sizeof to->sentence,
                       "%.80s cannot be placed: there is no host (`warren join` adds one)", name);
        return;
    }
    if (host == DEPLOY_NOWHERE && say_draining(p, service, to->sentence)) return;
    if (host != DEPLOY_NOWHERE)
        (void)snprintf(to->sentence, sizeof to->sentence, "%.80s cannot be placed on %.80s:", name,
                       p->world->hosts[host].name);
    else
        (void)snprintf(to->sentence, sizeof to->sentence,
                       "%.80s cannot be placed on any of %zu hosts:", name, p->world->host_count);
    say_obstacles(p, service, host, to->sentence);
}
