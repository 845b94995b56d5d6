#include "agent/cluster_config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "core/mem.h"
#include "discovery/spec.h"

enum { HOST_LEN_MAX = INET6_ADDRSTRLEN };

// ---- addresses

// The host of "host:port", without brackets. False: too long for an IP address.
static bool take_host(const char *address, char out[HOST_LEN_MAX]) {
    const char *colon = strrchr(address, ':');
    size_t len = (size_t)(colon - address), skip = address[0] == '[' ? 1 : 0;
    len -= 2 * skip;
    if (len >= HOST_LEN_MAX) return false;
    memcpy(out, address + skip, len);
    out[len] = '\0';
    return true;
}

bool agent_is_listen_address(const char *text) {
    char host[HOST_LEN_MAX];
    struct in6_addr parsed;
    if (!mesh_is_address(text) || !take_host(text, host)) return false;
    return inet_pton(text[0] == '[' ? AF_INET6 : AF_INET, host, &parsed) == 1;
}

bool agent_is_any_address(const char *listen) {
    static const struct in6_addr zero;
    char host[HOST_LEN_MAX];
    struct in6_addr parsed = {0};
    return take_host(listen, host) &&
           inet_pton(listen[0] == '[' ? AF_INET6 : AF_INET, host, &parsed) == 1 &&
           memcmp(&parsed, &zero, sizeof zero) == 0;
}

// What a card has that others can dial: not the loopback, nor an address that is valid on one cable
// only.
static bool put_card(const struct ifaddrs *card, bool is_v6_wanted, const char *port,
                     char out[MESH_ADDRESS_LEN_MAX + 1]) {
    char host[HOST_LEN_MAX];
    if (card->ifa_addr == NULL || (card->ifa_flags & IFF_LOOPBACK) || !(card->ifa_flags & IFF_UP))
        return false;
    if (card->ifa_addr->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)card->ifa_addr;
        if (inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host) == NULL) return false;
        (void)snprintf(out, MESH_ADDRESS_LEN_MAX + 1, "%s:%s", host, port);
        return true;
    }
    if (card->ifa_addr->sa_family != AF_INET6 || !is_v6_wanted) return false;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)card->ifa_addr;
    if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr)) return false;
    if (inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host) == NULL) return false;
    (void)snprintf(out, MESH_ADDRESS_LEN_MAX + 1, "[%s]:%s", host, port);
    return true;
}

static size_t put_cards(const char *listen,
                        char out[MESH_TOKEN_ADDRESSES_MAX][MESH_ADDRESS_LEN_MAX + 1]) {
    struct ifaddrs *cards;
    size_t count = 0;
    if (getifaddrs(&cards) != 0) return 0;
    for (const struct ifaddrs *card = cards; card && count < MESH_TOKEN_ADDRESSES_MAX;
         card = card->ifa_next)
        if (put_card(card, listen[0] == '[', strrchr(listen, ':') + 1, out[count])) count++;
    freeifaddrs(cards);
    return count;
}

size_t agent_cluster_addresses(const agent_cluster_config *config,
                               char out[MESH_TOKEN_ADDRESSES_MAX][MESH_ADDRESS_LEN_MAX + 1]) {
    const char *one = config->advertise[0] != '\0' ? config->advertise : config->listen;
    if (config->advertise[0] == '\0' && agent_is_any_address(config->listen))
        return put_cards(one, out);
    memcpy(out[0], one, strlen(one) + 1);
    return 1;
}

// ---- the file

static bool take_text(const json_t *root, const char *name, bool (*is_right)(const char *),
                      char out[MESH_ADDRESS_LEN_MAX + 1]) {
    const char *text = json_string_value(json_object_get(root, name));
    if (text == NULL || !is_right(text)) return false;
    memcpy(out, text, strlen(text) + 1); // an address is not longer
    return true;
}

