// The way of a token to its issuer and back: a blocking conversation of at most 10 s with each of
// its addresses, for `warren join`.
#pragma once

#include "secure/enrol.h"

enum { CLI_ENROL_TEXT_MAX = 1024 };

typedef struct cli_enrol_options {
    const mesh_token *token;
    const char *name;                         // that the host wants; "": the ticket says it
    bool is_name_open;                        // it takes the ticket's as well
    const uint8_t *sign_secret, *link_secret; // of MESH_SIGN_SECRET_LEN and MESH_LINK_KEY_LEN
    void (*on_try)(const char *address);      // says where it is being tried
} cli_enrol_options;

// A connection to "host:port" within 5 s for each of its addresses: a descriptor, or a negative
// error and a sentence.
int cli_enrol_connect(const char *address, char text[CLI_ENROL_TEXT_MAX]);

// 0 and the answer of the first issuer that gave one; MESH_EREFUSED: it says no; or another
// negative error: no address of the token led to one. Then a sentence, or several, in `text`.
int cli_enrol(const cli_enrol_options *options, mesh_enrol_answer *out,
              char text[CLI_ENROL_TEXT_MAX]);
