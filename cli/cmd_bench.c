#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/clean.h"
#include "cli/duration.h"
#include "cli/json.h"
#include "cli/node.h"
#include "cli/value.h"
#include "core/be.h"
#include "core/mem.h"

static const char PARENT[] = "WARREN_BENCH_PARENT"; // in a child's environment: whose

enum { OPTION_DURATION, OPTION_OUTSTANDING, OPTION_SIZE, OPTION_SERVE, OPTION_JSON };
enum {
    DURATION_MS = 2000,
    OUTSTANDING = 64,
    SAMPLES_MAX = 1 << 20,
    SIZE_MAX_BYTES = 1000000,
    NS_PER_MS = 1000000,
    SUBJECT_MAX = 256,
    ARRIVAL_NS = 1000000000 // none came for so long: none will
};

static const cli_option options[] = {
    {'d', "duration", "TIME", "of each measurement (2s)"},
    {'n', "outstanding", "N", "calls at the same time, where there are several (64)"},
    {0, "size", "BYTES", "what a call of its own carries (16)"},
    {0, "serve", "NAME",
     "only answer, as the service NAME: for `warren bench NAME echo` elsewhere"},
    {0, "json", NULL, "as one line of JSON"},
    {0, NULL, NULL, NULL},
};

typedef enum phase { SEQUENTIAL, CONCURRENT, MESSAGES, DONE } phase;

typedef struct benching {
    cli_node node;
    const char *service, *method, *value;
    char own_name[32]; // of the service that this command starts, if it does
    uv_process_t child;
    uint64_t arrived, arrived_ns; // messages one way: how many, and when that changed
    bool has_child, is_serving, is_json, is_finishing;
    uint64_t duration_ms;
    uint32_t outstanding, size;
    warren_bytes payload;
    phase phase;
    uint64_t began_ns, ended_ns;
    uint64_t count; // answers, or messages
    uint64_t *samples;
    size_t sample_count;
    uint64_t asked_ns; // the one call of SEQUENTIAL
    uint32_t open;
    double p50_us, p99_us, calls_per_s, messages_per_s;
    uint64_t received; // of a server
} benching;

// ---- the other side

static void on_message(warren *w, const warren_message *message, void *user) {
    (void)w, (void)message;
    ((benching *)user)->received++;
}

static void on_request(warren *w, warren_request *request, void *user) {
    benching *b = user;
    (void)w;
    uint8_t count[9] = {0xcf};
    if (strcmp(request->name, "echo") == 0) {
        (void)warren_reply(request, request->payload.data, request->payload.len);
    } else if (strcmp(request->name, "received") == 0) {
        (void)store_be64(count + 1, b->received);
        (void)warren_reply(request, count, sizeof count);
    } else {
        warren_refuse(request, WARREN_NO_METHOD);
    }
}

static void subject_of(const char *service, char out[SUBJECT_MAX]) {
    (void)snprintf(out, SUBJECT_MAX, "%.200s.messages", service);
}

static int serve(benching *b, const char *name) {
    char subject[SUBJECT_MAX];
    const char *parent = getenv(PARENT);
    if (parent != NULL) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != atoi(parent)) return CLI_FAILED; // it has just ended
    }
    subject_of(name, subject);
    int exit_code = cli_node_open(&b->node);
    if (exit_code != CLI_DONE) return exit_code;
    int err = warren_subscribe(b->node.w, subject, NULL, on_message, b, NULL);
    if (err == 0) err = warren_serve(b->node.w, name, NULL, on_request, b, NULL);
    if (err != 0) cli_node_end(&b->node, cli_node_refused(name, err));
    return cli_node_run(&b->node);
}

// ---- results

