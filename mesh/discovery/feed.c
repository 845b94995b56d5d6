#include "discovery/feed.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"
#include "io/wall.h"

enum {
    ASKED_AT_ONCE_MAX = 16,
    CHANGE_MS = 100, // a file that is written in pieces tells of each
};

static const mesh_source_kind *const kinds[] = {
    [MESH_SOURCE_SEEDS] = &mesh_source_seeds, [MESH_SOURCE_DNS] = &mesh_source_seeds,
    [MESH_SOURCE_SRV] = &mesh_source_srv,     [MESH_SOURCE_ETCD] = &mesh_source_etcd,
    [MESH_SOURCE_FILE] = &mesh_source_file,
};

// ---- a look

static void on_timer(uv_timer_t *timer) {
    mesh_feed *feed = timer->data;
    feed->is_looking = true;
    feed->is_changed = false;
    feed->ttl_s = 0;
    feed->problem[0] = '\0';
    feed->kind->look(feed->source);
}

static void look_in(mesh_feed *feed, uint64_t ms) {
    if (!feed->is_closing && !feed->is_looking) uv_timer_start(&feed->timer, on_timer, ms, 0);
}

static void note(mesh_feed *feed, const char *host, const char *problem) {
    if (feed->problem[0] != '\0') return; // the first is told
    if (host == NULL)
        (void)snprintf(feed->problem, sizeof feed->problem, "%s", problem);
    else
        (void)snprintf(feed->problem, sizeof feed->problem, "cannot resolve %.100s: %s", host,
                       problem);
}

// Both without doubles.
static bool is_same_set(const mesh_feed *feed) {
    if (feed->found_count != feed->candidate_count) return false;
    for (size_t i = 0; i < feed->found_count; i++)
        if (!mesh_candidate_is_in(feed->candidates, feed->candidate_count, &feed->found[i]))
            return false;
    return true;
}

// Nothing found changes nothing: what was good before stays.
static bool keep_found(mesh_feed *feed) {
    if (feed->found_count == 0) return false;
    bool has_new = !is_same_set(feed);
    free(feed->candidates);
    feed->candidates = feed->found;
    feed->candidate_count = feed->found_count;
    feed->is_from_disk = false;
    feed->success_at_ms = mesh_wall_ms();
    feed->found = NULL;
    return has_new;
}

static void end_look(mesh_feed *feed) {
    if (feed->found_count == 0) note(feed, NULL, "it has no host");
    bool has_new = keep_found(feed);
    uint32_t ttl_s = feed->found_count > 0 ? feed->ttl_s : 0; // what failed is soon asked again
    memcpy(feed->error, feed->problem, sizeof feed->error);
    free(feed->found);
    free(feed->questions);
    feed->found = NULL;
    feed->questions = NULL;
    feed->found_count = feed->question_count = 0;
    feed->is_looking = false;
    look_in(feed, feed->is_changed ? CHANGE_MS
                                   : mesh_pace_next_ms(&feed->pace, feed->is_searching, ttl_s,
                                                       feed->options.rng));
    feed->on_look(feed, has_new, feed->user);
}

// ---- names -> addresses

static void take_ttl(mesh_feed *feed, uint32_t ttl_s) {
    if (ttl_s > 0 && (feed->ttl_s == 0 || ttl_s < feed->ttl_s)) feed->ttl_s = ttl_s;
}

static void add_found(mesh_feed *feed, const mesh_endpoint *asked, const mesh_endpoint *numeric) {
    if (feed->found_count == MESH_ENDPOINTS_MAX) return;
    mesh_candidate one = {.port = numeric->port, .source = feed->index};
    memcpy(one.host, asked->host, sizeof one.host);
    (void)snprintf(one.address, sizeof one.address, "%.*s", MESH_ADDRESS_TEXT_LEN_MAX,
                   numeric->host);
    if (!mesh_candidate_is_in(feed->found, feed->found_count, &one))
        feed->found[feed->found_count++] = one;
}

static void ask_more(mesh_feed *feed);

static void on_addresses(const mesh_answer *answer, void *user) {
    const mesh_feed_question *question = user;
    mesh_feed *feed = question->feed;
    if (answer->error != NULL) note(feed, question->endpoint.host, answer->error);
    for (size_t i = 0; i < answer->count; i++)
        add_found(feed, &question->endpoint, &answer->endpoints[i]);
    take_ttl(feed, answer->ttl_s);
    feed->answered_count++;
    ask_more(feed);
}

// Answers may come from inside of the question: the loop below, not the callback, goes on then.
static void ask_more(mesh_feed *feed) {
    if (feed->is_asking) return;
    feed->is_asking = true;
    while (feed->asked_count < feed->question_count &&
           feed->asked_count - feed->answered_count < ASKED_AT_ONCE_MAX) {
        mesh_feed_question *question = &feed->questions[feed->asked_count++];
        mesh_resolver_addresses(feed->options.resolver, question->endpoint.host,
                                question->endpoint.port, on_addresses, question);
    }
    feed->is_asking = false;
    if (feed->answered_count == feed->question_count) end_look(feed);
}

static void on_answer(const mesh_answer *answer, void *user) {
    mesh_feed *feed = user;
    if (answer->error != NULL) note(feed, NULL, answer->error);
    take_ttl(feed, answer->ttl_s);
    feed->question_count = answer->count < MESH_ENDPOINTS_MAX ? answer->count : MESH_ENDPOINTS_MAX;
    feed->questions = mem_alloc(feed->question_count * sizeof *feed->questions);
    for (size_t i = 0; i < feed->question_count; i++)
        feed->questions[i] = (mesh_feed_question){feed, answer->endpoints[i]};
    feed->asked_count = feed->answered_count = 0;
    feed->found = mem_alloc(MESH_ENDPOINTS_MAX * sizeof *feed->found);
    feed->found_count = 0;
    ask_more(feed);
}

static void on_changed(void *user) {
    mesh_feed *feed = user;
    feed->is_changed = true;
    look_in(feed, CHANGE_MS);
}

// ---- life

void mesh_feed_open(mesh_feed *feed) {
    feed->options.spec = &feed->spec;
    feed->options.on_answer = on_answer;
    feed->options.on_changed = on_changed;
    feed->options.user = feed;
    feed->kind = kinds[feed->spec.type];
    feed->source = feed->kind->open(&feed->options);
    uv_timer_init(feed->options.loop, &feed->timer);
    feed->timer.data = feed;
    look_in(feed, 0);
}

void mesh_feed_search(mesh_feed *feed, bool is_searching) {
    bool begins = is_searching && !feed->is_searching;
    feed->is_searching = is_searching;
    if (!begins) return;
    mesh_pace_restart(&feed->pace);
    look_in(feed, 0);
}

static void on_timer_closed(uv_handle_t *handle) {
    mesh_feed *feed = handle->data;
    feed->on_closed(feed->user);
}

void mesh_feed_close(mesh_feed *feed) {
    feed->is_closing = true;
    feed->kind->close(feed->source);
    uv_close((uv_handle_t *)&feed->timer, on_timer_closed);
}

void mesh_feed_deinit(mesh_feed *feed) {
    mesh_source_spec_deinit(&feed->spec);
    free(feed->text);
    free(feed->candidates);
    free(feed->found);
    free(feed->questions);
}
