// The labels of this host, by which services choose where they run (docs/placement.md): a file of
// lines, "zone=a".
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/deployer_state.h"
#include "agent/say.h"
#include "agent/vault.h"
#include "core/mem.h"

enum { LINE_LEN_MAX = 2 * AGENT_DEPLOYER_LABEL_LEN_MAX + 2 };

static bool is_word(const char *text, size_t len) {
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./";
    return len > 0 && len <= AGENT_DEPLOYER_LABEL_LEN_MAX && strspn(text, good) >= len;
}

static bool is_label(const char *word, size_t len) {
    const char *equals = memchr(word, '=', len);
    return equals != NULL && is_word(word, (size_t)(equals - word)) &&
           is_word(equals + 1, len - (size_t)(equals - word) - 1);
}

bool agent_deployer_labels_parse(const char *labels, char text[AGENT_DEPLOYER_TEXT_MAX]) {
    size_t count = 0;
    for (const char *at = labels;; count++) {
        size_t len = strcspn(at, ",");
        if (!is_label(at, len) || count == AGENT_DEPLOYER_LABELS_MAX) {
            (void)snprintf(
                text, AGENT_DEPLOYER_TEXT_MAX,
                "\"%.100s\" is no label, or one too many: say `--label zone=a`, a name and "
                "a value, each 1 to %d letters, digits and -_./, and at most %d of them",
                at, AGENT_DEPLOYER_LABEL_LEN_MAX, AGENT_DEPLOYER_LABELS_MAX);
            return false;
        }
        if (at[len] == '\0') return true;
        at += len + 1;
    }
}

int agent_deployer_keep_labels(const char *dir, const char *labels,
                               char text[AGENT_DEPLOYER_TEXT_MAX]) {
    char why[AGENT_VAULT_TEXT_MAX];
    size_t len = strlen(labels);
    char *lines = mem_copy(labels, len + 1);
    for (char *comma; (comma = strchr(lines, ',')) != NULL;)
        *comma = '\n';
    lines[len] = '\n';
    int err = agent_vault_write(dir, AGENT_VAULT_LABELS,
                                (mesh_bytes){(uint8_t *)lines, len > 0 ? len + 1 : 0}, why);
    free(lines);
    if (err != 0) (void)snprintf(text, AGENT_DEPLOYER_TEXT_MAX, "%.700s", why);
    return err;
}

static char *copy(const char *from, size_t len) {
    char *text = mem_alloc(len + 1);
    memcpy(text, from, len);
    return text;
}

static Warren__Deploy__Label *make(const char *line, size_t len) {
    Warren__Deploy__Label *label = mem_alloc(sizeof *label);
    const char *equals = memchr(line, '=', len);
    size_t key_len = (size_t)(equals - line);
    warren__deploy__label__init(label);
    label->key = copy(line, key_len);
    label->value = copy(equals + 1, len - key_len - 1);
    return label;
}

size_t deployer_labels_read(const char *dir, Warren__Deploy__Label ***out) {
    char why[AGENT_VAULT_TEXT_MAX];
    mesh_bytes file = {NULL, 0};
    size_t count = 0;
    Warren__Deploy__Label **labels = mem_alloc(AGENT_DEPLOYER_LABELS_MAX * sizeof(void *));
    *out = labels;
    if (!agent_vault_has(dir, AGENT_VAULT_LABELS)) return 0;
    if (agent_vault_read(dir, AGENT_VAULT_LABELS, &file, why) != 0) {
        agent_say("this host has no labels: %s", why);
        return 0;
    }
    mesh_bytes left = file;
    while (left.len > 0 && count < AGENT_DEPLOYER_LABELS_MAX) {
        const uint8_t *end = memchr(left.data, '\n', left.len);
        size_t len = end != NULL ? (size_t)(end - left.data) : left.len;
        char line[LINE_LEN_MAX] = "";
        if (len < sizeof line) memcpy(line, left.data, len);
        if (len < sizeof line && is_label(line, strlen(line)))
            labels[count++] = make(line, strlen(line));
        else if (len > 0)
            agent_say("%s/" AGENT_VAULT_LABELS " has a line that is no label: \"%.100s\"", dir,
                      line);
        left = mesh_bytes_skip(left, end != NULL ? len + 1 : len);
    }
    agent_vault_free(file);
    return count;
}

void deployer_labels_free(Warren__Deploy__Label **labels, size_t count) {
    for (size_t i = 0; i < count; i++)
        warren__deploy__label__free_unpacked(labels[i], NULL);
    free(labels);
}
