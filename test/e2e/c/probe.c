// A program in C for the tests: does what they say, one command a line, and prints what happens as
// a line each. It includes warren.h alone.
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>
#include <warren.h>

enum { LINE_LEN_MAX = 4 << 20, WORDS_MAX = 12 };

static warren *w;
static warren_request *kept; // of the method "keep": answered by a later command
static char *line;
static size_t line_len;

// ---- printing

static void print_hex(warren_bytes bytes) {
    const unsigned char *at = bytes.data;
    if (bytes.len == 0) printf("-");
    for (size_t i = 0; i < bytes.len; i++)
        printf("%02x", at[i]);
}

static void print_end(void) {
    printf("\n");
    fflush(stdout);
}

// "-" is nothing.
static warren_bytes parse_hex(char *text) {
    size_t len = strcmp(text, "-") == 0 ? 0 : strlen(text) / 2;
    for (size_t i = 0; i < len; i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};
        text[i] = (char)strtoul(digits, NULL, 16);
    }
    return (warren_bytes){text, len};
}

static const char *text_or_null(const char *word) {
    return strcmp(word, "-") == 0 ? NULL : word;
}

// ---- serving

static void on_kept_abort(warren_request *request) {
    printf("aborted %s", request->name);
    print_end();
}

typedef struct counting {
    long next, end;
} counting;

// A stream of the numbers up to `end`.
static void count_on(warren_request *request) {
    counting *c = request->data;
    for (; c->next < c->end; c->next++) {
        unsigned long n = (unsigned long)c->next;
        unsigned char item[5] = {0xce, (unsigned char)(n >> 24), (unsigned char)(n >> 16),
                                 (unsigned char)(n >> 8), (unsigned char)n};
        int err = warren_item(request, item, sizeof item);
        if (err == WARREN_WAIT || err == WARREN_CANCELLED) return;
    }
    free(c);
    warren_reply(request, NULL, 0);
}

static void on_count_abort(warren_request *request) {
    printf("count aborted");
    print_end();
    free(request->data);
    warren_refuse(request, WARREN_CANCELLED);
}

static void count(warren_request *request, long end) {
    counting *c = calloc(1, sizeof *c);
    c->end = end;
    request->data = c;
    request->on_room = count_on;
    request->on_abort = on_count_abort;
    count_on(request);
}

static void on_request(warren *mesh, warren_request *request, void *user) {
    (void)mesh, (void)user;
    if (strcmp(request->name, "echo") == 0) {
        warren_reply(request, request->payload.data, request->payload.len);
    } else if (strcmp(request->name, "show") == 0) {
        printf("request %016llx %u ", (unsigned long long)request->from, request->timeout_ms);
        print_hex(request->headers);
        printf(" ");
        print_hex(request->payload);
        print_end();
        warren_reply(request, NULL, 0);
    } else if (strcmp(request->name, "fail") == 0) {
        warren_fail(request, "EWRONG", "this is wrong");
    } else if (strcmp(request->name, "garbage") == 0) {
        int err = warren_reply(request, "\xc1", 1);
        printf("garbage %s", warren_error_name(err));
        print_end();
    } else if (strcmp(request->name, "keep") == 0) {
        kept = request;
        request->on_abort = on_kept_abort;
        printf("kept");
        print_end();
    } else if (strcmp(request->name, "count") == 0) {
        count(request, 100000);
    } else if (strcmp(request->name, "endless") == 0) {
        count(request, LONG_MAX);
    } else {
        warren_refuse(request, WARREN_NO_METHOD);
    }
}

static void on_message(warren *mesh, const warren_message *message, void *user) {
    (void)mesh, (void)user;
    printf("message %s ", message->subject);
    print_hex(message->headers);
    printf(" ");
    print_hex(message->payload);
    print_end();
    if (message->request)
        warren_reply(message->request, message->payload.data, message->payload.len);
}

// ---- calling

static void on_answer(warren *mesh, const warren_answer *answer, void *user) {
    (void)mesh;
    warren_thrown thrown;
    printf("answer %s %s %s ", (char *)user, warren_error_name(answer->error),
           answer->is_maybe ? "maybe" : "no");
    print_hex(answer->payload);
    printf(" %s", answer->text);
    if (answer->error == WARREN_APPLICATION && warren_thrown_read(answer->payload, &thrown))
        printf(" | %s %s", thrown.class_name, thrown.code);
    print_end();
    free(user);
}

static void on_item(warren *mesh, warren_bytes payload, void *user) {
    (void)mesh;
    printf("item %s ", (char *)user);
    print_hex(payload);
    print_end();
}

static void on_down(warren *mesh, const warren_down *down, void *user) {
    (void)mesh, (void)user;
    printf("down %016llx %s %d %d", (unsigned long long)down->id, down->reason, down->exit_code,
           down->exit_signal);
    print_end();
}

static void on_event(warren *mesh, warren_event event, void *user) {
    static const char *const names[] = {"joined", "instances", "drain", "agent-lost", "closed"};
    (void)mesh, (void)user;
    printf("event %s", names[event]);
    print_end();
}

static void on_gap(warren *mesh, const warren_gap *gap, void *user) {
    (void)mesh, (void)user;
    printf("gap %016llx %s %d", (unsigned long long)gap->id, gap->is_from ? "from" : "to",
           gap->count == warren_stats_get(mesh).lost_publications);
    print_end();
}

static void on_instance(const char *service, const warren_peer *peer, void *user) {
    (void)user;
    printf("instance %s %016llx %s %s %u", service, (unsigned long long)peer->id, peer->name,
           peer->host, peer->instance);
    print_end();
}

// ---- commands

static void said(const char *what, int err) {
    printf("%s %s", what, warren_error_name(err));
    print_end();
}

