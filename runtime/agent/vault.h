// The files of STATE/cluster: keys, certificates, and what must outlive the agent. The directory is
// 0700 and ours, each file 0600, ours, and whole: a file is written beside its name and renamed,
// and carries its name and a checksum. What is wrong with one is told in a sentence; nothing here
// makes up for it, for new keys would make another host of this one.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

#include "core/bytes.h"

enum {
    AGENT_VAULT_TEXT_MAX = 1024,
    AGENT_VAULT_PATH_MAX = 256,
    AGENT_VAULT_BODY_LEN_MAX = 64 << 10,
};

#define AGENT_VAULT_ROOT       "root.key"
#define AGENT_VAULT_ISSUER     "issuer.key"
#define AGENT_VAULT_HOST       "host.key"
#define AGENT_VAULT_GENERATION "generation"
#define AGENT_VAULT_TICKETS    "tickets"
#define AGENT_VAULT_PEERS      "peers"
#define AGENT_VAULT_SECRETS    "secrets.key" // of the state directory itself
#define AGENT_VAULT_SEAL       "seal.key"    // opens the secrets of the cluster
#define AGENT_VAULT_REVOKED    "revoked"     // hosts that get none
#define AGENT_VAULT_CONFIG     "config.json" // for people: neither name nor checksum in it
#define AGENT_VAULT_STORE      "store.conf"  // the same, of the state directory itself
#define AGENT_VAULT_LABELS     "labels.conf" // likewise

// Every function returns 0, or -errno (-EBADMSG: damaged; -EPERM: somebody else's, or open to
// others) and a sentence in `text`.

void agent_vault_path(const char *state, char out[AGENT_VAULT_PATH_MAX]); // STATE/cluster
// -ENOENT, with no sentence: there is none.
int agent_vault_check(const char *vault, char text[AGENT_VAULT_TEXT_MAX]);
// Whether there is such a file; what else may be wrong with it is told by reading it.
bool agent_vault_has(const char *vault, const char *name);

// Gives what is in the file; agent_vault_free it. -ENOENT: as any other error.
// Which file it is, and of when: another stamp is another file, or other rights. All zeros: none.
typedef struct agent_vault_stamp {
    uint64_t inode, changed_s, changed_ns, len;
} agent_vault_stamp;
agent_vault_stamp agent_vault_stamp_of(const char *vault, const char *name);

int agent_vault_read(const char *vault, const char *name, mesh_bytes *out,
                     char text[AGENT_VAULT_TEXT_MAX]);
void agent_vault_free(mesh_bytes bytes); // wipes it
// When it returns 0 the file is on disk, whatever happens next; else the old one is still there.
int agent_vault_write(const char *vault, const char *name, mesh_bytes body,
                      char text[AGENT_VAULT_TEXT_MAX]);

// The same for a message. `take` says whether it is sound; it may keep nothing of it.
typedef bool (*agent_vault_take_cb)(const ProtobufCMessage *message, void *user);
int agent_vault_read_message(const char *vault, const char *name,
                             const ProtobufCMessageDescriptor *descriptor, agent_vault_take_cb take,
                             void *user, char text[AGENT_VAULT_TEXT_MAX]);
int agent_vault_write_message(const char *vault, const char *name, const ProtobufCMessage *message,
                              char text[AGENT_VAULT_TEXT_MAX]);

// The sentence for a file whose inside is no good, though it is whole. Returns -EBADMSG.
int agent_vault_damaged(const char *vault, const char *name, const char *why,
                        char text[AGENT_VAULT_TEXT_MAX]);

// A vault is made beside its place and put there with all that is in it, or not at all.
int agent_vault_begin(const char *state, char out_vault[AGENT_VAULT_PATH_MAX],
                      char text[AGENT_VAULT_TEXT_MAX]);
int agent_vault_finish(const char *state, const char *vault, char text[AGENT_VAULT_TEXT_MAX]);
void agent_vault_abandon(const char *vault); // removes it, files and all
// Puts the vault of STATE aside as STATE/cluster.left-SECONDS: this host is in no cluster then, and
// nothing is lost. -ENOENT, with no sentence: there is none.
int agent_vault_retire(const char *state, uint64_t now_s, char out_vault[AGENT_VAULT_PATH_MAX],
                       char text[AGENT_VAULT_TEXT_MAX]);

// Waits, for a second at most, until nobody else changes the tickets. A descriptor (close it), or
// an error; -EWOULDBLOCK: somebody does not let go of them.
int agent_vault_lock(const char *vault, char text[AGENT_VAULT_TEXT_MAX]);
