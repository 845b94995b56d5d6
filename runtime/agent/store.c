#include "agent/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/say.h"
#include "core/error.h"
#include "core/mem.h"
#include "store/remote.h"

struct agent_store {
    uv_loop_t *loop;
    char text[STORE_PLACE_TEXT_LEN_MAX + 1];
    store_place place;
    char local_path[STORE_PATH_LEN_MAX + 1];
    store_link link;      // of the store of a host
    store_db *db, *local; // NULL: not open; the same when the store is a file
    bool is_lost;         // said so
};

// ---- which one

int agent_store_parse(const char *text, store_place *out,
                      char out_sentence[STORE_SENTENCE_LEN_MAX + 1]) {
    store_place place;
    int err = store_place_parse(text, &place, out_sentence);
    if (err != 0) return err;
    if (place.type == STORE_SQLITE && place.path[0] != '/') {
        (void)snprintf(out_sentence, STORE_SENTENCE_LEN_MAX + 1,
                       "it needs the whole path of a file: sqlite:/var/lib/warren/store.db");
        return MESH_EINVAL;
    }
    *out = place;
    return 0;
}

// What is kept, as one line. -ENOENT: nothing is.
static int read_kept(const char *dir, char out[STORE_PLACE_TEXT_LEN_MAX + 1],
                     char text[AGENT_VAULT_TEXT_MAX]) {
    mesh_bytes file;
    if (!agent_vault_has(dir, AGENT_VAULT_STORE)) return -ENOENT;
    int err = agent_vault_read(dir, AGENT_VAULT_STORE, &file, text);
    if (err != 0) return err;
    size_t len = file.len;
    while (len > 0 && (file.data[len - 1] == '\n' || file.data[len - 1] == ' '))
        len--;
    bool is_line = len > 0 && len <= STORE_PLACE_TEXT_LEN_MAX && !memchr(file.data, '\0', len);
    if (is_line) {
        memcpy(out, file.data, len);
        out[len] = '\0';
    }
    agent_vault_free(file);
    return is_line ? 0 : agent_vault_damaged(dir, AGENT_VAULT_STORE, "it is no text", text);
}

static int find(const char *dir, char out[STORE_PLACE_TEXT_LEN_MAX + 1], store_place *place,
                char text[AGENT_VAULT_TEXT_MAX]) {
    char why[STORE_SENTENCE_LEN_MAX + 1];
    int err = read_kept(dir, out, text);
    if (err == -ENOENT) {
        (void)snprintf(out, STORE_PLACE_TEXT_LEN_MAX + 1, "sqlite:%s/store.db", dir);
        *place = (store_place){.type = STORE_SQLITE};
        (void)snprintf(place->path, sizeof place->path, "%s/store.db", dir);
        return 0;
    }
    if (err != 0 || agent_store_parse(out, place, why) == 0) return err;
    return agent_vault_damaged(dir, AGENT_VAULT_STORE, why, text);
}

static int keep(const char *dir, const char *wanted, char text[AGENT_VAULT_TEXT_MAX]) {
    char kept[STORE_PLACE_TEXT_LEN_MAX + 1], line[STORE_PLACE_TEXT_LEN_MAX + 2], ignored[1024];
    if (read_kept(dir, kept, ignored) == 0 && strcmp(kept, wanted) == 0) return 0;
    int len = snprintf(line, sizeof line, "%s\n", wanted);
    return agent_vault_write(dir, AGENT_VAULT_STORE,
                             (mesh_bytes){(const uint8_t *)line, (size_t)len}, text);
}

static int take_wanted(const char *dir, const char *wanted, agent_store *s,
                       char text[AGENT_VAULT_TEXT_MAX]) {
    char why[STORE_SENTENCE_LEN_MAX + 1];
    if (agent_store_parse(wanted, &s->place, why) != 0) {
        (void)snprintf(text, AGENT_VAULT_TEXT_MAX, "cannot use the store \"%.200s\": %s", wanted,
                       why);
        return -EINVAL;
    }
    (void)snprintf(s->text, sizeof s->text, "%s", wanted);
    return keep(dir, wanted, text);
}

int agent_store_create(uv_loop_t *loop, const char *dir, const char *wanted, agent_store **out,
                       char text[AGENT_VAULT_TEXT_MAX]) {
    agent_store *s = mem_alloc(sizeof *s);
    s->loop = loop;
    int err =
        wanted != NULL ? take_wanted(dir, wanted, s, text) : find(dir, s->text, &s->place, text);
    if (err != 0) {
        free(s);
        return err;
    }
    if (s->place.type == STORE_SQLITE)
        memcpy(s->local_path, s->place.path, sizeof s->local_path);
    else
        (void)snprintf(s->local_path, sizeof s->local_path, "%s/store.db", dir);
    *out = s;
    return 0;
}

int agent_store_check(const char *dir, char text[AGENT_VAULT_TEXT_MAX]) {
    char kept[STORE_PLACE_TEXT_LEN_MAX + 1];
    store_place place;
    return find(dir, kept, &place, text);
}

// ---- open

static void on_status(const store_status *status, void *user) {
    agent_store *s = user;
    if (s->is_lost == !status->is_reachable) return;
    s->is_lost = !status->is_reachable;
    agent_say("the store %.200s %s%s", s->text, s->is_lost ? "cannot be used: " : "answers again",
              status->sentence);
}

store_db *agent_store_get(agent_store *s) {
    if (s->db == NULL)
        s->db = store_open(&(store_options){.loop = s->loop,
                                            .place = &s->place,
                                            .link = &s->link,
                                            .on_status = on_status,
                                            .user = s});
    return s->db;
}

store_db *agent_store_local(agent_store *s) {
    if (!agent_store_is_shared(s)) return agent_store_get(s);
    if (s->local == NULL) {
        store_place place = {.type = STORE_SQLITE};
        memcpy(place.path, s->local_path, sizeof place.path);
        s->local = store_open(&(store_options){.loop = s->loop, .place = &place});
    }
    return s->local;
}

void agent_store_start(agent_store *s) {
    if (agent_store_is_shared(s)) (void)agent_store_get(s);
}

void agent_store_destroy(agent_store *s) {
    if (s == NULL) return;
    store_close(s->db, NULL, NULL);
    store_close(s->local, NULL, NULL);
    free(s);
}

// ---- what it is

const char *agent_store_local_path(const agent_store *s) {
    return s->local_path;
}

bool agent_store_is_shared(const agent_store *s) {
    return s->place.type != STORE_SQLITE;
}

const char *agent_store_host(const agent_store *s) {
    return s->place.type == STORE_HOST ? s->place.host : NULL;
}

void agent_store_set_link(agent_store *s, const store_link *link) {
    s->link = *link;
}

const char *agent_store_text(const agent_store *s) {
    return s->text;
}

bool agent_store_is_open(const agent_store *s) {
    return s->db != NULL;
}

const char *agent_store_trouble(const agent_store *s) {
    return s->db != NULL ? store_status_get(s->db)->sentence : "";
}
