// Hosts and their nodes in one program: agents' members and links, and real nodes (io/member.h)
// that call each other across. The registry between hosts is made by hand: each host hears at once
// what happens on the others.
#pragma once

#include "agent/links.h"
#include "core/error.h"
#include "io/member.h"
#include "pki.h"
#include "test.h"

enum { HOSTS = 3, NODES_MAX = 4 };

typedef struct host {
    pki_host pki;
    agent_members *members;
    agent_links *links;
    mesh_addr address;
    uint64_t ids[NODES_MAX]; // of its nodes
    uint32_t id_count, signs;
    int sign_error;
    uint64_t sign_age_s;   // how old new certificates are already
    bool is_quiet;         // others do not hear of its nodes
    const mesh_addr *wire; // how to reach it, when not by its own address
} host;

typedef struct node {
    mesh_member *w;
    host *host;
    uint64_t id;
    agent_member *member;
    uint32_t joined, announced, replies, errors, messages, requests, closed;
    uint32_t next_slot, error_code, peers;
    bool is_maybe;
    size_t reply_len;
} node;

typedef struct pair { // a on the first host, b on the second serves "service"
    node a, b;
} pair;

extern uv_loop_t loop;
extern host hosts[HOSTS];

void set_up(void); // all hosts, which may do everything; a test that waits for too long fails
void tear_down(void);
void open_host(host *h, uint8_t key, const char *scope);
void close_host(host *h);
void run_until(const uint32_t *count, uint32_t wanted);

void open_node(node *n, host *h, uint64_t number); // and joins
// It says that it has another id than its certificate will say.
void open_node_as(node *n, host *h, uint64_t number, uint64_t id);
uint64_t id_on(const host *h, uint64_t number);
void close_node(node *n);
void announce(node *n, mesh_entry_kind kind, const char *name);
void call(node *n, const char *service);
void call_with(node *n, const char *service, mesh_bytes payload);
// Calls until its registry has the service, and the call is over.
void turn_until_served(node *n, const char *service);
void open_pair(pair *p);
void close_pair(pair *p); // and tears down

void tell_up(const host *of, uint64_t node_id); // to the others
int on_sign(uint64_t number, const char *name, const uint8_t link_key[MESH_LINK_KEY_LEN],
            mesh_signed *out, void *user);
