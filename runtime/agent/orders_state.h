// Inside of orders*.c: the orders of this host, what they need, and what became of them.
#pragma once

#include "agent/instances.h"
#include "agent/orders.h"
#include "agent/orders_step.h"

enum {
    ORDERS_WHY_MAX = 301, // as Present.why says, with its end
    ORDERS_LINES_MAX = 2 << 10,
    ORDERS_FAILED_TOLD_MAX = 3,
    ORDERS_SERVICES_MAX = AGENT_SERVICES_MAX,
};

typedef struct order_release { // one release of a project; also one that none names any more
    char project[AGENT_SERVICE_NAME_LEN_MAX];
    uint64_t number;
    char *dir; // NULL: not here yet
    bool is_asked;
    uint64_t again_at_ms; // 0: it was not asked for yet
    char why[ORDERS_WHY_MAX];
    struct order_release *next;
} order_release;

typedef struct order_spec { // of one release, for one service
    uint64_t number;
    Warren__Deploy__Spec *spec; // NULL: not known yet
    bool is_asked;
    uint64_t again_at_ms;
    char why[ORDERS_WHY_MAX];
    struct order_spec *next;
} order_spec;

typedef struct order_try { // of a release that is not what the instance runs; owns its words
    uint64_t release;      // 0: none
    uint32_t attempt;
    char why[ORDERS_WHY_MAX];
    agent_last_lines words;
    uint64_t again_at_ms; // it was refused, and is tried again then; UINT64_MAX: it is not
} order_try;

typedef struct order_instance {
    uint64_t release; // that is wanted; 0: it does not run
    uint32_t attempt, since;
    order_try failed; // the last try that was
} order_instance;

typedef struct order_bring { // a reload under way
    struct ordered *ordered;
    uint32_t instance;
    uint64_t release;
    uint32_t attempt;
    bool is_cancelled;
    struct order_bring *next;
} order_bring;

typedef struct ordered { // one service
    agent_orders *orders;
    char service[AGENT_SERVICE_NAME_LEN_MAX];
    Warren__Deploy__Order *order;             // NULL: it was deleted, and is being ended
    char project[AGENT_SERVICE_NAME_LEN_MAX]; // of the last order
    uint32_t drain_ms;                        // likewise
    order_instance *instances;                // of the order; more than it has: of earlier ones
    uint32_t instance_cap;
    order_spec *specs;
    order_bring *brings;
    uint64_t heard_at_ms; // when it was taken last; of mesh_steady_ms
    bool is_lapsed;       // stop_after_ms is over
    bool is_foreign;      // somebody else runs a service of this name
    // What was told last; NULL: nothing. Likewise when.
    uint8_t *told;
    size_t told_len;
    uint64_t told_at_ms;
    struct ordered *next;
} ordered;

typedef struct orders_file orders_file;

struct agent_orders {
    agent_orders_options options;
    orders_file *file;
    ordered *first;
    order_release *releases;
    agent_watch watch;
    uv_timer_t timer;
    bool is_cut_off, is_working;
    uint64_t cut_off_at_ms; // of mesh_steady_ms
};

void orders_work_soon(agent_orders *orders);
uint64_t orders_now_ms(const agent_orders *orders);
static inline uint32_t orders_count(const ordered *o) { // of instances that may run
    return o->order != NULL && !o->is_lapsed ? (uint32_t)o->order->n_instances : 0;
}
// Its service, when it is one of the project that has the order; NULL: there is none.
agent_service *orders_service(const ordered *o);
// What is wanted of it and is to be looked at now.
agent_order_wanted orders_wanted(const ordered *o, uint32_t instance);

// ---- orders_have.c: releases and specs
// Asks for what is not here yet; when to do so again, or UINT64_MAX.
uint64_t orders_have_ask(ordered *o);
bool orders_have(const ordered *o, uint64_t release);
// Why it is not; "" while it is being asked for.
const char *orders_have_why(const ordered *o, uint64_t release);
const order_release *orders_have_release(const agent_orders *orders, const char *project,
                                         uint64_t number);
void orders_have_set(agent_orders *orders, const char *project, uint64_t number, const char *dir);
void orders_have_set_spec(ordered *o, uint64_t number, Warren__Deploy__Spec *spec); // takes it
// The program that a release has for this service, as it runs on this host; NULL: orders_have is
// false. Gives.
Warren__Agent__Run *orders_have_run(const ordered *o, uint64_t release);
void orders_have_forget(ordered *o, bool is_all); // what no instance and no order needs
void orders_have_again(ordered *o);               // what could not be had is asked for at once
void orders_have_free(agent_orders *orders);

// ---- orders_report.c
// Tells what is new, but not too often: when to come again, or UINT64_MAX.
uint64_t orders_report(ordered *o);

// ---- orders_file.c: STATE/deploy/orders, SERVICE for an order and SERVICE.NUMBER for what it
// needs of a release
orders_file *orders_file_open(uv_loop_t *loop, const char *dir);
void orders_file_close(orders_file *file); // all that was said is on disk then; freed later
void orders_file_read(agent_orders *orders);
void orders_file_keep(const ordered *o);
void orders_file_keep_release(const ordered *o, uint64_t number);
void orders_file_drop(const ordered *o);
// Since when the store could not be heard, in mesh_steady_ms; UINT64_MAX: it can.
void orders_file_keep_cut_off(const agent_orders *orders, uint64_t at_ms);
uint64_t orders_file_cut_off(const agent_orders *orders); // as it was kept
void orders_file_drop_release(const ordered *o, uint64_t number);

// ---- orders_table.c
ordered *orders_find(const agent_orders *orders, const char *service);
ordered *orders_add(agent_orders *orders, const char *service);
void orders_remove(ordered *o); // nothing of it is under way, and it is on disk no more
void orders_free(ordered *o);   // it stays there
// It says this from now on. Takes it. False: it breaks a limit, and was freed.
bool orders_set(ordered *o, Warren__Deploy__Order *order);
void orders_try_clear(order_try *t);
