// What a handshake between two nodes costs each side, in microseconds of CPU:
//   ninja -C build handshake_bench && build/bin/handshake_bench
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/mem.h"
#include "pki.h"
#include "secure/handshake.h"

enum { ROUNDS = 500, WIRE_MAX = 16384 };

typedef struct side {
    uint8_t certs[MESH_CHAIN_MAX][MESH_CERT_LEN_MAX];
    mesh_bytes chain[MESH_CHAIN_MAX];
    mesh_credentials self;
    mesh_cert host;
    double us;
} side;

static double cpu_us(void) {
    struct timespec at;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

static void make(side *s, uint8_t host_key, uint8_t link_key, uint64_t number) {
    mesh_cert issuer = pki_cert(MESH_ROLE_ISSUER, PKI_ISSUER, 0);
    mesh_cert node = pki_cert(MESH_ROLE_NODE, host_key, link_key);
    s->host = pki_cert(MESH_ROLE_HOST, host_key, link_key);
    node.node_number = number;
    s->chain[0] = pki_issue(&issuer, PKI_ROOT, s->certs[0]);
    s->chain[1] = pki_issue(&s->host, PKI_ISSUER, s->certs[1]);
    s->chain[2] = pki_issue(&node, host_key, s->certs[2]);
    s->self = (mesh_credentials){.chain = s->chain,
                                 .chain_count = 3,
                                 .link_secret = {link_key},
                                 .psk_id = 1,
                                 .trust = pki_trust(),
                                 .node_id = mesh_node_id_of(s->host.host_id, number),
                                 .boot_id = number,
                                 .minor_min = 1,
                                 .minor_max = 1};
    memcpy(s->self.cluster_id, s->host.cluster_id, MESH_ID_LEN);
}

// One message; what reading it costs, and writing the answer, is counted to the reader.
static int carry(mesh_handshake *from, mesh_handshake *to, side *reader) {
    uint8_t wire[WIRE_MAX];
    mesh_bytes out = mesh_handshake_output(from);
    mesh_bytes input = {wire, out.len};
    memcpy(wire, out.data, out.len);
    mesh_handshake_sent(from, out.len);
    double begin = cpu_us();
    int err = mesh_handshake_receive(to, PKI_NOW_S, &input);
    reader->us += cpu_us() - begin;
    return err;
}

static void shake_hands(side *dialler, side *listener, uint8_t round) {
    mesh_handshake_options dial = {.self = &dialler->self,
                                   .is_dialler = true,
                                   .ephemeral_secret = {1, round},
                                   .kind = MESH_KIND_NODE,
                                   .salt = round,
                                   .peer_node_id = listener->self.node_id};
    mesh_handshake_options listen = {.self = &listener->self, .ephemeral_secret = {2, round}};
    memcpy(dial.peer_host_id, listener->host.host_id, MESH_ID_LEN);
    double begin = cpu_us();
    mesh_handshake *d = mesh_handshake_create(&dial);
    dialler->us += cpu_us() - begin;
    begin = cpu_us();
    mesh_handshake *l = mesh_handshake_create(&listen);
    listener->us += cpu_us() - begin;
    (void)carry(d, l, listener);
    CHECK(carry(l, d, dialler) == 0);
    CHECK(carry(d, l, listener) == 0);
    mesh_handshake_destroy(d);
    mesh_handshake_destroy(l);
}

int main(void) {
    static side dialler, listener;
    make(&dialler, 10, 16, 7);
    make(&listener, 11, 24, 8);
    for (int i = 0; i < ROUNDS; i++)
        shake_hands(&dialler, &listener, (uint8_t)i);
    printf("{\"dialler\": %.0f, \"listener\": %.0f}\n", dialler.us / ROUNDS, listener.us / ROUNDS);
    return EXIT_SUCCESS;
}
