// The files of an identity, each as its message of proto/state.proto. Only identity.c uses this.
#pragma once

#include "agent/identity.h"

// Each returns 0, or a negative error and a sentence.

// Keys, trust, chain and secret, and that they belong together. The times are not asked.
int identity_file_read_host(agent_identity *identity, char text[AGENT_VAULT_TEXT_MAX]);
int identity_file_write_host(const agent_identity *identity, char text[AGENT_VAULT_TEXT_MAX]);
// No issuer.key: this host is none.
int identity_file_read_issuer(agent_identity *identity, char text[AGENT_VAULT_TEXT_MAX]);
int identity_file_write_issuer(const agent_identity *identity, char text[AGENT_VAULT_TEXT_MAX]);
// `vault`: the directory where it was put; the key must be one that we trust.
int identity_file_read_root(const char *vault, const mesh_trust *trust,
                            uint8_t out[MESH_SIGN_SECRET_LEN], char text[AGENT_VAULT_TEXT_MAX]);
int identity_file_write_root(const char *vault, const uint8_t seed[32],
                             char text[AGENT_VAULT_TEXT_MAX]);
// No file: none.
int identity_file_read_peers(agent_identity *identity, char text[AGENT_VAULT_TEXT_MAX]);
int identity_file_write_peers(const char *vault, const char *const *addresses, size_t count,
                              char text[AGENT_VAULT_TEXT_MAX]);
int identity_file_read_generation(const agent_identity *identity, uint64_t *out,
                                  char text[AGENT_VAULT_TEXT_MAX]);
int identity_file_write_generation(const char *vault, uint64_t value,
                                   char text[AGENT_VAULT_TEXT_MAX]);
