// What the files of the placement share. placement.c: what stays, what goes, what comes;
// placement_fit.c: what a host can take, and why not.
#pragma once

#include "deploy/placement.h"

enum { DEPLOY_NOWHERE = UINT32_MAX };

typedef struct placing {
    const deploy_world *world;
    uint32_t *by_name; // hosts, in the order of their names
    deploy_plan *plan;
    size_t placed_cap, unplaced_cap;
    uint32_t *host_of; // of each of the plan; DEPLOY_NOWHERE: it goes
    size_t host_of_cap;
    uint64_t *cpu_milli, *memory; // that is taken, of each host
    uint16_t *counts;             // of service s at host h: [h * service_count + s]
    uint8_t *apart;               // services a and b: [a * service_count + b]
    uint8_t *has_apart;           // of service s there is one
    // Of the service that was looked at last: which hosts are one domain (by the first of them),
    // and how many of its instances that has.
    uint32_t domains_of;
    uint32_t *domain_ids, *domain_counts;
} placing;

typedef enum deploy_obstacle {
    DEPLOY_FITS,
    DEPLOY_NOT_UP,
    DEPLOY_NO_LABEL,
    DEPLOY_NO_ROOM,
    DEPLOY_NOT_APART,
    DEPLOY_OBSTACLES,
} deploy_obstacle;

uint16_t *deploy_count_at(placing *p, uint32_t host, uint32_t service);
bool deploy_may_have(const placing *p, uint32_t host, uint32_t service); // its labels are right
// Whether one more fits; a host that is suspect takes what it has already (`is_there`).
deploy_obstacle deploy_look(placing *p, uint32_t host, uint32_t service, bool is_there);
void deploy_take(placing *p, uint32_t host, uint32_t service, int by); // 1 or -1
// The value over which it is spread; "": the host does not have that label.
const char *deploy_domain(const placing *p, uint32_t host, uint32_t service);
uint32_t deploy_domain_count(placing *p, uint32_t host, uint32_t service); // of its instances there
// The best of those that fit, in other domains than `not_in` (NULL: any).
uint32_t deploy_best_host(placing *p, uint32_t service, const char *not_in);
void deploy_explain(placing *p, uint32_t service, uint32_t count,
                    uint32_t host); // host: or NOWHERE
