#include "cli/enrol.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h> // not <poll.h>: runtime/poll.h is on the path
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "core/control.h"
#include "core/error.h"
#include "discovery/endpoint.h"
#include "io/steady.h"
#include "io/wall.h"

enum { CONNECT_MS = 5000, WHOLE_MS = 10000, INPUT_LEN = 16 << 10, TRIES = 3 };

// 0 once the socket is ready, or -errno.
static int wait_for(int fd, short events, uint64_t until_ms) {
    for (;;) {
        uint64_t now_ms = mesh_steady_ms();
        if (now_ms >= until_ms) return -ETIMEDOUT;
        struct pollfd one = {.fd = fd, .events = events};
        int count = poll(&one, 1, (int)(until_ms - now_ms));
        if (count > 0) return 0;
        if (count < 0 && errno != EINTR) return -errno;
    }
}

// ---- connecting

static int connect_one(const struct addrinfo *to) {
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err = 0;
    if (fd < 0) return -errno;
    if (connect(fd, to->ai_addr, to->ai_addrlen) != 0) {
        err = errno == EINPROGRESS ? wait_for(fd, POLLOUT, mesh_steady_ms() + CONNECT_MS) : -errno;
        int result = 0;
        socklen_t len = sizeof result;
        if (err == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &len) == 0) err = -result;
    }
    if (err == 0) return fd;
    close(fd);
    return err;
}

int cli_enrol_connect(const char *address, char text[CLI_ENROL_TEXT_MAX]) {
    mesh_endpoint to;
    char port[6];
    if (mesh_endpoint_parse(mesh_bytes_text(address), 0, &to) != 0) {
        (void)snprintf(text, CLI_ENROL_TEXT_MAX, "%.200s is no address", address);
        return MESH_EINVAL;
    }
    (void)snprintf(port, sizeof port, "%u", to.port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found;
    int err = getaddrinfo(to.host, port, &hints, &found);
    if (err != 0) {
        (void)snprintf(text, CLI_ENROL_TEXT_MAX, "%.200s: %s", address, gai_strerror(err));
        return -EHOSTUNREACH;
    }
    int fd = -EHOSTUNREACH;
    for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next)
        fd = connect_one(at);
    freeaddrinfo(found);
    if (fd < 0)
        (void)snprintf(text, CLI_ENROL_TEXT_MAX, "%.200s cannot be reached: %s", address,
                       strerror(-fd));
    return fd;
}

// ---- the conversation

static int write_all(int fd, mesh_enrol *enrol, uint64_t until_ms) {
    for (;;) {
        mesh_bytes bytes = mesh_enrol_output(enrol);
        if (bytes.len == 0) return 0;
        ssize_t sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (sent > 0)
            mesh_enrol_sent(enrol, (size_t)sent);
        else if (errno != EAGAIN && errno != EINTR)
            return -errno;
        int err = sent > 0 ? 0 : wait_for(fd, POLLOUT, until_ms);
        if (err != 0) return err;
    }
}

static int talk(int fd, mesh_enrol *enrol) {
    uint8_t buffer[INPUT_LEN];
    size_t len = 0;
    uint64_t until_ms = mesh_steady_ms() + WHOLE_MS;
    for (int err = MESH_EAGAIN; err == MESH_EAGAIN;) {
        err = write_all(fd, enrol, until_ms);
        if (err == 0) err = wait_for(fd, POLLIN, until_ms);
        if (err != 0) return err;
        if (len == sizeof buffer) return MESH_ETOOBIG;
        ssize_t count = recv(fd, buffer + len, sizeof buffer - len, 0);
        if (count == 0) return MESH_EGONE;
        if (count < 0 && errno != EAGAIN && errno != EINTR) return -errno;
        len += count > 0 ? (size_t)count : 0;
        mesh_bytes input = {buffer, len};
        err = mesh_enrol_receive(enrol, mesh_wall_ms() / 1000, &input);
        memmove(buffer, input.data, input.len);
        len = input.len;
        if (err != MESH_EAGAIN) return err;
    }
    return 0;
}

