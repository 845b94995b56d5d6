// Datagrams of membership.
#include <stdio.h>

#include "agent/cluster_state.h"
#include "io/sockaddr.h"

enum { DATAGRAM_LEN_MAX = 2048 }; // longer ones are none of ours

void cluster_datagrams_send(agent_cluster *c, const mesh_addr *to, mesh_bytes bytes) {
    struct sockaddr_storage at;
    (void)mesh_sockaddr_of(to, &at);
    uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.len);
    // What does not go now is lost, as datagrams may be: membership asks again.
    (void)uv_udp_try_send(&c->udp, &buffer, 1, (struct sockaddr *)&at);
}

static void on_datagram(uv_udp_t *udp, ssize_t len, const uv_buf_t *buffer,
                        const struct sockaddr *from, unsigned flags) {
    agent_cluster *c = udp->data;
    if (len <= 0 || from == NULL || (flags & UV_UDP_PARTIAL) != 0) return;
    mesh_addr addr = mesh_sockaddr_addr(from);
    mesh_swim_receive(c->swim, cluster_now_ms(c), cluster_now_s(), &addr,
                      (mesh_bytes){(const uint8_t *)buffer->base, (size_t)len});
    cluster_work(c);
}

// One buffer for all: what is read is handled before the next read.
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    static char bytes[DATAGRAM_LEN_MAX];
    (void)handle;
    (void)suggested;
    *buffer = uv_buf_init(bytes, sizeof bytes);
}

int cluster_datagrams_open(agent_cluster *c, const mesh_addr *listen,
                           char text[AGENT_VAULT_TEXT_MAX]) {
    struct sockaddr_storage at;
    (void)mesh_sockaddr_of(listen, &at);
    int err = uv_udp_bind(&c->udp, (struct sockaddr *)&at, 0);
    if (err == 0) err = uv_udp_recv_start(&c->udp, on_alloc, on_datagram);
    if (err != 0)
        (void)snprintf(
            text, AGENT_VAULT_TEXT_MAX,
            "cannot take datagrams on %.200s: %s (`listen` in %.150s/config.json chooses "
            "the address)",
            c->identity->config.listen, strerror(-err), c->identity->vault);
    return err;
}
