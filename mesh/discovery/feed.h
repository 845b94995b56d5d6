// One source as discovery keeps it: when it is looked at, its endpoints made into addresses, and
// what it gave last.
#pragma once

#include "discovery/candidate.h"
#include "discovery/pace.h"
#include "discovery/source.h"

typedef struct mesh_feed mesh_feed;

// A look ended. `has_new`: it gave candidates, and they are not the set it gave before.
typedef void (*mesh_feed_cb)(mesh_feed *feed, bool has_new, void *user);

typedef struct mesh_feed_question {
    mesh_feed *feed;
    mesh_endpoint endpoint;
} mesh_feed_question;

struct mesh_feed {
    char *text;
    uint32_t index;
    mesh_source_spec spec;
    mesh_source_options options; // for its source; on_answer, on_changed and user are set by open
    mesh_feed_cb on_look;
    void (*on_closed)(void *user);
    void *user;
    bool is_searching;

    mesh_candidate *candidates; // the last good ones
    size_t candidate_count;
    bool is_from_disk;
    uint64_t success_at_ms; // wall clock
    char error[MESH_SENTENCE_LEN_MAX + 1];

    // Of feed.c alone.
    const mesh_source_kind *kind;
    void *source;
    uv_timer_t timer;
    mesh_pace pace;
    bool is_looking, is_changed, is_closing, is_asking;
    mesh_feed_question *questions; // of the look under way
    size_t question_count, asked_count, answered_count;
    mesh_candidate *found;
    size_t found_count;
    uint32_t ttl_s;
    char problem[MESH_SENTENCE_LEN_MAX + 1];
};

// All above `candidates` is set by the caller, and the candidates may be. The first look is from
// the loop. Takes text, spec and candidates, to be freed by deinit.
void mesh_feed_open(mesh_feed *feed);
void mesh_feed_search(mesh_feed *feed, bool is_searching);
// on_closed follows from the loop, nothing else; then deinit.
void mesh_feed_close(mesh_feed *feed);
void mesh_feed_deinit(mesh_feed *feed);
