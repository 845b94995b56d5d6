#include "cli/client.h"

#include <errno.h>
#include <signal.h>
#include <sys/poll.h> // not <poll.h>: runtime/poll.h is on the path
#include <sys/socket.h>
#include <unistd.h>

#include "agent/keep.h"
#include "cli/args.h"
#include "core/error.h"
#include "core/limits.h"
#include "core/mem.h"
#include "io/channel.h"
#include "io/paths.h"

enum { PROTOCOL = 1, GREETING_TIMEOUT_MS = 5000 };

static pid_t silent_agent; // took the connection, and then said nothing: for the sentence about it

struct cli_client {
    mesh_channel *channel;
    cli_reply_cb on_reply;
    void *user;
};

static void on_packet(mesh_channel *channel, mesh_bytes bytes, mesh_packet *packet, void *user) {
    cli_client *client = user;
    (void)channel;
    (void)packet; // replies bring no descriptors
    Warren__Agent__Reply *reply = warren__agent__reply__unpack(NULL, bytes.len, bytes.data);
    if (reply == NULL) return; // a reply of a later version
    if (reply->kind_case != WARREN__AGENT__REPLY__KIND_GREETING)
        client->on_reply(reply, client->user);
    warren__agent__reply__free_unpacked(reply, NULL);
}

static void on_end(mesh_channel *channel, int err, void *user) {
    cli_client *client = user;
    (void)channel;
    (void)err;
    client->on_reply(NULL, client->user);
}

static int say_hello(int fd) {
    uint8_t bytes[64];
    Warren__Agent__Hello hello = WARREN__AGENT__HELLO__INIT;
    hello.role = WARREN__AGENT__HELLO__ROLE__CLI;
    hello.protocol = PROTOCOL;
    hello.pid = (uint32_t)getpid();
    return mesh_packet_send(fd, (mesh_bytes){bytes, warren__agent__hello__pack(&hello, bytes)},
                            NULL, 0);
}

// Until the agent has said its first word: one that is stopped still takes connections and
// requests.
static int await_greeting(int fd) {
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int count;
    do
        count = poll(&wait, 1, GREETING_TIMEOUT_MS);
    while (count < 0 && errno == EINTR);
    if (count != 0) return count > 0 ? 0 : -errno;
    struct ucred agent;
    socklen_t len = sizeof agent;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &agent, &len) == 0) silent_agent = agent.pid;
    return -ETIMEDOUT;
}

int cli_client_open(uv_loop_t *loop, cli_reply_cb on_reply, void *user, cli_client **out) {
    char path[MESH_PATHS_LEN_MAX];
    int fd;
    int err = mesh_paths_socket(path);
    if (err == 0) err = mesh_packet_connect(path, &fd);
    if (err != 0) return err;
    err = say_hello(fd);
    if (err == -EPIPE) err = 0; // turned away before that: what it said is there to be read
    if (err == 0) err = await_greeting(fd);
    if (err != 0) {
        close(fd);
        return err;
    }
    cli_client *client = mem_alloc(sizeof *client);
    client->on_reply = on_reply;
    client->user = user;
    err = mesh_channel_open(loop, fd, on_packet, on_end, client, &client->channel);
    if (err != 0) {
        free(client);
        return err;
    }
    *out = client;
    return 0;
}

int cli_client_send(cli_client *client, const Warren__Agent__Request *request, int fd) {
    size_t len = warren__agent__request__get_packed_size(request);
    if (len > MESH_PACKET_LEN_MAX) return MESH_ETOOBIG;
    uint8_t *bytes = mem_alloc(len);
    warren__agent__request__pack(request, bytes);
    mesh_channel_send(client->channel, (mesh_bytes){bytes, len}, &fd, fd >= 0 ? 1 : 0);
    free(bytes);
    return 0;
}

void cli_client_pause(cli_client *client, bool is_paused) {
    mesh_channel_pause(client->channel, is_paused);
}

void cli_client_close(cli_client *client) {
    if (client == NULL) return;
    mesh_channel_close(client->channel);
    free(client);
}

int cli_client_explain(int err) {
    char dir[MESH_PATHS_LEN_MAX] = "";
    switch (err) {
    case -ENAMETOOLONG:
        cli_say("the path of the state directory is too long for a socket in it: choose a shorter "
                "WARREN_DIR");
        return CLI_USAGE;
    case -EACCES:
    case -EPERM:
        (void)mesh_paths_dir(dir);
        cli_say("the agent in %s is another user's", dir);
        return CLI_NO_AGENT;
    case -ENOENT:
    case -ECONNREFUSED:
        if (mesh_paths_dir(dir) != 0) {
            cli_say("neither WARREN_DIR nor HOME is set: there is no place for the agent's state");
            return CLI_USAGE;
        }
        if (agent_keep_waits(dir))
            cli_say("the agent in %s has died, and what it ran may run on: `warren agent` takes it "
                    "over",
                    dir);
        else
            cli_say(
                "no agent is running in %s: `warren agent` starts one, `warren run` brings its own",
                dir);
        return CLI_NO_AGENT;
    case -ENOTDIR:
        (void)mesh_paths_dir(dir);
        cli_say("%s is not a directory: choose another WARREN_DIR", dir);
        return CLI_FAILED;
    case -ETIMEDOUT:
        (void)mesh_paths_dir(dir);
        if (silent_agent == 0) // not even its queue had room for us
            cli_say("the agent in %s takes no connections: it is stopped, stuck or overrun", dir);
        else
            cli_say("the agent in %s (pid %d) has not answered for %d s: it is stopped or stuck "
                    "(`kill -CONT %d` wakes a stopped one)",
                    dir, (int)silent_agent, GREETING_TIMEOUT_MS / 1000, (int)silent_agent);
        return CLI_TIMED_OUT;
    default:
        (void)mesh_paths_dir(dir);
        cli_say("cannot talk to the agent in %s: %s", dir, strerror(-err));
        return CLI_NO_AGENT;
    }
}

