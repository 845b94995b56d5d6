#include "discovery/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/error.h"
#include "core/mem.h"
#include "discovery/dns_ttl.h"
#include "io/watch.h"

// c-ares doubles the time for the second try: 4.5 s for each server that is silent.
enum { TRY_MS = 1500, TRIES = 2 };

struct mesh_resolver {
    ares_channel channel;
    char *servers;
    struct timespec conf_changed; // of /etc/resolv.conf, when the channel was made
    mesh_watch watch;
    uv_timer_t timer;
    size_t open_count; // questions under way, those that are being answered too
    bool is_closing;
};

typedef struct question {
    mesh_resolver *resolver;
    uint16_t port;
    mesh_answer_cb cb;
    void *user;
} question;

// ---- the channel of c-ares

static struct timespec conf_changed(void) {
    struct stat info;
    return stat("/etc/resolv.conf", &info) == 0 ? info.st_mtim : (struct timespec){0};
}

static void on_socket_state(void *user, ares_socket_t fd, int for_read, int for_write) {
    mesh_resolver *resolver = user;
    if (!resolver->is_closing) mesh_watch_set(&resolver->watch, fd, for_read, for_write);
}

static int open_channel(mesh_resolver *resolver) {
    struct ares_options options = {
        .timeout = TRY_MS,
        .tries = TRIES,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = resolver,
    };
    resolver->conf_changed = conf_changed();
    if (ares_init_options(&resolver->channel, &options,
                          ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) !=
        ARES_SUCCESS)
        return UV_ENOMEM;
    if (resolver->servers == NULL) return 0;
    if (ares_set_servers_ports_csv(resolver->channel, resolver->servers) == ARES_SUCCESS) return 0;
    ares_destroy(resolver->channel);
    return MESH_EINVAL;
}

// A laptop moves, a container gets its file late. c-ares 1.18 reads it only when a channel is made.
static void follow_conf(mesh_resolver *resolver) {
    if (resolver->servers != NULL || resolver->open_count > 0) return;
    struct timespec now = conf_changed(), then = resolver->conf_changed;
    if (now.tv_sec == then.tv_sec && now.tv_nsec == then.tv_nsec) return;
    ares_channel old = resolver->channel;
    if (open_channel(resolver) == 0)
        ares_destroy(old);
    else
        resolver->channel = old;
}

static void on_timer(uv_timer_t *timer);

static void rearm(mesh_resolver *resolver) {
    if (resolver->is_closing) return;
    struct timeval left;
    if (ares_timeout(resolver->channel, NULL, &left) == NULL) {
        uv_timer_stop(&resolver->timer);
        return;
    }
    uint64_t left_ms = (uint64_t)left.tv_sec * 1000 + (uint64_t)left.tv_usec / 1000 + 1;
    uv_timer_start(&resolver->timer, on_timer, left_ms, 0);
}

static void on_timer(uv_timer_t *timer) {
    mesh_resolver *resolver = timer->data;
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    rearm(resolver);
}

static void on_ready(int fd, bool can_read, bool can_write, void *user) {
    mesh_resolver *resolver = user;
    ares_process_fd(resolver->channel, can_read ? fd : ARES_SOCKET_BAD,
                    can_write ? fd : ARES_SOCKET_BAD);
    rearm(resolver);
}

int mesh_resolver_open(uv_loop_t *loop, const char *servers, mesh_resolver **out) {
    mesh_resolver *resolver = mem_alloc(sizeof *resolver);
    resolver->servers = servers != NULL ? mem_copy(servers, strlen(servers) + 1) : NULL;
    mesh_watch_init(&resolver->watch, loop, on_ready, resolver);
    int err = open_channel(resolver);
    if (err != 0) {
        free(resolver->servers);
        free(resolver);
        return err;
    }
    uv_timer_init(loop, &resolver->timer);
    resolver->timer.data = resolver;
    *out = resolver;
    return 0;
}

static void on_closed(uv_handle_t *handle) {
    mesh_resolver *resolver = handle->data;
    ares_destroy(resolver->channel); // not before: close may be called from inside of an answer
    free(resolver->servers);
    free(resolver);
}

void mesh_resolver_close(mesh_resolver *resolver) {
    if (resolver == NULL) return;
    resolver->is_closing = true;
    mesh_watch_deinit(&resolver->watch);
    uv_close((uv_handle_t *)&resolver->timer, on_closed);
}

// ---- questions

static question *ask(mesh_resolver *resolver, mesh_answer_cb cb, void *user) {
    follow_conf(resolver);
    resolver->open_count++;
    question *asked = mem_alloc(sizeof *asked);
    *asked = (question){.resolver = resolver, .cb = cb, .user = user};
    return asked;
}

static void finish(question *asked, const mesh_answer *answer) {
    mesh_resolver *resolver = asked->resolver;
    if (!resolver->is_closing) asked->cb(answer, asked->user);
    resolver->open_count--;
    free(asked);
}