bool agent_cluster_config_discover(agent_cluster_config *config, const char *source,
                                   char text[AGENT_VAULT_TEXT_MAX]) {
    mesh_source_spec spec;
    char why[MESH_SENTENCE_LEN_MAX + 1];
    if (config->discover_count == AGENT_SOURCES_MAX || strlen(source) > AGENT_SOURCE_LEN_MAX) {
        (void)snprintf(text, AGENT_VAULT_TEXT_MAX,
                       "at most %d sources of at most %d characters can be searched for hosts",
                       AGENT_SOURCES_MAX, AGENT_SOURCE_LEN_MAX);
        return false;
    }
    if (mesh_source_spec_parse(source, &spec, why) != 0) {
        (void)snprintf(text, AGENT_VAULT_TEXT_MAX, "%s", why);
        return false;
    }
    mesh_source_spec_deinit(&spec);
    memcpy(config->discover[config->discover_count++], source, strlen(source) + 1);
    return true;
}

static const char *take_sources(const json_t *list, agent_cluster_config *out) {
    // Borrowed by the one sentence that it becomes part of.
    static char text[AGENT_VAULT_TEXT_MAX + 16];
    char why[AGENT_VAULT_TEXT_MAX];
    size_t i;
    json_t *source;
    if (list != NULL && !json_is_array(list)) return "\"discover\" is no list";
    json_array_foreach(list, i, source) {
        if (!json_is_string(source)) return "\"discover\" has something in it that is no text";
        if (agent_cluster_config_discover(out, json_string_value(source), why)) continue;
        (void)snprintf(text, sizeof text, "\"discover\": %s", why);
        return text;
    }
    return NULL;
}

// A key that nobody reads is a wish that would not be heard: a typing error, or of another release.
static const char *find_strange(json_t *root) {
    static char text[256]; // borrowed, as the one of take_sources
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value) {
        if (strcmp(key, "listen") == 0 || strcmp(key, "advertise") == 0 ||
            strcmp(key, "discover") == 0)
            continue;
        (void)snprintf(text, sizeof text,
                       "there is no setting \"%.80s\", but \"listen\", \"advertise\" and "
                       "\"discover\"",
                       key);
        return text;
    }
    return NULL;
}

static const char *take(json_t *root, agent_cluster_config *out) {
    if (!json_is_object(root)) return "it is no JSON object";
    const char *strange = find_strange(root);
    if (strange != NULL) return strange;
    if (!take_text(root, "listen", agent_is_listen_address, out->listen))
        return "\"listen\" is no IP address and port";
    if (json_object_get(root, "advertise") != NULL &&
        (!take_text(root, "advertise", mesh_is_address, out->advertise) ||
         agent_is_any_address(out->advertise)))
        return "\"advertise\" is no host and port that others could reach";
    return take_sources(json_object_get(root, "discover"), out);
}

int agent_cluster_config_read(const char *vault, agent_cluster_config *out,
                              char text[AGENT_VAULT_TEXT_MAX]) {
    mesh_bytes file;
    agent_cluster_config config = {0};
    int err = agent_vault_read(vault, AGENT_VAULT_CONFIG, &file, text);
    if (err != 0) return err;
    json_t *root = json_loadb((const char *)file.data, file.len, JSON_REJECT_DUPLICATES, NULL);
    const char *wrong = take(root, &config);
    json_decref(root);
    agent_vault_free(file);
    if (wrong != NULL) return agent_vault_damaged(vault, AGENT_VAULT_CONFIG, wrong, text);
    *out = config;
    return 0;
}

int agent_cluster_config_write(const char *vault, const agent_cluster_config *config,
                               char text[AGENT_VAULT_TEXT_MAX]) {
    json_t *root = json_pack("{s:s}", "listen", config->listen);
    if (config->advertise[0] != '\0')
        json_object_set_new(root, "advertise", json_string(config->advertise));
    if (config->discover_count > 0) {
        json_t *list = json_array();
        for (size_t i = 0; i < config->discover_count; i++)
            json_array_append_new(list, json_string(config->discover[i]));
        json_object_set_new(root, "discover", list);
    }
    char *dump = mem_check(json_dumps(root, JSON_INDENT(2)));
    json_decref(root);
    size_t len = strlen(dump);
    dump[len] = '\n'; // in place of its zero: bytes, from here on
    int err = agent_vault_write(vault, AGENT_VAULT_CONFIG,
                                (mesh_bytes){(const uint8_t *)dump, len + 1}, text);
    free(dump);
    return err;
}
