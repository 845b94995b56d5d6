// What discovery reads from outside: the first byte chooses the text of a source, the lines of a
// file, the file of candidates, an answer of DNS, or one of etcd's. Counts stay within their
// limits, and what was read can be written and read again.
#include "core/mem.h"
#include "discovery/cache.h"
#include "discovery/dns_ttl.h"
#include "discovery/etcd_json.h"
#include "discovery/gateway.h"
#include "discovery/lines.h"
#include "fuzz.h"

static void read_spec(mesh_bytes input) {
    char sentence[MESH_SENTENCE_LEN_MAX + 1];
    char *text = mem_alloc(input.len + 1);
    memcpy(text, input.data, input.len);
    mesh_source_spec spec;
    if (mesh_source_spec_parse(text, &spec, sentence) == 0) {
        CHECK(spec.endpoint_count <= MESH_ENDPOINTS_MAX);
        mesh_source_spec_deinit(&spec);
    }
    free(text);
}

static void check_endpoints(const mesh_endpoint *endpoints, size_t count) {
    CHECK(count <= MESH_ENDPOINTS_MAX);
    for (size_t i = 0; i < count; i++) {
        char text[MESH_ENDPOINT_LEN_MAX + 1];
        mesh_endpoint again;
        mesh_endpoint_write(&endpoints[i], text);
        CHECK(mesh_endpoint_parse(mesh_bytes_text(text), 0, &again) == 0);
        CHECK(strcmp(again.host, endpoints[i].host) == 0 && again.port == endpoints[i].port);
    }
}

static void read_lines(mesh_bytes input) {
    static mesh_endpoint endpoints[MESH_ENDPOINTS_MAX];
    char sentence[MESH_SENTENCE_LEN_MAX + 1];
    check_endpoints(endpoints, mesh_lines_parse(input, endpoints, sentence));
}

static void read_cache(mesh_bytes input) {
    mesh_cached source = {.text = "dns:x:1"};
    if (mesh_cache_parse(input, &source, 1) != 0) return;
    size_t len;
    char *text = mesh_cache_write(&source, 1, &len);
    mesh_cached again = {.text = "dns:x:1"};
    CHECK(mesh_cache_parse((mesh_bytes){(const uint8_t *)text, len}, &again, 1) == 0);
    CHECK(again.count == source.count);
    free(again.candidates);
    free(source.candidates);
    free(text);
}

static void read_etcd(mesh_bytes input) {
    static mesh_endpoint endpoints[MESH_ENDPOINTS_MAX];
    mesh_etcd_hosts hosts = {.endpoints = endpoints};
    char lease[MESH_LEASE_LEN_MAX + 1], words[81];
    bool is_there;
    (void)mesh_etcd_parse_grant(input, lease);
    (void)mesh_etcd_parse_keep_alive(input, &is_there);
    (void)mesh_gateway_error(input, words);
    if (mesh_etcd_parse_range(input, "/p/hosts/a", "h:1", &hosts) == 0)
        check_endpoints(endpoints, hosts.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    mesh_bytes input = {data + 1, size - 1};
    switch (data[0] % 5) {
    case 0: read_spec(input); break;
    case 1: read_lines(input); break;
    case 2: read_cache(input); break;
    case 3: (void)mesh_dns_ttl(input); break;
    default: read_etcd(input); break;
    }
    return 0;
}
