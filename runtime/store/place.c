#include "store/place.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/error.h"

enum { ETCD_PORT = 2379 };

typedef struct reader {
    store_place place;
    char *sentence;
} reader;

__attribute__((format(printf, 2, 3))) static int refuse(reader *r, const char *format, ...) {
    va_list args;
    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started
    (void)vsnprintf(r->sentence, STORE_SENTENCE_LEN_MAX + 1, format, args);
    va_end(args);
    return MESH_EINVAL;
}

// Takes the text before the first `mark` off the front of `text`, and the mark.
static mesh_bytes take_until(mesh_bytes *text, char mark) {
    const uint8_t *at = text->len > 0 ? memchr(text->data, mark, text->len) : NULL;
    mesh_bytes part = {text->data, at != NULL ? (size_t)(at - text->data) : text->len};
    *text = mesh_bytes_skip(*text, part.len + (at != NULL));
    return part;
}

static bool starts_with(mesh_bytes text, const char *word) {
    size_t len = strlen(word);
    return text.len >= len && memcmp(text.data, word, len) == 0;
}

static int read_path(reader *r, mesh_bytes text) {
    if (text.len == 0) return refuse(r, "it names no file: write sqlite:/PATH");
    if (text.len > STORE_PATH_LEN_MAX - 32) // room for the names of the files beside it
        return refuse(r, "a path of more than %d bytes: choose a shorter one",
                      STORE_PATH_LEN_MAX - 32);
    memcpy(r->place.path, text.data, text.len);
    return 0;
}

static int read_host(reader *r, mesh_bytes text) {
    r->place.type = STORE_HOST;
    bool is_name = text.len > 0 && text.len <= STORE_HOST_LEN_MAX;
    for (size_t i = 0; i < text.len && is_name; i++)
        is_name = isalnum(text.data[i]) || strchr("-_.", text.data[i]) != NULL;
    if (!is_name)
        return refuse(r, "host: needs the name of a host of the cluster, as `warren hosts` shows "
                         "it: write host:NAME");
    memcpy(r->place.host, text.data, text.len);
    return 0;
}

// ---- etcd

static int add_endpoint(reader *r, mesh_bytes text) {
    store_place *place = &r->place;
    if (place->endpoint_count == STORE_ENDPOINTS_MAX)
        return refuse(r, "more than %d endpoints: name some of them", STORE_ENDPOINTS_MAX);
    mesh_endpoint *to = &place->endpoints[place->endpoint_count];
    if (mesh_endpoint_parse(text, ETCD_PORT, to) != 0)
        return refuse(r, "'%.*s' is not host:port (an IPv6 address goes in brackets: [fd00::1]:%d)",
                      (int)(text.len < 80 ? text.len : 80), (const char *)text.data, ETCD_PORT);
    place->endpoint_count++;
    return 0;
}

static int read_endpoints(reader *r, mesh_bytes text) {
    // A password here would be printed with the text wherever that is printed.
    if (text.len > 0 && memchr(text.data, '@', text.len) != NULL)
        return refuse(r,
                      "a name and password do not belong in it, but in the file of ?login=/FILE");
    bool has_more;
    do {
        mesh_bytes before = text;
        mesh_bytes one = take_until(&text, ',');
        has_more = one.len < before.len;
        if (add_endpoint(r, one) != 0) return MESH_EINVAL;
    } while (has_more);
    return 0;
}

static int read_prefix(reader *r, mesh_bytes text) {
    while (text.len > 0 && text.data[text.len - 1] == '/')
        text.len--;
    if (text.len == 0) text = mesh_bytes_text("/warren");
    if (!mesh_is_key_prefix(text) || text.len > STORE_PREFIX_LEN_MAX)
        return refuse(
            r, "its prefix may have letters, digits, '.', '-', '_' and single '/', and %d bytes",
            STORE_PREFIX_LEN_MAX);
    memcpy(r->place.prefix, text.data, text.len);
    return 0;
}

static int read_option(reader *r, mesh_bytes text) {
    store_place *place = &r->place;
    const struct {
        const char *word;
        char *to;
        bool is_of_tls;
    } options[] = {
        {"ca=", place->ca_path, true},
        {"cert=", place->cert_path, true},
        {"key=", place->key_path, true},
        {"login=", place->login_path, true},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (!starts_with(text, options[i].word)) continue;
        mesh_bytes path = mesh_bytes_skip(text, strlen(options[i].word));
        if (path.len == 0 || path.data[0] != '/' || path.len > STORE_PATH_LEN_MAX)
            return refuse(r, "'%.*s' needs the whole path of a file, as in %s/etc/warren/FILE",
                          (int)strlen(options[i].word) - 1, options[i].word, options[i].word);
        if (options[i].is_of_tls && !place->is_tls)
            return refuse(r, "certificates and a password go with etcds:// only: write that");
        memcpy(options[i].to, path.data, path.len);
        options[i].to[path.len] = '\0';
        return 0;
    }
    return refuse(r, "after '?' it has ca=/FILE, cert=/FILE, key=/FILE and login=/FILE, with '&' "
                     "between them");
}

static int read_etcd(reader *r, mesh_bytes text) {
    r->place.type = STORE_ETCD;
    mesh_bytes address = take_until(&text, '?'), prefix = address;
    mesh_bytes endpoints = take_until(&prefix, '/');
    prefix = mesh_bytes_skip(address, endpoints.len); // with its slash
    if (read_endpoints(r, endpoints) != 0 || read_prefix(r, prefix) != 0) return MESH_EINVAL;
    while (text.len > 0)
        if (read_option(r, take_until(&text, '&')) != 0) return MESH_EINVAL;
    if ((r->place.cert_path[0] != '\0') != (r->place.key_path[0] != '\0'))
        return refuse(r, "cert=/FILE and key=/FILE go together: write both");
    return 0;
}

int store_place_parse(const char *text, store_place *out,
                      char out_sentence[STORE_SENTENCE_LEN_MAX + 1]) {
    reader r = {.sentence = out_sentence};
    mesh_bytes rest = mesh_bytes_text(text);
    if (rest.len > STORE_PLACE_TEXT_LEN_MAX)
        return refuse(&r, "the text of a store has more than %d bytes", STORE_PLACE_TEXT_LEN_MAX);
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            return refuse(&r, "the text of a store has no control characters");
    int err = MESH_EINVAL;
    if (starts_with(rest, "sqlite:")) {
        err = read_path(&r, mesh_bytes_skip(rest, 7));
    } else if (starts_with(rest, "host:")) {
        err = read_host(&r, mesh_bytes_skip(rest, 5));
    } else if (starts_with(rest, "etcd://") || starts_with(rest, "etcds://")) {
        r.place.is_tls = rest.data[4] == 's';
        err = read_etcd(&r, mesh_bytes_skip(rest, r.place.is_tls ? 8 : 7));
    } else {
        (void)refuse(&r, "a store is sqlite:PATH, host:NAME, etcd://HOST:2379,HOST:2379 or "
                         "etcds://HOST:2379");
    }
    if (err == 0) *out = r.place;
    return err;
}
