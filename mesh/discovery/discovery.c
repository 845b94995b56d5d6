#include "discovery/discovery.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/mem.h"
#include "discovery/cache.h"
#include "discovery/feed.h"

enum { LEASE_S = 90, OWN_ID_LEN_MAX = 64 };

struct mesh_discovery {
    mesh_resolver *resolver;
    mesh_rng rng;
    char *own_id, *own_address, *cache_path;
    mesh_candidate_cb on_candidate;
    mesh_discovery_say_cb on_say;
    void *user;
    uv_timer_t first_turn; // tells of what was on disk
    mesh_candidate *known; // told of
    size_t known_count;
    bool is_closing, is_save_failing;
    size_t feed_count, open_count; // handles not closed yet: one of each feed, and first_turn
    mesh_feed feeds[MESH_SOURCES_MAX];
    char said[MESH_SOURCES_MAX][MESH_SENTENCE_LEN_MAX + 1]; // the error last told of each feed
};

__attribute__((format(printf, 2, 3))) static void say(mesh_discovery *discovery, const char *format,
                                                      ...) {
    if (discovery->on_say == NULL || discovery->is_closing) return;
    char sentence[2 * MESH_SENTENCE_LEN_MAX];
    va_list args;
    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    discovery->on_say(sentence, discovery->user);
}

// ---- the file of candidates

static const char *file_error(int err) {
    if (err == MESH_EPROTO) return "it is damaged";
    if (err == MESH_ETOOBIG) return "it is too long";
    return strerror(-err);
}

static void save(mesh_discovery *discovery) {
    if (discovery->cache_path == NULL) return;
    mesh_cached sources[MESH_SOURCES_MAX];
    for (size_t i = 0; i < discovery->feed_count; i++) {
        const mesh_feed *feed = &discovery->feeds[i];
        sources[i] = (mesh_cached){feed->text, feed->candidates, feed->candidate_count};
    }
    int err = mesh_cache_save(discovery->cache_path, sources, discovery->feed_count);
    if (err != 0 && !discovery->is_save_failing)
        say(discovery,
            "cannot write the addresses of other hosts to %s: %s (they are found again after a "
            "restart)",
            discovery->cache_path, strerror(-err));
    discovery->is_save_failing = err != 0;
}

static void load(mesh_discovery *discovery) {
    if (discovery->cache_path == NULL) return;
    mesh_cached sources[MESH_SOURCES_MAX];
    for (size_t i = 0; i < discovery->feed_count; i++)
        sources[i] = (mesh_cached){.text = discovery->feeds[i].text};
    int err = mesh_cache_load(discovery->cache_path, sources, discovery->feed_count);
    if (err != 0 && err != -ENOENT)
        say(discovery,
            "cannot use the addresses of other hosts in %s: %s (they are asked for anew)",
            discovery->cache_path, file_error(err));
    if (err != 0) return;
    for (size_t i = 0; i < discovery->feed_count; i++) {
        mesh_feed *feed = &discovery->feeds[i];
        feed->candidates = sources[i].candidates;
        feed->candidate_count = sources[i].count;
        feed->is_from_disk = sources[i].count > 0;
        for (size_t c = 0; c < feed->candidate_count; c++)
            feed->candidates[c].source = feed->index;
    }
}

// ---- what the feeds found

mesh_candidate *mesh_discovery_candidates(const mesh_discovery *discovery, size_t *out_count) {
    size_t total = 0, count = 0;
    for (size_t i = 0; i < discovery->feed_count; i++)
        total += discovery->feeds[i].candidate_count;
    mesh_candidate *all = mem_alloc(total * sizeof *all);
    for (size_t i = 0; i < discovery->feed_count; i++) {
        const mesh_feed *feed = &discovery->feeds[i];
        for (size_t c = 0; c < feed->candidate_count; c++)
            if (!mesh_candidate_is_in(all, count, &feed->candidates[c]))
                all[count++] = feed->candidates[c];
    }
    *out_count = count;
    return all;
}

// Those that were not told before.
static void tell_new(mesh_discovery *discovery) {
    size_t count, known_count = discovery->known_count;
    mesh_candidate *known = discovery->known;
    discovery->known = mesh_discovery_candidates(discovery, &count);
    discovery->known_count = count;
    for (size_t i = 0; i < count && !discovery->is_closing; i++)
        if (!mesh_candidate_is_in(known, known_count, &discovery->known[i]))
            discovery->on_candidate(&discovery->known[i], discovery->user);
    free(known);
}

static void say_change(mesh_discovery *discovery, const mesh_feed *feed) {
    char *said = discovery->said[feed->index];
    if (strcmp(said, feed->error) == 0) return;
    memcpy(said, feed->error, sizeof feed->error);
    if (feed->error[0] != '\0')
        say(discovery, "source %.80s: %s", feed->text, feed->error);
    else
        say(discovery, "source %.80s: it works again", feed->text);
}

static void on_look(mesh_feed *feed, bool has_new, void *user) {
    mesh_discovery *discovery = user;
    say_change(discovery, feed);
    if (!has_new || discovery->is_closing) return;
    save(discovery);
    tell_new(discovery);
}

// ---- life

static char *copy_text(const char *text) {
    return text != NULL ? mem_copy(text, strlen(text) + 1) : NULL;
}

static void destroy(mesh_discovery *discovery) {
    for (size_t i = 0; i < discovery->feed_count; i++)
        mesh_feed_deinit(&discovery->feeds[i]);
    free(discovery->known);
    free(discovery->own_id);
    free(discovery->own_address);
    free(discovery->cache_path);
    free(discovery);
}

