// SRV records name hosts and ports; the names become addresses as those of every source do.
#include "core/mem.h"
#include "discovery/source.h"

typedef struct srv {
    mesh_source_options options;
} srv;

static void *open_srv(const mesh_source_options *options) {
    srv *source = mem_alloc(sizeof *source);
    source->options = *options;
    return source;
}

static void look(void *user) {
    srv *source = user;
    const mesh_source_options *options = &source->options;
    mesh_resolver_services(options->resolver, options->spec->name, options->on_answer,
                           options->user);
}

const mesh_source_kind mesh_source_srv = {open_srv, look, free};
