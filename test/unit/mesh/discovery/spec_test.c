#include <stdlib.h>

#include "core/error.h"
#include "discovery/spec.h"
#include "test.h"

static char sentence[MESH_SENTENCE_LEN_MAX + 1];

static mesh_source_spec parse(const char *text) {
    mesh_source_spec spec = {0};
    EXPECT_OK(mesh_source_spec_parse(text, &spec, sentence));
    return spec;
}

TEST(seeds_are_a_list) {
    mesh_source_spec spec = parse("seeds:h1:7401,h2,[fd00::1]:7403");
    EXPECT_EQ(MESH_SOURCE_SEEDS, spec.type);
    EXPECT_EQ(3, spec.endpoint_count);
    EXPECT_TEXT("h2", spec.endpoints[1].host);
    EXPECT_EQ(MESH_PORT_DEFAULT, spec.endpoints[1].port);
    EXPECT_TEXT("fd00::1", spec.endpoints[2].host);
    mesh_source_spec_deinit(&spec);
}

TEST(dns_is_one_name) {
    mesh_source_spec spec = parse("dns:cluster.example:7401");
    EXPECT_EQ(MESH_SOURCE_DNS, spec.type);
    EXPECT_EQ(1, spec.endpoint_count);
    EXPECT_EQ(7401, spec.endpoints[0].port);
    mesh_source_spec_deinit(&spec);
}

TEST(srv_is_a_name_without_a_port) {
    mesh_source_spec spec = parse("srv:_warren._tcp.example");
    EXPECT_TEXT("_warren._tcp.example", spec.name);
    mesh_source_spec_deinit(&spec);
}

TEST(a_file_has_a_whole_path) {
    mesh_source_spec spec = parse("file:/etc/warren/hosts");
    EXPECT_TEXT("/etc/warren/hosts", spec.path);
    mesh_source_spec_deinit(&spec);
}

TEST(etcd_has_a_store_and_a_prefix) {
    mesh_source_spec spec = parse("etcd:https://store:2380/teams/a/");
    EXPECT_TRUE(spec.is_https);
    EXPECT_TEXT("store", spec.endpoints[0].host);
    EXPECT_EQ(2380, spec.endpoints[0].port);
    EXPECT_TEXT("/teams/a", spec.prefix);
    mesh_source_spec_deinit(&spec);
    spec = parse("etcd:https://store/a?login=/l&ca=/c");
    EXPECT_TEXT("/l", spec.login_path);
    EXPECT_TEXT("/c", spec.ca_path);
    EXPECT_TEXT("/a", spec.prefix);
    mesh_source_spec_deinit(&spec);
    spec = parse("etcd:http://[::1]");
    EXPECT_FALSE(spec.is_https);
    EXPECT_TEXT("::1", spec.endpoints[0].host);
    EXPECT_EQ(2379, spec.endpoints[0].port);
    EXPECT_TEXT("/warren", spec.prefix);
    mesh_source_spec_deinit(&spec);
}

TEST(what_is_no_source_is_refused_with_a_sentence) {
    static const char *const wrong[] = {
        "",
        "h1:7400",
        "seed:h1",
        "seeds:",
        "seeds:h1,",
        "seeds:h1 ,h2",
        "dns:",
        "dns:a,b",
        "srv:",
        "srv:_warren._tcp.example:7400",
        "file:",
        "file:hosts",
        "file:/a\nb",
        "etcd:h:2379",
        "etcd:ftp://h/p",
        "etcd:http://",
        "etcd:http:///p",
        "etcd:http://u:p@h:2379/p",
        "etcd:http://h/a//b",
        "etcd:http://h/a?b",
        "etcd:https://h/a?",
        "etcd:https://h/a?ca=x",
        "etcd:https://h/a?ca=/x&",
        "etcd:http://h/a?ca=/x",
        "etcd:http://h/a?login=/x",
        "etcd:http://h:0/a",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        mesh_source_spec spec = {.path = "untouched"};
        sentence[0] = '\0';
        EXPECT_EQ(MESH_EINVAL, mesh_source_spec_parse(wrong[i], &spec, sentence));
        EXPECT_TRUE(sentence[0] != '\0');
        EXPECT_TEXT("untouched", spec.path);
    }
}

// seeds:h,h,h ...
static char *many_seeds(size_t count) {
    char *text = malloc(8 + 2 * count);
    memcpy(text, "seeds:", 6);
    for (size_t i = 0; i < count; i++)
        memcpy(text + 6 + 2 * i, "h,", 2);
    text[6 + 2 * count - 1] = '\0';
    return text;
}

TEST(there_are_at_most_256_seeds) {
    char *text = many_seeds(256);
    mesh_source_spec spec = parse(text);
    EXPECT_EQ(256, spec.endpoint_count);
    mesh_source_spec_deinit(&spec);
    free(text);
    text = many_seeds(257);
    EXPECT_EQ(MESH_EINVAL, mesh_source_spec_parse(text, &spec, sentence));
    free(text);
}