static int compare(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static double at_share(const benching *b, double share) {
    if (b->sample_count == 0) return 0;
    size_t at = (size_t)((double)b->sample_count * share);
    return (double)b->samples[at < b->sample_count ? at : b->sample_count - 1] / 1000;
}

static void report(const benching *b) {
    if (b->is_json) {
        json_t *out = json_pack("{s:s, s:f, s:f, s:f, s:i}", "service", b->service, "p50us",
                                b->p50_us, "p99us", b->p99_us, "callsPerSecond", b->calls_per_s,
                                "outstanding", (int)b->outstanding);
        if (b->has_child)
            (void)json_object_set_new(out, "messagesPerSecond", json_real(b->messages_per_s));
        cli_json_print(out);
        return;
    }
    (void)printf("one call after the other  %10.1f us p50  %10.1f us p99  (%zu calls)\n", b->p50_us,
                 b->p99_us, b->sample_count);
    (void)printf("%u calls at a time        %10.0f calls/s\n", b->outstanding, b->calls_per_s);
    if (b->has_child)
        (void)printf("messages one way          %10.0f messages/s\n", b->messages_per_s);
}

// ---- measuring

static void begin(benching *b);

static void fail(benching *b, const warren_answer *answer) {
    char *text = cli_clean_text(strdup(answer->text));
    if (answer->error == WARREN_NO_RESPONDERS) {
        cli_node_end(&b->node, cli_node_no_service(b->node.w, b->service));
    } else {
        cli_say("%.100s %.100s: %.500s", b->service, b->method, text);
        cli_node_end(&b->node, answer->error == WARREN_TIMEOUT ? CLI_TIMED_OUT : CLI_FAILED);
    }
    free(text);
}

static double per_second(const benching *b) {
    return (double)b->count * 1e9 / (double)(uv_hrtime() - b->began_ns);
}

static void next_phase(benching *b) {
    if (b->phase == SEQUENTIAL && b->sample_count > 0) {
        qsort(b->samples, b->sample_count, sizeof *b->samples, compare);
        b->p50_us = at_share(b, 0.5);
        b->p99_us = at_share(b, 0.99);
    } else if (b->phase == CONCURRENT) {
        b->calls_per_s = per_second(b);
    } else if (b->phase == MESSAGES) {
        b->messages_per_s = per_second(b);
    }
    b->phase++;
    if (b->phase == MESSAGES && !b->has_child) b->phase = DONE;
    if (b->phase != DONE) {
        begin(b);
        return;
    }
    report(b);
    cli_node_end(&b->node, CLI_DONE);
}

static void ask(benching *b);

static void on_answer(warren *w, const warren_answer *answer, void *user) {
    benching *b = user;
    (void)w;
    b->open--;
    if (b->node.is_over) return;
    if (answer->error != WARREN_OK) {
        fail(b, answer);
        return;
    }
    uint64_t now_ns = uv_hrtime();
    b->count++;
    if (b->phase == SEQUENTIAL && b->sample_count < SAMPLES_MAX)
        b->samples[b->sample_count++] = now_ns - b->asked_ns;
    if (now_ns < b->ended_ns)
        ask(b);
    else if (b->open == 0)
        next_phase(b);
}

static void call(benching *b, const char *method, warren_bytes payload, warren_answer_cb on_end) {
    warren_callee callee = {.service = b->service, .method = method, .timeout_ms = 60000};
    int err = warren_call(b->node.w, &callee, payload, on_end, b, NULL);
    if (err != 0) cli_node_end(&b->node, cli_node_refused(b->service, err));
}

static void ask(benching *b) {
    b->open++;
    b->asked_ns = uv_hrtime();
    call(b, b->method, b->payload, on_answer);
}

// ---- messages

static void on_received(warren *w, const warren_answer *answer, void *user) {
    benching *b = user;
    const uint8_t *count = answer->payload.data;
    (void)w;
    if (answer->error != WARREN_OK) {
        fail(b, answer);
        return;
    }
    bool is_count = answer->payload.len == 9 && count[0] == 0xcf;
    uint64_t arrived = is_count ? load_be64(count + 1) : 0, now_ns = uv_hrtime();
    if (arrived != b->arrived) b->arrived_ns = now_ns;
    b->arrived = arrived;
    if (arrived == b->count) {
        next_phase(b);
    } else if (now_ns - b->arrived_ns < ARRIVAL_NS) { // calls may overtake publications
        call(b, "received", (warren_bytes){0}, on_received);
    } else {
        cli_say("of %llu messages %llu arrived", (unsigned long long)b->count,
                (unsigned long long)arrived);
        cli_node_end(&b->node, CLI_FAILED);
    }
}

static void publish(benching *b) {
    char subject[SUBJECT_MAX];
    subject_of(b->service, subject);
    while (uv_hrtime() < b->ended_ns) {
        if (warren_is_full(b->node.w, false)) return; // on_event goes on
        for (int i = 0; i < OUTSTANDING; i++)
            b->count += warren_publish(b->node.w, subject, b->payload, NULL) == 0;
    }
    if (b->is_finishing) return;
    b->is_finishing = true;
    b->arrived_ns = uv_hrtime();
    call(b, "received", (warren_bytes){0}, on_received);
}

static void on_event(cli_node *node, warren_event event) {
    benching *b = (benching *)(void *)node;
    if (event == WARREN_EVENT_DRAIN && b->phase == MESSAGES) publish(b);
}

static void begin(benching *b) {
    static const char *const names[] = {"one call after the other", "many calls at a time",
                                        "messages one way"};
    if (isatty(STDERR_FILENO)) (void)fprintf(stderr, "%s ...\n", names[b->phase]);
    b->count = 0;
    b->began_ns = uv_hrtime();
    b->ended_ns = b->began_ns + b->duration_ms * NS_PER_MS;
    if (b->phase == MESSAGES) {
        publish(b);
        return;
    }
    uint32_t wanted = b->phase == SEQUENTIAL ? 1 : b->outstanding;
    for (uint32_t i = 0; i < wanted && !b->node.is_over; i++)
        ask(b);
}

// ---- the service that it starts itself

static void on_child_exit(uv_process_t *process, int64_t status, int signal) {
    benching *b = process->data;
    uv_close((uv_handle_t *)process, NULL);
    if (b->phase != DONE && !b->node.is_over) {
        if (signal != 0)
            cli_say("the service that bench started was ended by signal %d (%s)", signal,
                    strsignal(signal));
        else
            cli_say("the service that bench started has ended with code %d", (int)status);
        cli_node_end(&b->node, CLI_FAILED);
    }
    b->has_child = false;
}

static int start_child(benching *b) {
    char path[PATH_MAX];
    size_t len = sizeof path;
    if (uv_exepath(path, &len) != 0) return UV_ENOENT;
    char *args[] = {path, "bench", "--serve", b->own_name, NULL};
    uv_stdio_container_t stdio[] = {{.flags = UV_IGNORE},
                                    {.flags = UV_IGNORE},
                                    {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO}};
    uv_process_options_t child = {
        .exit_cb = on_child_exit, .file = path, .args = args, .stdio_count = 3, .stdio = stdio};
    // A service that outlived who calls it would be served for ever.
    char parent[16];
    (void)snprintf(parent, sizeof parent, "%d", (int)getpid());
    (void)setenv(PARENT, parent, 1);
    b->child.data = b;
    int err = uv_spawn(warren_loop(b->node.w), &b->child, &child);
    b->has_child = err == 0;
    if (err != 0) uv_close((uv_handle_t *)&b->child, NULL);
    return err;
}

static void count_one(const char *service, const warren_peer *peer, void *user) {
    (void)service, (void)peer;
    ++*(size_t *)user;
}

static void begin_when_served(cli_node *node, warren_event event) {
    benching *b = (benching *)(void *)node;
    size_t count = 0;
    if (event != WARREN_EVENT_INSTANCES) return;
    warren_each_instance(node->w, b->service, count_one, &count);
    if (count == 0) return;
    node->on_event = on_event;
    begin(b);
}

static void on_end(cli_node *node) {
    benching *b = (benching *)(void *)node;
    if (b->has_child)
        (void)uv_process_kill(&b->child, SIGTERM); // its end is awaited with the loop's
}

// ---- the command

static bool make_payload(benching *b) {
    if (b->value != NULL) return cli_node_read_value(b->value, &b->payload);
    uint8_t *bytes = mem_alloc(5 + b->size);
    bytes[0] = 0xc6;
    (void)store_be32(bytes + 1, b->size);
    b->payload = (warren_bytes){bytes, 5 + b->size};
    return true;
}

static int measure(benching *b) {
    b->samples = mem_check(malloc(SAMPLES_MAX * sizeof *b->samples));
    b->node.on_end = on_end;
    if (b->service != NULL) {
        b->node.on_event = on_event;
        begin(b);
    } else {
        (void)snprintf(b->own_name, sizeof b->own_name, "bench-%d", (int)getpid());
        b->service = b->own_name;
        b->method = "echo";
        b->node.on_event = begin_when_served;
        int err = start_child(b);
        if (err != 0) {
            cli_say("cannot start a service to call: %s", uv_strerror(err));
            cli_node_end(&b->node, CLI_FAILED);
        }
    }
    int exit_code = cli_node_run(&b->node);
    free(b->samples);
    return exit_code;
}

// The value is read first: nobody waits in the mesh for what is typed.
static int join_and_measure(benching *b) {
    if (!make_payload(b)) return CLI_USAGE;
    int exit_code = cli_node_open(&b->node);
    if (exit_code == CLI_DONE) exit_code = measure(b);
    free((void *)b->payload.data);
    return exit_code;
}

static bool take_word(benching *b, const char *word) {
    const char **places[] = {&b->service, &b->method, &b->value};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (*places[i] != NULL) continue;
        *places[i] = word;
        return true;
    }
    cli_say("bench takes a service, its method and one value: \"%.40s\" is one too many", word);
    return false;
}

