// What the leader has ordered this host to run (proto/deploy.proto: Order, Report), carried out:
// whatever runs and whatever was begun, it is brought to what the newest order of each service
// says. The releases come from whoever asks for them here, by `prepare` and `spec`.
//
// The last orders and the specs they need are in STATE/deploy/orders, so that a host that starts
// while the store is away runs what it ran. What runs already is adopted and compared with them:
// nothing is started again that need not be.
#pragma once

#include <uv.h>

#include "agent/services.h"
#include "deploy.pb-c.h"

enum {
    AGENT_ORDERS_INSTANCES_MAX = 500, // of one order
    AGENT_ORDERS_PREPARE_MAX = 4,
    AGENT_ORDERS_REPORT_MS = 100, // news of one service are told at most so often
    AGENT_ORDERS_AGAIN_MS = 5000, // what could not be had is asked for again
};

typedef struct agent_orders agent_orders;

typedef struct agent_orders_options {
    uv_loop_t *loop;
    agent_services *services; // has adopted what there is; lives longer
    const char *dir;          // the state directory
    // Both are answered once for each time they are asked, at once or later from the loop, by
    // agent_orders_prepared and agent_orders_spec. One that is asked for and not answered yet is
    // not asked for again; one that could not be had is, after AGENT_ORDERS_AGAIN_MS or with a new
    // order. A release that was had is not asked for again in the life of this process.
    void (*prepare)(void *user, const char *project, uint64_t release);
    void (*spec)(void *user, const char *project, uint64_t release, const char *service);
    // Something differs from what was told before. NULL: its order was deleted and nothing of it
    // runs any more. Borrowed. Never called from inside of a call into this module.
    void (*on_report)(void *user, const char *service, const Warren__Deploy__Report *report);
    void *user;
} agent_orders_options;

// Reads the last orders, and begins in the loop's next turn. It is cut off until
// agent_orders_cut_off says otherwise.
agent_orders *agent_orders_create(const agent_orders_options *options);
// Ends nothing that runs. NULL is fine. Freed later, from the loop.
void agent_orders_destroy(agent_orders *orders);

// The order of this service is this now (NULL: there is none any more: its instances drain and are
// stopped). Copies. Said again it is the same. 0, or MESH_EINVAL: it breaks a limit, and the one
// before stays.
int agent_orders_take(agent_orders *orders, const char *service,
                      const Warren__Deploy__Order *order);
// All services that have an order in the store are these: any other has none any more. For whoever
// has read all of them, after he has taken them.
void agent_orders_only(agent_orders *orders, const char *const *services, size_t count);
// The store cannot be heard: a service with stop_after_ms is stopped after so long, and runs again
// when its order is taken again. When it can be heard again, each report is told again.
void agent_orders_cut_off(agent_orders *orders, bool is_cut_off);

// ---- answers

// `dir`: where it is unpacked, as an absolute path; or NULL, and `why` not, in a sentence ("":
// nobody can say it yet, and it is asked for again). Copies.
void agent_orders_prepared(agent_orders *orders, const char *project, uint64_t release,
                           const char *dir, const char *why);
// NULL: `why` it cannot be had ("" as above). Copies.
void agent_orders_spec(agent_orders *orders, const char *project, uint64_t release,
                       const char *service, const Warren__Deploy__Spec *spec, const char *why);

// Whether an order names this release or an instance runs it: then it must stay on the disk.
bool agent_orders_needs(const agent_orders *orders, const char *project, uint64_t release);
