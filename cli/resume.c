#include "cli/resume.h"

#include "core/mem.h"

enum { PLACES_MAX = 1024, NAME_ROOM = 80 };

typedef struct place { // in one service's log: its file has the order in which lines came
    char service[NAME_ROOM];
    uint64_t at_ms;
    uint64_t count;   // lines that came at at_ms
    uint64_t to_skip; // of those, which will come again
    bool is_again;    // nothing new has come since cli_resume_again
} place;

struct cli_resume {
    uint64_t from_ms;
    place *places;
    size_t count, cap;
};

cli_resume *cli_resume_create(uint64_t from_ms) {
    cli_resume *r = mem_alloc(sizeof *r);
    r->from_ms = from_ms;
    return r;
}

void cli_resume_destroy(cli_resume *r) {
    if (r == NULL) return;
    free(r->places);
    free(r);
}

void cli_resume_again(cli_resume *r) {
    for (size_t i = 0; i < r->count; i++) {
        r->places[i].to_skip = r->places[i].count;
        r->places[i].is_again = true;
    }
}

uint64_t cli_resume_since_ms(const cli_resume *r) {
    uint64_t since_ms = r->count > 0 ? UINT64_MAX : r->from_ms;
    for (size_t i = 0; i < r->count; i++)
        if (r->places[i].at_ms < since_ms) since_ms = r->places[i].at_ms;
    return since_ms;
}

static place *find(cli_resume *r, const char *node) {
    const char *dot = strrchr(node, '.'); // "app.0"; a note of its service has none
    size_t len = dot != NULL ? (size_t)(dot - node) : strlen(node);
    if (len >= NAME_ROOM) len = NAME_ROOM - 1;
    for (size_t i = 0; i < r->count; i++)
        if (strncmp(r->places[i].service, node, len) == 0 && r->places[i].service[len] == '\0')
            return &r->places[i];
    if (r->count == PLACES_MAX) return NULL; // it may be printed twice
    r->places = mem_grow(r->places, sizeof *r->places, r->count + 1, &r->cap);
    place *made = &r->places[r->count++];
    *made = (place){.at_ms = 0};
    memcpy(made->service, node, len);
    return made;
}

// As many as there are in the file: a piece without a newline is a line of its own there.
static uint64_t count_lines(const ProtobufCBinaryData *data) {
    uint64_t count = 0;
    for (size_t i = 0; i < data->len; i++)
        count += data->data[i] == '\n';
    return count + (data->len > 0 && data->data[data->len - 1] != '\n');
}

bool cli_resume_take(cli_resume *r, const Warren__Agent__Output *output) {
    place *at = find(r, output->node);
    uint64_t lines = count_lines(&output->data);
    if (at == NULL) return true;
    if (at->is_again && output->at_ms < at->at_ms) return false;
    if (at->is_again && output->at_ms == at->at_ms && at->to_skip >= lines) {
        at->to_skip -= lines;
        return false;
    }
    at->is_again = false;
    if (output->at_ms != at->at_ms) at->count = 0;
    at->at_ms = output->at_ms;
    at->count += lines;
    return true;
}