static void on_closed(void *user) {
    mesh_discovery *discovery = user;
    if (--discovery->open_count == 0) destroy(discovery);
}

static void on_first_turn_closed(uv_handle_t *handle) {
    on_closed(handle->data);
}

static void on_first_turn(uv_timer_t *timer) {
    tell_new(timer->data);
}

// What is written to the store is read by others: nothing they would refuse.
static int check_own(const mesh_discovery_options *options, char *out_sentence) {
    mesh_endpoint endpoint;
    const char *id = options->own_id, *address = options->own_address;
    bool is_id_right =
        id == NULL || (strlen(id) <= OWN_ID_LEN_MAX && mesh_is_host_name(mesh_bytes_text(id)));
    bool is_address_right =
        address == NULL || mesh_endpoint_parse(mesh_bytes_text(address), 0, &endpoint) == 0;
    if (is_id_right && is_address_right) return 0;
    (void)snprintf(out_sentence, MESH_SENTENCE_LEN_MAX + 1, "this host's own %s '%.100s' is not %s",
                   is_id_right ? "address" : "id", is_id_right ? address : id,
                   is_id_right ? "host:port" : "a word of letters and digits");
    return MESH_EINVAL;
}

static int read_specs(mesh_discovery *discovery, const mesh_discovery_options *options,
                      char *out_sentence) {
    if (options->text_count > MESH_SOURCES_MAX) {
        (void)snprintf(out_sentence, MESH_SENTENCE_LEN_MAX + 1, "more than %d sources",
                       MESH_SOURCES_MAX);
        return MESH_EINVAL;
    }
    for (size_t i = 0; i < options->text_count; i++) {
        mesh_feed *feed = &discovery->feeds[i];
        char why[MESH_SENTENCE_LEN_MAX + 1];
        int err = mesh_source_spec_parse(options->texts[i], &feed->spec, why);
        if (err != 0) {
            (void)snprintf(out_sentence, MESH_SENTENCE_LEN_MAX + 1, "source '%.60s': %.170s",
                           options->texts[i], why);
            return err;
        }
        feed->text = copy_text(options->texts[i]);
        feed->index = (uint32_t)i;
        discovery->feed_count++;
    }
    return 0;
}

static void open_feeds(mesh_discovery *discovery, const mesh_discovery_options *options) {
    for (size_t i = 0; i < discovery->feed_count; i++) {
        mesh_feed *feed = &discovery->feeds[i];
        feed->options = (mesh_source_options){
            .loop = options->loop,
            .resolver = discovery->resolver,
            .own_id = discovery->own_id,
            .own_address = discovery->own_address,
            .lease_s = options->etcd_lease_s != 0 ? options->etcd_lease_s : LEASE_S,
            .rng = &discovery->rng,
        };
        feed->on_look = on_look;
        feed->on_closed = on_closed;
        feed->user = discovery;
        feed->is_searching = true;
        mesh_feed_open(feed);
    }
}

int mesh_discovery_open(const mesh_discovery_options *options, mesh_discovery **out,
                        char out_sentence[MESH_SENTENCE_LEN_MAX + 1]) {
    mesh_discovery *discovery = mem_alloc(sizeof *discovery);
    discovery->own_id = copy_text(options->own_id);
    discovery->own_address = copy_text(options->own_address);
    discovery->cache_path = copy_text(options->cache_path);
    discovery->on_candidate = options->on_candidate;
    discovery->on_say = options->on_say;
    discovery->user = options->user;
    uint64_t seed = 0;
    (void)uv_random(NULL, NULL, &seed, sizeof seed, 0, NULL);
    mesh_rng_init(&discovery->rng, seed);

    int err = check_own(options, out_sentence);
    if (err == 0) err = read_specs(discovery, options, out_sentence);
    if (err == 0) {
        err = mesh_resolver_open(options->loop, options->dns_servers, &discovery->resolver);
        if (err != 0)
            (void)snprintf(out_sentence, MESH_SENTENCE_LEN_MAX + 1, "cannot ask DNS: %s",
                           err == MESH_EINVAL ? "that is no list of name servers"
                                              : uv_strerror(err));
    }
    if (err != 0) {
        destroy(discovery);
        return err;
    }
    load(discovery);
    discovery->open_count = discovery->feed_count + 1;
    uv_timer_init(options->loop, &discovery->first_turn);
    discovery->first_turn.data = discovery;
    uv_timer_start(&discovery->first_turn, on_first_turn, 0, 0);
    open_feeds(discovery, options);
    *out = discovery;
    return 0;
}

void mesh_discovery_close(mesh_discovery *discovery) {
    if (discovery == NULL || discovery->is_closing) return;
    discovery->is_closing = true;
    mesh_resolver_close(discovery->resolver);
    for (size_t i = 0; i < discovery->feed_count; i++)
        mesh_feed_close(&discovery->feeds[i]);
    uv_close((uv_handle_t *)&discovery->first_turn, on_first_turn_closed);
}

void mesh_discovery_search(mesh_discovery *discovery, bool is_searching) {
    for (size_t i = 0; i < discovery->feed_count; i++)
        mesh_feed_search(&discovery->feeds[i], is_searching);
}

bool mesh_discovery_status(const mesh_discovery *discovery, size_t index, mesh_source_status *out) {
    if (index >= discovery->feed_count) return false;
    const mesh_feed *feed = &discovery->feeds[index];
    *out = (mesh_source_status){feed->text, feed->candidate_count, feed->is_from_disk,
                                feed->success_at_ms, feed->error};
    return true;
}
