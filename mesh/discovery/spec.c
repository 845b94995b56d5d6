#include "discovery/spec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/mem.h"

enum { ETCD_PORT = 2379 };

typedef struct reader {
    mesh_source_spec spec;
    char *sentence;
} reader;

__attribute__((format(printf, 2, 3))) static int refuse(reader *r, const char *format, ...) {
    va_list args;
    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started
    (void)vsnprintf(r->sentence, MESH_SENTENCE_LEN_MAX + 1, format, args);
    va_end(args);
    return MESH_EINVAL;
}

static int add_endpoint(reader *r, mesh_bytes text, uint16_t port_default) {
    mesh_source_spec *spec = &r->spec;
    if (spec->endpoint_count == MESH_ENDPOINTS_MAX)
        return refuse(r, "more than %d seeds", MESH_ENDPOINTS_MAX);
    spec->endpoints =
        mem_resize(spec->endpoints, (spec->endpoint_count + 1) * sizeof(mesh_endpoint));
    if (mesh_endpoint_parse(text, port_default, &spec->endpoints[spec->endpoint_count]) != 0)
        return refuse(r, "'%.*s' is not host:port (an IPv6 address goes in brackets: [fd00::1]:%u)",
                      (int)(text.len < 80 ? text.len : 80), (const char *)text.data,
                      (unsigned)MESH_PORT_DEFAULT);
    spec->endpoint_count++;
    return 0;
}

static int read_seeds(reader *r, mesh_bytes text) {
    for (;;) {
        const uint8_t *comma = text.len > 0 ? memchr(text.data, ',', text.len) : NULL;
        size_t len = comma != NULL ? (size_t)(comma - text.data) : text.len;
        int err = add_endpoint(r, (mesh_bytes){text.data, len}, MESH_PORT_DEFAULT);
        if (err != 0 || comma == NULL) return err;
        text = mesh_bytes_skip(text, len + 1);
    }
}

static int read_dns(reader *r, mesh_bytes text) {
    return add_endpoint(r, text, MESH_PORT_DEFAULT);
}

static int read_srv(reader *r, mesh_bytes text) {
    if (!mesh_is_host_name(text))
        return refuse(r, "it is not a name of DNS: write srv:_warren._tcp.example.com");
    memcpy(r->spec.name, text.data, text.len);
    return 0;
}

static int read_file(reader *r, mesh_bytes text) {
    if (text.len == 0 || text.data[0] != '/')
        return refuse(r, "it needs a whole path: write file:/etc/warren/hosts");
    if (text.len > MESH_PATH_LEN_MAX)
        return refuse(r, "a path of more than %d bytes", MESH_PATH_LEN_MAX);
    memcpy(r->spec.path, text.data, text.len);
    return 0;
}

static int read_option(reader *r, mesh_bytes text) {
    static const char form[] = "after '?' it has ca=/FILE and login=/FILE, with '&' between them";
    mesh_source_spec *spec = &r->spec;
    bool is_ca = text.len > 3 && memcmp(text.data, "ca=", 3) == 0;
    bool is_login = text.len > 6 && memcmp(text.data, "login=", 6) == 0;
    if (!is_ca && !is_login) return refuse(r, "%s", form);
    mesh_bytes path = mesh_bytes_skip(text, is_ca ? 3 : 6);
    if (path.data[0] != '/' || path.len > MESH_PATH_LEN_MAX) return refuse(r, "%s", form);
    if (!spec->is_https) return refuse(r, "a password and a ca go with https:// only");
    char *to = is_ca ? spec->ca_path : spec->login_path;
    memcpy(to, path.data, path.len);
    to[path.len] = '\0';
    return 0;
}