// ---- questions

struct cli_session {
    uv_loop_t loop;
    uv_signal_t interrupt;
    uv_timer_t limit;
    cli_client *client;
    cli_answer_cb on_reply; // of the question that is open; NULL: none
    void *user;
    int exit_code; // of the question that was answered last
    bool is_answered;
    bool is_end_told; // to people
    int over_code;    // there are no more answers but this one; 0: there are
};

static void answer(cli_session *s, int exit_code) {
    s->exit_code = exit_code;
    s->is_answered = true;
    s->on_reply = NULL;
}

static void end(cli_session *s, int exit_code) {
    s->over_code = exit_code;
    if (!s->is_answered) answer(s, exit_code);
}

static void on_answer(const Warren__Agent__Reply *reply, void *user) {
    cli_session *s = user;
    if (reply == NULL) {
        if (s->on_reply != NULL) cli_say("the agent ended before it answered");
        s->is_end_told = s->on_reply != NULL;
        end(s, CLI_NO_AGENT);
        return;
    }
    if (s->on_reply == NULL) return; // of a question that was answered
    bool is_all = s->on_reply(reply, s->user);
    if (reply->kind_case == WARREN__AGENT__REPLY__KIND_ERROR) {
        if (!is_all) cli_say("%s", reply->error->text);
        answer(s, (int)reply->error->exit_code);
    } else if (is_all || reply->kind_case == WARREN__AGENT__REPLY__KIND_DONE) {
        answer(s, CLI_DONE);
    }
}

static void on_interrupt(uv_signal_t *handle, int signal) {
    end(handle->data, 128 + signal);
}

static void on_limit(uv_timer_t *timer) {
    end(timer->data, CLI_TIMED_OUT);
}

void cli_session_limit(cli_session *s, uint64_t ms) {
    uv_update_time(&s->loop);
    uv_timer_start(&s->limit, on_limit, ms, 0);
}

int cli_session_open(cli_session **out) {
    cli_session *s = mem_alloc(sizeof *s);
    uv_loop_init(&s->loop);
    int err = cli_client_open(&s->loop, on_answer, s, &s->client);
    if (err != 0) {
        uv_loop_close(&s->loop);
        free(s);
        return err;
    }
    uv_signal_init(&s->loop, &s->interrupt);
    uv_timer_init(&s->loop, &s->limit);
    s->interrupt.data = s->limit.data = s;
    (void)uv_signal_start(&s->interrupt, on_interrupt, SIGINT); // without it Ctrl-C just ends us
    *out = s;
    return 0;
}

// There are no more answers: said once.
static int refuse(cli_session *s) {
    if (s->over_code == CLI_NO_AGENT && !s->is_end_told) cli_say("the agent has ended");
    s->is_end_told = true;
    return s->over_code;
}

int cli_session_look(cli_session *s) {
    if (s->over_code == 0) uv_run(&s->loop, UV_RUN_NOWAIT);
    return s->over_code;
}

int cli_session_ask(cli_session *s, const Warren__Agent__Request *request, cli_answer_cb on_reply,
                    void *user) {
    if (s->over_code != 0) return refuse(s);
    if (cli_client_send(s->client, request, -1) != 0) {
        cli_say("the request is too long");
        return CLI_USAGE;
    }
    return cli_session_await(s, on_reply, user);
}

void cli_session_send(cli_session *s, const Warren__Agent__Request *request) {
    if (s->over_code == 0) CHECK(cli_client_send(s->client, request, -1) == 0);
}

int cli_session_await(cli_session *s, cli_answer_cb on_reply, void *user) {
    if (s->over_code != 0) return refuse(s);
    s->on_reply = on_reply;
    s->user = user;
    s->is_answered = false;
    while (!s->is_answered && uv_run(&s->loop, UV_RUN_ONCE) != 0)
        continue;
    return s->exit_code;
}

void cli_session_close(cli_session *s) {
    if (s == NULL) return;
    cli_client_close(s->client);
    uv_close((uv_handle_t *)&s->interrupt, NULL);
    uv_close((uv_handle_t *)&s->limit, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
    free(s);
}

int cli_client_ask(const Warren__Agent__Request *request, cli_answer_cb on_reply, void *user) {
    cli_session *session;
    int err = cli_session_open(&session);
    if (err != 0) return cli_client_explain(err);
    int exit_code = cli_session_ask(session, request, on_reply, user);
    cli_session_close(session);
    return exit_code;
}
