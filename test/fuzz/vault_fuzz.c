// The files of an agent's cluster, changed by whoever can write there or by a bad disk. The first
// byte chooses the file, and whether the rest is its inside (bit 7: changes to the one that is
// there, u16 place and byte each) or the file as it is. Loading ends in an identity or a sentence.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/identity.h"
#include "agent/tickets.h"
#include "core/be.h"
#include "core/mem.h"
#include "fuzz.h"

enum { PATH_LEN_MAX = 512, CHANGE_LEN = 3, FILES = 6, NOW_S = 1800000000 };

static const char *const names[FILES] = {AGENT_VAULT_HOST,    AGENT_VAULT_ISSUER,
                                         AGENT_VAULT_CONFIG,  AGENT_VAULT_GENERATION,
                                         AGENT_VAULT_TICKETS, AGENT_VAULT_PEERS};
static char state[64], vault[AGENT_VAULT_PATH_MAX];
static mesh_bytes bodies[FILES];

static agent_identity *load(void) {
    char text[AGENT_VAULT_TEXT_MAX] = "";
    agent_identity *id = NULL;
    int err = agent_identity_load(state, &id, text);
    CHECK((err == 0) == (id != NULL) && (err == 0 || text[0] != '\0'));
    return id;
}

static void clean_up(void) {
    agent_vault_abandon(vault);
    (void)rmdir(state);
}

static void set_up(void) {
    char text[AGENT_VAULT_TEXT_MAX], token[MESH_TOKEN_LEN_MAX + 1];
    if (state[0] != '\0') return;
    // In memory: each input writes a file and waits until it is on the disk.
    (void)snprintf(state, sizeof state, "/dev/shm/warren-fuzz-XXXXXX");
    CHECK(mkdtemp(state) != NULL);
    agent_vault_path(state, vault);
    (void)atexit(clean_up);
    agent_cluster_config config = {.listen = "127.0.0.1:7400"};
    CHECK(agent_cluster_config_discover(&config, "seeds:h1:7400", text));
    agent_new_host keys;
    agent_new_host_make(&keys);
    CHECK(agent_identity_create_cluster(state, "host", &keys, &config, NOW_S, text) == 0);
    agent_identity *id = load();
    const char *const peers[] = {"10.0.0.1:7400"}, *const scopes[] = {"*"};
    agent_ticket_wish wish = {.scopes = scopes, .scope_count = 1, .life_s = 60};
    CHECK(agent_identity_save_peers(id->vault, peers, 1, text) == 0);
    CHECK(agent_tickets_create(id, &wish, NOW_S, token, text) == 0);
    agent_identity_free(id);
    for (size_t i = 0; i < FILES; i++)
        CHECK(agent_vault_read(vault, names[i], &bodies[i], text) == 0);
}

static void write_inside(const char *name, mesh_bytes body) {
    char text[AGENT_VAULT_TEXT_MAX];
    CHECK(agent_vault_write(vault, name, body, text) == 0);
}

static void write_raw(const char *name, mesh_bytes body) {
    char path[PATH_LEN_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", vault, name);
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    CHECK(fd >= 0 && write(fd, body.data, body.len) == (ssize_t)body.len);
    close(fd);
}

static void write_changed(const char *name, mesh_bytes was, mesh_bytes changes) {
    uint8_t *body = mem_copy(was.data, was.len);
    for (; changes.len >= CHANGE_LEN; changes = mesh_bytes_skip(changes, CHANGE_LEN))
        body[load_be16(changes.data) % was.len] = changes.data[2];
    write_inside(name, (mesh_bytes){body, was.len});
    free(body);
}

static void use(agent_identity *id) {
    char text[AGENT_VAULT_TEXT_MAX];
    agent_ticket_keys kept = {.count = 0};
    const mesh_ticket_keys *keys;
    mesh_signed cert;
    const uint8_t key[MESH_LINK_KEY_LEN] = {9};
    if (id == NULL) return;
    CHECK(id->peer_count <= AGENT_PEERS_MAX && id->config.discover_count <= AGENT_SOURCES_MAX);
    (void)agent_tickets_find(id, &kept, 1, &keys, text);
    (void)agent_identity_issue_node(id, 1, "node", key, NOW_S, &cert);
    agent_identity_free(id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    set_up();
    size_t at = (data[0] & 0x3f) % FILES;
    mesh_bytes input = {data + 1, size - 1};
    if (input.len > AGENT_VAULT_BODY_LEN_MAX) return 0;
    if (data[0] & 0x80 && bodies[at].len > 0)
        write_changed(names[at], bodies[at], input);
    else if (data[0] & 0x40)
        write_raw(names[at], input);
    else
        write_inside(names[at], input);
    use(load());
    write_inside(names[at], bodies[at]);
    return 0;
}
