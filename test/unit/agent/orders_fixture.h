// The services of an agent and the orders that they carry out, in one loop: releases are
// directories with a program in them, and what is reported is waited for. One at a time: set_up and
// tear_down.
#pragma once

#include <sys/types.h>
#include <uv.h>

#include "agent/orders.h"
#include "agent/services.h"
#include "test.h"

extern uv_loop_t loop;
extern uv_timer_t watchdog;
extern agent_services *services;
extern agent_orders *orders;
extern char dir[32], state_dir[64];
extern bool is_late;
extern uint32_t prepare_count, spec_count; // how often each was asked for
extern const char *prepare_trouble, *spec_trouble;
extern bool is_preparing; // and has no answer yet

typedef struct orders_told { // the last report of api
    // "6r" for each instance: the release, and S, r, F or - for its state; "+7" or "!7" for what is
    // prepared.
    char text[512];
    char why[512], lines[512];
    uint32_t count;         // of reports
    uint32_t restarts, pid; // of its first instance
    bool is_gone;
} orders_told;
extern orders_told told;

void set_up(void); // with the releases 5 and 6, which are good
void tear_down(void);
void open_services(void);
void open_orders(void);

// Each start of the program leaves a line in DIR/starts: the release and its pid.
void release(uint64_t number, const char *program);
extern const char good[], bad[]; // programs
void path_of(uint64_t release, const char *name, char out[256]);
void write_file(uint64_t release, const char *name, const char *text);
uint32_t count_starts(void);

// "5.1 6.2 -": the release and the attempt of each instance.
Warren__Deploy__Order *order_of(const char *text);
void take(Warren__Deploy__Order *order); // and frees it
void want(const char *text);

void turn(void);
void until(const char *text); // that is told
void until_settled(void);     // no old life is left beside a new one
void until_starts(uint32_t count);
pid_t pid_of(uint32_t instance); // 0: there is none
