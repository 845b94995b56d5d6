// Letting a new host in: the issuer's side of an enrolment link (secure/enrol.h), on a socket.
#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "agent/cluster_state.h"
#include "agent/say.h"
#include "agent/tickets.h"
#include "core/error.h"
#include "core/mem.h"
#include "io/sockaddr.h"

enum { ENROL_MS = 10000, INPUT_LEN = 8 << 10, HANDLES = 2 };

struct cluster_enrol {
    agent_cluster *cluster;
    mesh_enrol *enrol;
    uv_poll_t poll;
    uv_timer_t timer;
    int fd, handles;
    uint64_t ticket_id;
    bool is_answered;
    uint8_t input[INPUT_LEN];
    size_t len;
    cluster_enrol *next;
};

static void on_closed(uv_handle_t *handle) {
    cluster_enrol *e = handle->data;
    if (--e->handles > 0) return;
    sodium_memzero(e->input, sizeof e->input);
    free(e);
}

static void end(cluster_enrol *e) {
    for (cluster_enrol **at = &e->cluster->enrolments; *at != NULL; at = &(*at)->next) {
        if (*at != e) continue;
        *at = e->next;
        e->cluster->enrolment_count--;
        break;
    }
    uv_close((uv_handle_t *)&e->poll, on_closed);
    uv_close((uv_handle_t *)&e->timer, on_closed);
    close(e->fd);
    mesh_enrol_destroy(e->enrol);
}

static void on_timer(uv_timer_t *timer) {
    cluster_enrol *e = timer->data;
    agent_say("enrolment: a host with ticket %016" PRIx64 " is let go: it was not done in %d s",
              e->ticket_id, ENROL_MS / 1000);
    end(e);
}

// One that is down or has left may come back as a new host of the same name; so may one that too
// few can tell to be down, or nobody could take its place in a cluster of two.
static bool is_taken(void *user, const char *name, const uint8_t host_id[MESH_ID_LEN]) {
    const agent_cluster *c = user;
    mesh_swim_host host;
    for (uint32_t cursor = 0; mesh_swim_each(c->swim, &cursor, &host);) {
        bool is_there =
            host.is_self || host.state == MESH_HOST_UP || host.state == MESH_HOST_SUSPECT;
        if (is_there && strcmp(host.name, name) == 0 && !cluster_is_same(host.host_id, host_id))
            return true;
    }
    return false;
}

// Seeds for the new host: ourselves, and who else is up.
static void answer(cluster_enrol *e) {
    agent_cluster *c = e->cluster;
    char addresses[MESH_ENROL_SEEDS_MAX][MESH_ADDR_TEXT_MAX], text[AGENT_VAULT_TEXT_MAX] = "";
    const char *seeds[MESH_ENROL_SEEDS_MAX];
    size_t count = 0;
    mesh_swim_host host;
    for (uint32_t cursor = 0;
         count < MESH_ENROL_SEEDS_MAX && mesh_swim_each(c->swim, &cursor, &host);) {
        if ((!host.is_self && host.state != MESH_HOST_UP) || host.addr_count == 0) continue;
        seeds[count] = mesh_addr_text(&host.addrs[0], addresses[count]);
        count++;
    }
    agent_admission admission = {.enrol = e->enrol,
                                 .ticket_id = e->ticket_id,
                                 .seeds = seeds,
                                 .seed_count = count,
                                 .now_s = cluster_now_s(),
                                 .is_taken = is_taken,
                                 .user = c};
    char from[MESH_ADDR_TEXT_MAX] = "-";
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    if (getpeername(e->fd, (struct sockaddr *)&peer, &len) == 0) {
        mesh_addr address = mesh_sockaddr_addr((struct sockaddr *)&peer);
        mesh_addr_text(&address, from);
    }
    // Each host that comes in is in the log: there are no more of them than tokens were made.
    if (agent_tickets_admit(c->identity, &admission, text) == 0)
        agent_say_event("enrolment: %s, from %s", text, from);
    else
        agent_say("enrolment: %s (from %s)", text, from);
    e->is_answered = true;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static bool write_all(cluster_enrol *e) { // false: it is over
    for (mesh_bytes out; (out = mesh_enrol_output(e->enrol)).len > 0;) {
        ssize_t sent = send(e->fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN)
            return uv_poll_start(&e->poll, UV_READABLE | UV_WRITABLE, on_poll) == 0;
        if (sent < 0) return false;
        mesh_enrol_sent(e->enrol, (size_t)sent);
    }
    return !e->is_answered && uv_poll_start(&e->poll, UV_READABLE, on_poll) == 0;
}

static bool read_some(cluster_enrol *e) {
    if (e->len == sizeof e->input) return false;
    ssize_t count = recv(e->fd, e->input + e->len, sizeof e->input - e->len, MSG_DONTWAIT);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) return false;
    e->len += (size_t)count;
    mesh_bytes input = {e->input, e->len};
    int err = mesh_enrol_receive(e->enrol, cluster_now_s(), &input);
    memmove(e->input, input.data, input.len);
    e->len = input.len;
    if (err == 0) answer(e);
    if (err == 0 || err == MESH_EAGAIN) return true;
    agent_say("enrolment: a host with ticket %016" PRIx64 " is let go: %s", e->ticket_id,
              mesh_error_text(err));
    return false;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    cluster_enrol *e = poll->data;
    bool is_alive = status == 0;
    if (is_alive && (events & UV_READABLE) != 0 && !e->is_answered) is_alive = read_some(e);
    if (!is_alive || !write_all(e)) end(e);
}

void cluster_enrol_accept(agent_cluster *c, int fd, const mesh_ticket_keys *ticket) {
    uint8_t ephemeral[MESH_NOISE_KEY_LEN];
    if (c->enrolment_count == CLUSTER_ENROLMENTS_MAX) {
        close(fd);
        return;
    }
    cluster_enrol *e = mem_alloc(sizeof *e);
    *e = (cluster_enrol){.cluster = c, .fd = fd, .ticket_id = ticket->id, .handles = HANDLES};
    if (uv_poll_init(c->options.loop, &e->poll, fd) != 0) {
        close(fd);
        free(e);
        return;
    }
    (void)uv_timer_init(c->options.loop, &e->timer); // never fails
    e->poll.data = e->timer.data = e;
    randombytes_buf(ephemeral, sizeof ephemeral);
    e->enrol = mesh_enrol_listen(&c->identity->credentials, ticket, ephemeral);
    sodium_memzero(ephemeral, sizeof ephemeral);
    e->next = c->enrolments;
    c->enrolments = e;
    c->enrolment_count++;
    (void)uv_timer_start(&e->timer, on_timer, ENROL_MS, 0);
    if (uv_poll_start(&e->poll, UV_READABLE, on_poll) != 0) end(e);
}

void cluster_enrol_close(agent_cluster *c) {
    while (c->enrolments != NULL)
        end(c->enrolments);
}