// Takes what follows a '?' off the end of `text`.
static int take_options(reader *r, mesh_bytes *text) {
    const uint8_t *mark = text->len > 0 ? memchr(text->data, '?', text->len) : NULL;
    if (mark == NULL) return 0;
    size_t len = (size_t)(mark - text->data);
    mesh_bytes rest = mesh_bytes_skip(*text, len + 1);
    text->len = len;
    for (;;) {
        const uint8_t *and = rest.len > 0 ? memchr(rest.data, '&', rest.len) : NULL;
        size_t one_len = and != NULL ? (size_t)(and-rest.data) : rest.len;
        int err = read_option(r, (mesh_bytes){rest.data, one_len});
        if (err != 0 || and == NULL) return err;
        rest = mesh_bytes_skip(rest, one_len + 1);
    }
}

static int read_etcd(reader *r, mesh_bytes text) {
    static const char *const schemes[] = {"http://", "https://"};
    static const char form[] = "write etcd:http://HOST:2379/prefix";
    mesh_source_spec *spec = &r->spec;
    size_t scheme_len = 0;
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(schemes[i]);
        if (text.len < len || memcmp(text.data, schemes[i], len) != 0) continue;
        scheme_len = len;
        spec->is_https = i == 1;
    }
    if (scheme_len == 0) return refuse(r, "it is no address of a store: %s", form);
    text = mesh_bytes_skip(text, scheme_len);
    if (take_options(r, &text) != 0) return MESH_EINVAL;
    const uint8_t *slash = text.len > 0 ? memchr(text.data, '/', text.len) : NULL;
    size_t len = slash != NULL ? (size_t)(slash - text.data) : text.len;
    // A password here would be printed with the text wherever that is printed.
    if (text.len > 0 && memchr(text.data, '@', text.len) != NULL)
        return refuse(r,
                      "a name and password do not belong in it, but in the file of ?login=/FILE");
    if (add_endpoint(r, (mesh_bytes){text.data, len}, ETCD_PORT) != 0) return MESH_EINVAL;

    mesh_bytes prefix = mesh_bytes_skip(text, len);
    while (prefix.len > 0 && prefix.data[prefix.len - 1] == '/')
        prefix.len--;
    if (prefix.len == 0) prefix = mesh_bytes_text("/warren");
    if (!mesh_is_key_prefix(prefix) || prefix.len > MESH_ETCD_PREFIX_LEN_MAX)
        return refuse(
            r, "its prefix may have letters, digits, '.', '-', '_' and single '/', and %d bytes",
            MESH_ETCD_PREFIX_LEN_MAX);
    memcpy(spec->prefix, prefix.data, prefix.len);
    return 0;
}

static int read_kind(reader *r, mesh_bytes text) {
    static const struct {
        const char *word;
        int (*read)(struct reader *, mesh_bytes);
    } kinds[] = {
        [MESH_SOURCE_SEEDS] = {"seeds:", read_seeds}, [MESH_SOURCE_DNS] = {"dns:", read_dns},
        [MESH_SOURCE_SRV] = {"srv:", read_srv},       [MESH_SOURCE_ETCD] = {"etcd:", read_etcd},
        [MESH_SOURCE_FILE] = {"file:", read_file},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t len = strlen(kinds[i].word);
        if (text.len < len || memcmp(text.data, kinds[i].word, len) != 0) continue;
        r->spec.type = (mesh_source_type)i;
        return kinds[i].read(r, mesh_bytes_skip(text, len));
    }
    return refuse(r, "a source starts with seeds:, dns:, srv:, etcd: or file:");
}

int mesh_source_spec_parse(const char *text, mesh_source_spec *out,
                           char out_sentence[MESH_SENTENCE_LEN_MAX + 1]) {
    reader r = {.sentence = out_sentence};
    if (strlen(text) > MESH_SOURCE_TEXT_LEN_MAX)
        return refuse(&r, "the text of a source has more than %d bytes", MESH_SOURCE_TEXT_LEN_MAX);
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == 127)
            return refuse(&r, "the text of a source has no blanks or control characters");
    int err = read_kind(&r, mesh_bytes_text(text));
    if (err != 0) {
        mesh_source_spec_deinit(&r.spec);
        return err;
    }
    *out = r.spec;
    return 0;
}

void mesh_source_spec_deinit(mesh_source_spec *spec) {
    free(spec->endpoints);
    *spec = (mesh_source_spec){0};
}