static const char *error_text(int status) {
    switch (status) {
    case ARES_ENOTFOUND: return "the name does not exist";
    case ARES_ENODATA: return "the name exists, but has no record of this type";
    case ARES_ETIMEOUT: return "no name server answered in time";
    case ARES_ECONNREFUSED: return "no name server could be reached";
    case ARES_ESERVFAIL: return "the name server failed";
    case ARES_EBADRESP: return "the name server's answer is damaged";
    case ARES_EBADNAME: return "it is no name of DNS";
    default: return ares_strerror(status);
    }
}

static void finish_empty(question *asked, int status) {
    finish(asked,
           &(mesh_answer){.error = error_text(status == ARES_SUCCESS ? ARES_ENODATA : status)});
}

static bool address_text(const struct sockaddr *address, char *out, size_t cap) {
    if (address->sa_family == AF_INET)
        return inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, out,
                         (socklen_t)cap) != NULL;
    if (address->sa_family == AF_INET6)
        return inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, out,
                         (socklen_t)cap) != NULL;
    return false;
}

static void on_addresses(void *user, int status, int timeouts, struct ares_addrinfo *found) {
    (void)timeouts;
    question *asked = user;
    mesh_endpoint *endpoints = mem_alloc(MESH_ENDPOINTS_MAX * sizeof *endpoints);
    mesh_answer answer = {.endpoints = endpoints};
    struct ares_addrinfo_node *node = found != NULL ? found->nodes : NULL;
    for (; node != NULL && answer.count < MESH_ENDPOINTS_MAX; node = node->ai_next) {
        mesh_endpoint *one = &endpoints[answer.count];
        if (!address_text(node->ai_addr, one->host, sizeof one->host)) continue;
        one->port = asked->port;
        uint32_t ttl_s = node->ai_ttl > 0 ? (uint32_t)node->ai_ttl : 1;
        if (answer.count++ == 0 || ttl_s < answer.ttl_s) answer.ttl_s = ttl_s;
    }
    if (answer.count > 0)
        finish(asked, &answer);
    else
        finish_empty(asked, status);
    free(endpoints);
    if (found != NULL) ares_freeaddrinfo(found);
}

void mesh_resolver_addresses(mesh_resolver *resolver, const char *host, uint16_t port,
                             mesh_answer_cb cb, void *user) {
    if (mesh_is_host_address(host)) {
        mesh_endpoint same = {.port = port};
        memcpy(same.host, host, strlen(host) + 1);
        cb(&(mesh_answer){.endpoints = &same, .count = 1}, user);
        return;
    }
    question *asked = ask(resolver, cb, user);
    asked->port = port;
    struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC};
    ares_getaddrinfo(resolver->channel, host, NULL, &hints, on_addresses, asked);
    rearm(resolver);
}

static int by_priority(const void *left, const void *right) {
    const struct ares_srv_reply *const *a = left, *const *b = right;
    return (int)(*a)->priority - (int)(*b)->priority;
}

static size_t sort_services(struct ares_srv_reply *first,
                            struct ares_srv_reply *out[MESH_ENDPOINTS_MAX]) {
    size_t count = 0;
    for (; first != NULL && count < MESH_ENDPOINTS_MAX; first = first->next)
        out[count++] = first;
    qsort(out, count, sizeof(struct ares_srv_reply *), by_priority);
    return count;
}

static void on_services(void *user, int status, int timeouts, unsigned char *bytes, int len) {
    (void)timeouts;
    question *asked = user;
    struct ares_srv_reply *found = NULL, *sorted[MESH_ENDPOINTS_MAX];
    if (status == ARES_SUCCESS) {
        status = ares_parse_srv_reply(bytes, len, &found);
        if (status == ARES_EBADNAME)
            status = ARES_EBADRESP; // a name in the answer, not the one asked
    }
    size_t found_count = sort_services(status == ARES_SUCCESS ? found : NULL, sorted);
    mesh_endpoint *endpoints = mem_alloc(MESH_ENDPOINTS_MAX * sizeof *endpoints);
    mesh_answer answer = {.endpoints = endpoints};
    for (size_t i = 0; i < found_count; i++) {
        mesh_bytes host = mesh_bytes_text(sorted[i]->host);
        if (!mesh_is_host_name(host) || sorted[i]->port == 0) continue;
        mesh_endpoint *one = &endpoints[answer.count++];
        memcpy(one->host, host.data, host.len);
        one->port = sorted[i]->port;
    }
    if (answer.count > 0) {
        answer.ttl_s = mesh_dns_ttl((mesh_bytes){bytes, (size_t)len});
        finish(asked, &answer);
    } else {
        finish_empty(asked, status);
    }
    free(endpoints);
    if (found != NULL) ares_free_data(found);
}

void mesh_resolver_services(mesh_resolver *resolver, const char *name, mesh_answer_cb cb,
                            void *user) {
    question *asked = ask(resolver, cb, user);
    ares_search(resolver->channel, name, ns_c_in, ns_t_srv, on_services, asked);
    rearm(resolver);
}
