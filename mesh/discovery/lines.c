#include "discovery/lines.h"

#include <stdio.h>

static bool is_blank(uint8_t byte) {
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static mesh_bytes trim(mesh_bytes line) {
    const uint8_t *comment = line.len > 0 ? memchr(line.data, '#', line.len) : NULL;
    if (comment != NULL) line.len = (size_t)(comment - line.data);
    while (line.len > 0 && is_blank(line.data[0]))
        line = mesh_bytes_skip(line, 1);
    while (line.len > 0 && is_blank(line.data[line.len - 1]))
        line.len--;
    return line;
}

size_t mesh_lines_parse(mesh_bytes text, mesh_endpoint out[MESH_ENDPOINTS_MAX],
                        char out_sentence[MESH_SENTENCE_LEN_MAX + 1]) {
    size_t count = 0, number = 1;
    const char *why = NULL;
    size_t why_number = 0;
    for (; text.len > 0; number++) {
        const uint8_t *newline = memchr(text.data, '\n', text.len);
        size_t len = newline != NULL ? (size_t)(newline - text.data) : text.len;
        mesh_bytes line = trim((mesh_bytes){text.data, len});
        text = mesh_bytes_skip(text, newline != NULL ? len + 1 : len);
        if (line.len == 0) continue;

        const char *wrong = NULL;
        mesh_endpoint endpoint;
        if (newline == NULL)
            wrong = "has no newline at its end and may be half-written";
        else if (mesh_endpoint_parse(line, MESH_PORT_DEFAULT, &endpoint) != 0)
            wrong = "is not host:port";
        else if (count == MESH_ENDPOINTS_MAX)
            wrong = "and those after it are over the limit of 256 hosts";
        else
            out[count++] = endpoint;
        if (wrong == NULL || why != NULL) continue;
        why = wrong;
        why_number = number;
    }
    out_sentence[0] = '\0';
    if (why != NULL)
        (void)snprintf(out_sentence, MESH_SENTENCE_LEN_MAX + 1, "line %zu %s: it was left out",
                       why_number, why);
    return count;
}