static void explain(int err, const char *address, const mesh_enrol *enrol,
                    char text[CLI_ENROL_TEXT_MAX]) {
    switch (err) {
    case MESH_EREFUSED:
        (void)snprintf(text, CLI_ENROL_TEXT_MAX, "%.200s refuses: %.255s", address,
                       mesh_enrol_refusal(enrol));
        return;
    case MESH_EGONE:
        (void)snprintf(
            text, CLI_ENROL_TEXT_MAX,
            "%.200s closed the connection without a word: it does not know this token "
            "(is the agent there the one that made it?), it is overrun, or no Warren listens there",
            address);
        return;
    case MESH_ECERTTIME:
        (void)snprintf(text, CLI_ENROL_TEXT_MAX,
                       "the certificate of %.200s is not valid at this time: one of the two clocks "
                       "is wrong",
                       address);
        return;
    case MESH_ETOOBIG: // a host with another token's keys closes without a word
    case MESH_EPROTO:
    case MESH_ESEAL:
        (void)snprintf(text, CLI_ENROL_TEXT_MAX, "what answers at %.200s is no Warren host",
                       address);
        return;
    case -ETIMEDOUT:
        (void)snprintf(text, CLI_ENROL_TEXT_MAX, "%.200s took the connection and does not answer",
                       address);
        return;
    default:
        (void)snprintf(text, CLI_ENROL_TEXT_MAX, "%.200s: %s", address,
                       err < -10000 ? mesh_error_text(err) : strerror(-err));
    }
}

static int try_address(const cli_enrol_options *options, const char *address,
                       mesh_enrol_answer *out, char text[CLI_ENROL_TEXT_MAX]) {
    int fd = cli_enrol_connect(address, text);
    if (fd < 0) return fd;
    mesh_enrol_dial_options dialling = {
        .token = options->token,
        .name = options->name,
        .is_name_open = options->is_name_open,
        .minor_min = mesh_minors_spoken().min,
        .minor_max = mesh_minors_spoken().max,
    };
    memcpy(dialling.sign_secret, options->sign_secret, sizeof dialling.sign_secret);
    memcpy(dialling.link_secret, options->link_secret, sizeof dialling.link_secret);
    randombytes_buf(dialling.ephemeral_secret, sizeof dialling.ephemeral_secret);
    randombytes_buf(&dialling.salt, sizeof dialling.salt);
    mesh_enrol *enrol = mesh_enrol_dial(&dialling);
    sodium_memzero(&dialling, sizeof dialling);
    int err = talk(fd, enrol);
    close(fd);
    if (err == 0)
        *out = *mesh_enrol_answered(enrol);
    else
        explain(err, address, enrol, text);
    mesh_enrol_destroy(enrol);
    return err;
}

int cli_enrol(const cli_enrol_options *options, mesh_enrol_answer *out,
              char text[CLI_ENROL_TEXT_MAX]) {
    int err = -EHOSTUNREACH;
    size_t len = 0;
    for (size_t i = 0; i < options->token->address_count; i++) {
        char why[CLI_ENROL_TEXT_MAX] = "";
        const char *address = options->token->addresses[i];
        options->on_try(address);
        for (int left = TRIES; left > 0; left--) {
            err = try_address(options, address, out, why);
            bool may_pass = err == MESH_EGONE || err == -ECONNRESET || err == -ECONNREFUSED;
            if (!may_pass || left == 1) break;
            (void)sleep(1); // many may be at that port, or its agent is starting
        }
        if (err == 0) return 0;
        int added =
            snprintf(text + len, CLI_ENROL_TEXT_MAX - len, "%s%s", len > 0 ? "; " : "", why);
        len += added > 0 ? (size_t)added : 0;
        if (len >= CLI_ENROL_TEXT_MAX - 1 || err == MESH_EREFUSED) return err;
    }
    return err;
}
