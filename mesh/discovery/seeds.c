// A list of endpoints that someone wrote down. With one name of many addresses it is "dns:".
#include "core/mem.h"
#include "discovery/source.h"

typedef struct seeds {
    mesh_source_options options;
} seeds;

static void *open_seeds(const mesh_source_options *options) {
    seeds *source = mem_alloc(sizeof *source);
    source->options = *options;
    return source;
}

// In another order each time, so that not every host of a cluster tries the same one first.
static void shuffle(mesh_endpoint *endpoints, size_t count, mesh_rng *rng) {
    for (size_t i = count; i > 1; i--) {
        size_t other = mesh_rng_below(rng, (uint32_t)i);
        mesh_endpoint last = endpoints[i - 1];
        endpoints[i - 1] = endpoints[other];
        endpoints[other] = last;
    }
}

static void look(void *user) {
    seeds *source = user;
    const mesh_source_spec *spec = source->options.spec;
    mesh_endpoint *endpoints = mem_copy(spec->endpoints, spec->endpoint_count * sizeof *endpoints);
    shuffle(endpoints, spec->endpoint_count, source->options.rng);
    mesh_answer answer = {.endpoints = endpoints, .count = spec->endpoint_count};
    source->options.on_answer(&answer, source->options.user);
    free(endpoints);
}

const mesh_source_kind mesh_source_seeds = {open_seeds, look, free};
