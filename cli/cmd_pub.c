#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h> // <poll.h> would be one of ours
#include <unistd.h>

#include "cli/args.h"
#include "cli/node.h"
#include "cli/value.h"
#include "core/mem.h"

enum {
    OPTION_KEY,
    OPTION_TAG,
    OPTION_HEADER,
    OPTION_BULK,
    LINE_LEN_MAX = 4 << 20,
    READ_LEN = 64 << 10
};

static const cli_option options[] = {
    {0, "key", "KEY", "of a queue group: the same key, the same member"},
    {0, "tag", "KEY=VALUE", "only to subscriptions that have this tag (again for more)"},
    {'H', "header", "KEY=VALUE", "a header of the message (again for more)"},
    {0, "bulk", NULL, "by the lane that never holds up others"},
    {0, NULL, NULL, NULL},
};

typedef struct publishing {
    cli_node node;
    const char *subject, *value;
    cli_route route;
    mesh_bytes headers;
    // Of the standard input: [taken, len) is not published yet.
    char *text;
    size_t taken, len, cap;
    unsigned long line;
    bool is_read; // to its end
} publishing;

static int publish(publishing *p, mesh_bytes value) {
    warren_publish_options how = {.key = p->route.key,
                                  .tags = p->route.tags[0] ? p->route.tags : NULL,
                                  .headers = {p->headers.data, p->headers.len},
                                  .is_bulk = p->route.is_bulk};
    int err = warren_publish(p->node.w, p->subject, (warren_bytes){value.data, value.len}, &how);
    return err == 0 ? CLI_DONE : cli_node_refused(p->subject, err);
}

static int publish_word(publishing *p) {
    warren_bytes value;
    if (!cli_node_read_value(p->value, &value)) return CLI_USAGE;
    int exit_code = publish(p, (mesh_bytes){value.data, value.len});
    free((void *)value.data);
    return exit_code;
}

// ---- a value a line

static bool is_blank(const char *line, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (strchr(" \t\r\n", line[i]) == NULL) return false;
    return true;
}

static int publish_line(publishing *p, const char *line, size_t len) {
    char what[64];
    (void)snprintf(what, sizeof what, "line %lu of the standard input", ++p->line);
    if (is_blank(line, len)) return CLI_DONE;
    mesh_bytes value = cli_value_parse(what, line, len);
    if (value.data == NULL) return CLI_USAGE;
    int exit_code = publish(p, value);
    free((void *)value.data);
    return exit_code;
}

static bool is_full(const publishing *p) {
    return warren_is_full(p->node.w, p->route.is_bulk);
}

// The whole lines that were read, until a peer has much to take.
static void publish_lines(publishing *p) {
    int exit_code = CLI_DONE;
    while (exit_code == CLI_DONE && p->taken < p->len && !is_full(p)) {
        const char *line = p->text + p->taken;
        size_t left = p->len - p->taken;
        const char *end = memchr(line, '\n', left);
        if (end == NULL && !p->is_read) break;
        size_t len = end != NULL ? (size_t)(end - line) : left;
        p->taken += end != NULL ? len + 1 : len;
        exit_code = publish_line(p, line, len);
    }
    if (exit_code != CLI_DONE || (p->is_read && p->taken == p->len))
        cli_node_end(&p->node, exit_code);
}

static void read_lines(publishing *p) {
    if (p->taken > 0) memmove(p->text, p->text + p->taken, p->len -= p->taken);
    p->taken = 0;
    if (p->len > LINE_LEN_MAX) {
        cli_say("line %lu of the standard input is larger than a message may be", p->line + 1);
        cli_node_end(&p->node, CLI_USAGE);
        return;
    }
    p->text = mem_grow(p->text, 1, p->len + READ_LEN, &p->cap);
    ssize_t got = read(STDIN_FILENO, p->text + p->len, READ_LEN);
    if (got > 0) p->len += (size_t)got;
    p->is_read = got == 0;
    if (got >= 0 || errno == EINTR) return;
    cli_say("cannot read the standard input: %s", strerror(errno));
    cli_node_end(&p->node, CLI_FAILED);
}

// Whoever writes the lines may take its time: meanwhile this is a node like others.
static void publish_input(publishing *p) {
    while (!p->node.is_over) {
        bool is_wanted = !p->is_read && !is_full(p);
        struct pollfd fds[] = {{.fd = is_wanted ? STDIN_FILENO : -1, .events = POLLIN},
                               {.fd = warren_fd(p->node.w), .events = POLLIN}};
        int ready = poll(fds, 2, warren_timeout_ms(p->node.w));
        warren_step(p->node.w); // first, so that who has come meanwhile hears it
        if (ready > 0 && fds[0].revents != 0 && !p->node.is_over) read_lines(p);
        if (!p->node.is_over) publish_lines(p);
    }
    free(p->text);
}

// ---- the command

static bool take_option(publishing *p, const cli_args *args, int option) {
    switch (option) {
    case OPTION_KEY: p->route.key = args->value; return true;
    case OPTION_TAG: return cli_route_add_tag(&p->route, args->value);
    case OPTION_HEADER: return cli_route_add_header(&p->route, args->value);
    default: p->route.is_bulk = true; return true;
    }
}

static int send_all(publishing *p) {
    int exit_code = cli_node_open(&p->node);
    if (exit_code != CLI_DONE) return exit_code;
    p->headers = cli_value_headers(p->route.headers, p->route.header_count);
    if (p->value != NULL && strcmp(p->value, "-") == 0)
        publish_input(p);
    else
        cli_node_end(&p->node, publish_word(p));
    exit_code = cli_node_run(&p->node); // leaving writes what waits
    free((void *)p->headers.data);
    return exit_code;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_pub, .argc = argc, .argv = argv};
    publishing p = {0};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (arg != CLI_ARG_WORD) {
            if (!take_option(&p, &args, arg)) return CLI_USAGE;
        } else if (p.subject == NULL) {
            p.subject = args.value;
        } else if (p.value == NULL) {
            p.value = args.value;
        } else {
            cli_say("pub takes a subject and one value: \"%.40s\" is one too many", args.value);
            return CLI_USAGE;
        }
    }
    if (p.subject == NULL) {
        cli_say("pub needs a subject: `warren pub --help` shows how");
        return CLI_USAGE;
    }
    return send_all(&p);
}

const cli_command cli_pub = {
    .name = "pub",
    .usage =
        "SUBJECT [VALUE | -] [--key KEY] [--tag KEY=VALUE]... [--header KEY=VALUE]... [--bulk]",
    .summary = "Publishes a message, or one for each line of the standard input",
    .example = "  warren pub orders.eu.created '{\"id\": 7}'\n  jq -c '.[]' orders.json | warren "
               "pub orders.new -\n",
    .options = options,
    .run = run,
};