// call TAG SERVICE METHOD PAYLOAD TIMEOUT NODE KEY TAGS HEADERS stream|cancel; ask: a subject in
// place of the service
static void command_call(char **word, bool is_subject) {
    warren_callee callee = {.service = is_subject ? NULL : word[2],
                            .method = word[3],
                            .subject = is_subject ? word[2] : NULL,
                            .timeout_ms = (uint32_t)strtoul(word[5], NULL, 10),
                            .node = strtoull(word[6], NULL, 16),
                            .key = text_or_null(word[7]),
                            .tags = text_or_null(word[8]),
                            .headers = parse_hex(word[9]),
                            .on_item = strcmp(word[10], "stream") == 0 ? on_item : NULL};
    char *tag = strdup(word[1]);
    uint64_t id;
    int err = warren_call(w, &callee, parse_hex(word[4]), on_answer, tag, &id);
    if (err == 0 && strcmp(word[10], "cancel") == 0) warren_cancel(w, id);
    if (err != 0) free(tag);
    said("call", err);
}

static unsigned last_id;
static char dash[] = "-";

static void run(char **word, int count_of_words) {
    (void)count_of_words;
    if (strcmp(word[0], "serve") == 0) {
        said("serve", warren_serve(w, word[1], text_or_null(word[2]), on_request, NULL, &last_id));
    } else if (strcmp(word[0], "subscribe") == 0) {
        said("subscribe",
             warren_subscribe(w, word[1], text_or_null(word[2]), on_message, NULL, &last_id));
    } else if (strcmp(word[0], "withdraw") == 0) {
        warren_withdraw(w, last_id);
        said("withdraw", 0);
    } else if (strcmp(word[0], "call") == 0 || strcmp(word[0], "ask") == 0) {
        command_call(word, word[0][0] == 'a');
    } else if (strcmp(word[0], "publish") == 0) {
        warren_publish_options options = {.headers = parse_hex(word[3])};
        said("publish", warren_publish(w, word[1], parse_hex(word[2]), &options));
    } else if (strcmp(word[0], "fill") == 0) { // with 10,000 bytes, until no more is taken
        static char bytes[10003] = "\xc5\x27\x10";
        int err = 0;
        while (err == 0)
            err = warren_publish(w, word[1], (warren_bytes){bytes, sizeof bytes}, NULL);
        said("fill", err);
    } else if (strcmp(word[0], "instances") == 0) {
        warren_each_instance(w, NULL, on_instance, NULL);
        said("instances", 0);
    } else if (strcmp(word[0], "monitor") == 0) {
        said("monitor", warren_monitor(w, strtoull(word[1], NULL, 16), on_down, NULL));
    } else if (strcmp(word[0], "bad") == 0) {
        printf("bad %llu", (unsigned long long)warren_stats_get(w).bad_payloads);
        print_end();
    } else if (strcmp(word[0], "answer") == 0) {
        warren_reply(kept, NULL, 0);
        said("answer", 0);
    } else {
        warren_stop(w);
    }
}

static void run_line(char *text) {
    char *word[WORDS_MAX];
    int count_of_words = 0;
    for (char *at = strtok(text, " "); at && count_of_words < WORDS_MAX; at = strtok(NULL, " "))
        word[count_of_words++] = at;
    while (count_of_words > 0 && count_of_words < WORDS_MAX)
        word[count_of_words++] = dash;
    if (count_of_words > 0) run(word, count_of_words);
}

static void allocate(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer) {
    (void)handle, (void)wanted;
    *buffer = uv_buf_init(line + line_len, (unsigned)(LINE_LEN_MAX - line_len));
}

static void on_input(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer) {
    (void)buffer;
    if (len < 0) {
        uv_close((uv_handle_t *)stream, NULL);
        warren_stop(w);
        return;
    }
    line_len += (size_t)len;
    for (char *end; (end = memchr(line, '\n', line_len));) {
        *end = '\0';
        run_line(line);
        size_t used = (size_t)(end + 1 - line);
        memmove(line, end + 1, line_len - used);
        line_len -= used;
    }
}

// probe [mine | foreign]: on a loop of its own, on one that the program has, or polled by it
int main(int argc, char **argv) {
    bool is_foreign = argc > 1 && strcmp(argv[1], "foreign") == 0;
    bool is_mine = argc > 1 && strcmp(argv[1], "mine") == 0;
    uv_loop_t loop;
    uv_loop_init(&loop);
    warren_options options = {
        .name = "probe", .on_event = on_event, .on_gap = on_gap, .loop = is_mine ? &loop : NULL};
    int err = warren_open(&options, &w);
    if (err != 0) {
        printf("open %s: %s\n", warren_error_name(err), warren_error_text(err));
        uv_loop_close(&loop);
        return 1;
    }
    line = malloc(LINE_LEN_MAX);
    uv_pipe_t input;
    uv_pipe_init(warren_loop(w), &input, 0);
    uv_pipe_open(&input, 0);
    uv_read_start((uv_stream_t *)&input, allocate, on_input);
    printf("self %016llx %s", (unsigned long long)warren_self(w)->id, warren_self(w)->name);
    print_end();
    if (is_foreign) {
        while (!uv_is_closing((uv_handle_t *)&input)) {
            struct pollfd ready = {.fd = warren_fd(w), .events = POLLIN};
            poll(&ready, 1, warren_timeout_ms(w));
            warren_step(w);
        }
    } else {
        warren_run(w);
    }
    if (!uv_is_closing((uv_handle_t *)&input)) uv_close((uv_handle_t *)&input, NULL);
    warren_close(w, 1000);
    uv_run(&loop, UV_RUN_DEFAULT); // until all of it has ended
    free(line);
    return uv_loop_close(&loop);
}