static bool take_option(benching *b, const cli_args *args, int option, const char **served) {
    switch (option) {
    case OPTION_DURATION:
        return cli_duration_parse("duration", args->value, 3600000, &b->duration_ms);
    case OPTION_OUTSTANDING: return cli_args_number(args, "outstanding", 1, 10000, &b->outstanding);
    case OPTION_SIZE: return cli_args_number(args, "size", 1, SIZE_MAX_BYTES, &b->size);
    case OPTION_SERVE: *served = args->value; return true;
    default: b->is_json = true; return true;
    }
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_bench, .argc = argc, .argv = argv};
    benching b = {.duration_ms = DURATION_MS, .outstanding = OUTSTANDING, .size = 16};
    const char *served = NULL;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        bool is_fit =
            arg == CLI_ARG_WORD ? take_word(&b, args.value) : take_option(&b, &args, arg, &served);
        if (!is_fit) return CLI_USAGE;
    }
    if (b.service != NULL && b.method == NULL) {
        cli_say("bench needs a method of %.60s to call", b.service);
        return CLI_USAGE;
    }
    return served != NULL ? serve(&b, served) : join_and_measure(&b);
}

const cli_command cli_bench = {
    .name = "bench",
    .usage = "[SERVICE METHOD [VALUE]] [-d TIME] [-n N] [--size BYTES] [--serve NAME] [--json]",
    .summary = "Measures calls and messages: to a service, or between two processes of its own",
    .example = "  warren bench\n  warren bench greeter hello '{\"name\": \"Ada\"}' -d 5s\n",
    .options = options,
    .run = run,
};
